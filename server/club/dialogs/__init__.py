"""Dialogs: members with the staff, and with each other.

Everything of a dialog is written while its row is locked. So its messages are numbered in the
order in which they become visible, and what is told of it is told in that order. A read position
is a count of messages, so what is unread is a difference and needs no counting.

Players are told of what is public only: there are two last messages, two counts and two times of
change, and nothing that a player gets is made from those of the staff.
"""

from server.club.dialogs.changes import (
    AssigneeNotStaff,
    Begun,
    Changed,
    DialogLimits,
    Read,
    Sent,
    TooManyDialogs,
    TooManyMembers,
    create,
    edit,
    let_in,
    read,
    send,
    take_out,
)
from server.club.dialogs.reading import enter, heard, history, list_dialogs, one
from server.club.dialogs.views import (
    Dialog,
    DialogNotFound,
    Message,
    MessageNotFound,
    Person,
    Update,
)

__all__ = [
    "AssigneeNotStaff",
    "Begun",
    "Changed",
    "Dialog",
    "DialogLimits",
    "DialogNotFound",
    "Message",
    "MessageNotFound",
    "Person",
    "Read",
    "Sent",
    "TooManyDialogs",
    "TooManyMembers",
    "Update",
    "create",
    "edit",
    "enter",
    "heard",
    "history",
    "let_in",
    "list_dialogs",
    "one",
    "read",
    "send",
    "take_out",
]
