"""Who is behind each socket, which rooms that gives, and when the token ends.

Rooms are computed here from the member; a client never names one.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from events.connection import AuthExpired
from server.engine.recovery import RecoveryUnavailable
from server.errors import ClubError, DatabaseUnavailable, TokenExpired
from server.identity import Listener, SignedIn, user_room
from server.metrics import SOCKETS_CONNECTED
from server.realtime.cursor import Cursor
from server.realtime.expiry import Expiry, seconds_left
from server.realtime.log import LoggedEvent
from server.realtime.membership import Change, Changes, rooms_after
from server.realtime.sio import ClubSio

if TYPE_CHECKING:
    from server.realtime.missed import Missing
    from server.realtime.recovery import LogRecovery

# A socket whose token has ended leaves its rooms, also when the database does not answer.
_PATIENCE_S = 1.0

log = structlog.get_logger(__name__)


class TooManySockets(ClubError):
    status = 429
    code = "too_many_sockets"
    sentence = "This account has too many connections open."


@dataclass(slots=True)
class Socket:
    """One connected Socket.IO client of this worker."""

    sid: str
    address: str
    since: datetime
    who: SignedIn[Listener] | None = None
    #: Where it is; they follow what the log tells of the member's dialogs.
    rooms: set[str] = field(default_factory=set, repr=False)
    expiry: Expiry | None = field(default=None, repr=False)
    has_left: bool = False
    #: The position from which on it was told all of an audience; none before it was let in.
    told: dict[str, int] = field(default_factory=dict, repr=False)
    #: What it is being told late.
    missing: "Missing | None" = field(default=None, repr=False)
    #: One identity at a time.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    def audiences(self) -> list[str]:
        """What it hears now."""
        return ["all", *self.rooms]

    def told_since(self, cursor: Cursor) -> None:
        """It was let in, and is told everything that is for it from this place on."""
        self.told = dict.fromkeys(self.audiences(), cursor.position)

    def cancel_timer(self) -> None:
        if self.expiry is not None:
            self.expiry.cancel()
            self.expiry = None


@dataclass(frozen=True, slots=True)
class Continued:
    """Whether a socket was told all since the place that it named; where it is now."""

    resync: bool
    cursor: Cursor


class Sockets:
    """The sockets of this worker."""

    def __init__(
        self, sio: ClubSio, recovery: "LogRecovery", *, grace_s: float, per_member: int
    ) -> None:
        self._sio = sio
        self._recovery = recovery
        self._per_member = per_member
        self._grace_s = grace_s
        self._by_sid: dict[str, Socket] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changes = Changes()

    def __len__(self) -> int:
        return len(self._by_sid)

    def all(self) -> list[Socket]:
        return list(self._by_sid.values())

    def add(self, sid: str, address: str) -> Socket:
        socket = self._by_sid[sid] = Socket(sid, address, datetime.now(UTC))
        SOCKETS_CONNECTED.set(len(self._by_sid))
        return socket

    def get(self, sid: str) -> Socket | None:
        return self._by_sid.get(sid)

    def remove(self, sid: str) -> Socket | None:
        socket = self._by_sid.pop(sid, None)
        if socket is not None:
            socket.has_left = True
            socket.cancel_timer()
            SOCKETS_CONNECTED.set(len(self._by_sid))
        return socket

    def transport(self, socket: Socket) -> str:
        """`websocket` or `polling`, as it is now; the socket may have upgraded."""
        try:
            return str(self._sio.transport(socket.sid))
        except KeyError:
            return "none"

    def cut_off(self, reason: str) -> None:
        """Break every connection; it is no goodbye, and clients come back by themselves."""
        for socket in self.all():
            self._sio.cut(socket.sid, reason)

    # What the relay tells.

    def heard(self, event: LoggedEvent) -> None:
        """Who has joined or left a dialog hears what follows, or hears it no more."""
        change = Change.of(event)
        if change is None:
            return
        self._changes.note(change)
        for sid in self._sio.sids(change.who):
            socket = self._by_sid.get(sid)
            if socket is not None and socket.who is not None and not socket.who.member.is_staff:
                self._move(socket, rooms_after(socket.rooms, [change], 0))

    def broke(self) -> None:
        """This worker has skipped a part of the log: sockets return, and are told whether they
        have missed something."""
        self._changes.forget(self._recovery.position().position)
        self.cut_off("the log broke off")

    # Who they are.

    async def identify(self, socket: Socket, who: SignedIn[Listener]) -> None:
        """Put the socket into the member's rooms and out of those of anybody else.

        Raises: TooManySockets, DatabaseUnavailable.
        """
        async with socket.turn:
            if self._is_another(socket, who):
                self._check_room_for(who.member.id)
                await self._end_pid(socket)
            self._enter(socket, who)

    async def continue_as(
        self, socket: Socket, who: SignedIn[Listener], after: Cursor | None
    ) -> Continued:
        """Identify, and tell the socket what came after a place and it was not told yet.

        Raises: TooManySockets, DatabaseUnavailable; TokenExpired when that took too long.
        """
        async with socket.turn:
            is_another = self._is_another(socket, who)
            if is_another:
                self._check_room_for(who.member.id)
            missing = await self._missing(socket, who, after, is_another=is_another)
            if is_another or missing is not None:
                # What is told late makes the offset of the socket go back.
                await self._end_pid(socket)
            if missing is None:
                self._enter(socket, who)
            else:
                await self._replay(socket, who, missing)
            resync = missing is None or missing.has_gap
            if after is not None and not resync:
                for audience, position in socket.told.items():
                    socket.told[audience] = min(position, after.position)
            return Continued(resync, self._recovery.position())

    @staticmethod
    def _is_another(socket: Socket, who: SignedIn[Listener]) -> bool:
        return socket.who is None or socket.who.member.id != who.member.id

    async def _missing(
        self, socket: Socket, who: SignedIn[Listener], after: Cursor | None, *, is_another: bool
    ) -> "Missing | None":
        # One that stays this member's is told live of the dialogs that it joins meanwhile.
        told = {"all": socket.told["all"]} if is_another else socket.told
        try:
            return await self._recovery.missing(
                after,
                lambda: ["all", *self._rooms(socket, who)],
                told,
                lambda: not (socket.has_left or self._is_over(who)),
            )
        except RecoveryUnavailable as error:
            raise DatabaseUnavailable() from error

    async def _replay(self, socket: Socket, who: SignedIn[Listener], missing: "Missing") -> None:
        socket.missing = missing
        try:
            await self._sio.replay(socket.sid, missing, lambda: self._enter(socket, who))
        except RecoveryUnavailable as error:
            raise TokenExpired() if self._is_over(who) else DatabaseUnavailable() from error
        finally:
            socket.missing = None

    async def _end_pid(self, socket: Socket) -> None:
        """What the socket was given when it came was given to somebody else.

        Before it enters a room: if it came back with that, it would miss what is told there.
        Raises: DatabaseUnavailable.
        """
        pid = self._sio.forget_pid(socket.sid)
        if pid is not None:
            await self._recovery.end(pid)

    def _enter(self, socket: Socket, who: SignedIn[Listener]) -> None:
        if self._by_sid.get(socket.sid) is not socket:
            # It left while its token was looked at.
            return
        self._move(socket, self._rooms(socket, who))
        socket.who = who
        self._at_expiry(socket)

    def _rooms(self, socket: Socket, who: SignedIn[Listener]) -> set[str]:
        """Where somebody is, as far as this worker has told it. Raises: DatabaseUnavailable."""
        return socket.rooms if who is socket.who else self._changes.rooms(who.member)

    def _move(self, socket: Socket, rooms: set[str]) -> None:
        for room in socket.rooms - rooms:
            self._sio.leave(socket.sid, room)
            socket.told.pop(room, None)
        for room in rooms - socket.rooms:
            self._sio.enter(socket.sid, room)
            if socket.told:
                socket.told[room] = self._recovery.position().position
        socket.rooms = rooms

    def _check_room_for(self, member_id: int) -> None:
        # Those of this member, whatever the role: user:{id} is everybody's first room.
        if self._sio.room_size(user_room(member_id)) >= self._per_member:
            raise TooManySockets()

    async def forget(self, socket: Socket) -> None:
        """Take the socket out of every member's rooms; it stays as an anonymous one."""
        async with socket.turn:
            await self._forget(socket)

    async def _forget(self, socket: Socket) -> None:
        if socket.who is not None:
            await self._void_pid(socket)
            self._move(socket, set())
            socket.who = None
        socket.cancel_timer()

    async def _void_pid(self, socket: Socket) -> None:
        pid = self._sio.forget_pid(socket.sid)
        if pid is None:
            return
        # Known here at once; elsewhere before anything can be missed, if the database answers.
        self._recovery.end_soon(pid)
        with contextlib.suppress(TimeoutError, DatabaseUnavailable):
            async with asyncio.timeout(_PATIENCE_S):
                await self._recovery.end(pid)

    def _is_over(self, who: SignedIn[Listener]) -> bool:
        """Whether the grace after the token has ended, too."""
        return seconds_left(who.expires_at) + self._grace_s <= 0

    def _at_expiry(self, socket: Socket) -> None:
        assert socket.who is not None
        socket.cancel_timer()
        socket.expiry = Expiry(
            socket.who.expires_at,
            self._grace_s,
            expired=lambda: self._start(self._tell_expired(socket)),
            over=lambda: self._start(self._end_grace(socket)),
        )

    async def _tell_expired(self, socket: Socket) -> None:
        await self._sio.emit(AuthExpired(socket.sid, round(self._grace_s * 1000)))

    async def _end_grace(self, socket: Socket) -> None:
        async with socket.turn:
            # Renewed between the timer and this turn?
            if socket.who is not None and socket.who.expires_at <= datetime.now(UTC):
                log.info("token expired, rooms left", sid=socket.sid, member=socket.who.member.id)
                await self._forget(socket)

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
