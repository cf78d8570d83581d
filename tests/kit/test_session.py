"""Who is signed in: tokens that end, are renewed, or are refused."""

import asyncio
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from server.config import Config
from server.keys import SOCKETS
from tests import notices
from tests.club import PASSWORD, Club, until
from tests.kit.conftest import through
from tests.kit.kit import Kit, Refused, kit, session_of
from tests.kit.teller import Teller

KIT = Path(__file__).parents[2] / "clients" / "javascript"
TRANSPORTS = ["websocket", "polling", "updates"]


# Node has none of its own.
_TWO_CLUBS = """
const kept = new Map();
globalThis.localStorage = {
  getItem: (name) => kept.get(name) ?? null,
  setItem: (name, text) => kept.set(name, text),
  removeItem: (name) => kept.delete(name),
};
const { CyberHub } = await import(%s);
const token = (url) => new CyberHub({ url }).session.token;
new CyberHub({ url: "https://one.example" }).setSession({ token: "secret", user: { id: 1 } });
console.log(token("https://one.example"), token("https://two.example"), token(""));
"""


def test_club_is_not_told_the_token_of_another_one() -> None:
    script = _TWO_CLUBS % json.dumps((KIT / "index.js").as_uri())
    said = subprocess.run(
        ["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["secret", "null", "null"]


def signed_out(page: Kit) -> bool:
    return any(line.get("session", {"token": 1})["token"] is None for line in page.said)


async def test_member_signs_in_hears_signs_out_and_hears_no_more(club: Club) -> None:
    player = await club.person()
    admin = await club.admin()
    async with kit(club.url) as page:
        await page.is_online("websocket")
        await page.do("signIn", player.username, PASSWORD)
        await page.says(lambda line: (line.get("resync") or {}).get("balance") == 0)
        await page.says(lambda line: line.get("session", {}).get("token") is not None)
        since = len(page.said)
        await page.is_online("websocket", since - 1)

        await admin.post("/api/admin/balance/add", {"userId": player.id, "amount": 5})
        assert await page.hears(f"balance:updated:{player.id}") == {"balance": 5}
        assert (await page.do("snapshot"))["balance"] == 5

        since = len(page.said)
        await page.do("signOut")
        await page.says(lambda line: "resync" in line, since)
        await page.is_online("websocket", since)
        await admin.post("/api/admin/balance/add", {"userId": player.id, "amount": 5})
        await club.tell_everybody()
        await page.hears("cases:updated", 2)
        assert page.all(f"balance:updated:{player.id}") == [{"balance": 5}]
        assert await page.do("snapshot") is None


async def test_snapshot_counts_what_is_unread(club: Club) -> None:
    player = await club.person(has_password=False)
    async with kit(club.url, player) as page:

        async def counts(unread: int) -> None:
            async def does() -> bool:
                snapshot = await page.do("snapshot")
                return snapshot is not None and snapshot["unread"] == unread

            await until(does, f"{unread} are unread")

        await counts(0)
        # The second takes the place of the first.
        for _ in range(2):
            await notices.told(club, player, ("reply", {"dialogId": 1}, "dialog:1"))
        await notices.told(club, player, ("reminder", {}, None))
        await counts(2)
        newest = (await notices.listed(player))["notifications"][0]["id"]
        await player.post("/api/notifications/read", {"upTo": newest})
        await counts(0)


async def test_wrong_password_is_raised_with_its_code(club: Club) -> None:
    player = await club.person()
    async with kit(club.url) as page:
        with pytest.raises(Refused) as refused:
            await page.do("signIn", player.username, "not the password")
    assert (refused.value.status, refused.value.code) == (401, "wrong_credentials")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_token_is_renewed_before_it_ends_and_the_connection_stays(
    config: Config, transport: str
) -> None:
    # Shorter than this would be at the mercy of a busy machine.
    async with Club.open(replace(config, token_ttl_s=4)) as club:
        player = await club.person(has_password=False)
        admin = club.token(await club.admin(), seconds=60)
        async with kit(club.url, player, transport=transport) as page:
            await page.is_online(transport)
            since = len(page.said)

            async def renewed_twice() -> bool:
                return sum("session" in line for line in page.said[since:]) >= 2

            await until(renewed_twice, "the token is renewed")
            body = {"userId": player.id, "amount": 5}
            answer = await club.call("POST", "/api/admin/balance/add", body, token=admin)
            assert answer.status == 200
            assert await page.hears(f"balance:updated:{player.id}") == {"balance": 5}

        assert not signed_out(page)
        assert page.all("auth:expired") == []
        assert not any("state" in line for line in page.said[since:]), "it stayed connected"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_member_whose_token_cannot_be_renewed_is_signed_out_and_hears_what_all_hear(
    club: Club, transport: str
) -> None:
    player = await club.person(has_password=False)
    session = await session_of(player)
    # Without `expiresAt` nobody knows when to renew it.
    session |= {"token": club.token(player, seconds=2), "expiresAt": None}
    async with kit(club.url, session=session, transport=transport) as page:
        await page.is_online(transport)
        ended = await page.says(lambda line: line.get("session", {}).get("ended") is True)
        # It goes on as a visitor.
        await page.is_online(transport, page.said.index(ended))
        await club.tell_everybody()
        await page.hears("cases:updated", 2)
        assert await page.do("snapshot") is None


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_member_who_comes_with_a_token_that_ended_is_signed_out(
    club: Club, transport: str
) -> None:
    player = await club.person(has_password=False)
    session = await session_of(player)
    session |= {"token": club.token(player, seconds=-60)}
    async with kit(club.url, session=session, transport=transport) as page:
        await page.says(lambda line: line.get("session", {}).get("ended") is True)
        await page.is_online(transport)
        assert (await page.do("session"))["token"] is None


async def test_token_that_comes_long_after_the_old_one_ended_leaves_no_hole(config: Config) -> None:
    async with (
        Club.open(replace(config, auth_grace_s=0.2)) as club,
        through(club) as network,
    ):
        teller = Teller(await club.person(has_password=False))
        session = await session_of(teller.player)
        short = session | {"token": club.token(teller.player, seconds=3), "expiresAt": None}
        network.refuses, network.refusal = b"/api/auth/refresh", "busy"
        async with kit(network.url, session=short) as page:
            await page.is_online("websocket")
            await teller.tells(1)
            since = len(page.said)
            await page.hears("auth:expired")

            async def over() -> bool:
                return not any(each.who for each in club.app[SOCKETS].all())

            await until(over, "the grace is over")
            await teller.tells(2)
            await club.tell_everybody()
            await page.do("setSession", session)

            await page.is_online("websocket", since)
            await teller.tells(1)
            await teller.all_heard(page)
            assert page.count("resync") == 1


async def test_somebody_elses_token_begins_anew_as_that_member(club: Club) -> None:
    first = await club.person(balance=1, has_password=False)
    second = await club.person(balance=2, has_password=False)
    async with kit(club.url, first) as page:
        await page.is_online("websocket")
        since = len(page.said)

        await page.do("setSession", await session_of(second))
        await page.is_online("websocket", since)

        assert (await page.do("snapshot"))["user"]["id"] == second.id
        admin = await club.admin()
        for person in (first, second):
            await admin.post("/api/admin/balance/add", {"userId": person.id, "amount": 5})
        assert await page.hears(f"balance:updated:{second.id}") == {"balance": 7}
        assert page.all(f"balance:updated:{first.id}") == []


async def test_commands_are_acked_over_a_socket_and_go_by_their_route_without_one(
    club: Club,
) -> None:
    player = await club.person(has_password=False)
    async with kit(club.url, player) as page:
        await page.is_online("websocket")
        assert (await page.do("emit", "ping"))["success"] is True
        with pytest.raises(Refused) as refused:
            await page.do("emit", "no:such:command")
        assert refused.value.code == "unknown_event"
    async with kit(club.url, player, transport="updates") as page:
        await page.is_online("updates")
        with pytest.raises(Refused) as refused:
            await page.do("emit", "ping")
        assert refused.value.code == "no_socket"


async def test_requests_raise_what_the_club_says_and_that_nobody_answered(club: Club) -> None:
    player = await club.person(has_password=False)
    async with kit(club.url, player) as page:
        assert (await page.do("get", "/api/balance"))["balance"] == 0
        with pytest.raises(Refused) as refused:
            await page.do("post", "/api/inventory/claim", {"inventoryId": "x"})
        assert (refused.value.status, refused.value.code) == (400, "validation_failed")
    async with kit("http://127.0.0.1:1") as page:
        with pytest.raises(Refused) as refused:
            await page.do("get", "/api/balance")
        assert (refused.value.status, refused.value.code) == (0, "network")
        await asyncio.wait_for(page.is_down(), 10)
