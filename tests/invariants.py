"""What holds after every test (DESIGN: Money)."""

import json

import asyncpg

_BALANCE_IS_SUM = """
    SELECT users.id, balance_minor, coalesce(sum(amount_minor), 0) AS sum
      FROM users LEFT JOIN ledger ON ledger.user_id = users.id
  GROUP BY users.id
    HAVING balance_minor <> coalesce(sum(amount_minor), 0)
"""

_RUNNING_SUM = """
    SELECT id FROM (
        SELECT id, balance_after,
               sum(amount_minor) OVER (PARTITION BY user_id ORDER BY id) AS running
          FROM ledger) AS lines
     WHERE balance_after <> running
"""

_LEDGER = "SELECT user_id, balance_after FROM ledger ORDER BY id"

_TOLD = """
    SELECT audience, payload
      FROM event_log
     WHERE name LIKE 'balance:updated:%'
  ORDER BY id
"""

_FLOOR = "SELECT floor FROM event_log_head"

_PRIZES_WITHOUT_OPENING = """
    SELECT inventory.id FROM inventory LEFT JOIN openings ON openings.id = opening_id
     WHERE openings.id IS NULL OR openings.user_id <> inventory.user_id
"""

_OPENINGS_UNPAID = """
    SELECT (SELECT count(*) FROM openings) - (SELECT count(*) FROM ledger WHERE kind = 'open')
"""

_OPENINGS_WITHOUT_PRIZE = "SELECT (SELECT count(*) FROM openings) - count(*) FROM inventory"

_CREDITS_UNPOSTED = """
    SELECT provider, transaction_id FROM payment_credits
     WHERE (SELECT count(*) FROM ledger
             WHERE kind = 'deposit' AND reference = provider || ':' || transaction_id
               AND user_id = payment_credits.user_id
               AND amount_minor = payment_credits.amount_minor) <> 1
"""

_CLAIMS_UNPOSTED = """
    SELECT id FROM inventory
     WHERE (status = 'claimed')::int <> (
           SELECT count(*) FROM ledger
            WHERE kind = 'claim' AND reference = 'inventory:' || inventory.id)
"""


async def check_invariants(dsn: str) -> None:
    """Fail if money, prizes and events do not agree."""
    connection = await asyncpg.connect(dsn)
    try:
        # One moment for all of them: tests may leave work running behind them.
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            assert await connection.fetch(_BALANCE_IS_SUM) == []
            assert await connection.fetch(_RUNNING_SUM) == []
            assert await connection.fetch(_PRIZES_WITHOUT_OPENING) == []
            assert await connection.fetchval(_OPENINGS_UNPAID) == 0
            assert await connection.fetchval(_OPENINGS_WITHOUT_PRIZE) == 0
            assert await connection.fetch(_CREDITS_UNPOSTED) == []
            assert await connection.fetch(_CLAIMS_UNPOSTED) == []
            # Every line of the ledger has its event, and a member hears them in its order.
            ledger: dict[str, list[int]] = {}
            for row in await connection.fetch(_LEDGER):
                ledger.setdefault(f"user:{row['user_id']}", []).append(row["balance_after"])
            told: dict[str, list[int]] = {}
            for row in await connection.fetch(_TOLD):
                balance = round(json.loads(row["payload"])["balance"] * 100)
                told.setdefault(row["audience"], []).append(balance)
            if await connection.fetchval(_FLOOR):
                # The oldest may have been removed.
                ledger = {
                    room: sums[-len(told[room]) :] for room, sums in ledger.items() if room in told
                }
            assert told == ledger
    finally:
        await connection.close()
