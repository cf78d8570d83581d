"""The club's chat: one line after another, which everybody reads."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from events.fields import iso
from server.club.accounts import UserNotFound
from server.db import Transaction
from server.errors import ClubError, Forbidden, NotFound
from server.identity import STAFF_ROLES, Member

# The chat has no row of its own to lock. Who writes comes one after the other, so that lines are
# told in the order of their ids; and who was muted has written his last.
_TAKE_TURN = "SELECT pg_advisory_xact_lock(3, 0)"

_SAY = """
    WITH muted AS (
        SELECT until FROM chat_mutes WHERE user_id = $1 AND until > clock_timestamp()
    ), said AS (
        INSERT INTO chat_messages (user_id, text)
        SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM muted)
     RETURNING id, at
    )
    SELECT id, at, NULL::timestamptz AS until FROM said
     UNION ALL
    SELECT NULL, NULL, until FROM muted
"""

_LIST = """
    SELECT line.id, user_id, username, text, at
      FROM (SELECT id, user_id, text, at
              FROM chat_messages
             WHERE removed_at IS NULL AND id < $1
          ORDER BY id DESC
             LIMIT $2) AS line
      JOIN users ON users.id = user_id
  ORDER BY line.id DESC
"""

_FROM_THE_TOP = 2**63 - 1

_REMOVE = """
    UPDATE chat_messages SET removed_at = clock_timestamp(), removed_by = $2
     WHERE id = $1 AND removed_at IS NULL
 RETURNING id
"""

_ROLE = "SELECT role FROM users WHERE id = $1"

_MUTE = """
    INSERT INTO chat_mutes (user_id, until, by)
    VALUES ($1, clock_timestamp() + make_interval(mins => $2), $3)
        ON CONFLICT ON CONSTRAINT chat_mutes_pkey
        DO UPDATE SET until = EXCLUDED.until, by = EXCLUDED.by
 RETURNING until
"""


class LineNotFound(NotFound):
    sentence = "There is no such message in the chat."


class Muted(ClubError):
    """`until` when stands in the sentence."""

    status = 403
    code = "muted"
    sentence = "You may not write in the chat for now."


@dataclass(frozen=True, slots=True)
class Author:
    id: int
    username: str


@dataclass(frozen=True, slots=True)
class Line:
    """A message of the chat."""

    id: int
    user: Author
    text: str
    at: datetime


async def list_lines(connection: Any, *, before: int | None, limit: int) -> list[Line]:
    """The last lines, newest first, without those that were removed."""
    start = _FROM_THE_TOP if before is None else before
    return [
        Line(id_, Author(user_id, username), text, at)
        for id_, user_id, username, text, at in await connection.fetch(_LIST, start, limit)
    ]


async def say(tx: Transaction, member: Member, text: str) -> Line:
    """Write a line. Raises: Muted."""
    await tx.fetchval(_TAKE_TURN)
    id_, at, until = await tx.fetchrow(_SAY, member.id, text)
    if until is not None:
        raise Muted(f"You may write in the chat again from {iso(until)} on.")
    return Line(id_, Author(member.id, member.username), text, at)


async def remove(tx: Transaction, member: Member, line_id: int) -> None:
    """Take a line out. Raises: LineNotFound, also for one that was removed before."""
    if await tx.fetchval(_REMOVE, line_id, member.id) is None:
        raise LineNotFound()


async def mute(tx: Transaction, member: Member, *, user_id: int, minutes: int) -> datetime:
    """Let somebody write nothing for so long; 0 minutes end it. Returns when it is over.

    Raises: UserNotFound, Forbidden for one of the staff.
    """
    role = await tx.fetchval(_ROLE, user_id)
    if role is None:
        raise UserNotFound()
    if role in STAFF_ROLES:
        raise Forbidden("Staff cannot be muted.")
    await tx.fetchval(_TAKE_TURN)
    until: datetime = await tx.fetchval(_MUTE, user_id, minutes, member.id)
    return until
