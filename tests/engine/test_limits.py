"""What a client may use: past each bound there is a clear answer, a count, and others go on."""

import asyncio
import contextlib
import json
from typing import Any

import pytest

from tests.club import until
from tests.engine.clients import Client, PollingClient, soon
from tests.engine.conftest import Serve
from tests.engine.raw_http import request_bytes
from tests.engine.raw_websocket import Refused
from tests.engine.rig import Rig, quiet_server


async def joined(rig: Rig, transport: str) -> tuple[Client, str]:
    client = await rig.client(transport)
    return client, await client.connect()


# So slow a refill that none comes during a test.
FLOOD = {"events_per_second": 0.001, "events_burst": 3}


async def test_events_past_the_burst_are_refused_by_their_ack(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server(**FLOOD)
    heard: list[int] = []
    sio.on("add", lambda sid, number: heard.append(number))
    client, _ = await joined(await serve(sio), transport)

    await client.send(*(f'42{number}["add",{number}]' for number in range(5)))

    assert await client.receives(3) == ["430[]", "431[]", "432[]"]
    for number in (3, 4):
        packet = str(await client.receive())
        assert packet.startswith(f"43{number}[")
        refusal = json.loads(packet[3:])[0]
        assert refusal["success"] is False and refusal["code"] == "rate_limited"
        assert refusal["error"]
    assert heard == [0, 1, 2]
    assert sio.eio.counters.flood_refused == 2
    assert sio.goodbyes.empty()


async def test_a_flood_that_does_not_stop_is_ended(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server(**FLOOD)
    heard: list[int] = []
    sio.on("add", lambda sid, number: heard.append(number))
    rig = await serve(sio)
    client, _ = await joined(rig, transport)
    quiet, _ = await joined(rig, transport)

    await client.send(*(f'42["add",{number}]' for number in range(20)))

    assert await soon(sio.goodbyes.get()) == "rate limited"
    await client.ended()
    assert heard == [0, 1, 2]
    assert sio.eio.counters.flood_closed == 1
    await quiet.emit("add", 7)
    await until(lambda: _async(7 in heard), "the other is heard")


async def _async(value: bool) -> bool:
    return value


async def test_handlers_past_the_bound_wait_their_turn(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server(max_handlers=2)
    started: list[int] = []
    go_on = asyncio.Event()

    @sio.event
    async def work(sid: str, number: int) -> int:
        started.append(number)
        await go_on.wait()
        return number

    client, _ = await joined(await serve(sio), transport)

    sending = asyncio.create_task(
        client.send(*(f'42{number}["work",{number}]' for number in range(6)))
    )
    await until(lambda: _async(sio.eio.counters.reading_paused > 0), "reading pauses")
    assert started == [0, 1]
    go_on.set()
    await soon(sending)

    assert sorted(map(str, await client.receives(6))) == [f"43{n}[{n}]" for n in range(6)]
    assert started == [0, 1, 2, 3, 4, 5]


async def test_a_session_that_waits_for_its_handlers_can_be_ended(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server(max_handlers=1)
    go_on = asyncio.Event()

    @sio.event
    async def work(sid: str, number: int) -> None:
        await go_on.wait()

    client, sid = await joined(await serve(sio), transport)
    sending = asyncio.create_task(client.send('42["work",1]', '42["work",2]'))
    await until(lambda: _async(sio.eio.counters.reading_paused > 0), "reading pauses")

    await sio.emit("goodbye", to=sid)
    await soon(sio.eio.disconnect(client.sid))

    # Nobody is left waiting: neither the application, nor a POST that hung.
    with contextlib.suppress(AssertionError):
        await soon(sending)
    assert await soon(sio.goodbyes.get()) == "server disconnect"
    go_on.set()


async def refused(rig: Rig, transport: str) -> Any:
    """The answer to a handshake that is refused."""
    if transport == "polling":
        connection = await rig.http()
        return await connection.request("GET", rig.target())
    with pytest.raises(Refused) as refusal:
        await rig.websocket()
    return refusal.value.response


async def test_sessions_of_one_address_are_bounded(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server(max_sessions_per_address=3)
    rig = await serve(sio)
    clients = [await rig.client(transport) for _ in range(3)]

    response = await refused(rig, transport)

    assert response.status == 429
    assert sio.eio.counters.refused_address == 1
    # Somebody else is let in, and so is the next one once a place is free.
    elsewhere = await rig.http(local="127.0.0.2")
    assert (await elsewhere.request("GET", rig.target())).status == 200
    await clients[0].send("1")
    await clients[0].ended()
    assert await rig.client(transport)


async def test_handshakes_of_one_address_are_bounded(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server(handshakes_per_second=0.1, handshakes_burst=2)
    rig = await serve(sio)
    for _ in range(2):
        client = await rig.client(transport)
        await client.send("1")

    response = await refused(rig, transport)

    assert response.status == 429
    # One in ten seconds.
    assert 1 <= int(response.headers["retry-after"]) <= 10
    assert sio.eio.counters.refused_handshakes == 1
    elsewhere = await rig.http(local="127.0.0.2")
    assert (await elsewhere.request("GET", rig.target())).status == 200


async def test_five_hundred_clients_of_one_address_are_served(serve: Serve) -> None:
    """A whole club sits behind one address."""
    sio: Any = quiet_server()
    rig = await serve(sio)
    clients = [await rig.client("websocket") for _ in range(500)]
    for client in clients:
        await client.connect()

    await sio.emit("hello", "everybody")

    for client in clients:
        assert await client.event() == ["hello", "everybody"]


async def test_half_a_request_is_not_waited_for_for_ever() -> None:
    """At the front door; aiohttp's has times of its own."""
    sio: Any = quiet_server(head_timeout=0.2, body_timeout=0.2)
    async with Rig.open(sio, "front") as rig:
        session = await rig.polling()
        request = request_bytes("POST", session.target, "40")

        head = await rig.http()
        await head.send(request[:50])
        body = await rig.http()
        await body.send(request[:-1])

        assert b"200" not in await head.rest()
        assert b"200" not in await body.rest()
        assert sio.eio.counters.requests_timed_out == 2


@pytest.mark.parametrize("size", [20_000, 200_000])
async def test_a_head_without_end_is_refused(serve: Serve, size: int) -> None:
    rig = await serve(quiet_server())
    connection = await rig.http()
    await connection.send(b"GET " + rig.target().encode() + b" HTTP/1.1\r\nCookie: " + b"x" * size)

    answer = await connection.rest()

    assert answer == b"" or answer.split()[1] in (b"400", b"431")
    assert (await rig.polling()).sid


async def test_bounds_are_numbers_above_zero() -> None:
    for name in ("max_outgoing_bytes", "max_handlers", "connect_timeout", "events_burst"):
        with pytest.raises(ValueError, match=name):
            quiet_server(**{name: 0})


async def test_a_polling_session_that_never_comes_back_is_forgotten(serve: Serve) -> None:
    sio: Any = quiet_server(ping_interval=0.1, ping_timeout=0.1)
    rig = await serve(sio)
    for _ in range(50):
        session = PollingClient(await rig.http(), await rig.http(), rig.path, answers_pings=False)
        await session.open()

    async def forgotten() -> bool:
        return not sio.eio.sockets

    await until(forgotten, "all sessions are forgotten")
    assert sio.eio.counters.ping_timeouts == 50
    assert sio.environ == {}
