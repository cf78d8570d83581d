"""SIGTERM while many are there: everybody is told when to come back, and it is over soon."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.embedded_postgres import EmbeddedPostgres
from tests.conftest import database_of
from tests.engine.clients import PollingClient, WebSocketClient
from tests.engine.raw_http import RawHttp, request_bytes
from tests.engine.raw_websocket import CLOSE, RawWebSocket
from tests.process.server import STOP_S, Server

PATH = "/socket.io/"
# What is promised with a thousand clients of each transport, on a machine that has the time.
CROWD_STOP_S = 2.0


@pytest.fixture
async def server(
    postgres: EmbeddedPostgres, template: str, tmp_path: Path
) -> AsyncIterator[Server]:
    async with database_of(postgres, template, "stop_crowd") as dsn:
        # All clients of this test have one address.
        bounds = {"engine_max_sessions_per_address": 5000, "engine_handshakes_burst": 5000}
        with Server(tmp_path / "var", database_url=dsn, **bounds) as server:
            yield server.ready()


async def polling(port: int) -> PollingClient:
    """An anonymous client whose poll hangs."""
    polls = await RawHttp.open(port)
    client = PollingClient(polls, polls, PATH, answers_pings=False)
    await client.open()
    await client.connect()
    await polls.send(request_bytes("GET", client.target))
    return client


async def websocket(port: int) -> WebSocketClient:
    target = f"{PATH}?EIO=4&transport=websocket"
    raw = await RawWebSocket.open(await RawHttp.open(port), target)
    client = WebSocketClient(raw, answers_pings=False)
    await client.open()
    await client.connect()
    return client


def draining(packets: list[str]) -> list[Any]:
    """The payloads of `server:draining` among Engine.IO packets."""
    events = [json.loads(each[2:]) for each in packets if each.startswith("42")]
    return [event[1] for event in events if event[0] == "server:draining"]


async def end_of_poll(client: PollingClient) -> list[Any]:
    """What a client hears from its hanging poll on, polling as long as it is answered."""
    packets: list[str] = []
    response = await client.polls.response()
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while response.status == 200 and "1" not in response.packets:
            packets += response.packets
            response = await client.get()
    return draining(packets)


async def end_of_websocket(client: WebSocketClient) -> list[Any]:
    """What a client hears up to CLOSE, which has to come."""
    packets = []
    while (frame := await client.websocket.frame()).opcode != CLOSE:
        packets.append(frame.payload.decode())
    await client.websocket.send_frame(CLOSE, frame.payload[:2])
    assert await client.websocket.http.rest() == b""
    return draining(packets)


async def stop_with(server: Server, count: int) -> float:
    """Stop with so many clients of each transport, all of whom have to be told; seconds."""
    polls = [await polling(server.port) for _ in range(count)]
    websockets = [await websocket(server.port) for _ in range(count)]
    stopping = asyncio.create_task(asyncio.to_thread(server.stop))
    endings = [end_of_poll(each) for each in polls]
    endings += [end_of_websocket(each) for each in websockets]

    heard = await asyncio.gather(*endings)

    took_s = await stopping
    for client in (*polls, *websockets):
        await client.close()
    assert {len(each) for each in heard} == {1}, "somebody was not told, or twice"
    delays_ms = [payload["reconnectInMs"] for (payload,) in heard]
    assert all(500 <= delay <= 3000 for delay in delays_ms)
    assert len(set(delays_ms)) > count / 2, "they would all come back at once"
    assert not [line for line in server.log_lines() if line["level"] in ("error", "critical")]
    return took_s


async def test_everybody_is_told_and_the_process_ends(server: Server) -> None:
    await stop_with(server, 100)


async def test_one_who_is_gone_and_one_who_does_not_answer_hold_nobody_up(
    server: Server,
) -> None:
    """A client that does not poll, and a WebSocket that never answers CLOSE."""
    deaf = await websocket(server.port)
    connection = await RawHttp.open(server.port)
    away = PollingClient(connection, connection, PATH, answers_pings=False)
    await away.open()
    await away.connect()

    took_s = await stop_with(server, 10)

    await deaf.close()
    await away.close()
    assert took_s < STOP_S


@pytest.mark.long
async def test_a_thousand_of_each_transport_are_told_in_less_than_two_seconds(
    server: Server,
) -> None:
    assert await stop_with(server, 1000) < CROWD_STOP_S
