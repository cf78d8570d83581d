"""Events that come faster than the bound: refused by their ack, and then the client goes."""

import asyncio
import json
from typing import Any

import pytest

from tests.club import PATIENCE_S
from tests.engine.clients import WebSocketClient, becomes, soon
from tests.engine.conftest import Serve
from tests.engine.raw_websocket import Closed
from tests.engine.rig import quiet_server

# CONNECT and three events; so slow a refill that no other comes during a test.
NO_REFILL = {"events_per_second": 0.001, "events_burst": 4}


def counting_server(**options: Any) -> Any:
    """`heard` gets the number of each `add` that was let through."""
    sio: Any = quiet_server(**options)
    sio.heard = []
    sio.on("add", lambda sid, number: sio.heard.append(number))
    return sio


async def refill(sio: Any, events: int) -> None:
    """Let so much time pass as lets so many events in, or more: time is what is bounded here."""
    await asyncio.sleep(events / sio.eio.limits.events_per_second)


async def test_events_past_the_burst_are_refused_by_their_ack(
    serve: Serve, transport: str
) -> None:
    sio = counting_server(**NO_REFILL)
    client = await (await serve(sio)).joined(transport)

    await client.send(*(f'42{number}["add",{number}]' for number in range(5)))

    assert await client.receives(3) == ["430[]", "431[]", "432[]"]
    for number in (3, 4):
        packet = str(await client.receive())
        assert packet.startswith(f"43{number}[")
        (refusal,) = json.loads(packet[3:])
        assert refusal.pop("error")
        assert refusal == {"success": False, "code": "rate_limited"}
    assert sio.heard == [0, 1, 2]
    assert sio.eio.counters.flood_refused == 2
    assert sio.goodbyes.empty()


async def test_a_client_that_waits_as_long_as_it_must_is_heard_again(
    serve: Serve, transport: str
) -> None:
    sio = counting_server(events_per_second=10, events_burst=3)
    client = await (await serve(sio)).joined(transport)
    await client.send(*['42["add",1]'] * 3)
    await becomes(lambda: sio.eio.counters.flood_refused == 1, "the third is refused")

    await refill(sio, 2)
    await client.send(*['42["add",2]'] * 2)

    await becomes(lambda: sio.heard == [1, 1, 2, 2], "both are heard")
    assert sio.eio.counters.flood_refused == 1


async def test_a_flood_that_does_not_stop_ends_the_session_and_no_other(
    serve: Serve, transport: str
) -> None:
    sio = counting_server(**NO_REFILL)
    rig = await serve(sio)
    flooding, quiet = await rig.joined(transport), await rig.joined(transport)

    # Three are heard, four more refused, and the next is one too many.
    await flooding.send(*['42["add",1]'] * 7)
    await becomes(lambda: sio.eio.counters.flood_refused == 4, "seven have been looked at")
    assert sio.goodbyes.empty()
    await flooding.send('42["add",1]')

    assert await soon(sio.goodbyes.get()) == "rate limited"
    if isinstance(flooding, WebSocketClient):
        assert await flooding.websocket.closed() == Closed(1008, "rate limited")
    else:
        await flooding.ended()
    assert sio.eio.counters.flood_closed == 1
    assert sio.heard == [1, 1, 1]
    assert await quiet.ask("add", 7) == []


async def test_a_flood_is_cut_in_the_middle_of_a_segment(
    serve: Serve, transport: str
) -> None:
    sio = counting_server(**NO_REFILL)
    client = await (await serve(sio)).joined(transport)

    await client.send(*['42["add",1]'] * 5000)

    assert await soon(sio.goodbyes.get()) == "rate limited"
    assert sio.heard == [1, 1, 1]
    assert sio.eio.counters.flood_refused == 5


async def test_a_flood_of_which_a_little_is_let_through_ends_too(
    serve: Serve, transport: str
) -> None:
    sio = counting_server(events_per_second=10, events_burst=10)
    client = await (await serve(sio)).joined(transport)

    # Never more than ten in a row are refused, but far more than are heard.
    async with asyncio.timeout(PATIENCE_S):
        while sio.goodbyes.empty():
            await client.send(*['42["add",1]'] * 13)
            await refill(sio, 3)

    assert sio.goodbyes.get_nowait() == "rate limited"
    assert sio.eio.counters.flood_closed == 1


@pytest.mark.parametrize("again", ["leaving and coming back", "another namespace"])
async def test_joining_is_no_way_around_the_bound(
    serve: Serve, transport: str, again: str
) -> None:
    sio = counting_server(events_per_second=0.001, events_burst=6)
    joins: list[str] = []
    for namespace in ("/", "/other"):
        sio.on("connect", lambda sid, environ, auth: joins.append(sid), namespace=namespace)
        sio.on("add", lambda sid, number: sio.heard.append(number), namespace=namespace)
    client = await (await serve(sio)).joined(transport)

    if again == "another namespace":
        await client.send(*['42["add",1]'] * 3, "40/other,", *['42/other,["add",2]'] * 3)
    else:
        await client.send(*['42["add",1]'] * 3, "41", "40", *['42["add",2]'] * 3)

    await becomes(lambda: sio.eio.counters.flood_refused == 2, "two are too many")
    assert sio.heard == [1, 1, 1, 2] and len(joins) == 2


async def test_a_client_that_only_joins_and_leaves_is_a_flood(
    serve: Serve, transport: str
) -> None:
    sio = counting_server(**NO_REFILL)
    client = await (await serve(sio)).client(transport)

    await client.send(*["40", "41"] * 4, "40")

    packets = [await client.receive() for _ in range(5)]
    assert [str(each)[:2] for each in packets] == ["40"] * 4 + ["44"]
    assert packets[4] == '44{"message":"rate limited"}'
    assert [await soon(sio.goodbyes.get()) for _ in range(4)] == ["client disconnect"] * 4
