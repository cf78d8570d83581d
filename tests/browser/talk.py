"""What people do on the page of dialogs and in the chat, as stories speak of it."""

from typing import Any

from playwright.async_api import Locator, expect

from tests.browser.pages import Window


def entry(window: Window, dialog_id: Any = "") -> Locator:
    """A dialog in the list, or those that there are."""
    chosen = f'[data-dialog-id="{dialog_id}"]' if dialog_id else ""
    return window.page.locator(f'[data-testid="dialog-entry"]{chosen}')


def message(window: Window, text: str) -> Locator:
    return window.part("message").filter(has=window.page.get_by_text(text, exact=True))


async def has_unread(window: Window, dialog_id: int, count: int) -> None:
    await expect(entry(window, dialog_id)).to_have_attribute("data-unread", str(count))


async def begins(window: Window, text: str, subject: str = "") -> int:
    """Begin a dialog with the staff; its id."""
    await window.press("dialog-new")
    await window.part("new-subject").fill(subject)
    await window.part("new-text").fill(text)
    await window.press("new-send")
    await expect(message(window, text)).to_be_visible()
    return int(window.page.url.partition("#")[2])


async def opens(window: Window, dialog_id: int) -> None:
    await entry(window, dialog_id).click()
    await expect(window.part("thread")).to_have_attribute("data-state", "ready")


async def writes(window: Window, text: str, *, note: bool = False) -> None:
    """Write in the dialog that is open, and see it sent."""
    kind = window.page.locator(f'[name="kind"][value="{"note" if note else "message"}"]')
    if await kind.count():
        await kind.check()
    await window.part("write").fill(text)
    await window.page.keyboard.press("Enter")
    await expect(message(window, text)).to_have_attribute("data-state", "sent")


async def says(window: Window, text: str) -> Locator:
    """Write in the chat; the line."""
    await window.part("chat-text").fill(text)
    await window.press("chat-send")
    return line(window, text)


def line(window: Window, text: str) -> Locator:
    return window.part("chat-line").filter(has=window.page.get_by_text(text, exact=True))


async def acts_on(line_: Locator) -> None:
    """Open what can be done about a line of the chat."""
    await line_.hover()
    await line_.get_by_test_id("chat-act").click()
