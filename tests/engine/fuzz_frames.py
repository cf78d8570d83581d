"""A long fuzz of `server.engine.frames`: `python -m tests.engine.fuzz_frames [frames] [--seed N]`.

Streams of a client's frames, some sound, some mutated, cut short, hostile or plain noise, are cut
anywhere and fed to a reader. Of each stream it is checked that

- nothing but FrameError is raised, and what is read does not depend on the cuts,
- wsproto reads the same: the same messages, and the same kind of breach,
- a bound is said to be broken where it is, and nowhere else,
- no more is kept than the bound, whatever has been fed,
- the bytes copied are linear in the bytes fed (counted, not timed).

A stream is made from its own seed, which a failure names: `--only SEED` does that stream again.
"""

import argparse
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from server.engine import frames
from server.engine.frames import FrameReader
from tests.engine.frame_client import (
    Copies,
    Read,
    assert_bounded,
    breach_of_bounds,
    client_frame,
    cut,
    frames_of,
    kept,
    outcome,
    outcome_by_wsproto,
)

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

KINDS = {
    "sound": 30,
    "mutated": 35,
    "truncated": 10,
    "hostile": 20,
    "noise": 4,
    # A large message in tiny segments takes a second of its own for every thousand.
    "large": 1,
}

# Where lengths change their form, and around the bounds below.
EDGES = [0, 1, 2, 3, 4, 5, 124, 125, 126, 127, 199, 200, 201, 511, 512, 513, 65535, 65536]
BOUNDS = {(0, 1): 1, (200, 4): 4, (200, 1000): 4, (70_000, 8): 30, (1_000_000, 1024): 61}
ALPHABET = "abcdefgh42[]{}\":, \0\x7fяжñ߿ࠀ₽中\ud7ff\uffff𐀀🎲"


