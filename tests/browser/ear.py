"""What a page's own script hears of a member's balance, to be counted."""

from playwright.async_api import Page

from tests.club import PATIENCE_S, Person

_LISTEN = """
    async () => {
        const { client } = await import("/static/hub.js");
        window.heard = [];
        window.resyncs = 0;
        client.on("balance:updated", ({ balance }) => heard.push(balance));
        client.on("resync", () => resyncs++);
    }
"""


class Ear:
    """Listens in one tab from now on."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    async def at(cls, page: Page) -> "Ear":
        await page.evaluate(_LISTEN)
        return cls(page)

    async def heard(self, balances: list[int]) -> None:
        """Wait for the last one: every one was heard once, in order, and no reload was needed."""
        await self.page.wait_for_function(
            "last => heard.includes(last)", arg=balances[-1], timeout=3 * PATIENCE_S * 1000
        )
        assert await self.page.evaluate("heard") == balances
        assert await self.page.evaluate("resyncs") == 0


class Payer:
    """Puts money on somebody's balance, 1 at a time."""

    def __init__(self, player: Person) -> None:
        self.player = player
        self.balance = 0

    async def pays(self, times: int = 1) -> None:
        admin = await self.player.club.admin()
        for _ in range(times):
            self.balance += 1
            body = {"userId": self.player.id, "amount": 1}
            assert (await admin.post("/api/admin/balance/add", body)).status == 200

    @property
    def balances(self) -> list[int]:
        return list(range(1, self.balance + 1))
