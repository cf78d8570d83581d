"""The codec of WebSocket frames, rule by rule. Sections are those of RFC 6455."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol

from server.engine import frames
from server.engine.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    FrameError,
    FrameReader,
    close_frame,
    frame,
    unmask,
)
from tests.engine.frame_client import (
    Copies,
    assert_bounded,
    client_frame,
    cut,
    kept,
    memory,
    outcome,
    outcome_by_wsproto,
    read,
)

MAX_SIZE = 1000
MAX_FRAGMENTS = 8


def reader(max_size: int = MAX_SIZE, max_fragments: int = MAX_FRAGMENTS) -> FrameReader:
    return FrameReader(max_size=max_size, max_fragments=max_fragments)


def code_of(data: bytes) -> int | None:
    """The close code that these bytes end in, whole and byte by byte."""
    whole = outcome(reader(), [data])
    assert whole == outcome(reader(), cut(data, range(len(data))))
    return whole[1]


# What is read.


def test_the_masked_example_of_the_rfc_is_read() -> None:
    """§5.7."""
    assert read(reader(), bytes.fromhex("818537fa213d7f9f4d5158")) == [(TEXT, "Hello")]


# All lengths at which the header, or the way of unmasking, changes; and every remainder by 4.
LENGTHS = [*range(10), 124, 125, 126, 127, 128, 511, 512, 513, 514, 515, 516, 65535, 65536, 70001]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_of_any_length_is_read(opcode: int, length: int) -> None:
    """§5.2, §5.3."""
    text = "".join(chr(ord("a") + each % 26) for each in range(length))
    expected = text if opcode == TEXT else text.encode()
    data = client_frame(opcode, text.encode(), mask=b"\x81\x02\xf3\x44")
    assert read(reader(100_000), data) == [(opcode, expected)]
    assert read(reader(100_000), data[:1], data[1:]) == [(opcode, expected)]


def test_a_fragmented_message_is_put_together() -> None:
    """§5.4."""
    data = client_frame(TEXT, b"Hel", final=False)
    data += client_frame(CONTINUATION, b"", final=False)
    data += client_frame(CONTINUATION, b"lo")
    assert read(reader(), data) == [(TEXT, "Hello")]


def test_an_empty_message_in_fragments_is_a_message() -> None:
    """§5.4."""
    data = client_frame(BINARY, final=False) + client_frame(CONTINUATION)
    assert read(reader(), data) == [(BINARY, b"")]


def test_control_frames_inside_a_message_are_told_at_once() -> None:
    """§5.4, §5.5."""
    one = reader()
    assert read(one, client_frame(BINARY, b"ab", final=False)) == []
    assert read(one, client_frame(PING, b"p")) == [(PING, b"p")]
    assert read(one, client_frame(PONG)) == [(PONG, b"")]
    assert read(one, client_frame(CONTINUATION, b"c")) == [(BINARY, b"abc")]


def test_frames_that_come_together_are_told_in_order() -> None:
    data = client_frame(TEXT, b"1") + client_frame(PING, b"2") + client_frame(BINARY, b"3")
    assert read(reader(), data) == [(TEXT, "1"), (PING, b"2"), (BINARY, b"3")]


def test_close_tells_code_and_reason_and_is_the_last() -> None:
    """§1.4, §5.5.1: what follows a CLOSE is not looked at."""
    payload = (1000).to_bytes(2, "big") + "до свидания".encode()
    data = client_frame(CLOSE, payload) + client_frame(TEXT, b"late") + b"\xff\xff"
    one = reader()
    assert read(one, client_frame(TEXT, b"before") + data) == [(TEXT, "before"), (CLOSE, payload)]
    assert kept(one) == 0
    assert read(reader(), client_frame(CLOSE)) == [(CLOSE, b"")]


def test_nothing_fed_is_nothing_read() -> None:
    one = reader()
    assert read(one, b"", client_frame(TEXT, b"a"), b"") == [(TEXT, "a")]
    half = client_frame(TEXT, b"half")
    assert read(one, half[:3], b"", half[3:]) == [(TEXT, "half")]


def test_a_character_may_be_cut_between_fragments() -> None:
    """§5.6, §8.1: only the whole message has to be UTF-8."""
    ruble = "₽".encode()
    data = client_frame(TEXT, ruble[:1], final=False) + client_frame(CONTINUATION, ruble[1:])
    assert read(reader(), data) == [(TEXT, "₽")]


# What is refused.


@pytest.mark.parametrize("reserved", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, CLOSE, PING])
def test_reserved_bits_are_refused(opcode: int, reserved: int) -> None:
    """§5.2: no extension was agreed upon."""
    assert code_of(client_frame(opcode, reserved=reserved)) == 1002


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_an_unknown_opcode_is_refused(opcode: int) -> None:
    """§5.2."""
    assert code_of(client_frame(opcode)) == 1002
    assert code_of(client_frame(TEXT, final=False) + client_frame(opcode)) == 1002


@pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
@pytest.mark.parametrize("payload", [b"", b"abc"])
def test_an_unmasked_frame_is_refused(opcode: int, payload: bytes) -> None:
    """§5.1."""
    assert code_of(client_frame(opcode, payload, mask=None)) == 1002


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_a_fragmented_control_frame_is_refused(opcode: int) -> None:
    """§5.5."""
    assert code_of(client_frame(opcode, final=False)) == 1002


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_a_control_frame_of_125_bytes_is_read_and_one_of_126_refused(opcode: int) -> None:
    """§5.5."""
    payload = (1000).to_bytes(2, "big") + b"a" * 124
    assert read(reader(), client_frame(opcode, payload[:125])) == [(opcode, payload[:125])]
    assert code_of(client_frame(opcode, payload)) == 1002


def test_a_continuation_of_nothing_is_refused() -> None:
    """§5.4."""
    assert code_of(client_frame(CONTINUATION, b"a")) == 1002
    assert code_of(client_frame(CONTINUATION, b"a", final=False)) == 1002
    ended = client_frame(TEXT, final=False) + client_frame(CONTINUATION)
    assert code_of(ended + client_frame(CONTINUATION)) == 1002


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_inside_another_is_refused(opcode: int) -> None:
    """§5.4: fragments of two messages are not mixed."""
    assert code_of(client_frame(TEXT, b"a", final=False) + client_frame(opcode, b"b")) == 1002


@pytest.mark.parametrize(
    ("length", "length_bytes"),
    [(0, 2), (124, 2), (125, 2), (0, 8), (119, 8), (125, 8), (126, 8), (65535, 8)],
)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_length_in_more_bytes_than_it_needs_is_refused(
    opcode: int, length: int, length_bytes: int
) -> None:
    """§5.2: "the minimal number of bytes MUST be used"."""
    data = client_frame(opcode, b"a" * length, length_bytes=length_bytes)
    assert outcome(reader(100_000), [data]) == ([], 1002)


@pytest.mark.parametrize("length", [1 << 63, (1 << 64) - 1])
def test_a_length_with_its_highest_bit_set_is_refused(length: int) -> None:
    """§5.2: as a breach of the protocol, not as too big."""
    assert code_of(client_frame(TEXT, length=length)) == 1002


BAD_TEXT = {
    "a lone continuation byte": b"\x80",
    "a cut character": "₽".encode()[:2],
    "an overlong slash": b"\xc0\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "above U+10FFFF": b"\xf4\x90\x80\x80",
    "a byte that UTF-8 never has": b"\xff",
}


@pytest.mark.parametrize("bad", BAD_TEXT.values(), ids=BAD_TEXT)
@pytest.mark.parametrize("around", [0, 200], ids=["short", "long"])
def test_text_that_is_not_utf8_is_refused(bad: bytes, around: int) -> None:
    """§8.1."""
    payload = b"a" * around + bad
    assert code_of(client_frame(TEXT, payload)) == 1007
    begun = client_frame(TEXT, payload[:-1], final=False)
    assert code_of(begun + client_frame(CONTINUATION, payload[-1:])) == 1007
    assert code_of(client_frame(BINARY, payload)) is None


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535])
def test_a_close_code_that_may_not_be_sent_is_refused(code: int) -> None:
    """§7.4."""
    assert code_of(client_frame(CLOSE, code.to_bytes(2, "big"))) == 1002


@pytest.mark.parametrize(
    "code", [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4008, 4999]
)
def test_a_close_code_that_may_be_sent_is_read(code: int) -> None:
    """§7.4."""
    payload = code.to_bytes(2, "big")
    assert read(reader(), client_frame(CLOSE, payload)) == [(CLOSE, payload)]


def test_half_a_close_code_is_refused() -> None:
    """§5.5.1."""
    assert code_of(client_frame(CLOSE, b"\x03")) == 1002


def test_a_close_reason_that_is_not_utf8_is_refused() -> None:
    """§5.5.1."""
    assert code_of(client_frame(CLOSE, b"\x03\xe8\xff")) == 1007


def test_what_came_before_a_breach_is_told_first() -> None:
    told = []
    with pytest.raises(FrameError) as breach:
        for each in reader().feed(client_frame(TEXT, b"1") + client_frame(PING) + b"\xff\xff"):
            told.append(each)
    assert told == [(TEXT, "1"), (PING, b"")]
    assert breach.value.code == 1002
    assert breach.value.reason == "reserved bits are set"


# Bounds.


@pytest.mark.parametrize("size", [100, 1000, 65535, 70000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_of_max_size_is_read_and_one_byte_more_is_refused(
    opcode: int, size: int
) -> None:
    """§7.4.1."""
    payload = b"a" * (size + 1)
    assert len(read(reader(size), client_frame(opcode, payload[:-1]))) == 1
    assert outcome(reader(size), [client_frame(opcode, payload)]) == ([], 1009)


@pytest.mark.parametrize("length", [MAX_SIZE + 1, 65536, (1 << 63) - 1])
def test_a_message_too_big_is_refused_by_its_header_alone(length: int) -> None:
    header = client_frame(TEXT, length=length, mask=b"")
    one = reader()
    assert outcome(one, [header]) == ([], 1009)
    assert kept(one) == 0


def test_the_fragments_of_a_message_are_bounded_together() -> None:
    half = MAX_SIZE // 2
    begun = client_frame(BINARY, b"a" * half, final=False)
    whole = begun + client_frame(CONTINUATION, b"b" * half)
    assert read(reader(), whole) == [(BINARY, b"a" * half + b"b" * half)]
    assert read(reader(), whole + whole) == [(BINARY, b"a" * half + b"b" * half)] * 2
    header = client_frame(CONTINUATION, length=half + 1, mask=b"")
    assert outcome(reader(), [begun, header]) == ([], 1009)


def test_control_frames_do_not_count_toward_the_size_of_the_message_around_them() -> None:
    """§5.4: they belong to no message."""
    ping = client_frame(PING, b"p" * 125)
    data = client_frame(BINARY, b"a" * MAX_SIZE, final=False) + ping * 20
    data += client_frame(CONTINUATION)
    assert read(reader(), data)[-1] == (BINARY, b"a" * MAX_SIZE)
    assert read(reader(max_size=10), ping) == [(PING, b"p" * 125)]


def test_the_fragments_of_a_message_are_counted() -> None:
    """§7.4.1. A message that costs more objects than bytes is an attack, not a message."""
    begun = client_frame(TEXT, b"a", final=False)
    more = client_frame(CONTINUATION, b"b", final=False)
    last = client_frame(CONTINUATION, b"c")
    most = begun + more * (MAX_FRAGMENTS - 2) + last
    assert read(reader(), most, most) == [(TEXT, "a" + "b" * (MAX_FRAGMENTS - 2) + "c")] * 2
    assert code_of(begun + more * (MAX_FRAGMENTS - 1) + last) == 1008
    one = reader()
    assert outcome(one, [begun + more * (MAX_FRAGMENTS - 1)]) == ([], None)
    assert outcome(one, [client_frame(CONTINUATION, length=3, mask=b"")]) == ([], 1008)


def test_an_idle_reader_is_small_before_and_after_it_has_read() -> None:
    """100,000 of them wait most of the time."""
    one = reader()
    big = client_frame(TEXT, b"a" * 900, final=False)
    assert read(one, big[:500], big[500:], client_frame(CONTINUATION, b"b")) != []
    assert memory(one) == memory(reader())
    assert not hasattr(one, "__dict__")
    assert sys.getsizeof(one) <= 56


def fed_in_tiny_segments() -> list[bytes]:
    """A message of 300 kB, 7 bytes at a time."""
    return cut(client_frame(BINARY, bytes(300_000)), range(0, 300_014, 7))


def fed_in_tiny_fragments() -> list[bytes]:
    """A message of 150 kB in fragments of 5 bytes, each its own segment."""
    begun = client_frame(BINARY, bytes(5), final=False)
    more = client_frame(CONTINUATION, bytes(5), final=False)
    return [begun, *[more] * 29_998, client_frame(CONTINUATION, bytes(5))]


def fed_in_one_chunk() -> list[bytes]:
    """30,000 little frames at once, the last not whole, and its rest."""
    data = client_frame(PING, b"p") * 30_000
    return [data[:-1], data[-1:]]


@pytest.mark.parametrize("chunks", [fed_in_tiny_segments, fed_in_tiny_fragments, fed_in_one_chunk])
def test_the_work_is_linear_in_the_bytes_however_they_come(
    chunks, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = Copies()
    monkeypatch.setattr(frames, "bytearray", copies.bytearray, raising=False)
    fed = chunks()
    one = reader(max_size=300_000, max_fragments=30_000)
    messages = read(one, *map(copies.bytes, fed))
    assert messages and kept(one) == 0
    assert 0 < copies.count <= copies.most(sum(map(len, fed)), len(fed))


# What is written.


def test_the_unmasked_examples_of_the_rfc_are_written() -> None:
    """§5.7."""
    assert frame(TEXT, b"Hello") == bytes.fromhex("810548656c6c6f")
    assert frame(PING, b"Hello") == bytes.fromhex("890548656c6c6f")
    assert frame(BINARY, bytes(256)) == bytes.fromhex("827e0100") + bytes(256)
    assert frame(BINARY, bytes(65536)) == bytes.fromhex("827f0000000000010000") + bytes(65536)


def test_a_long_close_reason_is_cut_between_characters() -> None:
    """§5.5, §5.5.1."""
    assert close_frame(1001) == b"\x88\x02\x03\xe9"
    assert close_frame(4008, "slow") == b"\x88\x06\x0f\xa8slow"
    cut_short = close_frame(1000, "я" * 100)
    assert cut_short[1] == len(cut_short) - 2 == 124
    assert cut_short[4:].decode() == "я" * 61


# Against wsproto, and whatever hypothesis thinks of.


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536])
def test_wsproto_reads_what_is_written(length: int) -> None:
    peer = FrameProtocol(client=True, extensions=[])
    text, binary = "a" * length, bytes(length)
    peer.receive_bytes(frame(TEXT, text.encode()) + frame(BINARY, binary) + frame(PING, b"p"))
    peer.receive_bytes(close_frame(4008, "slow consumer, resume from cursor"))
    assert [each.payload for each in peer.received_frames()] == [
        text,
        binary,
        b"p",
        (4008, "slow consumer, resume from cursor"),
    ]


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536])
def test_what_wsproto_writes_is_read(length: int) -> None:
    peer = FrameProtocol(client=True, extensions=[])
    text, binary = "a" * length, bytes(length)
    data = peer.send_data(text, fin=False) + peer.ping(b"p") + peer.send_data(text)
    data += peer.send_data(binary) + peer.pong() + peer.close(4008, "enough")
    assert read(reader(200_000), bytes(data)) == [
        (PING, b"p"),
        (TEXT, text + text),
        (BINARY, binary),
        (PONG, b""),
        (CLOSE, b"\x0f\xa8enough"),
    ]


masks = st.binary(min_size=4, max_size=4)
controls = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))
payloads = st.text(max_size=40) | st.binary(max_size=600)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[tuple[int, str | bytes]]]:
    """A client's bytes, and what they say."""
    data, said = b"", []
    for _ in range(draw(st.integers(1, 4))):
        payload = draw(payloads)
        raw = payload.encode() if isinstance(payload, str) else payload
        fragments = cut(raw, draw(st.lists(st.integers(0, len(raw)), max_size=4))) or [b""]
        opcode = first = TEXT if isinstance(payload, str) else BINARY
        for number, fragment in enumerate(fragments, 1):
            for control in draw(st.lists(controls, max_size=1)):
                data += client_frame(*control, mask=draw(masks))
                said.append(control)
            final = number == len(fragments)
            data += client_frame(opcode, fragment, final=final, mask=draw(masks))
            opcode = CONTINUATION
        said.append((first, payload))
    return data, said


