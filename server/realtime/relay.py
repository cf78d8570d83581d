"""The relay: tails the log and delivers to this worker's listeners.

Invariants
    One task, one connection of its own. Events are delivered in log order, each once. The bell
    (NOTIFY, or a local commit) only says "look"; a slow poll is the floor under it, so a lost
    bell costs latency and nothing else. While the database is away the relay keeps its position
    and goes on from it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import structlog

from server.db import Database, Transaction, translated
from server.errors import DatabaseUnavailable
from server.realtime.cursor import Cursor
from server.realtime.log import CHANNEL, NUMBERING_BATCH, EventLog, LoggedEvent

log = structlog.get_logger(__name__)

_BATCH = 500
# Events that are delivered before anybody else has a turn: all of a batch are one write a socket.
_TOGETHER = 50
_RECONNECT_S = (0.1, 2.0)

Deliver = Callable[[LoggedEvent], Awaitable[None]]


class Listener(Protocol):
    """Told of each event in the step in which the relay's position moves on to it."""

    def heard(self, event: LoggedEvent) -> None: ...

    def broke(self) -> None:
        """The position jumped: what lies between was not told."""


class Relay:
    """Delivers every durable event of the club to `deliver`, and tells its listeners.

    `deliver` waits for nothing; it is called several times inside of `together()`.
    """

    def __init__(
        self,
        db: Database,
        event_log: EventLog,
        deliver: Deliver,
        together: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
        *,
        poll_s: float = 1.0,
    ) -> None:
        self._db = db
        self._log = event_log
        self._deliver = deliver
        self._together = together
        self._poll_s = poll_s
        self._bell = asyncio.Event()
        self.listeners: list[Listener] = []
        self._connection: Any = None
        self._pause_s = _RECONNECT_S[0]
        self.position: Cursor | None = None
        self._looked = asyncio.Event()
        self.connected = asyncio.Event()
        db.after_commit.append(self._committed)

    def _committed(self, tx: Transaction) -> None:
        if tx.outbox:
            self.ring()

    def ring(self) -> None:
        """Look at the log now."""
        self._bell.set()

    async def reach(self, position: int) -> None:
        """Wait until everything up to a position of this log has been delivered here."""
        while self.position is None or self.position.position < position:
            self._looked.clear()
            self.ring()
            await self._looked.wait()

    async def run(self) -> None:
        """Follow the log until cancelled."""
        while True:
            try:
                with translated():
                    await self._follow()
            except DatabaseUnavailable as error:
                if self.connected.is_set():
                    log.warning("relay lost the database", reason=str(error.__cause__))
            except Exception:
                # A cancelled query, a full disk, a server that became a standby: whatever it
                # is, the clients need a relay that tries again.
                log.exception("relay failed")
            finally:
                self.connected.clear()
                await self._disconnect()
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(self._pause_s * 2, _RECONNECT_S[1])

    async def _follow(self) -> None:
        self._connection = connection = await self._db.connect({"synchronous_commit": "on"})
        await connection.add_listener(CHANNEL, self._notified)
        if self.position is None:
            # Before numbering: what an earlier process committed and never told comes after.
            self._jump((await self._log.head(connection)).cursor)
        log.info("relay follows the log", position=str(self.position))
        self.connected.set()
        self._pause_s = _RECONNECT_S[0]
        rang = False
        while True:
            if rang:
                await self._number_and_tell(connection)
            else:
                await self._log.number(connection)
                await self._catch_up(connection)
            self._looked.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._bell.wait()
            rang = self._bell.is_set()
            self._bell.clear()

    async def _number_and_tell(self, connection: Any) -> None:
        """The short way: what this worker numbers itself it need not read again."""
        assert self.position is not None
        events = await self._log.number_some(connection)
        follows = events and events[0].cursor == Cursor(
            self.position.epoch, self.position.position + 1
        )
        if not follows:
            # Another worker was faster with all or some of it.
            await self._catch_up(connection)
            return
        await self._take_all(events)
        if len(events) == NUMBERING_BATCH:
            self.ring()

    async def _catch_up(self, connection: Any) -> None:
        while True:
            assert self.position is not None
            head = await self._log.head(connection)
            if not head.can_continue(self.position):
                # Trimmed, restored or replaced: what lies between is gone for everybody, and
                # readers are told `resync` by their own cursors.
                log.warning("relay cannot continue", position=str(self.position))
                self._jump(head.cursor)
            if head.head == self.position.position:
                return
            events = await self._log.read(connection, head, self.position.position, _BATCH)
            await self._take_all(events)
            if len(events) < _BATCH:
                self.position = head.cursor
                return

    def _jump(self, cursor: Cursor) -> None:
        self.position = cursor
        for listener in self.listeners:
            listener.broke()

    async def _take_all(self, events: list[LoggedEvent]) -> None:
        for first in range(0, len(events), _TOGETHER):
            if first:
                await asyncio.sleep(0)
            with self._together():
                for event in events[first : first + _TOGETHER]:
                    await self._take(event)

    async def _take(self, event: LoggedEvent) -> None:
        self.position = event.cursor
        for listener in self.listeners:
            listener.heard(event)
        try:
            await self._deliver(event)
        except Exception:
            # One event that cannot be delivered must not hold up the others; clients find it
            # through their cursor.
            log.exception("delivery failed", event_name=event.name, position=str(event.cursor))

    def _notified(self, connection: Any, pid: int, channel: str, payload: str) -> None:
        if pid != connection.get_server_pid():
            self._bell.set()

    async def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
