"""The Engine.IO server: opens sessions and finds the one that a request belongs to.

It has python-engineio's surface (`on`, `send`, `disconnect`, `session`, `attach`, …) with
everything under it replaced.
"""

import asyncio
import inspect
import logging
import math
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any

import engineio
from aiohttp import web

from server.engine import aiohttp_door, eager
from server.engine.frames import GOING_AWAY, NORMAL, POLICY, TEXT, frame
from server.engine.handshake import accept
from server.engine.limits import Callers, Counters, Limits
from server.engine.origins import Origins
from server.engine.packets import CLOSE, Message, PacketError, open_packet
from server.engine.requests import (
    BAD_METHOD,
    BAD_REQUEST,
    BAD_VERSION,
    FORBIDDEN,
    SID_UNKNOWN,
    TRANSPORT_UNKNOWN,
    Exchange,
    Headers,
    Request,
    Response,
    error,
)
from server.engine.session import CLOSED, SERVER_DISCONNECT, Session
from server.engine.upgrade import Upgrade
from server.engine.websocket import TRANSPORT_ERROR, WebSocket
from server.engine.wheel import Wheel

# Beside python-engineio's logger, which is silent below ERROR unless it is asked to speak.
log = logging.getLogger(__name__)

# How often a stopping server looks whether its clients have left.
_LOOK_S = 0.01

_LIMITS = tuple(Limits.__slots__)


