"""Notifications: one list for everything that concerns a member, and how far it is read.

Invariants
    Whatever changes a member's list holds the member's head, and takes ids while it does: in
    each list the order of ids is the order of commits.
    Heads are the last locks of a transaction and are taken in the order of members, all at once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from server.db import Transaction

_FIRST_HEADS = """
    INSERT INTO notification_heads (user_id)
    SELECT id FROM unnest($1::bigint[]) AS id ORDER BY id
        ON CONFLICT ON CONSTRAINT notification_heads_pkey DO NOTHING
"""

_LOCK = """
    SELECT user_id, total, muted
      FROM notification_heads
     WHERE user_id = ANY($1::bigint[])
  ORDER BY user_id
       FOR NO KEY UPDATE
"""

# The heads are held: a statement that waited for them would see old rows.
_ADD = """
    WITH given AS (
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[])
                   AS given (user_id, kind, data, key)
    ), replaced AS (
        DELETE FROM notifications AS old
         USING given, notification_heads AS head
         WHERE old.user_id = given.user_id AND old.key = given.key
           AND head.user_id = given.user_id AND old.id > head.read_up_to
     RETURNING old.user_id
    ), added AS (
        INSERT INTO notifications (user_id, kind, data, key)
        SELECT user_id, kind, data::json, key FROM given
     RETURNING id, user_id, kind, data, at
    ), counted AS (
        SELECT user_id, max(id) AS newest,
               count(*) - (SELECT count(*) FROM replaced
                            WHERE replaced.user_id = added.user_id) AS more
          FROM added
      GROUP BY user_id
    ), moved AS (
        UPDATE notification_heads AS head
           SET newest = counted.newest, unread = unread + more, total = total + more,
               revision = gen_random_uuid()
          FROM counted
         WHERE head.user_id = counted.user_id
    )
    SELECT id, user_id, kind, data, at, false AS read FROM added ORDER BY id
"""

_DROP_OLDEST = """
    WITH crowded AS (
        SELECT user_id, total - $2 AS over, read_up_to
          FROM notification_heads
         WHERE user_id = ANY($1::bigint[]) AND total > $2
    ), gone AS (
        DELETE FROM notifications AS old
         USING crowded
         WHERE old.user_id = crowded.user_id
           AND old.id = ANY(ARRAY(SELECT oldest.id FROM notifications AS oldest
                                   WHERE oldest.user_id = crowded.user_id
                                ORDER BY oldest.id
                                   LIMIT crowded.over))
     RETURNING old.user_id, old.id > crowded.read_up_to AS unread
    )
    UPDATE notification_heads AS head
       SET total = total - counted.gone, unread = head.unread - counted.unread
      FROM (SELECT user_id, count(*) AS gone, count(*) FILTER (WHERE unread) AS unread
              FROM gone
          GROUP BY user_id) AS counted
     WHERE head.user_id = counted.user_id
"""

_HEAD = """
    SELECT newest, read_up_to, unread, revision FROM notification_heads WHERE user_id = $1
"""

_LIST = """
    SELECT id, user_id, kind, data, at, id <= $2 AS read
      FROM notifications
     WHERE user_id = $1 AND id > $3 AND ($4::bigint IS NULL OR id < $4)
  ORDER BY id DESC
     LIMIT $5
"""

_LOCK_TO_READ = f"{_HEAD} FOR NO KEY UPDATE"

_READ = """
    UPDATE notification_heads
       SET read_up_to = $2, revision = gen_random_uuid(),
           unread = (SELECT count(*) FROM notifications WHERE user_id = $1 AND id > $2)
     WHERE user_id = $1
 RETURNING unread
"""

_MUTED = "SELECT muted FROM notification_heads WHERE user_id = $1"

_MUTE = """
    INSERT INTO notification_heads (user_id, muted) VALUES ($1, $2)
        ON CONFLICT ON CONSTRAINT notification_heads_pkey DO UPDATE SET muted = EXCLUDED.muted
"""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell a member. `data` is JSON as it goes over the wire.

    With a `key` it takes the place of the unread one of the same key, at the list's top.
    """

    user_id: int
    kind: str
    data: Mapping[str, Any]
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a member's list."""

    id: int
    user_id: int
    kind: str
    data: Any
    at: datetime
    read: bool


@dataclass(frozen=True, slots=True)
class Head:
    """Where a member's list stands; `revision` changes whenever the list, or what is read, does."""

    newest: int = 0
    read_up_to: int = 0
    unread: int = 0
    revision: UUID | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """How far a member has read. `moved`: it was less before."""

    up_to: int
    unread: int
    moved: bool


async def add(tx: Transaction, notices: Sequence[Notice], *, most: int) -> list[Entry]:
    """Put notices into their members' lists, but for kinds that a member has switched off.

    A list holds `most` entries; the oldest go. To be called once in a transaction, with all that
    it has to tell and after its other locks.
    """
    if not notices:
        return []
    user_ids = sorted({notice.user_id for notice in notices})
    tx.send(_FIRST_HEADS, user_ids)
    heads = {row["user_id"]: row for row in await tx.fetch(_LOCK, user_ids)}
    wanted = [each for each in notices if each.kind not in heads[each.user_id]["muted"]]
    if not wanted:
        return []
    rows = await tx.fetch(
        _ADD,
        [notice.user_id for notice in wanted],
        [notice.kind for notice in wanted],
        [json.dumps(notice.data, ensure_ascii=False) for notice in wanted],
        [notice.key for notice in wanted],
    )
    if any(heads[id_]["total"] + len(wanted) > most for id_ in user_ids):
        tx.send(_DROP_OLDEST, user_ids, most)
    return [_entry(row) for row in rows]


async def head(connection: Any, user_id: int) -> Head:
    """Where the member's list stands; of one who was never told anything, an empty one's."""
    row = await connection.fetchrow(_HEAD, user_id)
    return Head(**row) if row else Head()


async def entries(
    connection: Any, user_id: int, read_up_to: int, *, after: int, before: int | None, limit: int
) -> list[Entry]:
    """The member's notifications, newest first."""
    rows = await connection.fetch(_LIST, user_id, read_up_to, after, before, limit)
    return [_entry(row) for row in rows]


async def read(tx: Transaction, user_id: int, *, up_to: int) -> Read:
    """Take everything up to an id as read. It never becomes less, nor more than there is."""
    row = await tx.fetchrow(_LOCK_TO_READ, user_id)
    now = Head(**row) if row else Head()
    # What comes later is not read, whatever a client says today.
    up_to = min(up_to, now.newest)
    if up_to <= now.read_up_to:
        return Read(now.read_up_to, now.unread, False)
    return Read(up_to, await tx.fetchval(_READ, user_id, up_to), True)


async def muted(connection: Any, user_id: int) -> frozenset[str]:
    """The kinds that the member has switched off."""
    return frozenset(await connection.fetchval(_MUTED, user_id) or ())


async def mute(tx: Transaction, user_id: int, changes: Mapping[str, bool]) -> frozenset[str]:
    """Switch kinds on (true) or off; the others stay. Returns those that are off now."""
    tx.send(_FIRST_HEADS, [user_id])
    await tx.fetch(_LOCK, [user_id])
    off = set(await muted(tx, user_id))
    off -= {kind for kind, wanted in changes.items() if wanted}
    off |= {kind for kind, wanted in changes.items() if not wanted}
    tx.send(_MUTE, user_id, sorted(off))
    return frozenset(off)


def _entry(row: Any) -> Entry:
    return Entry(**{**row, "data": json.loads(row["data"])})
