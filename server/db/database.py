"""The service's door to PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from server.db.connection import Connection
from server.db.pool import Pool
from server.db.transaction import Transaction
from server.errors import DatabaseUnavailable

# What asyncpg and the operating system raise when the database is away, overloaded or
# shutting down. Anything else is a defect or a broken rule, and goes on as it is.
_UNAVAILABLE = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
    # Class 57: it starts, stops, or somebody has cancelled the statement.
    asyncpg.OperatorInterventionError,
    # The operator's limits on how long something may wait or take.
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.InterfaceError,
    # What the driver makes of a connection on which PostgreSQL has said its farewell, for as
    # long as it is not closed.
    asyncpg.InternalClientError,
)

# A connection that is lost in the middle of a transaction may have committed: the client is
# told to try again, and the idempotency key makes that safe.


_SETTINGS = {
    "application_name": "cyberhub",
    "timezone": "UTC",
    "default_transaction_isolation": "read committed",
}
_CLOSING_S = 1.0

_BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Database:
    """The service's door to PostgreSQL.

    `before_commit` hooks are called with the open transaction, `after_commit` hooks once the
    commit is certain.

    Raises: DatabaseUnavailable, from every method, when PostgreSQL does not answer.
    """

    #: Connections that a server keeps besides those of its pool: the relay listens on one.
    BESIDE_POOL = 1

    def __init__(self, dsn: str, *, pool_size: int = 20, timeout_s: float = 5.0) -> None:
        self.dsn = dsn
        self._pool_size = pool_size
        self._timeout_s = timeout_s
        self._pool: Pool | None = None
        self.before_commit: list[Callable[[Transaction], None]] = []
        self.after_commit: list[Callable[[Transaction], None]] = []

    async def open(self) -> None:
        """Make the pool. It connects when first used, so the database may still be away."""
        self._pool = Pool(self._connect, self._pool_size)

    async def close(self) -> None:
        """Close the pool; connections that do not end within a second are cut."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close(_CLOSING_S)

    async def connect(self, settings: Mapping[str, str] | None = None) -> Any:
        """A connection outside the pool, for a task that keeps it."""
        with translated():
            return await self._connect(settings)

    async def _connect(self, settings: Mapping[str, str] | None = None) -> Connection:
        connection: Connection = await asyncpg.connect(
            self.dsn,
            timeout=self._timeout_s,
            command_timeout=self._timeout_s * 2,
            connection_class=Connection,
            server_settings={**_SETTINGS, **(settings or {})},
        )
        return connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A pooled connection for reads that need no transaction."""
        pool = self._pool
        if pool is None:
            raise DatabaseUnavailable()
        with translated():
            connection = await pool.acquire(self._timeout_s)
            interrupted = False
            try:
                yield connection
            except (asyncio.CancelledError, TimeoutError):
                interrupted = True
                raise
            finally:
                pool.release(connection, interrupted=interrupted)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A READ COMMITTED transaction: all of it happens, or nothing."""
        async with self.connection() as connection:
            tx = Transaction(connection)
            try:
                yield tx
                for write in self.before_commit:
                    write(tx)
                await tx.commit()
            except BaseException:
                await tx.roll_back()
                raise
        for told in self.after_commit:
            told(tx)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Any]:
        """A read-only REPEATABLE READ transaction: every read sees one moment."""
        async with self.connection() as connection:
            # asyncpg's own would be remembered by a connection whose BEGIN was given up.
            await connection.execute(_BEGIN_SNAPSHOT)
            yield connection
            await connection.execute("ROLLBACK")

    async def answers(self, timeout_s: float = 1.0) -> bool:
        """Whether the database answers a trivial query within `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                async with self.connection() as connection:
                    await connection.fetchval("SELECT 1")
        except (DatabaseUnavailable, TimeoutError):
            return False
        return True


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the driver raises when the database is away into DatabaseUnavailable."""
    try:
        yield
    except _UNAVAILABLE as error:
        # asyncpg's word for an argument of ours that does not fit is an InterfaceError too.
        if isinstance(error, ValueError):
            raise
        raise DatabaseUnavailable() from error
