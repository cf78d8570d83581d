"""The calendar's page: planning and answering, hours that clocks skip and repeat, the feed."""

import re

from playwright.async_api import expect

from tests.browser.conftest import OpensWindow
from tests.club import Club
from tests.events import answers, holds, looks_at

BERLIN = {"timezone_id": "Europe/Berlin"}


async def test_cup_with_one_seat_is_offered_full_freed_moved_and_called_off(
    club: Club, window: OpensWindow
) -> None:
    staff = await club.person(role="staff", has_password=False)
    first, second = [await club.person(has_password=False) for _ in range(2)]
    at_desk = await window("/calendar", who=staff)
    at_seat = await window(who=first)
    at_home = await window("/calendar", who=second)
    for one in (at_desk, at_seat, at_home):
        await one.shows_link("online")

    await at_desk.press("event-new")
    await at_desk.fills_event(title="Cup", capacity="1", location="Main hall")
    await at_desk.invites(first, second)
    await at_desk.press("event-save")
    await at_desk.sees(first, "needs-action")

    # The bell rings on the player's page, in words too, and leads to the event.
    await at_seat.rings(1)
    await expect(at_seat.part("bell-told")).to_contain_text("You are invited: “\u2068Cup\u2069”")
    await at_seat.press("bell")
    await at_seat.rings(0)
    await at_seat.notice("invitation").get_by_role("link").click()
    await at_seat.answers("accepted")
    await at_desk.sees(first, "accepted")

    await at_home.rings(1)
    await at_home.press("bell")
    await at_home.notice("invitation").get_by_role("link").click()
    await at_home.answers("accepted", "waiting")
    await expect(at_home.part("own-status")).to_contain_text("number 1 in the waiting list")
    await at_seat.sees(second, "waiting")

    await at_seat.answers("declined")
    await at_home.is_said("accepted")
    await at_home.rings(1)
    await at_desk.sees(second, "accepted")
    await expect(at_desk.part("event-seats")).to_contain_text("1 of 1 taken")

    await at_desk.press("event-edit")
    await at_desk.fills_event(location="Yard")
    await at_desk.press("event-save")
    for one in (at_desk, at_seat, at_home):
        await expect(one.part("event-where")).to_have_text("Yard")
    await at_home.rings(2)

    await at_desk.press("event-cancel")
    await at_desk.press("event-cancel-confirm")
    for one in (at_desk, at_seat, at_home):
        await expect(one.part("event-cancelled")).to_contain_text("cancelled")
    await expect(at_home.part("answer-accepted")).to_have_count(0)
    # What was told of the change is out of date with the cancelling.
    await at_home.rings(2)
    await at_home.page.keyboard.press("Escape")
    await at_home.press("bell")
    await expect(at_home.part("notice")).to_have_count(3)
    kinds = [await each.get_attribute("data-kind") for each in await at_home.part("notice").all()]
    assert kinds == ["event_cancelled", "promoted", "invitation"]
    assert [one.loads for one in (at_desk, at_seat, at_home)] == [1, 2, 1]


