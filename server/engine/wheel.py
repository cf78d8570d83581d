"""One timer for many deadlines: a hashed timing wheel.

Source: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", scheme 6. Setting and
clearing a deadline touches two sets; the loop holds one timer however many there are.
"""

import asyncio
import math
from typing import Protocol


class Timed(Protocol):
    """What can have a deadline: a slot for its place, and what happens then."""

    tick: int

    def on_deadline(self, now: float) -> None: ...


class Wheel:
    """Calls `on_deadline` of what is due, at most `resolution` seconds late.

    A thing has one deadline at a time. The timer runs only while something is waiting.
    """

    __slots__ = ("_handle", "_latest", "_loop", "_resolution", "_slots", "_tick")

    def __init__(self, resolution: float) -> None:
        self._resolution = resolution
        self._slots: dict[int, set[Timed]] = {}
        self._handle: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tick = 0
        self._latest = 0

    def set(self, item: Timed, due: float) -> None:
        """Due at this time of the loop's clock; an earlier deadline of the thing is forgotten."""
        if item.tick:
            self.clear(item)
        if self._handle is None:
            self._start()
        tick = max(math.ceil(due / self._resolution), self._tick + 1)
        # One int for all who share it: most do with the one before, and 100,000 take 3 MB.
        if tick == self._latest:
            tick = self._latest
        else:
            self._latest = tick
        item.tick = tick
        slot = self._slots.get(tick)
        if slot is None:
            self._slots[tick] = {item}
        else:
            slot.add(item)

    def clear(self, item: Timed) -> None:
        """The thing has no deadline any more."""
        if item.tick:
            slot = self._slots.get(item.tick)
            if slot is not None:
                slot.discard(item)
            item.tick = 0

    def stop(self) -> None:
        """Forget everything."""
        self._slots.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tick = math.floor(self._loop.time() / self._resolution)
        self._handle = self._loop.call_at((self._tick + 1) * self._resolution, self._turn)

    def _turn(self) -> None:
        assert self._loop is not None
        now = self._loop.time()
        # A loop that was busy for long has several ticks to catch up with.
        for tick in range(self._tick + 1, math.floor(now / self._resolution) + 1):
            self._tick = tick
            slot = self._slots.pop(tick, None)
            for item in slot or ():
                if item.tick == tick:
                    item.tick = 0
                    self._call(item, now)
        if self._slots:
            self._handle = self._loop.call_at((self._tick + 1) * self._resolution, self._turn)
        else:
            self._handle = None

    def _call(self, item: Timed, now: float) -> None:
        assert self._loop is not None
        try:
            item.on_deadline(now)
        except Exception as error:
            # The others have deadlines too.
            self._loop.call_exception_handler(
                {"message": "a deadline failed", "exception": error}
            )
