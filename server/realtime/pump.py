"""Moves what a feed has into a connection that stays open, with heartbeats in between."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

import structlog
from aiohttp import web

from server.realtime.feed import Feed, Item
from server.realtime.feeds import LEFT, Client

log = structlog.get_logger(__name__)

# Why a feed ended, beside what `Feeds` says.
TOO_SLOW = "client too slow"
FAILED = "internal error"


class Connection(Client, ABC):
    """One client at a door that is written to while it stays open."""

    def __init__(self, request: web.Request, *, write_timeout_s: float) -> None:
        super().__init__(request)
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

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    async def put(self, data: bytes) -> None:
        """`write`, for so long as is allowed. Raises: TimeoutError, ConnectionError."""
        async with asyncio.timeout(self._write_timeout_s):
            await self.write(data)


async def pump(
    feed: Feed,
    hello: bytes,
    first: Sequence[Item],
    connection: Connection,
    *,
    heartbeat_s: float,
) -> None:
    """Greet, then send until the feed has ended.

    It ends when the client goes or does not keep up; `feed.ended` says why.
    """
    try:
        await connection.put(hello)
        await connection.send(first)
        await _follow(feed, connection, heartbeat_s)
    except TimeoutError:
        feed.end(TOO_SLOW)
        connection.abort()
    except ConnectionError:
        feed.end(LEFT)
    except Exception:
        # An answer that has begun cannot become another one.
        log.exception("a stream failed")
        feed.end(FAILED)


async def _follow(feed: Feed, connection: Connection, heartbeat_s: float) -> None:
    due = time.monotonic() + heartbeat_s
    while True:
        left_s = due - time.monotonic()
        if left_s <= 0:
            await connection.beat()
            due = time.monotonic() + heartbeat_s
            continue
        items = await feed.next(left_s)
        if items:
            await connection.send(items)
        elif feed.ended is not None:
            return
