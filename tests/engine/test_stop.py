"""A stop tells everybody, waits for what runs, and is over soon."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from server.engine.frames import GOING_AWAY
from tests.engine.clients import NOOP, WebSocketClient, becomes, soon
from tests.engine.conftest import Serve
from tests.engine.raw_http import request_bytes
from tests.engine.rig import Rig, quiet_server


async def test_polls_are_answered_and_websockets_closed_with_a_code(serve: Serve) -> None:
    sio: Any = quiet_server()
    rig = await serve(sio)

    await all_are_told(rig, stop(sio, rig))

    assert {await soon(sio.goodbyes.get()) for _ in range(2)} == {"server disconnect"}


async def all_are_told(rig: Rig, stopping: Coroutine[Any, Any, None]) -> None:
    """A client whose poll hangs and one with a WebSocket see this stop, which then ends."""
    polling, websocket = await rig.polling(), await rig.joined("websocket")
    await polling.connect()
    await polling.polls.send(request_bytes("GET", polling.target))
    assert isinstance(websocket, WebSocketClient)
    # On another connection, so that the poll is there when it is answered.
    await polling.send("3")

    stop = asyncio.create_task(stopping)

    assert (await polling.polls.response()).packets[-1] == "1"
    assert (await websocket.websocket.closed()).code is not None
    await soon(stop)


async def stop(sio: Any, rig: Rig) -> None:
    """As the club stops: the engine first, then what aiohttp serves."""
    await sio.shutdown()
    await rig.runner.cleanup()


async def test_a_stop_does_not_wait_for_who_does_not_answer(serve: Serve) -> None:
    """Clients that hang: an idle WebSocket, a poll, half a request, a probe."""
    sio: Any = quiet_server()
    rig = await serve(sio)
    for transport in ("polling", "websocket"):
        await (await rig.client(transport)).connect()
    polling = await rig.polling()
    await polling.polls.send(request_bytes("GET", polling.target))
    probing = await rig.polling()
    await rig.websocket(sid=probing.sid)
    await (await rig.http()).send(b"GET /socket.io/?EIO=4")

    await soon(stop(sio, rig))

    assert sio.eio.sockets == {}


async def test_what_was_said_before_the_stop_arrives(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server(close_timeout=30)
    rig = await serve(sio)
    client = await rig.client(transport)
    await client.connect()

    await sio.emit("draining", 5)
    stopping = asyncio.create_task(sio.shutdown())

    assert await client.event() == ["draining", 5]
    await client.ended()
    await soon(stopping)


async def test_who_has_ended_its_polls_for_an_upgrade_is_told_over_the_websocket(
    serve: Serve,
) -> None:
    """It would not poll again, and so take the server for alive until it misses its PINGs."""
    sio: Any = quiet_server(close_timeout=30)
    rig = await serve(sio)
    client = await rig.polling()
    await client.connect()
    websocket = await rig.websocket(sid=client.sid)
    await websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    assert (await client.get()).text == NOOP

    await sio.emit("draining", 5)
    stopping = asyncio.create_task(sio.shutdown())
    await becomes(lambda: not sio.eio.sockets, "the session is closed")
    await websocket.send("5")

    assert await websocket.receive() == '42["draining",5]'
    assert (await websocket.closed()).code == GOING_AWAY
    await soon(stopping)


async def test_who_polls_on_beside_its_probe_is_told_by_a_poll(serve: Serve) -> None:
    """The answer to its probe was lost, or is late."""
    sio: Any = quiet_server(close_timeout=30)
    rig = await serve(sio)
    client = await rig.polling()
    await client.connect()
    websocket = await rig.websocket(sid=client.sid)
    await websocket.send("2probe")
    assert await websocket.receive() == "3probe"

    await sio.emit("draining", 5)
    stopping = asyncio.create_task(sio.shutdown())
    await becomes(lambda: not sio.eio.sockets, "the session is closed")

    assert (await client.get()).text == '42["draining",5]'
    assert (await client.get()).text == "1"
    assert (await websocket.closed()).code == GOING_AWAY
    await soon(stopping)


async def test_handlers_that_run_may_end(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server()
    rig = await serve(sio)
    ended = asyncio.Event()

    @sio.event
    async def disconnect(sid: str, reason: str) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        ended.set()

    await (await rig.client(transport)).connect()

    await soon(sio.shutdown())

    assert ended.is_set()


async def test_newcomers_are_refused_while_the_server_stops(serve: Serve) -> None:
    sio: Any = quiet_server()
    rig = await serve(sio)
    connection = await rig.http()
    await soon(sio.shutdown())

    response = await connection.request("GET", rig.target())

    assert response.status >= 400
    assert sio.eio.sockets == {}


async def test_an_application_that_only_attached_the_engine_stops_as_well(serve: Serve) -> None:
    """`web.run_app` knows nothing of the engine: what was attached ends with the application."""
    rig = await serve(quiet_server())

    await all_are_told(rig, rig.runner.cleanup())
