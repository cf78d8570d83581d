"""How many sessions one address may have, and how fast it may open them."""

import asyncio
from typing import Any

import pytest

from server.engine import Request
from tests.engine.clients import PollingClient
from tests.engine.conftest import Serve
from tests.engine.raw_websocket import Refused
from tests.engine.rig import DOORS, TRANSPORTS, Rig, quiet_server

ELSEWHERE = "127.0.0.2"


async def handshake(rig: Rig, transport: str, local: str = "127.0.0.1", **headers: str) -> Any:
    """The answer to a handshake from a loopback address."""
    if transport == "polling":
        connection = await rig.http(local)
        return await connection.request("GET", rig.target(), headers=headers)
    try:
        return (await rig.websocket(headers=headers)).response
    except Refused as refused:
        return refused.response


def welcome(transport: str) -> int:
    return 200 if transport == "polling" else 101


async def test_sessions_of_one_address_are_bounded_and_those_of_another_are_not_touched(
    serve: Serve, transport: str
) -> None:
    rig = await serve(quiet_server(max_sessions_per_address=3))
    clients = [await rig.client(transport) for _ in range(3)]

    refused = await handshake(rig, transport)

    assert refused.status == 429
    assert int(refused.headers["retry-after"]) > 0
    assert refused.headers["cache-control"] == "no-store"
    assert rig.eio.counters.refused_address == 1
    assert rig.eio.counters.refused_handshakes == 0
    assert len(rig.eio.sockets) == 3
    elsewhere = await rig.http(ELSEWHERE)
    assert (await elsewhere.request("GET", rig.target())).status == 200
    # Those who are in stay in.
    for client in clients:
        await client.connect()


@pytest.mark.parametrize("how", ["its own goodbye", "the server's", "a breach", "a hang-up"])
async def test_a_session_that_ended_makes_room_however_it_ended(
    serve: Serve, transport: str, how: str
) -> None:
    rig = await serve(quiet_server(max_sessions_per_address=1, ping_interval=0.1, ping_timeout=0.1))
    client = await rig.client(transport)
    assert (await handshake(rig, transport)).status == 429

    if how == "its own goodbye":
        await client.send("1")
    elif how == "the server's":
        await rig.eio.disconnect(client.sid)
    elif how == "a breach" and isinstance(client, PollingClient):
        await client.post("9")
    elif how == "a breach":
        await client.send("9")
    else:
        await client.close()

    # A hang-up of a polling client shows in its missing pongs, the others at once.
    while rig.eio.sockets:
        refused = await handshake(rig, transport)
        assert refused.status in (429, welcome(transport))
        if refused.status != 429:
            break
    else:
        assert (await handshake(rig, transport)).status == welcome(transport)


async def test_a_session_refused_by_the_application_takes_no_room(serve: Serve) -> None:
    sio: Any = quiet_server(max_sessions_per_address=1)
    rig = await serve(sio)
    sio.eio.on("connect", lambda sid, environ: False)
    for _ in range(3):
        assert (await handshake(rig, "polling")).status == 401
    sio.eio.on("connect", lambda sid, environ: True)

    assert (await handshake(rig, "polling")).status == 200


async def test_a_handshake_that_is_no_websockets_takes_no_room(serve: Serve) -> None:
    rig = await serve(quiet_server(max_sessions_per_address=1))
    for _ in range(3):
        wrong = {"Sec-WebSocket-Version": "8"}
        assert (await handshake(rig, "websocket", **wrong)).status == 426

    assert (await handshake(rig, "websocket")).status == 101


async def test_handshakes_of_one_address_are_bounded_in_time(
    serve: Serve, transport: str
) -> None:
    # One in ten seconds.
    rig = await serve(quiet_server(handshakes_per_second=0.1, handshakes_burst=2))
    for _ in range(2):
        await (await rig.client(transport)).send("1")

    refused = await handshake(rig, transport)

    assert refused.status == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 10
    assert rig.eio.counters.refused_handshakes == 1
    assert rig.eio.counters.refused_address == 0
    elsewhere = await rig.http(ELSEWHERE)
    assert (await elsewhere.request("GET", rig.target())).status == 200


async def wait_and_come_in(door: str, transport: str) -> None:
    bounds = {"handshakes_per_second": 0.7, "handshakes_burst": 1}
    async with Rig.open(quiet_server(**bounds), door) as rig:
        await rig.client(transport)
        refused = await handshake(rig, transport)
        assert refused.status == 429

        await asyncio.sleep(int(refused.headers["retry-after"]))

        assert (await handshake(rig, transport)).status == welcome(transport)


async def test_a_client_that_waits_as_long_as_it_is_told_is_let_in() -> None:
    """At both doors and over both transports, at once: what they are told is whole seconds."""
    await asyncio.gather(*(wait_and_come_in(door, how) for door in DOORS for how in TRANSPORTS))


async def test_upgrades_are_no_new_sessions(serve: Serve) -> None:
    rig = await serve(quiet_server(max_sessions_per_address=1, handshakes_burst=1))
    client = await rig.upgraded(await rig.polling())

    await client.connect()

    assert rig.eio.counters.refused_address == 0


async def test_the_address_is_whatever_the_application_says(
    serve: Serve, transport: str
) -> None:
    """Behind a proxy all connections come from one address."""

    def client_address(request: Request) -> str:
        return request.headers.get("x-forwarded-for", request.peer)

    rig = await serve(quiet_server(max_sessions_per_address=1, client_address=client_address))
    first, second = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}

    assert (await handshake(rig, transport, **first)).status == welcome(transport)
    assert (await handshake(rig, transport, **first)).status == 429
    assert (await handshake(rig, transport, **second)).status == welcome(transport)


async def test_addresses_of_one_ipv6_network_count_as_one(serve: Serve, transport: str) -> None:
    def client_address(request: Request) -> str:
        return request.headers["x-forwarded-for"]

    rig = await serve(quiet_server(max_sessions_per_address=2, client_address=client_address))
    places = [
        ("2001:db8::1", welcome(transport)),
        ("2001:db8::2", welcome(transport)),
        ("2001:db8:0:0:ffff::3", 429),
        ("2001:db8:0:1::1", welcome(transport)),
    ]
    for address, status in places:
        answer = await handshake(rig, transport, **{"X-Forwarded-For": address})
        assert answer.status == status, address


async def test_five_hundred_clients_of_one_address_are_served_like_any_others(
    serve: Serve, transport: str
) -> None:
    """A whole club sits behind one address; the bounds are those that ship."""
    sio: Any = quiet_server()
    sio.on("say", lambda sid, what: what)
    rig = await serve(sio)
    clients = [await rig.joined(transport) for _ in range(500)]

    await sio.emit("hello", "everybody")

    for number, client in enumerate(clients):
        assert await client.event() == ["hello", "everybody"]
        assert await client.ask("say", number) == [number]
    assert len(sio.eio.sockets) == 500
    assert sio.goodbyes.empty()
    assert sio.eio.counters.refused_address == sio.eio.counters.refused_handshakes == 0
