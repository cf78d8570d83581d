"""Events of the live drops."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from events.base import ALL, Event
from events.views import DropView


@dataclass(frozen=True)
class DropNew(Event):
    """Somebody opened a case and won this; an entry of `GET /api/drops`. Heard by all."""

    name = "drop:new"
    audience = ALL
    Payload = DropView

    id: int
    user: str
    item: Any
    case: Any
    at: datetime

    @classmethod
    def of(cls, drop: Any) -> "DropNew":
        """From an entry of the list, which it looks the same as."""
        return cls(drop.id, drop.user, drop.item, drop.case, drop.at)
