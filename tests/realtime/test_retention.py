"""The log is trimmed by age, and whoever is behind it is told so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from server.config import Config
from server.db import Database
from server.keys import RETENTION
from server.realtime.retention import BATCH, Retention
from tests.club import Club, SocketDoor, until
from tests.conftest import make_config
from tests.realtime.chronicle import Chronicle

DAY_S = 86_400

_AGE = "UPDATE event_log SET at = at - make_interval(days => $2) WHERE pos <= $1"


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    # Kept for ten days, where the default of seven would do: what is younger has to stay.
    var_dir: Path = tmp_path_factory.mktemp("var")
    return make_config(dsn, var_dir, event_log_days=10.0)


@pytest.fixture(scope="module")
async def chronicle(dsn: str) -> AsyncIterator[Chronicle]:
    async with Chronicle.open(dsn) as running:
        yield running


def place(cursor: str) -> int:
    return int(cursor.rpartition(".")[2])


async def aged(chronicle: Chronicle, cursor: str, days: int) -> None:
    """All up to here happened so many days earlier."""
    await chronicle.execute(_AGE, place(cursor), days)


async def poll(club: Club, cursor: str) -> tuple[bool, int]:
    """Whether an anonymous client at this place has to begin anew, and how much it gets."""
    answer = await club.call("GET", f"/api/updates?after={cursor}")
    assert answer.status == 200
    return answer["resync"], len(answer["events"])


async def test_what_is_too_old_goes_and_what_is_not_stays(
    club: Club, chronicle: Chronicle
) -> None:
    begin = await chronicle.number()
    older = await chronicle.tell(30)
    old = await chronicle.tell(20)
    young = await chronicle.tell(10)
    await aged(chronicle, old, 8)
    await aged(chronicle, older, 3)

    trimmed = await club.app[RETENTION].trim()

    assert trimmed == place(older)
    assert [await poll(club, each) for each in (begin, older, old, young)] == [
        (True, 0),
        (False, 30),
        (False, 10),
        (False, 0),
    ]


async def test_more_than_a_batch_goes_and_positions_go_on_from_where_they_were(
    club: Club, chronicle: Chronicle, dsn: str
) -> None:
    last = await chronicle.tell(2 * BATCH + 100)
    await aged(chronicle, last, 30)

    await club.app[RETENTION].trim()
    after = await chronicle.tell(1)

    assert place(after) == place(last) + 1
    assert await poll(club, last) == (False, 1)
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT count(*) FROM event_log") == 1
    await connection.close()


async def test_several_workers_that_trim_at_once_remove_everything_once(
    chronicle: Chronicle, dsn: str
) -> None:
    last = await chronicle.tell(3 * BATCH)
    await aged(chronicle, last, 30)
    databases = [Database(dsn, pool_size=2) for _ in range(4)]
    for db in databases:
        await db.open()
    workers = [Retention(db, days=10.0) for db in databases]

    async def all_gone() -> bool:
        removed = await asyncio.gather(*(worker.trim() for worker in workers))
        total.extend(removed)
        return sum(removed) == 0 and bool(total)

    total: list[int] = []
    await until(all_gone, "nothing is left to trim")
    for db in databases:
        await db.close()

    assert sum(total) >= 3 * BATCH
    assert await chronicle.due("x.0") == []


async def test_rows_that_a_dead_worker_left_below_the_floor_are_removed(
    club: Club, chronicle: Chronicle
) -> None:
    last = await chronicle.tell(5)
    await chronicle.execute("UPDATE event_log_head SET floor = head")

    assert await poll(club, last) == (False, 0)
    await club.app[RETENTION].trim()

    assert await chronicle.due("x.0") == []


async def test_reader_between_the_floor_and_the_deletion_is_told_to_begin_anew(
    club: Club, chronicle: Chronicle, dsn: str
) -> None:
    begin = await chronicle.number()
    last = await chronicle.tell(5)
    await aged(chronicle, last, 30)
    stopped = await asyncpg.connect(dsn)
    async with stopped.transaction():
        # The deletion has to wait for this row; the floor has been raised by then.
        await stopped.execute("SELECT FROM event_log WHERE pos = $1 FOR UPDATE", place(last))
        trimming = asyncio.create_task(club.app[RETENTION].trim())

        async def floor_is_raised() -> bool:
            return await stopped.fetchval("SELECT floor FROM event_log_head") == place(last)

        await until(floor_is_raised, "the floor is raised")
        assert await poll(club, begin) == (True, 0)
    await trimming
    await stopped.close()

    assert await poll(club, begin) == (True, 0)


async def test_socket_at_a_place_behind_the_log_is_told_to_begin_anew(
    club: Club, chronicle: Chronicle
) -> None:
    begin = await chronicle.number()
    last = await chronicle.tell(5)
    await aged(chronicle, last, 30)
    await club.app[RETENTION].trim()

    door: SocketDoor = await club.visitor("websocket", {"after": begin})

    assert await door.hears("resync") == {"cursor": await chronicle.number()}
    assert door.names() == ["resync"]
    await door.close()


async def test_log_is_trimmed_without_being_asked(config: Config, chronicle: Chronicle) -> None:
    last = await chronicle.tell(5)
    await aged(chronicle, last, 30)

    async with Club.open(replace(config, event_log_days=1.0)) as club:

        async def is_trimmed() -> bool:
            return not await chronicle.due("x.0")

        await until(is_trimmed, "the log is trimmed")
        assert await poll(club, last) == (False, 0)


async def test_what_was_remembered_of_sockets_is_forgotten_with_the_log(
    club: Club, chronicle: Chronicle, dsn: str
) -> None:
    await chronicle.execute(
        "INSERT INTO recovery_marks (id, at) VALUES ('\\x01', now() - interval '11 days'),"
        " ('\\x02', now() - interval '9 days')"
    )

    await club.app[RETENTION].trim()

    connection = await asyncpg.connect(dsn)
    assert await connection.fetch("SELECT id FROM recovery_marks") == [(b"\x02",)]
    await connection.close()
