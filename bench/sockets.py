"""Many WebSocket clients in one process: most only count bytes, a few read what they get."""

import asyncio
import json
import os
import re
import time
from datetime import datetime
from typing import Any

from bench.club import Member, RunningClub

_PING = b"\x81\x012"
_AT = re.compile(rb'"at":\s*"([^"]+)"')


def _masked(text: bytes) -> bytes:
    """A client's text frame (RFC 6455 §5.2), for payloads below 64 KiB."""
    mask = os.urandom(4)
    body = bytes(byte ^ mask[n % 4] for n, byte in enumerate(text))
    if len(text) < 126:
        return bytes((0x81, 0x80 | len(text))) + mask + body
    return b"\x81\xfe" + len(text).to_bytes(2, "big") + mask + body


class Socket(asyncio.Protocol):
    """A Socket.IO client over WebSocket, reduced to what the measurement needs."""

    def __init__(self, member: Member, *, probe: bool) -> None:
        self._member = member
        self._probe = probe
        self._greeted = False
        self.connected = asyncio.get_running_loop().create_future()
        self.latencies_ms: list[float] = []
        self.received = 0
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: bench\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        now = time.time()
        if not self._greeted:
            if b'0{"sid"' in data:
                self._greeted = True
                auth = json.dumps({"token": self._member.token})
                self.transport.write(_masked(f"40{auth}".encode()))
            return
        if not self.connected.done() and b'40{"sid"' in data:
            self.connected.set_result(None)
        self.received += data.count(b'["drop:new"')
        if data.endswith(_PING) or data.startswith(_PING):
            self.transport.write(_masked(b"3"))
        if self._probe:
            for at in _AT.findall(data):
                sent = datetime.fromisoformat(at.decode()).timestamp()
                self.latencies_ms.append((now - sent) * 1000)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.connected.done():
            self.connected.set_exception(ConnectionError("the socket was closed"))


async def connect(club: RunningClub, count: int, probes: int) -> list[Socket]:
    """Connect `count` clients, a few at a time; the first `probes` of them read."""
    loop = asyncio.get_running_loop()
    sockets: list[Socket] = []
    for start in range(0, count, 50):
        batch = []
        for number in range(start, min(start + 50, count)):
            member = club.members[number % len(club.members)]
            _, socket = await loop.create_connection(
                lambda member=member, number=number: Socket(  # type: ignore[misc]
                    member, probe=number < probes
                ),
                club.host,
                club.port,
            )
            batch.append(socket)
        await asyncio.gather(*(socket.connected for socket in batch))
        sockets += batch
    return sockets
