"""The pages as people use them, so that stories need no selectors."""

import json
from typing import Any
from urllib.parse import urlencode

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    WebError,
    expect,
)

from tests.club import PASSWORD, PATIENCE_S, Person

# Chromium reports most violations on the console; this makes it all of them.
_REPORT_VIOLATIONS = """
    document.addEventListener("securitypolicyviolation", (event) =>
        console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`));
"""

# How Chromium's console words it when a server is not there or refuses.
_NETWORK_TROUBLE = ("Failed to load resource", "WebSocket connection to")

_OVERFLOWING = """
    () => {
        const width = document.documentElement.clientWidth;
        const clipped = (element) => {
            for (let at = element.parentElement; at && at !== document.body; at = at.parentElement)
                if (getComputedStyle(at).overflowX !== "visible") return true;
            return false;
        };
        const wide = [...document.body.querySelectorAll("*")].filter((element) => {
            const box = element.getBoundingClientRect();
            return box.width > 1 && (box.right > width + 1 || box.left < -1) && !clipped(element);
        });
        return wide.map((element) => element.outerHTML.slice(0, 120));
    }
"""


async def signed_in(person: Person) -> dict[str, Any]:
    """What the browser of somebody who has signed in before keeps, as a context's option.

    Most stories begin there: a password takes the server a quarter of a second, on purpose.
    """
    fresh = await person.post("/api/auth/refresh")
    user = (await person.get("/api/me"))["user"]
    session = {"token": fresh["token"], "expiresAt": fresh["expiresAt"], "user": user}
    item = {"name": "cyberhub.session", "value": json.dumps(session | {"ended": False})}
    return {"cookies": [], "origins": [{"origin": person.club.url, "localStorage": [item]}]}


