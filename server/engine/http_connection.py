"""A connection at the front door: reads requests, answers them one by one, or gives them away."""

import asyncio
from asyncio import Transport
from typing import TYPE_CHECKING, cast

from server.engine.http_message import (
    BadMessage,
    BodyTooBig,
    ChunkedBody,
    Head,
    SizedBody,
    persists,
)
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

if TYPE_CHECKING:
    from server.engine.front import Front

# Pipelined bytes that may wait behind a request that is not answered yet.
_AHEAD = 65_536
_CLOSING_S = 2.0


class HttpConnection(asyncio.Protocol, Exchange):
    """One connection, which is also its only exchange: pipelined requests wait in `_buffer`."""

    __slots__ = (
        "_body",
        "_buffer",
        "_front",
        "_full",
        "_in_head",
        "_keep_alive",
        "_paused",
        "_peer",
        "_transport",
        "_waiter",
        "request",
        "tick",
    )

    def __init__(self, front: "Front") -> None:
        self._front = front
        self._transport: Transport | None = None
        self._buffer = b""
        self._waiter: Waiter | None = None
        #: The request whose body is read, or whose answer is awaited.
        self.request: Request | None = None  # type: ignore[assignment]
        self._body: SizedBody | ChunkedBody | None = None
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
        if self.request is not None and self._body is not None:
            self._front.server.router.body_lost(self.request)
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.exchange_lost(self)

    def _leave(self) -> None:
        self._front.connections.discard(self)
        self._front.wheel.clear(self)

    def stop(self) -> None:
        """The server stops: an answer that is being given is the last one."""
        self._keep_alive = False
        if self._transport is not None and (self.request is None or self._body is not None):
            self._transport.close()

    # What comes in.

    def data_received(self, data: bytes) -> None:
        if self._body is not None and not self._buffer:
            # A body may come in many pieces, which must not be put together again and again.
            data = self._read_body(data)
        self._buffer = self._buffer + data if self._buffer else data
        self._read()

    def _read(self) -> None:
        """Go on with what has come, until an answer has to be waited for."""
        while self._buffer and self._transport is not None and not self._full:
            if self._body is not None:
                data, self._buffer = self._buffer, b""
                self._buffer = self._read_body(data)
            elif self.request is not None:
                if len(self._buffer) > _AHEAD:
                    self._pause()
                return
            elif not self._read_head():
                return

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
        end = self._buffer.find(b"\r\n\r\n")
        cap = self._front.server.limits.max_head_bytes
        is_whole = 0 <= end <= cap
        if not is_whole and len(self._buffer) <= cap and self._buffer[:1].isalpha():
            self._wait_for_head()
        elif not self._front.is_ours(self._buffer):
            self._hand_over()
        elif not is_whole:
            self._refuse(error(431, BAD_REQUEST))
        else:
            raw, self._buffer = self._buffer[: end + 4], self._buffer[end + 4 :]
            self._in_head = False
            self._front.wheel.clear(self)
            return self._begin(raw)
        return False

    def _wait_for_head(self) -> None:
        # The time runs from its first byte: one that dribbles would never end.
        if not self._in_head:
            self._in_head = True
            self._within(self._front.server.limits.head_timeout)

    def _begin(self, raw: bytes) -> bool:
        try:
            head = Head(raw)
            request = self._request(head)
        except ValueError:
            self._refuse(error(400, BAD_REQUEST))
            return False
        server = self._front.server
        self.request = request
        body = head.body(server.limits)
        self._keep_alive = persists(request) and (body is None or body.ends_clearly)
        if body is not None and head.upgrades:
            refusal: Response | None = error(400, BAD_REQUEST)
        else:
            refusal = server.router.begin(request)
        if refusal is not None and body is not None:
            self._refuse(refusal)
            return False
        if refusal is not None:
            self.respond(refusal)
        elif body is None:
            server.router.answer(self, b"")
        else:
            self._body = body
            self._within(server.limits.body_timeout)
            if request.headers.get("expect", "").lower() == "100-continue":
                assert self._transport is not None
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _request(self, head: Head) -> Request:
        transport = self._transport
        assert transport is not None
        if self._peer is None:
            peername = transport.get_extra_info("peername")
            self._peer = peername[0] if peername else ""
        is_secure = transport.get_extra_info("sslcontext") is not None
        return head.request(peer=self._peer, secure=is_secure)

    def _read_body(self, data: bytes) -> bytes:
        """Read more of the body. Returns what comes after it."""
        body, request, router = self._body, self.request, self._front.server.router
        assert body is not None and request is not None
        try:
            data = body.feed(data)
        except BodyTooBig:
            self._refuse(router.too_big(request))
            return b""
        except BadMessage:
            self._refuse(error(400, BAD_REQUEST))
            return b""
        if body.complete:
            self._body = None
            self._front.wheel.clear(self)
            router.answer(self, body.content)
        return data

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
        for name, value in self._front.server.router.headers(request, response):
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
        body, self._body = self._body, None
        request = self.request
        self._keep_alive = False
        self.respond(response)
        if body is not None and request is not None:
            self._front.server.router.body_lost(request)

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
