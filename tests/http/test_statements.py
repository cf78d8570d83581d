"""Lists take as few statements however long they are, and however much each entry holds."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from server.config import Config
from server.keys import DB
from tests.club import Club, Person
from tests.conftest import make_config
from tests.dialogs import begins, people, writes
from tests.events import EVENING, answers, holds
from tests.notices import told

SOME = 4

Adds = Callable[[Club, Person, Person], Awaitable[str]]


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_config(
        dsn,
        tmp_path_factory.mktemp("var"),
        messages_burst=10_000,
        chat_burst=10_000,
        calendar_burst=10_000,
    )


async def asks(club: Club, person: Person, path: str) -> tuple[list[str], int]:
    """What is asked of the database for an answer, and how long the answer is."""
    counted: list[str] = []

    def count(record: Any) -> None:
        counted.append(record.query)

    # The connection that was used last is lent first.
    async with club.app[DB].connection() as connection:
        connection.add_query_logger(count)
    answer = await person.get(path)
    assert answer.status == 200, answer.body
    connection.remove_query_logger(count)
    return counted, len(str(answer.body))


# --- some more of each, and where they are listed --------------------------------------------


async def some_dialogs(club: Club, player: Person, staff: Person) -> str:
    for number in range(SOME):
        dialog = await begins(player, await club.person(has_password=False))
        await writes(staff, dialog, f"{number}", internal=number % 2 == 0)
    return "/api/dialogs?limit=200"


async def some_messages(club: Club, player: Person, staff: Person) -> str:
    known = (await player.get("/api/dialogs"))["dialogs"]
    dialog = known[0] if known else await begins(player)
    for number in range(SOME):
        await writes((player, staff)[number % 2], dialog, f"{number}")
    return f"/api/dialogs/{dialog['id']}/messages?limit=200"


async def some_lines(club: Club, player: Person, staff: Person) -> str:
    for number in range(SOME):
        await (player, staff)[number % 2].post("/api/chat", {"text": f"{number}"})
    return "/api/chat?limit=200"


async def some_notices(club: Club, player: Person, staff: Person) -> str:
    for person in (player, staff):
        await told(club, person, *[("reply", {}, None)] * SOME)
    return "/api/notifications?limit=200"


async def some_events(club: Club, player: Person, staff: Person) -> str:
    guests = [await club.person(has_password=False) for _ in range(3)]
    for number in range(SOME):
        # Each overlaps with the one before, and is full.
        starts = EVENING + timedelta(hours=2 * number)
        times = {
            "startsAt": starts.isoformat(),
            "endsAt": (starts + timedelta(hours=3)).isoformat(),
        }
        made = await holds(staff, *guests, player, capacity=1, **times)
        for guest in (player, *guests):
            await answers(guest, made, "accepted")
    return "/api/events?from=2031-05-01T00:00:00Z&to=2031-06-01T00:00:00Z"


async def some_entries(club: Club, player: Person, staff: Person) -> str:
    await some_events(club, player, staff)
    address: str = (await player.get("/api/calendar/secret"))["url"]
    return address.removeprefix(club.url)


@pytest.mark.parametrize(
    ("adds", "count"),
    [
        # Who asks, the page, and the members of what is on it.
        (some_dialogs, 3),
        # Who asks, whether one may, the page.
        (some_messages, 3),
        (some_lines, 1),
        # Who asks, and a snapshot: where it begins, where the list stands, the page, its end.
        (some_notices, 5),
        # Who asks, the page with all that belongs to it.
        (some_events, 2),
        # Which secret is valid, the entries.
        (some_entries, 2),
    ],
)
async def test_long_list_takes_as_many_statements_as_a_short_one(
    club: Club, adds: Adds, count: int
) -> None:
    player, _, staff = await people(club)
    await adds(club, player, staff)
    path = await adds(club, player, staff)
    short = [await asks(club, person, path) for person in (player, staff)]
    await adds(club, player, staff)
    await adds(club, player, staff)
    long = [await asks(club, person, path) for person in (player, staff)]

    for (few, length), (many, longer) in zip(short, long, strict=True):
        assert longer > length * 1.5
        assert many == few
        assert len(few) == count, few
