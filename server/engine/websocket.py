"""A WebSocket connection: the asyncio protocol of a socket that has been upgraded.

Framing is in `frames`, the opening handshake in `handshake`; here is what the two sides owe one
another while the connection lives: PING is answered with PONG (RFC 6455 §5.5.2), CLOSE with
CLOSE, and the server closes the TCP connection (§7.1.1).
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

from server.engine.frames import (
    BINARY,
    CLOSE,
    NORMAL,
    PING,
    PONG,
    TEXT,
    FrameError,
    FrameReader,
    close_frame,
    frame,
)

if TYPE_CHECKING:
    from server.engine.limits import Limits

#: RFC 6455 §7.4.2: codes from 4000 are the application's own.
SLOW_CONSUMER = 4008


_ROOM_FOR_PONGS = 65_536

# Bytes in a transport's buffer from which on its client counts as behind.
_HIGH_WATER = 16_384

#: Why a connection ended, in python-engineio's words.
TRANSPORT_CLOSE = "transport close"
TRANSPORT_ERROR = "transport error"
PARSE_ERROR = "parse error"


class Listener(Protocol):
    """Who gets what comes over a WebSocket."""

    def websocket_message(self, websocket: "WebSocket", data: str | bytes) -> None: ...

    def websocket_lost(self, websocket: "WebSocket", reason: str, code: int = 0) -> None:
        """The connection is over; said once, and not to who closed it.

        `code` is RFC 6455's for what the client did wrong.
        """

    def websocket_behind(self, websocket: "WebSocket", behind: bool) -> None:
        """Its client does not read what was sent, or has caught up."""


class _Kept:
    """What a client that is behind has not been sent.

    A transport may keep hundreds of bytes beside each write. So it gets little at a time, in
    pieces of some size, and the rest waits here: references to frames that others get as well.
    """

    __slots__ = ("_frames", "is_paused", "is_stuck", "size")

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        #: In bytes.
        self.size = 0
        #: Whether the client did not take what was too much; None: to be seen in a moment.
        self.is_stuck: bool | None = False
        #: Whether the transport has enough.
        self.is_paused = True

    def add(self, frames: bytes) -> None:
        self._frames.append(frames)
        self.size += len(frames)

    def take(self) -> bytes:
        """The next of it, enough to fill the transport."""
        piece = []
        size = 0
        while self._frames and size <= _HIGH_WATER:
            piece.append(self._frames.popleft())
            size += len(piece[-1])
        self.size -= size
        return b"".join(piece)

    def clear(self) -> None:
        self._frames.clear()
        self.size = 0


class WebSocket(asyncio.Protocol):
    """One connection. All calls are made in the loop's thread; none of them waits."""

    __slots__ = ("_closer", "_kept", "_reader", "_timeout", "listener", "transport")

    def __init__(self, listener: Listener | None, limits: "Limits") -> None:
        self.listener = listener
        self.transport: asyncio.Transport | None = None
        self._reader: FrameReader | None = FrameReader(
            max_size=limits.max_http_buffer_size, max_fragments=limits.max_fragments
        )
        self._timeout = limits.close_timeout
        self._closer: asyncio.TimerHandle | None = None
        #: What waits for the transport; None while the client keeps up.
        self._kept: _Kept | None = None

    def take(self, transport: asyncio.Transport, data: bytes) -> None:
        """Begin on a connected transport, with what came after the handshake."""
        self.transport = transport
        transport.set_protocol(self)
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        # Whoever had it before may have paused it.
        transport.resume_reading()
        if data:
            self.data_received(data)

    # What comes in.

    def data_received(self, data: bytes) -> None:
        if self._reader is None:
            return
        try:
            for opcode, payload in self._reader.feed(data):
                if opcode == CLOSE:
                    self._client_closes(payload)
                    return
                listener = self.listener
                if listener is None:
                    # Thrown away, as what comes after our CLOSE is; the client's own may follow.
                    continue
                if opcode == TEXT or opcode == BINARY:
                    listener.websocket_message(self, payload)
                elif opcode == PING:
                    self._answer_ping(payload)
        except FrameError as error:
            self._fail(error)

    def _answer_ping(self, payload: str | bytes) -> None:
        assert isinstance(payload, bytes)
        # One who sends PINGs and reads no PONGs must not fill the buffer.
        if self.transport is not None and self.buffered < _ROOM_FOR_PONGS:
            self.transport.write(frame(PONG, payload))

    def _client_closes(self, payload: str | bytes) -> None:
        assert isinstance(payload, bytes)
        self._reader = None
        if self.transport is not None:
            if self._drop_kept() or self._closer is None:
                self.transport.write(frame(CLOSE, payload[:2]))
            self.transport.close()
            if self.transport.get_write_buffer_size():
                self._abort_later()
        self._tell(TRANSPORT_CLOSE)

    def _fail(self, error: FrameError) -> None:
        """Fail the connection (§7.1.7): nothing of what follows can be understood."""
        self._reader = None
        if self.transport is not None:
            if self._drop_kept() or self._closer is None:
                self.transport.write(close_frame(error.code, error.reason))
            # Closing while there is something unread would reset the connection, and the
            # client would not learn why.
            if self.transport.can_write_eof():
                self.transport.write_eof()
            self._abort_later()
        self._tell(PARSE_ERROR, error.code)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._closer is not None:
            self._closer.cancel()
            self._closer = None
        self.transport = self._reader = self._kept = None
        self._tell(TRANSPORT_CLOSE if exc is None else TRANSPORT_ERROR)

    def _tell(self, reason: str, code: int = 0) -> None:
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.websocket_lost(self, reason, code)

    # What goes out.

    def write(self, frames: bytes) -> None:
        """Send whole frames, or keep them while the client is behind."""
        if self._kept is not None:
            self._kept.add(frames)
        elif self.transport is not None:
            self.transport.write(frames)

    def offer(self, frames: bytes, cap: int) -> bool:
        """Send whole frames unless the client leaves more than `cap` bytes lying. False: it does.

        What one turn of the loop has written is not yet what the client does not take.
        """
        kept = self._kept
        if kept is None:
            self.write(frames)
            return True
        if self.buffered < cap:
            kept.is_stuck = False
        elif kept.is_stuck:
            return False
        kept.add(frames)
        if kept.is_stuck is False and self.buffered >= cap:
            kept.is_stuck = None
            loop = asyncio.get_running_loop()
            # Twice: what the loop has ready comes first, then what it may write.
            loop.call_soon(loop.call_soon, self._look, kept, cap)
        return True

    def _look(self, kept: _Kept, cap: int) -> None:
        if kept.is_stuck is None:
            kept.is_stuck = self.buffered >= cap

    def close(self, code: int = NORMAL, reason: str = "", *, at_once: bool = False) -> None:
        """Begin the closing handshake; the client has `close_timeout` seconds to answer.

        `at_once`: without what is kept for it.
        """
        self.listener = None
        # Without a reader it is closing already.
        if self._reader is not None and self._closer is None and self.transport is not None:
            if at_once and self._kept is not None:
                self._kept.clear()
            self.write(close_frame(code, reason))
            # Its answer may lie behind what was not read while handlers were busy.
            self.transport.resume_reading()
            self._abort_later()

    def _drop_kept(self) -> bool:
        """Nothing may follow a CLOSE. Returns whether something waited, our own CLOSE the last."""
        kept, self._kept = self._kept, None
        return kept is not None and kept.size > 0

    @property
    def buffered(self) -> int:
        """Bytes that the client has not taken yet."""
        if self.transport is None:
            return 0
        kept = 0 if self._kept is None else self._kept.size
        return self.transport.get_write_buffer_size() + kept

    def pause_reading(self) -> None:
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.transport is not None:
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        if self._kept is not None:
            self._kept.is_paused = True
        elif self._reader is not None:
            self._kept = _Kept()
            if self.listener is not None:
                self.listener.websocket_behind(self, True)

    def resume_writing(self) -> None:
        kept, transport = self._kept, self.transport
        if kept is None or transport is None:
            return
        kept.is_paused = False
        while kept.size and not kept.is_paused:
            transport.write(kept.take())
        if not kept.is_paused and self._kept is kept:
            self._kept = None
            if self.listener is not None:
                self.listener.websocket_behind(self, False)

    def _abort_later(self) -> None:
        if self._closer is None:
            loop = asyncio.get_running_loop()
            self._closer = loop.call_later(self._timeout, self._abort)

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
