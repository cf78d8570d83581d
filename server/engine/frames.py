"""WebSocket frames (RFC 6455), as pure functions of bytes. No I/O, no clock, no session.

Section numbers below are those of RFC 6455. This is the server's side: it reads masked frames and
writes unmasked ones. No extension is ever agreed upon, so the reserved bits are always zero.
"""

from collections.abc import Iterable, Iterator

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

# Close codes (§7.4.1).
NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED = 1000, 1001, 1002, 1003
INVALID_DATA, POLICY, TOO_BIG = 1007, 1008, 1009

# What a peer may send (§7.4.1, and 1012 to 1014 of the IANA registry that §11.7 opens). 1004 to
# 1006 and 1015 are never on the wire; 3000 to 4999 are for libraries and applications (§7.4.2).
_CLOSE_CODES = frozenset((*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)))

# §5.5: a control frame's payload is at most this long, and it is never fragmented.
_CONTROL_MAX = 125

# The first two bytes of a short frame: every emit to one client makes one, and looking it up costs
# half of what building it does.
_SHORT_HEADERS = {
    opcode: tuple(bytes((0x80 | opcode, length)) for length in range(126))
    for opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)
}

# Masking XORs with a key of 4 bytes again and again. Plain Python has two quick ways. Up to this
# many bytes one XOR of large integers is the quicker, above it four tables are (at 1 MB by half).
_INTEGER_MAX = 512

