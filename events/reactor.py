"""Events of the reactor: what programs beside the club have to tell."""

from dataclasses import dataclass
from typing import Any

from events.base import Audience, Event
from events.fields import AnyJson, Schema, Text


class _AllOrOne(Audience):
    def room(self, event: Event) -> str:
        user_id: int | None = vars(event)["user_id"]
        return "all" if user_id is None else f"user:{user_id}"


@dataclass(frozen=True)
class ReactorEvent(Event):
    """Something was emitted on the reactor, for all or for one member; `/ws/stream` sends it as
    `{type, detail}`."""

    name = "reactor:event"
    audience = _AllOrOne("all, or user:{user_id}")
    durable = False

    type: str
    detail: Any
    user_id: int | None = None

    class Payload(Schema):
        type = Text(min=1, max=64, required=True)
        detail = AnyJson(required=True, allow_none=True)
