"""Where every door leads: events pass in the order of the log, each once, whatever brought them."""

import asyncio
from collections.abc import Awaitable, Callable

from cyberhub_client.cursor import is_after
from cyberhub_client.event import Event

# What may wait for a snapshot; with more, a newer snapshot is the shorter way.
_HELD_AT_MOST = 10_000


class Inbox:
    """Invariant: everything up to `cursor` has been told; None: it is not known what."""

    def __init__(
        self,
        *,
        tell: Callable[[Event], None],
        has_room: Callable[[], bool],
        load: Callable[[], Awaitable[str]],
        fresh: Callable[[str], None],
    ) -> None:
        """`load` loads the snapshot and gives its cursor; `fresh`: from there on, what follows
        it comes next."""
        self.cursor: str | None = None
        self._tell = tell
        self._has_room = has_room
        self._load = load
        self._fresh = fresh
        self._held: list[Event] | None = None
        self._too_many = False
        self._turn = asyncio.Lock()

    def take(self, event: Event) -> bool:
        """Whether it was taken: a caller that is too far behind is told no more.

        An event without a cursor is ephemeral: it passes as it comes.
        """
        if self._held is not None:
            self._hold(self._held, event)
            return True
        if event.cursor is not None and not is_after(event.cursor, self.cursor):
            return True
        if not self._has_room():
            return False
        if event.cursor is not None:
            self.cursor = event.cursor
        self._tell(event)
        return True

    def _hold(self, held: list[Event], event: Event) -> None:
        if len(held) == _HELD_AT_MOST:
            held.clear()
            self._too_many = True
        held.append(event)

    def advance(self, cursor: str) -> None:
        """A door says that nothing for us stands between our cursor and this one."""
        if self._held is None and is_after(cursor, self.cursor):
            self.cursor = cursor

    async def resync(self) -> bool:
        """Begin anew from a snapshot; what comes meanwhile waits for it.

        Gives whether the caller took all of it. Raises: what `load` raises; the cursor is then
        not known.
        """
        async with self._turn:
            held: list[Event] = []
            self._held, self.cursor = held, None
            try:
                while True:
                    self._too_many = False
                    cursor = await self._load()
                    if not self._too_many:
                        break
            finally:
                self._held = None
            self.begin(cursor)
            return all(self.take(event) for event in held)

    def begin(self, cursor: str) -> None:
        """Follow the log from this snapshot on."""
        self.cursor = cursor
        self._fresh(cursor)

    def go_on(self, cursor: str) -> None:
        """Follow the log from a place where the caller was before."""
        self.cursor = cursor

    def forget(self) -> None:
        """Nothing is known any more."""
        self.cursor = None
