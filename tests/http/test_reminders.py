"""Reminders: once, whichever worker comes first, also after downtime; the test holds the clock."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from server.config import Config
from server.keys import REMINDERS
from tests.club import Club, Person
from tests.events import EVENING, answers, event, holds
from tests.http.conftest import somebody_waits
from tests.notices import noted

_days = itertools.count(1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def starts() -> datetime:
    """An evening of the test's own: nothing else begins around it."""
    return EVENING + timedelta(days=10 * next(_days))


@pytest.fixture(scope="module")
async def other_worker(club: Club, config: Config) -> AsyncIterator[Club]:
    async with Club.open(config) as running:
        yield running


async def evening(club: Club, starts: datetime, **changes: Any) -> tuple[Any, Person, Person]:
    """An event, its owner, and a guest who comes."""
    owner, guest = [await club.person(has_password=False) for _ in range(2)]
    times = {
        "startsAt": starts.isoformat(),
        "endsAt": (starts + timedelta(hours=1)).isoformat(),
    }
    made = await holds(owner, guest, **times, **changes)
    await answers(guest, made, "accepted")
    return made, owner, guest


async def remind(club: Club, now: datetime) -> int:
    return await club.app[REMINDERS].remind(now)


async def reminded(person: Person) -> int:
    return sum(kind == "reminder" for kind, _ in await noted(person))


async def test_reminder_comes_half_an_hour_before_and_once(club: Club, starts: datetime) -> None:
    made, owner, guest = await evening(club, starts)
    assert await remind(club, starts - 31 * MINUTE) == 0
    assert await remind(club, starts - 30 * MINUTE) == 1
    assert await remind(club, starts - 29 * MINUTE) == 0
    assert [each for each in await noted(guest) if each[0] == "reminder"] == [
        (
            "reminder",
            {
                "eventId": made["id"],
                "title": made["title"],
                "location": "",
                "startsAt": made["startsAt"],
            },
        )
    ]
    assert await reminded(owner) == 0


async def test_only_who_comes_or_perhaps_does_is_reminded(club: Club, starts: datetime) -> None:
    made, owner, guest = await evening(club, starts, capacity=1, visibility="public")
    perhaps, waits, declined, silent = [await club.person(has_password=False) for _ in range(4)]
    await owner.post(f"/api/events/{made['id']}/invitations", {"userIds": [silent.id]})
    await answers(perhaps, made, "tentative")
    await answers(waits, made, "accepted")
    await answers(declined, made, "declined")

    assert await remind(club, starts - MINUTE) == 1
    told = [await reminded(each) for each in (guest, perhaps, waits, declined, silent, owner)]
    assert told == [1, 1, 0, 0, 0, 0]


async def test_after_downtime_what_has_not_begun_is_told_and_what_has_is_not(
    club: Club, starts: datetime
) -> None:
    _, _, late = await evening(club, starts)
    _, _, in_time = await evening(club, starts + 2 * MINUTE)

    assert await remind(club, starts) == 1
    assert (await reminded(late), await reminded(in_time)) == (0, 1)
    assert await remind(club, starts + MINUTE) == 0


async def test_cancelled_event_is_not_reminded_of_and_a_moved_one_anew(
    club: Club, starts: datetime
) -> None:
    off, owner, guest = await evening(club, starts)
    await owner.call("DELETE", f"/api/events/{off['id']}")
    moved, mover, comes = await evening(club, starts)
    assert await remind(club, starts - MINUTE) == 1
    assert (await reminded(guest), await reminded(comes)) == (0, 1)

    later = starts + timedelta(days=1)
    body = event(
        startsAt=later.isoformat(), endsAt=(later + timedelta(hours=1)).isoformat()
    )
    await mover.call("PUT", f"/api/events/{moved['id']}", body)
    assert await remind(club, later - MINUTE) == 1
    # Another name is no other time.
    await mover.call("PUT", f"/api/events/{moved['id']}", body | {"title": "Other"})
    assert await remind(club, later - MINUTE) == 0
    assert await reminded(comes) == 2


async def test_two_workers_at_once_remind_once(
    club: Club, other_worker: Club, starts: datetime, database: Any
) -> None:
    _, _, guest = await evening(club, starts)
    hold = database.transaction()
    await hold.start()
    await database.fetch(
        "SELECT FROM notification_heads WHERE user_id = $1 FOR UPDATE", guest.id
    )
    # The first has taken the event and stands at the member's list.
    first = asyncio.create_task(remind(club, starts - MINUTE))
    await somebody_waits(database)
    assert await remind(other_worker, starts - MINUTE) == 0
    await hold.rollback()

    assert await first == 1
    assert await remind(other_worker, starts - MINUTE) == 0
    assert await reminded(guest) == 1


async def test_worker_that_dies_before_the_commit_leaves_the_reminder_to_another(
    club: Club, other_worker: Club, starts: datetime, database: Any
) -> None:
    _, _, guest = await evening(club, starts)
    hold = database.transaction()
    await hold.start()
    await database.fetch(
        "SELECT FROM notification_heads WHERE user_id = $1 FOR UPDATE", guest.id
    )
    first = asyncio.create_task(remind(club, starts - MINUTE))
    await somebody_waits(database)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await hold.rollback()
    assert await reminded(guest) == 0

    total = 0
    # What the dead one held is free as soon as its connection has ended.
    async with asyncio.timeout(10):
        while not total:
            total += await remind(other_worker, starts - MINUTE)
    assert await reminded(guest) == 1


async def test_workers_race_through_many_and_each_is_told_once(
    club: Club, other_worker: Club, starts: datetime
) -> None:
    guests = [(await evening(club, starts + n * MINUTE))[2] for n in range(5)]
    counts = await asyncio.gather(
        *(remind(each, starts - MINUTE) for each in (club, other_worker) * 2)
    )
    assert sum(counts) == 5
    assert [await reminded(guest) for guest in guests] == [1] * 5
