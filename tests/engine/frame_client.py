"""The other side of `server.engine.frames`: a client's frames, made and read without it."""

import sys
from collections.abc import Iterable, Iterator
from itertools import cycle
from operator import xor
from typing import Any

from wsproto.frame_protocol import Frame, FrameProtocol, Opcode, ParseFailed

from server.engine.frames import FrameError, FrameReader

Read = tuple[int, str | bytes]

# What a reader may keep besides `max_size` bytes of payload: a control frame but for a byte.
BESIDES = 2 + 4 + 124

# The objects themselves. A bytearray may also be an eighth larger than what it holds.
_OBJECTS = 600


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    mask: bytes | None = b"\x37\xfa\x21\x3d",
    reserved: int = 0,
    length: int | None = None,
    length_bytes: int | None = None,
) -> bytes:
    """One frame as RFC 6455 §5.2 draws it.

    `length` is announced in place of the payload's, in `length_bytes` (0, 2 or 8) bytes after the
    first two in place of the fewest. No `mask`: the frame says that it has none.
    """
    if length is None:
        length = len(payload)
    if length_bytes is None:
        length_bytes = 0 if length < 126 else 2 if length < 65536 else 8
    short = {0: length, 2: 126, 8: 127}[length_bytes]
    head = bytes((final << 7 | reserved << 4 | opcode, (mask is not None) << 7 | short))
    head += length.to_bytes(length_bytes, "big") if length_bytes else b""
    if mask is None:
        return head + payload
    return head + mask + bytes(map(xor, payload, cycle(mask)))


def frames_of(data: bytes) -> Iterator[tuple[int, bool, int, int]]:
    """`(opcode, final, length, end)` of each frame whose header and mask's place are there.

    Only where frames end is looked at; `end` may be beyond the data.
    """
    position = 0
    while len(data) >= position + 2:
        first, length = data[position], data[position + 1] & 0x7F
        longer = {126: 2, 127: 8}.get(length, 0)
        start = position + 2 + longer
        if len(data) < start:
            return
        if longer:
            length = int.from_bytes(data[start - longer : start], "big")
        position = start + 4 + length
        yield first & 0x0F, first >= 0x80, length, position


def breach_of_bounds(data: bytes, max_size: int, max_fragments: int) -> tuple[int, int] | None:
    """`(number told before, close code)` of the first frame over a bound, if all else is sound."""
    told = size = fragments = 0
    for opcode, final, length, end in frames_of(data):
        if opcode < Opcode.CLOSE:
            if length >> 63:
                # Not big but wrong (§5.2).
                return None
            size, fragments = size + length, fragments + 1
            if size > max_size:
                return told, 1009
            if fragments > max_fragments:
                return told, 1008
            if final:
                size = fragments = 0
        if opcode == Opcode.CLOSE and end <= len(data):
            return None
        told += final
    return None


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The same bytes in pieces, none of them empty."""
    edges = sorted({0, len(data), *(place for place in places if 0 < place < len(data))})
    return [data[start:end] for start, end in zip(edges, edges[1:])]


def read(reader: FrameReader, *chunks: bytes) -> list[Read]:
    """All that comes of these chunks. Raises: FrameError."""
    seen = [each for chunk in chunks for each in reader.feed(chunk)]
    for opcode, payload in seen:
        assert type(payload) is (str if opcode == Opcode.TEXT else bytes)
    return seen


def outcome(reader: FrameReader, chunks: Iterable[bytes]) -> tuple[list[Read], int | None]:
    """What comes of these chunks up to a CLOSE or a breach, and the breach's close code."""
    seen: list[Read] = []
    try:
        for chunk in chunks:
            for each in reader.feed(chunk):
                seen.append(each)
            if seen and seen[-1][0] == Opcode.CLOSE:
                break
    except FrameError as error:
        return seen, error.code
    return seen, None


class _Wsproto(FrameProtocol):
    """wsproto, told that 1014 has been registered since."""

    def _process_close(self, frame: Frame) -> Frame:
        registered, known = b"\x03\xf6", b"\x03\xf5"
        if frame.payload[:2] != registered:
            return super()._process_close(frame)
        closed = super()._process_close(frame._replace(payload=known + frame.payload[2:]))
        return closed._replace(payload=(1014, closed.payload[1]))


def outcome_by_wsproto(data: bytes) -> tuple[list[Read], int | None]:
    """The same, read by wsproto."""
    protocol = _Wsproto(client=False, extensions=[])
    protocol.receive_bytes(data)
    seen: list[Read] = []
    parts: list[Any] = []
    try:
        for frame in protocol.received_frames():
            if frame.opcode is Opcode.CLOSE:
                code, reason = frame.payload
                seen.append((8, b"" if code == 1005 else code.to_bytes(2, "big") + reason.encode()))
            elif frame.opcode.iscontrol():
                seen.append((int(frame.opcode), bytes(frame.payload)))
            else:
                parts.append(frame.payload)
                if frame.message_finished:
                    empty: Any = "" if frame.opcode is Opcode.TEXT else b""
                    seen.append((int(frame.opcode), empty.join(parts)))
                    parts = []
    except ParseFailed as failed:
        return seen, int(failed.code)
    return seen, None


def kept(reader: FrameReader) -> int:
    """Bytes of payload, header and control frame that a reader holds on to."""
    return _payload(_held(reader))


def assert_bounded(reader: FrameReader, max_size: int) -> None:
    """Neither what is kept nor the memory for it is over the bound."""
    held = _held(reader)
    assert _payload(held) <= max_size + BESIDES
    assert _memory(held) <= (max_size + BESIDES) * 9 / 8 + _OBJECTS


def memory(reader: FrameReader) -> int:
    """Bytes of a reader and all that it holds."""
    return _memory(_held(reader))


def _memory(held: list[object]) -> int:
    return sum(map(sys.getsizeof, held))


def _payload(held: list[object]) -> int:
    return sum(len(each) for each in held if isinstance(each, (bytes, bytearray)))


def _held(thing: object) -> list[object]:
    """A thing and what hangs on its slots."""
    held = [thing]
    for name in getattr(thing, "__slots__", ()):
        held += _held(getattr(thing, name))
    return held


class Copies:
    """Counts the bytes that the codec copies, in place of a clock.

    `bytes(…)` makes a chunk whose slices are counted; `bytearray` stands for the builtin in the
    codec's module.
    """

    def __init__(self) -> None:
        self.count = 0

        def counting(base: type) -> type:
            class Counting(base):  # type: ignore[misc,valid-type]
                def __getitem__(itself, key: Any) -> Any:
                    part = base.__getitem__(itself, key)
                    if isinstance(key, slice):
                        self.count += len(part)
                    return part

                def __add__(itself, other: Any) -> Any:
                    self.count += len(itself) + len(other)
                    return Counting(base.__add__(itself, other))

                def __radd__(itself, other: Any) -> Any:
                    self.count += len(itself) + len(other)
                    return Counting(other + bytes(itself))

            return Counting

        class CountingBytearray(counting(bytearray)):  # type: ignore[misc]
            def __init__(itself, *content: Any) -> None:
                super().__init__(*content)
                self.count += len(itself)

            def __iadd__(itself, other: Any) -> Any:
                self.count += len(other)
                return super().__iadd__(other)

        self.bytes = counting(bytes)
        self.bytearray = CountingBytearray

    def most(self, fed: int, feeds: int) -> int:
        """Linear: a few copies of each byte, and a header looked at anew a few times a feed."""
        return 8 * fed + 64 * feeds
