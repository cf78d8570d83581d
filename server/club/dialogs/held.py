"""A dialog whose row is locked: what it is like, and what everybody is to be told of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from server.club.dialogs.views import (
    ASSIGNEE_COLUMNS,
    MESSAGE_COLUMNS,
    Dialog,
    DialogNotFound,
    Message,
    Person,
    Update,
    assignee_of,
    message_of,
)
from server.db import Transaction
from server.identity import Member

_HOLD = f"""
    SELECT dialogs.id, subject, status, updated_at, message_count, public_count, staff_read,
           last_message_id, last_public_message_id, {ASSIGNEE_COLUMNS}
      FROM dialogs LEFT JOIN users AS assignee ON assignee.id = assignee_id
     WHERE dialogs.id = $1
       AND ($3 OR EXISTS (SELECT FROM dialog_members WHERE dialog_id = $1 AND user_id = $2))
       FOR NO KEY UPDATE OF dialogs
"""

# A statement of its own, after the lock: it sees who is in now.
_SEATS = """
    SELECT users.id, username, role, read_count
      FROM dialog_members JOIN users ON users.id = user_id
     WHERE dialog_id = $1
  ORDER BY joined_at, users.id
"""

_LAST = f"""
    SELECT {MESSAGE_COLUMNS}
      FROM messages AS message JOIN users AS sender ON sender.id = message.sender_id
     WHERE message.id = ANY($1::bigint[])
"""


@dataclass(slots=True)
class Seat:
    """A member of the dialog, and how many of its public messages that member has read."""

    person: Person
    read_count: int


@dataclass(slots=True)
class Held:
    """A dialog, locked until the transaction ends. Whoever changes it keeps this up to date."""

    id: int
    subject: str
    status: str
    updated_at: datetime
    message_count: int
    public_count: int
    staff_read: int
    last_message_id: int
    last_public_message_id: int
    assignee: Person | None = None
    seats: dict[int, Seat] = field(default_factory=dict)
    last_messages: dict[int, Message] = field(default_factory=dict)

    def players(self) -> list[int]:
        """The members that are no staff."""
        return [id_ for id_, seat in self.seats.items() if not seat.person.is_staff]

    async def load_last(self, tx: Transaction) -> None:
        """Read the messages that are shown as the last, if they are not known yet."""
        wanted = {self.last_message_id, self.last_public_message_id} - self.last_messages.keys()
        if wanted:
            rows = await tx.fetch(_LAST, list(wanted))
            self.last_messages |= {row["id"]: message_of(row) for row in rows}

    def to_staff(self) -> Update:
        return Update(None, self._seen(self.last_message_id, self.message_count - self.staff_read))

    def to_player(self, user_id: int) -> Update:
        unread = self.public_count - self.seats[user_id].read_count
        return Update(user_id, self._seen(self.last_public_message_id, unread))

    def to_all(self) -> list[Update]:
        return [*map(self.to_player, self.players()), self.to_staff()]

    def _seen(self, last_id: int, unread: int) -> Dialog:
        last = self.last_messages[last_id]
        return Dialog(
            self.id,
            self.subject,
            self.status,
            self.assignee,
            tuple(seat.person for seat in self.seats.values()),
            last,
            unread,
            max(self.updated_at, last.at),
        )


async def hold(tx: Transaction, member: Member, dialog_id: int) -> Held:
    """Lock a dialog that the member may enter.

    A stranger neither waits for it, which would tell that there is one, nor keeps others waiting.
    Raises: DialogNotFound.
    """
    row = await tx.fetchrow(_HOLD, dialog_id, member.id, member.is_staff)
    if row is None:
        raise DialogNotFound()
    own = {name: row[name] for name in row.keys() if not name.startswith("assignee_")}
    held = Held(**own, assignee=assignee_of(row))
    held.seats = seats(await tx.fetch(_SEATS, dialog_id))
    if not member.is_staff and member.id not in held.seats:
        raise DialogNotFound()
    return held


def seats(rows: Iterable[Any]) -> dict[int, Seat]:
    return {id_: Seat(Person(id_, name, role), read) for id_, name, role, read in rows}
