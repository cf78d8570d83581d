"""An Engine.IO session: one client, whatever carries it."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from server.engine import eager
from server.engine.frames import GOING_AWAY, NORMAL, TOO_BIG
from server.engine.packets import (
    CLOSE,
    MESSAGE,
    NOOP,
    PING_FRAME,
    PING_PACKET,
    PONG,
    Message,
    PacketError,
    decode_payload,
)
from server.engine.polling import Polling
from server.engine.requests import BAD_REQUEST, Exchange, Request, error
from server.engine.upgrade import Upgrade
from server.engine.websocket import (
    PARSE_ERROR,
    SLOW_CONSUMER,
    TRANSPORT_ERROR,
    WebSocket,
)

if TYPE_CHECKING:
    from server.engine.engineio_server import EngineServer

CLIENT_DISCONNECT = "client disconnect"
SERVER_DISCONNECT = "server disconnect"
PING_TIMEOUT = "ping timeout"
SLOW = "slow consumer"

# What ends the last poll, which may be on its way still; after other ends none is waited for.
_TOLD_LATER = {SERVER_DISCONNECT: CLOSE, CLIENT_DISCONNECT: NOOP}

# The life of a session: its connect handler runs; it lives; it has ended.
OPENING, OPEN, CLOSED = range(3)


class Session:
    """One client. There may be 100,000 of them: slots, and nothing that is not needed.

    `client`, `others`, `partial`, `arrival` and `refused` belong to the layer above.
    """

    __slots__ = (
        "_awaited",
        "_backlog",
        "_due",
        "_pinged",
        "_pongs_due",
        "_transport",
        "address",
        "arrival",
        "client",
        "connect_due",
        "data",
        "expects_body",
        "others",
        "partial",
        "refused",
        "request",
        "running",
        "server",
        "sid",
        "state",
        "tick",
        "upgrade",
        "write",
    )

    def __init__(self, server: "EngineServer", sid: str, address: str) -> None:
        self.server = server
        self.sid = sid
        self.address = address
        self.state = OPENING
        self._transport: Polling | WebSocket = Polling(self)
        self.upgrade: Upgrade | None = None
        #: Writes frames to a WebSocket whose client keeps up; None: `send` knows what to do.
        self.write: Callable[[bytes], None] | None = None
        self.tick = 0
        self._due = 0.0
        self._pinged = False
        #: For who waits on the client: set when it has taken or answered something.
        self._awaited: asyncio.Event | None = None
        self._pongs_due = 0
        #: Handlers that have not ended, and what came while there were too many.
        self.running = 0
        self._backlog: deque[str | bytes] | None = None
        #: python-engineio's user session, made when it is asked for.
        self.data: dict[Any, Any] | None = None
        self.request: Request | None = None
        #: A POST's head was read, and its body was not.
        self.expects_body = False
        #: When it must have joined a namespace; 0: it has.
        self.connect_due = 0.0
        #: The flood gate's memory, and how many more it has refused than let through.
        self.arrival = 0.0
        self.refused = 0
        self.client: Any = None
        self.others: dict[str, Any] | None = None
        self.partial: Any = None

    # What python-engineio's surface asks of a socket.

    @property
    def buffered(self) -> int:
        """Bytes that wait for the client."""
        return self._transport.buffered

    @property
    def session(self) -> dict[Any, Any]:
        if self.data is None:
            self.data = {}
        return self.data

    @session.setter
    def session(self, data: dict[Any, Any]) -> None:
        self.data = data

    @property
    def upgraded(self) -> bool:
        return isinstance(self._transport, WebSocket)

    @property
    def connected(self) -> bool:
        """Whether there is a WebSocket that is not closed on both sides."""
        return isinstance(self._transport, WebSocket) and self._transport.transport is not None

    @property
    def closed(self) -> bool:
        return self.state == CLOSED

    # The heartbeat.

    def opened(self, now: float) -> None:
        """The handshake was answered: the session lives and is asked for signs of life."""
        self.state = OPEN
        self._schedule_ping(now)

    def _schedule_ping(self, now: float) -> None:
        self._pinged = False
        self._due = now + self.server.ping_interval
        self._set_deadline()

    def _set_deadline(self) -> None:
        due = self._due
        if self.connect_due and self.connect_due < due:
            due = self.connect_due
        self.server.wheel.set(self, due)

    def expect_connect(self) -> None:
        """Close the session unless it joins a namespace in time."""
        self.connect_due = self.server.loop.time() + self.server.limits.connect_timeout
        if self.state == OPEN:
            self._set_deadline()

    def on_deadline(self, now: float) -> None:
        if self.connect_due and now >= self.connect_due:
            self.server.counters.connect_timeouts += 1
            self.close(SERVER_DISCONNECT)
            return
        if now < self._due:
            self._set_deadline()
            return
        # While too many handlers run, a PONG may be there that we do not read. PINGs go on:
        # without them the client leaves by itself.
        if self._pinged and self._backlog is None:
            self.server.counters.ping_timeouts += 1
            self.close(PING_TIMEOUT)
            return
        self._pinged = True
        # From when it was due, unless the server itself was late with it.
        self._due = max(self._due, now - self.server.wheel_resolution) + self.server.ping_timeout
        self._set_deadline()
        self._ping()

    def _ping(self) -> None:
        if isinstance(self._transport, WebSocket):
            self._transport.write(PING_FRAME)
        else:
            self._transport.send(PING_PACKET)

    def is_dead(self, now: float) -> bool:
        """Whether its time has run out, also where the wheel has not come to it yet."""
        if self._backlog is not None:
            return False
        return now >= self._due + (0.0 if self._pinged else self.server.ping_timeout)

    # What comes in.

    def receive(self, packet: str | bytes) -> None:
        """Take one packet. Raises: PacketError."""
        if isinstance(packet, bytes):
            self._message(packet)
            return
        kind = packet[:1]
        if kind == MESSAGE:
            self._message(packet[1:])
        elif kind == PONG:
            self._schedule_ping(self.server.loop.time())
            if self._pongs_due:
                self._pongs_due -= 1
                self._stir()
        elif kind == CLOSE:
            self.close(CLIENT_DISCONNECT)
        elif kind != NOOP:
            # A client of revision 4 does not ping, and upgrades on the WebSocket on trial.
            raise PacketError(f"an unexpected packet: {packet[:20]!r}")

    def _message(self, data: str | bytes) -> None:
        if self._backlog is not None:
            self._backlog.append(data)
        elif self.running >= self.server.limits.max_handlers:
            self._backlog = deque((data,))
            self.server.counters.reading_paused += 1
            self._transport.pause_reading()
        else:
            self.server.message(self, data)

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a handler: at once as far as it goes without waiting. It must not raise."""
        task = eager.start(coroutine, self.server.loop)
        if task is not None:
            self.running += 1
            self.server.tasks.add(task)
            task.add_done_callback(self._handler_ended)

    def _handler_ended(self, task: asyncio.Task[None]) -> None:
        self.server.tasks.discard(task)
        self.running -= 1
        while self._backlog and self.running < self.server.limits.max_handlers:
            if self.state == CLOSED:
                self._backlog = None
                return
            data = self._backlog.popleft()
            try:
                self.server.message(self, data)
            except PacketError as problem:
                self.fail(problem)
        if self._backlog is not None and not self._backlog:
            self._backlog = None
            self._transport.resume_reading()

    def fail(self, problem: PacketError) -> None:
        """The client broke the protocol."""
        self.server.counters.parse_errors += 1
        self.server.logger.info("session %s: %s", self.sid, problem)
        self.close(PARSE_ERROR)

    # What goes out.

    def send(self, message: Message, *, volatile: bool = False) -> None:
        """Send, or keep for the next poll; `volatile` may be dropped for a slow client."""
        if self.write is not None:
            self.write(message.frames)
        elif self.state != CLOSED:
            self._send_carefully(message, volatile)

    def _send_carefully(self, message: Message, volatile: bool) -> None:
        transport = self._transport
        cap = self.server.max_outgoing
        full = transport.buffered >= cap
        if isinstance(transport, Polling):
            if full:
                self.too_much(volatile)
            else:
                transport.send(message)
        elif (full and volatile) or not transport.offer(message.frames, cap):
            self.too_much(volatile)

    def too_much(self, volatile: bool) -> None:
        """More than may be kept for one client is on its way to it."""
        if volatile:
            self.server.counters.volatile_dropped += 1
        else:
            self.server.counters.slow_closed += 1
            text = "slow consumer, resume from cursor"
            self.close(SLOW, code=SLOW_CONSUMER, text=text, sending=True)

    # Waiting for the client.

    async def drained(self) -> None:
        """Until the client has taken what it was sent, or the session has ended."""
        while self.state != CLOSED and not self._has_taken():
            await self._something()

    def _has_taken(self) -> bool:
        if isinstance(self._transport, Polling):
            return self._transport.waiting
        return self.write is not None

    @property
    def is_asked(self) -> bool:
        """Whether an answer is waited for, as `answered` does."""
        return self._pongs_due > 0

    async def answered(self) -> None:
        """Until the client has read all that it was sent, or the session has ended."""
        # It answers in order, and the answer to an earlier PING may be on its way.
        self._pongs_due = 2 if self._pinged else 1
        self._ping()
        while self.state != CLOSED and self._pongs_due:
            await self._something()

    async def _something(self) -> None:
        if self._awaited is None:
            self._awaited = asyncio.Event()
        await self._awaited.wait()

    def _stir(self) -> None:
        if self._awaited is not None:
            self._awaited.set()
            self._awaited = None

    # The WebSocket.

    def begin(self, websocket: WebSocket) -> None:
        """Go on over a WebSocket."""
        polling = self._transport
        assert isinstance(polling, Polling)
        self._transport = websocket
        websocket.listener = self
        if websocket.transport is not None:
            self.write = websocket.transport.write
        polling.drain(websocket.write)
        self._stir()
        if self._backlog is not None:
            websocket.pause_reading()

    def websocket_message(self, websocket: WebSocket, data: str | bytes) -> None:
        try:
            if type(data) is str and data[:1] == MESSAGE:
                self._message(data[1:])
            else:
                self.receive(data)
        except PacketError as problem:
            self.fail(problem)

    def websocket_lost(self, websocket: WebSocket, reason: str, code: int = 0) -> None:
        if code == TOO_BIG:
            self.server.counters.too_big += 1
        elif code:
            self.server.counters.parse_errors += 1
        self.close(reason)

    def websocket_behind(self, websocket: WebSocket, behind: bool) -> None:
        if self.state == CLOSED or websocket.transport is None:
            return
        self.write = None if behind else websocket.transport.write
        if not behind:
            self._stir()

    # The change to it.

    def probed(self) -> None:
        """The WebSocket carries: let the client end its poll."""
        assert isinstance(self._transport, Polling) and self.upgrade is not None
        if self._transport.waiting and self.upgrade.ends_poll():
            self._transport.end(NOOP)

    def upgraded_to(self, websocket: WebSocket) -> None:
        self.upgrade = None
        if self.state == CLOSED:
            self._tell_the_end(websocket)
            return
        self.begin(websocket)
        self.server.logger.debug("session %s goes on over WebSocket", self.sid)

    def upgrade_failed(self) -> None:
        self.upgrade = None

    # Long-polling.

    def get(self, exchange: Exchange) -> None:
        """A poll."""
        assert isinstance(self._transport, Polling)
        if not self._transport.get(exchange):
            self.server.logger.info("session %s: a second poll while one waits", self.sid)
            self.close(TRANSPORT_ERROR)
            exchange.respond(error(400, BAD_REQUEST))
        elif self._awaited is not None and self._transport.waiting:
            self._stir()

    def may_post(self) -> bool:
        """A POST begins. False: another one has not ended, and so the session does."""
        assert isinstance(self._transport, Polling)
        if self.expects_body or self._transport.posting:
            self.server.logger.info("session %s: a second POST while one is there", self.sid)
            self.close(TRANSPORT_ERROR)
            return False
        self.expects_body = True
        return True

    def post(self, exchange: Exchange, body: bytes) -> None:
        """What the client sends."""
        assert isinstance(self._transport, Polling)
        polling = self._transport
        self.expects_body = False
        polling.hold_post(exchange)
        try:
            for packet in decode_payload(body):
                if self.state == CLOSED:
                    break
                self.receive(packet)
        except PacketError as problem:
            polling.refuse_post()
            self.fail(problem)
            return
        if self._backlog is None:
            polling.resume_reading()

    def poll_lost(self) -> None:
        """The client hung up instead of waiting: it is gone."""
        self.close(TRANSPORT_ERROR, sending=True)

    # The end.

    def close(
        self, reason: str, *, code: int = NORMAL, text: str = "", sending: bool = False
    ) -> None:
        """End the session; the disconnect handler is told the reason. Does nothing twice.

        `sending`: it turned out while something was sent to the client.
        """
        if self.state == CLOSED:
            return
        self.state = CLOSED
        self.write = None
        self._stir()
        if self._backlog is not None and isinstance(self._transport, WebSocket):
            # Or its answer to CLOSE would not be read.
            self._transport.resume_reading()
        self._backlog = None
        self.server.wheel.clear(self)
        if not (reason == SERVER_DISCONNECT and self._stopped_polling()):
            self._cancel_upgrade()
        if isinstance(self._transport, WebSocket):
            # One that is slow resumes from its cursor; all that it has not read would be kept on.
            self._transport.close(code, text, at_once=reason == SLOW)
        elif reason in _TOLD_LATER and not self._transport.waiting:
            self._transport.resume_reading()
            self.server.router.linger(self, _TOLD_LATER[reason])
        else:
            # Who is thrown out stays away, unless all are because the server stops.
            for_good = reason in _TOLD_LATER and not self.server.draining
            self._transport.close(_TOLD_LATER.get(reason, CLOSE), for_good=for_good)
        if sending:
            # The handler may send to others, whose end turns out by that: one after the other,
            # not one within the other.
            self.server.loop.call_soon(self.server.ended, self, reason)
        else:
            self.server.ended(self, reason)

    def _stopped_polling(self) -> bool:
        """Whether the client may have ended its polls already, to go on over the WebSocket.

        Such a one hears of its end there, or not before it misses its PINGs: the reference
        client does not go back to polling once its probe was answered.
        """
        if self.upgrade is None or not self.upgrade.probed:
            return False
        return isinstance(self._transport, Polling) and not self._transport.waiting

    def _cancel_upgrade(self) -> None:
        if self.upgrade is not None:
            self.upgrade.cancel()
            self.upgrade = None

    def _tell_the_end(self, websocket: WebSocket) -> None:
        """The session was closed half-way between polling and this WebSocket."""
        polling = self._transport
        assert isinstance(polling, Polling)
        self._transport = websocket
        polling.drain(websocket.write)
        websocket.close(GOING_AWAY if self.server.draining else NORMAL)
        self.server.router.told(self)

    def last_poll(self, exchange: Exchange, packet: str) -> bool:
        """A poll of a session that was closed: first what it has not got yet, then `packet`.

        Returns whether that was the end.
        """
        assert isinstance(self._transport, Polling)
        last = not self._transport.buffered
        if last:
            self._cancel_upgrade()
        self._transport.get(exchange)
        if last:
            self._transport.close(packet, for_good=not self.server.draining)
        return last
