"""The bell: what is unread, on all devices of a member; the list; which kinds one wants."""

from playwright.async_api import expect

from events.views import NOTIFICATION_KINDS
from tests.browser.conftest import OpensWindow
from tests.club import Club
from tests.notices import told


def paid(amount: int) -> tuple[str, dict[str, int], None]:
    return ("payment", {"amount": amount}, None)


async def test_what_is_read_on_one_device_is_read_on_all(club: Club, window: OpensWindow) -> None:
    player = await club.person(has_password=False)
    await told(club, player, *[paid(n) for n in range(1, 106)])
    at_seat = await window(who=player)
    on_phone = await window("/calendar", who=player, transport="polling")
    other_tab = await at_seat.context.new_page()
    await other_tab.goto("/calendar")
    in_tab = other_tab.get_by_test_id("bell")
    for bell in (at_seat.part("bell"), on_phone.part("bell"), in_tab):
        await expect(bell.locator(".badge")).to_have_text("99+")

    await at_seat.press("bell")
    await expect(at_seat.part("notice")).to_have_count(20)
    await expect(at_seat.part("notice").first).to_contain_text("105")
    for bell in (at_seat.part("bell"), on_phone.part("bell"), in_tab):
        await expect(bell).to_have_attribute("data-unread", "0")

    # What comes while the list is open is read by being there, and it is on top.
    await told(club, player, paid(777))
    await expect(at_seat.part("notice").first).to_contain_text("777")
    await expect(at_seat.part("notice").first).to_contain_text("new")
    await on_phone.rings(0)
    await at_seat.press("notices-more")
    await expect(at_seat.part("notice")).to_have_count(41)
    await expect(at_seat.part("notice").last).to_contain_text("66")

    await at_seat.page.keyboard.press("Escape")
    await expect(at_seat.part("notices")).to_be_hidden()
    await expect(at_seat.part("bell")).to_be_focused()
    await told(club, player, paid(778))
    await at_seat.rings(1)
    await on_phone.rings(1)
    await at_seat.page.keyboard.press("Enter")
    await expect(at_seat.part("notice").first).to_contain_text("new")
    await expect(at_seat.part("notice").nth(1)).not_to_contain_text("new")


def plain(name: str) -> str:
    """A name in a sentence; the marks keep its direction to itself (UAX #9)."""
    return f"\u2068{name}\u2069"


CUP = plain("<b>Cup</b>")
EVENT = {
    "eventId": 7,
    "title": "<b>Cup</b>",
    "location": "Yard",
    "startsAt": "2031-05-16T18:00:00Z",
}
AT_EVENT = "/calendar#event-7"
ITEM = {"id": 3, "name": "Headset", "image": "", "rarity": "epic", "value": 5}
SENDER = {"id": 5, "username": "staff-5", "role": "staff"}

# What is told of each kind, what it says, and where it leads from the player's page.
KINDS = {
    "reply": (
        {"dialogId": 4, "subject": "PC 12", "messageId": 9, "sender": SENDER},
        f"{plain('staff-5')} wrote in “{plain('PC 12')}”",
        "/dialogs#4",
    ),
    "invitation": (EVENT, f"You are invited: “{CUP}”, May 16, 06:00 PM", AT_EVENT),
    "event_changed": (EVENT, f"“{CUP}” was changed: May 16, 06:00 PM, {plain('Yard')}", AT_EVENT),
    "event_cancelled": (EVENT, f"“{CUP}”, May 16, 06:00 PM, is cancelled", AT_EVENT),
    "reminder": (EVENT, f"Soon: “{CUP}”, May 16, 06:00 PM, {plain('Yard')}", AT_EVENT),
    "promoted": (EVENT, f"A seat became free: you are in for “{CUP}”", AT_EVENT),
    "payment": ({"amount": 99.5}, "99.50 came in on your balance", "#history"),
    "prize": (
        {"inventoryId": 12, "item": ITEM},
        f"“{plain('Headset')}” is ready to collect, ticket #12",
        "#inventory",
    ),
}


async def test_each_kind_is_a_sentence_and_leads_where_it_belongs(
    club: Club, window: OpensWindow
) -> None:
    assert set(KINDS) == set(NOTIFICATION_KINDS)
    player = await club.person(has_password=False)
    await told(club, player, *[(kind, data, None) for kind, (data, _, _) in KINDS.items()])
    at_seat = await window(who=player, timezone_id="UTC")
    await at_seat.rings(len(KINDS))
    await at_seat.press("bell")
    for kind, (_, says, leads) in KINDS.items():
        await expect(at_seat.notice(kind)).to_contain_text(says)
        await expect(at_seat.notice(kind).get_by_role("link")).to_have_attribute("href", leads)


async def test_kind_that_is_switched_off_does_not_ring(club: Club, window: OpensWindow) -> None:
    player = await club.person(has_password=False)
    at_seat = await window(who=player)
    await at_seat.press("bell")
    await expect(at_seat.part("notices-none")).to_be_visible()
    await at_seat.press("notices-settings")
    await at_seat.part("prefer-payment").uncheck()
    await expect(at_seat.part("prefer-payment")).to_be_enabled()
    assert (await player.get("/api/notifications/preferences"))["preferences"]["payment"] is False

    # A click beside the panel closes it.
    await at_seat.page.locator("#cases-title").click()
    await expect(at_seat.part("notices")).to_be_hidden()
    await told(club, player, paid(5), ("reminder", EVENT, None))
    await at_seat.rings(1)
    await at_seat.press("bell")
    await expect(at_seat.notice("reminder")).to_be_visible()
    await expect(at_seat.part("notice")).to_have_count(1)
