"""What the HTTP tests share: a player, and a connection beside the club's own."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.club import Club, Person, until

# From pg_locks: pg_stat_activity stands still within a transaction, and would never show a
# connection that was made after the first look.
_SECOND_IN_LINE = """
    SELECT count(*)
      FROM pg_locks AS second, unnest(pg_blocking_pids(second.pid)) AS first
     WHERE NOT second.granted AND pg_backend_pid() = ANY(pg_blocking_pids(first))
"""

_WAITERS = """
    SELECT count(DISTINCT pid)
      FROM pg_locks
     WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))
"""


@pytest.fixture
async def player(club: Club) -> Person:
    """A new member with 100.00 on the balance."""
    return await club.person(balance=100, has_password=False)


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Any]:
    """A connection of the test's own: to look at rows, and to hold locks at critical points."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def other_database(dsn: str) -> AsyncIterator[Any]:
    """A second connection of the test's own."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def somebody_waits(database: Any, count: int = 1) -> None:
    """Until `count` others wait for what this connection has locked: a point held, not guessed."""

    async def they_wait() -> bool:
        return bool(await database.fetchval(_WAITERS) >= count)

    await until(they_wait, f"{count} wait for this connection's locks")


async def somebody_waits_second(database: Any) -> None:
    """Until somebody waits for one who waits for what this connection has locked."""

    async def in_line() -> bool:
        return bool(await database.fetchval(_SECOND_IN_LINE))

    await until(in_line, "somebody waits behind one who waits for this connection's locks")
