"""The inventory: prizes won, turned into money, handed out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from server.club import accounts, ledger
from server.club.cases import CaseName, Item
from server.club.openings import case_opened, item_won
from server.db import Transaction
from server.errors import ClubError

_COLUMNS = """
    SELECT inventory.id, inventory.user_id, users.username, inventory.status, inventory.won_at,
           line.id AS item_id, line.name, line.image, line.rarity, line.value_minor,
           cases.id AS case_id, cases.name AS case_name, cases.image AS case_image
      FROM inventory
      JOIN users ON users.id = inventory.user_id
      JOIN openings ON openings.id = inventory.opening_id
      JOIN case_items AS line ON line.id = openings.item_id
      JOIN cases ON cases.id = openings.case_id
"""

_LIST = f"""{_COLUMNS}
     WHERE inventory.user_id = $1
       AND ($2::text IS NULL OR inventory.status = $2)
       AND ($3::bigint IS NULL OR inventory.id < $3)
  ORDER BY inventory.id DESC
     LIMIT $4
"""

_GET = f"{_COLUMNS} WHERE inventory.id = $1"

_CHANGE = """
    UPDATE inventory SET status = $2 WHERE id = $1 AND status = 'won' RETURNING id
"""


class PrizeNotFound(ClubError):
    status = 404
    code = "item_not_found"
    sentence = "There is no such item in the inventory."


class PrizeNotWon(ClubError):
    code = "item_not_available"
    sentence = "This item was claimed, issued or cancelled before."


class PrizeHasNoValue(ClubError):
    code = "item_without_value"
    sentence = "This item cannot be turned into money; collect it at the desk."


@dataclass(frozen=True, slots=True)
class Prize:
    """An entry of the inventory."""

    id: int
    user_id: int
    username: str
    item: Item
    case: CaseName
    status: str
    won_at: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    prize: Prize
    balance_minor: int


async def list_prizes(
    connection: Any, user_id: int, *, status: str | None, before: int | None, limit: int
) -> list[Prize]:
    """The member's prizes, newest first."""
    rows = await connection.fetch(_LIST, user_id, status, before, limit)
    return [_prize(row) for row in rows]


async def get(connection: Any, inventory_id: int) -> Prize:
    """Raises: PrizeNotFound."""
    row = await connection.fetchrow(_GET, inventory_id)
    if row is None:
        raise PrizeNotFound()
    return _prize(row)


async def claim(tx: Transaction, user_id: int, *, inventory_id: int) -> Claimed:
    """Turn a prize into its value, once.

    Raises: PrizeNotFound, PrizeNotWon, PrizeHasNoValue, BalanceLimit.
    """
    await accounts.lock(tx, user_id)
    prize = await get(tx, inventory_id)
    if prize.user_id != user_id:
        raise PrizeNotFound()
    if prize.status != "won":
        raise PrizeNotWon()
    if prize.item.value_minor == 0:
        raise PrizeHasNoValue()
    if await tx.fetchval(_CHANGE, inventory_id, "claimed") is None:
        raise PrizeNotWon()
    balance = await ledger.post(
        tx, user_id, prize.item.value_minor, "claim", f"inventory:{inventory_id}"
    )
    return Claimed(prize, balance)


async def set_status(tx: Transaction, inventory_id: int, status: str) -> Prize:
    """Hand a prize out (`issued`) or call it off (`cancelled`); there is no way back.

    Raises: PrizeNotFound, PrizeNotWon.
    """
    prize = await get(tx, inventory_id)
    # The member's row is held, so that what the member hears is in the order it happened.
    await accounts.lock(tx, prize.user_id)
    if await tx.fetchval(_CHANGE, inventory_id, status) is None:
        raise PrizeNotWon()
    return await get(tx, inventory_id)


def _prize(row: Any) -> Prize:
    return Prize(
        row["id"],
        row["user_id"],
        row["username"],
        item_won(row),
        case_opened(row),
        row["status"],
        row["won_at"],
    )
