"""Removes what is too old from the log, and what is remembered of sockets that are gone.

Invariants
    The floor is raised, and that is committed, before anything below it is deleted: a reader who
    sees rows missing sees the floor above them. It only rises, and never above the head.
    Only one worker trims at a time; one that dies leaves rows below the floor, which the next
    deletes.
"""

import asyncio
import time

import structlog

from server.db import Database
from server.errors import DatabaseUnavailable
from server.metrics import TRIMMED

log = structlog.get_logger(__name__)

# Any constant will do, as long as no other lock of the service has it.
_LOCK = 0x74726D

# Rows of one transaction: a few milliseconds of a log that others write to.
BATCH = 1000

# So many looks within the age of what is kept: nothing stays for much longer.
_LOOKS = 1000
_LOOK_S = (0.5, 60.0)

_TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1)"

# By position, since that is what is indexed: rows stand in it about as they were written.
_RAISE_FLOOR = """
    UPDATE event_log_head
       SET floor = oldest.last
      FROM (SELECT max(pos) AS last
              FROM (SELECT pos, at FROM event_log
                     WHERE pos > (SELECT floor FROM event_log_head)
                  ORDER BY pos
                     LIMIT $2) AS first
             WHERE at < now() - make_interval(secs => $1)) AS oldest
     WHERE oldest.last > floor
 RETURNING floor
"""

_DELETE = """
    DELETE FROM event_log
     WHERE pos = ANY(ARRAY(
           SELECT pos FROM event_log
            WHERE pos <= (SELECT floor FROM event_log_head)
         ORDER BY pos
            LIMIT $1))
 RETURNING pos
"""

_FORGET = """
    DELETE FROM recovery_marks
     WHERE id = ANY(ARRAY(
           SELECT id FROM recovery_marks
            WHERE at < now() - make_interval(secs => $1)
         ORDER BY at
            LIMIT $2))
 RETURNING id
"""


class Retention:
    """Keeps the log as long as it is to be kept."""

    def __init__(self, db: Database, *, days: float) -> None:
        self._db = db
        self._age_s = days * 86_400
        self._pause_s = min(max(self._age_s / _LOOKS, _LOOK_S[0]), _LOOK_S[1])

    async def run(self) -> None:
        """Trim again and again until cancelled."""
        while True:
            try:
                await self.trim()
            except DatabaseUnavailable:
                log.info("trimming put off: the database does not answer")
            except Exception:
                log.exception("trimming failed")
            await asyncio.sleep(self._pause_s)

    async def trim(self) -> int:
        """Remove all that is too old now. Returns how many events that were.

        Another worker that trims at the same time does it instead. Raises: DatabaseUnavailable.
        """
        total = 0
        while True:
            began = time.monotonic()
            more = await self._raise_floor()
            deleted = await self._alone(_DELETE, BATCH)
            total += deleted or 0
            if not more and deleted != BATCH:
                break
            # Half of the time is others'.
            await asyncio.sleep(time.monotonic() - began)
        # An end that is forgotten is one of a socket that the log cannot continue any more.
        while await self._alone(_FORGET, self._age_s, BATCH) == BATCH:
            await asyncio.sleep(0)
        if total:
            TRIMMED.inc(total)
            log.info("log trimmed", events=total)
        return total

    async def _raise_floor(self) -> bool:
        """Whether there was something too old."""
        return bool(await self._alone(_RAISE_FLOOR, self._age_s, BATCH))

    async def _alone(self, statement: str, *arguments: object) -> int | None:
        """How many rows a statement changed; None if another worker is at it."""
        async with self._db.transaction() as tx:
            if not await tx.fetchval(_TRY_LOCK, _LOCK):
                return None
            return len(await tx.fetch(statement, *arguments))
