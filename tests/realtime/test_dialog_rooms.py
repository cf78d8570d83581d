"""Who hears what is told in a dialog: at every door, from joining to leaving, once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from server.config import Config
from server.db import Database
from server.keys import AUTH, FEEDS, RELAY, SOCKETS
from server.realtime.cursor import Cursor
from server.realtime.departures import Departures
from server.realtime.feeds import WS_STREAM, FeedLimits, Feeds
from tests.club import PATIENCE_S, Club, Person
from tests.conftest import make_config
from tests.dialogs import begins, people, posts, seat, writes
from tests.realtime.test_all_doors import DOORS, Next
from tests.realtime.test_feed import PausingLog
from tests.streams import EventStream, PlainSocket

ROUNDS = 5


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_config(
        dsn, tmp_path_factory.mktemp("var"), messages_burst=100_000, stream_queue=10
    )


Door = Callable[[Club, Person, str], Any]


async def here(club: Club) -> str:
    await club.settled()
    return str((await club.call("GET", "/api/updates"))["cursor"])


async def next_of(next_event: Next) -> tuple[str, Any]:
    name, data, _ = await asyncio.wait_for(next_event(), PATIENCE_S)
    return name, data


async def texts_until(next_event: Next, last: str) -> list[str]:
    """The texts of the messages that are told, up to the one that says `last`."""
    texts: list[str] = []
    while True:
        name, data = await next_of(next_event)
        if name == "new_message":
            texts.append(data["text"])
            if data["text"] == last:
                return texts


@pytest.mark.parametrize("door", DOORS)
async def test_member_hears_a_dialog_from_joining_to_leaving(club: Club, door: Door) -> None:
    player, other, staff = await people(club)
    dialog, beside = await begins(other), await begins(player)
    async with door(club, player, await here(club)) as hears:
        await writes(other, dialog, "before")
        # All that was told before has gone by when this one comes.
        await writes(player, beside, "mark 1")
        assert await texts_until(hears, "mark 1") == ["mark 1"]

        await seat(staff, dialog, player, taken=True)
        await writes(other, dialog, "in")
        await writes(staff, dialog, "a note", internal=True)
        await writes(staff, dialog, "in too")
        assert await texts_until(hears, "in too") == ["in", "in too"]

        await seat(staff, dialog, player, taken=False)
        await writes(other, dialog, "after")
        await writes(player, beside, "mark 2")
        assert await texts_until(hears, "mark 2") == ["mark 2"]

        await seat(staff, dialog, player, taken=True)
        await writes(other, dialog, "again")
        assert await texts_until(hears, "again") == ["again"]


@pytest.mark.parametrize("door", DOORS)
async def test_joining_is_told_before_what_it_lets_one_hear(club: Club, door: Door) -> None:
    player, other, staff = await people(club)
    async with door(club, player, await here(club)) as hears:
        dialog = await begins(other, player, text="Come in")
        told = [await next_of(hears) for _ in range(4)]
        names = ["dialog:joined", "new_message", "dialog_update", "notification:new"]
        assert [name for name, _ in told] == names
        assert told[0][1] == {"dialogId": dialog["id"]}
        assert told[1][1] == dialog["lastMessage"]
        assert told[2][1] == dialog | {"unread": 1}
        await seat(staff, dialog, player, taken=False)
        assert await next_of(hears) == ("dialog:left", {"dialogId": dialog["id"]})


@pytest.mark.parametrize("door", DOORS)
async def test_who_was_away_is_told_what_was_said_in_the_dialogs_that_are_his(
    club: Club, door: Door
) -> None:
    player, other, staff = await people(club)
    mine, left, secret = await begins(player), await begins(player), await begins(other)
    start = await here(club)
    await seat(staff, left, player, taken=False)
    for number in range(3):
        await writes(staff, mine, f"{number}")
        await writes(staff, mine, f"note {number}", internal=True)
        await writes(staff, left, f"left {number}")
        await writes(other, secret, f"secret {number}")
    joined = await begins(other, player, text="Come in")
    await writes(other, joined, "end")

    async with door(club, player, start) as hears:
        assert await texts_until(hears, "end") == ["0", "1", "2", "Come in", "end"]
    async with door(club, staff, start) as hears:
        told = await texts_until(hears, "end")
        notes = [[f"{n}", f"note {n}", f"left {n}", f"secret {n}"] for n in range(3)]
        assert told == [*sum(notes, []), "Come in", "end"]


@pytest.mark.parametrize("door", DOORS)
async def test_staff_hear_every_dialog_once_whether_they_are_in_it_or_not(
    club: Club, door: Door
) -> None:
    player, _, staff = await people(club)
    async with door(club, staff, await here(club)) as hears:
        dialogs = [await begins(player), await begins(player, staff), await begins(staff, player)]
        for number, dialog in enumerate(dialogs):
            await writes(player, dialog, f"{number}")
            await writes(staff, dialog, f"note {number}", internal=True)
        heard = await texts_until(hears, "note 2")
        assert heard == ["Hello"] * 3 + ["0", "note 0", "1", "note 1", "2", "note 2"]


async def test_stranger_hears_nothing_of_a_dialog_at_any_door(club: Club) -> None:
    player, stranger, staff = await people(club)
    start = await here(club)
    async with AsyncExitStack() as opened:
        doors = [await opened.enter_async_context(door(club, stranger, start)) for door in DOORS]
        dialog = await begins(player)
        await writes(staff, dialog, "Secret")
        await posts(stranger, dialog, "Mine")
        await seat(staff, dialog, staff, taken=True)
        mark = await begins(stranger, text="mark")
        for hears in doors:
            told = [await next_of(hears) for _ in range(3)]
            assert [name for name, _ in told] == ["dialog:joined", "new_message", "dialog_update"]
            assert told[1][1] == mark["lastMessage"]


async def test_who_comes_and_goes_while_others_write_hears_all_of_each_stay_once(
    club: Club,
) -> None:
    player, other, staff = await people(club)
    dialog = await begins(other)
    stop = asyncio.Event()

    async def chatter(person: Person) -> None:
        number = 0
        while not stop.is_set():
            await writes(person, dialog, f"{person.id} {number}")
            number += 1
            await asyncio.sleep(0.02)

    start = await here(club)
    async with AsyncExitStack() as opened:
        doors = [await opened.enter_async_context(door(club, player, start)) for door in DOORS]
        writers = [asyncio.create_task(chatter(person)) for person in (other, staff)]
        heard: list[list[int]] = [[] for _ in doors]
        due: list[int] = []
        for number in range(ROUNDS):
            await seat(staff, dialog, player, taken=True)
            first = await writes(player, dialog, f"first {number}")
            await writes(player, dialog, f"last {number}")
            # Whoever reads late reads as a member: what is checked is the stay.
            for hears, ids in zip(doors, heard, strict=True):
                while True:
                    name, data = await next_of(hears)
                    if name == "new_message":
                        ids.append(data["id"])
                        if data["text"] == f"last {number}":
                            break
            due += await ids_between(club, staff, dialog, first["id"], heard[0][-1])
            await seat(staff, dialog, player, taken=False)
        stop.set()
        await asyncio.gather(*writers)
    for ids in heard:
        assert ids == sorted(set(ids)), "told twice, or out of order"
        missed = set(due) - set(ids)
        assert not missed, f"{len(missed)} of {len(due)} were not told"


async def ids_between(
    club: Club, staff: Person, dialog: Any, first: int, last: int
) -> list[int]:
    path = f"/api/dialogs/{dialog['id']}/messages?before={last + 1}&limit=200"
    found = (await staff.get(path))["messages"]
    return [message["id"] for message in found if message["id"] >= first]


# --- between the look at a member and the listening ------------------------------------------


async def test_socket_that_was_looked_up_before_its_member_joined_hears_the_dialog(
    club: Club,
) -> None:
    player, other, staff = await people(club)
    dialog = await begins(other)
    who = await club.app[AUTH].listener(player.token)
    await seat(staff, dialog, player, taken=True)
    await club.settled()
    visitor = await club.visitor("websocket")
    socket = club.app[SOCKETS].get(visitor.client.get_sid())
    assert socket is not None

    await club.app[SOCKETS].identify(socket, who)

    await writes(other, dialog, "Hello")
    assert (await visitor.hears("new_message"))["text"] == "Hello"
    await visitor.close()


async def test_socket_that_was_looked_up_before_its_member_left_hears_nothing(
    club: Club,
) -> None:
    player, other, staff = await people(club)
    dialog = await begins(other, player)
    await club.settled()
    who = await club.app[AUTH].listener(player.token)
    await seat(staff, dialog, player, taken=False)
    await club.settled()
    visitor = await club.visitor("websocket")
    socket = club.app[SOCKETS].get(visitor.client.get_sid())
    assert socket is not None

    await club.app[SOCKETS].identify(socket, who)

    await writes(other, dialog, "Secret")
    await club.tell_everybody()
    await visitor.hears("cases:updated", 2)
    assert visitor.all("new_message") == []
    await visitor.close()


async def test_stream_that_was_looked_up_before_its_member_joined_hears_the_dialog(
    club: Club,
) -> None:
    player, other, staff = await people(club)
    dialog = await begins(other)
    who = await club.app[AUTH].listener(player.token)
    await seat(staff, dialog, player, taken=True)
    await club.settled()
    with club.app[FEEDS].open(WS_STREAM, address="203.0.113.9", who=who, after=None) as feed:
        await feed.start()
        await writes(other, dialog, "Hello")
        (told,) = [each for each in await feed.next(PATIENCE_S) if each.name == "new_message"]
        assert told.data["text"] == "Hello"


@pytest.fixture
async def pausing(club: Club, dsn: str) -> AsyncIterator[tuple[PausingLog, Feeds]]:
    db = Database(dsn)
    await db.open()
    log = PausingLog(db)
    feeds = Feeds(log, club.app[RELAY], Departures(), FeedLimits(queue=100), grace_s=1.0)
    yield log, feeds
    club.app[RELAY].listeners.remove(feeds)
    await db.close()


@pytest.mark.parametrize("moment", ["first", "then"])
@pytest.mark.parametrize("joins", ["before", "meanwhile"])
async def test_joining_while_a_page_is_read_loses_nothing(
    club: Club, pausing: tuple[PausingLog, Feeds], moment: str, joins: str
) -> None:
    log, feeds = pausing
    player, other, staff = await people(club)
    dialog = await begins(other)
    start = Cursor.parse(await here(club))

    async def nothing() -> None:
        pass

    async def meanwhile() -> None:
        setattr(log, moment, nothing)
        if joins == "meanwhile":
            await seat(staff, dialog, player, taken=True)
        for number in range(3):
            await writes(other, dialog, f"{number}")
        await club.settled()

    who = await club.app[AUTH].listener(player.token)
    if joins == "before":
        # After the member was looked up; the relay has passed it by when the stream begins.
        await seat(staff, dialog, player, taken=True)
        await club.settled()
    setattr(log, moment, meanwhile)
    texts: list[str] = []
    with feeds.open(WS_STREAM, address="203.0.113.9", who=who, after=start) as feed:
        items = await feed.start()
        await writes(other, dialog, "end")
        async with asyncio.timeout(PATIENCE_S):
            while "end" not in texts:
                texts += [each.data["text"] for each in items if each.name == "new_message"]
                items = await feed.next(PATIENCE_S) if "end" not in texts else []
        assert texts == ["0", "1", "2", "end"]
        await club.settled()
        assert await feed.next(0) == []


# --- asking what is heard --------------------------------------------------------------------


async def test_subscribe_says_what_is_heard_and_opens_nothing(club: Club) -> None:
    player, stranger, staff = await people(club)
    mine, also = await begins(player), await begins(player)
    own, secret = [mine["id"], also["id"]], await begins(staff)
    door = await player.comes("websocket")

    assert await door.ask("subscribe") == {"success": True, "dialogIds": own}
    assert await door.hears("subscribed") == {"dialogIds": own}
    asked = {"dialogIds": [also["id"]]}
    assert (await door.ask("subscribe", asked))["dialogIds"] == [also["id"]]
    for wrong in (secret["id"], 2**53 - 1):
        ack = await door.ask("subscribe", {"dialogIds": [mine["id"], wrong]})
        assert (ack["success"], ack["code"]) == (False, "not_found")
    await writes(staff, secret, "Nobody hears it")
    await club.tell_everybody()
    await door.hears("cases:updated", 2)
    assert door.all("new_message") == []
    await player.leave()

    guest = await club.visitor("websocket")
    assert (await guest.ask("subscribe"))["code"] == "unauthorized"
    await guest.close()


async def test_plain_socket_subscribes_and_is_told_of_dialogs(club: Club) -> None:
    player, stranger, staff = await people(club)
    mine, secret = await begins(player), await begins(staff)
    await club.settled()
    async with PlainSocket.open(
        club, "/ws", userId=player.id, token=player.token
    ) as socket:
        assert (await socket.next())["type"] == "connected"
        heard = {"type": "subscribed", "detail": {"dialogIds": [mine["id"]]}}
        assert await socket.ask({"type": "subscribe"}) == heard
        assert await socket.ask({"type": "subscribe", "dialogIds": [mine["id"]]}) == heard
        for wrong in (secret["id"], 2**53 - 1):
            answer = await socket.ask({"type": "subscribe", "dialogIds": [wrong]})
            assert (answer["type"], answer["code"]) == ("error", "not_found")
        await writes(staff, secret, "Nobody hears it")
        sent = await writes(staff, mine, "Hello")
        assert await socket.event() == ("new_message", sent)
        name, data = await socket.event()
        assert (name, data["unread"], data["lastMessage"]) == ("dialog_update", 1, sent)
        name, data = await socket.event()
        assert (name, data["kind"]) == ("notification:new", "reply")
        assert await socket.ask({"type": "ping"}) == {"type": "pong"}


async def test_typing_is_heard_by_the_others_and_by_staff_and_found_nowhere_later(
    club: Club,
) -> None:
    player, other, staff = await people(club)
    stranger = await club.person(has_password=False)
    dialog = await begins(player, other)
    start = await here(club)
    doors = {
        person.id: await person.comes("websocket") for person in (player, other, staff, stranger)
    }
    async with EventStream.open(club, token=other.token) as stream:
        ack = await doors[player.id].ask("dialog:typing", {"dialogId": dialog["id"]})
        assert ack == {"success": True}
        told = {"dialogId": dialog["id"], "userId": player.id}
        assert await doors[other.id].hears("dialog:typing") == told
        assert await doors[staff.id].hears("dialog:typing") == told
        assert await stream.event() == ("dialog:typing", told)
    for door, code in ((doors[stranger.id], "not_found"), (await club.visitor("websocket"), "")):
        ack = await door.ask("dialog:typing", {"dialogId": dialog["id"]})
        assert ack["code"] == (code or "unauthorized")
        if not code:
            await door.close()
    await club.tell_everybody()
    for id_ in (player.id, stranger.id):
        await doors[id_].hears("cases:updated", 2)
        assert doors[id_].all("dialog:typing") == []
    assert len(doors[other.id].all("dialog:typing")) == 1
    page = await other.get(f"/api/updates?after={start}")
    assert "dialog:typing" not in [event["event"] for event in page["events"]]
    for person in (player, other, staff, stranger):
        await person.leave()


async def test_typing_is_said_on_a_plain_socket_and_heard_at_every_door(
    dsn: str, tmp_path: Path
) -> None:
    async with Club.open(make_config(dsn, tmp_path, typing_burst=4, typing_per_minute=1)) as club:
        player, other, staff = await people(club)
        mine, secret = await begins(player, other), await begins(other)
        ears = [await person.comes("websocket") for person in (other, staff)]
        say = {"type": "dialog:typing", "dialogId": mine["id"]}
        told = {"dialogId": mine["id"], "userId": player.id}
        async with (
            EventStream.open(club, token=other.token) as stream,
            PlainSocket.open(club, "/ws", userId=player.id, token=player.token) as socket,
        ):
            assert (await socket.next())["type"] == "connected"
            # Nothing is answered; other connections of the member hear it, and so does this one.
            assert await socket.ask(say) == {"type": "dialog:typing", "detail": told}
            assert [await ear.hears("dialog:typing") for ear in ears] == [told, told]
            assert await stream.event() == ("dialog:typing", told)
            for wrong, code in (
                (say | {"dialogId": secret["id"]}, "not_found"),
                (say | {"dialogId": 2**53 - 1}, "not_found"),
                ({"type": "dialog:typing"}, "validation_failed"),
                (say, None),
                (say, "too_many_requests"),
            ):
                answer = await socket.ask(wrong)
                assert answer.get("code") == code
        async with PlainSocket.open(club, token=player.token) as stream_only:
            assert (await stream_only.next())["type"] == "welcome"
            assert (await stream_only.ask(say))["code"] == "unknown_type"
        for ear in ears:
            assert ear.all("dialog:typing") == [told, told]


async def test_plain_socket_asks_as_who_its_member_is_now(club: Club) -> None:
    player, other, staff = await people(club)
    secret = await begins(other)
    subscribe = {"type": "subscribe", "dialogIds": [secret["id"]]}
    typing = {"type": "dialog:typing", "dialogId": secret["id"]}
    async with PlainSocket.open(club, "/ws", userId=staff.id, token=staff.token) as socket:
        assert (await socket.next())["type"] == "connected"
        assert (await socket.ask(subscribe))["type"] == "subscribed"
        await club.give_role(staff, "member")
        for asked in (subscribe, typing):
            assert (await socket.ask(asked))["code"] == "not_found"


async def test_message_by_socket_is_the_same_as_by_http(club: Club) -> None:
    player, stranger, staff = await people(club)
    dialog = await begins(player)
    door, strange = await player.comes("websocket"), await stranger.comes("websocket")
    said = {"dialogId": dialog["id"], "text": "By socket", "localId": "a"}

    ack = await door.ask("dialog:send", said)

    assert ack["success"] is True
    assert ack["message"] == await door.hears("new_message")
    assert (await posts(player, dialog, "By HTTP", localId="a"))["message"] == ack["message"]
    refusals = {
        "not_found": (strange, said),
        "forbidden": (door, said | {"internal": True}),
        "validation_failed": (door, said | {"text": " "}),
    }
    for code, (where, what) in refusals.items():
        refused = await where.ask("dialog:send", what)
        assert (refused["success"], refused["code"]) == (False, code)
    guest = await club.visitor("websocket")
    assert (await guest.ask("dialog:send", said))["code"] == "unauthorized"
    await guest.close()
    await club.tell_everybody()
    await door.hears("cases:updated", 2)
    assert len(door.all("new_message")) == 1
    assert strange.all("new_message") == []
    for person in (player, stranger):
        await person.leave()
