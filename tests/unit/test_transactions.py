"""Transactions whose statements go to the database together, and the connections they lend."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.db import Database, Transaction
from server.errors import DatabaseUnavailable

_MADE = "CREATE TABLE IF NOT EXISTS notes (n bigint PRIMARY KEY CHECK (n > 0), text text)"
_ADD = "INSERT INTO notes (n, text) VALUES ($1, $2)"
_ALL = "SELECT n, text FROM notes ORDER BY n"
_COPY = """
    INSERT INTO notes (n, text)
    SELECT n, text FROM unnest($1::bigint[], $2::text[]) AS fresh (n, text)
"""


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    """One connection: whatever is wrong with it after a test's first use shows in the next."""
    db = Database(dsn, pool_size=1, timeout_s=0.5)
    await db.open()
    async with db.transaction() as tx:
        await tx.execute(_MADE)
    yield db
    async with db.transaction() as tx:
        await tx.execute("DROP TABLE notes")
    await db.close()


async def notes(db: Database) -> dict[int, str]:
    async with db.connection() as connection:
        return {row["n"]: row["text"] for row in await connection.fetch(_ALL)}


async def test_statements_reach_the_database_in_the_order_of_the_calls(db: Database) -> None:
    async with db.transaction() as tx:
        tx.send(_ADD, 1, "sent")
        await tx.execute(_ADD, 2, "awaited")
        tx.send("UPDATE notes SET text = text || '!' WHERE n < 3")
        tx.send(_ADD, 3, "sent later")
        assert [tuple(row) for row in await tx.fetch(_ALL)] == [
            (1, "sent!"), (2, "awaited!"), (3, "sent later"),
        ]
        tx.send(_ADD, 4, "with the commit")
    assert await notes(db) == {
        1: "sent!", 2: "awaited!", 3: "sent later", 4: "with the commit",
    }


async def test_transaction_of_sent_statements_alone_is_committed(db: Database) -> None:
    async with db.transaction() as tx:
        tx.send(_ADD, 1, "one")
        tx.send(_ADD, 2, None)
    assert await notes(db) == {1: "one", 2: None}


async def test_rolled_back_transaction_takes_what_was_sent_with_it(db: Database) -> None:
    with pytest.raises(RuntimeError):
        async with db.transaction() as tx:
            tx.send(_ADD, 1, "sent")
            await tx.fetch(_ALL)
            tx.send(_ADD, 2, "not even sent")
            raise RuntimeError
    assert await notes(db) == {}


async def test_error_of_what_was_sent_is_raised_by_what_is_awaited_next(db: Database) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with db.transaction() as tx:
            tx.send(_ADD, 1, "good")
            tx.send(_ADD, -1, "bad")
            tx.send(_ADD, 2, "behind it")
            await tx.fetch(_ALL)
            pytest.fail("the transaction went on")
    assert await notes(db) == {}


async def test_error_of_what_was_sent_last_is_raised_by_the_commit(db: Database) -> None:
    told: list[Transaction] = []
    db.after_commit.append(told.append)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with db.transaction() as tx:
            await tx.execute(_ADD, 1, "first")
            tx.send(_ADD, 1, "again")
    assert await notes(db) == {}
    assert told == []


@pytest.mark.parametrize("wrong", ["not a number", 2**70, "\ud800", object()])
async def test_argument_that_does_not_fit_spoils_neither_transaction_nor_connection(
    db: Database, wrong: Any
) -> None:
    for awaited in (True, False):
        # What the driver raises is its own affair; nothing must hang and nothing be kept.
        with pytest.raises(Exception):
            async with db.transaction() as tx:
                tx.send(_ADD, 1, "good")
                if awaited:
                    await tx.execute(_ADD, wrong, "bad")
                else:
                    tx.send(_ADD, wrong, "bad")
        assert await notes(db) == {}


