"""The ledger: every coin that moves, once.

`ledger` is append-only; `users.balance_minor` is its running sum, moved in the same statement.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from server.club.accounts import UserNotFound
from server.db import Transaction
from server.errors import ClubError

_POSTED = """
    member AS (
        UPDATE users
           SET balance_minor = balance_minor + $2
         WHERE id = $1 {condition}
     RETURNING balance_minor
    ), posted AS (
        INSERT INTO ledger (user_id, amount_minor, kind, reference, balance_after)
        SELECT $1, $2, $3, $4, balance_minor FROM member
     RETURNING balance_after
    )
"""

# The condition and the change are one statement, and the row stays locked to the commit: two
# postings of one member cannot both see the same balance. Where the balance is too small there
# is no row.
_POST = f"""
    WITH {_POSTED.format(condition="AND balance_minor + $2 >= 0")}
    SELECT balance_after FROM posted
"""

# For statements on top of it, whose arguments go on from $5. The member's row is locked and the
# balance known to be enough; if it were not, the database's CHECK would end the transaction.
POSTED_KNOWN = _POSTED.format(condition="")

_EXISTS = "SELECT EXISTS (SELECT FROM users WHERE id = $1)"

_HISTORY = """
    SELECT id, amount_minor, kind, reference, balance_after, at
      FROM ledger
     WHERE user_id = $1 AND ($2::bigint IS NULL OR id < $2)
  ORDER BY id DESC
     LIMIT $3
"""


class InsufficientBalance(ClubError):
    code = "insufficient_balance"
    sentence = "There is not enough money on the balance."


class BalanceLimit(ClubError):
    code = "balance_limit"
    sentence = "The balance cannot grow beyond this."


@dataclass(frozen=True, slots=True)
class Posting:
    """A line of the ledger; `amount_minor` is negative where money left."""

    id: int
    amount_minor: int
    kind: str
    reference: str
    balance_after: int
    at: datetime


async def post(tx: Transaction, user_id: int, amount_minor: int, kind: str, reference: str) -> int:
    """Move money to (or, negative, from) a member; returns the new balance in minor units.

    Raises: InsufficientBalance, BalanceLimit, UserNotFound.
    """
    try:
        row = await tx.fetchrow(_POST, user_id, amount_minor, kind, reference)
    except asyncpg.CheckViolationError as error:
        if error.constraint_name == "users_balance":
            raise BalanceLimit() from None
        raise
    if row is None:
        if not await tx.fetchval(_EXISTS, user_id):
            raise UserNotFound()
        raise InsufficientBalance()
    return int(row["balance_after"])


async def history(
    connection: Any, user_id: int, *, before: int | None, limit: int
) -> list[Posting]:
    """The member's postings, newest first."""
    rows = await connection.fetch(_HISTORY, user_id, before, limit)
    return [Posting(**row) for row in rows]
