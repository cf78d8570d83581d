"""Both languages, a phone, a keyboard alone: nobody is left out."""

import re

from playwright.async_api import expect

from tests.browser import talk
from tests.browser.conftest import OpensWindow
from tests.browser.pages import Window
from tests.club import PASSWORD, Club, Person, line
from tests.dialogs import begins, messages, people

PHONE = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}

CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)

# As long as the server lets a name be, and without a place to break it.
LONG_NAME = "Extraordinary" * 9


async def test_player_who_switches_the_language_keeps_everything_else(
    club: Club, window: OpensWindow
) -> None:
    player = await club.person(balance=100)
    case = await club.create_case(price=30)
    assert (await player.opens(case)).status == 200
    at_seat = await window()
    await at_seat.part("username").fill(player.username)
    await at_seat.press("lang")
    await expect(at_seat.part("username")).to_have_value(player.username)
    await expect(at_seat.part("sign-in")).to_have_text("Войти")
    await at_seat.part("password").fill(PASSWORD)
    await at_seat.press("sign-in")

    await at_seat.shows_balance(70)
    await expect(at_seat.ticket("won")).to_contain_text("Ждёт вас")
    await expect(at_seat.part("indicator")).to_have_attribute("title", CYRILLIC)
    await at_seat.page.reload()
    await expect(at_seat.ticket("won")).to_contain_text("Ждёт вас")

    await at_seat.press("lang")
    await expect(at_seat.ticket("won")).to_contain_text("Waiting for you")
    await at_seat.shows_balance(70)
    assert await at_seat.page.locator("html").get_attribute("lang") == "en"


async def test_admin_who_switches_the_language_keeps_what_is_half_typed(
    club: Club, window: OpensWindow
) -> None:
    player = await club.person(has_password=False)
    at_counter = await window("/admin", who=await club.admin())
    await at_counter.picks_member(player)
    await at_counter.part("amount").fill("12.5")
    await at_counter.part("prize-number").fill("77")

    await at_counter.press("lang")

    await expect(at_counter.part("balance-add")).to_contain_text("Начислить")
    await expect(at_counter.part("user-search")).to_have_value(player.username)
    await expect(at_counter.part("amount")).to_have_value("12.5")
    await expect(at_counter.part("prize-number")).to_have_value("77")


async def winner(club: Club) -> Person:
    """A player on whose page everything is as wide as it gets."""
    player = await club.person(balance=1_000_000_000, has_password=False)
    for name in (LONG_NAME, "Headset"):
        prize = line(name, rarity="legendary", value=1_000_000)
        case = await club.create_case(name=name, price=123_456.78, items=[prize])
        assert (await player.opens(case)).status == 200
    return player


async def fits(window: Window) -> None:
    assert await window.overflow() == []
    # What is hidden by the page's own edge would not count as visible overflow.
    width, room = await window.page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert width <= room


async def test_player_page_on_a_phone_never_reaches_beyond_its_sides(
    club: Club, window: OpensWindow
) -> None:
    player = await winner(club)
    outside = await window(**PHONE)
    await outside.shows_link("online")
    await expect(outside.part("case-card").first).to_be_visible()
    await fits(outside)

    phone = await window(who=player, **PHONE)
    await expect(phone.ticket()).to_have_count(2)
    await phone.press("lang")
    await fits(phone)
    await phone.ticket("won").get_by_test_id("claim").first.click()
    await expect(phone.part("claim-confirm")).to_be_visible()
    await fits(phone)
    await phone.page.keyboard.press("Escape")
    await phone.press("topup")
    await expect(phone.part("topup-amount")).to_be_visible()
    await fits(phone)
    await phone.page.keyboard.press("Escape")
    await phone.case_named(LONG_NAME).click()
    await expect(phone.part("case-view")).to_be_visible()
    await fits(phone)
    await phone.press("open-case")
    await expect(phone.part("reveal-item")).to_be_visible()
    await phone.part("fairness").locator("summary").click()
    await expect(phone.part("fairness-steps")).to_be_visible()
    await fits(phone)


async def test_admin_page_on_a_phone_never_reaches_beyond_its_sides(
    club: Club, window: OpensWindow
) -> None:
    player = await winner(club)
    prize = (await player.get("/api/inventory"))["items"][0]
    phone = await window("/admin", who=await club.admin(), **PHONE)
    await phone.press("lang")
    await phone.picks_member(player)
    await phone.finds_prize(str(prize["id"]))
    await expect(phone.part("prize")).to_be_visible()
    await expect(phone.part("connection-row").first).to_be_visible()
    await fits(phone)
    await phone.part("case-edit").first.click()
    await expect(phone.part("case-editor")).to_be_visible()
    await fits(phone)


