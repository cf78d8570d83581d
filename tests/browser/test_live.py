"""The live page, and what other pages use of it; EventSource as browsers have it."""

import contextlib
from dataclasses import replace
from typing import Any

from playwright.async_api import expect

from server.config import Config
from server.keys import REACTOR
from tests.browser.conftest import OpensWindow
from tests.browser.pages import Window
from tests.browser.test_everybody import CYRILLIC, PHONE
from tests.club import Club
from tests.happenings import tell_all, top_up
from tests.process.server import free_port


async def emits(club: Club, type_: str, detail: Any = None) -> None:
    await club.app[REACTOR].emit(type_, detail)


async def is_live(window: Window, via: str = "websocket") -> None:
    state = window.part("live-state")
    await expect(state).to_have_attribute("data-state", "online", timeout=20_000)
    await expect(state).to_have_attribute("data-via", via)


def row(window: Window, type_: str) -> Any:
    return window.page.locator(f'[data-testid="live-event"][data-type="{type_}"]')


async def test_live_page_shows_what_happens_and_tells_the_document(
    club: Club, window: OpensWindow
) -> None:
    player = await club.person(has_password=False)
    at_wall = await window("/live", who=player)
    await is_live(at_wall)
    await at_wall.page.evaluate(
        """() => {
            window.told = [];
            for (const type of ["lights", "cases:updated"])
                document.addEventListener(type, ({ detail }) => window.told.push([type, detail]));
        }"""
    )
    await emits(club, "lights", {"room": 2, "on": True})
    await tell_all(club)
    await top_up(club, player)

    await expect(row(at_wall, f"balance:updated:{player.id}")).to_contain_text('{"balance":0.01}')
    await expect(row(at_wall, "lights")).to_contain_text('{"room":2,"on":true}')
    # Newest on top.
    first = at_wall.part("live-event").first
    await expect(first).to_have_attribute("data-type", f"balance:updated:{player.id}")
    told = await at_wall.page.evaluate("() => window.told")
    assert told == [["lights", {"room": 2, "on": True}], ["cases:updated", None]]
    await expect(at_wall.part("live-told")).to_contain_text(f"balance:updated:{player.id}")


async def test_visitor_sees_only_what_everybody_may(club: Club, window: OpensWindow) -> None:
    player = await club.person(has_password=False)
    at_wall = await window("/live")
    await is_live(at_wall)
    await top_up(club, player)
    await emits(club, "end")
    await expect(row(at_wall, "end")).to_be_visible()
    await expect(row(at_wall, f"balance:updated:{player.id}")).to_have_count(0)


async def test_filter_pause_and_detail_work_by_keyboard_alone(
    club: Club, window: OpensWindow
) -> None:
    at_wall = await window("/live")
    await is_live(at_wall)
    await emits(club, "lights", {"room": 7})
    await emits(club, "door", {"room": 8})
    await expect(row(at_wall, "door")).to_be_visible()

    await at_wall.tab_to("live-filter")
    await at_wall.page.keyboard.type("ROOM 7")
    await expect(row(at_wall, "lights")).to_be_visible()
    await expect(row(at_wall, "door")).to_have_count(0)
    await at_wall.page.keyboard.type("7")
    await expect(at_wall.part("live-empty")).to_be_visible()
    await at_wall.page.keyboard.press("Control+a")
    await at_wall.page.keyboard.press("Delete")
    await expect(row(at_wall, "door")).to_be_visible()

    await at_wall.tab_to("live-pause")
    await at_wall.page.keyboard.press("Enter")
    await expect(at_wall.part("live-pause")).to_have_attribute("aria-pressed", "true")
    await emits(club, "music", {"volume": 3})
    await expect(at_wall.part("live-count")).to_have_attribute("data-held", "1")
    await expect(row(at_wall, "music")).to_have_count(0)
    await at_wall.page.keyboard.press("Enter")
    await expect(row(at_wall, "music")).to_be_visible()

    await at_wall.page.keyboard.press("Tab")
    await at_wall.page.keyboard.press("Tab")
    await at_wall.page.keyboard.press("Enter")
    await expect(at_wall.part("live-whole")).to_contain_text('"volume": 3')
    await at_wall.press("live-clear")
    await expect(at_wall.part("live-event")).to_have_count(0)


