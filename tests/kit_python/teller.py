"""Somebody whose balance moves, so that what was heard of it can be counted."""

from tests.club import Club, Person
from tests.happenings import top_up
from tests.kit_python.bot import Bot


class Teller:
    """Changes somebody's balance in steps of a hundredth."""

    def __init__(self, player: Person) -> None:
        self.player = player
        self.told = 0

    @property
    def club(self) -> Club:
        return self.player.club

    async def tells(self, count: int) -> None:
        self.told += count
        await top_up(self.club, self.player, count)

    async def all_heard(self, bot: Bot) -> None:
        """Every one once and in order, and nothing else of this member."""
        await bot.hears("balance:updated", self.told)
        heard_all_of(bot, self.player.id, self.told)


def heard_all_of(bot: Bot, member_id: int, told: int) -> None:
    balances = [data["balance"] for data in bot.all(f"balance:updated:{member_id}")]
    assert balances == [number / 100 for number in range(1, told + 1)]
    cursors = [event.cursor for event in bot.heard if event.cursor is not None]
    assert cursors == sorted(set(cursors), key=lambda cursor: int(cursor.split(".")[1]))
