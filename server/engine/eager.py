"""Run a coroutine at once, and make a task of it only if it has to wait.

Most handlers of a real-time server never wait: a task for each costs more than they do. Python
3.12 has eager tasks; on 3.11 the first step is taken here, with a stand-in as the current task,
so that what asks for it (`asyncio.timeout` among others) works and cancels the task that
follows.
"""

import asyncio
import contextvars
import sys
from asyncio import tasks
from collections.abc import Coroutine, Generator
from typing import Any


class _FirstStep:
    """Stands for a task that may never be made; whoever kept it reaches that task through it."""

    __slots__ = ("_cancelled", "_task")

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._cancelled: tuple[Any, ...] = ()

    def became(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        for message in self._cancelled:
            task.cancel(message)

    def cancel(self, msg: Any = None) -> bool:
        if self._task is not None:
            return self._task.cancel(msg)
        self._cancelled += (msg,)
        return True

    def uncancel(self) -> int:
        if self._task is not None:
            return self._task.uncancel()
        self._cancelled = self._cancelled[:-1]
        return len(self._cancelled)

    def cancelling(self) -> int:
        return self._task.cancelling() if self._task is not None else len(self._cancelled)

    def done(self) -> bool:
        return self._task is not None and self._task.done()

    def __getattr__(self, name: str) -> Any:
        if self._task is None:
            raise AttributeError(name)
        return getattr(self._task, name)


def _rest(coroutine: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, None, None]:
    """The coroutine after its first step: first waits for what that step waited for.

    A task takes it after one `next`: by then it has begun, so that what is thrown into the task
    before its first step reaches the coroutine too.
    """
    thrown: BaseException | None = None
    try:
        yield
    except asyncio.CancelledError as error:
        # As `Task.cancel` does with what a task waits for.
        if not (asyncio.isfuture(waits_for) and waits_for.cancel(*error.args)):
            thrown = error
    if asyncio.isfuture(waits_for):
        waits_for._asyncio_future_blocking = True
    while True:
        if thrown is None:
            try:
                yield waits_for
            except BaseException as error:
                thrown = error
        try:
            waits_for = coroutine.send(None) if thrown is None else coroutine.throw(thrown)
        except StopIteration:
            return
        thrown = None


def _start(
    coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
) -> asyncio.Task[None] | None:
    """Run until the first wait. Returns None if it ended, else the task that goes on with it.

    The coroutine must not raise: there may be nobody to raise to. To be cancelled is to end. It
    runs in a context of its own, as a task does.
    """
    context = contextvars.copy_context()
    stand_in = _FirstStep()
    # What `_enter_task` and `_leave_task` do, which would have to be called four times.
    running = tasks._current_tasks  # type: ignore[attr-defined]
    current = running.get(loop)
    running[loop] = stand_in
    try:
        waits_for = context.run(coroutine.send, None)
    except (StopIteration, asyncio.CancelledError):
        return None
    finally:
        if current is None:
            del running[loop]
        else:
            running[loop] = current
    if asyncio.isfuture(waits_for):
        # The mark of a future on its way to a task; meanwhile others may wait for it too.
        waits_for._asyncio_future_blocking = False
    rest = _rest(coroutine, waits_for)
    next(rest)
    task = loop.create_task(rest, context=context)
    stand_in.became(task)
    return task


def _start_natively(
    coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
) -> asyncio.Task[None] | None:
    task = asyncio.Task(coroutine, loop=loop, eager_start=True)  # type: ignore[call-arg]
    return None if task.done() else task


start = _start if sys.version_info < (3, 12) else _start_natively
