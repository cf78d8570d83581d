"""Concurrent writers of the event log, stopped at the critical point instead of hoped for.

Two readers that look right are shown to be wrong (DESIGN, section 2): one that remembers the
highest id, and one that reads in the order of transaction ids below the oldest that still runs.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest

from events import BalanceUpdated, CasesUpdated, InventoryUpdated
from events.base import Event
from server.club import accounts, ledger
from server.db import Database, Transaction
from server.embedded_postgres import EmbeddedPostgres
from server.realtime.cursor import Cursor
from server.realtime.log import _NUMBER, NUMBERING_BATCH, NUMBERING_LOCK, EventLog, Head
from tests.club import until
from tests.conftest import database_of

_TOUCH = "UPDATE users SET username = username WHERE id = $1"


class Writer:
    """A transaction of the service that is taken one step at a time."""

    def __init__(self, world: "World", connection: Any) -> None:
        self._world = world
        self.tx = Transaction(connection)

    async def begin(self) -> "Writer":
        await self._arrive()
        return self

    async def _arrive(self) -> None:
        """Let all that was told so far be in the database."""
        await self.tx.execute("SELECT")

    async def touch_something(self) -> None:
        """Write what nobody else wants: from here on the transaction has its number."""
        await self.tx.execute(_TOUCH, self._world.aside)

    async def add(self, member: int, amount: int) -> None:
        """Move money and tell of it, up to the moment before the commit."""
        after = await ledger.post(self.tx, member, amount, "deposit", "test")
        await self.tell(BalanceUpdated(member, after))

    async def tell(self, *events: Event) -> None:
        """Write events into the log, up to the moment before the commit."""
        for event in events:
            self._world.log.append(self.tx, event)
        for write in self._world.db.before_commit:
            write(self.tx)
        self.tx.outbox.clear()
        await self._arrive()

    async def commit(self) -> None:
        await self.tx.commit()

    async def roll_back(self) -> None:
        await self.tx.roll_back()


class World:
    """A database with a log, members, and nobody who numbers unless a test does."""

    def __init__(self, db: Database, stack: AsyncExitStack) -> None:
        self.db = db
        self.log = EventLog(db)
        self._stack = stack
        self.aside = 0

    async def connect(self) -> Any:
        connection = await self.db.connect()
        self._stack.push_async_callback(connection.close)
        return connection

    async def begin(self) -> Writer:
        return await Writer(self, await self.connect()).begin()

    async def member(self, name: str) -> int:
        async with self.db.transaction() as tx:
            return (await accounts.register(tx, name, None)).id

    async def head(self) -> Head:
        async with self.db.connection() as connection:
            return await self.log.head(connection)

    async def after(self, cursor: Cursor, *audiences: str) -> list[Any]:
        """What a reader of ours sees after its cursor."""
        page = await self.log.page(cursor, list(audiences), 100)
        assert not page.resync
        return page.events


@pytest.fixture
async def world(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[World]:
    async with database_of(postgres, template, "event_log") as dsn, AsyncExitStack() as stack:
        db = Database(dsn)
        await db.open()
        stack.push_async_callback(db.close)
        world = World(db, stack)
        world.aside = await world.member("aside")
        yield world


_NAIVE = "SELECT id FROM event_log WHERE id > $1 ORDER BY id"

# `xmin` is the transaction that wrote the row; nobody numbers here, so it is the writer.
_BELOW_HORIZON = """
    SELECT id, payload
      FROM event_log
     WHERE xmin::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
  ORDER BY xmin::text::bigint, id
"""

# What our numbering does, with the lock inside the statement that numbers.
_NUMBER_AND_LOCK = f"""
    WITH held AS MATERIALIZED (
        SELECT pg_advisory_xact_lock({NUMBERING_LOCK})
    ), fresh AS MATERIALIZED (
        SELECT event_log.id, row_number() OVER (ORDER BY event_log.id) AS n
          FROM event_log, held
         WHERE pos IS NULL
    ), moved AS (
        UPDATE event_log_head
           SET head = head + (SELECT count(*) FROM fresh)
     RETURNING head - (SELECT count(*) FROM fresh) AS base
    )
    UPDATE event_log
       SET pos = moved.base + fresh.n
      FROM fresh, moved
     WHERE event_log.id = fresh.id
