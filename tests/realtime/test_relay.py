"""The relay outlives what happens to its own queries."""

from typing import Any

import asyncpg

from server.realtime.log import NUMBERING_LOCK
from tests.club import Club, until

_RELAY_WAITS = """
    SELECT pid FROM pg_locks
     WHERE locktype = 'advisory' AND NOT granted AND database = (
           SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def test_relay_whose_query_is_cancelled_goes_on_and_tells_what_was_committed(
    club: Club, dsn: str
) -> None:
    visitor = await club.person()
    at_visitor = await visitor.comes("websocket")
    admin = await club.admin()
    holder, other = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    try:
        async with holder.transaction():
            await holder.execute("SELECT pg_advisory_xact_lock($1)", NUMBERING_LOCK)
            line = {"name": "Pin", "rarity": "common", "value": 1, "weight": 1}
            made = await admin.post(
                "/api/admin/cases", {"name": "Tin", "price": 1, "items": [line]}
            )
            assert made.status == 201

            async def waits() -> Any:
                return await other.fetchval(_RELAY_WAITS)

            pid = await until(waits, "the relay waits to number the event")
            assert await other.fetchval("SELECT pg_cancel_backend($1)", pid)
    finally:
        await holder.close()
        await other.close()

    await at_visitor.hears("cases:updated")
    assert at_visitor.names() == ["cases:updated"]
    await visitor.leave()
