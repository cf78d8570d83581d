"""The two doors, the two transports, and servers that end with their test."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from tests.engine.rig import DOORS, TRANSPORTS, Rig

Serve = Callable[..., Awaitable[Rig]]


@pytest.fixture(scope="package", autouse=True)
def watchful_front() -> Iterator[None]:
    """The front door looks at its timers once a second: long beside the times of these tests."""
    with pytest.MonkeyPatch.context() as shipped:
        shipped.setattr("server.engine.front._TICK_S", 0.05)
        yield


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    """How requests come in."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """How packets travel."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
async def serve(door: str) -> AsyncIterator[Serve]:
    """Start a server behind the door; it ends with the test."""
    async with contextlib.AsyncExitStack() as servers:

        async def start(engine: Any, **more: Any) -> Rig:
            return await servers.enter_async_context(Rig.open(engine, door, **more))

        yield start
