"""Dialogs and the chat in the browser: history, times without a connection, strangers' text."""

import re

import pytest
from playwright.async_api import Page, Route, expect

from server.config import Config
from server.keys import DB
from tests.browser import talk
from tests.browser.conftest import OpensWindow
from tests.browser.pages import Window
from tests.browser.test_everybody import PHONE, fits
from tests.club import Club, Person
from tests.conftest import make_config
from tests.dialogs import begins, messages, people, reads, unread, writes

HOSTILE = """<img src=x onerror="document.title='run'"><script>document.title='run'</script>"""
BACKWARDS = "\u202egnp.exe \u202d"
LONG_WORD = "Donaudampfschifffahrt" * 20

# How far the top of a message is from the top of the list.
_PLACE_OF = """
    (text) => {
        const list = document.querySelector('[data-testid="messages"]');
        const texts = [...list.querySelectorAll(".message-text")];
        const one = texts.find((each) => each.textContent === text);
        return Math.round(one.getBoundingClientRect().top - list.getBoundingClientRect().top);
    }
"""

# What is the first message that is loaded, once one is all the way up, and where it is.
_LOOK_UP = """
    () => {
        const list = document.querySelector('[data-testid="messages"]');
        list.scrollTop = 0;
        const one = list.querySelector(".message-text");
        const place = one.getBoundingClientRect().top - list.getBoundingClientRect().top;
        return [one.textContent, Math.round(place)];
    }
"""


# Scrolls, and has a message come before the browser tells the page of the scrolling; where a
# message is before and afterwards.
_SCROLL_AND_HEAR = """
    async (up) => {
        const { arrived, thread } = await import("/static/dialogs/thread.js");
        const frame = () => new Promise((go) => requestAnimationFrame(go));
        const list = document.querySelector('[data-testid="messages"]');
        const top = (element) => element.getBoundingClientRect().top;
        list.scrollTop -= up;
        const seen = [...list.querySelectorAll(".message-text")].find(
            (each) => top(each) > top(list) + 50);
        const place = () => Math.round(top(seen) - top(list));
        const before = place();
        const last = thread.get().messages.at(-1);
        arrived({ ...last, id: last.id + 1_000_000, localId: null, text: "At once" });
        await frame();
        await frame();
        return [before, place()];
    }
"""


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_config(dsn, tmp_path_factory.mktemp("var"), messages_burst=10_000)


async def is_looked_at(page: Page, looked_at: bool) -> None:
    """Whether the window has the focus; Playwright's have it always."""
    await page.evaluate(
        """yes => {
            document.hasFocus = () => yes;
            if (yes) window.dispatchEvent(new Event("focus"));
        }""",
        looked_at,
    )


async def test_member_reads_back_to_the_beginning_and_the_page_stands_still(
    club: Club, window: OpensWindow
) -> None:
    player, _, staff = await people(club)
    dialog = await begins(staff, player, text="The very first")
    sent = [await writes(staff, dialog, f"Message {n}") for n in range(1, 121)]
    await reads(player, sent[99])
    at_seat = await window(f"/dialogs#{dialog['id']}", who=player)
    await expect(at_seat.part("new-from")).to_be_in_viewport()
    await expect(talk.message(at_seat, "Message 101")).to_be_in_viewport()
    await expect(talk.message(at_seat, "Message 120")).not_to_be_in_viewport()
    await at_seat.press("to-end")
    await expect(talk.message(at_seat, "Message 120")).to_be_in_viewport()
    await expect(talk.message(at_seat, "Message 20")).to_have_count(0)
    await talk.has_unread(at_seat, dialog["id"], 0)

    for earlier in (50, 21):
        before = await at_seat.part("message").count()
        oldest, place = await at_seat.page.evaluate(_LOOK_UP)
        # It may not move when earlier ones come in above it.
        await expect(at_seat.part("message")).to_have_count(before + earlier)
        assert abs(await at_seat.page.evaluate(_PLACE_OF, oldest) - place) <= 1
    await expect(at_seat.part("message")).to_have_count(121)
    texts = await at_seat.part("message").locator(".message-text").all_inner_texts()
    assert texts == ["The very first", *(f"Message {n}" for n in range(1, 121))]

    await talk.message(at_seat, "Message 30").scroll_into_view_if_needed()
    place = await at_seat.page.evaluate(_PLACE_OF, "Message 30")
    await writes(staff, dialog, "Meanwhile")
    await expect(talk.message(at_seat, "Meanwhile")).to_be_attached()
    assert await at_seat.page.evaluate(_PLACE_OF, "Message 30") == place
    await expect(at_seat.part("to-end")).to_contain_text("1")
    assert await unread(player, dialog) == 1
    await at_seat.press("to-end")
    await talk.has_unread(at_seat, dialog["id"], 0)


