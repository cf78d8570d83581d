"""Events on their way to the caller, and how far the caller is.

Invariants
    A reader is given every event from its beginning on, once, in order. What nobody has read yet
    is kept for the first who comes; a caller who leaves and comes back goes on where it was.
    No more than `limit` events wait: then no more are taken, and the log keeps them.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from cyberhub_client.event import Event

#: An event with its number; they are counted, since cursors of two logs have no order.
_Numbered = tuple[int, Event]


class Outlet:
    """Where the inbox's events go."""

    def __init__(self, limit: int, fresh: Callable[[], Event]) -> None:
        """`fresh` is a `resync` of now, for a caller who comes after more than `limit` events."""
        self._limit = limit
        self._fresh = fresh
        self._number = 0
        self._readers: list[Reader] = []
        # While nobody reads: what waits, and how far the last reader was.
        self._kept: deque[_Numbered] = deque()
        self._kept_done = self._kept_handed = 0
        self._lost_some = False
        # The places that are not dealt with yet.
        self._places: deque[tuple[int, str]] = deque()
        self._room = asyncio.Event()
        self._room.set()
        self._is_closed = False
        self._error: Exception | None = None
        #: Up to here every event has been dealt with; None before there was one.
        self.position: str | None = None

    def put(self, event: Event) -> None:
        numbered = self._count(event)
        for reader in self._readers:
            reader.give(numbered)
        if not self._readers:
            self._keep(numbered)
        if not self.has_room:
            self._room.clear()

    def _count(self, event: Event) -> _Numbered:
        self._number += 1
        if event.cursor is not None:
            self._places.append((self._number, event.cursor))
        return self._number, event

    def _keep(self, numbered: _Numbered) -> None:
        self._kept.append(numbered)
        if len(self._kept) > self._limit or self._lost_some:
            # Nobody listens. Whoever does so later begins from a snapshot.
            self._kept.clear()
            self._places.clear()
            self._lost_some = True

    @property
    def has_room(self) -> bool:
        return all(len(reader.unread) < self._limit for reader in self._readers)

    @property
    def is_idle(self) -> bool:
        """Whether everything has been dealt with."""
        return not self._places and not self._lost_some

    async def room(self) -> None:
        """Wait until half of what may wait has been read."""
        await self._room.wait()

    def open(self) -> "Reader":
        """A reader from here on; the first one goes on where the last one was."""
        if self._readers:
            reader = Reader(self, self._number, self._number)
        else:
            if self._lost_some:
                self._lost_some = False
                self._kept_done = self._kept_handed = self._number
                self._kept.append(self._count(self._fresh()))
            reader = Reader(self, self._kept_done, self._kept_handed)
            for numbered in self._kept:
                reader.give(numbered)
            self._kept.clear()
        self._readers.append(reader)
        if self._is_closed:
            reader.end(self._error)
        return reader

    def leave(self, reader: "Reader") -> None:
        if reader not in self._readers:
            return
        self._readers.remove(reader)
        if not self._readers:
            self._kept = reader.unread
            self._kept_done, self._kept_handed = reader.done, reader.handed
        self.moved()

    def moved(self) -> None:
        """A reader has dealt with something, or left."""
        done = min((reader.done for reader in self._readers), default=self._kept_done)
        while self._places and self._places[0][0] <= done:
            self.position = self._places.popleft()[1]
        if all(len(reader.unread) <= self._limit // 2 for reader in self._readers):
            self._room.set()

    def finish(self) -> None:
        """The caller is through with all that was handed out."""
        for reader in self._readers:
            reader.finish()
        self._kept_done = self._kept_handed
        self.moved()

    def clear(self) -> None:
        """What nobody has read yet is for nobody any more."""
        self._kept.clear()
        self._places.clear()
        self._lost_some = False
        for reader in self._readers:
            reader.unread.clear()
        self.moved()

    def close(self, error: Exception | None = None) -> None:
        """Readers end once they have read what is there: with the error, if there is one."""
        self._is_closed, self._error = True, error
        for reader in self._readers:
            reader.end(error)


class Reader:
    """One who is told everything. An event is dealt with when the next one is asked for."""

    def __init__(self, outlet: Outlet, done: int, handed: int) -> None:
        self._outlet = outlet
        self._news = asyncio.Event()
        self._is_over = False
        self._error: Exception | None = None
        self.done = done
        self.handed = handed
        self.unread: deque[_Numbered] = deque()

    def give(self, numbered: _Numbered) -> None:
        self.unread.append(numbered)
        self._news.set()

    def end(self, error: Exception | None) -> None:
        self._is_over, self._error = True, error
        self._news.set()

    async def next(self) -> Event | None:
        """The next event; None: there will be no more. Raises: what it was closed with."""
        self.finish()
        while not self.unread:
            if self._error is not None:
                raise self._error
            if self._is_over:
                return None
            self._news.clear()
            await self._news.wait()
        self.handed, event = self.unread.popleft()
        return event

    def finish(self) -> None:
        """What was handed out last has been dealt with."""
        self.done = self.handed
        self._outlet.moved()

    def leave(self) -> None:
        self._outlet.leave(self)
