"""From door to door: whatever the network does, the kit tells each event once, in order."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from server.config import Config
from tests.clients.proxy import Proxy
from tests.club import Club
from tests.kit.conftest import through
from tests.kit.kit import kit
from tests.kit.teller import Teller


@pytest.fixture
async def teller(club: Club) -> Teller:
    return Teller(await club.person(has_password=False))


@pytest.mark.parametrize("transport", ["websocket", "polling", "updates"])
async def test_page_that_may_use_one_transport_hears_over_it(
    club: Club, teller: Teller, transport: str
) -> None:
    async with kit(club.url, teller.player, transport=transport) as page:
        await page.is_online(transport)

        await teller.tells(3)

        await teller.all_heard(page)
        assert page.count("resync") == 1


Trouble = Callable[[Proxy], Awaitable[None]]


async def block_websocket(network: Proxy) -> None:
    network.block = "403"


async def swallow_handshakes(network: Proxy) -> None:
    network.block = "silence"


async def refuse_path(network: Proxy) -> None:
    network.refuses = b"/socket.io/"


async def cut(network: Proxy) -> None:
    network.is_cut = True


# What happens to the network, and how the page is connected then.
TROUBLES: dict[str, tuple[Trouble, str | None]] = {
    "WebSocket is blocked": (block_websocket, "polling"),
    "WebSockets are swallowed after the 101": (swallow_handshakes, "polling"),
    "Socket.IO is blocked": (refuse_path, "updates"),
    "everything is cut": (cut, None),
}


@pytest.mark.parametrize("trouble", list(TROUBLES))
async def test_page_goes_down_and_comes_back_up_and_misses_and_repeats_nothing(
    teller: Teller, network: Proxy, trouble: str
) -> None:
    happens, via = TROUBLES[trouble]
    async with kit(network.url, teller.player) as page:
        await page.is_online("websocket")
        await teller.tells(2)
        for _ in range(3):
            since = len(page.said)
            await happens(network)
            await network.hang_up()
            await teller.tells(2)
            if via:
                await page.is_online(via, since)
            else:
                await page.is_down(since)
            await teller.tells(2)

            network.block, network.refuses, network.is_cut = None, None, False
            await teller.tells(2)
            await page.is_online("websocket", since)
            await teller.tells(2)

        await teller.all_heard(page)
        assert page.count("resync") == 1
        await network.hang_up()


async def test_page_whose_websocket_is_swallowed_while_it_stands_comes_back(
    config: Config,
) -> None:
    # The heartbeat is what tells; as shipped it takes its time.
    quick = replace(config, engine=config.engine | {"ping_interval": 0.3, "ping_timeout": 0.3})
    async with AsyncExitStack() as stack:
        club = await stack.enter_async_context(Club.open(quick))
        network = await stack.enter_async_context(through(club))
        teller = Teller(await club.person(has_password=False))
        page = await stack.enter_async_context(kit(network.url, teller.player))
        await page.is_online("websocket")
        await teller.tells(2)
        since = len(page.said)

        network.swallows = True
        await teller.tells(2)
        await page.is_online("polling", since)
        await teller.tells(2)
        network.swallows = False

        await page.is_online("websocket", since)
        await teller.tells(2)
        await teller.all_heard(page)
        assert page.count("resync") == 1
        await network.hang_up()


async def test_page_of_a_club_that_switches_real_time_off_and_on_only_changes_its_door(
    config: Config,
) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(AsyncExitStack())
        club = await first.enter_async_context(Club.open(config))
        port = urlsplit(club.url).port
        teller = Teller(await club.person(has_password=False))
        page = await stack.enter_async_context(kit(club.url, teller.player))
        await page.is_online("websocket")
        await teller.tells(2)
        for enabled, via in ((False, "updates"), (True, "websocket"), (False, "updates")):
            since = len(page.said)
            await first.aclose()
            changed = replace(config, port=port, realtime_enabled=enabled)
            club = await first.enter_async_context(Club.open(changed))
            teller.player.club = club
            await teller.tells(2)
            await page.is_online(via, since)
            await teller.tells(2)

        await teller.all_heard(page)
        assert page.count("resync") == 1
