"""Lists page by `before` and `limit`, and answer `next`."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from marshmallow import fields, validate

from events.fields import MAX_ID, Schema

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

T = TypeVar("T", bound=Any)


class PageQuery(Schema):
    """Newest first; `before` is the id that `next` of the page before named."""

    before = fields.Integer(load_default=None, validate=validate.Range(1, MAX_ID))
    limit = fields.Integer(load_default=DEFAULT_LIMIT, validate=validate.Range(1, MAX_LIMIT))


def _id(entry: Any) -> int:
    return int(entry.id)


def cut(
    found: Sequence[T], limit: int, place: Callable[[T], int] = _id
) -> tuple[Sequence[T], int | None]:
    """The page, and where the next one begins or None at the end.

    `found` was read with one more than `limit`: only so can a full last page be told from one
    that has a next. `place` is what the list is ordered by.
    """
    page = found[:limit]
    return page, place(page[-1]) if len(found) > limit else None