class Window:
    """One browser window in a profile of its own, and everything that went wrong in it."""

    def __init__(self, context: BrowserContext, page: Page, network_may_fail: bool) -> None:
        self.context = context
        self.page = page
        self.trouble: list[str] = []
        self.loads = 0
        self._network_may_fail = network_may_fail
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        page.on("load", self._on_load)

    @classmethod
    async def open(
        cls,
        browser: Browser,
        url: str,
        path: str = "/",
        *,
        transport: str = "",
        network_may_fail: bool = False,
        **options: Any,
    ) -> "Window":
        """`options` are those of a Playwright context."""
        settings: dict[str, Any] = {
            "viewport": {"width": 1280, "height": 800},
            "locale": "en-GB",
            # The reel takes three seconds each time; the stories about it ask for motion.
            "reduced_motion": "reduce",
        }
        context = await browser.new_context(base_url=url, **settings | options)
        context.set_default_timeout(PATIENCE_S * 1000)
        await context.add_init_script(_REPORT_VIOLATIONS)
        window = cls(context, await context.new_page(), network_may_fail)
        query = f"?{urlencode({'transport': transport})}" if transport else ""
        await window.page.goto(path + query)
        return window

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        if self._network_may_fail and message.text.startswith(_NETWORK_TROUBLE):
            return
        self.trouble.append(f"{message.text} ({message.location['url']})")

    def _on_error(self, error: WebError) -> None:
        self.trouble.append(f"uncaught: {error.error}")

    def _on_load(self, page: Page) -> None:
        self.loads += 1

    def expect_network_trouble(self) -> None:
        """From here on the story itself makes requests fail."""
        self._network_may_fail = True

    # --- What both pages share -------------------------------------------------

    def part(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    async def press(self, testid: str) -> None:
        await self.part(testid).click()

    async def sign_in(self, person: Person) -> None:
        await self.part("username").fill(person.username)
        await self.part("password").fill(PASSWORD)
        await self.press("sign-in")
        await expect(self.part("sign-out")).to_be_visible()

    async def shows_link(self, state: str, transport: str | None = None) -> None:
        """Wait for the indicator's state, and for the transport that it names."""
        indicator = self.part("indicator")
        # A page waits seconds between attempts, longer the longer the server was away.
        patience_ms = 3 * PATIENCE_S * 1000
        await expect(indicator).to_have_attribute("data-state", state, timeout=patience_ms)
        if transport:
            await expect(indicator).to_have_attribute(
                "data-transport", transport, timeout=patience_ms
            )

    async def link_is(self, colour: str) -> None:
        """Wait for the Wi-Fi sign to be `red` or `green`."""
        await self.page.wait_for_function(
            """colour => {
                const sign = document.querySelector('[data-testid="indicator"]');
                const [red, green] = getComputedStyle(sign).color.match(/\\d+/g).map(Number);
                return colour === (red > green ? "red" : "green");
            }""",
            arg=colour,
        )

    async def overflow(self) -> list[str]:
        """What reaches beyond the sides of the window."""
        wide: list[str] = await self.page.evaluate(_OVERFLOWING)
        return wide

    async def tab_to(self, testid: str, which: str = "") -> None:
        """Press Tab until this part has the focus; `which` is a selector among several."""
        selector = f'[data-testid="{testid}"]{which}'
        for _ in range(60):
            if await self.page.evaluate("css => document.activeElement.matches(css)", selector):
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab never comes to {testid}")

    # --- The player's page -------------------------------------------------------

    def case(self, case_id: int) -> Locator:
        return self.page.locator(f'[data-testid="case-card"][data-case-id="{case_id}"]')

    def case_named(self, name: str) -> Locator:
        return self.part("case-card").filter(has_text=name)

    def ticket(self, status: str | None = None) -> Locator:
        """The player's prizes, or those in one state."""
        chosen = f'[data-status="{status}"]' if status else ""
        return self.page.locator(f'[data-testid="inventory-item"]{chosen}')

    async def number_of(self, ticket: Locator) -> str:
        """The number that a ticket shows."""
        return await ticket.locator(".ticket-stub b").inner_text()

    def drop(self, item: str) -> Locator:
        return self.part("drop").filter(has_text=item)

    async def shows_balance(self, amount: float) -> None:
        await expect(self.part("balance")).to_have_attribute("data-value", f"{amount:g}")

    async def opens(self, case: Locator) -> Locator:
        """Open a case and wait for the reel to stop; the prize's name."""
        await case.click()
        await self.press("open-case")
        await expect(self.part("reveal-item")).to_be_visible()
        return self.part("reveal-item")

    async def claims(self, ticket: Locator) -> None:
        await ticket.get_by_test_id("claim").click()
        await self.press("claim-confirm")

    # --- The admin's page ----------------------------------------------------------

    async def creates_case(self, name: str, price: str, lines: list[dict[str, str]]) -> None:
        """Fill the editor and save. A line has `name`, `value`, `weight`, and may have more."""
        await self.press("case-new")
        await self.fills_case(name, price, lines)
        await self.press("case-save")
        await expect(self.part("case-editor")).to_have_count(0)

    async def fills_case(self, name: str, price: str, lines: list[dict[str, str]]) -> None:
        await self.part("case-name").fill(name)
        await self.part("case-price").fill(price)
        for n, line in enumerate(lines):
            if n > 0:
                await self.press("line-add")
            for field, text in line.items():
                cell = self.part(f"line-{field}").nth(n)
                if field == "rarity":
                    await cell.select_option(text)
                else:
                    await cell.fill(text)

    async def deletes_case(self, name: str) -> None:
        row = self.part("case-row").filter(has_text=name)
        await row.get_by_test_id("case-delete").click()
        await self.press("case-delete-confirm")
        await expect(row).to_have_count(0)

    async def picks_member(self, person: Person) -> None:
        await self.part("user-search").fill(person.username)
        await self.page.locator(
            f'[data-testid="user-row"][data-username="{person.username}"]'
        ).click()

    async def adds_balance(self, person: Person, amount: str) -> None:
        await self.picks_member(person)
        await self.part("amount").fill(amount)
        await self.press("balance-add")
        await expect(self.part("amount")).to_have_value("")

    async def finds_prize(self, number: str) -> None:
        await self.part("prize-number").fill(number)
        await self.press("prize-find")

    # --- The calendar, and the bell that every page has --------------------------------

    def plan(self, event_id: int) -> Locator:
        """The event in the list, or under the chosen day."""
        return self.page.locator(f'[data-testid="plan"][data-event-id="{event_id}"]')

    async def fills_event(self, **fields: str) -> None:
        """Fill the open editor; `visibility` is chosen, all else typed."""
        for name, text in fields.items():
            field = self.part(f"event-{name}")
            if name == "visibility":
                await field.select_option(text)
            else:
                await field.fill(text)

    async def invites(self, *people: Person) -> None:
        for person in people:
            await self.part("invite-name").fill(person.username)
            await self.press("invite-add")
            await expect(self.part("invite-name")).to_have_value("")

    async def answers(self, status: str, expected: str | None = None) -> None:
        """Answer the open event; `expected` is what it then says of the member."""
        await self.press(f"answer-{status}")
        await self.is_said(expected or status)

    async def is_said(self, status: str) -> None:
        """Wait until the open event says so of the member who looks at it."""
        await expect(self.part("own-status")).to_have_attribute("data-status", status)

    async def sees(self, person: Person, status: str) -> None:
        """Wait until the open event says so of somebody."""
        row = self.page.locator(f'[data-testid="participant"][data-user-id="{person.id}"]')
        await expect(row).to_have_attribute("data-status", status)

    async def rings(self, unread: int) -> None:
        """Wait until the bell shows so many."""
        await expect(self.part("bell")).to_have_attribute("data-unread", str(unread))

    def notice(self, kind: str) -> Locator:
        return self.page.locator(f'[data-testid="notice"][data-kind="{kind}"]')
