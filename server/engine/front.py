"""The front door: answers the transport's requests before aiohttp has parsed anything.

What asks for the transport's path is parsed by httptools (llhttp, Node's parser) and answered
here; every other connection is handed to aiohttp unread, and stays with it: a later request for
the transport on that connection comes through the aiohttp door. It saves most of what a poll
costs; nothing depends on it.
"""

import asyncio
from asyncio import Transport
from typing import Any, cast
from urllib.parse import unquote

import httptools
from aiohttp import web

from server.engine.engineio_server import EngineServer
from server.engine.requests import (
    BAD_REQUEST,
    REASONS,
    Exchange,
    Request,
    Response,
    Waiter,
    error,
    is_behind,
)
from server.engine.wheel import Wheel

_METHODS = ("GET", "POST", "OPTIONS", "HEAD", "PUT", "DELETE", "PATCH")
_TICK_S = 1.0
# Pipelined bytes that may wait behind a request that is not answered yet.
_AHEAD = 65_536
_CLOSING_S = 2.0
# Bytes of framing for one of a chunked body, beside what a head may have: a chunk of one byte has
# five. Without a bound the extensions of a chunk, or the trailers, could go on for ever.
_FRAMING = 16


class FrontSite(web.TCPSite):
    """A TCP site of an aiohttp runner with the engine in front of it.

    `web.TCPSite` with one argument more. `backlog` is 4096 unless said: a club that comes back
    after a restart comes at once.
    """

    __slots__ = ("_front",)

    def __init__(
        self, runner: web.BaseRunner, server: EngineServer, *args: Any, **options: Any
    ) -> None:
        super().__init__(runner, *args, **{"backlog": 4096} | options)
        assert runner.server is not None
        self._front = _Front(server, runner.server)

    async def start(self) -> None:
        await web.BaseSite.start(self)
        self._server = await asyncio.get_running_loop().create_server(
            self._front,
            self._host,
            self._port,
            ssl=self._ssl_context,
            backlog=self._backlog,
            reuse_address=self._reuse_address,
            reuse_port=self._reuse_port,
        )
        self._bound_port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        await super().stop()
        self._front.stop()


class _Front:
    """What the connections of one site share; calling it makes one."""

    def __init__(self, server: EngineServer, application: Any) -> None:
        self.server = server
        self.application = application
        self.wheel = Wheel(_TICK_S)
        self.connections: set[Connection] = set()
        path = server.path.encode()
        starts = [method.encode() + b" " + path for method in _METHODS]
        self._ours = tuple(start + end for start in starts for end in (b" ", b"?"))

    def __call__(self) -> "Connection":
        return Connection(self)

    def is_ours(self, data: bytes) -> bool | None:
        """Whether a request that begins so is for the transport; None: too little to tell."""
        if data.startswith(self._ours):
            return True
        if len(data) < 64 and any(ours.startswith(data) for ours in self._ours):
            return None
        return False

    def stop(self) -> None:
        for connection in list(self.connections):
            connection.stop()
        self.wheel.stop()


class _Head:
    """Collects what httptools reads of one request's head, and of a chunked body."""

    __slots__ = ("body", "complete", "fed", "headers", "url")

    def __init__(self) -> None:
        self.url = b""
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        #: Bytes of a chunked body, with its framing.
        self.fed = 0
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