async def test_event_over_the_changes_of_summer_time(club: Club, window: OpensWindow) -> None:
    owner = await club.person(has_password=False)
    at_home = await window("/calendar", who=owner, **BERLIN)
    await at_home.press("event-new")

    # On 30 March 2031 clocks go from 02:00 to 03:00.
    await at_home.fills_event(title="Night", starts="2031-03-30T02:30")
    await at_home.press("event-save")
    starts = at_home.part("event-starts")
    await expect(starts).to_be_focused()
    await expect(starts).to_have_attribute("aria-invalid", "true")
    await expect(at_home.page.get_by_text("there is no such time on that day")).to_be_visible()
    await at_home.fills_event(starts="2031-03-30T01:30", ends="2031-03-30T03:30")
    await expect(at_home.page.get_by_text("GMT+2 · Lasts 1 hr")).to_be_visible()
    await at_home.press("event-save")
    when = at_home.part("event-when")
    await expect(when).to_have_text(re.compile("01:30.*03:30.*GMT.1 – GMT.2"))
    spring = (await owner.get("/api/events?from=2031-03-29T00:00:00Z"))["events"][0]
    assert spring["startsAt"] == "2031-03-30T00:30:00.000Z"
    assert spring["endsAt"] == "2031-03-30T01:30:00.000Z"
    await expect(at_home.part("month-name")).to_have_text("March 2031")

    # On 26 October 02:30 comes twice; here the second is meant.
    await at_home.press("event-edit")
    await at_home.fills_event(starts="2031-10-26T02:15", ends="2031-10-26T02:30")
    await at_home.part("event-ends-again").check()
    await at_home.press("event-save")
    await expect(when).to_have_text(re.compile("Oct.*GMT.2 – GMT.1"))
    autumn = await looks_at(owner, spring)
    assert autumn["startsAt"] == "2031-10-26T00:15:00.000Z"
    assert autumn["endsAt"] == "2031-10-26T01:30:00.000Z"
    # What is not touched stays that second hour.
    await at_home.press("event-edit")
    await expect(at_home.part("event-ends-again")).to_be_checked()
    await at_home.fills_event(title="Long night")
    await at_home.press("event-save")
    await expect(at_home.part("event").get_by_role("heading", level=2)).to_have_text("Long night")
    assert (await looks_at(owner, spring))["endsAt"] == autumn["endsAt"]

    in_moscow = await window(
        f"/calendar#event-{spring['id']}", who=owner, timezone_id="Europe/Moscow", locale="ru-RU"
    )
    await expect(in_moscow.part("event-when")).to_have_text(re.compile("03:15.*04:30 GMT.3"))


async def test_names_the_feed_and_what_the_club_refuses(club: Club, window: OpensWindow) -> None:
    owner = await club.person(has_password=False)
    guest = await club.person(has_password=False)
    elsewhere = await holds(guest, title="Elsewhere")
    made = await holds(owner, guest)
    at_home = await window(f"/calendar#event-{made['id']}", who=owner)
    await expect(at_home.part("people")).to_contain_text(guest.username)
    at_home.expect_network_trouble()
    await at_home.part("invite-name").fill("nobody.at.all")
    await at_home.page.keyboard.press("Enter")
    await expect(at_home.part("event")).to_contain_text("There is nobody by the name")
    await at_home.part("invite-name").fill(guest.username)
    await at_home.press("invite-add")
    await expect(at_home.part("event")).to_contain_text("is invited already")

    # The server's own words at the field that they are about, and nothing typed is lost.
    await at_home.press("event-edit")
    await at_home.fills_event(title="Cup", location="Yard")
    await at_home.page.evaluate(
        """() => {
            const send = fetch;
            window.fetch = (url, options) => send(url, options.method === "PUT"
                ? { ...options, body: options.body.replace('"Cup"', '"a\\\\u0000b"') } : options);
        }"""
    )
    await at_home.press("event-save")
    await expect(at_home.part("event-title")).to_have_attribute("aria-invalid", "true")
    await expect(at_home.part("event-title")).to_have_value("Cup")
    await at_home.page.keyboard.press("Escape")
    await expect(at_home.part("event")).to_be_visible()
    await at_home.page.keyboard.press("Escape")
    await expect(at_home.part("event")).to_have_count(0)

    # The guest's own plans meet; only he is told.
    at_guest = await window(f"/calendar#event-{made['id']}", who=guest)
    await expect(at_guest.part("overlaps")).to_contain_text(elsewhere["title"])
    await expect(at_guest.part("event-edit")).to_have_count(0)
    assert (await answers(guest, made, "tentative")).status == 200
    await at_guest.is_said("tentative")
    await at_guest.page.goto("about:blank")
    stranger = await club.person(has_password=False)
    outside = await window(
        f"/calendar#event-{made['id']}", who=stranger, network_may_fail=True
    )
    await expect(outside.part("event-gone")).to_contain_text("no such event")

    await at_home.press("feed-open")
    address = at_home.part("feed-url")
    await expect(address).to_have_value(re.compile(r"/api/calendar/.+\.ics$"))
    old = (await address.input_value()).removeprefix(club.url)
    assert (await club.call("GET", old)).status == 200
    await at_home.press("feed-new")
    await at_home.press("feed-new-confirm")
    await expect(at_home.part("feed-new-confirm")).to_have_count(0)
    await expect(address).not_to_have_value(club.url + old)
    assert (await club.call("GET", old)).status == 404
