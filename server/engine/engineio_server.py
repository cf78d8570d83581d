"""The Engine.IO server: what its parts share, and the handlers of the application.

It has python-engineio's surface (`on`, `send`, `disconnect`, `session`, `attach`, …) with
everything under it replaced.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from functools import cached_property
from types import CoroutineType
from typing import Any

import engineio
from aiohttp import web

from server.engine import aiohttp_door, eager
from server.engine.frames import GOING_AWAY, NORMAL
from server.engine.ids import new_id
from server.engine.limits import Counters, Limits
from server.engine.opening import Opening
from server.engine.origins import Origins
from server.engine.packets import Message, PacketError
from server.engine.requests import Request
from server.engine.router import Router
from server.engine.session import CLOSED, SERVER_DISCONNECT, Session
from server.engine.wheel import Wheel

# How often a stopping server looks whether its clients have left.
_LOOK_S = 0.01

_LIMITS = tuple(Limits.__slots__)
_OPTIONS = inspect.signature(engineio.base_server.BaseServer.__init__).parameters.keys()


class EngineServer(engineio.AsyncServer):
    """python-engineio's `AsyncServer` on a transport of its own.

    Options are python-engineio's, those of `Limits`, and:

    `client_address`: a callable that says whose a request is (default: the peer's address);
    `ready`: a callable that says whether new sessions are let in (default: always; else 503);
    `origin_required`: refuse requests without Origin, as native clients send them;
    `keep_environ`: keep the connect handler's environ for as long as the client is there;
    `sid_prefix`: how all ids begin, where a proxy finds the process of a session by it.
    """

    def __init__(
        self,
        *,
        client_address: Callable[[Request], str] | None = None,
        ready: Callable[[], bool] | None = None,
        origin_required: bool = False,
        keep_environ: bool = True,
        sid_prefix: str = "",
        **options: Any,
    ) -> None:
        limits = {name: options.pop(name) for name in _LIMITS if name in options}
        unknown = options.keys() - _OPTIONS
        if unknown:
            # python-engineio passes over them; a bound with a typo would be no bound.
            raise TypeError(f"unknown options: {', '.join(sorted(unknown))}")
        super().__init__(**options)
        self.limits = Limits(**limits)
        self.max_http_buffer_size = self.limits.max_http_buffer_size
        self.counters = Counters()
        self.keep_environ = keep_environ
        self._sid_prefix = sid_prefix
        self.path = "/engine.io/"
        #: No client is slow for one message that it may get.
        self.max_outgoing = max(self.limits.max_outgoing_bytes, self.limits.max_http_buffer_size)
        shortest = min(self.ping_interval, self.ping_timeout, self.limits.connect_timeout)
        self.wheel_resolution = min(1.0, max(0.005, shortest / 16))
        self.wheel = Wheel(self.wheel_resolution)
        self.tasks: set[asyncio.Task[None]] = set()
        self._opening = Opening(self, client_address, ready)
        origins = Origins(
            self.cors_allowed_origins,
            credentials=self.cors_credentials,
            required=origin_required,
        )
        #: What the doors ask.
        self.router = Router(self, origins, self._opening)
        #: Set once the server stops: nobody new is let in.
        self.draining = False

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def generate_id(self) -> str:
        return self._sid_prefix + new_id()

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
            return self.router.allows_origin(aiohttp_door.head_of(request))
        except ValueError:
            return False

    def live(self, sid: str) -> Session | None:
        """The session of this id, unless it has ended or should have."""
        session = self.sockets.get(sid)
        if session is None or session.state == CLOSED:
            return None
        if session.tick and session.is_dead(self.loop.time()):
            session.on_deadline(self.loop.time())
            return None
        return session

    def ask_to_connect(self, session: Session, request: Request) -> Any:
        """Call the connect handler. Returns its answer, or what is to be awaited for it."""
        handler = self.handlers.get("connect")
        if handler is None:
            return None
        try:
            return handler(session.sid, request.environ(session.address))
        except Exception:
            self.logger.exception("connect handler error")
            return False

    async def answer_of(self, outcome: Awaitable[Any]) -> Any:
        """The answer of a connect handler that is a coroutine."""
        try:
            return await outcome
        except (Exception, asyncio.CancelledError):
            # A handler that was cancelled has not let anybody in.
            self.logger.exception("connect handler error")
            return False

    def refusal_of(self, answer: Any) -> bytes | None:
        """None: the connect handler lets the client in. Else its reason not to, in JSON."""
        if answer is None or answer is True:
            return None
        body: bytes = self._unauthorized(answer or None)["response"]
        return body

    def sid_cookie(self, sid: str) -> str | None:
        """The Set-Cookie header's value for a new session; None: none is asked for."""
        if not self.cookie:
            return None
        attributes = {"name": self.cookie, "path": "/", "SameSite": "Lax"}
        return self._generate_sid_cookie(
            sid, self.cookie if isinstance(self.cookie, dict) else attributes
        )

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
        handler = self.handlers.get("disconnect")
        outcome = None
        if handler is not None:
            try:
                try:
                    outcome = handler(session.sid, reason)
                except TypeError:
                    # A handler of python-engineio's older form, which takes no reason.
                    outcome = handler(session.sid)
            except Exception:
                self.logger.exception("disconnect handler error")
        if outcome is not None and inspect.isawaitable(outcome):
            self.start(self._forget(session, outcome))
        else:
            self._opening.left(session)

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something of the server's own, as far as it goes at once. It must not raise."""
        task = eager.start(coroutine, self.loop)
        if task is not None:
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _forget(self, session: Session, outcome: Awaitable[Any]) -> None:
        try:
            await self._finish("disconnect", outcome)
        finally:
            self._opening.left(session)

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
                    or self.router.has_untold
                    or any(session.connected for session in closing)
                ):
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            self.logger.info("clients that did not leave were cut off")
        finally:
            self.wheel.stop()


async def outcome_of(handler: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """What a handler returns, whether it is a coroutine function or a plain one."""
    outcome = handler(*arguments)
    if type(outcome) is CoroutineType or inspect.isawaitable(outcome):
        return await outcome
    return outcome
