"""Coming back: when, and what if the log does not reach back that far."""

import asyncio
import time
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from engineio.base_client import connected_clients

from cyberhub_client import Event, Timing
from server.config import Config
from server.keys import DB
from tests.clients.proxy import Proxy
from tests.clients.wire import Wire
from tests.club import Club
from tests.kit_python.bot import TIMING, bot
from tests.kit_python.conftest import through
from tests.kit_python.teller import Teller
from tests.process.serving import member, serving
from tests.realtime.chronicle import Chronicle

_FORGET = "UPDATE event_log_head SET floor = head"
TRANSPORTS = ["websocket", "polling", "updates"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_bot_that_was_away_for_too_long_begins_anew_from_the_snapshot(
    club: Club, teller: Teller, network: Proxy, transport: str
) -> None:
    async with bot(network.url, teller.player, transport=transport) as player:
        await player.is_online(transport)
        await teller.tells(1)
        await player.hears("balance:updated")
        since = len(player.states)
        network.is_cut = True
        await network.hang_up()
        await player.is_down(since)

        await teller.tells(3)
        await club.settled()
        async with club.app[DB].transaction() as tx:
            await tx.execute(_FORGET)
        network.is_cut = False

        await player.is_online(transport, since)
        await player.until(lambda: len(player.resyncs) == 2)
        assert player.resyncs[-1].data["balance"] == 0.04
        await teller.tells(1)
        await player.hears("balance:updated", 2)
        # What the snapshot holds is not told event by event, and what follows it is, once.
        assert [data["balance"] for data in player.all("balance:updated")] == [0.01, 0.05]


@pytest.mark.parametrize("transport", [None, *TRANSPORTS])
async def test_bots_of_a_server_that_was_killed_miss_nothing(
    dsn: str, tmp_path: Path, transport: str | None
) -> None:
    id_, token = await member(dsn, f"bot-{transport}")
    loop = asyncio.get_running_loop()
    async with Chronicle.open(dsn) as chronicle:
        with ExitStack() as first, ExitStack() as second:
            server = first.enter_context(serving(dsn, tmp_path / "one"))
            async with Wire.open(server.port) as wire:
                begin = await chronicle.number()
                async with bot(wire.url, token=token, transport=transport) as player:
                    await player.is_online(transport or "websocket")
                    # In the middle of telling.
                    await chronicle.tell(500, id_)
                    since = len(player.states)
                    await loop.run_in_executor(None, server.kill)
                    await player.is_down(since)
                    await chronicle.tell(100, id_)
                    other = second.enter_context(serving(dsn, tmp_path / "two"))
                    wire.port = other.port
                    await player.is_online(transport or "websocket", since)
                    last = await chronicle.tell(1, id_)
                    await player.until(lambda: player.heard and player.heard[-1].cursor == last)

                    assert player.told() == await chronicle.due(begin, id_)
                    assert len(player.resyncs) == 1


async def test_bot_obeys_a_server_that_says_when_to_come_back(config: Config) -> None:
    impatient = Timing(retry=(0.001, 0.002), climb=(0.001, 0.002))
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(AsyncExitStack())
        club = await first.enter_async_context(Club.open(config))
        port = urlsplit(club.url).port
        player = await stack.enter_async_context(bot(club.url, timing=impatient))
        await player.is_online("websocket")
        due: list[float] = []

        def note(event: Event) -> None:
            due.append(time.time() + event.data["reconnectInMs"] / 1000)

        player.client.on("server:draining", note)
        since = len(player.states)
        await first.aclose()

        await player.until(lambda: any(s.retry_at > 0 for s in player.states[since:]))
        down = next(state for state in player.states[since:] if state.retry_at > 0)
        # A hundredth for the way from one function to the other.
        assert down.retry_at > due[0] - 0.01
        assert str(down).startswith("reconnecting")
        await stack.enter_async_context(Club.open(replace(config, port=port)))
        await player.is_online("websocket", since)


async def test_bot_hears_through_a_club_where_too_many_wait(config: Config) -> None:
    async with Club.open(replace(config, updates_max_waiting=0)) as club:
        teller = Teller(await club.person(has_password=False))
        async with bot(club.url, teller.player, transport="updates") as player:
            await player.is_online("updates")
            await teller.tells(2)
            await teller.all_heard(player)


async def test_bot_finds_the_way_through_a_proxy_that_ends_what_takes_long(
    teller: Teller, network: Proxy
) -> None:
    async with bot(network.url, teller.player, transport="updates") as player:
        await player.is_online("updates")
        since = len(player.states)
        for _ in range(3):
            await teller.tells(1)
            await network.hang_up()
        await teller.all_heard(player)
        assert player.states[since:] == []


async def test_bot_that_came_before_the_club_waits_for_it(config: Config) -> None:
    async with Club.open(config) as club:
        teller = Teller(await club.person(has_password=False))
        async with through(club) as network:
            network.is_cut = True
            entering = asyncio.create_task(_first_balance(network.url, teller))
            await asyncio.wait((entering,), timeout=0.3)
            assert not entering.done()
            network.is_cut = False
            assert await asyncio.wait_for(entering, 10) == 0


async def _first_balance(url: str, teller: Teller) -> float:
    async with bot(url, teller.player) as player:
        assert player.client.snapshot is not None
        return float(player.client.snapshot["balance"])


async def test_bot_that_came_back_a_hundred_times_leaves_nothing_behind(
    club: Club, teller: Teller, network: Proxy
) -> None:
    before = len(connected_clients)
    tasks = len(asyncio.all_tasks())
    async with bot(network.url, teller.player, timing=TIMING) as player:
        for transport in ("websocket", "polling") * 10:
            network.block = None if transport == "websocket" else "403"
            since = len(player.states)
            await network.hang_up()
            await player.is_online(transport, since)
        await teller.tells(1)
        await teller.all_heard(player)
        assert len(connected_clients) <= before + 2
    assert len(connected_clients) == before
    assert len(asyncio.all_tasks()) <= tasks
