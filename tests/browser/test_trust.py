"""What the pages may be trusted with: the draw, and text that strangers wrote."""

import json

from playwright.async_api import Route, expect

from tests.browser.conftest import OpensWindow
from tests.club import Club, line

HOSTILE = """<img src=x onerror="document.title='run'"><script>document.title='run'</script>"""

# Notes every ticket, drop or line of history that appears while the reel turns.
_WATCH_THE_LISTS = """
    const lists = ["inventory-item", "drop", "transaction"];
    const count = (name) => document.querySelectorAll(`[data-testid="${name}"]`).length;
    const before = lists.map(count);
    window.toldTooEarly = [];
    new MutationObserver(() => {
        if (!count("reel")) return;
        toldTooEarly.push(...lists.filter((name, n) => count(name) > before[n]));
    }).observe(document.body, { subtree: true, childList: true });
"""


async def test_player_who_checks_a_draw_sees_every_step_confirmed(
    club: Club, window: OpensWindow
) -> None:
    case = await club.create_case(items=[line("Mouse", weight=2), line("Headset", weight=3)])
    at_seat = await window(who=await club.person(balance=100, has_password=False))
    await at_seat.opens(at_seat.case(case["id"]))

    await at_seat.part("fairness").locator("summary").click()

    await expect(at_seat.part("fairness-steps")).to_have_attribute("data-verdict", "ok")
    await expect(at_seat.part("fairness-steps").locator("[data-ok=ok]")).to_have_count(4)


async def test_player_of_a_club_that_swaps_its_seed_sees_that_it_does_not_match(
    club: Club, window: OpensWindow
) -> None:
    case = await club.create_case()
    at_seat = await window(who=await club.person(balance=100, has_password=False))

    async def swap_seed(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        body["opening"]["serverSeed"] = "0" * len(body["opening"]["serverSeed"])
        await route.fulfill(response=answer, body=json.dumps(body))

    await at_seat.page.route("**/api/cases/open", swap_seed)
    await at_seat.opens(at_seat.case(case["id"]))
    await at_seat.part("fairness").locator("summary").click()

    await expect(at_seat.part("fairness-steps")).to_have_attribute("data-verdict", "bad")


async def test_prize_is_told_by_the_reel_and_not_by_the_lists_behind_it(
    club: Club, window: OpensWindow
) -> None:
    case = await club.create_case(items=[line("Keyboard")])
    player = await club.person(balance=100, has_password=False)
    at_seat = await window(who=player, reduced_motion="no-preference")
    await at_seat.case(case["id"]).click()
    await expect(at_seat.part("transaction")).to_have_count(1)
    await at_seat.page.evaluate(_WATCH_THE_LISTS)

    await at_seat.press("open-case")
    await expect(at_seat.part("reel")).to_be_visible()
    await at_seat.shows_balance(90)
    await expect(at_seat.part("reveal-item")).to_be_visible()

    await expect(at_seat.ticket("won")).to_have_count(1)
    await expect(at_seat.drop("Keyboard")).to_have_count(1)
    await expect(at_seat.part("transaction")).to_have_count(2)
    assert await at_seat.page.evaluate("toldTooEarly") == []


async def test_markup_in_the_names_of_case_and_prize_is_shown_as_text_and_runs_nothing(
    club: Club, window: OpensWindow
) -> None:
    player = await club.person(balance=100, has_password=False)
    at_counter = await window("/admin", who=await club.admin())
    at_seat = await window(who=player)

    prize = {"name": HOSTILE, "value": "5", "weight": "1"}
    await at_counter.creates_case(HOSTILE, "10", [prize])
    await at_seat.opens(at_seat.case_named(HOSTILE))
    await expect(at_seat.part("reveal-item")).to_have_text(HOSTILE)
    await at_seat.press("reveal-close")
    await expect(at_seat.drop(HOSTILE)).to_have_count(1)
    await at_seat.claims(at_seat.ticket("won").filter(has_text=HOSTILE))
    await expect(at_seat.ticket("claimed")).to_contain_text(HOSTILE)
    await at_counter.finds_prize(await at_seat.number_of(at_seat.ticket()))
    await expect(at_counter.part("prize")).to_contain_text(HOSTILE)

    for one in (at_counter, at_seat):
        await expect(one.page.locator('img[src="x"]')).to_have_count(0)
        assert "run" not in await one.page.title()
    await at_counter.deletes_case(HOSTILE)


async def test_picture_from_a_dead_address_leaves_the_case_usable(
    club: Club, window: OpensWindow
) -> None:
    case = await club.create_case(image="/static/art/nothing-here.svg", items=[line("Mouse")])
    player = await club.person(balance=100, has_password=False)
    at_seat = await window(who=player, network_may_fail=True)
    prize = await at_seat.opens(at_seat.case(case["id"]))
    await expect(prize).to_have_text("Mouse")
