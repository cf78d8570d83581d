"""Statements that many share: who asks at the same time is served by one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Batches(Generic[Key, Value]):
    """Asks for several at once, and gives each its part.

    Invariants
        Whoever asks is answered by a statement that began afterwards. At most `at_once` are under
        way; who comes meanwhile shares the next.
    """

    def __init__(
        self,
        run: Callable[[list[Key]], Awaitable[list[Value]]],
        *,
        most: int,
        at_once: int = 1,
    ) -> None:
        """`run` answers in the order in which it is asked, of `most` keys at most."""
        self._run = run
        self._most = most
        self._at_once = at_once
        self._waiting: list[tuple[Key, asyncio.Future[Value]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """How many wait for the next statement."""
        return len(self._waiting)

    async def ask(self, key: Key) -> Value:
        """Raises what `run` raises."""
        answer: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        if len(self._tasks) < self._at_once:
            task = asyncio.create_task(self._serve())
            self._tasks.add(task)
        return await answer

    async def _serve(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            while self._waiting:
                asked, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._answer(asked)
        finally:
            # In the step that found nobody waiting: whoever asks in the next one needs a new task.
            self._tasks.discard(task)

    async def _answer(self, asked: list[tuple[Key, asyncio.Future[Value]]]) -> None:
        try:
            values = await self._run([key for key, _ in asked])
        except Exception as error:
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for (_, answer), value in zip(asked, values, strict=True):
                if not answer.done():
                    answer.set_result(value)
