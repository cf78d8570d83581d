"""Connections, each lent to one user at a time.

asyncpg's own pool makes a task, a timer and a proxy each time it lends one, which costs more than
a statement does.
"""

import asyncio
from collections.abc import Awaitable, Callable

from server.db.connection import Connection

# What was idle for longer may have been forgotten by something in between.
_IDLE_S = 300.0
_SETTLE_S = 1.0


class Pool:
    """At most `size` connections, made when they are needed.

    Invariants
        Whoever waits for one is served in turn. A connection that is lent again has no statement
        under way and no open transaction.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        self._connect = connect
        self._size = size
        self._free = asyncio.Semaphore(size)
        self._closed = False
        #: The one that was used last is lent first.
        self._idle: list[tuple[Connection, float]] = []
        self._lent: set[Connection] = set()
        self._settling: set[asyncio.Task[None]] = set()

    async def acquire(self, timeout_s: float) -> Connection:
        """Raises: TimeoutError when all are lent for so long, and what connecting raises."""
        if self._free.locked():
            async with asyncio.timeout(timeout_s):
                await self._free.acquire()
        else:
            await self._free.acquire()
        try:
            connection = self._fresh() or await self._connect()
        except BaseException:
            self._free.release()
            raise
        self._lent.add(connection)
        return connection

    def _fresh(self) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - _IDLE_S
        while self._idle:
            connection, since = self._idle.pop()
            if since > oldest and not connection.is_closed():
                return connection
            connection.terminate()
        return None

    def release(self, connection: Connection, *, interrupted: bool = False) -> None:
        """Give it back. `interrupted`: a statement may be under way that nobody waits for."""
        if not connection.is_closed() and (interrupted or connection.is_cancelling):
            task = asyncio.get_running_loop().create_task(self._settle(connection))
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)
        else:
            self._take_back(connection)

    async def _settle(self, connection: Connection) -> None:
        """Let the driver finish cancelling what was under way."""
        try:
            async with asyncio.timeout(_SETTLE_S):
                await connection.fetchval("SELECT 1")
        except Exception:
            connection.terminate()
        finally:
            self._take_back(connection)

    def _take_back(self, connection: Connection) -> None:
        self._lent.discard(connection)
        if self._closed or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append((connection, asyncio.get_running_loop().time()))
        self._free.release()

    async def close(self, timeout_s: float) -> None:
        """Wait so long for those that are lent, then cut them."""
        self._closed = True
        idle = [connection for connection, _ in self._idle]
        self._idle.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(each.close() for each in idle), return_exceptions=True)
                for _ in range(self._size):
                    await self._free.acquire()
        except TimeoutError:
            for connection in (*idle, *self._lent):
                connection.terminate()
