"""Transactions that are cancelled, cut off, refused at the last moment, or used wrongly.

One connection in the pool: whatever is wrong with it after its first use shows in the next.
"""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import uvloop

from events import CasesUpdated
from server.db import Database, Transaction
from server.errors import DatabaseUnavailable
from server.realtime.log import EventLog
from tests.clients.wire import Wire
from tests.club import PATIENCE_S

_NOTES = """
    CREATE TABLE IF NOT EXISTS notes (
        n bigint, part text, late bigint UNIQUE DEFERRABLE INITIALLY DEFERRED,
        UNIQUE (n, part))
"""
_ADD = "INSERT INTO notes (n, part) VALUES ($1, $2)"
_ADD_LATE = "INSERT INTO notes (n, part, late) VALUES ($1, $2, $3)"
_ADD_AND_SAY = "INSERT INTO notes (n, part) VALUES ($1, $2) RETURNING n"
PARTS = ["awaited", "sent", "sent last"]


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    async with opened(dsn) as db:
        async with db.transaction() as tx:
            await tx.execute(_NOTES)
        yield db
        async with db.transaction() as tx:
            await tx.execute("DROP TABLE notes")


@asynccontextmanager
async def opened(dsn: str, **options: Any) -> AsyncIterator[Database]:
    db = Database(dsn, pool_size=1, **({"timeout_s": 2.0} | options))
    await db.open()
    try:
        yield db
    finally:
        await db.close()


@asynccontextmanager
async def beside(dsn: str) -> AsyncIterator[Any]:
    """A connection of the test's own."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def notes(dsn: str) -> dict[int, list[str]]:
    """The parts of each note, as others see them."""
    async with beside(dsn) as connection:
        rows = await connection.fetch("SELECT n, part FROM notes ORDER BY n, part")
    found: dict[int, list[str]] = {}
    for row in rows:
        found.setdefault(row["n"], []).append(row["part"])
    return found


async def add(db: Database, n: int) -> None:
    """A note of three parts, in all the ways that statements go."""
    async with db.transaction() as tx:
        tx.send(_ADD, n, "sent")
        assert await tx.fetchval(_ADD_AND_SAY, n, "awaited") == n
        tx.send(_ADD, n, "sent last")


async def add_at_last(db: Database, n: int) -> None:
    """The same, as soon as the database lets it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await add(db, n)
                return
            except DatabaseUnavailable:
                await asyncio.sleep(0.01)


async def terminate(dsn: str, pid: int) -> None:
    async with beside(dsn) as connection:
        await connection.execute(f"SELECT pg_terminate_backend({pid}, 5000)")


# --- used wrongly ----------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [_ADD, "no SQL", "SELECT n FROM nowhere"])
@pytest.mark.parametrize("is_first", [True, False])
async def test_transaction_goes_no_further_than_a_statement_that_failed(
    db: Database, wrong: str, is_first: bool
) -> None:
    told: list[Transaction] = []
    db.after_commit.append(told.append)
    with pytest.raises(RuntimeError):
        async with db.transaction() as tx:
            if not is_first:
                await tx.execute(_ADD, 1, "before")
            with pytest.raises(Exception):
                await tx.execute(wrong)
            with pytest.raises(RuntimeError):
                await tx.execute(_ADD, 1, "behind")
            with pytest.raises(RuntimeError):
                tx.send(_ADD, 1, "sent behind")
    assert await notes(db.dsn) == {} and told == []
    await add(db, 2)
    assert await notes(db.dsn) == {2: PARTS}


async def test_error_that_somebody_swallowed_is_no_commit(db: Database) -> None:
    told: list[Transaction] = []
    db.after_commit.append(told.append)
    with pytest.raises(RuntimeError):
        async with db.transaction() as tx:
            await tx.execute(_ADD, 1, "one")
            with suppress(asyncpg.UniqueViolationError):
                await tx.execute(_ADD, 1, "one")
    assert await notes(db.dsn) == {} and told == []


@pytest.mark.parametrize("ends_well", [True, False])
async def test_transaction_that_is_over_takes_nothing_more(db: Database, ends_well: bool) -> None:
    log = EventLog(db)
    with suppress(LookupError):
        async with db.transaction() as tx:
            await tx.execute(_ADD, 1, "one")
            if not ends_well:
                raise LookupError
    # The connection may be somebody else's by now, in the middle of something.
    async with db.transaction() as theirs:
        await theirs.execute(_ADD, 2, "theirs")
        with pytest.raises(RuntimeError):
            await tx.execute(_ADD, 1, "late")
        with pytest.raises(RuntimeError):
            tx.send(_ADD, 1, "late")
        with pytest.raises(RuntimeError):
            log.append(tx, CasesUpdated())
    assert await notes(db.dsn) == ({1: ["one"]} if ends_well else {}) | {2: ["theirs"]}


