"""Events of the cases."""

from dataclasses import dataclass

from events.base import ALL, Event


@dataclass(frozen=True)
class CasesUpdated(Event):
    """A case was added, changed or removed, or one of its lines ran out. Heard by all."""

    name = "cases:updated"
    audience = ALL