async def test_list_that_is_being_scrolled_does_not_jump_back_when_a_message_comes(
    club: Club, window: OpensWindow
) -> None:
    player, _, staff = await people(club)
    dialog = await begins(player)
    for number in range(40):
        await writes(player, dialog, f"Message {number}")
    at_seat = await window(f"/dialogs#{dialog['id']}", who=player)
    await expect(talk.message(at_seat, "Message 39")).to_be_in_viewport()
    # From the end, and from the middle.
    for up in (300, 200):
        before, after = await at_seat.page.evaluate(_SCROLL_AND_HEAR, up)
        assert before == after


async def test_message_is_read_when_somebody_looks_at_it(club: Club, window: OpensWindow) -> None:
    player, _, staff = await people(club)
    dialog = await begins(player)
    at_seat = await window(f"/dialogs#{dialog['id']}", who=player)
    await expect(at_seat.part("thread")).to_have_attribute("data-state", "ready")
    await is_looked_at(at_seat.page, False)

    await writes(staff, dialog, "Are you there?")

    await expect(talk.message(at_seat, "Are you there?")).to_be_visible()
    await talk.has_unread(at_seat, dialog["id"], 1)
    await expect(at_seat.page).to_have_title(re.compile(r"^\(1\)"))
    assert await unread(player, dialog) == 1
    await is_looked_at(at_seat.page, True)
    await talk.has_unread(at_seat, dialog["id"], 0)
    assert await unread(player, dialog) == 0


async def test_what_is_written_without_a_connection_is_sent_once_and_in_order(
    club: Club, window: OpensWindow
) -> None:
    player, _, staff = await people(club)
    dialog = await begins(player)
    at_seat = await window(f"/dialogs#{dialog['id']}", who=player, network_may_fail=True)
    other = await at_seat.context.new_page()
    await other.goto(f"/dialogs#{dialog['id']}")
    await expect(other.get_by_test_id("message")).to_have_count(1)
    await at_seat.shows_link("online")
    await at_seat.context.set_offline(True)
    await at_seat.shows_link("offline")

    for text in ("First", "Second"):
        await at_seat.part("write").fill(text)
        await at_seat.press("write-send")
        await expect(talk.message(at_seat, text)).to_have_attribute("data-state", "waiting")
    await at_seat.context.set_offline(False)

    for text in ("First", "Second"):
        await expect(talk.message(at_seat, text)).to_have_attribute("data-state", "sent")
    assert [m["text"] for m in await messages(staff, dialog)] == ["Second", "First", "Hello"]
    for page in (at_seat.page, other):
        texts = page.get_by_test_id("message").locator(".message-text")
        await expect(texts).to_have_text(["Hello", "First", "Second"])


async def test_message_that_is_refused_can_be_sent_again_or_changed(
    club: Club, window: OpensWindow
) -> None:
    player, _, staff = await people(club)
    dialog = await begins(player)
    at_seat = await window(f"/dialogs#{dialog['id']}", who=player, network_may_fail=True)
    await at_seat.shows_link("online")
    path = f"**/api/dialogs/{dialog['id']}/messages"

    async def refuse(route: Route) -> None:
        body = {"success": False, "error": "Not so fast.", "code": "too_many_requests"}
        await route.fulfill(status=429, headers={"Retry-After": "7"}, json=body)

    await at_seat.page.route(path, refuse)
    for text in ("Again", "Otherwise"):
        await at_seat.part("write").fill(text)
        await at_seat.page.keyboard.press("Enter")
        await expect(talk.message(at_seat, text)).to_have_attribute("data-state", "failed")
    await expect(talk.message(at_seat, "Again")).to_contain_text("7 s")
    await at_seat.page.unroute(path)

    await talk.message(at_seat, "Again").get_by_test_id("message-retry").click()
    await expect(talk.message(at_seat, "Again")).to_have_attribute("data-state", "sent")
    await talk.message(at_seat, "Otherwise").get_by_test_id("message-edit").click()
    await expect(at_seat.part("write")).to_have_value("Otherwise")
    await expect(talk.message(at_seat, "Otherwise")).to_have_count(0)
    assert [m["text"] for m in await messages(staff, dialog)] == ["Again", "Hello"]


