"""Events and commands of the dialogs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marshmallow import fields, validate

from events.base import Audience, Command, Event, user_room
from events.fields import Id, Prose, Schema, Text
from events.views import MAX_TEXT, DialogView, MessageView


class DialogRef(Schema):
    dialog_id = Id(required=True)


class _MemberOrStaff(Audience):
    def room(self, event: Event) -> str:
        user_id: int | None = vars(event)["user_id"]
        return "staff" if user_id is None else f"user:{user_id}"


class _DialogOrStaff(Audience):
    def room(self, event: Event) -> str:
        message = vars(event)
        return "staff" if message["internal"] else f"dialog:{message['dialog_id']}"


@dataclass(frozen=True)
class DialogJoined(Event):
    """The member is in this dialog from now on, and hears what is told in it."""

    name = "dialog:joined"
    audience = user_room("user_id")
    Payload = DialogRef

    user_id: int
    dialog_id: int


@dataclass(frozen=True)
class DialogLeft(Event):
    """The member is not in this dialog any more, and hears nothing of it."""

    name = "dialog:left"
    audience = user_room("user_id")
    Payload = DialogRef

    user_id: int
    dialog_id: int


@dataclass(frozen=True)
class DialogUpdate(Event):
    """A dialog changed; an entry of `GET /api/dialogs`. Each member hears it with what that
    member has not read, the staff with what none of them has."""

    name = "dialog_update"
    audience = _MemberOrStaff("user:{user_id}, or staff")
    Payload = DialogView

    user_id: int | None
    id: int
    subject: str
    status: str
    assignee: Any
    members: Any
    last_message: Any
    unread: int
    updated_at: datetime

    @classmethod
    def of(cls, user_id: int | None, dialog: Any) -> "DialogUpdate":
        """From the entry of a member's list, or (None) of the staff's."""
        return cls(
            user_id,
            dialog.id,
            dialog.subject,
            dialog.status,
            dialog.assignee,
            dialog.members,
            dialog.last_message,
            dialog.unread,
            dialog.updated_at,
        )


@dataclass(frozen=True)
class NewMessage(Event):
    """Somebody wrote in a dialog; an entry of `GET /api/dialogs/{id}/messages`. Staff hear those
    of every dialog, and nobody else hears a note."""

    name = "new_message"
    audience = _DialogOrStaff("dialog:{dialog_id}, or staff")
    Payload = MessageView

    id: int
    dialog_id: int
    sender: Any
    text: str
    local_id: str | None
    internal: bool
    at: datetime

    @classmethod
    def of(cls, message: Any) -> "NewMessage":
        """From an entry of the list, which it looks the same as."""
        return cls(
            message.id,
            message.dialog_id,
            message.sender,
            message.text,
            message.local_id,
            message.internal,
            message.at,
        )


@dataclass(frozen=True)
class DialogTyping(Event):
    """Somebody is writing in a dialog. Nobody tells the end: whoever hears it takes it as over
    after 5 s without another, or with a message of that member. The Socket.IO socket that said it
    is not told; the member's other connections are."""

    name = "dialog:typing"
    audience = Audience("dialog:{dialog_id}")
    durable = False

    dialog_id: int
    user_id: int

    class Payload(Schema):
        dialog_id = Id(required=True)
        user_id = Id(required=True)


@dataclass(frozen=True)
class Subscribed(Event):
    """The dialogs that were asked for, of which this connection hears."""

    name = "subscribed"
    audience = Audience("{sid}")
    durable = False

    sid: str
    dialog_ids: list[int]

    class Payload(Schema):
        dialog_ids = fields.List(Id(), required=True)


class Subscribe(Command):
    """Ask which dialogs are heard of: those named, or all of one's own. It changes nothing, since
    members hear of their dialogs anyway; answered by `subscribed`, too."""

    name = "subscribe"

    class Payload(Schema):
        dialog_ids = fields.List(
            Id(), load_default=None, allow_none=True, validate=validate.Length(max=1000)
        )

    class Answer(Schema):
        dialog_ids = fields.List(Id(), required=True)


class SendMessage(Command):
    """Write in a dialog, as `POST /api/dialogs/{id}/messages`."""

    name = "dialog:send"

    class Payload(Schema):
        dialog_id = Id(required=True)
        text = Prose(required=True, max=MAX_TEXT, setting="dialog_text_max")
        local_id = Text(min=1, max=64, load_default=None, allow_none=True)
        internal = fields.Boolean(load_default=False, truthy={True}, falsy={False})

    class Answer(Schema):
        message = fields.Nested(MessageView, required=True)


class Typing(Command):
    """Say that one is writing in a dialog; to be said again every few seconds while it lasts."""

    name = "dialog:typing"
    Payload = DialogRef

    class Answer(Schema):
        pass
