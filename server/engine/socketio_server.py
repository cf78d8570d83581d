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
from socketio.exceptions import ConnectionRefusedError as Refused

from server.engine.client import CONNECTED, PENDING, Client
from server.engine.engineio_server import EngineServer
from server.engine.frames import POLICY
from server.engine.limits import Rate
from server.engine.manager import Manager, adopt
from server.engine.packets import Message, PacketError
from server.engine.recovery import Recovery, RecoveryUnavailable, Replay, Ticket
from server.engine.returning import RECOVERY_FAILED, Returning
from server.engine.session import CLOSED, Session
from server.engine.socketio_packets import (
    ACK,
    BINARY_ACK,
    CONNECT,
    CONNECT_ERROR,
    DISCONNECT,
    JsonCodec,
    Packet,
    SerializerCodec,
)

RATE_LIMITED = "rate limited"
_INTERNAL_ERROR = {"message": "Internal server error"}

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
        self.eio.path = "/socket.io/"

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

    def _send(self, session: Session, type_: int, namespace: str, *what: Any) -> None:
        session.send(Message(*self.codec.encode(type_, namespace, *what)))

    async def _send_packet(self, eio_sid: str, pkt: Any) -> None:
        session = self.eio.sockets.get(eio_sid)
        if session is not None:
            encoded = pkt.encode()
            session.send(Message(*(encoded if isinstance(encoded, list) else [encoded])))

    # What comes in.

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        if self._returning is not None:
            self._returning.opened(eio_sid, environ)
        self.eio.sockets[eio_sid].expect_connect()

    def _expect_connect(self, session: Session) -> None:
        """The client has left a namespace: close the session unless it is in another one."""
        if session.state != CLOSED and not any(self.manager.clients_of(session)):
            session.expect_connect()

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
            self._take_connect(session, namespace, packet.data)
            return
        client = self._client(session, namespace)
        if client is None:
            if session.others is not None and namespace in session.others:
                # Thrown out of the namespace while this was on its way.
                return
            raise PacketError(f"not connected to {namespace[:50]!r}")
        if client.state == PENDING:
            if session.is_asked:
                # It was told that it is in, to empty its buffer: this connection is about to end.
                if packet.type == DISCONNECT:
                    self._ended(client)
                return
            raise PacketError("a packet before the namespace was joined")
        if packet.type == DISCONNECT:
            session.run(self._leave(session, client))
        elif packet.type in (ACK, BINARY_ACK):
            session.run(self._take_ack(client, packet))
        elif client.state == CONNECTED:
            self._take_event(session, client, packet.id, packet.data)

    def _take_connect(self, session: Session, namespace: str, auth: Any) -> None:
        if not self._is_known(namespace):
            problem = {"message": "Invalid namespace"}
            self._send(session, CONNECT_ERROR, namespace, problem)
            return
        if self._client(session, namespace) is not None:
            raise PacketError("a second CONNECT")
        taken = len(session.others or ()) + (session.client is not None)
        if taken >= self.eio.limits.max_namespaces:
            self.eio.counters.namespaces_refused += 1
            problem = {"message": "Too many namespaces"}
            self._send(session, CONNECT_ERROR, namespace, problem)
            return
        if not self._admit(session):
            # A connect handler costs more than most events: joining is no way around the bound.
            if session.state != CLOSED:
                self._send(session, CONNECT_ERROR, namespace, {"message": RATE_LIMITED})
            return
        session.connect_due = 0.0
        session.run(self._finish(self._handle_connect(session.sid, namespace, auth)))

    def _is_known(self, namespace: str) -> bool:
        return (
            namespace in self.handlers
            or namespace in self.namespace_handlers
            or self.namespaces == "*"
            or namespace in self.namespaces
        )

    def _client(self, session: Session, namespace: str) -> Client | None:
        return self.manager.client_of(session, namespace)

    async def _finish(self, work: Any) -> None:
        """What `Session.run` is given must not raise."""
        try:
            await work
        except Exception:
            self.logger.exception("a handler failed")

    # Connecting.

    async def _handle_connect(self, eio_sid: str, namespace: str, data: Any) -> None:
        session = self.eio.sockets[eio_sid]
        sid = await self.manager.pre_connect(eio_sid, namespace)
        if sid is None:
            return
        client: Client = self.manager.client(sid, namespace)
        returning = None if namespace != "/" or self.always_connect else self._returning
        ticket = None
        if self.always_connect:
            self._welcome(session, namespace, sid)
        elif returning is not None:
            ticket = await self._examine(returning, client, data)
            if session.state == CLOSED:
                # No handler has heard of it.
                returning.forget(client)
                await self.manager.disconnect(client.sid, namespace, ignore_queue=True)
                return
        refusal = await self._ask_to_connect(eio_sid, namespace, client.sid, data)
        if not self.eio.keep_environ:
            self.environ.pop(eio_sid, None)
        if refusal is not None:
            if returning is not None:
                returning.forget(client)
            await self.manager.disconnect(client.sid, namespace, ignore_queue=True)
            self._refuse(session, namespace, refusal)
            self._expect_connect(session)
            return
        if session.state != CLOSED and not self.always_connect:
            if returning is None:
                self._welcome(session, namespace, sid)
            else:
                await self._let_in(returning, client, ticket)
        if session.state == CLOSED and client.state == PENDING:
            # It left while its handler ran: the handler is told, as it would be a moment later.
            self.manager.settle(client.sid, namespace)
            await self._part(client.sid, namespace, self.reason.TRANSPORT_CLOSE)

    async def _examine(
        self, returning: Returning, client: Client, data: Any
    ) -> Ticket | None:
        try:
            return await returning.examine(client, data)
        except Exception as problem:
            self._not_now(client, problem)
            return None

    async def _let_in(
        self, returning: Returning, client: Client, ticket: Ticket | None
    ) -> None:
        try:
            await returning.let_in(client, ticket)
        except Exception as problem:
            self._not_now(client, problem)

    def _not_now(self, client: Client, problem: Exception) -> None:
        if isinstance(problem, RecoveryUnavailable):
            self.logger.info("session %s: no recovery: %s", client.session.sid, problem)
        else:
            self.logger.error("recovery failed", exc_info=problem)
        # An error would end its attempts; a connection that breaks does not.
        client.session.close(RECOVERY_FAILED)

    def _welcome(self, session: Session, namespace: str, sid: str) -> None:
        self._send(session, CONNECT, namespace, {"sid": sid})
        self.manager.settle(sid, namespace)

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

    def _refuse(self, session: Session, namespace: str, refusal: Any) -> None:
        if self.always_connect:
            self._send(session, DISCONNECT, namespace)
            return
        try:
            self._send(session, CONNECT_ERROR, namespace, refusal)
        except (TypeError, ValueError):
            self.logger.exception("JSON cannot say why a client is refused")
            self._send(session, CONNECT_ERROR, namespace, _INTERNAL_ERROR)

    async def _ask_to_connect(
        self, eio_sid: str, namespace: str, sid: str, auth: Any
    ) -> Any | None:
        """Run the connect handler. Returns None, or why the client is refused."""
        environ = self.environ.get(eio_sid, {})
        try:
            try:
                success = await self._trigger_event(
                    "connect", namespace, sid, environ, auth or None
                )
            except TypeError:
                if auth:
                    raise
                # A handler of python-socketio's older form, which takes no auth.
                success = await self._trigger_event("connect", namespace, sid, environ)
        except Refused as refused:
            return refused.error_args
        except ConnectionRefusedError:
            return {"message": "Connection refused by server"}
        except (Exception, asyncio.CancelledError):
            self.logger.exception("the connect handler failed")
            return _INTERNAL_ERROR
        return Refused().error_args if success is False else None

    # Leaving.

    async def _leave(self, session: Session, client: Client) -> None:
        """The client's own DISCONNECT."""
        self._ended(client)
        await self._part(client.sid, client.namespace, self.reason.CLIENT_DISCONNECT)
        self._expect_connect(session)

    async def _part(self, sid: str, namespace: str, reason: str) -> None:
        """Tell the disconnect handler of a client, once, and forget it."""
        if not self.manager.is_connected(sid, namespace):
            return
        if self._returning is not None:
            self._returning.forget(self.manager.client(sid, namespace))
        self.manager.leave(sid, namespace)
        await self._say_goodbye(sid, namespace, reason)

    def _ended(self, client: Client) -> None:
        if self._returning is not None:
            self._returning.ended(client)

    async def _say_goodbye(self, sid: str, namespace: str, reason: str) -> None:
        try:
            await self._trigger_event("disconnect", namespace, sid, reason)
        except Exception:
            self.logger.exception("the disconnect handler failed")
        finally:
            await self.manager.disconnect(sid, namespace, ignore_queue=True)

    async def disconnect(
        self, sid: str, namespace: str | None = None, ignore_queue: bool = False
    ) -> None:
        """Throw a client out of the namespace: it does not come back by itself."""
        namespace = namespace or "/"
        client = self.manager.client(sid, namespace)
        if ignore_queue:
            is_here = self.manager.is_connected(sid, namespace)
        else:
            is_here = await self.manager.can_disconnect(sid, namespace)
        if not is_here:
            return
        self._ended(client)
        # What was told before comes before.
        self.manager.flush(client)
        self._send(client.session, DISCONNECT, namespace)
        self.manager.pre_disconnect(sid, namespace)
        await self._say_goodbye(sid, namespace, self.reason.SERVER_DISCONNECT)
        self._expect_connect(client.session)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        session = self.eio.sockets[eio_sid]
        session.partial = None
        for client in list(self.manager.clients_of(session)):
            await self._part(client.sid, client.namespace, reason)
        self.environ.pop(eio_sid, None)
        if self._returning is not None:
            self._returning.closed(eio_sid)

    # Events and acks.

    def _take_event(
        self, session: Session, client: Client, id: int | None, data: Any
    ) -> None:
        if self._admit(session):
            session.run(self._run_event(session, client, id, data))
        elif id is not None and session.state != CLOSED:
            self._acknowledge(client, [self._refusal()], id)

    def _admit(self, session: Session) -> bool:
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
        if event != "disconnect":
            handler = self.handlers.get(namespace, _NO_HANDLERS).get(event)
            if handler is None or event == "*":
                handler, args = self._get_event_handler(event, namespace, args)
            if handler is not None:
                outcome = handler(*args)
                # Nearly all are coroutines; what else can be awaited takes long to tell.
                if type(outcome) is CoroutineType or inspect.isawaitable(outcome):
                    return await outcome
                return outcome
        return await super()._trigger_event(event, namespace, *args)
