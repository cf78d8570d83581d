"""Events of the list of notifications."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from events.base import Event, user_room
from events.fields import Count, Schema
from events.views import NotificationView


@dataclass(frozen=True)
class NotificationNew(Event):
    """Something concerns the member; an entry of `GET /api/notifications`. Heard by the member."""

    name = "notification:new"
    audience = user_room("user_id")
    Payload = NotificationView

    user_id: int
    id: int
    kind: str
    data: Any
    at: datetime
    read: bool

    @classmethod
    def of(cls, entry: Any) -> "NotificationNew":
        """From an entry of the list, which it looks the same as."""
        return cls(entry.user_id, entry.id, entry.kind, entry.data, entry.at, entry.read)


@dataclass(frozen=True)
class NotificationRead(Event):
    """The member has read up to an id, on whatever device. Heard by the member."""

    name = "notification:read"
    audience = user_room("user_id")

    user_id: int
    up_to: int
    unread: int

    class Payload(Schema):
        up_to = Count(required=True)
        unread = Count(required=True)
