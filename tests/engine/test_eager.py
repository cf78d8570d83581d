"""Handlers that start at once behave as any coroutine in a task does."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any

import pytest

from server.engine import eager
from tests.engine.clients import soon
from tests.engine.conftest import Serve
from tests.engine.rig import quiet_server

_NAME = contextvars.ContextVar("_NAME", default="nobody")


def start(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    return eager.start(coroutine, asyncio.get_running_loop())


async def ended(*tasks: asyncio.Task[None] | None) -> None:
    await soon(asyncio.gather(*(task for task in tasks if task), return_exceptions=True))


async def test_what_never_waits_has_ended_when_it_is_started() -> None:
    heard = []

    async def handler() -> None:
        heard.append("here")

    assert start(handler()) is None
    assert heard == ["here"]


async def test_the_starting_task_is_the_current_one_again() -> None:
    starting = asyncio.current_task()

    async def handler() -> None:
        assert asyncio.current_task() is not starting
        start(asyncio.sleep(0))
        await asyncio.sleep(0)
        assert asyncio.current_task() is not starting

    task = start(handler())

    assert asyncio.current_task() is starting
    await soon(task)


async def test_context_variables_are_the_handlers_own_over_its_waits() -> None:
    seen = []

    async def handler() -> None:
        _NAME.set("player1")
        await asyncio.sleep(0)
        seen.append(_NAME.get())

    task = start(handler())

    assert _NAME.get() == "nobody"
    await soon(task)
    assert seen == ["player1"]


async def test_two_handlers_wait_for_one_future() -> None:
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    heard = []

    async def handler() -> None:
        heard.append(await answer)

    tasks = [start(handler()), start(handler()), asyncio.create_task(handler())]
    await asyncio.sleep(0)
    answer.set_result("one look-up for all")
    await ended(*tasks)

    assert heard == ["one look-up for all"] * 3


@pytest.mark.parametrize("seconds", [0, 0.01])
async def test_a_timeout_of_the_first_step_is_raised_in_the_handler(seconds: float) -> None:
    heard = []

    async def handler() -> None:
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            heard.append("too late")

    await ended(start(handler()))

    assert heard == ["too late"]


async def test_a_handler_cancelled_at_once_can_clean_up_and_stops_what_it_waits_for() -> None:
    heard = []

    async def errand() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            heard.append("errand")
            raise

    async def handler(task: asyncio.Task[None]) -> None:
        try:
            await task
        except asyncio.CancelledError:
            heard.append("handler")
            raise
        finally:
            await asyncio.sleep(0)
            heard.append("cleaned up")

    running = asyncio.create_task(errand())
    await asyncio.sleep(0)
    task = start(handler(running))
    assert task is not None
    task.cancel()
    await ended(task)

    assert task.cancelled() and running.cancelled()
    assert heard == ["errand", "handler", "cleaned up"]


async def test_a_handler_that_waits_for_something_cancelled_ends_alone(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server()
    cancelled = asyncio.get_running_loop().create_future()
    cancelled.cancel()

    @sio.event
    async def hopeless(sid: str) -> None:
        await cancelled

    @sio.event
    async def ping_me(sid: str) -> str:
        return "pong"

    client = await (await serve(sio)).client(transport)
    await client.connect()

    await client.emit("hopeless")

    assert await client.ask("ping_me") == ["pong"]
    assert sio.goodbyes.empty()
