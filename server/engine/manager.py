"""Sends events to the clients of this process, and sees them come and go."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from server.engine.client import CONNECTED, LEAVING, PENDING, Client
from server.engine.emission import Emission, arguments_of
from server.engine.packets import Message
from server.engine.recovery import Missed
from server.engine.rooms import Rooms
from server.engine.session import Session
from server.engine.socketio_packets import EVENT

# What was emitted by a connect handler follows the CONNECT reply after this many seconds. In one
# TCP segment with it, a client that awaits the reply before it listens would miss the rest: the
# protocol's public suite is such a client.
_LISTENING_S = 0.005


class Manager(Rooms):
    """python-socketio's client manager, for this engine's clients."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: How many clients are coming or going: while there are any, an emit looks at each.
        self._unsettled = 0
        self._gathered: dict[Session, list[bytes]] | None = None

    # Sending.

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
        volatile: bool = False,
        offset: str | None = None,
        **options: Any,
    ) -> None:
        """Send an event to everyone in a room; `volatile` may be dropped for slow clients.

        `offset` is its place in the log, for the clients that recover.
        """
        if namespace not in self.rooms:
            return
        recipients = self.clients(namespace, to or room)
        if skip_sid:
            skipped = {skip_sid} if isinstance(skip_sid, str) else set(skip_sid)
            recipients = [client for client in recipients if client.sid not in skipped]
        if not recipients:
            return
        arguments = arguments_of(event, data)
        if callback is not None or self._unsettled:
            self._write_gathered()
        if callback is not None:
            for client in list(recipients):
                id_ = self._generate_ack_id(client.sid, callback)
                packet = self.server.codec.encode(EVENT, namespace, arguments, id_)
                client.send(Message(*packet))
            return
        emission = Emission(self.server.codec, namespace, arguments, offset)
        if self._unsettled:
            for client in list(recipients):
                if offset is not None and client.misses:
                    continue
                client.send(emission.form(client.recovers), volatile=volatile)
        else:
            self._broadcast(recipients, emission, volatile)

    def missed(self, client: Client, missed: Missed) -> Message:
        """An event that a client is told late."""
        arguments = [missed.name, *missed.arguments]
        emission = Emission(self.server.codec, client.namespace, arguments, missed.offset)
        return emission.form(client.recovers)

    def _broadcast(
        self, recipients: Iterable[Client], emission: Emission, volatile: bool
    ) -> None:
        numbered = plain = None
        gathered = self._gathered
        slow = []
        for client in recipients:
            session = client.session
            write = session.write
            if write is None:
                slow.append(client)
                continue
            if client.recovers:
                if numbered is None:
                    numbered = emission.form(True).frames
                frames = numbered
            else:
                if plain is None:
                    plain = emission.form(False).frames
                frames = plain
            if gathered is None:
                write(frames)
            else:
                gathered[session].append(frames)
        # Apart: closing a slow one changes what was just walked through.
        for client in slow:
            client.session.send(emission.form(client.recovers), volatile=volatile)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Several emits, each client's part of which is one write: a write is most of their cost.

        Nothing may be waited for meanwhile: what else is sent would overtake them.
        """
        self._gathered = defaultdict(list)
        try:
            yield
        finally:
            self._write_gathered()
            self._gathered = None

    def _write_gathered(self) -> None:
        if self._gathered:
            for session, frames in self._gathered.items():
                if session.write is not None:
                    session.write(frames[0] if len(frames) == 1 else b"".join(frames))
            self._gathered.clear()

    # Coming and going.

    def enter(self, session: Session, namespace: str) -> Client:
        """A new client of a session that has none in the namespace."""
        client = Client(self.server.eio.generate_id(), namespace, session)
        if session.client is None:
            session.client = client
        else:
            if session.others is None:
                session.others = {}
            session.others[namespace] = client
        self._unsettled += 1
        self.basic_enter_room(client.sid, namespace, None, eio_sid=client)
        return client

    async def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        session = self.server.eio.sockets.get(eio_sid)
        if session is None or self.client_of(session, namespace) is not None:
            return None
        return self.enter(session, namespace).sid

    async def connect(self, sid: str, namespace: str) -> str:
        client = self.client(sid, namespace)
        if client is not None:
            self.settle(client)
        return sid

    def settle(self, client: Client) -> None:
        """The client was told that it is in: it gets what was kept for it."""
        if client.state != PENDING:
            return
        client.state = CONNECTED
        if client.held is None:
            self._unsettled -= 1
        else:
            client.holds += 1
            self.server.eio.loop.call_later(_LISTENING_S, self.release, client)

    def hold(self, client: Client) -> None:
        """Keep back what a client that is in is sent, until `release` is called as often."""
        if client.held is None:
            client.held = []
            self._unsettled += 1
        client.holds += 1

    def release(self, client: Client) -> None:
        """Give a client that is in what was kept for it, if nobody else holds it back."""
        client.holds -= 1
        if client.holds <= 0:
            self.flush(client)

    def flush(self, client: Client) -> None:
        """Give a client that is in what was kept for it, whoever holds it back."""
        held, client.held = client.held, None
        client.held_size = client.holds = 0
        if held is not None:
            self._unsettled -= 1
            for message in held:
                client.send(message)

    def rename(self, client: Client, sid: str) -> None:
        """Give a client that nobody knows yet another sid, one that is free."""
        everybody = self.rooms[client.namespace][None]
        del everybody[client.sid]
        client.sid = sid
        everybody[sid] = client

    def is_pre_connected(self, sid: str, namespace: str) -> bool:
        client = self.client(sid, namespace)
        return client is not None and client.state == PENDING

    def is_connected(self, sid: str, namespace: str) -> bool:
        client = self.client(sid, namespace)
        return client is not None and client.state == CONNECTED

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        """The server throws a client out: what it sent before it knows is passed over."""
        client = self.client(sid, namespace)
        if client is None:
            return None
        self.leave(client)
        session = client.session
        if session.others is None:
            session.others = {}
        session.others.setdefault(namespace, None)
        return session.sid

    def leave(self, client: Client) -> None:
        """The disconnect handler of a client is about to run: its session may join anew."""
        if client.state == CONNECTED and client.held is None:
            self._unsettled += 1
        client.state = LEAVING
        client.held = None
        _part(client)

    def basic_disconnect(self, sid: str, namespace: str, **options: Any) -> None:
        client = self.client(sid, namespace)
        if client is not None:
            self.remove(client)

    def remove(self, client: Client) -> None:
        """Nobody sends to the client any more."""
        sid, namespace = client.sid, client.namespace
        if self.client(sid, namespace) is not client:
            return
        for room in client.room_names():
            self.basic_leave_room(sid, namespace, room)
        self.basic_leave_room(sid, namespace, None)
        if client.state != CONNECTED or client.held is not None:
            self._unsettled -= 1
        client.state = LEAVING
        client.held = None
        self.callbacks.pop(sid, None)
        _part(client)


def adopt(manager: Any) -> Any:
    """Put the tables of `Manager` under another manager of python-socketio's, as for Redis.

    Those extend `AsyncManager` and call it through `super()`: in the new class the next one in
    line is `Manager`.
    """
    if not isinstance(manager, Manager):
        kind = type(manager)
        manager.__class__ = type(kind.__name__, (kind, Manager), {})
        manager.__dict__.setdefault("_unsettled", 0)
        manager.__dict__.setdefault("_gathered", None)
    return manager


def _part(client: Client) -> None:
    """The session of a client has nothing to do with it any more."""
    session = client.session
    if session.client is client:
        session.client = None
    elif session.others and session.others.get(client.namespace) is client:
        del session.others[client.namespace]
