"""Which pages may reach the transport (the Fetch standard's CORS, and RFC 6454's Origin).

A browser sends Origin with a WebSocket handshake and with cross-origin requests, and only there
does it mean anything: a native client sends none, or what it likes.
"""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from server.engine.requests import Request

#: In a list of origins: the one that the request itself is for.
SAME_ORIGIN = "same-origin"

Allowed = str | Sequence[str] | Callable[..., bool] | None


class Origins:
    """The rule of python-socketio's `cors_allowed_origins`, and the headers that follow from it.

    None: the server's own origin. A list (or one): these, where `same-origin` is the own one,
    `null`, `file://` and `app://name` stand for desktop clients and `app://*` for any of that
    scheme. `"*"`: all, and
    then never with credentials. A callable gets the origin and the environ. An empty list: no
    check and no headers, something in front does it. No Origin at all is allowed unless
    `required`.
    """

    def __init__(self, allowed: Allowed, *, credentials: bool, required: bool) -> None:
        self._credentials = credentials
        self._required = required
        self._off = isinstance(allowed, (list, tuple)) and not allowed
        self._asked: Callable[..., bool] | None = allowed if callable(allowed) else None
        listed: Sequence[str] = ()
        if isinstance(allowed, str):
            listed = (allowed,)
        elif allowed is not None and not callable(allowed):
            listed = allowed
        self._own = allowed is None or SAME_ORIGIN in listed
        self._any = "*" in listed
        self._listed = listed

    def allows(self, request: Request) -> bool:
        """Whether this request may go on."""
        if self._off or self._any:
            return True
        origin = request.headers.get("origin")
        if origin is None:
            return not self._required
        if self._own and _host(origin) == request.headers.get("host", "").lower():
            return True
        if self._asked is not None:
            return _ask(self._asked, origin, request)
        return is_listed(origin, self._listed)

    def headers(self, request: Request) -> list[tuple[str, str]]:
        """The CORS headers of the answer to a request that is allowed."""
        if self._off:
            return []
        origin = request.headers.get("origin")
        if self._any:
            headers = [("Access-Control-Allow-Origin", "*")] if origin else []
        else:
            # Said also where there is no Origin, or a cache would give that answer to a page.
            headers = [("Vary", "Origin")]
            if origin is not None:
                headers.append(("Access-Control-Allow-Origin", origin))
                if self._credentials:
                    headers.append(("Access-Control-Allow-Credentials", "true"))
        if request.method == "OPTIONS" and origin is not None:
            headers.append(("Access-Control-Allow-Methods", "GET, POST, OPTIONS"))
            wanted = request.headers.get("access-control-request-headers")
            if wanted is not None:
                headers.append(("Access-Control-Allow-Headers", wanted))
            headers.append(("Access-Control-Max-Age", "600"))
        return headers


def is_listed(origin: str, listed: Sequence[str]) -> bool:
    """Whether an origin is one of these; `app://*` among them is any of its scheme."""
    return origin in listed or any(
        each.endswith("://*") and origin.startswith(each[:-1]) for each in listed
    )


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _ask(allowed: Callable[..., Any], origin: str, request: Request) -> bool:
    environ = request.environ(request.peer)
    try:
        return bool(allowed(origin, environ))
    except TypeError:
        # python-engineio's older form of the callable.
        return bool(allowed(origin))