_TEXT = st.one_of(
    st.none(),
    st.sampled_from(("NULL", "", '{"a": "\\\\"}')),
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))),
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_TEXT, max_size=8))
async def test_lists_of_text_arrive_as_they_were_sent(
    db: Database, texts: list[str | None]
) -> None:
    async with db.transaction() as tx:
        await tx.execute("TRUNCATE notes")
        tx.send(_COPY, list(range(1, len(texts) + 1)), texts)
    assert list((await notes(db)).values()) == texts


async def test_times_and_bytes_arrive_as_they_were_sent(db: Database) -> None:
    at, raw = datetime(2026, 11, 21, 9, 30, 0, 123457, UTC), bytes(range(256))
    async with db.transaction() as tx:
        await tx.execute("CREATE TEMP TABLE kept (at timestamptz, raw bytea) ON COMMIT DROP")
        tx.send("INSERT INTO kept VALUES ($1, $2)", at, raw)
        row = await tx.fetchrow("SELECT at, raw FROM kept")
    assert tuple(row) == (at, raw)


async def test_cancelled_transaction_leaves_nothing_and_gives_its_connection_back(
    db: Database,
) -> None:
    async def wait_in_the_database(first: str) -> None:
        async with db.transaction() as tx:
            tx.send(_ADD, 1, "sent")
            await tx.execute(first)
            await tx.execute("SELECT pg_sleep(60)")

    for first in ("SELECT 1", "SELECT pg_sleep(60)"):
        work = asyncio.create_task(wait_in_the_database(first))
        async with asyncio.timeout(5):
            while not await _sleeps(db.dsn):
                await asyncio.sleep(0.01)
        work.cancel()
        await asyncio.wait([work])
        assert work.cancelled()
        # The connection that is lent next may be the same one.
        async with asyncio.timeout(5):
            assert await until_notes(db) == {}


async def _sleeps(dsn: str) -> bool:
    watcher = await asyncpg.connect(dsn)
    try:
        return bool(
            await watcher.fetchval(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                " AND datname = current_database())"
            )
        )
    finally:
        await watcher.close()


async def until_notes(db: Database) -> dict[int, str]:
    while True:
        try:
            return await notes(db)
        except DatabaseUnavailable:
            # Still waiting for the one connection.
            await asyncio.sleep(0.01)


async def test_statement_that_takes_too_long_is_given_up_and_ends_in_the_database(
    db: Database,
) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with db.transaction() as tx:
            tx.send(_ADD, 1, "sent")
            await tx.execute("SELECT pg_sleep(60)")
    assert await until_notes(db) == {}
    assert not await _sleeps(db.dsn)


async def test_one_who_waits_too_long_for_a_connection_is_told(db: Database) -> None:
    async with db.connection():
        with pytest.raises(DatabaseUnavailable):
            async with db.connection():
                pytest.fail("there were two")
    assert await notes(db) == {}


async def test_those_who_wait_for_a_connection_are_served_in_turn(db: Database) -> None:
    served: list[int] = []

    async def come(number: int) -> None:
        async with db.connection():
            served.append(number)

    async with db.connection():
        coming = [asyncio.create_task(come(number)) for number in range(5)]
        await asyncio.sleep(0)
    await asyncio.gather(*coming)
    assert served == [0, 1, 2, 3, 4]


async def test_connection_that_the_database_has_ended_is_replaced(db: Database) -> None:
    async with db.connection() as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
    killer = await asyncpg.connect(db.dsn)
    await killer.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
    await killer.close()
    async with asyncio.timeout(5):
        assert await until_notes(db) == {}


async def test_statement_whose_columns_a_migration_changed_is_prepared_anew(
    db: Database,
) -> None:
    async with db.transaction() as tx:
        await tx.fetchrow("SELECT * FROM notes")
    other = await asyncpg.connect(db.dsn)
    await other.execute("ALTER TABLE notes ADD COLUMN more text")
    await other.close()
    # The first transaction may find out; the next one must not.
    with pytest.raises(asyncpg.InvalidCachedStatementError):
        async with db.transaction() as tx:
            await tx.fetchrow("SELECT * FROM notes")
    async with db.transaction() as tx:
        await tx.execute(_ADD, 1, "one")
        assert tuple(await tx.fetchrow("SELECT * FROM notes")) == (1, "one", None)
