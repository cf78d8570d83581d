"""Who is behind each socket, which rooms that gives, and when the token ends.

Rooms are computed here from the member; a client never names one.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from events.connection import AuthExpired
from server.errors import ClubError
from server.identity import SignedIn
from server.metrics import SOCKETS_CONNECTED
from server.realtime.sio import ClubSio

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
    who: SignedIn | None = None
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)

    def cancel_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Sockets:
    """The sockets of this worker."""

    def __init__(self, sio: ClubSio, *, grace_s: float, per_member: int) -> None:
        self._sio = sio
        self._per_member = per_member
        self._grace_s = grace_s
        self._by_sid: dict[str, Socket] = {}
        self._tasks: set[asyncio.Task[None]] = set()

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
            socket.cancel_timer()
            SOCKETS_CONNECTED.set(len(self._by_sid))
        return socket

    def transport(self, socket: Socket) -> str:
        """`websocket` or `polling`, as it is now; the socket may have upgraded."""
        try:
            return str(self._sio.transport(socket.sid))
        except KeyError:
            return "none"

    async def identify(self, socket: Socket, who: SignedIn) -> None:
        """Put the socket into the member's rooms and out of those of anybody else.

        Raises: TooManySockets.
        """
        if self._by_sid.get(socket.sid) is not socket:
            # It left while its token was looked at.
            return
        if socket.who is None or socket.who.member.id != who.member.id:
            self._check_room_for(who.member.id)
        before = set(socket.who.member.rooms()) if socket.who else set()
        after = set(who.member.rooms())
        for room in before - after:
            await self._sio.leave_room(socket.sid, room)
        for room in after - before:
            await self._sio.enter_room(socket.sid, room)
        socket.who = who
        self._at_expiry(socket)

    def _check_room_for(self, member_id: int) -> None:
        # Those of this member, whatever the role: user:{id} is everybody's first room.
        if self._sio.room_size(f"user:{member_id}") >= self._per_member:
            raise TooManySockets()

    async def forget(self, socket: Socket) -> None:
        """Take the socket out of every member's rooms; it stays as an anonymous one."""
        if socket.who is not None:
            for room in socket.who.member.rooms():
                await self._sio.leave_room(socket.sid, room)
            socket.who = None
        socket.cancel_timer()

    def _at_expiry(self, socket: Socket) -> None:
        assert socket.who is not None
        socket.cancel_timer()
        left_s = (socket.who.expires_at - datetime.now(UTC)).total_seconds()
        # A token may be valid for longer than a timer can be set for; look again in a day.
        socket.timer = asyncio.get_running_loop().call_later(
            min(max(left_s, 0.0), 86_400.0), self._due, socket
        )

    def _due(self, socket: Socket) -> None:
        assert socket.who is not None
        if socket.who.expires_at > datetime.now(UTC):
            self._at_expiry(socket)
            return
        self._start(self._tell_expired(socket))
        socket.timer = asyncio.get_running_loop().call_later(
            self._grace_s, lambda: self._start(self._end_grace(socket))
        )

    async def _tell_expired(self, socket: Socket) -> None:
        await self._sio.emit(AuthExpired(socket.sid, round(self._grace_s * 1000)))

    async def _end_grace(self, socket: Socket) -> None:
        # Renewed in the instant between the timer and this task?
        if socket.who is not None and socket.who.expires_at <= datetime.now(UTC):
            log.info("token expired, rooms left", sid=socket.sid, member=socket.who.member.id)
            await self.forget(socket)

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
