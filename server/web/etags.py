"""Answers that a client may have already (RFC 9110 §13.1.2)."""

import hashlib
from typing import Any

from aiohttp import web
from aiohttp.helpers import ETAG_ANY

# The client keeps it for itself, and asks each time whether it still holds.
_CACHING = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


def etag_of(*parts: Any) -> str:
    """A tag that is the same as long as all of this is."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def unchanged(request: web.Request, etag: str) -> web.Response | None:
    """304 if the client says that it has this already."""
    known = request.if_none_match or ()
    # Weak comparison: whether a proxy has compressed it on its way is of no interest.
    if not any(each.value in (etag, ETAG_ANY) for each in known):
        return None
    return tagged(web.Response(status=304), etag)


def tagged(response: web.Response, etag: str) -> web.Response:
    """The answer, with what a client needs to ask for it again."""
    response.etag = etag
    response.headers.update(_CACHING)
    return response