async def test_staff_see_typing_take_a_dialog_resolve_it_and_find_it_by_its_state(
    club: Club, window: OpensWindow
) -> None:
    player, _, staff = await people(club)
    dialog = await begins(player, subject="Lost headset")
    quiet = await begins(player, subject="Quiet")
    at_counter = await window(f"/dialogs#{dialog['id']}", who=staff)
    at_seat = await window(f"/dialogs#{dialog['id']}", who=player)
    await expect(at_counter.part("dialog-title")).to_have_text("Lost headset")
    for one in (at_counter, at_seat):
        await one.shows_link("online", "websocket")
    # It ends by itself, whether or not a message comes of it.
    await at_seat.part("write").press_sequentially("H")
    typing = talk.entry(at_counter, dialog["id"]).get_by_text("is writing")
    await expect(typing).to_be_visible()
    await expect(typing).to_have_count(0)

    await at_counter.press("dialog-take")
    await expect(at_counter.part("dialog-assignee")).to_have_text("taken by you")
    await at_counter.part("inbox-whose").select_option("me")
    await expect(talk.entry(at_counter)).to_have_count(1)
    await at_counter.part("inbox-whose").select_option("none")
    await expect(talk.entry(at_counter, quiet["id"])).to_have_count(1)
    await expect(talk.entry(at_counter, dialog["id"])).to_have_count(0)

    await at_counter.part("dialog-status").select_option("resolved")
    await expect(talk.entry(at_seat, dialog["id"])).to_have_attribute("data-status", "resolved")
    await at_counter.part("inbox-whose").select_option("")
    await expect(talk.entry(at_counter, dialog["id"])).to_have_count(0)
    await at_counter.page.get_by_role("radio", name="Resolved").check()
    await expect(talk.entry(at_counter, dialog["id"])).to_have_count(1)
    # Who writes again has a question again.
    await talk.writes(at_seat, "It is lost again")
    await expect(talk.entry(at_counter, dialog["id"])).to_have_count(0)
    await at_counter.page.get_by_role("radio", name="Open").check()
    await at_counter.part("inbox-unread-first").check()
    await writes(player, quiet, "Still here")
    await expect(talk.entry(at_counter).first).to_have_attribute(
        "data-dialog-id", str(quiet["id"])
    )


async def test_member_who_is_written_to_from_the_chat_leaves_the_dialog(
    club: Club, window: OpensWindow
) -> None:
    player, other, _ = await people(club)
    await other.post("/api/chat", {"text": "Who plays doubles?"})
    at_seat = await window(who=player)
    at_home = await window("/dialogs", who=other)
    await talk.acts_on(talk.line(at_seat, "Who plays doubles?"))
    await at_seat.press("chat-write")
    await expect(at_seat.part("new-person")).to_contain_text(other.username)
    await at_seat.part("new-text").fill("I do")
    await at_seat.press("new-send")
    await expect(talk.message(at_seat, "I do")).to_be_visible()

    await talk.entry(at_home).click()
    await talk.writes(at_home, "At eight")
    await expect(talk.message(at_seat, "At eight")).to_be_visible()
    await at_home.press("dialog-leave")
    await at_home.press("dialog-leave-confirm")
    await expect(talk.entry(at_home)).to_have_count(0)
    await expect(at_home.part("messages")).to_have_count(0)


# --- text is text ----------------------------------------------------------------------------


async def stranger(club: Club) -> Person:
    """Somebody whose name came from elsewhere: at the doors nobody gets one like it."""
    person = await club.person(has_password=False)
    async with club.app[DB].transaction() as tx:
        rename = "UPDATE users SET username = $2 WHERE id = $1"
        await tx.execute(rename, person.id, f"{HOSTILE}{BACKWARDS}{LONG_WORD}"[:190])
    return person


async def nothing_ran(window: Window, *places: str) -> None:
    """What strangers wrote stands there as text, and within the window."""
    assert "run" not in await window.page.title()
    for place in places:
        made = window.part(place).locator("img, script, iframe, [onerror]")
        await expect(made).to_have_count(0)
    await fits(window)


async def test_text_of_strangers_is_text_in_dialogs_and_in_the_chat(
    club: Club, window: OpensWindow
) -> None:
    player, _, staff = await people(club)
    enemy = await stranger(club)
    texts = [HOSTILE, f"{BACKWARDS}end", LONG_WORD, "👩‍👩‍👧‍👦🔥", "one\n  two"]
    dialog = await begins(enemy, player, text=HOSTILE, subject=f"{HOSTILE}{BACKWARDS}"[:200])
    unnamed = await begins(enemy, player, text=LONG_WORD)
    for text in texts:
        await writes(enemy, dialog, text)
    for text in texts[:4]:
        assert (await enemy.post("/api/chat", {"text": text[:500]})).status == 201

    for person in (player, staff):
        phone = await window(f"/dialogs#{unnamed['id']}", who=person, **PHONE)
        await expect(phone.part("dialog-title")).to_contain_text("<script>")
        await nothing_ran(phone, "thread")
        await phone.press("dialog-close")
        await expect(talk.entry(phone, dialog["id"])).to_contain_text(HOSTILE[:20])
        await nothing_ran(phone, "dialog-list")
        await talk.opens(phone, dialog["id"])
        shown = phone.part("message").locator(".message-text")
        assert await shown.all_text_contents() == [HOSTILE, *texts]
        await nothing_ran(phone, "thread")

    at_counter = await window(who=staff, **PHONE)
    await at_counter.press("chat-open")
    await expect(talk.line(at_counter, HOSTILE)).to_be_visible()
    await nothing_ran(at_counter, "chat-lines")
    await talk.line(at_counter, HOSTILE).get_by_test_id("chat-act").click()
    await expect(at_counter.part("chat-mute-10")).to_be_visible()
    await nothing_ran(at_counter, "chat-actions")
