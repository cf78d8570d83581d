"""From door to door: whatever the network does, the kit tells each event once, in order."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from server.config import Config
from server.keys import SOCKETS
from server.realtime.sockets import Socket
from tests.clients.proxy import Proxy
from tests.club import Club, until
from tests.kit_python.bot import bot
from tests.kit_python.conftest import through
from tests.kit_python.teller import Teller


@pytest.mark.parametrize("transport", ["websocket", "polling", "updates"])
async def test_bot_that_may_use_one_transport_hears_over_it(
    club: Club, teller: Teller, transport: str
) -> None:
    async with bot(club.url, teller.player, transport=transport) as player:
        await player.is_online(transport)

        await teller.tells(3)

        await teller.all_heard(player)
        assert len(player.resyncs) == 1


Trouble = Callable[[Proxy], Awaitable[None]]


async def block_websocket(network: Proxy) -> None:
    network.block = "403"


async def swallow_answers(network: Proxy) -> None:
    network.block = "hanging"


async def swallow_frames(network: Proxy) -> None:
    network.block = "silence"


async def refuse_path(network: Proxy) -> None:
    network.refuses = b"/socket.io/"


async def cut(network: Proxy) -> None:
    network.is_cut = True


# What happens to the network, and how the bot is connected then.
TROUBLES: dict[str, tuple[Trouble, str | None]] = {
    "WebSocket is blocked": (block_websocket, "polling"),
    "WebSocket handshakes are swallowed": (swallow_answers, "polling"),
    "WebSockets are swallowed after the 101": (swallow_frames, "polling"),
    "Socket.IO is blocked": (refuse_path, "updates"),
    "everything is cut": (cut, None),
}


@pytest.mark.parametrize("trouble", list(TROUBLES))
async def test_bot_goes_down_and_comes_back_up_and_misses_and_repeats_nothing(
    teller: Teller, network: Proxy, trouble: str
) -> None:
    happens, via = TROUBLES[trouble]
    async with bot(network.url, teller.player) as player:
        await player.is_online("websocket")
        await teller.tells(2)
        for _ in range(3):
            since = len(player.states)
            await happens(network)
            await network.hang_up()
            await teller.tells(2)
            if via:
                await player.is_online(via, since)
            else:
                await player.is_down(since)
            await teller.tells(2)

            network.block, network.refuses, network.is_cut = None, None, False
            await teller.tells(2)
            await player.is_online("websocket", since)
            await teller.tells(2)

        await teller.all_heard(player)
        assert len(player.resyncs) == 1


async def test_bot_that_changes_doors_while_events_flow_misses_and_repeats_nothing(
    teller: Teller, network: Proxy
) -> None:
    async with bot(network.url, teller.player) as player:
        await player.is_online("websocket")
        over = asyncio.Event()

        async def flow() -> None:
            while not over.is_set():
                await teller.tells(1)

        flowing = asyncio.create_task(flow())
        for block, refuses, via in (
            (None, b"/socket.io/", "updates"),
            ("403", None, "polling"),
            (None, b"/socket.io/", "updates"),
            (None, None, "websocket"),
        ) * 3:
            since = len(player.states)
            network.block, network.refuses = block, refuses
            if refuses or block:
                await network.hang_up()
            await player.is_online(via, since)
        over.set()
        await flowing

        await teller.all_heard(player)
        assert len(player.resyncs) == 1


async def test_door_that_is_left_for_a_better_one_says_goodbye(
    club: Club, teller: Teller, network: Proxy
) -> None:
    sockets = club.app[SOCKETS]

    def of_the_bot() -> list[Socket]:
        return [s for s in sockets.all() if s.who and s.who.member.id == teller.player.id]

    network.block = "403"
    async with bot(network.url, teller.player) as player:
        await player.is_online("polling")
        (polling,) = of_the_bot()
        network.block = None
        await player.is_online("websocket")

        # It would be there for as long as it may be silent otherwise.
        async def is_gone() -> bool:
            return polling not in of_the_bot()

        await until(is_gone, "the club knows that it was left")
        assert len(of_the_bot()) == 1


async def test_bot_whose_websocket_is_swallowed_while_it_stands_comes_back(
    config: Config,
) -> None:
    # The heartbeat is what tells; as shipped it takes its time.
    quick = replace(config, engine=config.engine | {"ping_interval": 1.0, "ping_timeout": 1.0})
    async with AsyncExitStack() as stack:
        club = await stack.enter_async_context(Club.open(quick))
        network = await stack.enter_async_context(through(club))
        teller = Teller(await club.person(has_password=False))
        player = await stack.enter_async_context(bot(network.url, teller.player))
        await player.is_online("websocket")
        await teller.tells(2)
        since = len(player.states)

        network.swallows = True
        await teller.tells(2)
        await player.is_online("polling", since)
        await teller.tells(2)
        network.swallows = False

        await player.is_online("websocket", since)
        await teller.tells(2)
        await teller.all_heard(player)
        assert len(player.resyncs) == 1


async def test_bot_of_a_club_that_switches_real_time_off_and_on_only_changes_its_door(
    config: Config,
) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(AsyncExitStack())
        club = await first.enter_async_context(Club.open(config))
        port = urlsplit(club.url).port
        teller = Teller(await club.person(has_password=False))
        player = await stack.enter_async_context(bot(club.url, teller.player))
        await player.is_online("websocket")
        await teller.tells(2)
        for enabled, via in ((False, "updates"), (True, "websocket"), (False, "updates")):
            since = len(player.states)
            await first.aclose()
            changed = replace(config, port=port, realtime_enabled=enabled)
            club = await first.enter_async_context(Club.open(changed))
            teller.player.club = club
            await teller.tells(2)
            await player.is_online(via, since)
            await teller.tells(2)

        await teller.all_heard(player)
        assert len(player.resyncs) == 1


@pytest.mark.parametrize("changes", [{"transports": ("polling",)}, {"recovery_enabled": False}])
async def test_bot_uses_what_the_club_offers(config: Config, changes: dict[str, object]) -> None:
    async with Club.open(replace(config, **changes)) as club:  # type: ignore[arg-type]
        teller = Teller(await club.person(has_password=False))
        async with bot(club.url, teller.player) as player:
            # Without recovery sockets tell no cursors, and the updates do.
            await player.is_online("polling" if "transports" in changes else "updates")
            await teller.tells(3)
            await teller.all_heard(player)
