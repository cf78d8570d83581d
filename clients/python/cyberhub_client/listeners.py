"""Functions by the name of what they listen to."""

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

from cyberhub_client.event import Event

Listener = Callable[[Any], Any]

log = logging.getLogger("cyberhub_client")


class Listeners:
    """Plain functions and coroutine functions of one argument."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[Listener]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def on(self, name: str, listener: Listener) -> Callable[[], None]:
        """Gives the function that takes the listener away."""
        self._by_name.setdefault(name, []).append(listener)
        return lambda: self.off(name, listener)

    def off(self, name: str, listener: Listener) -> None:
        if listener in self._by_name.get(name, ()):
            self._by_name[name].remove(listener)

    async def tell_event(self, event: Event) -> None:
        """Under its name, under it without the member's id, and under `*`; one after another."""
        for name in dict.fromkeys((event.name, event.kind, "*")):
            for listener in tuple(self._by_name.get(name, ())):
                await _call(listener, event)

    def tell(self, name: str, value: Any) -> None:
        """Something about the connection itself, at once."""
        for listener in tuple(self._by_name.get(name, ())):
            if inspect.iscoroutinefunction(listener):
                task = asyncio.get_running_loop().create_task(_call(listener, value))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            else:
                _call_plain(listener, value)


def _call_plain(listener: Listener, value: Any) -> Any:
    try:
        return listener(value)
    except Exception:
        # One listener's mistake is neither the others' nor the connection's.
        log.exception("a listener failed")
        return None


async def _call(listener: Listener, value: Any) -> None:
    result = _call_plain(listener, value)
    if inspect.isawaitable(result):
        try:
            await result
        except Exception:
            log.exception("a listener failed")
