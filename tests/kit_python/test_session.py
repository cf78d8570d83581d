"""Who is signed in: tokens that end, are renewed, or are refused."""

import asyncio
from dataclasses import replace

import pytest

from cyberhub_client import ApiError, Client, SignedOut
from server.config import Config
from server.keys import DB, SOCKETS
from tests.clients.proxy import Proxy
from tests.club import PASSWORD, Club, until
from tests.happenings import top_up
from tests.kit_python.bot import TIMING, bot
from tests.kit_python.conftest import through
from tests.kit_python.teller import Teller

TRANSPORTS = ["websocket", "polling", "updates"]


async def test_member_signs_in_with_name_and_password(club: Club) -> None:
    player = await club.person()
    async with bot(club.url, username=player.username, password=PASSWORD) as running:
        await running.is_online("websocket")
        await top_up(club, player)
        assert await running.hears(f"balance:updated:{player.id}") == {"balance": 0.01}
        assert running.client.session.user_id == player.id
        token = running.client.session.token
        assert token is not None and token not in repr(running.client.session)


async def test_wrong_password_is_raised_with_its_code(club: Club) -> None:
    player = await club.person()
    with pytest.raises(ApiError) as refused:
        async with Client(club.url, username=player.username, password="not the password"):
            raise AssertionError("it was let in")
    assert (refused.value.status, refused.value.code) == (401, "wrong_credentials")


async def test_visitor_hears_what_all_hear(club: Club) -> None:
    player = await club.person(has_password=False)
    async with bot(club.url) as visitor:
        await visitor.is_online("websocket")
        await top_up(club, player)
        await club.tell_everybody()
        await visitor.hears("cases:updated", 2)
        assert visitor.all("balance:updated") == []
        assert visitor.client.snapshot is None


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_token_is_renewed_before_it_ends_and_the_connection_stays(
    config: Config, transport: str
) -> None:
    # Shorter than this would be at the mercy of a busy machine.
    async with Club.open(replace(config, token_ttl_s=4)) as club:
        teller = Teller(await club.person(has_password=False))
        token = club.token(teller.player, seconds=4)
        async with bot(club.url, token=token, transport=transport) as player:
            await player.is_online(transport)
            since = len(player.states)
            for _ in range(2):
                renewed = asyncio.Event()
                off = player.client.on("session", lambda session, renewed=renewed: renewed.set())
                await asyncio.wait_for(renewed.wait(), 10)
                off()
                await teller.tells(1)
                await player.hears("balance:updated", teller.told)

            assert player.all("auth:expired") == []
            assert player.states[since:] == []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_bot_whose_account_is_gone_is_told_so(
    club: Club, network: Proxy, transport: str
) -> None:
    player = await club.person(has_password=False)
    async with bot(network.url, player, transport=transport) as running:
        await running.is_online(transport)
        async with club.app[DB].transaction() as tx:
            await tx.execute("DELETE FROM users WHERE id = $1", player.id)
        await network.hang_up()

        await running.until(lambda: running.ending)
        assert isinstance(running.ending, SignedOut)
        assert running.ending.code == "invalid_token"
        assert str(running.client.state) == "offline"
        assert running.client.session.ended
        with pytest.raises(SignedOut):
            await running.client.wait()


async def test_token_that_ended_is_refused_at_the_beginning(club: Club) -> None:
    player = await club.person(has_password=False)
    with pytest.raises(ApiError) as refused:
        async with Client(club.url, token=club.token(player, seconds=-60)):
            raise AssertionError("it was let in")
    assert refused.value.code == "token_expired"


async def test_name_and_password_do_where_the_token_ended(club: Club) -> None:
    person = await club.person()
    ended = club.token(person, seconds=-60)
    async with bot(
        club.url, token=ended, username=person.username, password=PASSWORD
    ) as player:
        await player.is_online("websocket")
        await top_up(club, person)
        await player.hears("balance:updated")


async def test_another_members_token_begins_anew_as_that_member(club: Club) -> None:
    first = await club.person(has_password=False)
    second = await club.person(has_password=False)
    async with bot(club.url, first) as player:
        await player.is_online("websocket")
        await top_up(club, first)
        await player.hears(f"balance:updated:{first.id}")
        since = len(player.states)
        await top_up(club, second, 2)

        await player.client.set_token(second.token)
        await player.is_online("websocket", since)
        for person in (first, second):
            await top_up(club, person)

        assert await player.hears(f"balance:updated:{second.id}") == {"balance": 0.03}
        assert player.all(f"balance:updated:{first.id}") == [{"balance": 0.01}]
        assert player.resyncs[-1].data["user"]["id"] == second.id
        assert player.client.session.user_id == second.id


async def test_fresh_token_of_the_same_member_keeps_the_connection(club: Club) -> None:
    teller = Teller(await club.person(has_password=False))
    async with bot(club.url, teller.player) as player:
        await player.is_online("websocket")
        since = len(player.states)
        await player.client.set_token(club.token(teller.player, seconds=600))
        await teller.tells(2)
        await teller.all_heard(player)
        assert player.states[since:] == []
        assert len(player.resyncs) == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_bot_that_gets_a_fresh_token_after_its_rooms_were_lost_misses_nothing(
    config: Config, transport: str
) -> None:
    short = replace(config, token_ttl_s=2, auth_grace_s=0.1)
    async with Club.open(short) as club, through(club) as network:
        teller = Teller(await club.person())
        async with bot(
            network.url,
            username=teller.player.username,
            password=PASSWORD,
            transport=transport,
            timing=replace(TIMING, renew=0.2),
        ) as player:
            await player.is_online(transport)
            await teller.tells(1)
            network.refuses = b"/api/auth/"
            sockets, since = club.app[SOCKETS], len(player.states)
            if transport == "updates":
                await player.is_down(since)
            else:
                await player.hears("auth:expired")

            async def is_nobodys() -> bool:
                return all(socket.who is None for socket in sockets.all())

            await until(is_nobodys, "the rooms are lost")
            await teller.tells(1)
            await club.settled()
            network.refuses = None
            await player.is_online(transport, since)
            await teller.tells(1)

            await teller.all_heard(player)
            assert len(player.resyncs) == 1
