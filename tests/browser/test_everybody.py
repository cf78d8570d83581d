"""Both languages, a phone, a keyboard alone: nobody is left out."""

import re
from datetime import UTC, datetime, timedelta

from playwright.async_api import expect

from tests.browser import talk
from tests.browser.conftest import OpensWindow
from tests.browser.pages import Window
from tests.club import PASSWORD, Club, Person, line
from tests.dialogs import begins, messages, people
from tests.events import answers, holds

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


async def test_calendar_and_bell_on_a_phone_show_hostile_words_as_words_and_fit(
    club: Club, window: OpensWindow
) -> None:
    owner = await club.person(has_password=False)
    guest = await club.person(has_password=False)
    begins = datetime.now(UTC) + timedelta(hours=1)
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    times = {"startsAt": begins.isoformat(), "endsAt": (begins + timedelta(hours=1)).isoformat()}
    for title in (hostile, LONG_NAME):
        words = {"title": title, "description": f"{hostile}\n{LONG_NAME}", "location": title}
        made = await holds(owner, guest, capacity=1, **words, **times)
    assert (await answers(owner, made, "accepted")).status == 200
    assert (await answers(guest, made, "accepted")).status == 200

    phone = await window("/calendar", who=guest, **PHONE)
    await phone.press("lang")
    await expect(phone.part("plan").or_(phone.part("of-day")).first).to_be_visible()
    await fits(phone)
    await phone.press("bell")
    await expect(phone.notice("invitation")).to_have_count(2)
    await expect(phone.part("notices")).to_contain_text(hostile)
    await fits(phone)
    await phone.press("notices-settings")
    await expect(phone.part("prefer-prize")).to_be_visible()
    await fits(phone)
    await phone.page.keyboard.press("Escape")
    await phone.press("view-list")
    await expect(phone.part("plan")).to_have_count(2)
    await expect(phone.part("plan").first).to_contain_text(hostile)
    await fits(phone)
    await phone.plan(made["id"]).click()
    await expect(phone.part("event-description")).to_have_text(f"{hostile}\n{LONG_NAME}")
    await expect(phone.part("own-status")).to_contain_text("под номером 1")
    await fits(phone)
    await phone.page.keyboard.press("Escape")
    await phone.press("event-new")
    await phone.press("event-save")
    await expect(phone.part("event-title")).to_be_focused()
    await fits(phone)
    await phone.page.keyboard.press("Escape")
    await phone.press("feed-open")
    await expect(phone.part("feed-url")).to_have_value(re.compile("ics$"))
    await fits(phone)
    assert await phone.page.locator("#app img[src=x], #app script").count() == 0


async def test_member_without_a_mouse_finds_an_event_answers_and_reads_the_bell(
    club: Club, window: OpensWindow
) -> None:
    owner = await club.person(has_password=False)
    guest = await club.person(has_password=False)
    noon = datetime.now(UTC).replace(hour=12, minute=0) + timedelta(days=8)
    times = {"startsAt": noon.isoformat(), "endsAt": (noon + timedelta(hours=1)).isoformat()}
    made = await holds(owner, guest, **times)
    at_home = await window("/calendar", who=guest, timezone_id="UTC")
    await at_home.shows_link("online")
    press = at_home.page.keyboard.press
    days = at_home.page.get_by_role("grid")

    await at_home.tab_to("event-new")
    await press("Tab")
    today = days.locator(f'[data-day="{datetime.now(UTC):%Y-%m-%d}"]')
    await expect(today).to_be_focused()
    # A week and a day on, over the end of the month if it must be, and the month comes along.
    await press("ArrowDown")
    await press("ArrowRight")
    chosen = days.locator(f'[data-day="{noon:%Y-%m-%d}"]')
    await expect(chosen).to_be_focused()
    await expect(chosen).to_have_accessible_name(re.compile("1 event$"))
    await expect(at_home.part("month-name")).to_have_text(f"{noon:%B %Y}")
    await at_home.tab_to("plan")
    await press("Enter")
    await at_home.tab_to("answer-accepted")
    await press("Enter")
    await at_home.is_said("accepted")
    await expect(at_home.part("answer-accepted")).to_be_focused()
    await press("Escape")
    await expect(at_home.plan(made["id"])).to_be_focused()
    await expect(at_home.plan(made["id"])).to_have_attribute("data-meaning", "accepted")

    await at_home.rings(1)
    bell = at_home.page.get_by_role("button", name="Notifications: 1 unread")
    await expect(bell).to_be_visible()
    await press("Shift+Tab")
    await at_home.tab_to("bell")
    await press("Enter")
    await expect(at_home.page.get_by_role("dialog", name="Notifications")).to_be_focused()
    await press("Tab")
    await press("Escape")
    await expect(at_home.part("bell")).to_be_focused()
    await at_home.rings(0)
    here = at_home.page.get_by_role("navigation", name="Pages").get_by_role("link", name="Calendar")
    await expect(here).to_have_attribute("aria-current", "page")


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
    await expect(at_seat.part("new-subject")).to_be_focused()
    await keyboard.press("Escape")
    await expect(at_seat.part("dialog-new")).to_be_focused()
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
