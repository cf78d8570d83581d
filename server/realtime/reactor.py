"""The reactor: programs beside the club tell its pages something, at once and at most once.

Invariants
    Whoever emits never waits for a listener and never fails with one. Threads hand over what
    they emit to the event loop; past `backlog` that it has not taken yet, more is dropped.
"""

import asyncio
import json
import re
import threading
from collections import Counter
from typing import Any

import structlog

from events import COMMANDS, EVENTS, ReactorEvent, WrongPayload
from server.errors import Invalid
from server.metrics import REACTOR_EVENTS
from server.realtime.feeds import Feeds
from server.realtime.sio import ClubSio

log = structlog.get_logger(__name__)

#: Names of the plain sockets' own frames.
RESERVED = frozenset({"welcome", "ping", "pong", "resync"})

# A counter per name would let whoever emits fill the memory; what comes later counts as these.
_COUNTED_TYPES = 100
OTHERS = "other"


def _pattern(name: str) -> str:
    return re.sub(r"\\\{\w+\\\}", ".+", re.escape(name))


class Reactor:
    """Emits to the sockets and streams of this worker."""

    def __init__(
        self, sio: ClubSio, feeds: Feeds, *, enabled: bool, detail_max_bytes: int, backlog: int
    ) -> None:
        self._sio = sio
        self._feeds = feeds
        self._detail_max_bytes = detail_max_bytes
        self._backlog = threading.BoundedSemaphore(backlog)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[int]] = set()
        self._taken = re.compile("|".join(map(_pattern, (*RESERVED, *COMMANDS, *EVENTS))))
        self.enabled = enabled
        self.by_type: Counter[str] = Counter()

    def start(self) -> None:
        """Take what threads emit from now on, in the running event loop."""
        self._loop = asyncio.get_running_loop()

    async def emit(self, type: str, detail: Any = None, to: int | None = None) -> int:
        """Tell all, or the member `to`. Returns how many connections it was handed to.

        Raises: Invalid when the name is taken, or the detail is no JSON or too large.
        """
        if not self.enabled:
            return 0
        return await self._emit(self._checked(type, detail, to))

    def emit_sync(self, type: str, detail: Any = None, to: int | None = None) -> bool:
        """`emit` from any thread. Returns whether it was taken; it is not waited for.

        Raises: Invalid, as `emit`.
        """
        if not self.enabled:
            return False
        event = self._checked(type, detail, to)
        loop = self._loop
        if loop is None or not self._backlog.acquire(blocking=False):
            return False
        try:
            loop.call_soon_threadsafe(self._take, event)
        except RuntimeError:
            # The loop is closed: the server has stopped.
            self._backlog.release()
            return False
        return True

    def _take(self, event: ReactorEvent) -> None:
        self._backlog.release()
        task = asyncio.get_running_loop().create_task(self._emit(event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _checked(self, type_: str, detail: Any, to: int | None) -> ReactorEvent:
        if isinstance(type_, str) and self._taken.fullmatch(type_):
            raise Invalid(f"type: {type_} is a name of the club's own.")
        try:
            text = json.dumps(detail, ensure_ascii=False, allow_nan=False)
            size = len(text.encode())
            # A copy: whoever emits may go on changing what it has.
            event = ReactorEvent(type_, json.loads(text), to)
            event.payload()
        except (TypeError, ValueError, RecursionError, WrongPayload) as error:
            raise Invalid(f"This cannot be emitted: {error}"[:200]) from None
        if size > self._detail_max_bytes:
            raise Invalid(f"detail: at most {self._detail_max_bytes} bytes of JSON.")
        return event

    async def _emit(self, event: ReactorEvent) -> int:
        self._count(event.type)
        room = event.room()
        reached = self._sio.room_size(None if room == "all" else room) + self._feeds.size(room)
        try:
            await self._sio.emit(event)
        except Exception:
            log.exception("the reactor could not deliver", type=event.type)
        return reached

    def _count(self, type_: str) -> None:
        if type_ not in self.by_type and len(self.by_type) >= _COUNTED_TYPES:
            type_ = OTHERS
        self.by_type[type_] += 1
        REACTOR_EVENTS.labels(type_).inc()

    @property
    def emitted(self) -> int:
        """How many events were emitted since the start."""
        return self.by_type.total()
