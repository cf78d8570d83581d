"""The event log: written inside the business transaction, numbered after its commit.

Invariants
    A row is inserted without a position, while the row it tells of is locked. After the commit
    whoever comes first numbers it: in a READ COMMITTED transaction, under an advisory lock, in
    id order, from `event_log_head.head`. So positions are given in the order in which rows
    became visible under a common lock, no position becomes visible below one that was already
    readable, and a process that dies leaves nothing that the next one does not number.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from events.base import Event
from server.db import Database, Transaction
from server.realtime.cursor import Cursor

# Any constant will do, as long as no other lock of the service has it. Migration 0002 has it too.
NUMBERING_LOCK = 0x6C6F67

# Where the bell is heard.
CHANNEL = "event_log"

# Bounds one numbering transaction, and so how long the lock is held.
NUMBERING_BATCH = 2000

_APPEND = """
    INSERT INTO event_log (audience, name, payload)
    SELECT audience, name, payload::json
      FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY
        AS fresh (audience, name, payload, n)
  ORDER BY n
"""

_UNNUMBERED = "SELECT EXISTS (SELECT FROM event_log WHERE pos IS NULL)"

_UNNUMBERED_FOR = """
    SELECT EXISTS (SELECT FROM event_log WHERE pos IS NULL AND audience = ANY($1::text[]))
"""

# In a function of the database (migration 0002), so that it is one way there and back: it takes
# the lock in a statement of its own, numbers in the next, which sees all that was committed until
# then, and rings. The answer comes after the commit.
_NUMBER = "SELECT epoch, pos, audience, name, payload, at FROM number_events($1)"

_HEAD = "SELECT epoch, head, floor FROM event_log_head"

_READ = """
    SELECT pos, audience, name, payload, at
      FROM event_log
     WHERE pos > $1 AND pos <= $2
  ORDER BY pos
     LIMIT $3
"""

# One statement, and so one moment: what the floor says of it was not trimmed meanwhile. From each
# audience come the first few by its index, however much there is of others.
_AFTER = """
    SELECT epoch, head, floor, missed.*
      FROM event_log_head
 LEFT JOIN LATERAL (
           SELECT event.*
             FROM unnest($2::text[], $3::bigint[]) AS heard (audience, until)
       CROSS JOIN LATERAL (
                  SELECT pos, event_log.audience, name, payload, at
                    FROM event_log
                   WHERE event_log.audience = heard.audience
                     AND pos > $1 AND pos <= least(heard.until, event_log_head.head)
                ORDER BY pos
                   LIMIT $4) AS event
         ORDER BY pos
            LIMIT $4) AS missed ON true
  ORDER BY pos
"""

_ANY_POSITION = 2**62


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log stands: positions from `floor` (exclusive) to `head` can be read."""

    epoch: str
    head: int
    floor: int

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.epoch, self.head)

    def can_continue(self, cursor: Cursor) -> bool:
        """Whether everything after `cursor` is still here, and it is a cursor of this log."""
        return cursor.epoch == self.epoch and self.floor <= cursor.position <= self.head


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event with its place in the log. `data` is None where the event has no payload."""

    cursor: Cursor
    audience: str
    name: str
    data: Any
    at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """What a reader gets: `cursor` is the place to go on from."""

    events: list[LoggedEvent]
    cursor: Cursor
    resync: bool
    more: bool


class EventLog:
    """Appends in a transaction, numbers after it, reads from a cursor."""

    def __init__(self, db: Database) -> None:
        self._db = db
        db.before_commit.append(self._write_outbox)

    def append(self, tx: Transaction, event: Event) -> None:
        """Make the event part of the transaction.

        It is written with the transaction's other events in one statement right before COMMIT,
        when every row that they tell of is locked. Raises: WrongPayload; RuntimeError when the
        transaction takes nothing more.
        """
        tx.ensure_open()
        tx.outbox.append((event.room(), event.wire_name(), event.payload()))

    def _write_outbox(self, tx: Transaction) -> None:
        if tx.outbox:
            audiences, names, payloads = zip(*tx.outbox, strict=True)
            tx.send(_APPEND, audiences, names, payloads)

    async def number(self, connection: Any) -> None:
        """Give positions to all committed events that have none."""
        while await connection.fetchval(_UNNUMBERED):
            await self.number_some(connection)

    async def number_some(self, connection: Any) -> list[LoggedEvent]:
        """Number one batch, ring for the relays, and return the batch, oldest first.

        The connection must be in no transaction: then what is returned is committed. Whoever
        numbers has to ring, a passing reader too: no relay finds anything left to number and
        would ring after it.
        """
        rows = await connection.fetch(_NUMBER, NUMBERING_BATCH)
        return [_logged(row["epoch"], row) for row in rows]

    async def head(self, connection: Any) -> Head:
        return Head(*await connection.fetchrow(_HEAD))

    async def unnumbered_for(self, connection: Any, audiences: Iterable[str]) -> bool:
        """Whether this connection's snapshot sees an event of theirs without a position."""
        return bool(await connection.fetchval(_UNNUMBERED_FOR, list(audiences)))

    async def read(
        self, connection: Any, head: Head, after: int, limit: int
    ) -> list[LoggedEvent]:
        """Events after a position, oldest first, whoever hears them.

        `head` was read before: everything up to it is committed and visible.
        """
        rows = await connection.fetch(_READ, after, head.head, limit)
        return [_logged(head.epoch, row) for row in rows]

    async def after(
        self, connection: Any, after: Cursor, until: Mapping[str, int], limit: int
    ) -> tuple[Head, list[LoggedEvent]]:
        """Events after a cursor, oldest first, of each audience up to a position.

        They are whole only if the head that comes with them `can_continue` the cursor.
        """
        rows = await connection.fetch(
            _AFTER, after.position, list(until), list(until.values()), limit
        )
        head = Head(rows[0]["epoch"], rows[0]["head"], rows[0]["floor"])
        return head, [_logged(head.epoch, row) for row in rows if row["pos"] is not None]

    async def page(self, after: Cursor | None, audiences: list[str], limit: int) -> Page:
        """What came after a cursor for these audiences, numbered first.

        Without a cursor: nothing, and the present one. `resync` when the cursor cannot be
        continued; the present cursor goes with it.
        """
        async with self._db.connection() as connection:
            await self.number(connection)
            if after is None:
                head = await self.head(connection)
                return Page([], head.cursor, resync=False, more=False)
            until = dict.fromkeys(audiences, _ANY_POSITION)
            head, events = await self.after(connection, after, until, limit)
        if not head.can_continue(after):
            return Page([], head.cursor, resync=True, more=False)
        more = len(events) == limit
        return Page(events, events[-1].cursor if more else head.cursor, resync=False, more=more)


def _logged(epoch: str, row: Any) -> LoggedEvent:
    return LoggedEvent(
        Cursor(epoch, row["pos"]),
        row["audience"],
        row["name"],
        None if row["payload"] is None else json.loads(row["payload"]),
        row["at"],
    )