"""


# --- an event whose lower id commits later ---------------------------------------------------


async def test_reader_by_id_loses_an_event_whose_lower_id_commits_later(world: World) -> None:
    slow, quick = await world.begin(), await world.begin()
    await slow.tell(CasesUpdated())
    await quick.tell(CasesUpdated())
    await quick.commit()
    reader = await world.connect()
    first = [row["id"] for row in await reader.fetch(_NAIVE, 0)]
    await slow.commit()

    then = [row["id"] for row in await reader.fetch(_NAIVE, first[-1])]

    assert (first, then) == ([2], [])
    assert await reader.fetchval("SELECT count(*) FROM event_log") == 2


async def test_our_reader_sees_an_event_whose_lower_id_commits_later(world: World) -> None:
    start = (await world.head()).cursor
    slow, quick = await world.begin(), await world.begin()
    await slow.tell(InventoryUpdated(1))
    await quick.tell(CasesUpdated())
    await quick.commit()
    first = await world.after(start, "all", "user:1")
    await slow.commit()

    then = await world.after(first[-1].cursor, "all", "user:1")

    assert [event.name for event in first] == ["cases:updated"]
    assert [event.name for event in then] == ["inventory:updated:1"]
    assert [event.cursor.position for event in first + then] == [1, 2]


# --- a transaction that touched something else before the member's row -----------------------


async def disorder(world: World, member: int) -> Writer:
    """Two top-ups of 10 and 20; the later one has the earlier transaction number."""
    early, late = await world.begin(), await world.begin()
    await early.touch_something()
    await late.add(member, 10)
    await late.commit()
    await early.add(member, 20)
    return early


async def test_reader_below_the_horizon_tells_balances_in_the_wrong_order(world: World) -> None:
    member = await world.member("player")
    await (await disorder(world, member)).commit()

    reader = await world.connect()
    told = [row["payload"] for row in await reader.fetch(_BELOW_HORIZON)]

    ledger_order = await reader.fetch("SELECT balance_after FROM ledger ORDER BY id")
    assert [row["balance_after"] for row in ledger_order] == [10, 30]
    assert told == ['{"balance":0.3}', '{"balance":0.1}']


async def test_reader_below_the_horizon_waits_for_a_transaction_that_has_nothing_to_tell(
    world: World,
) -> None:
    long, quick = await world.begin(), await world.begin()
    await long.touch_something()
    await quick.tell(CasesUpdated())
    await quick.commit()
    reader = await world.connect()

    assert await reader.fetch(_BELOW_HORIZON) == []
    await long.commit()
    assert len(await reader.fetch(_BELOW_HORIZON)) == 1


async def test_our_reader_tells_balances_in_the_order_of_the_ledger(world: World) -> None:
    member = await world.member("player")
    start = (await world.head()).cursor
    early = await disorder(world, member)

    # The first one does not have to wait for the other, which is still open.
    first = await world.after(start, f"user:{member}")
    await early.commit()
    then = await world.after(first[-1].cursor, f"user:{member}")

    assert [event.data for event in first] == [{"balance": 0.1}]
    assert [event.data for event in then] == [{"balance": 0.3}]


async def test_our_reader_keeps_the_order_when_both_are_numbered_at_once(world: World) -> None:
    member = await world.member("player")
    start = (await world.head()).cursor
    await (await disorder(world, member)).commit()

    told = await world.after(start, f"user:{member}")

    assert [event.data for event in told] == [{"balance": 0.1}, {"balance": 0.3}]


async def test_our_reader_does_not_wait_for_a_transaction_that_has_nothing_to_tell(
    world: World,
) -> None:
    start = (await world.head()).cursor
    long, quick = await world.begin(), await world.begin()
    await long.touch_something()
    await quick.tell(CasesUpdated())
    await quick.commit()

    assert len(await world.after(start, "all")) == 1
    await long.roll_back()


# --- transactions ----------------------------------------------------------------------------


async def test_transaction_that_is_rolled_back_tells_nobody(world: World) -> None:
    start = (await world.head()).cursor
    regretted, good = await world.begin(), await world.begin()
    await regretted.tell(CasesUpdated())
    await good.tell(InventoryUpdated(1))
    await regretted.roll_back()
    await good.commit()

    told = await world.after(start, "all", "user:1")

    # Its id is gone, and its position was never given: there is no hole to wait for.
    assert [(e.name, e.cursor.position) for e in told] == [("inventory:updated:1", 1)]


async def test_events_of_one_transaction_keep_their_order(world: World) -> None:
    start = (await world.head()).cursor
    writer = await world.begin()
    expected = [BalanceUpdated(7, n) for n in (5, 3, 4, 1, 2)]
    await writer.tell(CasesUpdated(), *expected, CasesUpdated())
    await writer.commit()

    told = await world.after(start, "all", "user:7")

    assert [event.name for event in told] == [
        "cases:updated",
        *["balance:updated:7"] * 5,
        "cases:updated",
    ]
    assert [event.data for event in told[1:-1]] == [
        {"balance": n / 100} for n in (5, 3, 4, 1, 2)
    ]


async def test_reader_gets_pages_that_join_without_a_hole(world: World) -> None:
    cursor = (await world.head()).cursor
    writer = await world.begin()
    await writer.tell(*(BalanceUpdated(7, n) for n in range(25)))
    await writer.commit()
    seen, more = [], True
    while more:
        page = await world.log.page(cursor, ["user:7"], 10)
        seen += [event.data["balance"] for event in page.events]
        cursor, more = page.cursor, page.more

    assert seen == [n / 100 for n in range(25)]
    assert cursor == (await world.head()).cursor


# --- numbering by several at once ------------------------------------------------------------


async def is_waiting_for_the_lock(connection: Any, pid: int) -> bool:
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)", pid
        )
    )


async def write(world: World, *events: Event) -> None:
    writer = await world.begin()
    await writer.tell(*events)
    await writer.commit()


async def positions(connection: Any) -> list[int | None]:
    rows = await connection.fetch("SELECT pos FROM event_log ORDER BY id")
    return [row["pos"] for row in rows]


async def stop_before_commit(connection: Any) -> None:
    """Number as a worker does, up to the moment before the commit."""
    await connection.execute("BEGIN")
    await connection.fetch(_NUMBER, NUMBERING_BATCH)


async def number_beside_another(world: World, number: Any) -> list[list[Any]]:
    """One worker has numbered two of three events when `number` comes along before its commit.

    Returns the positions that the first one gave, and those of all three in the end.
    """
    await write(world, CasesUpdated(), CasesUpdated())
    ahead, behind, looker = [await world.connect() for _ in range(3)]
    await stop_before_commit(ahead)
    told = await positions(ahead)
    await write(world, CasesUpdated())
    task = asyncio.create_task(number(behind))
    pid = behind.get_server_pid()
    await until(lambda: is_waiting_for_the_lock(looker, pid), "the second one waits")
    await ahead.execute("COMMIT")
    await task
    return [told, await positions(looker)]


async def test_numbering_with_a_snapshot_older_than_its_lock_moves_events_that_were_told(
    world: World,
) -> None:
    told, then = await number_beside_another(
        world, lambda connection: connection.execute(_NUMBER_AND_LOCK)
    )

    assert told == [1, 2]
    assert then[:2] != told


async def test_two_workers_that_number_at_once_give_each_event_one_position(world: World) -> None:
    told, then = await number_beside_another(world, world.log.number)

    assert told == [1, 2]
    assert then == [1, 2, 3]


async def test_many_workers_that_number_at_once_leave_no_hole_and_no_double(world: World) -> None:
    workers = [await world.connect() for _ in range(6)]

    async def work(connection: Any, writer: int) -> None:
        for n in range(15):
            await write(world, BalanceUpdated(writer + 1, n))
            await world.log.number(connection)

    await asyncio.gather(*(work(c, n) for n, c in enumerate(workers)))

    given = await positions(workers[0])
    assert sorted(given) == list(range(1, 6 * 15 + 1))
    assert (await world.head()).head == 6 * 15


async def test_numbering_with_one_snapshot_for_all_is_refused(world: World) -> None:
    """Its snapshot could be older than the lock, whatever statement takes that."""
    await write(world, CasesUpdated())
    connection = await world.connect()
    async with connection.transaction(isolation="repeatable_read"):
        with pytest.raises(asyncpg.RaiseError):
            await connection.fetch(_NUMBER, NUMBERING_BATCH)
    assert await positions(connection) == [None]


async def test_worker_that_dies_while_numbering_leaves_it_to_the_next(world: World) -> None:
    await write(world, CasesUpdated(), CasesUpdated())
    dying = await world.connect()
    await stop_before_commit(dying)
    assert await positions(dying) == [1, 2]
    dying.terminate()

    start = Cursor((await world.head()).epoch, 0)
    told = await world.after(start, "all")

    assert [event.cursor.position for event in told] == [1, 2]
