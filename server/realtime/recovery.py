"""Sockets that come back: what Socket.IO's recovery asks of the event log.

Where a socket was is the latest of three: where its `pid` began, the last event it knows of
(`offset`), and `after`, the place in the log that it names itself.

Invariants
    A `pid` is believed only with the identity that it was given to, proven by this CONNECT.
    What was recovered is whole, or it is not called so: a gap, a goodbye, another identity or
    another log ends in a new `pid`, and in `resync` for who has named a place.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from events.connection import Resync
from server.db import Database
from server.engine.recovery import Missed, RecoveryUnavailable
from server.errors import DatabaseUnavailable
from server.metrics import RECOVERIES
from server.realtime import marks
from server.realtime.cursor import BadCursor, Cursor
from server.realtime.log import EventLog, Head
from server.realtime.marks import Kind, Marks
from server.realtime.missed import Missing, Source
from server.realtime.pids import Pid, Pids
from server.realtime.tail import Tail

if TYPE_CHECKING:
    from server.realtime.sockets import Socket, Sockets

# How long a worker may be behind another one that the socket comes from.
_BEHIND_S = 5.0

#: Whose token a socket says it has, without asking the database: 0 is nobody's, None unknown.
Presumed = Callable[[dict[str, Any]], int | None]


class Position(Protocol):
    """Where this worker is: the relay."""

    position: Cursor | None
    listeners: list[Any]

    async def reach(self, position: int) -> None: ...


@dataclass(slots=True)
class Ticket:
    """What is known of a socket that claims to return, before it is known who it is."""

    outcome: str
    #: What it came with, if that may be continued, and from where.
    pid: str | None = None
    bound: Pid | None = None
    start: Cursor | None = None
    offset: str | None = None
    unfinished: bool = False
    sid: str | None = None
    #: The place that it names itself: whether it does, and whether it can be continued.
    names_place: bool = False
    after: Cursor | None = None
    #: As far as this worker must be, before it can tell what it has missed.
    known: int = 0


class LogRecovery:
    """`Recovery` of the engine, by the event log."""

    def __init__(
        self,
        db: Database,
        event_log: EventLog,
        *,
        marks: Marks,
        pids: Pids,
        presumed: Presumed,
        enabled: bool,
        reads: int,
        tail: int,
    ) -> None:
        self.enabled = enabled
        self._marks = marks
        self._pids = pids
        self._presumed = presumed
        self._tail = Tail(tail)
        self._source = Source(db, event_log, self._tail, self.position, at_once=reads)
        self._relay: Position | None = None
        self._sockets: "Sockets | None" = None

    def begin(self, relay: Position, sockets: "Sockets") -> None:
        """The parts that are made after this one."""
        self._relay = relay
        self._sockets = sockets
        relay.listeners += (self._tail, sockets)

    def position(self) -> Cursor:
        """Up to where this worker has told its sockets."""
        assert self._relay is not None
        if self._relay.position is None:
            raise RecoveryUnavailable("the log is not followed yet")
        return self._relay.position

    # What the engine asks.

    async def examine(self, auth: dict[str, Any], *, recovers: bool) -> Ticket | None:
        said, offset = (auth.get("pid"), auth.get("offset")) if recovers else (None, None)
        if said is None and auth.get("after") is None:
            return None
        pid = _text(said) or ""
        bound = self._pids.read(pid)
        looked: tuple[bytes, ...] = ()
        if bound is not None:
            looked = marks.ended(pid), marks.replayed(pid, _text(offset))
        try:
            head, found = await self._marks.look(looked)
        except DatabaseUnavailable as error:
            raise RecoveryUnavailable("the marks cannot be read") from error
        ticket = Ticket("continued" if said is None else "bad_pid")
        if bound is not None and looked[0] in found:
            ticket.outcome = "ended"
        elif bound is not None:
            self._judge(ticket, bound, offset, _cursor(auth.get("after")), head)
            if ticket.outcome == "recovered":
                ticket.pid, ticket.bound, ticket.offset = pid, bound, _text(offset)
                ticket.unfinished = looked[1] in found
                if self._presumed(auth) == bound.member_id:
                    ticket.sid = bound.sid
        self._note_place(ticket, auth.get("after"), head)
        return ticket

    def _judge(
        self, ticket: Ticket, bound: Pid, offset: Any, after: Cursor | None, head: Head
    ) -> None:
        """Whether the log still has all that came after where a socket was."""
        known = [bound.cursor]
        if offset is not None:
            at = _cursor(offset)
            if at is None:
                # Some other text at the end of an event: nobody knows what it has seen.
                ticket.outcome = "bad_offset"
                return
            known.append(at)
        if any(each.epoch != head.epoch for each in known):
            ticket.outcome = "other_epoch"
            return
        seen = max(each.position for each in known)
        if seen <= head.head:
            ticket.known = seen
        if after is not None and head.can_continue(after):
            seen = max(seen, after.position)
        ticket.start = Cursor(head.epoch, seen)
        if seen < head.floor:
            ticket.outcome = "too_old"
        elif seen > head.head:
            ticket.outcome = "unknown_position"
        else:
            ticket.outcome = "recovered"

    def _note_place(self, ticket: Ticket, after: Any, head: Head) -> None:
        if after is None:
            return
        ticket.names_place = True
        cursor = _cursor(after)
        if cursor is not None and head.can_continue(cursor):
            ticket.after = cursor
            ticket.known = max(ticket.known, cursor.position)

    def open(self, sid: str, *, recovers: bool) -> str | None:
        socket = self._socket(sid)
        here = self.position()
        socket.told_since(here)
        RECOVERIES.labels("new" if recovers else "refused").inc()
        return self._pids.make(here, _member_id(socket), sid) if recovers else None

    async def resume(self, sid: str, ticket: Ticket, *, recovers: bool) -> "Returning":
        socket = self._socket(sid)
        if ticket.bound is not None and ticket.bound.member_id != _member_id(socket):
            ticket.outcome, ticket.pid, ticket.unfinished = "other_user", None, False
        await self._reach(ticket.known)
        return Returning(self, socket, ticket, recovers=recovers)

    def ended(self, pid: str) -> None:
        if self._marks.admits(Kind.ENDED):
            self._marks.set_soon(marks.ended(pid))

    # What the sockets ask.

    async def end(self, pid: str) -> None:
        """Nobody comes back with this, whatever happens now. Raises: DatabaseUnavailable."""
        await self._marks.set(marks.ended(pid))

    def end_soon(self, pid: str) -> None:
        """The same, as soon as the database allows."""
        self._marks.set_soon(marks.ended(pid))

    async def missing(
        self,
        after: Cursor | None,
        heard: Callable[[], Iterable[str]],
        until: Mapping[str, int],
        still_theirs: Callable[[], bool],
    ) -> Missing | None:
        """What came after a cursor, less what a socket was told; None: it cannot be continued.

        Raises: DatabaseUnavailable.
        """
        head, _ = await self._marks.look(())
        if after is None or not head.can_continue(after):
            return None
        await self._reach(after.position)
        return Missing(self._source, after, heard, until=until, still_theirs=still_theirs)

    async def _reach(self, position: int) -> None:
        assert self._relay is not None
        try:
            async with asyncio.timeout(_BEHIND_S):
                await self._relay.reach(position)
        except TimeoutError:
            raise RecoveryUnavailable("this worker is far behind") from None

    def _socket(self, sid: str) -> "Socket":
        assert self._sockets is not None
        socket = self._sockets.get(sid)
        if socket is None:
            raise RecoveryUnavailable("the socket has left")
        return socket


class Returning:
    """`Return` of the engine: one socket's way back."""

    def __init__(
        self, recovery: LogRecovery, socket: "Socket", ticket: Ticket, *, recovers: bool
    ) -> None:
        self._recovery = recovery
        self._socket = socket
        self._ticket = ticket
        self._recovers = recovers
        self._start = ticket.start if ticket.pid is not None else ticket.after
        who = socket.who
        self._missing = Missing(
            recovery._source,
            self._start,
            socket.audiences,
            until={},
            still_theirs=lambda: socket.who is who,
        )
        socket.missing = self._missing
        self._is_marked = ticket.pid is None
        self._is_settled = False
        self._told_resync = not ticket.names_place

    @property
    def unfinished(self) -> str | None:
        return self._ticket.pid if self._ticket.unfinished else None

    async def finished(self) -> None:
        try:
            await self._recovery._marks.clear(self._mark)
        except DatabaseUnavailable as error:
            raise RecoveryUnavailable("a mark cannot be cleared") from error
        RECOVERIES.labels("unfinished").inc()

    @property
    def _mark(self) -> bytes:
        assert self._ticket.pid is not None
        return marks.replayed(self._ticket.pid, self._ticket.offset)

    async def read(self) -> list[Missed]:
        missed = await self._missing.read()
        if missed and not self._is_marked:
            self._is_marked = True
            if self._recovery._marks.admits(Kind.REPLAYED):
                try:
                    await self._recovery._marks.set(self._mark)
                except DatabaseUnavailable as error:
                    raise RecoveryUnavailable("a mark cannot be set") from error
        if missed or not self._is_settled or self._is_whole or self._told_resync:
            return missed
        self._told_resync = True
        event = Resync(self._socket.sid, str(self._missing.settled))
        return [Missed(event.wire_name(), (json.loads(event.payload() or "{}"),), None)]

    @property
    def _is_whole(self) -> bool:
        """Whether what it was told continues where it was."""
        return self._start is not None and not self._missing.has_gap

    def settle(self) -> None:
        self._missing.settle()
        self._is_settled = True

    def end(self) -> str | None:
        ticket, here = self._ticket, self._missing.settled
        self._socket.missing = None
        if self._missing.has_gap:
            ticket.outcome, ticket.pid = "too_old", None
        if self._is_whole and self._start is not None:
            self._socket.told_since(self._start)
        else:
            self._socket.told_since(here)
        RECOVERIES.labels(ticket.outcome).inc()
        if ticket.pid is not None or not self._recovers:
            return ticket.pid
        return self._recovery._pids.make(here, _member_id(self._socket), self._socket.sid)


def _member_id(socket: "Socket") -> int:
    return socket.who.member.id if socket.who else 0


def _text(said: Any) -> str | None:
    """What a page may have been given as `pid` or offset; JSON may hold halves of pairs."""
    return said if isinstance(said, str) and said.isascii() else None


def _cursor(said: Any) -> Cursor | None:
    try:
        return Cursor.parse(said) if isinstance(said, str) else None
    except BadCursor:
        return None
