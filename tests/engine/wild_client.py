"""A client that does anything: steps drawn from a seed, at one rig."""

import asyncio
import contextlib
import random
import re
from collections import Counter

from tests.engine.raw_http import RawHttp, chunked, request_bytes
from tests.engine.raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    client_frame,
    handshake,
)
from tests.engine.rig import Rig

# Engine.IO's OPEN, wherever it stands.
_OPENED = re.compile(rb'0\{"sid":"([^"]+)","upgrades"')

_WORDS = [
    "40",
    '40{"wait":1}',
    '40{"refuse":1}',
    '40{"wait":1,"refuse":1}',
    "40/other,",
    "40/nowhere,",
    "41",
    "41/other,",
    '42["slow"]',
    '421["slow",{"a":[1,2,3]}]',
    '42["room","ямб 🎲"]',
    '422["ask"]',
    '42["kick"]',
    '42["close"]',
    '42["big"]',
    '423["binary"]',
    '42/other,["slow"]',
    '431["answer"]',
    '439999["answer"]',
    '451-["binary",{"_placeholder":true,"num":0}]',
    '4524-["binary",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
    *"3 6 1 2 2probe 5 4 9 42 42[ 46 49".split(),
    "",
    '42["connect"]',
    "x" * 30_000,
]
# What one may say that is in; seldom what ends it.
_TALK = [word for word in _WORDS if re.match(r'42\d?\["(slow|room|ask|big|binary)', word)]
_SANE = [*_TALK * 8, *["3"] * 20, *_WORDS[_WORDS.index('42["kick"]') :][:2]]
_SANE += ['431["answer"]', '451-["binary",{"_placeholder":true,"num":0}]'] * 3

_CONNECTS = [*["40"] * 12, *['40{"wait":1}'] * 4, '40{"refuse":1}', "40/other,", "40/nowhere,"]

_STEPS = {
    "handshake": 6,
    "websocket": 6,
    "poll": 14,
    "post": 20,
    "half a post": 2,
    "probe": 6,
    "upgrade": 6,
    "frames": 30,
    "noise": 2,
    "hang up": 3,
    "cut off": 3,
    "stop reading": 2,
    "rest": 14,
}


