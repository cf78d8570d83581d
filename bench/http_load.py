"""A load of openings over keep-alive connections, as cheap as Python allows."""

import asyncio
import time
from typing import Any

from bench.club import RunningClub


class _Connection(asyncio.Protocol):
    """Sends one prepared request after another; the answer is only counted."""

    def __init__(self, request: bytes, load: "Openings") -> None:
        self._request = request
        self._load = load
        self._left = -1
        self.transport: Any = None
        self.idle = True

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def send(self) -> None:
        assert self.transport is not None
        self.idle = False
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        # An answer fits one read but for rare splits, which Content-Length tells apart.
        if self._left < 0:
            head, _, body = data.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(data[:300].decode(errors="replace"))
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self._left = int(length) - len(body)
        else:
            self._left -= len(data)
        if self._left <= 0:
            self._left = -1
            self.idle = True
            self._load.answered(self)


class Openings:
    """Openings by many members: as fast as it goes, or at a rate."""

    def __init__(self, club: RunningClub, connections: int) -> None:
        self._club = club
        self._count = connections
        self._connections: list[_Connection] = []
        self._closed_loop = False
        self.done = 0

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        body = b'{"caseId": %d, "clientSeed": "bench"}' % self._club.case_id
        for member in self._club.members[: self._count]:
            request = (
                b"POST /api/cases/open HTTP/1.1\r\nHost: bench\r\n"
                b"Authorization: Bearer %b\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (member.token.encode(), len(body), body)
            )
            _, connection = await loop.create_connection(
                lambda request=request: _Connection(request, self),  # type: ignore[misc]
                self._club.host,
                self._club.port,
            )
            self._connections.append(connection)

    def answered(self, connection: _Connection) -> None:
        self.done += 1
        if self._closed_loop:
            connection.send()

    async def as_fast_as_it_goes(self, seconds: float) -> float:
        """Openings a second, each connection with one under way at any time."""
        self._closed_loop = True
        before, started = self.done, time.perf_counter()
        for connection in self._connections:
            connection.send()
        await asyncio.sleep(seconds)
        rate = (self.done - before) / (time.perf_counter() - started)
        self._closed_loop = False
        while not all(connection.idle for connection in self._connections):
            await asyncio.sleep(0.01)
        return rate

    async def at_rate(self, per_second: float, seconds: float) -> int:
        """Openings on a schedule; returns how many could not be sent for want of a connection."""
        started, sent, missed = time.perf_counter(), 0, 0
        while (elapsed := time.perf_counter() - started) < seconds:
            while sent < elapsed * per_second:
                sent += 1
                idle = next((each for each in self._connections if each.idle), None)
                if idle is None:
                    missed += 1
                else:
                    idle.send()
            await asyncio.sleep(1 / per_second / 2)
        return missed

    def close(self) -> None:
        for connection in self._connections:
            if connection.transport:
                connection.transport.close()
