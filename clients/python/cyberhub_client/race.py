"""Several attempts, each begun when those before it take long; the first that succeeds counts."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


async def staggered(
    attempts: Sequence[Callable[[], Coroutine[Any, Any, T]]],
    *,
    delay_s: float,
    discard: Callable[[T], None],
    gives_up: Callable[[Exception], bool],
) -> T:
    """What the first attempt that succeeds gives.

    An attempt begins when `delay_s` have passed since the one before it, or that one failed.
    Those that are not needed are cancelled, and what they gave nevertheless is discarded. After
    a failure that `gives_up` on the rest, no further one begins. Raises: the last failure.
    """
    tasks: list[asyncio.Task[T]] = []
    failure: Exception | None = None
    left = list(attempts)
    try:
        while left or tasks:
            if left:
                tasks.append(asyncio.create_task(left.pop(0)()))
            await asyncio.wait(
                tasks,
                timeout=delay_s if left else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            # Where several are through, the better one is that which began first.
            for task in [task for task in tasks if task.done()]:
                tasks.remove(task)
                try:
                    return task.result()
                except Exception as error:
                    failure = error
                    if gives_up(error):
                        raise
        assert failure is not None, "nothing to attempt"
        raise failure
    finally:
        # Nobody waits for them: who is cancelled meanwhile would lose what has been won.
        for task in tasks:
            task.cancel()
            task.add_done_callback(partial(_discard, discard))


def _discard(discard: Callable[[T], None], task: "asyncio.Task[T]") -> None:
    if not task.cancelled() and task.exception() is None:
        discard(task.result())
