"""What several missed, read by one statement: each gets its own, and no more."""

from collections.abc import AsyncIterator

import pytest

from server.db import Database
from server.realtime.cursor import Cursor
from server.realtime.log import EventLog

_ADD = "INSERT INTO event_log (audience, name, payload) VALUES ($1, $2, $3::json)"
AUDIENCES = ["all", "user:1", "dialog:7", "user:2", "all", "dialog:8", "user:1", "staff"]
ANY = 2**62


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    db = Database(dsn, pool_size=2)
    await db.open()
    yield db
    await db.close()


async def test_each_gets_what_is_for_it_after_its_own_place(db: Database) -> None:
    log = EventLog(db)
    async with db.connection() as connection:
        begin = await log.head(connection)
        for number, audience in enumerate(AUDIENCES, start=1):
            await connection.execute(_ADD, audience, f"event {number}", f'{{"n": {number}}}')
        await log.number(connection)

        def after(places: int) -> Cursor:
            return Cursor(begin.epoch, begin.head + places)

        head, found = await log.after_each(
            connection,
            [
                (after(0), {"all": ANY, "user:1": ANY}),
                (after(2), {"all": ANY, "user:1": ANY}),
                (after(0), {"all": begin.head + 4, "user:2": ANY}),
                (after(0), {"all": ANY, "staff": ANY, "dialog:*": ANY}),
                (after(0), {"dialog:7": ANY}),
                (after(0), {"user:3": ANY}),
                (after(8), {"all": ANY, "dialog:*": ANY}),
            ],
            100,
        )
        _, first = await log.after_each(connection, [(after(0), {"all": ANY, "user:1": ANY})], 1)

    assert head.head == begin.head + len(AUDIENCES)
    places = [[position - begin.head for position, _, _ in events] for events in found]
    assert places == [[1, 2, 5, 7], [5, 7], [1, 4], [1, 3, 5, 6, 8], [3], [], []]
    assert [event[1:] for event in found[1]] == [("event 5", {"n": 5}), ("event 7", {"n": 7})]
    # The first of each audience; who cuts that to as many has lost nothing in between.
    assert [position - begin.head for position, _, _ in first[0]] == [1, 2]
