"""Several tabs of one browser share one connection, whoever of them comes and goes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, Route, expect

from server.keys import SOCKETS
from tests.browser.conftest import OpensWindow
from tests.browser.ear import Ear, Payer
from tests.browser.pages import Window
from tests.club import PATIENCE_S, Club, until

# A page of plain http, as in a club's own network, has none.
_WITHOUT_LOCKS = "Object.defineProperty(navigator, 'locks', { value: undefined });"

# A tab that was frozen, or too busy: what other tabs say passes it by.
_MAY_BE_DEAF = """
    window.BroadcastChannel = class extends BroadcastChannel {
        set onmessage(listen) {
            super.onmessage = (message) => {
                if (!window.isDeaf) listen(message);
                else if (message.data.type === "event") window.missed = (window.missed ?? 0) + 1;
            };
        }
    };
"""


@pytest.fixture
async def payer(club: Club) -> AsyncIterator[Payer]:
    yield Payer(await club.person(has_password=False))


async def opens_tab(window: Window) -> Page:
    page = await window.context.new_page()
    await page.goto("/")
    await expect(page.get_by_test_id("indicator")).to_have_attribute("data-state", "online")
    return page


async def connections(club: Club, payer: Payer, count: int) -> None:
    """Wait until the member has so many connections."""

    async def reached() -> bool:
        theirs = [
            each
            for each in club.app[SOCKETS].all()
            if each.who and each.who.member.id == payer.player.id
        ]
        return len(theirs) == count

    await until(reached, f"{count} connections")


async def test_tabs_share_a_connection_and_the_next_takes_over_when_its_tab_is_closed(
    club: Club, window: OpensWindow, payer: Payer
) -> None:
    at_seat = await window(who=payer.player)
    await at_seat.shows_link("online", "websocket")
    tabs = [at_seat.page, await opens_tab(at_seat), await opens_tab(at_seat)]
    ears = [await Ear.at(tab) for tab in tabs]
    await connections(club, payer, 1)
    await payer.pays(2)
    for ear in ears:
        await ear.heard(payer.balances)

    while len(tabs) > 1:
        # The oldest one has the lock.
        await tabs.pop(0).close()
        ears.pop(0)
        await payer.pays(5)
        for ear in ears:
            await ear.heard(payer.balances)
        await connections(club, payer, 1)

    await expect(tabs[0].get_by_test_id("balance")).to_have_attribute("data-value", "12")


async def test_command_of_a_tab_without_a_connection_goes_through_the_one_that_has_it(
    window: OpensWindow, payer: Payer
) -> None:
    at_seat = await window(who=payer.player)
    await at_seat.shows_link("online", "websocket")
    other = await opens_tab(at_seat)

    answer = await other.evaluate(
        "async () => (await import('/static/hub.js')).client.emit('ping')"
    )

    assert answer["success"] is True


async def test_tab_that_other_tabs_could_not_reach_reads_what_it_missed(
    club: Club, window: OpensWindow, payer: Payer
) -> None:
    at_seat = await window(who=payer.player)
    await at_seat.context.add_init_script(_MAY_BE_DEAF)
    other = await opens_tab(at_seat)
    ear = await Ear.at(other)
    await payer.pays(2)
    await ear.heard(payer.balances)

    await other.evaluate("window.isDeaf = true")
    first = await Ear.at(at_seat.page)
    await payer.pays(3)
    await first.heard(payer.balances[2:])
    await other.evaluate("window.isDeaf = false")
    await payer.pays(2)

    await ear.heard(payer.balances)


async def test_tab_that_misses_more_while_it_reads_what_it_missed_reads_that_too(
    club: Club, window: OpensWindow, payer: Payer
) -> None:
    at_seat = await window(who=payer.player)
    await at_seat.context.add_init_script(_MAY_BE_DEAF)
    other = await opens_tab(at_seat)
    ear, first = await Ear.at(other), await Ear.at(at_seat.page)
    reads = asyncio.Event()
    goes_on = asyncio.Event()

    async def reads_slowly(route: Route) -> None:
        answer = await route.fetch()
        reads.set()
        await goes_on.wait()
        await route.fulfill(response=answer)

    await other.route("**/api/updates?*", reads_slowly)
    for misses in (1, 2):
        await other.evaluate("window.isDeaf = true")
        await payer.pays(1)
        await other.wait_for_function("misses => window.missed === misses", arg=misses)
        await other.evaluate("window.isDeaf = false")
        await payer.pays(1)
        await asyncio.wait_for(reads.wait(), PATIENCE_S)
    await first.heard(payer.balances)
    goes_on.set()

    await ear.heard(payer.balances)


async def test_tab_that_came_between_two_leaders_is_welcomed_by_the_second(
    window: OpensWindow, payer: Payer
) -> None:
    at_seat = await window(who=payer.player)
    await at_seat.shows_link("online", "websocket")
    second = await opens_tab(at_seat)
    await at_seat.context.add_init_script(_MAY_BE_DEAF + "window.isDeaf = true;")
    third = await at_seat.context.new_page()
    await third.goto("/")
    indicator = third.get_by_test_id("indicator")
    await expect(indicator).to_have_attribute("data-state", "reconnecting")
    await third.evaluate("window.isDeaf = false")

    await at_seat.page.close()

    await expect(indicator).to_have_attribute("data-state", "online")
    ears = [await Ear.at(second), await Ear.at(third)]
    await payer.pays(2)
    for ear in ears:
        await ear.heard(payer.balances)


async def test_tab_signs_in_and_the_others_are_signed_in_with_it(
    club: Club, window: OpensWindow
) -> None:
    player = await club.person(balance=7)
    at_seat = await window()
    await at_seat.shows_link("online")
    other = await opens_tab(at_seat)

    await at_seat.sign_in(player)

    for page in (at_seat.page, other):
        await expect(page.get_by_test_id("balance")).to_have_attribute("data-value", "7")
    payer = Payer(player)
    await payer.pays(1)
    for page in (at_seat.page, other):
        await expect(page.get_by_test_id("balance")).to_have_attribute("data-value", "8")
    await connections(club, payer, 1)


async def test_tabs_without_web_locks_have_a_connection_each(
    club: Club, window: OpensWindow, payer: Payer
) -> None:
    at_seat = await window(who=payer.player)
    # One that is left before it has upgraded is missed by the server only after a while.
    await at_seat.shows_link("online", "websocket")
    await at_seat.context.add_init_script(_WITHOUT_LOCKS)
    await at_seat.page.reload()
    await at_seat.shows_link("online", "websocket")
    other = await opens_tab(at_seat)
    ears = [await Ear.at(at_seat.page), await Ear.at(other)]
    await connections(club, payer, 2)

    await payer.pays(2)

    for ear in ears:
        await ear.heard(payer.balances)
