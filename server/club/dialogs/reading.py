"""Lists of dialogs and of messages. Nothing is locked; each list is one or two statements."""

from collections.abc import Collection
from typing import Any

from server.club.dialogs.views import (
    ASSIGNEE_COLUMNS,
    MESSAGE_COLUMNS,
    Dialog,
    DialogNotFound,
    Message,
    Person,
    assignee_of,
    message_of,
)
from server.errors import Forbidden
from server.identity import Member

# Where a list begins that nobody says `before` of. A comparison that is always there lets the
# index be entered at the place, however the statement is planned.
_FROM_THE_TOP = 2**63 - 1


def _shown(page: str) -> str:
    """A page of dialogs with what is shown of them: the page first, and only then the rest."""
    return f"""
    SELECT page.id AS page_id, subject, status, unread, updated_at,
           {MESSAGE_COLUMNS}, {ASSIGNEE_COLUMNS}
      FROM ({page}) AS page
      JOIN messages AS message ON message.id = page.last_id
      JOIN users AS sender ON sender.id = message.sender_id
 LEFT JOIN users AS assignee ON assignee.id = page.assignee_id
  ORDER BY page.last_id DESC
"""


def _everybodys(condition: str) -> str:
    return _shown(
        f"""
    SELECT id, subject, status, assignee_id, updated_at,
           message_count - staff_read AS unread, last_message_id AS last_id
      FROM dialogs
     WHERE last_message_id < $1 {condition}
  ORDER BY last_message_id DESC
     LIMIT $2
"""
    )


def _page_of_messages(condition: str) -> str:
    return f"""
    SELECT {MESSAGE_COLUMNS}
      FROM (SELECT * FROM messages
             WHERE dialog_id = $1 AND id < $2 {condition}
          ORDER BY id DESC
             LIMIT $3) AS message
      JOIN users AS sender ON sender.id = message.sender_id
  ORDER BY message.id DESC
"""


# By an array, so that the member's dialogs are looked up one by one: a join would be planned as a
# walk through those of everybody.
_OWN = _shown(
    """
    SELECT id, subject, status, assignee_id, updated_at,
           public_count - (SELECT read_count
                             FROM dialog_members
                            WHERE dialog_id = dialogs.id AND user_id = $4) AS unread,
           last_public_message_id AS last_id
      FROM dialogs
     WHERE id = ANY(ARRAY(SELECT dialog_id FROM dialog_members WHERE user_id = $4))
       AND last_public_message_id < $1 AND ($3::text IS NULL OR status = $3)
  ORDER BY last_public_message_id DESC
     LIMIT $2
"""
)

_ALL = _everybodys("")

_OF_STATUS = _everybodys("AND status = $3")

_OF_ASSIGNEE = _everybodys("AND assignee_id = $4 AND ($3::text IS NULL OR status = $3)")

_OF_NOBODY = _everybodys("AND assignee_id IS NULL AND ($3::text IS NULL OR status = $3)")

_ONE_OF_OWN = _shown(
    """
    SELECT id, subject, status, assignee_id, updated_at, public_count - read_count AS unread,
           last_public_message_id AS last_id
      FROM dialog_members JOIN dialogs ON dialogs.id = dialog_id
     WHERE dialog_id = $1 AND user_id = $2
"""
)

_ONE_OF_ALL = _shown(
    """
    SELECT id, subject, status, assignee_id, updated_at,
           message_count - staff_read AS unread, last_message_id AS last_id
      FROM dialogs
     WHERE id = $1
"""
)

_MEMBERS = """
    SELECT dialog_id, users.id, username, role
      FROM dialog_members JOIN users ON users.id = user_id
     WHERE dialog_id = ANY($1::bigint[])
  ORDER BY dialog_id, joined_at, users.id
"""

_MAY_ENTER = """
    SELECT EXISTS (SELECT FROM dialogs WHERE id = $1)
       AND ($3 OR EXISTS (SELECT FROM dialog_members WHERE dialog_id = $1 AND user_id = $2))
"""

