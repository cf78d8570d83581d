"""Lists page by `before` and `limit`, and answer `next`."""

from collections.abc import Sequence
from typing import Any

from marshmallow import fields, validate

from events.fields import MAX_ID, Schema

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class PageQuery(Schema):
    """Newest first; `before` is the id that `next` of the page before named."""

    before = fields.Integer(load_default=None, validate=validate.Range(1, MAX_ID))
    limit = fields.Integer(load_default=DEFAULT_LIMIT, validate=validate.Range(1, MAX_LIMIT))


def next_before(page: Sequence[Any], limit: int) -> int | None:
    """Where the next page begins, or None at the end."""
    return page[-1].id if len(page) == limit else None
