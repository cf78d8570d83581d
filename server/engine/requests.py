"""A request for the transport, whichever door it came through, and how it is answered."""

import json
from abc import ABC, abstractmethod
from asyncio import Transport
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from server.engine.session import Session

Headers = Iterable[tuple[str, str]]

# The codes and sentences of the protocol's reference server.
TRANSPORT_UNKNOWN = (0, "Transport unknown")
SID_UNKNOWN = (1, "Session ID unknown")
BAD_METHOD = (2, "Bad handshake method")
BAD_REQUEST = (3, "Bad request")
FORBIDDEN = (4, "Forbidden")
BAD_VERSION = (5, "Unsupported protocol version")

REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    408: "Request Timeout",
    413: "Content Too Large",
    426: "Upgrade Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}

_MAX_FIELDS = 100


class Request:
    """The head of an HTTP request.

    `headers` has lower-case names; several lines of one name are joined by a comma (RFC 9110
    §5.3). `peer` is the address at the other end of the connection. `session` is the one that it
    is for, once the router has found it.
    """

    __slots__ = (
        "headers",
        "method",
        "path",
        "peer",
        "query",
        "query_string",
        "secure",
        "session",
        "version",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query_string: str,
        headers: dict[str, str],
        *,
        peer: str,
        secure: bool = False,
        version: str = "1.1",
    ) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.headers = headers
        self.peer = peer
        self.secure = secure
        self.version = version
        self.session: Session | None = None
        self.query: dict[str, str] = {}
        for name, value in _fields(query_string):
            self.query.setdefault(name, value)

    @property
    def is_websocket(self) -> bool:
        """Whether it asks for the WebSocket transport."""
        return self.query.get("transport") == "websocket"

    @property
    def is_from_python(self) -> bool:
        """Whether this is python-engineio's client, as aiohttp and requests say of themselves."""
        return "python" in self.headers.get("user-agent", "").lower()

    def environ(self, address: str) -> dict[str, Any]:
        """The WSGI-like dict that python-socketio's connect handlers are given."""
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query_string,
            "RAW_URI": f"{self.path}?{self.query_string}" if self.query_string else self.path,
            "SCRIPT_NAME": "",
            "SERVER_PROTOCOL": f"HTTP/{self.version}",
            "REMOTE_ADDR": address,
            "wsgi.url_scheme": "https" if self.secure else "http",
        }
        for name, value in self.headers.items():
            key = _environ_name(name)
            if key is not None:
                environ[key] = value
        return environ


@lru_cache(maxsize=256)
def _environ_name(header: str) -> str | None:
    """The name of a header in a WSGI environ (PEP 3333); None: it is not told."""
    if header in ("content-type", "content-length"):
        return header.upper().replace("-", "_")
    # `X_Real_IP` would pass for `X-Real-IP`, which a proxy vouches for.
    return None if "_" in header else "HTTP_" + header.upper().replace("-", "_")


def _fields(query_string: str) -> list[tuple[str, str]]:
    """The fields of a query. Raises: ValueError when there are too many."""
    if "%" in query_string or "+" in query_string or query_string.count("&") >= _MAX_FIELDS:
        return parse_qsl(query_string, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    # What the clients of this protocol ask for needs no decoding, which costs more than the rest.
    fields = []
    for field in query_string.split("&"):
        if field:
            name, _, value = field.partition("=")
            fields.append((name, value))
    return fields


@dataclass(slots=True, frozen=True)
class Response:
    """What a request is answered with. The doors add what every answer carries."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=UTF-8"
    headers: Headers = ()
    #: Whether pages of an allowed origin may read it.
    readable: bool = True


def error(status: int, problem: tuple[int, str], *, readable: bool = True) -> Response:
    """An error as the protocol's reference server says it: `{"code": …, "message": …}`."""
    code, message = problem
    body = json.dumps({"code": code, "message": message}, separators=(",", ":")).encode()
    return Response(status, body, "application/json", readable=readable)


class Exchange(ABC):
    """One request that waits for its answer. It is answered once."""

    __slots__ = ()

    request: Request

    @abstractmethod
    def respond(self, response: Response) -> None:
        """Send the answer; nothing happens if the client has gone."""

    @abstractmethod
    def take(self, response: bytes) -> tuple[Transport, bytes] | None:
        """Answer with these bytes and give away the connection, with what came after the head.

        None: the client has gone.
        """

    @property
    @abstractmethod
    def gone(self) -> bool:
        """Whether the client has hung up, as far as this door can see."""

    @abstractmethod
    def parked(self, waiter: "Waiter | None") -> None:
        """Who is told if the client goes before it is answered."""


def is_behind(transport: Transport) -> bool:
    """Whether the client may be one that has not taken earlier answers.

    Its connection cannot be given away: a transport says once that it is full, so whoever gets
    it then would never learn it.
    """
    low, _ = transport.get_write_buffer_limits()
    return transport.get_write_buffer_size() > low


class Waiter(ABC):
    """Who answers an exchange later."""

    __slots__ = ()

    @abstractmethod
    def exchange_lost(self, exchange: Exchange) -> None:
        """The client hung up."""
