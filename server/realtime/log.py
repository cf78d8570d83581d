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
from operator import itemgetter
from typing import Any

from events.base import Event
from server.db import Database, Transaction
from server.identity import EVERY_DIALOG
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

# By the index of migration 0009.
_BLANK = """
    UPDATE event_log
       SET payload = jsonb_set(payload::jsonb, '{text}', '""')::json
     WHERE name = 'chat:message' AND payload ->> 'id' = $1::bigint::text
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

# Where the log stands, and the dialogs that a member is in at that moment.
_HEAD_FOR = """
    SELECT epoch, head, floor,
           ARRAY(SELECT dialog_id FROM dialog_members WHERE user_id = $1) AS dialogs
      FROM event_log_head
"""

# One statement, and so one moment: what the floor says of it was not trimmed meanwhile, and a
# member's dialogs are those of it. From each audience come the first few by its index, however
# much there is of others; those of all dialogs have an index of their own.
_AFTER = """
      WITH mine AS MATERIALIZED (SELECT dialog_id FROM dialog_members WHERE user_id = $5)
    SELECT epoch, head, floor,
           CASE WHEN row_number() OVER (ORDER BY pos) = 1
                THEN ARRAY(SELECT dialog_id FROM mine)
            END AS dialogs,
           missed.*
      FROM event_log_head
 LEFT JOIN LATERAL (
           SELECT event.*
             FROM (SELECT audience, until
                     FROM unnest($2::text[], $3::bigint[]) AS named (audience, until)
                UNION ALL
                   SELECT 'dialog:' || dialog_id, event_log_head.head FROM mine) AS heard
       CROSS JOIN LATERAL (
                  SELECT pos, event_log.audience, name, payload, at
                    FROM event_log
                   WHERE event_log.audience = heard.audience
                     AND pos > $1 AND pos <= least(heard.until, event_log_head.head)
                ORDER BY pos
                   LIMIT $4) AS event
        UNION ALL
           (SELECT pos, audience, name, payload, at
              FROM event_log
             WHERE audience LIKE 'dialog:%'
               AND pos > $1 AND pos <= least($6, event_log_head.head)
          ORDER BY pos
             LIMIT $4)
         ORDER BY pos
            LIMIT $4) AS missed ON true
  ORDER BY pos
"""

# The same for several who ask, without what they do not need.
_AFTER_EACH = """
    SELECT epoch, head, floor, missed.*
      FROM event_log_head
 LEFT JOIN LATERAL (
           SELECT asked.number, event.*
             FROM unnest($1::int[], $2::text[], $3::bigint[], $4::bigint[])
               AS asked (number, audience, after, until)
       CROSS JOIN LATERAL (
                 (SELECT pos, name, payload
                    FROM event_log
                   WHERE event_log.audience = asked.audience
                     AND pos > asked.after AND pos <= least(asked.until, event_log_head.head)
                ORDER BY pos
                   LIMIT $5)
               UNION ALL
                 (SELECT pos, name, payload
                    FROM event_log
                   WHERE asked.audience = $6 AND event_log.audience LIKE 'dialog:%'
                     AND pos > asked.after AND pos <= least(asked.until, event_log_head.head)
                ORDER BY pos
                   LIMIT $5)) AS event) AS missed ON true
"""

_ANY_POSITION = 2**62

# A cursor, and up to which position one has heard of each audience.
Ask = tuple[Cursor, Mapping[str, int]]
# Position, name, data.
Bare = tuple[int, str, Any]


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
    """What a reader gets: `cursor` is the place to go on from.

    `dialogs` are the member's when the log's head was at `head`.
    """

    events: list[LoggedEvent]
    cursor: Cursor
    resync: bool
    more: bool
    head: int
    dialogs: tuple[int, ...]


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

    def blank(self, tx: Transaction, line_id: int) -> None:
        """Let nobody read any more what a line of the chat said; that there was one stays."""
        tx.send(_BLANK, line_id)

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
        head, _, events = await self._after(connection, after, until, limit, None)
        return head, events

    async def after_each(
        self, connection: Any, asked: list[Ask], limit: int
    ) -> tuple[Head, list[list[Bare]]]:
        """As `after` for each who asks: the first `limit` of each audience, oldest first."""
        columns = [
            (number, audience, after.position, last)
            for number, (after, until) in enumerate(asked)
            for audience, last in until.items()
        ]
        rows = await connection.fetch(
            _AFTER_EACH, *zip(*columns, strict=True), limit, EVERY_DIALOG
        )
        head = Head(*rows[0][:3])
        found: list[list[Bare]] = [[] for _ in asked]
        for _, _, _, number, position, name, payload in rows:
            if number is not None:
                data = None if payload is None else json.loads(payload)
                found[number].append((position, name, data))
        for events in found:
            events.sort(key=itemgetter(0))
        return head, found

    async def _after(
        self,
        connection: Any,
        after: Cursor,
        until: Mapping[str, int],
        limit: int,
        member_id: int | None,
    ) -> tuple[Head, tuple[int, ...], list[LoggedEvent]]:
        rows = await connection.fetch(
            _AFTER,
            after.position,
            list(until),
            list(until.values()),
            limit,
            member_id,
            until.get(EVERY_DIALOG, 0),
        )
        epoch, head, floor, dialogs, *_ = rows[0]
        events = [_logged(epoch, row) for row in rows if row["pos"] is not None]
        return Head(epoch, head, floor), tuple(dialogs), events

    async def page(
        self,
        after: Cursor | None,
        audiences: list[str],
        limit: int,
        member_id: int | None = None,
    ) -> Page:
        """What came after a cursor for these audiences and the member's dialogs, numbered first.

        Without a cursor: nothing, and the present one. `resync` when the cursor cannot be
        continued; the present cursor goes with it.
        """
        async with self._db.connection() as connection:
            await self.number(connection)
            if after is None:
                *place, dialogs = await connection.fetchrow(_HEAD_FOR, member_id)
                head = Head(*place)
                events: list[LoggedEvent] = []
            else:
                until = dict.fromkeys(audiences, _ANY_POSITION)
                head, dialogs, events = await self._after(
                    connection, after, until, limit, member_id
                )
        resync = after is not None and not head.can_continue(after)
        more = len(events) == limit and not resync
        return Page(
            [] if resync else events,
            events[-1].cursor if more else head.cursor,
            resync=resync,
            more=more,
            head=head.head,
            dialogs=tuple(dialogs),
        )


def _logged(epoch: str, row: Any) -> LoggedEvent:
    return LoggedEvent(
        Cursor(epoch, row["pos"]),
        row["audience"],
        row["name"],
        None if row["payload"] is None else json.loads(row["payload"]),
        row["at"],
    )
