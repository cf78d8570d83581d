"""A bot on the Python kit, and what came to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from cyberhub_client import Client, Event, State, Timing
from tests.club import PATIENCE_S, Person

# Waits as short as a test likes them; what they are as shipped is the kit's affair.
TIMING = Timing(retry=(0.05, 0.4), climb=(0.1, 0.5), slow=0.5, connect=2.0)


class Bot:
    """A client whose events are read as they come. `states` are all that it was in."""

    def __init__(self, url: str, **options: Any) -> None:
        self.client = Client(url, **({"timing": TIMING} | options))
        self.states: list[State] = []
        self.heard: list[Event] = []
        self.resyncs: list[Event] = []
        self.ending: Exception | None = None
        self._news = asyncio.Condition()
        self._telling: set[asyncio.Task[None]] = set()
        self.client.on("state", self._note_state)

    def _note_state(self, state: State) -> None:
        self.states.append(state)
        task = asyncio.create_task(self._tell())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def read(self) -> None:
        """Hear everything, until the client ends."""
        try:
            async for event in self.client.events():
                (self.resyncs if event.name == "resync" else self.heard).append(event)
                await self._tell()
        except Exception as error:
            self.ending = error
            await self._tell()

    async def until(self, is_it: Callable[[], Any]) -> Any:
        async with asyncio.timeout(2 * PATIENCE_S), self._news:
            return await self._news.wait_for(is_it)

    async def is_online(self, via: str, since: int = 0) -> None:
        """Wait until it has been so after the first `since` states."""
        await self.until(lambda: any(state.via == via for state in self.states[since:]))

    async def is_down(self, since: int = 0) -> None:
        await self.until(lambda: any(state.name != "online" for state in self.states[since:]))

    async def hears(self, name: str, count: int = 1) -> Any:
        """Wait until an event has been heard `count` times; its data of that time."""
        await self.until(lambda: len(self.all(name)) >= count)
        return self.all(name)[count - 1]

    def told(self) -> list[list[Any]]:
        """Durable events as the chronicle lists what is due: name, data, cursor."""
        return [
            [event.name, *([] if event.data is None else [event.data]), event.cursor]
            for event in self.heard
            if event.cursor is not None
        ]

    def all(self, name: str) -> list[Any]:
        return [event.data for event in self.heard if name in (event.name, event.kind)]


@contextlib.asynccontextmanager
async def bot(url: str, who: Person | None = None, **options: Any) -> AsyncIterator[Bot]:
    """A bot with the person's token, or a visitor."""
    if who is not None:
        options = {"token": who.token} | options
    running = Bot(url, **options)
    async with asyncio.timeout(2 * PATIENCE_S):
        await running.client.__aenter__()
    reading = asyncio.create_task(running.read())
    try:
        yield running
    finally:
        await running.client.__aexit__(None, None, None)
        await reading