async def test_player_without_a_mouse_signs_in_opens_a_case_and_takes_the_prize(
    club: Club, window: OpensWindow
) -> None:
    player = await club.person(balance=100)
    case = await club.create_case(price=30, items=[line("Headset")])
    at_seat = await window(reduced_motion="no-preference")
    keyboard = at_seat.page.keyboard
    await at_seat.shows_link("online")

    await at_seat.tab_to("username")
    await keyboard.type(player.username)
    await at_seat.tab_to("password")
    await keyboard.type(PASSWORD)
    await keyboard.press("Enter")
    await at_seat.shows_balance(100)

    await at_seat.tab_to("case-card", f'[data-case-id="{case["id"]}"]')
    await keyboard.press("Enter")
    await expect(at_seat.part("open-case")).to_be_enabled()
    await at_seat.tab_to("open-case")
    await keyboard.press("Enter")
    await expect(at_seat.part("reveal-item")).to_have_text("Headset")
    await expect(at_seat.part("reveal-close")).to_be_focused()
    await keyboard.press("Enter")

    await at_seat.shows_balance(70)
    await expect(at_seat.part("reveal")).to_have_count(0)
    await expect(at_seat.case(case["id"])).to_be_focused()


async def test_player_who_wants_less_motion_sees_the_prize_without_a_reel(
    club: Club, window: OpensWindow
) -> None:
    case = await club.create_case(items=[line("Headset")])
    player = await club.person(balance=100, has_password=False)
    at_seat = await window(who=player, reduced_motion="reduce")
    prize = await at_seat.opens(at_seat.case(case["id"]))
    await expect(prize).to_have_text("Headset")
    await expect(at_seat.part("balance")).to_have_text(re.compile("90"))


async def test_player_without_a_mouse_writes_to_the_staff_in_either_language(
    club: Club, window: OpensWindow
) -> None:
    player, _, staff = await people(club)
    at_seat = await window("/dialogs", who=player)
    keyboard = at_seat.page.keyboard
    await at_seat.shows_link("online")
    await expect(at_seat.part("dialogs-none")).to_be_visible()

    await at_seat.tab_to("dialog-new")
    await keyboard.press("Enter")
    await at_seat.tab_to("new-subject")
    await keyboard.type("Headset")
    await at_seat.tab_to("new-text")
    await keyboard.type("It crackles.")
    await at_seat.tab_to("new-send")
    await keyboard.press("Enter")
    await expect(talk.message(at_seat, "It crackles.")).to_be_visible()
    await expect(at_seat.part("dialog-title")).to_be_focused()

    await at_seat.tab_to("write")
    await keyboard.type("The left")
    await at_seat.press("lang")
    await expect(at_seat.part("write-send")).to_have_text("Отправить")
    await expect(at_seat.part("write")).to_have_value("The left")
    await at_seat.part("write").focus()
    await keyboard.press("End")
    await keyboard.type(" one")
    await keyboard.press("Shift+Enter")
    await keyboard.type("only")
    await keyboard.press("Enter")
    await expect(at_seat.part("message").last).to_have_attribute("data-state", "sent")
    (dialog,) = (await player.get("/api/dialogs"))["dialogs"]
    assert [m["text"] for m in await messages(staff, dialog)] == [
        "The left one\nonly",
        "It crackles.",
    ]
    await keyboard.press("Escape")
    await expect(at_seat.part("messages")).to_have_count(0)
    await expect(talk.entry(at_seat)).to_be_focused()


async def test_talking_on_a_phone_hides_nothing_and_fits(club: Club, window: OpensWindow) -> None:
    player, _, staff = await people(club)
    await begins(player, subject=LONG_NAME, text=LONG_NAME * 3)
    await player.post("/api/chat", {"text": LONG_NAME})
    await club.create_case(name="On sale")
    phone = await window("/dialogs", who=staff, **PHONE)
    await phone.press("lang")
    await talk.entry(phone).first.click()
    await expect(phone.part("write")).to_be_in_viewport(ratio=1)
    await expect(phone.part("dialog-list")).to_be_hidden()
    await fits(phone)
    await phone.press("dialog-close")
    await expect(phone.part("inbox-status")).to_be_in_viewport(ratio=1)
    await fits(phone)
    await phone.press("dialog-new")
    await expect(phone.part("new-send")).to_be_visible()
    await fits(phone)

    outside = await window(**PHONE)
    await expect(outside.case_named("On sale")).to_be_visible()
    await expect(outside.part("chat-lines")).to_be_hidden()
    await outside.press("chat-open")
    await expect(talk.line(outside, LONG_NAME)).to_be_in_viewport()
    await expect(outside.part("chat-text")).to_have_count(0)
    await fits(outside)
    await outside.page.keyboard.press("Escape")
    await expect(outside.part("chat-lines")).to_be_hidden()
    await expect(outside.part("chat-open")).to_be_focused()