async def test_live_page_fits_a_phone_and_speaks_russian(
    club: Club, window: OpensWindow
) -> None:
    at_wall = await window("/live", locale="ru-RU", **PHONE)
    await is_live(at_wall)
    await emits(club, "a-name-without-a-place-to-break-it-that-goes-on-and-on-for-ever", "x" * 300)
    await expect(at_wall.part("live-event")).to_have_count(1)
    await at_wall.part("live-event").get_by_role("button").click()
    await expect(at_wall.part("live-whole")).to_be_visible()
    assert await at_wall.overflow() == []
    for part in ("live-pause", "live-count", "live-state", "live-whole"):
        await expect(at_wall.part(part)).to_contain_text(CYRILLIC)


async def test_where_no_websocket_gets_through_it_follows_over_http(
    config: Config, window: OpensWindow
) -> None:
    async with Club.open(replace(config, realtime_enabled=False)) as club:
        at_wall = await window("/live", at=club, network_may_fail=True)
        await is_live(at_wall, "event-stream")
        await emits(club, "lights", {"n": 1})
        await tell_all(club)
        await expect(row(at_wall, "lights")).to_contain_text('{"n":1}')
        await expect(row(at_wall, "cases:updated")).to_be_visible()


async def test_what_happens_while_the_server_restarts_is_shown_when_it_is_back(
    config: Config, window: OpensWindow
) -> None:
    settings = replace(config, port=free_port())
    async with Club.open(settings) as club:
        at_wall = await window("/live", at=club, network_may_fail=True)
        await is_live(at_wall)
    await expect(at_wall.part("live-state")).not_to_have_attribute("data-state", "online")
    async with Club.open(settings) as club:
        await tell_all(club)
        await is_live(at_wall)
        await expect(row(at_wall, "cases:updated")).to_have_count(1)
        await expect(row(at_wall, "server:draining")).to_have_count(1)


async def test_token_that_has_ended_leaves_a_visitor(club: Club, window: OpensWindow) -> None:
    player = await club.person(has_password=False)
    at_wall = await window("/live", who=player, network_may_fail=True)
    await is_live(at_wall)
    await at_wall.page.evaluate(
        """() => {
            const kept = JSON.parse(localStorage.getItem("cyberhub.session"));
            localStorage.setItem("cyberhub.session", JSON.stringify({ ...kept, token: "x" }));
        }"""
    )
    await at_wall.page.reload()
    await is_live(at_wall)
    await emits(club, "still-here")
    await expect(row(at_wall, "still-here")).to_be_visible()


async def test_event_source_of_the_browser_misses_nothing_over_a_restart(
    config: Config, window: OpensWindow
) -> None:
    """Also one that had not heard anything yet."""
    settings = replace(config, port=free_port())
    async with contextlib.AsyncExitStack() as first:
        club = await first.enter_async_context(Club.open(settings))
        player = await club.person(has_password=False)
        page = (await window("/live", at=club, network_may_fail=True)).page
        await page.evaluate(
            """([token, name]) => new Promise((resolve) => {
                window.heard = [];
                const source = new EventSource(`/api/updates/stream?token=${token}`);
                source.addEventListener(name, ({ data }) => heard.push(JSON.parse(data).balance));
                source.onopen = resolve;
            })""",
            [player.token, f"balance:updated:{player.id}"],
        )
    async with Club.open(settings) as club:
        await top_up(club, player)
        await top_up(club, player)
        await page.wait_for_function("() => heard.length >= 2", timeout=20_000)
        await top_up(club, player)
        await page.wait_for_function("() => heard.length >= 3")
        assert await page.evaluate("() => heard") == [0.01, 0.02, 0.03]


async def test_counter_sees_every_door_and_how_the_last_one_ended(
    club: Club, window: OpensWindow
) -> None:
    player = await club.person(has_password=False)
    at_wall = await window("/live", who=player)
    await is_live(at_wall)
    at_counter = await window("/admin", who=await club.admin())
    mine = at_counter.page.locator(
        f'[data-testid="connection-row"][data-user-id="{player.id}"]'
    )
    await expect(mine).to_have_attribute("data-transport", "ws-stream")
    await expect(mine).to_have_attribute("data-lag", "0")

    await at_wall.page.reload()
    await expect(mine.get_by_test_id("connection-how")).to_contain_text("client left")
