"""The page behind networks that block, cut and swallow, and let through again.

Whatever they do, the page says how it is connected, hears everything once and in order, and is
not loaded again.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from server.config import Config
from tests.browser.conftest import OpensWindow
from tests.browser.ear import Ear, Payer
from tests.clients.proxy import Proxy
from tests.club import PATIENCE_S, Club


@contextlib.asynccontextmanager
async def behind(club: Club) -> AsyncIterator[tuple[Club, Proxy]]:
    """The club as it is seen from behind a network of the test's own."""
    port = urlsplit(club.url).port
    assert port is not None
    async with Proxy.open(port) as network:
        yield Club(club.app, network.url, club.http), network


# What happens to the network, and how the page is connected then.
_TROUBLES = {
    "WebSocket is blocked": ({"block": "403"}, "polling"),
    "WebSockets are swallowed after the 101": ({"block": "silence"}, "polling"),
    "Socket.IO is blocked": ({"refuses": b"/socket.io/"}, "updates"),
    "everything is cut": ({"is_cut": True}, None),
}
_GOOD = {"block": None, "refuses": None, "is_cut": False, "swallows": False}


def becomes(network: Proxy, what: dict[str, object]) -> None:
    for name, value in what.items():
        setattr(network, name, value)


@pytest.mark.parametrize("trouble", list(_TROUBLES))
async def test_page_goes_down_and_comes_back_up_by_itself(
    club: Club, window: OpensWindow, trouble: str
) -> None:
    payer = Payer(await club.person(has_password=False))
    what, transport = _TROUBLES[trouble]
    async with behind(club) as (there, network):
        at_seat = await window(who=payer.player, at=there, network_may_fail=True)
        await at_seat.shows_link("online", "websocket")
        ear = await Ear.at(at_seat.page)
        await payer.pays(2)
        for _ in range(2):
            becomes(network, what)
            await network.hang_up()
            await payer.pays(2)
            await at_seat.shows_link("online" if transport else "reconnecting", transport)
            await payer.pays(2)

            becomes(network, _GOOD)
            await at_seat.shows_link("online", "websocket")
            await payer.pays(2)

        await ear.heard(payer.balances)
        await at_seat.shows_balance(payer.balance)
        assert at_seat.loads == 1
        await at_seat.context.close()


async def test_page_whose_websocket_stands_and_carries_nothing_comes_back(
    config: Config, window: OpensWindow
) -> None:
    # The heartbeat is what tells; as shipped it takes its time.
    quick = replace(config, engine=config.engine | {"ping_interval": 0.5, "ping_timeout": 0.5})
    async with Club.open(quick) as club, behind(club) as (there, network):
        payer = Payer(await club.person(has_password=False))
        at_seat = await window(who=payer.player, at=there, network_may_fail=True)
        await at_seat.shows_link("online", "websocket")
        ear = await Ear.at(at_seat.page)

        becomes(network, {"swallows": True})
        await payer.pays(2)
        await at_seat.shows_link("online", "polling")
        await payer.pays(2)
        becomes(network, _GOOD)
        await at_seat.shows_link("online", "websocket")
        await payer.pays(2)

        await ear.heard(payer.balances)
        assert at_seat.loads == 1
        await at_seat.context.close()


async def test_page_whose_browser_knows_of_no_network_is_offline_and_comes_back_with_it(
    club: Club, window: OpensWindow
) -> None:
    payer = Payer(await club.person(has_password=False))
    async with behind(club) as (there, network):
        at_seat = await window(who=payer.player, at=there, network_may_fail=True)
        await at_seat.shows_link("online", "websocket")
        ear = await Ear.at(at_seat.page)

        becomes(network, {"is_cut": True})
        await at_seat.context.set_offline(True)
        await network.hang_up()
        # Much sooner than a page whose browser says nothing.
        await expect(at_seat.part("indicator")).to_have_attribute(
            "data-state", "offline", timeout=PATIENCE_S * 1000
        )
        await payer.pays(2)
        becomes(network, _GOOD)
        await at_seat.context.set_offline(False)

        await at_seat.shows_link("online", "websocket")
        await ear.heard(payer.balances)
        await at_seat.context.close()


async def test_page_of_a_club_that_restarts_with_real_time_off_and_on_stays_open(
    config: Config, window: OpensWindow
) -> None:
    async with contextlib.AsyncExitStack() as running:
        club = await running.enter_async_context(Club.open(config))
        port = urlsplit(club.url).port
        payer = Payer(await club.person(has_password=False))
        at_seat = await window(who=payer.player, at=club, network_may_fail=True)
        await at_seat.shows_link("online", "websocket")
        ear = await Ear.at(at_seat.page)
        await payer.pays(2)
        for enabled, transport in ((True, "websocket"), (False, "updates"), (True, "websocket")):
            await running.aclose()
            changed = replace(config, port=port, realtime_enabled=enabled)
            payer.player.club = club = await running.enter_async_context(Club.open(changed))
            await payer.pays(2)
            await at_seat.shows_link("online", transport)
            await payer.pays(2)

        await ear.heard(payer.balances)
        assert at_seat.loads == 1
        await at_seat.context.close()
