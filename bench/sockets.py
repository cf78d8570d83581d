"""WebSocket clients that look how old what they get is."""

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

    def __init__(self, member: Member) -> None:
        self._member = member
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
        for at in _AT.findall(data):
            sent = datetime.fromisoformat(at.decode()).timestamp()
            self.latencies_ms.append((now - sent) * 1000)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.connected.done():
            self.connected.set_exception(ConnectionError("the socket was closed"))


async def connect(club: RunningClub, count: int) -> list[Socket]:
    """Connect `count` members."""
    loop = asyncio.get_running_loop()
    sockets: list[Socket] = []
    for number in range(count):
        member = club.members[number % len(club.members)]
        _, socket = await loop.create_connection(
            lambda member=member: Socket(member), club.host, club.port  # type: ignore[misc]
        )
        sockets.append(socket)
    await asyncio.gather(*(socket.connected for socket in sockets))
    return sockets
