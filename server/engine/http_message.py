"""One HTTP/1 request as it comes in: its head, and its body in either framing (RFC 9112).

Parsed by httptools (llhttp, Node's parser).
"""

from functools import lru_cache
from urllib.parse import unquote

import httptools

from server.engine.limits import Limits
from server.engine.requests import Request

# Bytes of framing for one of a chunked body, beside what a head may have: a chunk of one byte has
# five. Without a bound the extensions of a chunk, or the trailers, could go on for ever.
_FRAMING = 16


class BadMessage(ValueError):
    """What came is no HTTP."""


class BodyTooBig(ValueError):
    """More came than the cap allows."""


class Head:
    """A request's head, and what the parser then finds in a chunked body."""

    __slots__ = ("_parser", "complete", "content", "headers", "upgrades", "url")

    def __init__(self, raw: bytes) -> None:
        """Raises: BadMessage."""
        self.url = b""
        self.headers: dict[str, str] = {}
        self.content = bytearray()
        self.complete = False
        self._parser = httptools.HttpRequestParser(self)
        #: Whether the client wants to go on in another protocol.
        self.upgrades = False
        self.feed(raw)

    def feed(self, data: bytes) -> None:
        """Parse more. Raises: BadMessage."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.upgrades = True
        except httptools.HttpParserError as error:
            raise BadMessage(str(error)) from None

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = _lower(name), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_body(self, body: bytes) -> None:
        self.content += body

    def on_message_complete(self) -> None:
        self.complete = True

    def request(self, *, peer: str, secure: bool) -> Request:
        """Raises: ValueError for an address or a query that cannot be."""
        path, _, query = self.url.decode("ascii").partition("?")
        return Request(
            self._parser.get_method().decode(),
            unquote(path) if "%" in path else path,
            query,
            self.headers,
            peer=peer,
            secure=secure,
            version=self._parser.get_http_version(),
        )

    def body(self, limits: Limits) -> "SizedBody | ChunkedBody | None":
        """What follows the head; None: nothing does."""
        if "transfer-encoding" in self.headers:
            return ChunkedBody(self, limits)
        size = int(self.headers.get("content-length", 0))
        return SizedBody(size) if size else None


@lru_cache(maxsize=256)
def _lower(name: bytes) -> str:
    return name.decode("latin-1").lower()


class SizedBody:
    """A body whose size was announced."""

    __slots__ = ("_content", "_size")

    #: Whether another request may follow on the connection.
    ends_clearly = True

    def __init__(self, size: int) -> None:
        self._size = size
        self._content = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to the body. Returns what does not."""
        missing = self._size - len(self._content)
        self._content += data[:missing]
        return data[missing:]

    @property
    def complete(self) -> bool:
        return len(self._content) == self._size

    @property
    def content(self) -> bytes:
        return bytes(self._content)


class ChunkedBody:
    """A body that says at its end that it ends."""

    __slots__ = ("_fed", "_head", "_limits")

    # Where it ends is known to the parser alone.
    ends_clearly = False

    def __init__(self, head: Head, limits: Limits) -> None:
        self._head = head
        self._limits = limits
        #: In bytes, with the framing.
        self._fed = 0

    def feed(self, data: bytes) -> bytes:
        """Take what came. Raises: BadMessage, BodyTooBig."""
        head, limits = self._head, self._limits
        head.feed(data)
        if head.upgrades:
            raise BadMessage("another request follows a chunked one")
        size = len(head.content)
        if size > limits.max_http_buffer_size:
            raise BodyTooBig
        self._fed += len(data)
        if self._fed - size > limits.max_head_bytes + _FRAMING * size:
            raise BadMessage("a body of framing")
        return b""

    @property
    def complete(self) -> bool:
        return self._head.complete

    @property
    def content(self) -> bytes:
        return bytes(self._head.content)


def persists(request: Request) -> bool:
    """Whether the connection outlives this request (RFC 9112 §9.3).

    httptools knows as well, but forgets it at the end of the message.
    """
    connection = request.headers.get("connection")
    if connection is None:
        return request.version != "1.0"
    options = [each.strip() for each in connection.lower().split(",")]
    return "close" not in options and (request.version != "1.0" or "keep-alive" in options)
