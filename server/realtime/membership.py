"""Who joins and leaves a dialog, as the log tells it: listeners move with it.

A member's dialogs are read with the member, at one moment of the log. By the time a listener is
let in, this worker may have told more: what changed since is applied then.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from events import DialogJoined, DialogLeft
from server.errors import DatabaseUnavailable
from server.identity import Listener, dialog_room, user_room
from server.realtime.log import LoggedEvent

# Far more than happen while a member is looked up.
_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """A member joined or left a dialog, at a position of the log."""

    position: int
    who: str
    room: str
    joined: bool

    @classmethod
    def of(cls, event: LoggedEvent) -> "Change | None":
        """None for all other events."""
        if event.name not in (DialogJoined.name, DialogLeft.name):
            return None
        room = dialog_room(event.data["dialogId"])
        joined = event.name == DialogJoined.name
        return cls(event.cursor.position, event.audience, room, joined)

    def apply(self, rooms: set[str]) -> None:
        if self.joined:
            rooms.add(self.room)
        else:
            rooms.discard(self.room)


def rooms_after(rooms: Iterable[str], changes: Iterable[Change], position: int) -> set[str]:
    """The rooms, read at a position of the log, after the changes that came later."""
    now = set(rooms)
    for change in changes:
        if change.position > position:
            change.apply(now)
    return now


class Changes:
    """The last changes that this worker has told."""

    def __init__(self) -> None:
        self._last: deque[Change] = deque()
        #: Everything after this position is known.
        self._since = 0

    def note(self, change: Change) -> None:
        self._last.append(change)
        if len(self._last) > _KEPT:
            self._since = self._last.popleft().position

    def forget(self, position: int) -> None:
        """What lies before a position was not told here."""
        self._last.clear()
        self._since = position

    def rooms(self, member: Listener) -> set[str]:
        """Where the member is as this worker has told it.

        Raises: DatabaseUnavailable when the member was read too long ago to say.
        """
        if member.is_staff:
            return set(member.rooms())
        if member.as_of < self._since:
            raise DatabaseUnavailable()
        who = user_room(member.id)
        own = (change for change in self._last if change.who == who)
        return rooms_after(member.rooms(), own, member.as_of)
