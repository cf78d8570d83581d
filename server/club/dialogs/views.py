"""What a dialog looks like to those who may see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from server.errors import NotFound
from server.identity import STAFF_ROLES


class DialogNotFound(NotFound):
    """Also what those are told who have no business in a dialog."""

    sentence = "There is no such dialog."


class MessageNotFound(NotFound):
    sentence = "There is no such message in this dialog."


@dataclass(frozen=True, slots=True)
class Person:
    id: int
    username: str
    role: str

    @property
    def is_staff(self) -> bool:
        return self.role in STAFF_ROLES


@dataclass(frozen=True, slots=True)
class Message:
    """`internal` ones are the staff's notes."""

    id: int
    dialog_id: int
    sender: Person
    text: str
    local_id: str | None
    internal: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Dialog:
    """An entry of somebody's list: last message, unread and time are those of the reader."""

    id: int
    subject: str
    status: str
    assignee: Person | None
    members: tuple[Person, ...]
    last_message: Message
    unread: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Update:
    """A dialog as a member sees it now; `user_id` None: as the staff do."""

    user_id: int | None
    dialog: Dialog


MESSAGE_COLUMNS = """
    message.id, message.dialog_id, message.text, message.local_id, message.internal, message.at,
    sender.id AS sender_id, sender.username AS sender_username, sender.role AS sender_role
"""

ASSIGNEE_COLUMNS = """
    assignee.id AS assignee_id, assignee.username AS assignee_username,
    assignee.role AS assignee_role
"""


def person_of(row: Any, kind: str) -> Person:
    """From the columns of a `sender` or an `assignee`."""
    return Person(row[f"{kind}_id"], row[f"{kind}_username"], row[f"{kind}_role"])


def message_of(row: Any) -> Message:
    return Message(
        row["id"],
        row["dialog_id"],
        person_of(row, "sender"),
        row["text"],
        row["local_id"],
        row["internal"],
        row["at"],
    )


def assignee_of(row: Any) -> Person | None:
    return None if row["assignee_id"] is None else person_of(row, "assignee")
