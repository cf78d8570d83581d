"""The Socket.IO server: python-socketio's `AsyncServer` over this engine.

Overridden are the ways in (`_handle_eio_message` and what it calls) and out (`_send_packet`);
handlers, namespaces, rooms and acks stay python-socketio's.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any

import socketio

from server.engine import eager
from server.engine.client import CONNECTED, PENDING, Client
from server.engine.engineio_server import EngineServer, outcome_of
from server.engine.frames import POLICY
from server.engine.limits import Rate
from server.engine.manager import Manager, adopt
from server.engine.membership import RATE_LIMITED, Membership
from server.engine.packets import Message, PacketError
from server.engine.recovery import Recovery, Replay
from server.engine.returning import Returning
from server.engine.session import CLOSED, Session
from server.engine.socketio_packets import (
    ACK,
    BINARY_ACK,
    CONNECT,
    DISCONNECT,
    JsonCodec,
    Packet,
    SerializerCodec,
)

_NO_HANDLERS: dict[str, Any] = {}


def too_many_events() -> Any:
    """The ack of an event that came too soon."""
    return {
        "success": False,
        "error": "Too many events; wait a moment.",
        "code": "rate_limited",
    }


class Server(socketio.AsyncServer):
    """python-socketio's server. Options are its own and those of `EngineServer`."""

    eio: EngineServer
    manager_initialized: bool

    def __init__(
        self,
        client_manager: Any = None,
        *,
        serializer: Any = "default",
        json: Any = None,
        refusal: Callable[[], Any] = too_many_events,
        recovery: Recovery | None = None,
        **options: Any,
    ) -> None:
        if not options.get("async_handlers", True):
            # One after another: nothing more is read from a client while its handler runs.
            options["max_handlers"] = 1
        super().__init__(
            client_manager=Manager() if client_manager is None else adopt(client_manager),
            serializer=serializer,
            json=json,
            **({"async_mode": "aiohttp"} | options),
        )
        limits = self.eio.limits
        if serializer == "default" and json is None:
            self.codec: Any = JsonCodec(max_attachments=limits.max_attachments)
        else:
            self.codec = SerializerCodec(
                self.packet_class, max_attachments=limits.max_attachments
            )
        self._rate = Rate(limits.events_per_second, limits.events_burst)
        self._refusal = refusal
        #: None: nobody gets a `pid`, and events have no place in a log.
        self._returning = None if recovery is None else Returning(self, recovery)
        self._membership = Membership(self, self._returning)
        self.eio.path = "/socket.io/"
        # The coroutines that python-socketio has put there do the same: not every session has to
        # wait for something as it opens and ends.
        self.eio.on("connect", self._session_opened)
        self.eio.on("disconnect", self._session_ended)

    def _engineio_server_class(self) -> type[EngineServer]:
        return EngineServer

    # What goes out.

    def emit(
        self,
        event: str,
        data: Any = None,
        to: Any = None,
        room: Any = None,
        skip_sid: Any = None,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        ignore_queue: bool = False,
        volatile: bool = False,
        offset: str | None = None,
    ) -> Coroutine[Any, Any, None]:
        """python-socketio's `emit`; a `volatile` event may be dropped for slow clients.

        `offset` is the event's place in the log of `recovery`. Such an event goes to the clients
        of this process only, at once: other processes read the log themselves.
        To be awaited, as python-socketio's; it hands out the manager's coroutine.
        """
        if offset is not None and self._returning is not None:
            return Manager.emit(
                self.manager,
                event,
                data,
                namespace or "/",
                to or room,
                skip_sid,
                volatile=volatile,
                offset=offset,
            )
        more = {"volatile": True} if volatile else {}
        emission: Coroutine[Any, Any, None] = self.manager.emit(
            event,
            data,
            namespace or "/",
            room=to or room,
            skip_sid=skip_sid,
            callback=callback,
            ignore_queue=ignore_queue,
            **more,
        )
        return emission

    def send_to(self, session: Session, type_: int, namespace: str, *what: Any) -> None:
        """Send one packet to one client, whatever is kept for it."""
        session.send(Message(*self.codec.encode(type_, namespace, *what)))

    async def _send_packet(self, eio_sid: str, pkt: Any) -> None:
        session = self.eio.sockets.get(eio_sid)
        if session is not None:
            encoded = pkt.encode()
            session.send(Message(*(encoded if isinstance(encoded, list) else [encoded])))

    # What comes in.

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        self._session_opened(eio_sid, environ)

    def _session_opened(self, eio_sid: str, environ: dict[str, Any]) -> None:
        if not self.manager_initialized:
            self.manager_initialized = True
            self.manager.initialize()
        self.environ[eio_sid] = environ
        if self._returning is not None:
            self._returning.opened(eio_sid, environ)
        self.eio.sockets[eio_sid].expect_connect()

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        await self._end_session(self.eio.sockets[eio_sid], reason)

    def _session_ended(self, eio_sid: str, reason: str) -> asyncio.Task[None] | None:
        return eager.start(self._end_session(self.eio.sockets[eio_sid], reason), self.eio.loop)

    async def _end_session(self, session: Session, reason: str) -> None:
        session.partial = None
        await self._membership.lost(session, reason)
        self.environ.pop(session.sid, None)
        if self._returning is not None:
            self._returning.closed(session.sid)

    def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        """Take a part of a packet. Raises: PacketError, and then the engine closes."""
        session = self.eio.sockets[eio_sid]
        packet: Packet | None = session.partial
        if packet is not None:
            if not isinstance(data, bytes):
                raise PacketError("text where a binary part was due")
            packet.attach(data, max_size=self.eio.limits.max_http_buffer_size)
        elif isinstance(data, bytes) and isinstance(self.codec, JsonCodec):
            raise PacketError("a binary part of nothing")
        else:
            packet = self.codec.decode(data)
        if packet.missing:
            session.partial = packet
            return
        session.partial = None
        self._take(session, packet)

    def _take(self, session: Session, packet: Packet) -> None:
        namespace = packet.namespace
        if packet.type == CONNECT:
            self._membership.join(session, namespace, packet.data)
            return
        client = self.manager.client_of(session, namespace)
        if client is None:
            if session.others is not None and namespace in session.others:
                # Thrown out of the namespace while this was on its way.
                return
            raise PacketError(f"not connected to {namespace[:50]!r}")
        if client.state == PENDING:
            if session.is_asked:
                # It was told that it is in, to empty its buffer: this connection is about to end.
                if packet.type == DISCONNECT:
                    self._membership.ended(client)
                return
            raise PacketError("a packet before the namespace was joined")
        if packet.type == DISCONNECT:
            self._membership.leave(client)
        elif packet.type in (ACK, BINARY_ACK):
            session.run(self._take_ack(client, packet))
        elif client.state == CONNECTED:
            self._take_event(session, client, packet.id, packet.data)

    # Coming back, and going for good.

    async def replay(self, sid: str, replay: Replay, enter: Callable[[], None]) -> None:
        """Tell a client of the main namespace what it has missed; `enter` puts it into rooms.

        It is called after what was missed until then, and before what comes live.
        Raises: RecoveryUnavailable.
        """
        client = self.manager.client(sid, "/")
        if self._returning is not None and client is not None and client.state == CONNECTED:
            await self._returning.replay(client, replay, enter)

    def cut(self, sid: str, reason: str) -> None:
        """Break the connection of a client of the main namespace: it comes back by itself."""
        client = self.manager.client(sid, "/")
        if client is not None:
            client.session.close(reason)

    def forget_pid(self, sid: str) -> str | None:
        """A client of the main namespace has become another's: what it was given is void.

        Returns that, or None; who remembers ends it for other processes and later times.
        """
        client = self.manager.client(sid, "/")
        if self._returning is None or client is None or client.state != CONNECTED:
            return None
        return self._returning.forget(client)

    async def disconnect(
        self, sid: str, namespace: str | None = None, ignore_queue: bool = False
    ) -> None:
        """Throw a client out of the namespace: it does not come back by itself."""
        namespace = namespace or "/"
        if ignore_queue:
            is_here = self.manager.is_connected(sid, namespace)
        else:
            is_here = await self.manager.can_disconnect(sid, namespace)
        if is_here:
            await self._membership.throw_out(self.manager.client(sid, namespace))

    # Events and acks.

    def _take_event(
        self, session: Session, client: Client, id: int | None, data: Any
    ) -> None:
        if self.admit(session):
            session.run(self._run_event(session, client, id, data))
        elif id is not None and session.state != CLOSED:
            self._acknowledge(client, [self._refusal()], id)

    def admit(self, session: Session) -> bool:
        """The flood gate. False: too many came; when it goes on, the session is closed."""
        arrival = self._rate.admit(session.arrival, self.eio.loop.time())
        if arrival is not None:
            session.arrival = arrival
            if session.refused:
                session.refused -= 1
            return True
        self.eio.counters.flood_refused += 1
        session.refused += 1
        if session.refused > self.eio.limits.events_burst:
            self.eio.counters.flood_closed += 1
            session.close(RATE_LIMITED, code=POLICY, text=RATE_LIMITED)
        return False

    async def _run_event(
        self, session: Session, client: Client, id: int | None, data: Any
    ) -> None:
        try:
            answer = await self._trigger_event(data[0], client.namespace, client.sid, *data[1:])
            if id is None or answer is self.not_handled:
                return
            if answer is None:
                arguments = []
            elif isinstance(answer, tuple):
                arguments = list(answer)
            else:
                arguments = [answer]
            self._acknowledge(client, arguments, id)
        except Exception:
            self.logger.exception("the handler of %.100r failed", data[0])

    def _acknowledge(self, client: Client, arguments: list[Any], id: int) -> None:
        # Behind what is still held back for the client, as everything that is told later.
        client.send(Message(*self.codec.encode(ACK, client.namespace, arguments, id)))

    async def _take_ack(self, client: Client, packet: Packet) -> None:
        try:
            await self.manager.trigger_callback(client.sid, packet.id, packet.data)
        except Exception:
            self.logger.exception("the callback of an ack failed")

    def _get_event_handler(self, event: Any, namespace: str, args: Any) -> Any:
        if event != "*":
            return super()._get_event_handler(event, namespace, args)
        # A client's `*` is an event like others, not the name of the handler of all others.
        if "*" in self.handlers.get(namespace, {}):
            return self.handlers[namespace]["*"], (event, *args)
        if "*" in self.handlers.get("*", {}):
            return self.handlers["*"]["*"], (event, namespace, *args)
        return None, args

    async def _trigger_event(self, event: str, namespace: str, *args: Any) -> Any:
        """python-socketio's, which asks at each call anew what kind of handler it has."""
        handler = self.handlers.get(namespace, _NO_HANDLERS).get(event)
        if handler is None or event == "*":
            handler, args = self._get_event_handler(event, namespace, args)
        if handler is None:
            # It may be a method of a namespace's class.
            return await super()._trigger_event(event, namespace, *args)
        try:
            outcome = handler(*args)
            # Nearly all are coroutines; what else can be awaited takes long to tell.
            if type(outcome) is CoroutineType or inspect.isawaitable(outcome):
                return await outcome
            return outcome
        except TypeError:
            if event != "disconnect":
                raise
            # A handler of python-socketio's older form, which takes no reason.
            return await outcome_of(handler, args[:-1])
