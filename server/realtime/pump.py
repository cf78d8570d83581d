"""Moves what a feed has into a connection that stays open, with heartbeats in between."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

import structlog
from aiohttp import web

from server.realtime.feed import Feed, Item

log = structlog.get_logger(__name__)

# How often it looks whether a client that is told nothing is still there.
_LOOK_S = 5.0

# Why a feed ended, beside what `Feeds` says.
LEFT = "client left"
TOO_SLOW = "client too slow"
FAILED = "internal error"


class Connection(ABC):
    """One client at a door that is written to while it stays open."""

    def __init__(self, request: web.Request, *, write_timeout_s: float) -> None:
        self._request = request
        self._write_timeout_s = write_timeout_s

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Write, and wait while the client has not taken what came before."""

    @abstractmethod
    async def send(self, items: Sequence[Item]) -> None:
        """Tell the client what happened."""

    @abstractmethod
    async def beat(self) -> None:
        """Show the client, and what lies in between, that the connection lives."""

    @property
    def gone(self) -> bool:
        transport = self._request.transport
        return transport is None or transport.is_closing()

    @property
    def buffered(self) -> int:
        """Bytes that wait for the client."""
        transport = self._request.transport
        return 0 if transport is None else transport.get_write_buffer_size()

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    async def put(self, data: bytes) -> None:
        """`write`, for so long as is allowed. Raises: TimeoutError, ConnectionError."""
        async with asyncio.timeout(self._write_timeout_s):
            await self.write(data)


async def pump(
    feed: Feed, first: Sequence[Item], connection: Connection, *, heartbeat_s: float
) -> None:
    """Send until the feed has ended; it ends when the client goes or does not keep up."""
    try:
        await _run(feed, first, connection, heartbeat_s)
        feed.end(LEFT)
    except TimeoutError:
        feed.end(TOO_SLOW)
        connection.abort()
    except ConnectionError:
        feed.end(LEFT)
    except Exception:
        # An answer that has begun cannot become another one.
        log.exception("a stream failed")
        feed.end(FAILED)


async def _run(
    feed: Feed, first: Sequence[Item], connection: Connection, heartbeat_s: float
) -> None:
    await connection.send(first)
    due = time.monotonic() + heartbeat_s
    while not connection.gone:
        left_s = due - time.monotonic()
        if left_s <= 0:
            await connection.beat()
            due = time.monotonic() + heartbeat_s
            continue
        items = await feed.next(min(left_s, _LOOK_S))
        if items:
            await connection.send(items)
        elif feed.ended is not None:
            return
