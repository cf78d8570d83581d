"""Events of the calendar. What is told of an event goes to each participant and the owner."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from events.base import Event, user_room
from events.fields import Id
from events.views import CalendarEventFacts, ParticipantView

T = TypeVar("T", bound="_Facts")


@dataclass(frozen=True)
class _Facts:
    user_id: int
    id: int
    title: str
    description: str
    location: str
    starts_at: datetime
    ends_at: datetime
    capacity: int | None
    visibility: str
    owner: Any
    sequence: int
    cancelled: bool

    @classmethod
    def of(cls: type[T], user_id: int, event: Any) -> T:
        """To a member, from an event of the calendar."""
        facts = {
            name: getattr(event, name) for name in _Facts.__dataclass_fields__ if name != "user_id"
        }
        return cls(user_id, **facts)


@dataclass(frozen=True)
class EventUpdated(_Facts, Event):
    """An event of the calendar was made or changed. Heard by its participants and its owner."""

    name = "event:updated"
    audience = user_room("user_id")
    Payload = CalendarEventFacts


@dataclass(frozen=True)
class EventCancelled(_Facts, Event):
    """An event of the calendar was called off. Heard by its participants and its owner."""

    name = "event:cancelled"
    audience = user_room("user_id")
    Payload = CalendarEventFacts


@dataclass(frozen=True)
class InvitationNew(_Facts, Event):
    """Somebody is invited to an event of the calendar. Heard by whoever is invited."""

    name = "invitation:new"
    audience = user_room("user_id")
    Payload = CalendarEventFacts


@dataclass(frozen=True)
class ParticipantUpdated(Event):
    """Somebody answered, or got a seat. Heard by the event's participants and its owner."""

    name = "participant:updated"
    audience = user_room("to")

    to: int
    event_id: int
    user_id: int
    status: str
    waitlisted: bool

    class Payload(ParticipantView):
        event_id = Id(required=True)
