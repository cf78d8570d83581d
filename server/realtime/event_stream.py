"""Server-Sent Events: one answer that goes on (HTML Living Standard, 9.2)."""

import random
from collections.abc import Sequence

from aiohttp import web

from events import ServerDraining
from server.realtime import wire
from server.realtime.cursor import Cursor
from server.realtime.feed import Item
from server.realtime.news import News
from server.realtime.pump import Connection

# Bytes that are written at once: past it the client's pace is asked for.
_CHUNK = 32_768

# When a browser comes back after a connection that broke; not all in the same second.
_RETRY_MS = (1000, 4000)


class EventStream(Connection):
    """A client of `GET /api/updates/stream`; `response` is prepared."""

    def __init__(
        self, request: web.Request, response: web.StreamResponse, *, write_timeout_s: float
    ) -> None:
        super().__init__(request, write_timeout_s=write_timeout_s)
        self._response = response

    async def write(self, data: bytes) -> None:
        await self._response.write(data)

    @staticmethod
    def hello(cursor: Cursor) -> bytes:
        """Where the stream begins."""
        return wire.place(cursor, random.randint(*_RETRY_MS))

    async def send(self, items: Sequence[Item]) -> None:
        chunk = bytearray()
        for item in items:
            if isinstance(item, News) and item.name == ServerDraining.name:
                chunk += wire.retry(item.data["reconnectInMs"])
            chunk += wire.message(item)
            if len(chunk) >= _CHUNK:
                await self.put(bytes(chunk))
                chunk.clear()
        if chunk:
            await self.put(bytes(chunk))

    async def beat(self) -> None:
        await self.put(wire.HEARTBEAT)
