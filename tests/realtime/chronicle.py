"""Events for a test, and what of them somebody has to hear."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from events import CasesUpdated, Event, InventoryUpdated
from server.db import Database
from server.realtime.log import EventLog

_DUE = """
    SELECT pos, name, payload, epoch
      FROM event_log, event_log_head
     WHERE audience = ANY($1::text[]) AND pos > $2
  ORDER BY pos
"""

_SILENT = """
    WITH moved AS (UPDATE event_log_head SET head = head + $1 RETURNING head - $1 AS base)
    INSERT INTO event_log (pos, audience, name, payload)
    SELECT moved.base + n, 'all', 'cases:updated', to_json(repeat('x', $2))
      FROM moved, generate_series(1, $1) AS n
"""


class Chronicle:
    """Writes to the log of a database as another server does, also where none runs."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._log = EventLog(db)

    @classmethod
    @asynccontextmanager
    async def open(cls, dsn: str) -> AsyncIterator["Chronicle"]:
        db = Database(dsn, pool_size=4, timeout_s=30.0)
        await db.open()
        try:
            yield cls(db)
        finally:
            await db.close()

    async def write(self, *events: Event) -> str:
        """Commit and number events; the cursor of the last in the log."""
        async with self._db.transaction() as tx:
            for event in events:
                self._log.append(tx, event)
        return await self.number()

    async def number(self) -> str:
        """Give a place to all that is committed; the cursor of the last in the log."""
        async with self._db.connection() as connection:
            await self._log.number(connection)
            return str((await self._log.head(connection)).cursor)

    async def number_silently(self, count: int, size: int = 0) -> None:
        """So many events for all, with as many letters each, of which no bell tells anybody."""
        await self.execute(_SILENT, count, size)

    async def tell(self, count: int, *members: int) -> str:
        """So many for all, mixed with as many for each of these; the last one is for all."""
        events: list[Event] = []
        for _ in range(count):
            events += [InventoryUpdated(member) for member in members]
            events.append(CasesUpdated())
        return await self.write(*events)

    async def due(self, after: str, *members: int) -> list[list[Any]]:
        """What a socket of these members has to be told since a cursor: name, data, cursor."""
        audiences = ["all", *(f"user:{member}" for member in members)]
        async with self._db.connection() as connection:
            rows = await connection.fetch(_DUE, audiences, int(after.rpartition(".")[2]))
        return [
            [
                row["name"],
                *([] if row["payload"] is None else [json.loads(row["payload"])]),
                f"{row['epoch']}.{row['pos']}",
            ]
            for row in rows
        ]

    async def execute(self, statement: str, *arguments: Any) -> None:
        async with self._db.connection() as connection:
            await connection.execute(statement, *arguments)
