"""What the caller is shown of the connection."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class State:
    """`str(state)` is `online via websocket`, `reconnecting in 3 s`, `offline`."""

    name: Literal["online", "reconnecting", "offline"]
    #: `websocket`, `polling` or `updates` while online.
    via: str = ""
    #: When the next attempt begins, in seconds of `time.time()`; 0 while one is under way.
    retry_at: float = 0.0

    def __str__(self) -> str:
        if self.name == "online":
            return f"online via {self.via}"
        left_s = self.retry_at - time.time()
        if self.name == "reconnecting" and left_s > 0:
            return f"reconnecting in {math.ceil(left_s)} s"
        return self.name


class Indicator:
    """Turns "up by …" and "down, next attempt in …" into the state, and `reconnecting` into
    `offline` in time."""

    def __init__(self, offline_s: float, on_state: Callable[[State], None]) -> None:
        self._offline_s = offline_s
        self._on_state = on_state
        self._is_offline = False
        self._retry_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.state = State("reconnecting")

    def up(self, via: str) -> None:
        self.stop()
        self._is_offline = False
        self._show(State("online", via))

    def down(self, wait_s: float = 0.0) -> None:
        """The next attempt begins in so many seconds; 0: one is under way."""
        self._retry_at = time.time() + wait_s if wait_s > 0 else 0.0
        if self._timer is None and not self._is_offline:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._offline_s, self._for_long)
        self._show(State("offline" if self._is_offline else "reconnecting", "", self._retry_at))

    def _for_long(self) -> None:
        self._timer = None
        self._is_offline = True
        self._show(State("offline", "", self._retry_at))

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _show(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self._on_state(state)
