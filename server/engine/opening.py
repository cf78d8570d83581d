"""How a session begins, on either transport, and how a WebSocket joins one that polls."""

import inspect
import math
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from server.engine.frames import POLICY, TEXT, frame
from server.engine.handshake import Refusal, accept
from server.engine.limits import Callers
from server.engine.packets import open_packet
from server.engine.requests import BAD_REQUEST, Exchange, Request, Response, error
from server.engine.session import CLOSED, Session
from server.engine.upgrade import Upgrade
from server.engine.websocket import TRANSPORT_ERROR, WebSocket

if TYPE_CHECKING:
    from server.engine.engineio_server import EngineServer


_WEBSOCKET = ("websocket",)


class Opening:
    """Lets clients in.

    `client_address` says whose a request is, `ready` whether new sessions are let in.
    """

    def __init__(
        self,
        server: "EngineServer",
        client_address: Callable[[Request], str] | None,
        ready: Callable[[], bool] | None,
    ) -> None:
        self._server = server
        self._client_address = client_address
        self._ready = ready
        self._callers = Callers(server.limits, server.counters)

    def open(self, exchange: Exchange) -> None:
        """Begin a session with this request, or say why not."""
        server = self._server
        if server.draining or (self._ready is not None and not self._ready()):
            exchange.respond(Response(503, b"not now", headers=[("Retry-After", "1")]))
            return
        request = exchange.request
        address = self._client_address(request) if self._client_address else request.peer
        wait = self._callers.enter(address, server.loop.time())
        if wait is not None:
            later = ("Retry-After", str(max(1, math.ceil(wait))))
            exchange.respond(Response(429, b"too many sessions", headers=[later]))
            return
        accepted: bytes | Refusal = b""
        if request.is_websocket:
            accepted = accept(request.method, request.version, request.headers)
        if isinstance(accepted, Refusal):
            self._callers.leave(address)
            exchange.respond(_refused(accepted))
            return
        # Many sessions share an address; each request has brought a text of its own.
        session = Session(server, server.generate_id(), sys.intern(address))
        session.request = request
        server.sockets[session.sid] = session
        answer = server.ask_to_connect(session, request)
        if answer is None or not inspect.isawaitable(answer):
            self._answer(session, exchange, accepted, answer)
        else:
            server.start(self._answer_later(session, exchange, accepted, answer))

    def left(self, session: Session) -> None:
        """The session is over: its address may have another one."""
        self._server.sockets.pop(session.sid, None)
        self._callers.leave(session.address)

    async def _answer_later(
        self, session: Session, exchange: Exchange, accepted: bytes, outcome: Awaitable[Any]
    ) -> None:
        answer = await self._server.answer_of(outcome)
        self._answer(session, exchange, accepted, answer)

    def _answer(
        self, session: Session, exchange: Exchange, accepted: bytes, answer: Any
    ) -> None:
        session.request = None
        refusal = self._server.refusal_of(answer)
        if session.state == CLOSED:
            exchange.respond(error(400, BAD_REQUEST))
        elif refusal is not None:
            session.state = CLOSED
            self.left(session)
            exchange.respond(Response(401, refusal, "application/json"))
        elif exchange.request.is_websocket:
            self._begin_websocket(session, exchange, accepted)
        else:
            self._begin_polling(session, exchange)

    def _begin_websocket(self, session: Session, exchange: Exchange, accepted: bytes) -> None:
        server = self._server
        websocket = WebSocket(session, server.limits)
        opened = frame(TEXT, self._open_packet(session, upgrades=False).encode())
        taken = exchange.take(accepted + opened)
        if taken is None:
            session.close(TRANSPORT_ERROR)
            return
        transport, rest = taken
        session.opened(server.loop.time())
        websocket.transport = transport
        session.begin(websocket)
        websocket.take(transport, rest)

    def _begin_polling(self, session: Session, exchange: Exchange) -> None:
        server = self._server
        session.opened(server.loop.time())
        packet = self._open_packet(session, upgrades=server.allow_upgrades)
        cookie = server.sid_cookie(session.sid)
        headers = [] if cookie is None else [("Set-Cookie", cookie)]
        exchange.respond(Response(200, packet.encode(), headers=headers))

    def _open_packet(self, session: Session, *, upgrades: bool) -> str:
        server = self._server
        return open_packet(
            session.sid,
            upgrades=_WEBSOCKET if upgrades and "websocket" in server.transports else (),
            ping_interval=server.ping_interval + server.ping_interval_grace_period,
            ping_timeout=server.ping_timeout,
            max_payload=server.max_http_buffer_size,
        )

    def upgrade(self, session: Session, exchange: Exchange) -> None:
        """Put a WebSocket on trial for a session that polls."""
        request, server = exchange.request, self._server
        accepted = accept(request.method, request.version, request.headers)
        if isinstance(accepted, Refusal):
            exchange.respond(_refused(accepted))
            return
        taken = exchange.take(accepted)
        if taken is None:
            return
        if session.upgraded or session.upgrade is not None or not server.allow_upgrades:
            # Accepted and closed, as the reference server does: a client that sees the
            # handshake refused may take the session for dead.
            websocket = WebSocket(None, server.limits)
            websocket.take(*taken)
            websocket.close(POLICY, "this session has a WebSocket")
            return
        upgrade = session.upgrade = Upgrade(session)
        upgrade.websocket.take(*taken)


def _refused(refusal: Refusal) -> Response:
    return Response(refusal.status, refusal.message.encode(), headers=refusal.headers)
