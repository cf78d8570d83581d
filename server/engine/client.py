"""One client of one namespace, and what waits for it until it is in."""

from typing import Any

from server.engine.packets import Message
from server.engine.session import CLOSED, Session

# The life of a client: its connect handler runs; it is in; its disconnect handler runs.
PENDING, CONNECTED, LEAVING = range(3)


class Client:
    """One client of one namespace."""

    __slots__ = (
        "held",
        "held_size",
        "holds",
        "misses",
        "namespace",
        "pid",
        "recovers",
        "rooms",
        "session",
        "sid",
        "state",
    )

    def __init__(self, sid: str, namespace: str, session: Session) -> None:
        self.sid = sid
        self.namespace = namespace
        self.session = session
        self.state = PENDING
        #: Its rooms without its own: none, one, or a set.
        self.rooms: Any = None
        #: What was emitted to it before it was told that it is in, and how many hold it back.
        self.held: list[Message] | None = None
        self.held_size = 0
        self.holds = 0
        #: Whether an event is told it with its place in the log.
        self.recovers = False
        #: Whether what has a place in the log passes it by: the log will tell it.
        self.misses = False
        #: What it may come back with.
        self.pid: str | None = None

    def send(self, message: Message, *, volatile: bool = False) -> None:
        """Send, or keep until the client is in."""
        if self.held is not None or self.state == PENDING:
            self._hold(message, volatile)
        elif self.state == CONNECTED:
            self.session.send(message, volatile=volatile)

    def _hold(self, message: Message, volatile: bool) -> None:
        session = self.session
        if session.state == CLOSED:
            return
        if self.held_size >= session.server.max_outgoing:
            session.too_much(volatile)
            return
        if self.held is None:
            self.held = []
        self.held.append(message)
        self.held_size += sum(map(len, message.parts))

    def is_in(self, room: Any) -> bool:
        rooms = self.rooms
        return room in rooms if isinstance(rooms, set) else room == rooms

    def room_names(self) -> list[str]:
        if self.rooms is None:
            return []
        return list(self.rooms) if isinstance(self.rooms, set) else [self.rooms]
