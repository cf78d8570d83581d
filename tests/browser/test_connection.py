"""The connection goes and comes back: what was known stays readable, what happened is shown."""

import contextlib
import dataclasses
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Route, expect

from server.config import Config
from tests.browser.conftest import OpensWindow
from tests.club import Club, line, until

_TOKEN_IS_OLD = """
    if (!window.name) {
        window.name = "once";
        const kept = JSON.parse(localStorage.getItem("cyberhub.session"));
        localStorage.setItem("cyberhub.session", JSON.stringify({ ...kept, token: "%s" }));
    }
"""

# Everything that the kit keeps on the disk, as text.
_KEPT = """
    () => new Promise((resolve, reject) => {
        const opening = indexedDB.open("cyberhub");
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
            const asked = opening.result.transaction("kept").objectStore("kept").getAll();
            asked.onsuccess = () => resolve(JSON.stringify(asked.result));
        };
    })
"""


class Server:
    """A second process of the club, as it were: on the same database, and it can go away."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._running = contextlib.AsyncExitStack()
        self.club: Club

    async def start(self) -> None:
        self.club = await self._running.enter_async_context(Club.open(self._config))
        # From the second time on it is to be found where it was.
        port = int(self.club.url.rpartition(":")[2])
        self._config = dataclasses.replace(self._config, port=port)

    async def stop(self) -> None:
        await self._running.aclose()


@pytest.fixture
async def server(config: Config) -> AsyncIterator[Server]:
    server = Server(config)
    await server.start()
    yield server
    await server.stop()


@pytest.mark.parametrize("transport", ["", "polling", "updates"])
async def test_player_whose_server_goes_away_reads_on_and_sees_what_happened_meanwhile(
    club: Club, server: Server, window: OpensWindow, transport: str
) -> None:
    player = await club.person(balance=100, has_password=False)
    case = await club.create_case(price=30, items=[line(f"Headset {transport}", value=75)])
    assert (await player.opens(case)).status == 200
    at_seat = await window(who=player, at=server.club, transport=transport)
    await at_seat.shows_link("online", transport or "websocket")
    await at_seat.shows_balance(70)
    await expect(at_seat.ticket("won")).to_have_count(1)
    await at_seat.case(case["id"]).click()
    await expect(at_seat.part("open-case")).to_be_enabled()
    await at_seat.link_is("green")

    at_seat.expect_network_trouble()
    await server.stop()

    await at_seat.shows_link("reconnecting")
    await at_seat.link_is("red")
    await expect(at_seat.part("open-case")).to_be_disabled()
    await expect(at_seat.part("open-case")).to_contain_text("waiting for the connection")
    await expect(at_seat.part("wait-banner")).to_be_visible()
    await at_seat.shows_balance(70)
    await expect(at_seat.ticket("won")).to_contain_text("Headset")

    assert (await player.opens(case)).status == 200
    new = await club.create_case(name="Night box")
    await server.start()

    await at_seat.shows_link("online")
    await at_seat.shows_balance(40)
    await expect(at_seat.ticket("won")).to_have_count(2)
    await expect(at_seat.drop(f"Headset {transport}")).to_have_count(2)
    await expect(at_seat.case(new["id"])).to_be_attached()
    await expect(at_seat.part("open-case")).to_be_enabled()
    await expect(at_seat.part("wait-banner")).to_have_count(0)
    assert at_seat.loads == 1


async def test_player_who_reloads_without_a_server_still_reads_balance_prizes_and_cases(
    club: Club, window: OpensWindow
) -> None:
    player = await club.person(balance=100, has_password=False)
    case = await club.create_case(price=30, name="Box of yesterday", items=[line("Headset")])
    assert (await player.opens(case)).status == 200
    at_seat = await window(who=player)
    await at_seat.shows_balance(70)
    await expect(at_seat.ticket("won")).to_have_count(1)
    await expect(at_seat.case_named("Box of yesterday")).to_be_visible()

    async def no_answer(route: Route) -> None:
        await route.abort()

    at_seat.expect_network_trouble()
    for path in ("**/api/**", "**/socket.io/?*"):
        await at_seat.context.route(path, no_answer)
    await at_seat.page.reload()

    await at_seat.shows_link("reconnecting")
    await expect(at_seat.part("wait-banner")).to_contain_text("As of")
    await at_seat.shows_balance(70)
    await expect(at_seat.ticket("won")).to_contain_text("Headset")
    await at_seat.case_named("Box of yesterday").click()
    await expect(at_seat.part("case-view")).to_contain_text("100%")
    await expect(at_seat.part("open-case")).to_be_disabled()


async def test_player_who_is_away_sees_in_how_many_seconds_the_page_tries_again(
    server: Server, window: OpensWindow
) -> None:
    at_seat = await window(at=server.club)
    await at_seat.shows_link("online", "websocket")
    at_seat.expect_network_trouble()
    await server.stop()
    await expect(at_seat.part("indicator")).to_have_attribute(
        "title", re.compile(r"Reconnecting in \d+ s")
    )


async def test_player_who_claims_a_prize_without_a_connection_has_it_done_when_it_is_back(
    club: Club, server: Server, window: OpensWindow
) -> None:
    player = await club.person(balance=100, has_password=False)
    case = await club.create_case(price=30, items=[line("Headset", value=75)])
    assert (await player.opens(case)).status == 200
    at_seat = await window(who=player, at=server.club)
    await at_seat.shows_link("online", "websocket")
    await expect(at_seat.ticket("won")).to_have_count(1)
    at_seat.expect_network_trouble()
    await server.stop()
    await at_seat.shows_link("reconnecting")

    await at_seat.claims(at_seat.ticket("won"))
    await expect(at_seat.part("claim-waits")).to_be_visible()
    await at_seat.shows_balance(70)
    # It waits on the disk, not in the page.
    kept = await at_seat.page.evaluate(
        "async () => (await import('/static/hub.js')).client.queued()"
    )
    assert len(kept) == 1
    await server.start()

    await expect(at_seat.ticket("claimed")).to_have_count(1)
    await at_seat.shows_balance(145)
    await expect(at_seat.part("claim-waits")).to_have_count(0)
    assert at_seat.loads == 1


async def test_player_whose_token_ends_is_asked_for_the_password_in_every_tab(
    club: Club, window: OpensWindow
) -> None:
    player = await club.person()
    short = dataclasses.replace(player, token=club.token(player, seconds=60))
    at_seat = await window(who=short)
    await expect(at_seat.part("sign-out")).to_be_visible()
    other_tab = await at_seat.context.new_page()
    at_seat.expect_network_trouble()
    # As a laptop finds it that was asleep for a night.
    await other_tab.add_init_script(_TOKEN_IS_OLD % club.token(player, seconds=-60))
    await other_tab.goto("/")

    for page in (at_seat.page, other_tab):
        await expect(page.get_by_text("Your session has ended")).to_be_visible()
        await expect(page.get_by_test_id("balance")).to_have_count(0)
    await at_seat.sign_in(player)
    await at_seat.shows_balance(0)
    await at_seat.shows_link("online", "websocket")


async def test_page_of_a_club_without_sockets_finds_the_updates_by_itself(
    config: Config, window: OpensWindow
) -> None:
    async with Club.open(dataclasses.replace(config, realtime_enabled=False)) as club:
        player = await club.person(has_password=False)
        at_seat = await window(who=player, at=club, network_may_fail=True)
        await at_seat.shows_link("online", "updates")

        admin = await club.admin()
        await admin.post("/api/admin/balance/add", {"userId": player.id, "amount": 15})

        await at_seat.shows_balance(15)
        await at_seat.context.close()


async def test_player_who_signs_out_leaves_nothing_behind_in_any_tab(
    club: Club, window: OpensWindow
) -> None:
    player = await club.person(balance=100, has_password=False)
    case = await club.create_case(price=30)
    assert (await player.opens(case)).status == 200
    at_seat = await window(who=player)
    await expect(at_seat.ticket()).to_have_count(1)
    other_tab = await at_seat.context.new_page()
    await other_tab.goto("/")
    await expect(other_tab.get_by_test_id("inventory-item")).to_have_count(1)

    async def kept() -> bool:
        return player.username in await other_tab.evaluate(_KEPT)

    await until(kept, "the snapshot is kept")

    await at_seat.press("sign-out")

    for page in (at_seat.page, other_tab):
        await expect(page.get_by_test_id("sign-in")).to_be_visible()
        await expect(page.get_by_test_id("balance")).to_have_count(0)
        await expect(page.get_by_test_id("inventory-item")).to_have_count(0)
        assert player.username not in await page.content()

    async def forgotten() -> bool:
        return not await kept()

    await until(forgotten, "the disk forgets")
