"""The client that pages use: socket.io-client, over every transport it knows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from server.config import Config
from tests.clients.js import JsDoor
from tests.club import Club, line

TRANSPORTS = {
    "websocket": ["websocket"],
    "polling": ["polling"],
    "upgrade": ["polling", "websocket"],
}


@pytest.fixture(params=list(TRANSPORTS))
def transports(request: pytest.FixtureRequest) -> list[str]:
    return TRANSPORTS[request.param]


@asynccontextmanager
async def client(club: Club, *arguments: Any, **options: Any) -> AsyncIterator[JsDoor]:
    await club.settled()
    door = JsDoor(club, *arguments, **options)
    await door.open()
    try:
        yield door
    finally:
        await door.close()


async def test_player_identifies_opens_a_case_and_hears_of_it_once(
    club: Club, transports: list[str]
) -> None:
    player = await club.person(balance=100)
    case = await club.create_case(price=30, items=[line("Headset", value=75)])
    async with client(club, transports) as page:
        assert await page.says("opened") == {"opened": transports[0]}
        await page.says("connected")
        if len(transports) > 1:
            assert await page.says("upgraded") == {"upgraded": transports[1]}
        ack = await page.ask("user:identify", {"userId": player.id, "token": player.token})
        assert ack == {"success": True, "userId": player.id}

        opened = await page.fetch(
            "POST", "/api/cases/open", {"caseId": case["id"]}, player.token
        )
        await club.tell_everybody()
        await page.hears("cases:updated", 2)

        assert (opened["status"], opened["body"]["balance"]) == (200, 70)
        assert page.names() == [
            f"balance:updated:{player.id}",
            f"inventory:updated:{player.id}",
            "drop:new",
            "cases:updated",
            "cases:updated",
        ]
        assert page.all(f"balance:updated:{player.id}") == [{"balance": 70}]
        assert page.all("drop:new")[0]["item"] == opened["body"]["item"]


async def test_token_in_connect_is_enough(club: Club, transports: list[str]) -> None:
    player = await club.person()
    async with client(club, transports, {"token": player.token}) as page:
        await page.says("connected")
        admin = await club.admin()

        await admin.post("/api/admin/balance/add", {"userId": player.id, "amount": 12.34})

        assert await page.hears(f"balance:updated:{player.id}") == {"balance": 12.34}


async def test_bad_token_in_connect_is_a_connect_error_with_its_code(
    club: Club, transports: list[str]
) -> None:
    player = await club.person()
    for token, code in (
        ("nonsense", "invalid_token"),
        (club.token(player, seconds=-5), "token_expired"),
    ):
        async with client(club, transports, {"token": token}) as page:
            refused = await page.says("refused")

            assert refused["data"] == {"code": code}
            # Refused is refused: the client does not knock again by itself.
            assert [line for line in page.said if "connected" in line] == []


async def test_refused_identify_is_told_in_the_ack(club: Club, transports: list[str]) -> None:
    player, other = await club.person(), await club.person()
    async with client(club, transports) as page:
        await page.says("connected")

        somebody = await page.ask("user:identify", {"userId": other.id, "token": player.token})
        nobody = await page.ask("user:identify", {"userId": player.id})
        nonsense = await page.ask("user:identify", "me")
        unknown = await page.ask("no:such:event")

        answers = (somebody, nobody, nonsense, unknown)
        assert [(a["success"], a["code"]) for a in answers] == [
            (False, "not_yourself"),
            (False, "unauthorized"),
            (False, "validation_failed"),
            (False, "unknown_event"),
        ]


async def test_client_comes_back_by_itself_after_a_restart(
    config: Config, transports: list[str]
) -> None:
    async with Club.open(config) as first:
        player = await first.person()
        port = urlsplit(first.url).port
        page = JsDoor(
            first,
            transports,
            {"token": player.token},
            reconnectionDelay=50,
            reconnectionDelayMax=200,
        )
        await page.open()
        await page.says("connected")
    draining = await page.hears("server:draining")
    assert draining["reconnectInMs"] > 0
    await page.says("disconnected")

    async with Club.open(replace(config, port=port)) as second:
        player.club = second
        await page.says("connected", 2)
        admin = await second.admin()
        await admin.post("/api/admin/balance/add", {"userId": player.id, "amount": 1})

        assert await page.hears(f"balance:updated:{player.id}") == {"balance": 1}
        await page.close()
