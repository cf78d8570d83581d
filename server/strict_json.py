"""JSON read strictly where RFC 8259 lets readers differ."""

import json
from collections.abc import Callable
from typing import Any

from server.errors import MalformedJson


def loads(
    raw: bytes,
    *,
    parse_float: Callable[[str], Any] | None = None,
    parse_int: Callable[[str], Any] | None = None,
) -> Any:
    """Parse UTF-8 JSON.

    Raises: MalformedJson for anything that is not JSON, for NaN and Infinity, and for an
    object that has a name twice (two readers would see two different values).
    """
    try:
        return json.loads(
            raw.decode("utf-8"),
            parse_float=parse_float,
            parse_int=parse_int,
            parse_constant=_no_constant,
            object_pairs_hook=_unique,
        )
    except (ValueError, RecursionError) as error:
        raise MalformedJson(f"The body is not valid JSON: {error}"[:200]) from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return names
