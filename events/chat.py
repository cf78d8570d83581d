"""Events and commands of the club's chat."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marshmallow import fields

from events.base import ALL, Command, Event
from events.fields import Id, Name, Schema
from events.views import MAX_TEXT, ChatMessageView


@dataclass(frozen=True)
class ChatMessage(Event):
    """Somebody wrote in the chat; an entry of `GET /api/chat`. Heard by all."""

    name = "chat:message"
    audience = ALL
    Payload = ChatMessageView

    id: int
    user: Any
    text: str
    at: datetime

    @classmethod
    def of(cls, line: Any) -> "ChatMessage":
        """From an entry of the list, which it looks the same as."""
        return cls(line.id, line.user, line.text, line.at)


@dataclass(frozen=True)
class ChatRemoved(Event):
    """Staff took a message out of the chat. Heard by all.

    Who was away hears the `chat:message` without its text before.
    """

    name = "chat:removed"
    audience = ALL

    id: int

    class Payload(Schema):
        id = Id(required=True)


class SendChat(Command):
    """Write in the chat, as `POST /api/chat`."""

    name = "chat:send"

    class Payload(Schema):
        text = Name(required=True, max=MAX_TEXT, setting="chat_text_max")

    class Answer(Schema):
        message = fields.Nested(ChatMessageView, required=True)