async def test_statement_with_rows_cannot_go_ahead_and_be_taken_for_the_next_ones(
    db: Database,
) -> None:
    with pytest.raises(TypeError):
        async with db.transaction() as tx:
            tx.send(_ADD_AND_SAY, 1, "sent")
            await tx.fetchval("SELECT 7")
    assert await notes(db.dsn) == {}
    await add(db, 2)


async def test_two_at_once_in_one_transaction_fail_together(db: Database) -> None:
    with pytest.raises((RuntimeError, DatabaseUnavailable)):
        async with db.transaction() as tx:
            tx.send(_ADD, 1, "sent")
            await asyncio.gather(
                tx.execute(_ADD, 1, "one"), tx.execute(_ADD, 1, "two"), return_exceptions=True
            )
    assert await notes(db.dsn) == {}
    await add_at_last(db, 2)


# --- refused at the last moment --------------------------------------------------------------


@pytest.mark.parametrize("is_sent", [True, False])
async def test_constraint_that_is_looked_at_by_the_commit_takes_all_back(
    db: Database, is_sent: bool
) -> None:
    told: list[Transaction] = []
    db.after_commit.append(told.append)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with db.transaction() as tx:
            await tx.execute(_ADD_LATE, 1, "one", 7)
            if is_sent:
                tx.send(_ADD_LATE, 1, "two", 7)
            else:
                await tx.execute(_ADD_LATE, 1, "two", 7)
    assert await notes(db.dsn) == {} and told == []
    await add(db, 2)


async def test_one_of_two_that_wait_for_each_other_is_refused_whole(
    db: Database, dsn: str
) -> None:
    """What PostgreSQL ends by itself (class 40): nothing is left, the connection serves on."""
    update = "UPDATE notes SET part = part || '!' WHERE n = $1"
    for n in (1, 2):
        await add(db, n)

    async def both(db: Database, first: int, second: int) -> None:
        async with db.transaction() as tx:
            await tx.execute(_ADD, 10 * first, "mine")
            await tx.execute(update, first)
            await together.wait()
            tx.send("SET LOCAL deadlock_timeout = '50ms'")
            await tx.execute(update, second)

    together = Together(2)
    async with opened(dsn) as other:
        ends = await asyncio.gather(
            both(db, 1, 2), both(other, 2, 1), return_exceptions=True
        )
        refused = [isinstance(end, asyncpg.DeadlockDetectedError) for end in ends]
        assert sorted(refused) == [False, True]
        for each, was_refused, n in ((db, refused[0], 10), (other, refused[1], 20)):
            assert (n in await notes(dsn)) != was_refused
            await add(each, n + 1)


class Together:
    """So many meet here, then all go on."""

    def __init__(self, count: int) -> None:
        self._missing = count
        self._all = asyncio.Event()

    async def wait(self) -> None:
        self._missing -= 1
        if not self._missing:
            self._all.set()
        await self._all.wait()


@pytest.mark.parametrize(
    "limit", ["statement_timeout", "lock_timeout", "transaction_timeout"]
)
async def test_one_whom_the_operators_limits_end_is_told_to_come_again(
    db: Database, limit: str
) -> None:
    async with beside(db.dsn) as connection:
        await connection.execute(_ADD, 1, "held")
        async with connection.transaction():
            await connection.execute("UPDATE notes SET part = part")
            with pytest.raises(DatabaseUnavailable):
                async with db.transaction() as tx:
                    tx.send(f"SET LOCAL {limit} = '100ms'")
                    tx.send(_ADD, 2, "gone")
                    await tx.execute("UPDATE notes SET part = part || '!'")
    await add_at_last(db, 3)
    assert await notes(db.dsn) == {1: ["held"], 3: PARTS}


async def test_one_who_thought_too_long_in_a_transaction_is_told_to_come_again(
    db: Database,
) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with db.transaction() as tx:
            await tx.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            await tx.execute(_ADD, 1, "gone")
            await until_ended(tx)
            await tx.execute(_ADD, 1, "late")
    await add_at_last(db, 2)
    assert await notes(db.dsn) == {2: PARTS}


async def until_ended(tx: Transaction) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not tx._connection.is_closed():
            await asyncio.sleep(0.01)


# --- cut off ---------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("when", ["before the first", "between two", "before the commit"])
async def test_connection_that_ends_in_a_transaction_is_told_as_a_database_that_is_away(
    db: Database, run: Any, when: str
) -> None:
    async def alone() -> None:
        async with opened(db.dsn) as own:
            async with own.connection() as connection:
                pid = await connection.fetchval("SELECT pg_backend_pid()")
            for _ in range(5):
                with pytest.raises(DatabaseUnavailable):
                    async with own.transaction() as tx:
                        if when != "before the first":
                            tx.send(_ADD, 1, "sent")
                            pid = await tx.fetchval("SELECT pg_backend_pid()")
                        await terminate(db.dsn, pid)
                        await until_ended(tx)
                        tx.send(_ADD, 1, "sent late")
                        if when != "before the commit":
                            await tx.execute(_ADD, 1, "late")
                if when == "before the first":
                    async with own.connection() as connection:
                        pid = await connection.fetchval("SELECT pg_backend_pid()")
            await add_at_last(own, 2)

    await asyncio.to_thread(run, alone())
    assert await notes(db.dsn) == {2: PARTS}