@given(st.data())
def test_frames_say_the_same_however_they_are_cut(data: st.DataObject) -> None:
    raw, said = data.draw(conversations())
    places = data.draw(st.lists(st.integers(0, len(raw)), max_size=12))
    assert read(reader(), raw) == said
    one = reader()
    assert read(one, *cut(raw, places)) == said
    assert kept(one) == 0
    assert read(reader(), *cut(raw, range(len(raw)))) == said
    assert outcome_by_wsproto(raw) == (said, None)


@given(st.data())
def test_broken_frames_raise_nothing_else_and_leave_nothing_behind(data: st.DataObject) -> None:
    raw = bytearray(data.draw(conversations())[0])
    places = st.integers(0, len(raw) - 1)
    for place, value in data.draw(st.dictionaries(places, st.integers(0, 255), max_size=4)).items():
        raw[place] = value
    broken = bytes(raw) + data.draw(st.binary(max_size=30))
    chunks = cut(broken, data.draw(st.lists(st.integers(0, len(broken)), max_size=12)))
    max_size = data.draw(st.sampled_from([0, 100, MAX_SIZE]))
    one = FrameReader(max_size=max_size, max_fragments=3)
    for number in range(len(chunks)):
        told, code = outcome(one, chunks[number : number + 1])
        assert_bounded(one, max_size)
        if code is not None or told[-1:] and told[-1][0] == CLOSE:
            assert kept(one) == 0
            break


@pytest.mark.parametrize("size", [256, 1024])
def test_every_mask_is_undone(size: int) -> None:
    """§5.3."""
    payload = bytes(range(256)) * (size // 256)
    for key in range(256):
        mask = bytes((key, 255 - key, key ^ 0x55, 7))
        assert client_frame(BINARY, payload, mask=mask).endswith(unmask(payload, mask))


@given(st.binary(max_size=2000), masks)
def test_masking_twice_is_not_masking(payload: bytes, mask: bytes) -> None:
    """§5.3."""
    masked = unmask(payload, mask)
    assert client_frame(BINARY, payload, mask=mask).endswith(masked)
    assert unmask(masked, mask) == payload
