"""WebSocket frames (RFC 6455), as pure functions of bytes. No I/O, no clock, no session.

Section numbers below are those of RFC 6455.
"""

from collections.abc import Callable

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

# Close codes (§7.4.1).
NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED = 1000, 1001, 1002, 1003
INVALID_DATA, POLICY, TOO_BIG = 1007, 1008, 1009

# §5.5: a control frame's payload is at most this long, and it is never fragmented.
_CONTROL_MAX = 125


class FrameError(Exception):
    """The peer broke the protocol; `code` is the close code that says how."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def frame(opcode: int, payload: bytes) -> bytes:
    """A server's frame: final, unmasked (§5.1)."""
    length = len(payload)
    if length < 126:
        return bytes((0x80 | opcode, length)) + payload
    if length < 65536:
        return bytes((0x80 | opcode, 126)) + length.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + length.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A CLOSE frame; the reason is cut to what a control frame holds, between characters."""
    text = reason.encode()[: _CONTROL_MAX - 2].decode(errors="ignore").encode()
    return frame(CLOSE, code.to_bytes(2, "big") + text)


def unmask(payload: bytes, mask: bytes) -> bytes:
    """Undo the client's masking (§5.3): one XOR of two large integers."""
    length = len(payload)
    if not length:
        return b""
    key = (mask * (length // 4 + 1))[:length]
    number = int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")
    return number.to_bytes(length, "little")


def is_valid_close_code(code: int) -> bool:
    """Whether a peer may send this code (§7.4.1, §7.4.2)."""
    return code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014) or (
        3000 <= code <= 4999
    )


class FrameReader:
    """Turns a client's bytes into messages and control frames.

    `on_message(opcode, payload)` gets whole messages (TEXT as valid UTF-8 bytes, or BINARY);
    `on_control(opcode, payload)` PING, PONG and CLOSE. Both may be called several times a feed;
    after either has ended the connection they are not called again if `stop()` was.

    Raises FrameError from `feed` at the first breach; nothing may be fed after that.

    *Invariants.* What is kept is at most one frame's header and `max_size` bytes of payload.
    """

    __slots__ = (
        "_buffer",
        "_fragments",
        "_fragments_size",
        "_max_fragments",
        "_max_size",
        "_on_control",
        "_on_message",
        "_opcode",
        "_stopped",
    )

    def __init__(
        self,
        on_message: Callable[[int, bytes], None],
        on_control: Callable[[int, bytes], None],
        *,
        max_size: int,
        max_fragments: int,
    ) -> None:
        self._on_message = on_message
        self._on_control = on_control
        self._max_size = max_size
        self._max_fragments = max_fragments
        self._buffer = b""
        self._opcode = 0
        self._fragments: list[bytes] | None = None
        self._fragments_size = 0
        self._stopped = False

    def stop(self) -> None:
        """Read nothing more: the connection is over."""
        self._stopped = True
        self._buffer = b""
        self._fragments = None

    def feed(self, data: bytes) -> None:
        """Read what has come. Raises: FrameError."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        position, end = 0, len(data)
        while not self._stopped:
            if end - position < 2:
                break
            first, second = data[position], data[position + 1]
            length = second & 0x7F
            self._check_header(first, second, length)
            header = position + 2
            if length == 126:
                if end - header < 2:
                    break
                length = int.from_bytes(data[header : header + 2], "big")
                header += 2
            elif length == 127:
                if end - header < 8:
                    break
                length = int.from_bytes(data[header : header + 8], "big")
                header += 8
            if length + self._fragments_size > self._max_size:
                raise FrameError(TOO_BIG, "message too big")
            start = header + 4
            if end - start < length:
                break
            payload = unmask(data[start : start + length], data[header:start])
            position = start + length
            self._take(first, payload)
        if not self._stopped:
            self._buffer = data[position:]

    def _check_header(self, first: int, second: int, length: int) -> None:
        if first & 0x70:
            raise FrameError(PROTOCOL_ERROR, "reserved bits are set")
        if not second & 0x80:
            raise FrameError(PROTOCOL_ERROR, "a client's frame is not masked")
        opcode = first & 0x0F
        if opcode in (TEXT, BINARY):
            if self._fragments is not None:
                raise FrameError(PROTOCOL_ERROR, "a message begins inside another")
        elif opcode == CONTINUATION:
            if self._fragments is None:
                raise FrameError(PROTOCOL_ERROR, "a continuation of nothing")
        elif opcode in (CLOSE, PING, PONG):
            if not first & 0x80:
                raise FrameError(PROTOCOL_ERROR, "a control frame is fragmented")
            if length > _CONTROL_MAX:
                raise FrameError(PROTOCOL_ERROR, "a control frame is too long")
        else:
            raise FrameError(PROTOCOL_ERROR, "an unknown opcode")

    def _take(self, first: int, payload: bytes) -> None:
        opcode = first & 0x0F
        if opcode >= CLOSE:
            if opcode == CLOSE:
                _check_close(payload)
            self._on_control(opcode, payload)
        elif opcode == CONTINUATION:
            assert self._fragments is not None
            self._keep(payload)
            if first & 0x80:
                whole, opcode = b"".join(self._fragments), self._opcode
                self._fragments = None
                self._fragments_size = 0
                self._deliver(opcode, whole)
        elif first & 0x80:
            self._deliver(opcode, payload)
        else:
            self._opcode = opcode
            self._fragments = []
            self._keep(payload)

    def _keep(self, payload: bytes) -> None:
        assert self._fragments is not None
        if len(self._fragments) >= self._max_fragments:
            raise FrameError(POLICY, "too many fragments")
        self._fragments.append(payload)
        self._fragments_size += len(payload)

    def _deliver(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT and not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError:
                raise FrameError(INVALID_DATA, "text is not UTF-8") from None
        self._on_message(opcode, payload)


def _check_close(payload: bytes) -> None:
    if not payload:
        return
    if len(payload) == 1 or not is_valid_close_code(int.from_bytes(payload[:2], "big")):
        raise FrameError(PROTOCOL_ERROR, "an invalid close code")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise FrameError(INVALID_DATA, "a close reason is not UTF-8") from None
