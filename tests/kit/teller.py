"""Somebody whose balance moves, so that what was heard of it can be counted."""

from tests.club import Person
from tests.kit.kit import Kit


class Teller:
    """Changes somebody's balance in steps of 1, so that what was heard can be counted."""

    def __init__(self, player: Person) -> None:
        self.player = player
        self.told = 0

    async def tells(self, count: int) -> None:
        admin = await self.player.club.admin()
        for _ in range(count):
            self.told += 1
            body = {"userId": self.player.id, "amount": 1}
            assert (await admin.post("/api/admin/balance/add", body)).status == 200

    async def all_heard(self, page: Kit) -> None:
        """Every one once and in order, and nothing else of this member."""
        name = f"balance:updated:{self.player.id}"
        await page.hears(name, self.told)
        balances = [data["balance"] for data in page.all(name)]
        assert balances == list(range(1, self.told + 1))
        assert page.cursors == sorted(set(page.cursors), key=lambda c: int(c.split(".")[1]))
