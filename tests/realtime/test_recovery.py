"""Sockets that return: whose they are, what they may have, and that nothing is told twice."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import socketio

from server.config import Config
from server.keys import SIO, SOCKETS
from server.realtime.cursor import Cursor
from server.realtime.pids import Pids
from tests.club import Club, Person, until
from tests.conftest import JWT_SECRET, make_config
from tests.realtime.chronicle import Chronicle
from tests.realtime.raw_page import RawPage


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    # So little in memory that what was missed is sometimes there and sometimes in the log only.
    return make_config(dsn, tmp_path_factory.mktemp("var"), recovery_tail=40)


@pytest.fixture(scope="module")
async def chronicle(dsn: str) -> AsyncIterator[Chronicle]:
    async with Chronicle.open(dsn) as running:
        yield running


@pytest.fixture
async def player(club: Club) -> Person:
    return await club.person(has_password=False)


@pytest.fixture
async def other(club: Club) -> Person:
    return await club.person(has_password=False)


@pytest.fixture(params=["websocket", "polling"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def page(**auth: Any) -> AsyncIterator[RawPage]:
    page = RawPage(**auth)
    try:
        yield page
    finally:
        await page.go()


# --- what it comes with ----------------------------------------------------------------------


def forgeries(pid: str, player: Person, epoch: str) -> Iterator[tuple[str, Any]]:
    body, _, mac = pid.rpartition(".")
    here = Cursor(epoch, 1)
    yield "text", "nonsense"
    yield "number", 7
    yield "object", {"a": 1}
    yield "empty", ""
    yield "long", "x" * 100_000
    yield "not ASCII", "é.é"
    yield "another signature", f"{body}.{mac[::-1]}"
    yield "another place", f"{body.replace('.', '.1', 1)}.{mac}"
    yield "without signature", body
    yield "another key", Pids("x" * 32).make(here, player.id, "sid")


async def test_forged_pid_is_a_new_page(
    club: Club, chronicle: Chronicle, player: Person, transport: str
) -> None:
    begin = await chronicle.number()
    await club.settled()
    async with page(token=player.token) as first:
        await first.come(club, transport)
        assert first.pid is not None
        epoch = begin.partition(".")[0]
        last = await chronicle.tell(1, player.id)
        await club.settled()
        for kind, pid in forgeries(first.pid, player, epoch):
            async with page(token=player.token, pid=pid, offset=begin) as forger:
                await forger.come(club, transport)
                assert forger.heard == [], kind
                assert forger.pid not in (None, pid)
        await first.hears(last)


async def test_pid_of_a_member_is_of_no_use_to_anybody_else(
    club: Club, chronicle: Chronicle, player: Person, other: Person, transport: str
) -> None:
    async with page(token=player.token) as mine:
        await mine.come(club, transport)
        stolen = mine.pid
        await mine.go()
        await chronicle.tell(5, player.id)
        await club.settled()
        for auth in ({}, {"token": other.token}):
            async with page(**auth, pid=stolen) as thief:
                await thief.come(club, transport)
                assert thief.heard == []
                assert thief.pid != stolen and thief.sid != mine.sid

        await mine.come(club, transport)
        assert mine.recovered and len(mine.heard) == 10


UNUSABLE = {
    "an event's own text": "hello",
    "another log": "00000000.1",
    "not there yet": None,
    "number": 7,
    "half of a pair": "\ud83d",
}


@pytest.mark.parametrize("kind", UNUSABLE)
async def test_offset_that_is_no_place_in_the_log_is_a_new_page(
    club: Club, chronicle: Chronicle, player: Person, kind: str
) -> None:
    place = Cursor.parse(await chronicle.number())
    offset = UNUSABLE[kind] or str(Cursor(place.epoch, place.position + 10**6))
    async with page(token=player.token) as returning:
        await returning.come(club)
        await returning.go()
        await chronicle.tell(3, player.id)
        await club.settled()
        returning.auth["offset"] = offset

        await returning.come(club)

        assert returning.recovered is False and returning.heard == []
        last = await chronicle.tell(1)
        await returning.hears(last)
        assert len(returning.heard) == 1


async def test_pid_of_the_club_before_its_database_was_replaced_is_a_new_page(
    club: Club, chronicle: Chronicle, player: Person
) -> None:
    place = Cursor.parse(await chronicle.number())
    pid = Pids(JWT_SECRET).make(Cursor("00000000", place.position), player.id, "sid")
    async with page(token=player.token, pid=pid) as returning:
        await returning.come(club)

        assert returning.heard == [] and returning.pid not in (None, pid)


async def test_later_of_pid_offset_and_after_is_where_a_page_goes_on(
    club: Club, chronicle: Chronicle, player: Person, transport: str
) -> None:
    first = await chronicle.tell(2, player.id)
    await club.settled()
    async with page(token=player.token) as returning:
        await returning.come(club, transport)
        await returning.go()
        second = await chronicle.tell(2, player.id)
        third = await chronicle.tell(2, player.id)
        await club.settled()
        for offset, after, begin in (
            (None, first, first),
            (first, None, first),
            (second, first, second),
            (first, second, second),
            (None, third, third),
        ):
            returning.heard.clear()
            returning.offset = offset
            returning.auth = {"token": player.token} | ({"after": after} if after else {})
            await returning.come(club, transport)
            await returning.go()

            assert returning.recovered
            assert returning.heard == await chronicle.due(begin, player.id)
            # What it has heard twice by now it was not told a second time by itself.
            await chronicle.execute("DELETE FROM recovery_marks")


# --- who asks for nothing --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "query", "headers"),
    [
        ({"recovery": False}, "", {}),
        ({}, "&recovery=0", {}),
        ({}, "", {"User-Agent": "Python/3.11 aiohttp/3.14.5"}),
        ({}, "", {"User-Agent": "python-requests/2.34.0"}),
        ({}, "", {"Origin": "http://club.example"}),
    ],
    ids=["auth", "query", "aiohttp", "requests", "websocket-client"],
)
async def test_page_that_refuses_gets_events_as_they_are(
    club: Club,
    chronicle: Chronicle,
    player: Person,
    auth: dict[str, Any],
    query: str,
    headers: dict[str, str],
) -> None:
    async with page(token=player.token, **auth) as plain:
        if "Origin" in headers:
            headers = {"Origin": club.url, "Host": club.url.removeprefix("http://")}
        await plain.come(club, query=query, **headers)
        await chronicle.tell(1, player.id)
        while len(plain.heard) < 2:
            await plain.step()

        assert plain.pid is None
        assert plain.heard == [[f"inventory:updated:{player.id}"], ["cases:updated"]]


@pytest.mark.parametrize(
    ("auth", "query"), [({"recovery": True}, ""), ({}, "&recovery=1")], ids=["auth", "query"]
)
async def test_python_client_may_ask_for_it(
    club: Club, chronicle: Chronicle, auth: dict[str, Any], query: str
) -> None:
    async with page(**auth) as asking:
        await asking.come(club, query=query, **{"User-Agent": "Python/3.11 aiohttp/3.14.5"})
        last = await chronicle.tell(1)
        await asking.hears(last)

        assert asking.pid is not None


async def test_strict_handler_of_python_socketio_is_given_what_the_event_carries(
    club: Club, chronicle: Chronicle, player: Person, transport: str
) -> None:
    heard: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
    client = socketio.AsyncClient(reconnection=False)

    @client.on("cases:updated")
    async def cases() -> None:
        heard.put_nowait(())

    await client.connect(club.url, transports=[transport], auth={"token": player.token})
    await chronicle.tell(1)
    assert await asyncio.wait_for(heard.get(), 10) == ()
    await client.disconnect()


@pytest.mark.parametrize("recovery", [True, False])
async def test_place_in_connect_is_where_a_client_of_either_kind_begins(
    club: Club, chronicle: Chronicle, player: Person, transport: str, recovery: bool
) -> None:
    begin = await chronicle.number()
    await chronicle.tell(30, player.id)
    await club.settled()
    async with page(token=player.token, after=begin, recovery=recovery) as coming:
        await coming.come(club, transport)

        due = await chronicle.due(begin, player.id)
        assert coming.heard == (due if recovery else [event[:-1] for event in due])
        assert (coming.pid is not None) == recovery
        assert coming.recovered is False


@pytest.mark.parametrize("after", ["nonsense", "00000000.1", "", "99999999999999"])
async def test_place_that_cannot_be_continued_is_told_right_before_the_answer(
    club: Club, chronicle: Chronicle, player: Person, transport: str, after: str
) -> None:
    here = await chronicle.number()
    await club.settled()
    async with page(token=player.token, after=after) as coming:
        await coming.come(club, transport)

        assert coming.heard == [["resync", {"cursor": here}]]
        last = await chronicle.tell(1)
        await coming.hears(last)
        assert len(coming.heard) == 2


# --- who a socket is, by and by --------------------------------------------------------------


async def test_page_that_identified_itself_is_not_recovered_without_a_token(
    club: Club, chronicle: Chronicle, player: Person, transport: str
) -> None:
    async with page() as anonymous:
        await anonymous.come(club, transport)
        await identified(anonymous, player)
        seen = await chronicle.tell(1, player.id)
        await anonymous.hears(seen)
        await anonymous.go()
        missed = await chronicle.tell(5, player.id)
        await club.settled()

        await anonymous.come(club, transport)
        assert anonymous.recovered is False and len(anonymous.heard) == 2
        await chronicle.tell(2, player.id)
        await club.settled()
        ack = await identified(anonymous, player, after=seen)

        assert ack == {
            "success": True,
            "userId": player.id,
            "resync": False,
            "cursor": await chronicle.number(),
        }
        again = anonymous.heard[2:]
        due = await chronicle.due(seen, player.id)
        assert sorted(again, key=str) == sorted(due, key=str)
        # What was missed comes in order; what everybody heard meanwhile came live, once.
        late = [event for event in again if event not in await chronicle.due(missed)]
        assert late == [event for event in due if event in late]


async def identified(page: RawPage, person: Person, **more: Any) -> Any:
    ack = await page.ask("user:identify", {"userId": person.id, "token": person.token} | more)
    assert ack["success"], ack
    return ack


async def test_identify_with_a_place_tells_what_came_since_less_what_was_told(
    club: Club, chronicle: Chronicle, player: Person, transport: str
) -> None:
    begin = await chronicle.number()
    await chronicle.tell(10, player.id)
    await club.settled()
    async with page() as anonymous:
        await anonymous.come(club, transport)
        for_all = await chronicle.tell(3)
        await anonymous.hears(for_all)

        await identified(anonymous, player, after=begin)
        # Once more: there is nothing left to tell.
        await identified(anonymous, player, after=begin)
        last = await chronicle.tell(1, player.id)
        await anonymous.hears(last)

        due = await chronicle.due(begin, player.id)
        assert sorted(anonymous.heard, key=str) == sorted(due, key=str)


async def test_page_that_was_told_late_is_not_recovered_from_before_that(
    club: Club, chronicle: Chronicle, player: Person
) -> None:
    begin = await chronicle.number()
    await chronicle.tell(3, player.id)
    await club.settled()
    for auth in ({}, {"token": player.token}):
        async with page(**auth) as mine:
            await mine.come(club)
            await identified(mine, player, after=begin)
            await mine.go()

            await mine.come(club)

            # Its offset has gone back, to what it was told last.
            assert mine.recovered is False and len(mine.heard) == 6


@pytest.mark.parametrize("after", ["nonsense", "00000000.1", ""])
async def test_identify_with_a_place_that_cannot_be_continued_says_so(
    club: Club, chronicle: Chronicle, player: Person, after: str
) -> None:
    await chronicle.tell(3, player.id)
    await club.settled()
    async with page() as anonymous:
        await anonymous.come(club)

        ack = await identified(anonymous, player, after=after)

        assert (ack["resync"], ack["cursor"]) == (True, await chronicle.number())
        last = await chronicle.tell(1, player.id)
        await anonymous.hears(last)
        assert len(anonymous.heard) == 2


async def test_identify_anew_keeps_the_page_recoverable(
    club: Club, chronicle: Chronicle, player: Person
) -> None:
    async with page(token=player.token) as mine:
        await mine.come(club)
        await identified(mine, player)
        await mine.go()
        await chronicle.tell(2, player.id)
        await club.settled()

        await mine.come(club)

        assert mine.recovered and len(mine.heard) == 4


async def test_page_that_lost_its_rooms_with_its_token_is_not_recovered(
    club: Club, chronicle: Chronicle, player: Person
) -> None:
    async with page(token=player.token) as mine:
        await mine.come(club)
        socket = club.app[SOCKETS].get(mine.sid)
        assert socket is not None
        # As the end of the grace does it.
        await club.app[SOCKETS].forget(socket)
        await mine.hears(await chronicle.tell(1, player.id))
        await mine.go()

        await mine.come(club)

        assert mine.recovered is False


# --- what is in no log -----------------------------------------------------------------------


async def test_text_that_is_in_no_log_does_not_pass_for_a_place_in_it(
    club: Club, chronicle: Chronicle, player: Person, transport: str
) -> None:
    sio = club.app[SIO]
    async with page(token=player.token) as mine, page(recovery=False) as plain:
        await plain.come(club, transport)
        await mine.come(club, transport)
        await mine.hears(await chronicle.tell(1))
        offset = mine.offset
        for data in ("text", ("a", "b"), None, {"a": "b"}, 7):
            await sio.emit("note", data, room=[mine.sid, plain.sid])
        while len(mine.heard) < 6:
            await mine.step()
        while len(plain.heard) < 6:
            await plain.step()

        assert mine.offset == offset
        assert mine.heard[1:] == [
            ["note", "text", None],
            ["note", "a", "b", None],
            ["note", None],
            ["note", {"a": "b"}],
            ["note", 7],
        ]
        assert plain.heard[1:] == [
            ["note", "text"],
            ["note", "a", "b"],
            ["note"],
            ["note", {"a": "b"}],
            ["note", 7],
        ]


# --- everything at once ----------------------------------------------------------------------

_ROUNDS = [pytest.param(n, marks=[pytest.mark.long] if n > 1 else []) for n in range(50)]


@pytest.mark.parametrize("number", _ROUNDS)
async def test_pages_that_come_and_go_while_events_flow_hear_all_once_in_order(
    club: Club, chronicle: Chronicle, number: int
) -> None:
    dice = random.Random(number)
    people = [await club.person(has_password=False) for _ in range(3)]
    begin = await chronicle.number()
    await club.settled()
    is_over = asyncio.Event()

    async def write() -> None:
        while not is_over.is_set():
            await chronicle.tell(dice.randint(1, 5), *dice.sample([p.id for p in people], 2))
            await asyncio.sleep(dice.random() / 200)

    async def travel(person: Person, mine: RawPage) -> None:
        for visit in range(8):
            await mine.come(club, dice.choice(["websocket", "polling"]))
            assert mine.recovered == (visit > 0)
            for _ in range(dice.randint(0, 20)):
                await mine.step()
            if dice.random() < 0.7:
                await mine.go()
            # Else the server believes it to be there when it comes again.
            else:
                left.append(mine._client)

    left: list[Any] = []
    travellers = [(person, RawPage(token=person.token)) for person in people * 2]
    for person, mine in travellers:
        await mine.come(club)
        await mine.go()
        mine.pid, mine.auth = None, {"token": person.token, "after": begin}
    writers = [asyncio.create_task(write()) for _ in range(3)]
    await asyncio.gather(*(travel(*each) for each in travellers))
    is_over.set()
    await asyncio.gather(*writers)
    last = await chronicle.tell(1)
    for person, mine in travellers:
        await mine.come(club)
        await mine.hears(last)
        await mine.go()
        assert mine.heard == await chronicle.due(begin, person.id)
    for client in left:
        await client.close()


async def test_marks_of_goodbyes_wait_for_nobody(club: Club, dsn: str) -> None:
    async with page() as leaving:
        await leaving.come(club)
        pid = leaving.pid
        await leaving.say("41")

        async def is_gone() -> bool:
            return club.app[SOCKETS].get(leaving.sid) is None

        await until(is_gone, "the server has taken the goodbye")
        await leaving.go()
        await leaving.come(club)

        assert leaving.recovered is False and leaving.pid != pid