class Stream:
    """One client's bytes, made from a seed."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.frames = 0
        self.kind = self.random.choices([*KINDS], [*KINDS.values()])[0]
        bounds = self.random.choices([*BOUNDS], [*BOUNDS.values()])[0]
        self.max_size, self.max_fragments = bounds
        self.data = getattr(self, "_" + self.kind)()

    def chunks(self) -> list[bytes]:
        """The bytes, cut between frames, into equal parts, or anywhere."""
        size, choose = len(self.data), self.random
        if self.kind == "large":
            return cut(self.data, range(0, size, choose.choice([3, 50, 1000])))
        way = choose.random()
        if way < 0.1 and size < 3000:
            return cut(self.data, range(size))
        if way < 0.3:
            return cut(self.data, [end for *_, end in frames_of(self.data)])
        if way < 0.6:
            step = choose.choice([2, 7, 100, 1460])
            return cut(self.data, range(0, size, max(step, size // 500)))
        return cut(self.data, [choose.randrange(size + 1) for _ in range(choose.randrange(12))])

    def _sound(self) -> bytes:
        return b"".join(self._message() for _ in range(self.random.randint(1, 12)))

    def _mutated(self) -> bytes:
        choose = self.random
        data = bytearray(self._sound())
        for _ in range(choose.choice([1, 1, 1, 2, 5])):
            place = choose.randrange(len(data))
            way = choose.randrange(5)
            if way == 0:
                data[place] ^= 1 << choose.randrange(8)
            elif way == 1:
                data[place] = choose.randrange(256)
            elif way == 2:
                data[place:place] = choose.randbytes(choose.randint(1, 4))
            elif way == 3:
                del data[place : place + choose.randint(1, 4)]
            else:
                data[place:place] = data[: choose.randint(1, 40)]
            data = data or bytearray(b"\x81")
        return bytes(data)

    def _truncated(self) -> bytes:
        data = self._sound()
        return data[: self.random.randrange(len(data)) + 1]

    def _hostile(self) -> bytes:
        """Sound frames, then one whose every field may be wrong, then sound ones."""
        choose = self.random
        data = self._sound()
        if choose.random() < 0.5:
            data += self._frame(choose.choice([TEXT, BINARY]), self._payload(), final=False)
        opcode = choose.choice([*range(16), *[CLOSE] * 3, CONTINUATION, *[TEXT] * 5])
        payload = choose.randbytes(choose.choice([0, 1, 2, 3, 60, 119, 124, 125, 126, 300]))
        if opcode == CLOSE and choose.random() < 0.8:
            code = choose.choice([choose.randrange(65536), *range(998, 1018), 2999, 3000, 5000])
            payload = code.to_bytes(2, "big") + payload[:60]
        length = length_bytes = None
        if choose.random() < 0.4:
            length_bytes = choose.choice([2, 8])
            top = 8 * length_bytes
            length = choose.choice([*[len(payload)] * 9, *EDGES, 1 << 62, 1 << 63, (1 << 64) - 1])
            length = min(length, (1 << top) - 1)
        mask = choose.randbytes(4) if choose.random() < 0.9 else None
        reserved = choose.randrange(8) if choose.random() < 0.1 else 0
        self.frames += 1
        data += client_frame(
            opcode,
            payload,
            final=choose.random() < 0.7,
            mask=mask,
            reserved=reserved,
            length=length,
            length_bytes=length_bytes,
        )
        return data + self._sound()

    def _noise(self) -> bytes:
        self.frames += 1
        return self.random.randbytes(self.random.randint(1, 300))

    def _large(self) -> bytes:
        """Up to 300 kB in one message, whole or in fragments."""
        choose = self.random
        self.max_size, self.max_fragments = 1_000_000, 1024
        size = choose.choice([70_000, 300_000])
        fragment = choose.choice([size, size // 4, size // 1000])
        edges = range(0, size, fragment)
        payload = b"large " * (size // 6 + 1)
        return b"".join(
            self._frame(
                BINARY if not start else CONTINUATION,
                payload[start : min(start + fragment, size)],
                final=start == edges[-1],
            )
            for start in edges
        )

    def _message(self) -> bytes:
        """A message with whatever may stand in and around it."""
        choose = self.random
        way = choose.random()
        if way < 0.15:
            return self._control()
        if way < 0.17:
            code = choose.choice([1000, 1001, 1011, 3000, 4008, 4999])
            reason = "".join(choose.choices(ALPHABET, k=choose.randrange(20))).encode()
            return self._frame(CLOSE, choose.choice([b"", code.to_bytes(2, "big") + reason]))
        opcode, payload = choose.choice([TEXT, BINARY]), self._payload()
        if way < 0.7:
            return self._frame(opcode, payload)
        count = choose.choice([0, 1, 2, 3, 10])
        parts = cut(payload, [choose.randrange(len(payload) + 1) for _ in range(count)]) or [b""]
        data = b""
        for number, part in enumerate(parts, 1):
            data += self._frame(opcode, part, final=number == len(parts))
            opcode = CONTINUATION
            if number < len(parts) and choose.random() < 0.2:
                data += self._control()
        return data

    def _control(self) -> bytes:
        payload = self.random.randbytes(self.random.choice([0, 4, 124, 125]))
        return self._frame(self.random.choice([PING, PONG]), payload)

    def _frame(self, opcode: int, payload: bytes, *, final: bool = True) -> bytes:
        self.frames += 1
        return client_frame(opcode, payload, final=final, mask=self.random.randbytes(4))

    def _payload(self) -> bytes:
        """UTF-8, so that it can be a text."""
        choose = self.random
        if choose.random() < 0.003:
            return b"e" * choose.choice(EDGES)
        if choose.random() < 0.3:
            return b"e" * choose.choice(EDGES[:-2])
        return "".join(choose.choices(ALPHABET, k=choose.randrange(60))).encode()


def check(stream: Stream, *, count: bool) -> str:
    """Feed a stream in every way. Returns how it ended."""
    chunks = stream.chunks()
    fed_in_pieces = _feed(stream, chunks)
    if count:
        _count_copies(stream, chunks, fed_in_pieces)
    whole = outcome(FrameReader(stream.max_size, stream.max_fragments), [stream.data])
    assert fed_in_pieces == whole, f"cut: {fed_in_pieces}\nwhole: {whole}"
    _compare_with_wsproto(stream.data, *whole)
    told, code = whole
    over = breach_of_bounds(stream.data, stream.max_size, stream.max_fragments)
    if code in (None, 1008, 1009):
        assert over == (code and (len(told), code)), f"over a bound: {over}, ours: {code} {told}"
    if code is not None:
        return str(code)
    return "closed" if told and told[-1][0] == CLOSE else "open"


def _feed(stream: Stream, chunks: list[bytes]) -> tuple[list[Read], int | None]:
    reader = FrameReader(stream.max_size, stream.max_fragments)
    seen: list[Read] = []
    for number, chunk in enumerate(chunks, 1):
        told, code = outcome(reader, [chunk])
        seen += told
        # Weighing costs far more than reading a crumb; a large message grows slowly.
        if number % 64 == 0 or len(chunks) < 600:
            assert_bounded(reader, stream.max_size)
        if code is not None or (told and told[-1][0] == CLOSE):
            assert kept(reader) == 0, "kept after the end"
            return seen, code
    return seen, None


def _count_copies(
    stream: Stream, chunks: list[bytes], expected: tuple[list[Read], int | None]
) -> None:
    copies = Copies()
    setattr(frames, "bytearray", copies.bytearray)
    try:
        reader = FrameReader(stream.max_size, stream.max_fragments)
        assert outcome(reader, map(copies.bytes, chunks)) == expected
    finally:
        delattr(frames, "bytearray")
    most = copies.most(len(stream.data), len(chunks))
    assert copies.count <= most, f"copied {copies.count} bytes of {len(stream.data)}"


def _compare_with_wsproto(data: bytes, told: list[Read], code: int | None) -> None:
    # wsproto says some breaches a few bytes later: of a continuation of nothing it waits for the
    # first byte of payload. So it gets a few bytes more than we needed.
    theirs, their_code = outcome_by_wsproto(data + bytes(16) if code == 1002 else data)
    both = min(len(told), len(theirs))
    bounded = code in (1008, 1009)
    what = f"ours: {code} {told}\nwsproto: {their_code} {theirs}"
    assert told[:both] == theirs[:both], what
    # wsproto has no bounds: it reads on.
    assert len(theirs) == both or bounded, what
    # It notices bad text within a message, we at its end: until then we may read control frames,
    # or meet another breach, or the bytes end.
    assert their_code == 1007 or len(told) == both, what
    assert all(opcode >= CLOSE for opcode, _ in told[both:]), what
    assert code == their_code or bounded or their_code == 1007, what


@dataclass
class Tally:
    """What a fuzz has come to: how many streams of each kind, and how they ended."""

    kinds: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    frames: int = 0
    fed: int = 0

    @property
    def streams(self) -> int:
        return self.kinds.total()


def fuzz(frames: int, seed: object) -> Iterator[Tally]:
    """Read streams until they had so many frames; the same tally after each."""
    tally = Tally()
    while tally.frames < frames:
        name = f"{seed}.{tally.streams}"
        stream = Stream(name)
        try:
            # Counting takes longer than reading, so most streams are read by the codec as it is.
            ending = check(stream, count=tally.streams % 8 == 7 or stream.kind == "large")
        except Exception as problem:
            problem.add_note(f"stream {name} ({stream.kind}); again with --only {name}")
            problem.add_note(stream.data[:2000].hex())
            raise
        tally.kinds[stream.kind] += 1
        tally.endings[ending] += 1
        tally.frames += stream.frames
        tally.fed += len(stream.data)
        yield tally


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz the WebSocket frame codec.")
    parser.add_argument("frames", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--only", metavar="SEED", help="one stream, by the seed that failed")
    asked = parser.parse_args()
    if asked.only:
        print(check(Stream(asked.only), count=True))
        return
    print(f"{asked.frames:,} frames, seed {asked.seed}", flush=True)
    started = shown = time.monotonic()
    tally = Tally()
    for tally in fuzz(asked.frames, asked.seed):
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            print(f"  {tally.frames:,} frames, {tally.streams:,} streams", flush=True)
    unit = 1 << 10 if sys.platform != "darwin" else 1 << 20
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    seconds = time.monotonic() - started
    print(f"{tally.frames:,} frames in {tally.streams:,} streams", end=", ")
    print(f"{tally.fed / 1e6:,.0f} MB", end=" ")
    print(f"in {seconds:,.0f} s; at most {memory:,.0f} MB resident")
    for name, counts in (("streams", tally.kinds), ("endings", tally.endings)):
        print(f"{name}:", ", ".join(f"{count:,} {each}" for each, count in counts.most_common()))


if __name__ == "__main__":
    main()