_HISTORY = _page_of_messages("")

_PUBLIC_HISTORY = _page_of_messages("AND NOT internal")

_DIALOGS_OF = "SELECT dialog_id FROM dialog_members WHERE user_id = $1 ORDER BY dialog_id"

_EXISTING = "SELECT id FROM dialogs WHERE id = ANY($1::bigint[])"


async def list_dialogs(
    connection: Any,
    member: Member,
    *,
    status: str | None,
    assignee: str | None,
    before: int | None,
    limit: int,
) -> list[Dialog]:
    """The member's dialogs, for staff everybody's; those of the last message first.

    `assignee` is "me", "none", or None for all. `before` is the last message of the dialog where
    the page before ended. Raises: Forbidden for a player who asks by assignee.
    """
    if assignee is not None and not member.is_staff:
        raise Forbidden("Only staff ask by assignee.")
    start = _FROM_THE_TOP if before is None else before
    if not member.is_staff:
        rows = await connection.fetch(_OWN, start, limit, status, member.id)
    elif assignee == "me":
        rows = await connection.fetch(_OF_ASSIGNEE, start, limit, status, member.id)
    elif assignee == "none":
        rows = await connection.fetch(_OF_NOBODY, start, limit, status)
    elif status is None:
        rows = await connection.fetch(_ALL, start, limit)
    else:
        rows = await connection.fetch(_OF_STATUS, start, limit, status)
    return await _with_members(connection, rows)


async def one(connection: Any, member: Member, dialog_id: int) -> Dialog:
    """A dialog as it stands in the member's list. Raises: DialogNotFound."""
    if member.is_staff:
        rows = await connection.fetch(_ONE_OF_ALL, dialog_id)
    else:
        rows = await connection.fetch(_ONE_OF_OWN, dialog_id, member.id)
    if not rows:
        raise DialogNotFound()
    (dialog,) = await _with_members(connection, rows)
    return dialog


async def _with_members(connection: Any, rows: Any) -> list[Dialog]:
    members: dict[int, list[Person]] = {row["page_id"]: [] for row in rows}
    for dialog_id, *person in await connection.fetch(_MEMBERS, list(members)):
        members[dialog_id].append(Person(*person))
    return [
        Dialog(
            row["page_id"],
            row["subject"],
            row["status"],
            assignee_of(row),
            tuple(members[row["page_id"]]),
            message_of(row),
            row["unread"],
            max(row["updated_at"], row["at"]),
        )
        for row in rows
    ]


async def history(
    connection: Any, member: Member, dialog_id: int, *, before: int | None, limit: int
) -> list[Message]:
    """A dialog's messages, newest first; notes are for staff. Raises: DialogNotFound."""
    await enter(connection, member, dialog_id)
    statement = _HISTORY if member.is_staff else _PUBLIC_HISTORY
    start = _FROM_THE_TOP if before is None else before
    return [message_of(row) for row in await connection.fetch(statement, dialog_id, start, limit)]


async def enter(connection: Any, member: Member, dialog_id: int) -> None:
    """Raises: DialogNotFound for those who have no business there."""
    if not await connection.fetchval(_MAY_ENTER, dialog_id, member.id, member.is_staff):
        raise DialogNotFound()


async def heard(
    connection: Any, member: Member, asked: Collection[int] | None = None
) -> list[int]:
    """Those of the dialogs that the member hears of; without any named, the member's own.

    Raises: DialogNotFound if one of them is not among those.
    """
    if member.is_staff and asked is not None:
        rows = await connection.fetch(_EXISTING, list(asked))
    else:
        rows = await connection.fetch(_DIALOGS_OF, member.id)
    found = {row[0] for row in rows}
    if asked is None:
        return sorted(found)
    if not found.issuperset(asked):
        raise DialogNotFound()
    return sorted(set(asked))
