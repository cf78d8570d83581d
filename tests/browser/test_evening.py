"""An evening at the club, in several windows at once, over every way to be connected."""

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from server.config import Config
from tests.browser import talk
from tests.browser.conftest import OpensWindow
from tests.browser.ways import WAYS, Way
from tests.club import Club, line
from tests.conftest import make_config

# What a page has written down for times without a connection.
_ALL_THAT_IS_KEPT = """
    async () => {
        const opening = indexedDB.open("cyberhub");
        await new Promise((resolve) => opening.onsuccess = resolve);
        const all = opening.result.transaction("kept").objectStore("kept").getAll();
        await new Promise((resolve) => all.onsuccess = resolve);
        return JSON.stringify([all.result, { ...localStorage }]);
    }
"""


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


@pytest.fixture(scope="module")
def config(dsn: str, way: Way, tmp_path_factory: pytest.TempPathFactory) -> Config:
    var_dir: Path = tmp_path_factory.mktemp("var")
    return make_config(dsn, var_dir, realtime_enabled=way.realtime)


async def test_case_of_the_admin_reaches_the_player_who_opens_it_and_all_see_the_drop(
    club: Club, window: OpensWindow, way: Way
) -> None:
    player = await club.person(balance=100, has_password=False)
    at_counter = await window("/admin", who=await club.admin(), transport=way.transport)
    at_seat = await window(who=player, transport=way.transport)
    on_screen = await window(transport=way.transport)
    for one in (at_counter, at_seat, on_screen):
        await one.shows_link("online", way.transport)

    box = f"Box over {way.name}"
    lines = [
        {"name": f"Headset over {way.name}", "value": "75", "weight": "3", "rarity": "epic"},
        {"name": f"Mouse over {way.name}", "value": "75", "weight": "1", "rarity": "rare"},
    ]
    await at_counter.press("case-new")
    await at_counter.fills_case(box, "30", lines)
    await expect(at_counter.part("line-chance")).to_have_text(["75%", "25%"])
    await at_counter.press("case-save")

    await at_seat.case_named(box).click()
    await expect(at_seat.part("case-view")).to_contain_text("75%")
    await expect(at_seat.part("case-view")).to_contain_text("25%")
    await at_seat.press("open-case")
    prize = at_seat.part("reveal-item")
    await expect(prize).to_have_text(re.compile("^(Headset|Mouse) over"))
    won = await prize.text_content()
    assert won
    await at_seat.press("reveal-close")

    await at_seat.shows_balance(70)
    await expect(at_seat.ticket("won")).to_contain_text(won)
    await expect(on_screen.drop(won)).to_have_count(1)
    assert player.username not in await on_screen.drop(won).inner_text()
    assert [one.loads for one in (at_counter, at_seat, on_screen)] == [1, 1, 1]


async def test_player_hears_at_once_of_a_claim_a_gift_and_a_case_that_goes(
    club: Club, window: OpensWindow, way: Way
) -> None:
    player = await club.person(balance=20, has_password=False)
    name = f"Last box over {way.name}"
    case = await club.create_case(price=20, name=name, items=[line("Mouse", value=50)])
    assert (await player.opens(case)).status == 200
    at_counter = await window("/admin", who=await club.admin(), transport=way.transport)
    at_seat = await window(who=player, transport=way.transport)
    await at_seat.shows_balance(0)
    await at_seat.shows_link("online", way.transport)

    await at_seat.claims(at_seat.ticket("won"))
    await at_seat.shows_balance(50)
    await expect(at_seat.ticket("claimed")).to_contain_text("Mouse")

    await at_counter.adds_balance(player, "25.50")
    await at_seat.shows_balance(75.5)

    await expect(at_seat.case(case["id"])).to_be_visible()
    await at_counter.deletes_case(name)
    await expect(at_seat.case(case["id"])).to_have_count(0)
    assert [at_counter.loads, at_seat.loads] == [1, 1]


async def test_player_and_staff_talk_and_what_staff_note_stays_with_them(
    club: Club, window: OpensWindow, way: Way
) -> None:
    staff = await club.person(role="staff", has_password=False)
    player = await club.person(has_password=False)
    at_counter = await window("/dialogs", who=staff, transport=way.transport)
    at_seat = await window("/dialogs", who=player, transport=way.transport)
    for one in (at_counter, at_seat):
        await one.shows_link("online", way.transport)

    dialog = await talk.begins(at_seat, "The mouse double-clicks.", f"PC 12 over {way.name}")
    await talk.has_unread(at_counter, dialog, 1)
    await talk.opens(at_counter, dialog)
    await talk.has_unread(at_counter, dialog, 0)

    if way.transport != "updates":
        await at_seat.part("write").press_sequentially("It is")
        await expect(at_counter.part("typing")).to_contain_text(player.username)
    await talk.writes(at_counter, "Broke three mice already", note=True)
    await talk.writes(at_counter, "We bring another one.")
    await expect(talk.message(at_seat, "We bring another one.")).to_be_visible()
    await talk.has_unread(at_seat, dialog, 0)
    await talk.writes(at_seat, "Thank you!")
    await expect(talk.message(at_counter, "Thank you!")).to_be_visible()
    await expect(at_counter.part("typing")).to_be_empty()

    await expect(at_counter.part("message")).to_have_count(4)
    await expect(at_seat.part("message")).to_have_count(3)
    assert "three mice" not in await at_seat.page.content()
    assert "three mice" not in await at_seat.page.evaluate(_ALL_THAT_IS_KEPT)
    assert [at_counter.loads, at_seat.loads] == [1, 1]


async def test_chat_is_live_and_staff_keep_it_clean(
    club: Club, window: OpensWindow, way: Way
) -> None:
    staff = await club.person(role="staff", has_password=False)
    player = await club.person(has_password=False)
    at_counter = await window(who=staff, transport=way.transport)
    at_seat = await window(who=player, transport=way.transport, network_may_fail=True)
    for one in (at_counter, at_seat):
        await one.shows_link("online", way.transport)

    words = f"Cheap boosting, over {way.name}!"
    said = await talk.says(at_seat, words)
    await expect(said).to_have_count(1)
    await talk.acts_on(talk.line(at_counter, words))
    await at_counter.press("chat-remove")
    await expect(said).to_have_count(0)
    await expect(talk.line(at_counter, words)).to_have_count(0)

    more = f"And again, over {way.name}!"
    await expect(await talk.says(at_seat, more)).to_have_count(1)
    await talk.acts_on(talk.line(at_counter, more))
    await at_counter.press("chat-mute-60")
    await expect(at_counter.part("chat-actions")).to_have_count(0)
    silenced = await talk.says(at_seat, "You cannot stop me")
    error = at_seat.part("chat").get_by_test_id("error")
    await expect(error).to_contain_text(re.compile(r"until .*\d"))
    await expect(at_seat.part("chat-text")).to_have_value("You cannot stop me")
    await expect(silenced).to_have_count(0)
