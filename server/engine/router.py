"""Finds the session that a request is for, or says why there is none.

Source: the Engine.IO protocol, https://socket.io/docs/v4/engine-io-protocol/, and for what is
refused, and how, its reference server.
"""

import logging
from typing import TYPE_CHECKING

from server.engine.opening import Opening
from server.engine.origins import Origins
from server.engine.packets import CLOSE
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
from server.engine.session import CLOSED, Session
from server.engine.websocket import TRANSPORT_ERROR

if TYPE_CHECKING:
    from server.engine.engineio_server import EngineServer

# Beside python-engineio's logger, which is silent below ERROR unless it is asked to speak.
log = logging.getLogger(__name__)

_NO_STORE = ("Cache-Control", "no-store")


class Router:
    """What the doors ask about a request: first `begin`, then the body, then `answer`."""

    def __init__(self, server: "EngineServer", origins: Origins, opening: Opening) -> None:
        self._server = server
        self._origins = origins
        self._opening = opening
        #: Sessions that are closed and have not fetched everything yet, with their last packet.
        self._lingering: dict[str, tuple[Session, str]] = {}

    def headers(self, request: Request | None, response: Response) -> Headers:
        """All headers of an answer; of one to nobody knows what, without a request."""
        if request is None or not response.readable:
            return [_NO_STORE, *response.headers]
        return [_NO_STORE, *self._origins.headers(request), *response.headers]

    def begin(self, request: Request) -> Response | None:
        """A head has come. Returns the answer where the rest of the request need not be read.

        A POST that may go on ends in `answer`, `too_big` or `body_lost`.
        """
        problem = self._problem(request)
        if problem is not None:
            refused = problem is FORBIDDEN
            return error(403 if refused else 400, problem, readable=not refused)
        if int(request.headers.get("content-length", 0)) > self._server.max_http_buffer_size:
            return self._too_big()
        if request.method == "POST" and not (request.session and request.session.may_post()):
            return error(400, BAD_REQUEST)
        return None

    def allows_origin(self, request: Request) -> bool:
        """Whether the page that asks may, if it is a page."""
        allowed = self._origins.allows(request)
        if not allowed:
            self._server.counters.refused_origins += 1
            origin = request.headers.get("origin", "none")
            self._server.logger.info("origin refused: %.100r", origin)
        return allowed

    def _problem(self, request: Request) -> tuple[int, str] | None:
        if not self.allows_origin(request):
            return FORBIDDEN
        if request.method == "OPTIONS":
            return None
        if request.query.get("transport") not in self._server.transports:
            return TRANSPORT_UNKNOWN
        if "j" in request.query:
            # JSONP, which no client of this revision needs.
            return BAD_REQUEST
        sid = request.query.get("sid")
        problem = self._problem_with_handshake(request) if sid is None else None
        if problem is not None:
            return problem
        if request.is_websocket and request.headers.get("upgrade", "").lower() != "websocket":
            return BAD_REQUEST
        return None if sid is None else self._find(request, sid)

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

    def _find(self, request: Request, sid: str) -> tuple[int, str] | None:
        if request.method != "GET" and (request.method != "POST" or request.is_websocket):
            return BAD_REQUEST
        session = request.session = self._server.live(sid)
        if session is None:
            return None if self._lingers(request, sid) else SID_UNKNOWN
        return BAD_REQUEST if session.upgraded and not request.is_websocket else None

    def _lingers(self, request: Request, sid: str) -> bool:
        return sid in self._lingering and request.method == "GET" and not request.is_websocket

    def answer(self, exchange: Exchange, body: bytes) -> None:
        """Answer a request that `begin` had nothing against, now or later."""
        request = exchange.request
        session = request.session
        if request.method == "OPTIONS":
            exchange.respond(Response(204, b""))
        elif "sid" not in request.query:
            self._opening.open(exchange)
        elif session is None or session.state == CLOSED:
            self._answer_late(exchange, request.query["sid"])
        elif request.is_websocket:
            self._opening.upgrade(session, exchange)
        elif session.upgraded:
            exchange.respond(error(400, BAD_REQUEST))
        elif request.method == "GET":
            session.get(exchange)
        else:
            session.post(exchange, body)

    def _answer_late(self, exchange: Exchange, sid: str) -> None:
        if not self._lingers(exchange.request, sid):
            exchange.respond(error(400, SID_UNKNOWN))
            return
        session, packet = self._lingering[sid]
        if session.last_poll(exchange, packet):
            del self._lingering[sid]

    def too_big(self, request: Request) -> Response:
        """The answer to a body that turns out to be over the cap; its session lives."""
        if request.session is not None:
            request.session.expects_body = False
        return self._too_big()

    def _too_big(self) -> Response:
        self._server.counters.too_big += 1
        return Response(413, b"too big")

    def body_lost(self, request: Request) -> None:
        """A POST ended in the middle of its body: nobody knows what its client has said."""
        if request.session is not None and request.session.expects_body:
            request.session.close(TRANSPORT_ERROR)

    # Closed sessions.

    def linger(self, session: Session, packet: str) -> None:
        """Let a closed session fetch what it has not got, and then this packet, for a while."""
        self._lingering[session.sid] = session, packet
        close_timeout = self._server.limits.close_timeout
        self._server.loop.call_later(close_timeout, self._lingering.pop, session.sid, None)

    def told(self, session: Session) -> None:
        """A closed session has fetched everything another way than by a poll."""
        self._lingering.pop(session.sid, None)

    @property
    def has_untold(self) -> bool:
        """Whether there are clients that do not know yet that the server has closed them."""
        return any(packet == CLOSE for _, packet in self._lingering.values())