class Connection(asyncio.Protocol, Exchange):
    """One connection, which is also its only exchange: requests are answered one by one.

    Pipelined requests wait in `_buffer` for their turn.
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_chunked",
        "_expects",
        "_front",
        "_full",
        "_in_head",
        "_keep_alive",
        "_parser",
        "_paused",
        "_peer",
        "_transport",
        "_waiter",
        "request",
        "tick",
    )

    def __init__(self, front: _Front) -> None:
        self._front = front
        self._transport: Transport | None = None
        self._buffer = b""
        self._waiter: Waiter | None = None
        #: The request whose body is read, or whose answer is awaited.
        self.request: Request | None = None  # type: ignore[assignment]
        #: Bytes of the body; None: none is read.
        self._expects: int | None = None
        self._chunked: _Head | None = None
        self._parser: Any = None
        self._body = bytearray()
        self._keep_alive = True
        self._in_head = True
        self._paused = False
        self._peer: str | None = None
        #: The client does not take its answers.
        self._full = False
        self.tick = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(Transport, transport)
        self._front.connections.add(self)
        self._within(self._front.server.limits.head_timeout)

    def _within(self, seconds: float) -> None:
        self._front.wheel.set(self, self._front.server.loop.time() + seconds)

    def on_deadline(self, now: float) -> None:
        """Nothing came, or not enough."""
        if self._transport is not None:
            if self._buffer or self.request is not None:
                self._front.server.counters.requests_timed_out += 1
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._transport = None
        if self.request is not None and (self._expects is not None or self._parser is not None):
            self._front.server.body_lost(self.request)
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.exchange_lost(self)

    def _leave(self) -> None:
        self._front.connections.discard(self)
        self._front.wheel.clear(self)

    def stop(self) -> None:
        """The server stops: an answer that is being given is the last one."""
        self._keep_alive = False
        if self._transport is not None and (self.request is None or self._expects is not None):
            self._transport.close()

    # What comes in.

    def data_received(self, data: bytes) -> None:
        if self._expects is not None and not self._buffer:
            # A body may come in many pieces, which must not be put together again and again.
            missing = self._expects - len(self._body)
            self._body += data[:missing]
            data = data[missing:]
            if len(self._body) == self._expects:
                self._end_body()
        self._buffer = self._buffer + data if self._buffer else data
        self._read()

    def _read(self) -> None:
        """Go on with what has come, until an answer has to be waited for."""
        while self._buffer and self._transport is not None and not self._full:
            if self._parser is not None:
                if not self._read_chunks():
                    return
            elif self.request is not None:
                self._hold()
                return
            elif not self._read_head():
                return

    def _hold(self) -> None:
        if len(self._buffer) > _AHEAD:
            self._pause()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self._full and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """Answers wait for a client that goes on asking: nothing more is read from it."""
        self._full = True
        self._pause()

    def resume_writing(self) -> None:
        self._full = False
        self._resume()
        self._front.server.loop.call_soon(self._read)

    def _read_head(self) -> bool:
        """Read a head. Returns whether there may be more to read."""
        ours = self._front.is_ours(self._buffer)
        if ours is None:
            self._wait_for_head()
            return False
        if not ours:
            self._hand_over()
            return False
        end = self._buffer.find(b"\r\n\r\n")
        limits = self._front.server.limits
        if end > limits.max_head_bytes or (end < 0 and len(self._buffer) > limits.max_head_bytes):
            self._refuse(error(431, BAD_REQUEST))
            return False
        if end < 0:
            self._wait_for_head()
            return False
        raw, self._buffer = self._buffer[: end + 4], self._buffer[end + 4 :]
        self._in_head = False
        self._front.wheel.clear(self)
        return self._begin(raw)

    def _wait_for_head(self) -> None:
        # The time runs from its first byte: one that dribbles would never end.
        if not self._in_head:
            self._in_head = True
            self._within(self._front.server.limits.head_timeout)

    def _begin(self, raw: bytes) -> bool:
        head = _Head()
        parser = httptools.HttpRequestParser(head)
        upgrades = False
        try:
            parser.feed_data(raw)
        except httptools.HttpParserUpgrade:
            upgrades = True
        except httptools.HttpParserError:
            self._refuse(error(400, BAD_REQUEST))
            return False
        try:
            request = self._request(head, parser)
        except ValueError:
            self._refuse(error(400, BAD_REQUEST))
            return False
        self.request = request
        self._keep_alive = _stays(request)
        length = head.headers.get("content-length", "0")
        chunked = "transfer-encoding" in head.headers
        has_body = chunked or int(length) > 0
        server = self._front.server
        refusal = server.refuse(request)
        if refusal is None and int(length) > server.limits.max_http_buffer_size:
            refusal = server.too_big(request)
        if refusal is None and upgrades and has_body:
            refusal = error(400, BAD_REQUEST)
        if refusal is None and request.method == "POST":
            refusal = server.expect_body(request)
        if refusal is not None:
            if has_body:
                self._refuse(refusal)
                return False
            self.respond(refusal)
        elif not has_body:
            server.answer(self, b"")
        else:
            self._within(server.limits.body_timeout)
            if head.headers.get("expect", "").lower() == "100-continue":
                assert self._transport is not None
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if chunked:
                self._parser, self._chunked = parser, head
            else:
                self._expects = int(length)
                data, self._buffer = self._buffer, b""
                self.data_received(data)
                return False
        return True

    def _request(self, head: _Head, parser: Any) -> Request:
        path, _, query = head.url.decode("ascii").partition("?")
        transport = self._transport
        assert transport is not None
        if self._peer is None:
            peername = transport.get_extra_info("peername")
            self._peer = peername[0] if peername else ""
        return Request(
            parser.get_method().decode(),
            unquote(path) if "%" in path else path,
            query,
            head.headers,
            peer=self._peer,
            secure=transport.get_extra_info("sslcontext") is not None,
            version=parser.get_http_version(),
        )

    def _end_body(self) -> None:
        body, self._body, self._expects = bytes(self._body), bytearray(), None
        self._have_body(body)

    def _read_chunks(self) -> bool:
        head = self._chunked
        assert head is not None
        data, self._buffer = self._buffer, b""
        # Where a chunked body ends is known to the parser alone: nothing may follow it here.
        self._keep_alive = False
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            assert self.request is not None
            self._front.server.body_lost(self.request)
            self._refuse(error(400, BAD_REQUEST))
            return False
        limits = self._front.server.limits
        if len(head.body) > limits.max_http_buffer_size:
            assert self.request is not None
            self._refuse(self._front.server.too_big(self.request))
            return False
        head.fed += len(data)
        if head.fed - len(head.body) > limits.max_head_bytes + _FRAMING * len(head.body):
            self._refuse(error(400, BAD_REQUEST))
            return False
        if not head.complete:
            return False
        self._parser = self._chunked = None
        self._have_body(bytes(head.body))
        return True

    def _have_body(self, body: bytes) -> None:
        self._front.wheel.clear(self)
        self._front.server.answer(self, body)

    def _hand_over(self) -> None:
        """Not for the transport: aiohttp has this connection from here on."""
        transport, self._transport = self._transport, None
        assert transport is not None
        self._leave()
        data, self._buffer = self._buffer, b""
        handler = self._front.application()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        handler.data_received(data)

    # What goes out.

    def respond(self, response: Response) -> None:
        request, self.request = self.request, None
        self._waiter = None
        transport = self._transport
        if transport is None:
            return
        head = f"HTTP/1.1 {response.status} {REASONS[response.status]}\r\n"
        if response.status != 204:
            head += f"Content-Type: {response.content_type}\r\n"
            head += f"Content-Length: {len(response.body)}\r\n"
        for name, value in response.headers:
            head += f"{name}: {value}\r\n"
        if not self._keep_alive:
            head += "Connection: close\r\n"
        elif request is not None and request.version == "1.0":
            head += "Connection: keep-alive\r\n"
        body = b"" if request is not None and request.method == "HEAD" else response.body
        transport.write(f"{head}\r\n".encode("latin-1") + body)
        if not self._keep_alive:
            self._close(transport)
            return
        self._within(self._front.server.limits.keepalive_timeout)
        self._resume()
        if self._buffer:
            self._front.server.loop.call_soon(self._read)

    def _refuse(self, response: Response) -> None:
        """Answer what is not read to its end: nothing can follow it."""
        reading = self._expects is not None or self._parser is not None
        request = self.request
        self._keep_alive = False
        self._expects = self._parser = self._chunked = None
        self.respond(response)
        if reading and request is not None:
            self._front.server.body_lost(request)

    def _close(self, transport: Transport) -> None:
        # Closing with something unread would reset the connection and lose the answer.
        self._transport = None
        self._leave()
        transport.set_protocol(_Closing(transport))

    def take(self, response: bytes) -> tuple[Transport, bytes] | None:
        transport, self._transport = self._transport, None
        self.request = None
        if transport is None:
            return None
        self._leave()
        if is_behind(transport):
            transport.abort()
            return None
        rest, self._buffer = self._buffer, b""
        transport.write(response)
        return transport, rest

    @property
    def gone(self) -> bool:
        return self._transport is None

    def parked(self, waiter: Waiter | None) -> None:
        self._waiter = waiter


def _stays(request: Request) -> bool:
    """Whether the connection outlives this request (RFC 9112 §9.3).

    httptools knows as well, but forgets it at the end of the message.
    """
    connection = request.headers.get("connection")
    if connection is None:
        return request.version != "1.0"
    options = [each.strip() for each in connection.lower().split(",")]
    return "close" not in options and (request.version != "1.0" or "keep-alive" in options)


class _Closing(asyncio.Protocol):
    """Reads away what still comes after the last answer, for a moment after that was taken."""

    __slots__ = ("_left", "_timer", "_transport")

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._timer: asyncio.TimerHandle | None = None
        # A long answer has paused it; the client's own end is to be seen.
        transport.resume_reading()
        if transport.can_write_eof():
            transport.write_eof()
            self._wait()
        else:
            transport.close()

    def _wait(self) -> None:
        self._left = self._transport.get_write_buffer_size()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_CLOSING_S, self._end_unless_taken)

    def _end_unless_taken(self) -> None:
        if self._transport.get_write_buffer_size() < self._left:
            self._wait()
        else:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Nobody reads it."""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
