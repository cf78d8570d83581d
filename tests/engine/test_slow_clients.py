"""A client that does not read: what may be dropped is, then it goes, and nobody else notices."""

import asyncio
import json
from typing import Any

import pytest

from tests.club import PATIENCE_S
from tests.engine.clients import Client, WebSocketClient, soon
from tests.engine.conftest import Serve
from tests.engine.raw_websocket import PONG, Closed
from tests.engine.rig import TRANSPORTS, Rig, quiet_server

# The bound on what goes out is never below one message that may come in.
SMALL = {"max_outgoing_bytes": 200_000, "max_http_buffer_size": 200_000}
PAYLOAD = "x" * 20_000
# Two kernels keep some megabytes for a connection; this is 200 MB.
ENOUGH = 10_000
GOODBYE = Closed(4008, "slow consumer, resume from cursor")


async def deaf(rig: Rig, transport: str) -> Client:
    """A client that is in and reads no more: its window closes, or its polls do not come."""
    client = await rig.joined(transport)
    if isinstance(client, WebSocketClient):
        client.websocket.http.stop_reading()
    return client


async def fill(rig: Rig, listener: Client) -> int:
    """Emit volatile events, all heard by the listener, until one is dropped; its number."""
    for number in range(ENOUGH):
        await rig.engine.emit("tick", (number, PAYLOAD), volatile=True)
        assert await listener.event() == ["tick", number, PAYLOAD]
        if rig.eio.counters.volatile_dropped:
            return number
    raise AssertionError("nothing was ever dropped")


async def ticks(client: Client) -> list[int]:
    """What a client finds that reads again, up to the event that ends it: numbers of ticks."""
    numbers = []
    while (event := await client.event())[0] == "tick":
        numbers.append(event[1])
    return numbers


@pytest.fixture(params=TRANSPORTS)
def other_transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_volatile_events_are_dropped_for_a_client_that_does_not_read_and_for_nobody_else(
    serve: Serve, transport: str, other_transport: str
) -> None:
    rig = await serve(quiet_server(**SMALL))
    slow, other = await deaf(rig, transport), await rig.joined(other_transport)

    dropped = await fill(rig, other)

    assert rig.eio.counters.slow_closed == 0 and rig.engine.goodbyes.empty()
    assert len(rig.eio.sockets) == 2
    await slow.close()
    assert dropped > SMALL["max_outgoing_bytes"] // len(PAYLOAD) - 2


async def test_a_client_that_reads_again_lost_only_what_might_be_dropped(
    serve: Serve, transport: str
) -> None:
    rig = await serve(quiet_server(**SMALL))
    slow, other = await deaf(rig, transport), await rig.joined("websocket")
    dropped = await fill(rig, other)

    if isinstance(slow, WebSocketClient):
        slow.websocket.http.read_again()
    for number in range(dropped):
        assert (await slow.event())[:2] == ["tick", number]
    # The engine knows that it has caught up when all of it has gone out.
    await rig.engine.emit("end")

    assert await ticks(slow) == []
    assert await other.event() == ["end"]
    assert rig.eio.counters.slow_closed == 0


async def test_a_client_that_does_not_read_goes_with_the_next_event_it_must_not_miss(
    serve: Serve, transport: str, other_transport: str
) -> None:
    rig = await serve(quiet_server(**SMALL, close_timeout=30))
    slow, other = await deaf(rig, transport), await rig.joined(other_transport)
    dropped = await fill(rig, other)

    await rig.engine.emit("durable")

    assert await other.event() == ["durable"]
    assert await soon(rig.engine.goodbyes.get()) == "slow consumer"
    assert rig.eio.counters.slow_closed == 1
    assert list(rig.eio.sockets) == [other.sid]
    if isinstance(slow, WebSocketClient):
        # It finds the first of what was sent, whole and in order, and then why it was closed.
        slow.websocket.http.read_again()
        events, end = await slow.websocket.all_up_to_close()
        heard = [json.loads(event[2:])[1] for event in events]
        assert heard == list(range(len(heard))) and 0 < len(heard) < dropped
        assert end == GOODBYE
    else:
        await slow.ended()
    # Or the stop would wait for polls of the other.
    await other.send("1")


async def test_a_closed_slow_client_that_still_does_not_read_is_cut_off(serve: Serve) -> None:
    rig = await serve(quiet_server(**SMALL, close_timeout=0.1))
    slow, other = await deaf(rig, "websocket"), await rig.joined("websocket")
    assert isinstance(slow, WebSocketClient)
    await fill(rig, other)

    await rig.engine.emit("durable")

    # To one who does not read, an end shows when something is written.
    with pytest.raises(ConnectionError):
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await slow.websocket.send_frame(PONG)
                await slow.websocket.http.writer.drain()
                await asyncio.sleep(0.01)


async def test_volatile_events_reach_a_client_that_reads(serve: Serve, transport: str) -> None:
    rig = await serve(quiet_server())
    client = await rig.joined(transport)

    for number in range(20):
        await rig.engine.emit("tick", number, volatile=True)
        assert await client.event() == ["tick", number]


async def test_one_message_as_big_as_may_come_in_is_no_reason_to_be_called_slow(
    serve: Serve, transport: str
) -> None:
    rig = await serve(quiet_server(max_outgoing_bytes=1000))
    client = await rig.joined(transport)

    for _ in range(3):
        await rig.engine.emit("news", "x" * 900_000)
        assert await client.event() == ["news", "x" * 900_000]

    assert rig.eio.counters.slow_closed == 0


async def burst(rig: Rig) -> list[list[Any]]:
    """Events without a pause between them, less in all than the bound: what was told."""
    told: list[list[Any]] = [["tick", number, "x" * (number % 300)] for number in range(4000)]
    for name, *arguments in told:
        await rig.engine.emit(name, tuple(arguments))
    return told


async def test_a_burst_reaches_a_client_that_reads_whole_and_in_order(
    serve: Serve, transport: str
) -> None:
    rig = await serve(quiet_server())
    client = await rig.joined(transport)

    for _ in range(2):
        told = await burst(rig)
        assert [await client.event() for _ in told] == told

    assert rig.eio.counters.slow_closed == rig.eio.counters.volatile_dropped == 0


async def test_what_was_told_before_the_goodbye_comes_before_it(
    serve: Serve, transport: str
) -> None:
    rig = await serve(quiet_server(close_timeout=30))
    client = await rig.joined(transport)
    if isinstance(client, WebSocketClient):
        client.websocket.http.stop_reading()

    told = await burst(rig)
    await soon(rig.eio.disconnect(client.sid))
    if isinstance(client, WebSocketClient):
        client.websocket.http.read_again()

    assert [await client.event() for _ in told] == told
    await client.ended()
