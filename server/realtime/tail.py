"""The last events that this worker has told, for the many who come back at once.

A club whose network breaks for a moment comes back as one: most of what it missed, all of it
missed, and it was told here a moment ago.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from typing import Any

from events import ChatRemoved
from server.engine.recovery import Missed
from server.identity import EVERY_DIALOG, rooms_that_hear
from server.realtime.cursor import Cursor
from server.realtime.log import LoggedEvent

# Many hear of these: what is told to single members does not push it out.
_SHARED = ("all", "staff", EVERY_DIALOG)

# A place in the log, and what was told there.
Told = tuple[int, Missed]


def told(epoch: str, position: int, name: str, data: Any) -> Told:
    """An event as a client is told it late."""
    arguments = () if data is None else (data,)
    return position, Missed(name, arguments, f"{epoch}.{position}")


class _Audience:
    """What one audience was told, oldest first; before `first` it is forgotten."""

    __slots__ = ("first", "positions", "told")

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.told: list[Told] = []
        self.first = 0

    def after(self, after: int, until: int, limit: int) -> list[Told]:
        begin = bisect_right(self.positions, after, self.first)
        end = min(bisect_right(self.positions, until, begin), begin + limit)
        return self.told[begin:end]

    def forget(self) -> int:
        """The oldest goes; returns its place."""
        position = self.positions[self.first]
        self.first += 1
        if 2 * self.first >= len(self.positions):
            del self.positions[: self.first], self.told[: self.first]
            self.first = 0
        return position


class _Events:
    """The last events of some audiences, without a gap after `begin`."""

    def __init__(self, most: int, begin: int) -> None:
        self._most = most
        self._order: deque[str] = deque()
        self._audiences: dict[str, _Audience] = {}
        self.begin = begin

    def add(self, audience: str, event: Told) -> None:
        kept = self._audiences.get(audience)
        if kept is None:
            kept = self._audiences[audience] = _Audience()
        kept.positions.append(event[0])
        kept.told.append(event)
        self._order.append(audience)
        if len(self._order) > self._most:
            oldest = self._order.popleft()
            self.begin = self._audiences[oldest].forget()
            if not self._audiences[oldest].positions:
                del self._audiences[oldest]

    def after(self, audience: str, after: int, until: int, limit: int) -> list[Told]:
        kept = self._audiences.get(audience)
        return [] if kept is None else kept.after(after, until, limit)


class Tail:
    """A listener of the relay. It keeps `most` events of those that many hear, and of the others
    as many; each without a gap."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._shared = _Events(most, 0)
        self._others = _Events(most, 0)
        self._end: Cursor | None = None

    def heard(self, event: LoggedEvent) -> None:
        end, here = self._end, event.cursor
        if end is None or (here.epoch, here.position) != (end.epoch, end.position + 1):
            self._shared = _Events(self._most, here.position - 1)
            self._others = _Events(self._most, here.position - 1)
        if event.name == ChatRemoved.name:
            # What stands in the log has changed: it is read there again.
            self._shared = _Events(self._most, here.position - 1)
        late = told(here.epoch, here.position, event.name, event.data)
        for audience in rooms_that_hear(event.audience):
            self._of(audience).add(audience, late)
        self._end = here

    def broke(self) -> None:
        self._end = None

    def _of(self, audience: str) -> _Events:
        return self._shared if audience in _SHARED else self._others

    def after(
        self, cursor: Cursor, until: Mapping[str, int], limit: int
    ) -> tuple[list[Told], dict[str, int]]:
        """What came after a cursor: of each audience up to a position, and the first `limit`.

        Audience by audience; and those of which that is not here, with their positions.
        """
        end = self._end
        if end is None or end.epoch != cursor.epoch:
            return [], dict(until)
        found: list[Told] = []
        rest: dict[str, int] = {}
        for audience, last in until.items():
            events = self._of(audience)
            if events.begin <= cursor.position and last <= end.position:
                found += events.after(audience, cursor.position, last, limit)
            else:
                rest[audience] = last
        return found, rest
