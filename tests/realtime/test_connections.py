"""`GET /api/admin/connections`: who is there at every door, and how each of them fares."""

import json
from typing import Any

import pytest

from server.config import Config
from server.keys import FEEDS
from server.realtime.feeds import EXPIRED
from tests.club import Club, Person, until
from tests.conftest import make_config
from tests.happenings import here, tell_all, tell_much
from tests.realtime.raw_page import RawPage
from tests.streams import EventStream, PlainSocket


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_config(dsn, tmp_path_factory.mktemp("var"), stream_queue=5)


async def of(club: Club, person: Person | None) -> dict[str, Any]:
    """The connections of a person, or of guests, by transport."""
    staff = await club.admin()
    found = (await staff.get("/api/admin/connections"))["connections"]
    who = person and person.id
    return {each["transport"]: each for each in found if each["userId"] == who}


async def shows(club: Club, person: Person | None, transport: str, what: Any) -> Any:
    """Wait until the person's connection is shown so."""

    async def shown() -> Any:
        each = (await of(club, person)).get(transport)
        return each if each is not None and what(each) else None

    return await until(shown, f"{transport} is shown so")


async def test_member_is_shown_at_every_door_with_position_and_lag(club: Club) -> None:
    player = await club.person(has_password=False)
    await player.comes("websocket")
    await player.comes("updates")
    token = player.token
    async with (
        EventStream.open(club, token=token),
        PlainSocket.open(club, token=token) as stream,
        PlainSocket.open(club, "/ws", userId=player.id, token=token) as socket,
    ):
        await stream.next(), await socket.next()
        await tell_all(club)
        cursor = await here(club)
        for transport in ("websocket", "event-stream", "ws-stream", "ws", "updates"):
            shown = await shows(
                club, player, transport, lambda each: each["position"] == cursor
            )
            assert shown["username"] == player.username
            assert (shown["address"], shown["lag"]) == ("127.0.0.1", 0)
            assert shown["bufferedBytes"] >= 0 and shown["since"].endswith("Z")
    await player.leave()


async def test_socket_that_is_told_what_it_missed_is_shown_as_far_behind_as_it_is(
    club: Club, transport: str
) -> None:
    player = await club.person(has_password=False)
    page = RawPage(token=player.token, after=await here(club))
    await tell_much(club, player)
    await club.settled()
    await page.begin(club, transport)

    behind = await shows(club, player, transport, lambda each: each["lag"] > 0)
    assert behind["position"] != await here(club)

    await page.enter()
    await shows(club, player, transport, lambda each: each["lag"] == 0)
    assert len(page.heard) == 501
    await page.go()


async def test_socket_that_says_where_it_is_is_shown_as_far_behind_as_it_is(club: Club) -> None:
    player = await club.person(has_password=False)
    start = await here(club)
    await tell_much(club, player)
    await club.settled()
    page = RawPage()
    await page.come(club)
    page.stop_reading()
    me = {"userId": player.id, "token": player.token, "after": start}
    await page.say("421" + json.dumps(["user:identify", me]))

    await shows(club, None, "websocket", lambda each: each["lag"] > 0)

    page.read_again()
    while not page.acks:
        await page.step()
    await shows(club, player, "websocket", lambda each: each["lag"] == 0)
    assert len(page.heard) == 501
    await page.go()


async def test_client_that_does_not_read_is_shown_with_what_waits_for_it(club: Club) -> None:
    player = await club.person(has_password=False)
    async with EventStream.open(club, token=player.token) as stream:
        await tell_much(club, player)

        behind = await shows(club, player, "event-stream", lambda each: each["bufferedBytes"] > 0)
        assert behind["lag"] > 0

        for _ in range(501):
            await stream.next()
        await shows(
            club, player, "event-stream", lambda e: (e["lag"], e["bufferedBytes"]) == (0, 0)
        )


async def test_how_the_last_connection_ended_is_shown_with_the_next(club: Club) -> None:
    player = await club.person(has_password=False)
    async with PlainSocket.open(club, token=player.token) as socket:
        await socket.next()
        first = await shows(club, player, "ws-stream", lambda each: True)
        assert first["lastClose"] is None

    async with EventStream.open(club, token=player.token):
        shown = await shows(club, player, "event-stream", lambda each: each["lastClose"])
        last = shown["lastClose"]
        assert (last["transport"], last["reason"]) == ("ws-stream", "client left")
        assert last["at"].endswith("Z")

    await player.comes("websocket")
    await shows(
        club,
        player,
        "websocket",
        lambda e: e["lastClose"] and e["lastClose"]["transport"] == "event-stream",
    )
    await player.leave()
    async with EventStream.open(club, token=player.token):
        shown = await shows(
            club,
            player,
            "event-stream",
            lambda e: e["lastClose"] and e["lastClose"]["transport"] == "socket.io",
        )
        assert shown["lastClose"]["reason"] in ("client disconnect", "transport close")


async def test_reason_is_the_servers_where_the_server_ended_it(club: Club) -> None:
    player = await club.person(has_password=False)
    async with PlainSocket.open(club, token=player.token) as socket:
        await socket.next()
        for feed in club.app[FEEDS].all():
            if feed.who is not None and feed.who.member.id == player.id:
                feed.end(EXPIRED)
        assert await socket.next() is None
    async with EventStream.open(club, token=player.token):
        shown = await shows(club, player, "event-stream", lambda each: each["lastClose"])
        assert shown["lastClose"]["reason"] == "token expired"
