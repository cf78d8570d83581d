"""One listener's way through the log, for every door that is not Socket.IO.

It catches up from the log in pages, then is handed what the relay hands this worker. A listener
that is slower than the news forgets what waits for it and reads the log again from where it is.

Invariants
    `_position` is where the listener is: everything up to it has been given to the door, or is
    not for this listener. It only grows, but for a resync.
    LIVE: what lies between `_position` and the relay's is in the queue, whole and in order. So
    an empty queue means that the listener is where the relay is.
    READING: the queue was emptied, and collects, from before the page is asked for. A page that
    is the last one ends at the log's head, which is not behind the relay's position of that
    moment, so what the page does not hold is in the queue. What both hold is dropped there.
    BEHIND: pushed events are ignored; they are in the log.
    A page is read for the dialogs that the member is in at its moment; what is pushed is for
    those in `audiences`, which change with what the relay tells. A page that knows of others
    puts them right. If it was the last one, what is missing from the queue is in the log, and it
    is read once more.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum

from server.errors import DatabaseUnavailable
from server.identity import Listener, SignedIn, dialog_room
from server.realtime.cursor import Cursor
from server.realtime.log import EventLog, Page
from server.realtime.membership import Change, rooms_after
from server.realtime.news import News, Resync

_PAUSE_S = (0.2, 5.0)

Item = News | Resync


class _State(Enum):
    BEHIND = "behind"
    READING = "reading"
    LIVE = "live"


class Feed:
    """What one listener hears, from a cursor or from now on. Made and closed by `Feeds`.

    `start`, then `next` again and again until `ended` says why there is no more.
    """

    def __init__(
        self,
        event_log: EventLog,
        turn: asyncio.Semaphore,
        relay_position: Callable[[], Cursor | None],
        overflowed: Callable[[], None],
        moved: Callable[["Feed", set[str]], None],
        *,
        number: int,
        door: str,
        address: str,
        who: SignedIn[Listener] | None,
        after: Cursor | None,
        page_size: int,
        queue_size: int,
        patience_s: float,
    ) -> None:
        self.number = number
        self.door = door
        self.address = address
        self.who = who
        self.since = datetime.now(UTC)
        #: Whoever is told what it is told; the hub hands it over by these.
        self.audiences = {"all", *(who.member.rooms() if who else ())}
        #: Why there is nothing more, once what waits has been read.
        self.ended: str | None = None
        #: Where this listener's account begins.
        self.began: Cursor | None = after
        self._log = event_log
        self._turn = turn
        self._relay_position = relay_position
        self._overflowed = overflowed
        self._moved = moved
        self._own_audiences = ["all", *(who.member.own_rooms() if who else ())]
        #: Whose dialogs it hears; staff hear all of them without being in any.
        self._member_id = None if who is None or who.member.is_staff else who.member.id
        #: What the relay told of this member's dialogs since a page was asked for.
        self._changes: list[Change] = []
        self._page_size = page_size
        self._queue_size = queue_size
        self._patience_s = patience_s
        self._queue: deque[News] = deque()
        #: For this listener alone: never forgotten.
        self._own: list[News] = []
        self._state = _State.BEHIND
        self._position = after
        #: The position whose news the door has put away.
        self._reached = after
        self._waits = False
        self._bell = asyncio.Event()

    # Where it is.

    @property
    def cursor(self) -> Cursor:
        """The place to go on from, once what was returned is dealt with. Known after `start`."""
        assert self._position is not None
        if self._state is _State.LIVE and not self._queue:
            relay = self._relay_position()
            if relay and relay.epoch == self._position.epoch:
                return max(self._position, relay, key=lambda each: each.position)
        return self._position

    @property
    def reached(self) -> Cursor | None:
        """Up to where the door has written; None before it knows where it begins."""
        return self.cursor if self._waits else self._reached

    @property
    def waiting(self) -> int:
        """How many events wait for the door."""
        return len(self._queue) + len(self._own)

    # What comes in.

    def hear(self, news: News) -> None:
        """An event for one of the audiences, in the relay's order."""
        if self._state is _State.BEHIND or self.ended is not None:
            return
        if news.cursor is not None and self._is_known(news.cursor):
            return
        if len(self._queue) < self._queue_size:
            self._queue.append(news)
        elif news.cursor is not None:
            self._overflow(news.cursor)
        else:
            # Sent at most once: it is not worth reading the log again for the others.
            return
        self._bell.set()

    def change(self, change: Change) -> None:
        """Its member has joined or left a dialog."""
        if self._member_id is not None:
            self._changes.append(change)
            self._move(rooms_after(self.audiences, [change], 0))

    def _move(self, audiences: set[str]) -> None:
        if audiences != self.audiences:
            self._moved(self, audiences)

    def tell(self, news: News) -> None:
        """Something for this listener alone."""
        self._own.append(news)
        self._bell.set()

    def end(self, why: str) -> None:
        """Nothing comes any more but what waits already."""
        if self.ended is None:
            self.ended = why
            self._bell.set()

    def lost_track(self) -> None:
        """The relay jumped: only the log can say whether something is missing."""
        self._fall_behind()
        self._bell.set()

    def _is_known(self, cursor: Cursor) -> bool:
        at = self._position
        return at is not None and cursor.epoch == at.epoch and cursor.position <= at.position

    def _overflow(self, cursor: Cursor) -> None:
        if self._state is _State.LIVE:
            # Closer than the last event it was given, which retention may have removed by now.
            first = next((each.cursor for each in self._queue if each.cursor), cursor)
            self._position = Cursor(first.epoch, first.position - 1)
        self._fall_behind()
        self._overflowed()

    def _fall_behind(self) -> None:
        self._state = _State.BEHIND
        self._queue.clear()

    # What goes out.

    async def start(self) -> list[Item]:
        """The first page after the cursor; nothing without one.

        Raises: DatabaseUnavailable.
        """
        items = await self._read(self._patience_s)
        if self.began is None or (items and isinstance(items[0], Resync)):
            self.began = self._position
        return items

    async def next(self, timeout_s: float) -> list[Item]:
        """What comes next, oldest first; nothing if nothing came in time, or after the end.

        While the database is away it waits; the log still has everything afterwards.
        """
        self._reached = self.cursor
        deadline = time.monotonic() + timeout_s
        pause_s = _PAUSE_S[0]
        while True:
            if self._own or self._queue or self.ended is not None:
                return self._take()
            if self._state is _State.LIVE:
                if not await self._wait(deadline - time.monotonic()):
                    return []
                continue
            left_s = deadline - time.monotonic()
            try:
                items = await self._read(min(left_s, self._patience_s))
            except DatabaseUnavailable:
                left_s = deadline - time.monotonic()
                await self._wait(min(pause_s, left_s))
                pause_s = min(pause_s * 2, _PAUSE_S[1])
                if left_s <= 0:
                    return []
                continue
            if items:
                return items

    async def _wait(self, timeout_s: float) -> bool:
        self._bell.clear()
        if timeout_s <= 0:
            return False
        self._waits = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._bell.wait()
        except TimeoutError:
            return False
        finally:
            self._waits = False
        return True

    def _take(self) -> list[Item]:
        items: list[Item] = [*self._queue, *self._own]
        self._queue.clear()
        self._own.clear()
        for item in reversed(items):
            if item.cursor is not None:
                self._position = item.cursor
                break
        return items

    async def _read(self, patience_s: float) -> list[Item]:
        try:
            async with asyncio.timeout(patience_s):
                await self._turn.acquire()
        except TimeoutError:
            raise DatabaseUnavailable() from None
        try:
            self._queue.clear()
            self._changes.clear()
            self._state = _State.READING
            page = await self._log.page(
                self._position, self._own_audiences, self._page_size, self._member_id
            )
        except BaseException:
            self._fall_behind()
            raise
        finally:
            self._turn.release()
        self._position = page.cursor
        if page.more or self._was_elsewhere(page):
            self._fall_behind()
        elif self._state is _State.READING:
            self._state = _State.LIVE
            self._queue = deque(each for each in self._queue if not self._is_old(each))
        if page.resync:
            return [Resync(page.cursor)]
        return [News.of_log(event) for event in page.events]

    def _was_elsewhere(self, page: Page) -> bool:
        """Whether it was handed other dialogs than the page says; it is put right."""
        if self._member_id is None:
            return False
        before = self.audiences
        read = {*self._own_audiences, *map(dialog_room, page.dialogs)}
        self._move(rooms_after(read, self._changes, page.head))
        return self.audiences != before

    def _is_old(self, news: News) -> bool:
        return news.cursor is not None and self._is_known(news.cursor)
