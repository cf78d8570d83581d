"""Reading what one socket missed, up to where this worker is with telling it live."""

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter

from server.db import Database
from server.db.batches import Batches
from server.engine.recovery import Missed, RecoveryUnavailable
from server.errors import DatabaseUnavailable
from server.realtime.cursor import Cursor
from server.realtime.log import Ask, EventLog
from server.realtime.tail import Tail, Told, told

BATCH = 200
# Sockets that share a statement. All of them go on when it is answered, and others wait meanwhile.
_TOGETHER = 20
_POSITION = itemgetter(0)


class Source:
    """Where what was missed is read."""

    def __init__(
        self,
        db: Database,
        log: EventLog,
        tail: Tail,
        position: Callable[[], Cursor],
        *,
        at_once: int,
    ) -> None:
        """`position` is how far this worker has told its sockets; `at_once`: how many statements
        may be under way. Other work needs the database too.
        """
        self._db = db
        self._log = log
        self.tail = tail
        self.position = position
        self._asks: Batches[Ask, list[Told] | None] = Batches(
            self._read, most=_TOGETHER, at_once=at_once
        )

    async def read(self, after: Cursor, until: Mapping[str, int]) -> list[Told] | None:
        """The first of what came after a cursor in the log; None if it cannot be continued.

        Raises: RecoveryUnavailable.
        """
        try:
            return await self._asks.ask((after, until))
        except DatabaseUnavailable as error:
            raise RecoveryUnavailable("the log does not answer") from error

    async def _read(self, asked: list[Ask]) -> list[list[Told] | None]:
        async with self._db.connection() as connection:
            head, found = await self._log.after_each(connection, asked, BATCH)
        return [
            [told(head.epoch, *event) for event in events] if head.can_continue(after) else None
            for (after, _), events in zip(asked, found, strict=True)
        ]


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
    def at(self) -> Cursor | None:
        """Up to where it has been read."""
        return self._at

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
                    return events
        return []

    async def _read(self, after: Cursor, end: int) -> list[Missed]:
        until = {each: min(end, self._until.get(each, end)) for each in self._audiences()}
        until = {each: last for each, last in until.items() if last > after.position}
        self._at = Cursor(after.epoch, end)
        if not until:
            return []
        found, rest = self._source.tail.after(after, until, BATCH)
        if rest:
            read = await self._source.read(after, rest)
            if read is None:
                self.has_gap = True
                return []
            found += read
        found.sort(key=_POSITION)
        if len(found) >= BATCH:
            del found[BATCH:]
            self._at = Cursor(after.epoch, found[-1][0])
        else:
            self._is_near = True
        return [event for _, event in found]
