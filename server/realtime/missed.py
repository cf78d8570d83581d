"""Reading what one socket missed, up to where this worker is with telling it live."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from server.db import Database
from server.engine.recovery import Missed, RecoveryUnavailable
from server.errors import DatabaseUnavailable
from server.realtime.cursor import Cursor
from server.realtime.log import EventLog, LoggedEvent
from server.realtime.tail import Tail

BATCH = 200


@dataclass(frozen=True, slots=True)
class Source:
    """Where what was missed is read."""

    db: Database
    log: EventLog
    tail: Tail
    #: How many may read at once: other work needs the database too.
    turns: asyncio.Semaphore
    #: How far this worker has told its sockets.
    position: Callable[[], Cursor]


class Missing:
    """What a socket missed of its `audiences`, from `after` on.

    They are asked for with each read, since it joins and leaves dialogs meanwhile. `until` bounds
    an audience: what came later the socket was told already. `still_theirs` says whether the
    audiences are its own as yet. A gap, which the log cannot fill any more, ends it.
    """

    def __init__(
        self,
        source: Source,
        after: Cursor | None,
        audiences: Callable[[], Iterable[str]],
        *,
        until: Mapping[str, int],
        still_theirs: Callable[[], bool],
    ) -> None:
        self._source = source
        self._at = after
        self._audiences = audiences
        self._until = until
        self._still_theirs = still_theirs
        self._end: Cursor | None = None
        self._is_near = False
        self.has_gap = False

    @property
    def settled(self) -> Cursor:
        """Where live delivery begins; known after `settle`."""
        assert self._end is not None
        return self._end

    def settle(self) -> None:
        self._end = self._source.position()

    async def read(self) -> list[Missed]:
        """Raises: RecoveryUnavailable."""
        while not self.has_gap and self._at is not None:
            if not self._still_theirs():
                raise RecoveryUnavailable("the socket is not whose it was")
            if self._is_near and self._end is None:
                # A client that is slower than the news would never get there.
                break
            end = self._end or self._source.position()
            if end.epoch != self._at.epoch:
                self.has_gap = True
            elif end.position <= self._at.position:
                break
            else:
                events = await self._read(self._at, end.position)
                if events:
                    return [_missed(event) for event in events]
        return []

    async def _read(self, after: Cursor, end: int) -> list[LoggedEvent]:
        until = {each: min(end, self._until.get(each, end)) for each in self._audiences()}
        until = {each: last for each, last in until.items() if last > after.position}
        self._at = Cursor(after.epoch, end)
        if not until:
            return []
        events = self._source.tail.after(after, until, BATCH)
        if events is None:
            events = await self._read_log(after, until)
        if len(events) == BATCH:
            self._at = events[-1].cursor
        else:
            self._is_near = True
        return events

    async def _read_log(self, after: Cursor, until: Mapping[str, int]) -> list[LoggedEvent]:
        try:
            async with self._source.turns, self._source.db.connection() as connection:
                head, events = await self._source.log.after(connection, after, until, BATCH)
        except DatabaseUnavailable as error:
            raise RecoveryUnavailable("the log does not answer") from error
        if not head.can_continue(after):
            self.has_gap = True
            return []
        return events


def _missed(event: LoggedEvent) -> Missed:
    arguments = () if event.data is None else (event.data,)
    return Missed(event.name, arguments, str(event.cursor))