class WildClient:
    """Writes, and reads only to learn the names of its sessions."""

    def __init__(self, rig: Rig, seed: str, did: Counter[str]) -> None:
        self._rig = rig
        self._random = random.Random(seed)
        self._did = did
        # Those that mostly do what they may get further.
        self._madness = self._random.choice([0.0, 0.02, 0.02, 0.3])
        self._sids: list[str] = []
        self._https: list[RawHttp] = []
        self._websockets: list[RawHttp] = []
        self._readers: dict[RawHttp, asyncio.Task[None]] = {}

    async def live(self) -> None:
        await self._step(self._random.choice(["handshake", "websocket"]))
        for _ in range(self._random.randrange(5, 50)):
            await self._step(self._random.choices([*_STEPS], [*_STEPS.values()])[0])

    async def leave(self) -> None:
        """Hang up everywhere."""
        for connection in [*self._readers]:
            self._drop(connection, cut=bool(self._random.getrandbits(1)))

    async def outlive(self, patience_s: float) -> None:
        """Wait until the server has ended everything. Raises: TimeoutError."""
        for connection, reader in [*self._readers.items()]:
            if reader.cancelled():
                # It does not read, and so would not see the end.
                connection.read_again()
                reader = self._readers[connection] = asyncio.create_task(self._read(connection))
            async with asyncio.timeout(patience_s):
                await reader
            self._drop(connection, cut=False)

    async def _step(self, step: str) -> None:
        self._did[step] += 1
        await getattr(self, "_" + step.replace(" ", "_"))()
        for _ in range(self._random.randrange(4)):
            await asyncio.sleep(0)

    # Connections.

    async def _connection(self, among: list[RawHttp]) -> RawHttp:
        connection = await self._rig.http()
        self._rig.forget(connection)
        among.append(connection)
        self._readers[connection] = asyncio.create_task(self._read(connection))
        return connection

    async def _read(self, connection: RawHttp) -> None:
        seen = b""
        with contextlib.suppress(OSError):
            while data := await connection.reader.read(65_536):
                seen = seen[-200:] + data
                self._sids += [sid.decode() for sid in _OPENED.findall(seen)]

    async def _write(self, connection: RawHttp, data: bytes) -> None:
        """Whole, or in pieces."""
        pieces = self._random.choice([0, 0, 1, 5])
        cuts = sorted(self._random.randrange(len(data) + 1) for _ in range(pieces))
        with contextlib.suppress(OSError):
            for begin, end in zip([0, *cuts], [*cuts, len(data)]):
                connection.writer.write(data[begin:end])
                if cuts:
                    await asyncio.sleep(0)

    def _drop(self, connection: RawHttp, *, cut: bool) -> None:
        for among in (self._https, self._websockets):
            if connection in among:
                among.remove(connection)
        self._readers.pop(connection).cancel()
        # Or the end of a TLS session that is not read would be waited for.
        connection.read_again()
        if cut:
            connection.writer.transport.abort()  # type: ignore[attr-defined]
        else:
            connection.writer.close()

    def _any(self, among: list[RawHttp]) -> RawHttp | None:
        return self._random.choice(among) if among else None

    async def _http(self) -> RawHttp:
        known = self._any(self._https) if self._random.random() < 0.7 else None
        return known or await self._connection(self._https)

    def _target(self, **query: str) -> str:
        """The path with a session that was seen, mostly."""
        if self._sids and not self._is_mad():
            # Mostly the last: the others are gone.
            last = self._random.random() < 0.9
            query["sid"] = self._sids[-1] if last else self._random.choice(self._sids)
        elif self._random.random() < 0.5:
            query["sid"] = "nobody"
        return self._rig.target(**query)

    # What is said.

    def _is_mad(self) -> bool:
        return self._random.random() < self._madness

    def _packets(self) -> list[str | bytes]:
        packets: list[str | bytes] = []
        for _ in range(self._random.choice([1, 1, 1, 2, 3, 20])):
            word = self._random.choice(_WORDS if self._is_mad() else _SANE)
            packets.append(word)
            if word.startswith("45") and not self._is_mad():
                packets += [b"bytes"] * int(word[2])
        return packets

    def _body(self) -> bytes:
        body = "\x1e".join(
            packet if isinstance(packet, str) else "bYnl0ZXM=" for packet in self._packets()
        ).encode()
        return self._mutated(body)

    def _stream(self) -> bytes:
        frames = b""
        for packet in self._packets():
            data = packet.encode() if isinstance(packet, str) else packet
            kind = TEXT if isinstance(packet, str) else BINARY
            if self._random.random() < 0.1 and len(data) > 1:
                frames += client_frame(kind, data[:1], final=False)
                frames += client_frame(PING, b"between")
                frames += client_frame(CONTINUATION, data[1:])
            else:
                frames += client_frame(kind, data)
        extra = self._random.random() * (1 if self._is_mad() else 5)
        if extra < 0.05:
            frames += client_frame(PING, b"are you there?") * 3
        elif extra < 0.1:
            frames += client_frame(PONG)
        elif extra < 0.13:
            frames += client_frame(CLOSE, b"\x03\xe8")
        elif extra < 0.15:
            frames += client_frame(TEXT, b"4", masked=False)
        return self._mutated(frames)

    def _mutated(self, data: bytes) -> bytes:
        """With a byte changed, lost or doubled, now and then."""
        if not data or not self._is_mad():
            return data
        at = self._random.randrange(len(data))
        middle = self._random.choice([b"", data[at : at + 1] * 2, self._random.randbytes(1)])
        return data[:at] + middle + data[at + 1 :]

    # Steps.

    async def _handshake(self) -> None:
        known = len(self._sids)
        await self._write(await self._http(), request_bytes("GET", self._rig.target()))
        await self._rest()
        if len(self._sids) > known:
            connect = self._random.choice(_CONNECTS)
            request = request_bytes("POST", self._target(), connect)
            await self._write(await self._http(), request)

    async def _websocket(self) -> None:
        connection = await self._connection(self._websockets)
        opening = handshake(self._rig.target(transport="websocket"))
        connect = self._random.choice(_CONNECTS)
        early = b"" if self._is_mad() else client_frame(TEXT, connect.encode())
        await self._write(connection, opening + early)

    async def _poll(self) -> None:
        await self._write(await self._http(), request_bytes("GET", self._target()))

    async def _post(self) -> None:
        body, headers = self._body(), {}
        if self._random.random() < 0.2:
            body, headers = chunked(body), {"Transfer-Encoding": "chunked"}
        await self._write(await self._http(), request_bytes("POST", self._target(), body, headers))

    async def _half_a_post(self) -> None:
        request = request_bytes("POST", self._target(), self._body() + b"and more")
        connection = await self._connection(self._https)
        await self._write(connection, request[: -self._random.randrange(1, 60)])

    async def _probe(self) -> None:
        connection = await self._connection(self._websockets)
        frames = self._random.choice([[], ["2probe"], ["2probe", "5"], ["5"], ["2probe", "6", "5"]])
        early = b"".join(client_frame(TEXT, each.encode()) for each in frames)
        await self._write(connection, handshake(self._target(transport="websocket")) + early)

    async def _upgrade(self) -> None:
        """As clients do, but for what comes between."""
        connection = await self._connection(self._websockets)
        await self._write(connection, handshake(self._target(transport="websocket")))
        for word in (b"2probe", b"5"):
            await self._rest()
            await self._write(connection, client_frame(TEXT, word))

    async def _frames(self) -> None:
        connection = self._any(self._websockets)
        if connection is not None:
            await self._write(connection, self._stream())

    async def _noise(self) -> None:
        connection = self._any(self._https + self._websockets)
        if connection is not None:
            await self._write(connection, self._random.randbytes(self._random.randrange(1, 300)))

    async def _hang_up(self, *, cut: bool = False) -> None:
        connection = self._any(self._https + self._websockets)
        if connection is not None:
            self._drop(connection, cut=cut)

    async def _cut_off(self) -> None:
        await self._hang_up(cut=True)

    async def _stop_reading(self) -> None:
        connection = self._any(self._websockets)
        if connection is not None:
            self._readers[connection].cancel()
            connection.stop_reading()

    async def _rest(self) -> None:
        await asyncio.sleep(self._random.choice([0.0, 0.002, 0.01, 0.05]))
