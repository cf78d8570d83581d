"""The last events that this worker has told, for the many who come back at once.

A club whose network breaks for a moment comes back as one: all of it missed the same, and it was
told here a moment ago.
"""

from collections.abc import Mapping

from server.identity import rooms_that_hear
from server.realtime.cursor import Cursor
from server.realtime.log import LoggedEvent


class Tail:
    """A listener of the relay. It keeps `most` events, without a gap between them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._events: dict[int, LoggedEvent] = {}
        self._end: Cursor | None = None

    def heard(self, event: LoggedEvent) -> None:
        end, here = self._end, event.cursor
        if end is None or (here.epoch, here.position) != (end.epoch, end.position + 1):
            self._events.clear()
        self._events[here.position] = event
        self._end = here
        if len(self._events) > self._most:
            del self._events[next(iter(self._events))]

    def broke(self) -> None:
        self._events.clear()
        self._end = None

    def after(
        self, cursor: Cursor, until: Mapping[str, int], limit: int
    ) -> list[LoggedEvent] | None:
        """As `EventLog.after`; None if it does not reach back so far, or not up to `until`."""
        end = self._end
        if end is None or end.epoch != cursor.epoch:
            return None
        last = max(until.values())
        if last > end.position or cursor.position + 1 not in self._events:
            return None
        found: list[LoggedEvent] = []
        for position in range(cursor.position + 1, last + 1):
            event = self._events[position]
            if any(position <= until.get(room, 0) for room in rooms_that_hear(event.audience)):
                found.append(event)
                if len(found) == limit:
                    break
        return found