# Times a mask, the entry n gives that mask n times in a row.
_REPEAT = tuple(
    int.from_bytes(b"\x01\0\0\0" * words, "little") for words in range(_INTEGER_MAX // 4 + 1)
)

# The entry k maps every byte to itself XOR k.
_XOR = tuple(bytes(byte ^ key for byte in range(256)) for key in range(256))


class FrameError(Exception):
    """The peer broke the protocol; `code` is the close code that says how (§7.4.1)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def frame(opcode: int, payload: bytes) -> bytes:
    """A server's frame: final, unmasked (§5.1, §5.2)."""
    length = len(payload)
    if length < 126:
        return _SHORT_HEADERS[opcode][length] + payload
    if length < 65536:
        return bytes((0x80 | opcode, 126, length >> 8, length & 0xFF)) + payload
    return bytes((0x80 | opcode, 127)) + length.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A CLOSE frame (§5.5.1); the reason is cut to what it holds, between characters."""
    text = reason.encode()[: _CONTROL_MAX - 2].decode(errors="ignore").encode()
    return frame(CLOSE, code.to_bytes(2, "big") + text)


def unmask(payload: bytes | bytearray, mask: bytes | bytearray) -> bytes:
    """Undo the client's masking (§5.3), or do it: `mask` is 4 bytes."""
    length = len(payload)
    if length <= _INTEGER_MAX:
        words = (length + 3) >> 2
        key = int.from_bytes(mask, "little") * _REPEAT[words]
        number = int.from_bytes(payload, "little") ^ key
        return number.to_bytes(words << 2, "little")[:length]
    plain = bytearray(payload)
    for offset in range(4):
        plain[offset::4] = plain[offset::4].translate(_XOR[mask[offset]])
    return bytes(plain)


class _Partial:
    """What a reader keeps between two feeds: bytes not yet read, and a message not yet whole."""

    __slots__ = ("buffer", "needed", "opcode", "message", "fragments")

    def __init__(
        self, buffer: bytearray, needed: int, opcode: int, message: bytearray, fragments: int
    ) -> None:
        # A bytearray, since a list of tiny segments would cost twenty times what they carry.
        self.buffer = buffer
        # Until so many bytes are in the buffer there is nothing to read.
        self.needed = needed
        # Of the message that is being put together; CONTINUATION if none is.
        self.opcode = opcode
        self.message = message
        self.fragments = fragments


class FrameReader:
    """Turns a client's bytes into messages and control frames.

    `max_size` is in bytes of payload, `max_fragments` in frames; both for one message.

    *Invariants.* Between two feeds at most `max_size` bytes of payload are kept, and a header or a
    control frame that is not whole (130 bytes). A frame that would break a bound is refused when
    its header is read. The work is linear in the bytes fed, however they are cut. An idle reader,
    which has nothing half read, keeps its two bounds only.
    """

    __slots__ = ("_max_size", "_max_fragments", "_partial")

    def __init__(self, max_size: int, max_fragments: int) -> None:
        self._max_size = max_size
        self._max_fragments = max_fragments
        self._partial: _Partial | None = None

    def feed(self, data: bytes) -> Iterable[tuple[int, str | bytes]]:
        """Read what has come: `(opcode, payload)` for each message and control frame, in order.

        TEXT comes as `str`, the others (BINARY, CLOSE, PING, PONG) as `bytes`. CLOSE is the last
        (§1.4); its payload is empty, or a valid code and reason. Iterate to the end before the next
        feed; after CLOSE or an error nothing may be fed.

        Raises: FrameError, at the first breach and after what came before it.
        """
        size = len(data)
        partial = self._partial
        if partial is not None:
            if len(partial.buffer) + size < partial.needed:
                partial.buffer += data
                return ()
        # The usual feed is one whole TEXT frame. The two branches below read nothing that `_read`
        # would not, at half the cost; what they cannot read they leave to it.
        elif 5 < size < 132:
            if data[0] == 0x81 and data[1] == size + 122 and size - 6 <= self._max_size:
                # The mask stays in front of the payload, where it is XORed with itself.
                number = int.from_bytes(data[2:], "little")
                words = (size + 1) >> 2
                number ^= (number & 0xFFFFFFFF) * _REPEAT[words]
                try:
                    return ((TEXT, number.to_bytes(words << 2, "little")[4 : size - 2].decode()),)
                except UnicodeDecodeError:
                    pass
        elif size > 133 and data[0] == 0x81 and data[1] == 0xFE:
            if data[2] << 8 | data[3] == size - 8 <= self._max_size:
                try:
                    return ((TEXT, unmask(data[8:], data[4:8]).decode()),)
                except UnicodeDecodeError:
                    pass
        return self._read(data)

    def _read(self, data: bytes | bytearray) -> Iterator[tuple[int, str | bytes]]:
        expected, message, fragments = CONTINUATION, bytearray(), 0
        partial, self._partial = self._partial, None
        if partial is not None:
            partial.buffer += data
            data = partial.buffer
            expected, message, fragments = partial.opcode, partial.message, partial.fragments
        position, end = 0, len(data)
        while True:
            need = position + 2
            if end < need:
                break
            first, second = data[position], data[position + 1]
            opcode, final, length = first & 0x0F, first & 0x80, second & 0x7F
            _check(first, second, bool(expected))
            if length > 125:
                need += 2 if length == 126 else 8
                if end < need:
                    break
                length = _long_length(data[position + 2 : need])
            if opcode < CLOSE:
                if length > self._max_size - len(message):
                    raise FrameError(TOO_BIG, "message too big")
                if fragments == self._max_fragments:
                    raise FrameError(POLICY, "too many fragments")
            start = need + 4
            need = start + length
            if end < need:
                break
            payload = unmask(data[start:need], data[start - 4 : start])
            position = need
            if opcode >= CLOSE:
                if opcode == CLOSE:
                    _check_close(payload)
                    yield CLOSE, payload
                    return
                yield opcode, payload
            elif final and opcode:
                yield opcode, _text(payload) if opcode == TEXT else payload
            else:
                expected = expected or opcode
                message += payload
                fragments += 1
                if final:
                    whole = _text(message) if expected == TEXT else bytes(message)
                    opcode, expected, message, fragments = expected, CONTINUATION, bytearray(), 0
                    yield opcode, whole
        if position < end or expected:
            rest = bytearray(data[position:])
            self._partial = _Partial(rest, need - position, expected, message, fragments)


def _check(first: int, second: int, inside_message: bool) -> None:
    """What the first two bytes of a frame say by themselves (§5.1, §5.2, §5.4, §5.5)."""
    opcode = first & 0x0F
    if first & 0x70:
        raise FrameError(PROTOCOL_ERROR, "reserved bits are set")
    if not second & 0x80:
        raise FrameError(PROTOCOL_ERROR, "a client's frame is not masked")
    if opcode == CONTINUATION:
        if not inside_message:
            raise FrameError(PROTOCOL_ERROR, "a continuation of nothing")
    elif opcode <= BINARY:
        if inside_message:
            raise FrameError(PROTOCOL_ERROR, "a message begins inside another")
    elif CLOSE <= opcode <= PONG:
        if not first & 0x80:
            raise FrameError(PROTOCOL_ERROR, "a control frame is fragmented")
        if second & 0x7F > _CONTROL_MAX:
            raise FrameError(PROTOCOL_ERROR, "a control frame is too long")
    else:
        raise FrameError(PROTOCOL_ERROR, "an unknown opcode")


def _long_length(field: bytes | bytearray) -> int:
    """A length in 2 or 8 bytes, which must be the fewest that hold it, the highest bit 0 (§5.2)."""
    length = int.from_bytes(field, "big")
    if length < (126 if len(field) == 2 else 65536):
        raise FrameError(PROTOCOL_ERROR, "a length is not minimally encoded")
    if length >> 63:
        raise FrameError(PROTOCOL_ERROR, "a length has its highest bit set")
    return length


def _text(payload: bytes | bytearray) -> str:
    """§8.1."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise FrameError(INVALID_DATA, "text is not UTF-8") from None


def _check_close(payload: bytes) -> None:
    """§5.5.1, §7.4."""
    if not payload:
        return
    # Half a code is below all that are valid.
    if int.from_bytes(payload[:2], "big") not in _CLOSE_CODES:
        raise FrameError(PROTOCOL_ERROR, "an invalid close code")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise FrameError(INVALID_DATA, "a close reason is not UTF-8") from None
