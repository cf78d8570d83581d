"""At the counter: who may be there, handing out a prize, seeing who is online."""

from playwright.async_api import expect

from tests.browser.conftest import OpensWindow
from tests.club import Club, line


async def test_staff_finds_a_ticket_by_number_and_the_player_sees_it_issued(
    club: Club, window: OpensWindow
) -> None:
    player = await club.person(balance=100, has_password=False)
    staff = await club.person(role="staff")
    case = await club.create_case(items=[line("Headset", value=75)])
    assert (await player.opens(case)).status == 200
    at_seat, at_counter = await window(who=player), await window("/admin")
    await at_counter.sign_in(staff)
    number = await at_seat.number_of(at_seat.ticket("won"))

    await at_counter.finds_prize(number)
    await expect(at_counter.part("prize")).to_contain_text("Headset")
    await expect(at_counter.part("prize")).to_contain_text(player.username)
    await at_counter.press("prize-issue")

    await expect(at_counter.part("prize")).to_have_attribute("data-status", "issued")
    await expect(at_seat.ticket("issued")).to_contain_text("Handed out")
    await expect(at_seat.part("claim")).to_have_count(0)
    assert [at_seat.loads, at_counter.loads] == [1, 1]


async def test_staff_sees_prizes_and_who_is_online_but_neither_cases_nor_balances(
    club: Club, window: OpensWindow
) -> None:
    player = await club.person(has_password=False)
    staff = await club.person(role="staff", has_password=False)
    at_seat = await window(who=player, transport="polling")
    await at_seat.shows_link("online")
    at_counter = await window("/admin", who=staff)

    row = at_counter.part("connection-row").filter(has_text=player.username)
    await expect(row).to_have_attribute("data-transport", "polling")
    await expect(at_counter.part("prize-number")).to_be_visible()
    await expect(at_counter.part("case-new")).to_have_count(0)
    await expect(at_counter.part("user-search")).to_have_count(0)


async def test_player_at_the_admin_page_is_told_that_it_is_not_for_players(
    club: Club, window: OpensWindow
) -> None:
    player = await club.person(has_password=False)
    at_counter = await window("/admin", who=player)
    await expect(at_counter.part("admin-denied")).to_contain_text(player.username)
    for part in ("case-new", "user-search", "prize-number", "connection-row"):
        await expect(at_counter.part(part)).to_have_count(0)


async def test_stranger_with_a_wrong_password_is_told_so_and_stays_outside(
    club: Club, window: OpensWindow
) -> None:
    admin = await club.admin()
    at_counter = await window("/admin", network_may_fail=True)
    await at_counter.part("username").fill(admin.username)
    await at_counter.part("password").fill("not the password")
    await at_counter.press("sign-in")
    await expect(at_counter.part("error")).to_have_attribute("data-code", "wrong_credentials")
    await expect(at_counter.part("sign-out")).to_have_count(0)


async def test_admin_whose_case_cannot_be_saved_is_told_why_and_loses_nothing_typed(
    club: Club, window: OpensWindow
) -> None:
    at_counter = await window("/admin", who=await club.admin())
    await at_counter.press("case-new")
    await at_counter.fills_case("Crate", "10", [{"name": "Mouse", "value": "5", "weight": "-1"}])
    await at_counter.press("case-save")
    await expect(at_counter.part("error")).to_contain_text("Weights are whole numbers")
    await expect(at_counter.part("line-name")).to_have_value("Mouse")

    await at_counter.part("line-weight").fill("1")
    await at_counter.press("case-save")
    await expect(at_counter.part("case-row").filter(has_text="Crate")).to_have_count(1)