@pytest.mark.parametrize("arrives", [True, False], ids=["answer lost", "commit lost"])
async def test_commit_without_an_answer_is_never_taken_for_one(
    db: Database, dsn: str, arrives: bool
) -> None:
    at, _, folder = dsn.partition("?host=")
    told: list[Transaction] = []
    async with AsyncExitStack() as opens:
        wire = await opens.enter_async_context(Wire.open(Path(folder) / ".s.PGSQL.5432"))
        over_wire = at.replace("@/", f"@{wire.url.removeprefix('http://')}/")
        own = await opens.enter_async_context(opened(over_wire))
        own.after_commit.append(told.append)
        await add(own, 1)
        with pytest.raises(DatabaseUnavailable):
            async with own.transaction() as tx:
                await tx.execute(_ADD, 2, "two")
                if arrives:
                    # The next answer breaks off.
                    wire.budget = 3
                else:
                    wire.cut()
                tx.send(_ADD, 2, "with the commit")
        assert len(told) == 1
        found = await notes(dsn)
        # Who asks again finds out by the idempotency key, which is in the same transaction.
        assert found == {1: PARTS} | ({2: ["two", "with the commit"]} if arrives else {})
        await add_at_last(own, 3)


async def test_statement_that_was_given_up_is_over_before_the_next_one_begins(
    db: Database,
) -> None:
    async with db.connection() as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await connection.fetchval("SELECT pg_sleep(60)")
    await add(db, 1)
    assert await notes(db.dsn) == {1: PARTS}


async def test_transaction_that_is_cancelled_anywhere_happens_whole_or_not_at_all(
    db: Database,
) -> None:
    done: set[int] = set()
    for n in range(150):
        work = asyncio.create_task(add_at_last(db, n))
        # So many turns of the loop: from before the first byte to after the last.
        for _ in range(n % 30):
            await asyncio.sleep(0)
        if n % 3 == 0:
            await asyncio.sleep(random.random() / 200)
        work.cancel()
        await asyncio.wait([work])
        if not work.cancelled():
            done.add(n)
        await add_at_last(db, 1000 + n)
    found = await notes(db.dsn)
    assert all(parts == PARTS for parts in found.values())
    assert done <= found.keys() and {1000 + n for n in range(150)} <= found.keys()


async def test_transaction_whose_connection_is_cut_anywhere_happens_whole_or_not_at_all(
    db: Database,
) -> None:
    done: set[int] = set()
    is_over = asyncio.Event()

    async def write(numbers: Any) -> None:
        while not is_over.is_set():
            n = next(numbers)
            with suppress(DatabaseUnavailable):
                await add(db, n)
                done.add(n)

    async with beside(db.dsn) as killer:
        writing = asyncio.create_task(write(itertools.count()))
        for _ in range(40):
            await asyncio.sleep(random.random() / 50)
            await killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'cyberhub'"
            )
        is_over.set()
        await writing
    await add_at_last(db, -1)
    found = await notes(db.dsn)
    assert all(parts == PARTS for parts in found.values())
    assert done <= found.keys()


async def test_statements_that_somebody_in_between_forgot_are_prepared_anew(db: Database) -> None:
    await add(db, 1)
    async with db.connection() as connection:
        await connection.execute("DEALLOCATE ALL")
    # The first transaction may find out; the next one must not.
    with pytest.raises(asyncpg.InvalidSQLStatementNameError):
        await add(db, 2)
    await add(db, 3)
    assert await notes(db.dsn) == {1: PARTS, 3: PARTS}


# --- messages that come unasked --------------------------------------------------------------


async def test_notifications_come_with_the_commit_and_disturb_nobody(db: Database) -> None:
    heard: list[str] = []
    listening = await db.connect()
    await listening.add_listener("notes", lambda *told: heard.append(told[-1]))
    try:
        async with db.transaction() as tx:
            # On the very connection on which statements go ahead, too.
            tx.send("LISTEN notes")
            tx.send("NOTIFY notes, 'one'")
            assert await tx.fetchval(_ADD_AND_SAY, 1, "one") == 1
            assert heard == []
            tx.send("NOTIFY notes, 'two'")
        with suppress(LookupError):
            async with db.transaction() as tx:
                tx.send("NOTIFY notes, 'never'")
                assert await tx.fetchval(_ADD_AND_SAY, 2, "two") == 2
                raise LookupError
        await add(db, 3)
        async with asyncio.timeout(PATIENCE_S):
            while len(heard) < 2:
                await listening.fetchval("SELECT 1")
        assert heard == ["one", "two"]
        async with db.transaction() as tx:
            tx.send("DO $$BEGIN RAISE WARNING 'a notice'; END$$")
            assert await tx.fetchval("SELECT 7") == 7
    finally:
        await listening.close()