class EngineServer(engineio.AsyncServer):
    """python-engineio's `AsyncServer` on a transport of its own.

    Options are python-engineio's, those of `Limits`, and:

    `client_address`: a callable that says whose a request is (default: the peer's address);
    `ready`: a callable that says whether new sessions are let in (default: always; else 503);
    `origin_required`: refuse requests without Origin, as native clients send them;
    `keep_environ`: keep the connect handler's environ for as long as the client is there.
    """

    def __init__(
        self,
        *,
        client_address: Callable[[Request], str] | None = None,
        ready: Callable[[], bool] | None = None,
        origin_required: bool = False,
        keep_environ: bool = True,
        **options: Any,
    ) -> None:
        limits = {name: options.pop(name) for name in _LIMITS if name in options}
        super().__init__(**options)
        self.limits = Limits(**limits)
        self.max_http_buffer_size = self.limits.max_http_buffer_size
        self.counters = Counters()
        self.keep_environ = keep_environ
        self.path = "/engine.io/"
        #: No client is slow for one message that it may get.
        self.max_outgoing = max(self.limits.max_outgoing_bytes, self.limits.max_http_buffer_size)
        shortest = min(self.ping_interval, self.ping_timeout)
        self.wheel_resolution = min(1.0, max(0.005, shortest / 16))
        self.wheel = Wheel(self.wheel_resolution)
        self.tasks: set[asyncio.Task[None]] = set()
        self._client_address = client_address
        self._ready = ready
        self._origins = Origins(
            self.cors_allowed_origins,
            credentials=self.cors_credentials,
            required=origin_required,
        )
        self._callers = Callers(self.limits, self.counters)
        #: Sessions that are closed and have not fetched everything yet.
        self._lingering: dict[str, tuple[Session, str]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        #: Set once the server stops: nobody new is let in.
        self.draining = False

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    # The doors.

    def attach(self, app: web.Application, engineio_path: str = "engine.io") -> None:
        """Serve under this path of an aiohttp application, and stop with it."""
        self.path = f"/{engineio_path.strip('/')}/"
        app.router.add_route("*", self.path, self.handle_request)
        app.on_shutdown.append(self._stop)

    async def _stop(self, app: web.Application) -> None:
        await self.shutdown()

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """The aiohttp door: what `attach` routes here."""
        return await aiohttp_door.handle(self, request)

    def allows_origin(self, request: web.Request) -> bool:
        """Whether a WebSocket beside the transport may be opened by whoever asks for it."""
        try:
            allowed = self._origins.allows(aiohttp_door.head_of(request))
        except ValueError:
            return False
        if not allowed:
            self.counters.refused_origins += 1
        return allowed

    def refuse(self, request: Request) -> Response | None:
        """What can be said against a request when only its head is there."""
        problem = self._problem(request)
        if problem is None:
            return None
        status = 403 if problem is FORBIDDEN else 400
        headers = self.headers(request) if status != 403 else self.bare_headers()
        return error(status, problem, headers)

    def expect_body(self, request: Request) -> Response | None:
        """A POST that `refuse` had nothing against is about to be read. Returns why not."""
        session = self._live(request.query.get("sid", ""))
        if session is None or session.upgraded or session.may_post():
            return None
        return error(400, BAD_REQUEST, self.headers(request))

    def body_lost(self, request: Request) -> None:
        """The client hung up in the middle of a POST: nobody knows what it has said."""
        session = self._live(request.query.get("sid", ""))
        if session is not None and session.expects_body:
            session.close(TRANSPORT_ERROR)

    def _problem(self, request: Request) -> tuple[int, str] | None:
        if not self._origins.allows(request):
            self.counters.refused_origins += 1
            origin = request.headers.get("origin", "none")
            self.logger.info("origin refused: %.100r", origin)
            return FORBIDDEN
        if request.method == "OPTIONS":
            return None
        transport = request.query.get("transport")
        if transport not in self.transports:
            return TRANSPORT_UNKNOWN
        if "j" in request.query:
            # JSONP, which no client of this revision needs.
            return BAD_REQUEST
        sid = request.query.get("sid")
        problem = self._problem_with_handshake(request) if sid is None else None
        if problem is not None:
            return problem
        websocket = transport == "websocket"
        if websocket and request.headers.get("upgrade", "").lower() != "websocket":
            return BAD_REQUEST
        if sid is None:
            return None
        if request.method not in ("GET", "POST") or (websocket and request.method != "GET"):
            return BAD_REQUEST
        session = self._live(sid)
        if session is None:
            lingering = sid in self._lingering and request.method == "GET" and not websocket
            return None if lingering else SID_UNKNOWN
        return BAD_REQUEST if session.upgraded and not websocket else None

    def _problem_with_handshake(self, request: Request) -> tuple[int, str] | None:
        if request.method != "GET":
            return BAD_METHOD
        if request.query.get("EIO") != "4":
            log.warning(
                "a client speaks revision %.10r of Engine.IO, this server 4: "
                "update socket.io-client to 3 or later (%.200s)",
                request.query.get("EIO"),
                request.headers.get("user-agent", "no User-Agent"),
            )
            return BAD_VERSION
        return None

    def _live(self, sid: str) -> Session | None:
        session = self.sockets.get(sid)
        if session is None or session.state == CLOSED:
            return None
        if session.tick and session.is_dead(self.loop.time()):
            session.on_deadline(self.loop.time())
            return None
        return session

    def answer(self, exchange: Exchange, body: bytes) -> None:
        """Answer a request that `refuse` had nothing against, now or later."""
        request = exchange.request
        headers = self.headers(request)
        if request.method == "OPTIONS":
            exchange.respond(Response(204, b"", headers=headers))
            return
        sid = request.query.get("sid")
        if sid is None:
            self._open(exchange, headers)
            return
        session = self._live(sid)
        if request.query["transport"] == "websocket":
            if session is None:
                exchange.respond(error(400, SID_UNKNOWN, headers))
            else:
                self._upgrade(session, exchange, headers)
        elif session is None:
            self._answer_late(sid, exchange, headers)
        elif session.upgraded:
            exchange.respond(error(400, BAD_REQUEST, headers))
        elif request.method == "GET":
            session.get(exchange, headers)
        else:
            session.post(exchange, body, headers)

    def _answer_late(self, sid: str, exchange: Exchange, headers: Headers) -> None:
        lingering = self._lingering.get(sid)
        if lingering is None or exchange.request.method != "GET":
            exchange.respond(error(400, SID_UNKNOWN, headers))
        else:
            session, packet = lingering
            if session.last_poll(exchange, headers, packet):
                del self._lingering[sid]

    def headers(self, request: Request) -> Headers:
        """The headers of every answer to this request."""
        return [*self.bare_headers(), *self._origins.headers(request)]

    def bare_headers(self) -> Headers:
        return [("Cache-Control", "no-store")]

    def compresses(self, request: Request) -> bool:
        """Whether a long answer to this request may be compressed."""
        return self.http_compression and "gzip" in request.headers.get("accept-encoding", "")

    def too_big(self, request: Request) -> Response:
        """The answer to a body over the cap; its session lives."""
        self.counters.too_big += 1
        session = self._live(request.query.get("sid", ""))
        if session is not None:
            session.expects_body = False
        return Response(413, b"too big", headers=self.headers(request))

    # The handshake.

    def _open(self, exchange: Exchange, headers: Headers) -> None:
        if self.draining or (self._ready is not None and not self._ready()):
            later = ("Retry-After", "1")
            exchange.respond(Response(503, b"not now", headers=[*headers, later]))
            return
        request = exchange.request
        address = self._client_address(request) if self._client_address else request.peer
        wait = self._callers.enter(address, self.loop.time())
        if wait is not None:
            later = ("Retry-After", str(max(1, math.ceil(wait))))
            exchange.respond(Response(429, b"too many sessions", headers=[*headers, later]))
            return
        session = Session(self, self.generate_id(), address)
        session.request = request
        self.sockets[session.sid] = session
        self._start(self._handshake(session, exchange, headers))

    async def _handshake(self, session: Session, exchange: Exchange, headers: Headers) -> None:
        request = exchange.request
        websocket = request.query["transport"] == "websocket"
        accepted = accept(request.method, request.version, request.headers) if websocket else b""
        if not isinstance(accepted, bytes):
            self._drop(session)
            exchange.respond(
                Response(
                    accepted.status,
                    accepted.message.encode(),
                    headers=[*headers, *accepted.headers],
                )
            )
            return
        environ = request.environ(session.address)
        welcome = await self._trigger_event("connect", session.sid, environ, run_async=False)
        session.request = None
        if session.state == CLOSED:
            exchange.respond(error(400, BAD_REQUEST, headers))
        elif welcome is not None and welcome is not True:
            session.state = CLOSED
            self._drop(session)
            body = self._unauthorized(welcome or None)["response"]
            exchange.respond(Response(401, body, "application/json", headers))
        elif websocket:
            self._begin_websocket(session, exchange, accepted)
        else:
            self._begin_polling(session, exchange, headers)

    def _drop(self, session: Session) -> None:
        self.sockets.pop(session.sid, None)
        self._callers.leave(session.address)

    def _begin_websocket(self, session: Session, exchange: Exchange, accepted: bytes) -> None:
        websocket = WebSocket(session, self.limits)
        opened = frame(TEXT, self._open_packet(session, upgrades=False).encode())
        taken = exchange.take(accepted + opened)
        if taken is None:
            session.close(TRANSPORT_ERROR)
            return
        transport, rest = taken
        session.opened(self.loop.time())
        websocket.transport = transport
        session.begin(websocket)
        websocket.take(transport, rest)

    def _begin_polling(self, session: Session, exchange: Exchange, headers: Headers) -> None:
        session.opened(self.loop.time())
        packet = self._open_packet(session, upgrades=self.allow_upgrades)
        if self.cookie:
            attributes = (
                self.cookie
                if isinstance(self.cookie, dict)
                else {"name": self.cookie, "path": "/", "SameSite": "Lax"}
            )
            cookie = self._generate_sid_cookie(session.sid, attributes)
            headers = [*headers, ("Set-Cookie", cookie)]
        exchange.respond(Response(200, packet.encode(), headers=headers))

    def _open_packet(self, session: Session, *, upgrades: bool) -> str:
        return open_packet(
            session.sid,
            upgrades=["websocket"] if upgrades and "websocket" in self.transports else [],
            ping_interval=self.ping_interval + self.ping_interval_grace_period,
            ping_timeout=self.ping_timeout,
            max_payload=self.limits.max_http_buffer_size,
        )

    def _upgrade(self, session: Session, exchange: Exchange, headers: Headers) -> None:
        request = exchange.request
        accepted = accept(request.method, request.version, request.headers)
        if not isinstance(accepted, bytes):
            body = accepted.message.encode()
            exchange.respond(
                Response(accepted.status, body, headers=[*headers, *accepted.headers])
            )
            return
        taken = exchange.take(accepted)
        if taken is None:
            return
        if session.upgraded or session.upgrade is not None or not self.allow_upgrades:
            # Accepted and closed, as the reference server does: a client that sees the
            # handshake refused may take the session for dead.
            websocket = WebSocket(None, self.limits)
            websocket.take(*taken)
            websocket.close(POLICY, "this session has a WebSocket")
            return
        upgrade = session.upgrade = Upgrade(session)
        upgrade.websocket.take(*taken)

    # What happens to sessions.

    def message(self, session: Session, data: str | bytes) -> None:
        """Give a MESSAGE to its handler. Raises: PacketError, if the handler does."""
        handler = self.handlers.get("message")
        if handler is None:
            return
        try:
            outcome = handler(session.sid, data)
        except PacketError:
            raise
        except Exception:
            self.logger.exception("message handler error")
            return
        if outcome is not None and inspect.isawaitable(outcome):
            session.run(self._finish("message", outcome))

    async def _finish(self, what: str, outcome: Any) -> None:
        try:
            await outcome
        except Exception:
            self.logger.exception("%s handler error", what)

    def ended(self, session: Session, reason: str) -> None:
        """A session was closed: tell its handler, then forget it."""
        self._start(self._forget(session, reason))

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = eager.start(coroutine, self.loop)
        if task is not None:
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _trigger_event(self, event: str, *args: Any, run_async: bool = False) -> Any:
        """python-engineio's, which asks at each call anew what kind of handler it has."""
        if run_async:
            return await super()._trigger_event(event, *args, run_async=True)
        handler = self.handlers.get(event)
        if handler is None:
            return None
        try:
            try:
                return await _outcome(handler, args)
            except TypeError:
                if event != "disconnect":
                    raise
                # A handler of python-engineio's older form, which takes no reason.
                return await _outcome(handler, args[:1])
        except (Exception, asyncio.CancelledError):
            # A handler that was cancelled has not let anybody in.
            self.logger.exception("%s handler error", event)
            return False if event == "connect" else None

    async def _forget(self, session: Session, reason: str) -> None:
        try:
            await self._trigger_event("disconnect", session.sid, reason, run_async=False)
        finally:
            self._drop(session)

    def linger(self, session: Session, packet: str) -> None:
        """Let a closed session fetch what it has not got, and then this packet, for a while."""
        self._lingering[session.sid] = session, packet
        self.loop.call_later(self.limits.close_timeout, self._lingering.pop, session.sid, None)

    # python-engineio's surface.

    def _get_socket(self, sid: str) -> Session:
        try:
            return self.sockets[sid]
        except KeyError:
            raise KeyError("Session not found") from None

    async def send(self, sid: str, data: Any) -> None:
        """Send str, bytes, or what JSON can say, to one client."""
        session = self.sockets.get(sid)
        if session is None:
            self.logger.warning("Cannot send to sid %s", sid)
            return
        if not isinstance(data, (str, bytes, bytearray)):
            data = engineio.packet.Packet.json.dumps(data, separators=(",", ":"))
        session.send(Message(data))

    async def send_packet(self, sid: str, pkt: Any) -> None:
        """Send a packet of python-engineio's; only MESSAGE is the application's to send."""
        if pkt.packet_type != engineio.packet.MESSAGE:
            raise ValueError("the engine sends what is not a MESSAGE itself")
        await self.send(sid, pkt.data)

    async def disconnect(self, sid: str | None = None) -> None:
        """Close one client's session, or all, and wait until their handlers have ended."""
        if sid is None:
            await self._close(list(self.sockets.values()), NORMAL)
        elif sid in self.sockets:
            await self._close([self.sockets[sid]], NORMAL)

    async def _close(self, sessions: list[Session], code: int) -> None:
        before = set(self.tasks)
        for session in sessions:
            session.close(SERVER_DISCONNECT, code=code)
        handlers = self.tasks - before
        if handlers:
            await asyncio.wait(handlers)

    async def shutdown(self) -> None:
        """Refuse new sessions, close all there are, and let all handlers end.

        Takes `close_timeout` seconds at most: so long clients may fetch what waits for them and
        close their side, and handlers may run. Who stops it sooner, by cancelling, does not wait
        again when the application that it is attached to ends: a second call does nothing.
        """
        if self.draining:
            return
        self.draining = True
        closing = list(self.sockets.values())
        try:
            async with asyncio.timeout(self.limits.close_timeout):
                await self._close(closing, GOING_AWAY)
                while (
                    self.tasks
                    or any(packet == CLOSE for _, packet in self._lingering.values())
                    or any(session.connected for session in closing)
                ):
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            self.logger.info("clients that did not leave were cut off")
        finally:
            self.wheel.stop()


async def _outcome(handler: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    outcome = handler(*arguments)
    if type(outcome) is CoroutineType or inspect.isawaitable(outcome):
        return await outcome
    return outcome
