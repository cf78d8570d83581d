"""Clients that do not read: what waits for them is bounded, and others notice nothing."""

import asyncio
import json
from typing import Any

from tests.engine.clients import Client, WebSocketClient, soon
from tests.engine.conftest import Serve
from tests.engine.rig import Rig, quiet_server

# An event of this size, and more of them than the sockets of both ends hold.
CHUNK = "x" * 65_536
MANY = 400


async def joined(rig: Rig, transport: str) -> tuple[Client, str]:
    client = await rig.client(transport)
    return client, await client.connect()


def hang(client: Client) -> None:
    """The client reads nothing more. One that polls does so by not polling."""
    if isinstance(client, WebSocketClient):
        client.websocket.http.stop_reading()


def wake(client: Client) -> None:
    if isinstance(client, WebSocketClient):
        client.websocket.http.read_again()


async def pour(sio: Any, sid: str, **how: Any) -> None:
    """Say more to a client than it has taken, in turns that let others breathe."""
    for number in range(MANY):
        await sio.emit("news", (number, CHUNK), to=sid, **how)
        await asyncio.sleep(0)


async def test_a_client_that_does_not_read_is_closed_and_others_are_not(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server(max_outgoing_bytes=1_000_000)
    rig = await serve(sio)
    slow, sid = await joined(rig, transport)
    other, _ = await joined(rig, transport)
    hang(slow)
    reading = asyncio.create_task(other.receives(MANY))

    await pour(sio, None)

    assert len(await soon(reading)) == MANY
    assert await soon(sio.goodbyes.get()) == "slow consumer"
    assert sio.eio.counters.slow_closed == 1
    assert slow.sid not in sio.eio.sockets and other.sid in sio.eio.sockets


async def test_a_slow_websocket_is_told_to_resume_from_its_cursor(serve: Serve) -> None:
    sio: Any = quiet_server(max_outgoing_bytes=1_000_000, close_timeout=30)
    rig = await serve(sio)
    slow, sid = await joined(rig, "websocket")
    assert isinstance(slow, WebSocketClient)

    hang(slow)
    await pour(sio, sid)
    wake(slow)
    closed = await slow.websocket.closed()

    assert (closed.code, closed.reason) == (4008, "slow consumer, resume from cursor")


async def test_a_slow_polling_client_is_told_that_its_session_is_over(serve: Serve) -> None:
    sio: Any = quiet_server(max_outgoing_bytes=1_000_000)
    rig = await serve(sio)
    slow, sid = await joined(rig, "polling")

    await pour(sio, sid)

    await soon(sio.goodbyes.get())
    await slow.ended()


async def test_volatile_events_are_dropped_for_a_client_that_does_not_read(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server(max_outgoing_bytes=1_000_000)
    rig = await serve(sio)
    client, sid = await joined(rig, transport)

    hang(client)
    await pour(sio, sid, volatile=True)
    wake(client)
    dropped = sio.eio.counters.volatile_dropped
    heard = [json.loads(str(await client.receive())[2:])[1] for _ in range(MANY - dropped)]
    await sio.emit("last", to=sid)

    assert 0 < dropped < MANY
    # What did come is what came first, whole and in order.
    assert heard == sorted(heard) and heard[0] == 0
    assert await client.event() == ["last"]
    assert sio.goodbyes.empty()


async def test_volatile_events_reach_a_client_that_reads(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server()
    client, sid = await joined(await serve(sio), transport)

    for number in range(20):
        await sio.emit("tick", number, to=sid, volatile=True)
        assert await client.event() == ["tick", number]


async def test_a_message_as_big_as_the_cap_reaches_a_client(serve: Serve, transport: str) -> None:
    """One message is no reason to be called slow."""
    sio: Any = quiet_server(max_outgoing_bytes=1000)
    client, sid = await joined(await serve(sio), transport)

    await sio.emit("news", "x" * 900_000, to=sid)

    assert (await client.event())[1] == "x" * 900_000
