"""Payments: top-ups that a provider confirms, each credited once."""

import re
from dataclasses import dataclass
from typing import Any

from server.club import accounts, ledger
from server.db import Transaction
from server.errors import ClubError

# Exactly as we write an id: "007" is somebody else's name for something else.
_OWN_ID = re.compile(r"[1-9]\d{0,15}", re.ASCII)

_INSERT = """
    INSERT INTO payments (user_id, amount_minor) VALUES ($1, $2)
 RETURNING id, user_id, amount_minor, status
"""

_FIND = "SELECT id, user_id, amount_minor, status FROM payments WHERE id = $1"

_LOCK = f"{_FIND} FOR UPDATE"

_PAID = "UPDATE payments SET status = 'paid', paid_at = now() WHERE id = $1"

# Only one delivery gets past this; the others wait for its commit and then find it there.
_OCCUPY = """
    INSERT INTO payment_credits (provider, transaction_id, user_id, amount_minor)
    VALUES ($1, $2, $3, $4)
        ON CONFLICT ON CONSTRAINT payment_credits_pkey DO NOTHING
 RETURNING true
"""

_CREDITED = """
    SELECT user_id, amount_minor FROM payment_credits WHERE provider = $1 AND transaction_id = $2
"""


class PaymentNotFound(ClubError):
    status = 404
    code = "payment_not_found"
    sentence = "There is no such payment."


class PaymentMismatch(ClubError):
    code = "payment_mismatch"
    sentence = "This payment is of another member or another amount."


@dataclass(frozen=True, slots=True)
class Payment:
    """A top-up that a member asked for."""

    id: int
    user_id: int
    amount_minor: int
    status: str


@dataclass(frozen=True, slots=True)
class Credit:
    """What became of a delivery: `balance_minor` is None where nothing was credited."""

    outcome: str
    balance_minor: int | None = None


async def create(tx: Transaction, user_id: int, *, amount: int) -> Payment:
    """Ask for a top-up of `amount` minor units."""
    return Payment(**await tx.fetchrow(_INSERT, user_id, amount))


async def get(connection: Any, payment_id: int) -> Payment:
    """Raises: PaymentNotFound."""
    row = await connection.fetchrow(_FIND, payment_id)
    if row is None:
        raise PaymentNotFound()
    return Payment(**row)


async def credit(
    tx: Transaction, provider: str, transaction_id: str, user_id: int, amount_minor: int
) -> Credit:
    """Credit what a provider confirmed, once for each (provider, transaction).

    Outcomes: `credited`; `repeated`; `conflicting`, a repeat that names another member or
    amount. Raises: UserNotFound, PaymentMismatch, BalanceLimit.
    """
    await accounts.lock(tx, user_id)
    payment = await _own_payment(tx, transaction_id)
    if payment and (payment.user_id, payment.amount_minor) != (user_id, amount_minor):
        raise PaymentMismatch()
    if payment and payment.status == "paid":
        return Credit("repeated")
    if not await tx.fetchval(_OCCUPY, provider, transaction_id, user_id, amount_minor):
        first = await tx.fetchrow(_CREDITED, provider, transaction_id)
        same = (first["user_id"], first["amount_minor"]) == (user_id, amount_minor)
        return Credit("repeated" if same else "conflicting")
    if payment:
        await tx.execute(_PAID, payment.id)
    balance = await ledger.post(
        tx, user_id, amount_minor, "deposit", f"{provider}:{transaction_id}"
    )
    return Credit("credited", balance)


async def _own_payment(tx: Transaction, transaction_id: str) -> Payment | None:
    if not _OWN_ID.fullmatch(transaction_id):
        return None
    row = await tx.fetchrow(_LOCK, int(transaction_id))
    return row and Payment(**row)
