"""How people's last connections ended: what staff look at when somebody says it does not work."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

# The oldest are forgotten first.
_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Departure:
    """A connection that is no more. `transport` is the name of its door."""

    transport: str
    reason: str
    at: datetime


class Departures:
    """The last one of each member, and of the guests of each address."""

    def __init__(self) -> None:
        self._last: OrderedDict[int | str, Departure] = OrderedDict()

    def note(self, member_id: int | None, address: str, transport: str, reason: str) -> None:
        whose = member_id or address
        self._last[whose] = Departure(transport, reason, datetime.now(UTC))
        self._last.move_to_end(whose)
        if len(self._last) > _KEPT:
            self._last.popitem(last=False)

    def last(self, member_id: int | None, address: str) -> Departure | None:
        return self._last.get(member_id or address)
