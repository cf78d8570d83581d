"""Whoever goes, at whatever moment: the handler is told once, and nothing of the client stays."""

import asyncio
import socket
from typing import Any

from socketio.exceptions import ConnectionRefusedError as Refused

from server.engine import make_server
from tests.engine.clients import Client, becomes, forgotten, soon
from tests.engine.conftest import Serve
from tests.engine.raw_websocket import TEXT, client_frame, handshake
from tests.engine.rig import echo_server, quiet_server

# A bound that few messages reach.
SMALL = {"max_outgoing_bytes": 100_000, "max_http_buffer_size": 100_000}
PIECE = "y" * 10_000


def gated_server(**options: Any) -> Any:
    """Its connect handler says `entered` and waits for `gate`; `goodbyes` as ever."""
    sio = make_server(**options)
    sio.entered, sio.gate, sio.goodbyes = asyncio.Event(), asyncio.Event(), asyncio.Queue()

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        sio.entered.set()
        await sio.gate.wait()

    @sio.event
    async def disconnect(sid: str, reason: str) -> None:
        sio.goodbyes.put_nowait(reason)

    return sio


# While the connect handler runs.


async def test_who_goes_while_the_connect_handler_runs_is_said_goodbye(serve: Serve) -> None:
    sio = gated_server()
    client = await (await serve(sio)).client("websocket")
    await client.send("40")
    await soon(sio.entered.wait())

    await client.close()
    await becomes(lambda: not sio.eio.sockets, "the session has ended")
    sio.gate.set()

    assert await soon(sio.goodbyes.get()) == "transport close"
    await forgotten(sio)


async def test_a_refusal_that_cannot_be_said_lets_nobody_in(serve: Serve, transport: str) -> None:
    sio = make_server(close_timeout=0.1)

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        raise Refused("no", {"a set is not JSON"})

    client = await (await serve(sio)).client(transport)
    await client.send("40")

    await becomes(lambda: not sio.manager.rooms, "the client is out of the tables")


async def test_a_connect_handler_that_is_cancelled_lets_nobody_in(
    serve: Serve, transport: str
) -> None:
    sio = make_server(close_timeout=0.1)

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    client = await (await serve(sio)).client(transport)
    await client.send("40")

    assert await client.receive() == '44{"message":"Internal server error"}'
    assert not sio.manager.rooms


async def test_a_session_whose_connect_handler_is_cancelled_is_refused(serve: Serve) -> None:
    eio: Any = echo_server()

    @eio.on("connect")
    async def connect(sid: str, environ: Any) -> None:
        raise asyncio.CancelledError

    rig = await serve(eio)
    response = await (await rig.http()).request("GET", rig.target())

    assert response.status == 401
    assert not eio.sockets


async def test_what_is_kept_for_a_newcomer_is_bounded(serve: Serve) -> None:
    sio = gated_server(**SMALL)
    client = await (await serve(sio)).client("websocket")
    await client.send("40")
    await soon(sio.entered.wait())

    for _ in range(10):
        await sio.emit("news", PIECE)
    await sio.emit("cursor", PIECE, volatile=True)
    assert (sio.eio.counters.volatile_dropped, sio.eio.counters.slow_closed) == (1, 0)
    await sio.emit("news", PIECE)

    assert sio.eio.counters.slow_closed == 1
    await client.ended()
    sio.gate.set()
    await forgotten(sio)


# Right after it.


async def test_an_ack_follows_what_was_emitted_before_it(serve: Serve) -> None:
    sio = make_server(close_timeout=0.1)

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        await sio.emit("first", to=sid)

    @sio.event
    async def ask(sid: str) -> str:
        await sio.emit("second", to=sid)
        return "third"

    client = await (await serve(sio)).client("websocket")
    await client.send("40", '421["ask"]')

    assert (await client.receives(4))[1:] == ['42["first"]', '42["second"]', '431["third"]']


async def test_who_is_thrown_out_at_once_still_hears_why(serve: Serve) -> None:
    sio = make_server(close_timeout=0.1)
    errands: list[asyncio.Task[None]] = []

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        await sio.emit("banned", to=sid)
        asyncio.get_running_loop().call_soon(
            lambda: errands.append(asyncio.create_task(sio.disconnect(sid)))
        )

    client = await (await serve(sio)).client("websocket")
    await client.connect()

    assert await client.receives(2) == ['42["banned"]', "41"]


# From the server.


async def test_a_disconnect_handler_that_fails_keeps_nobody_in(
    serve: Serve, transport: str
) -> None:
    sio = make_server(close_timeout=0.1)

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None: ...

    @sio.event
    async def disconnect(sid: str, reason: str) -> None:
        raise RuntimeError("a handler's own problem")

    client = await (await serve(sio)).client(transport)
    sid = await client.connect()
    await sio.disconnect(sid)

    assert await client.receive() == "41"
    assert not sio.manager.rooms


# The slow.


async def test_many_slow_clients_end_at_once_and_each_end_is_told(serve: Serve) -> None:
    sio = quiet_server(**SMALL)
    told = []

    @sio.event
    async def disconnect(sid: str, reason: str) -> None:
        await sio.emit("left", sid)
        told.append((sid, reason))

    rig = await serve(sio)
    clients: list[Client] = [await rig.polling() for _ in range(150)]
    sids = [await client.connect() for client in clients]

    for _ in range(12):
        await sio.emit("news", PIECE)

    await forgotten(sio)
    assert sorted(told) == sorted((sid, "slow consumer") for sid in sids)


async def test_a_client_that_reads_a_little_and_then_nothing_is_slow(serve: Serve) -> None:
    sio = quiet_server()
    rig = await serve(sio)
    # Of this connection the system keeps as little as it can, on both sides.
    (site,) = rig.runner.sites
    (listening,) = site._server.sockets  # type: ignore[union-attr]
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 100_000)
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await loop.sock_connect(raw, ("127.0.0.1", rig.port))
        target = rig.target(transport="websocket")
        await loop.sock_sendall(raw, handshake(target) + client_frame(TEXT, b"40"))
        await becomes(lambda: sio.manager.size("/", None), "it has joined")
        (session,) = sio.eio.sockets.values()

        def buffered() -> int:
            return session._transport.buffered

        # It falls behind in the turn in which it takes something.
        while buffered() < 1_000_000:
            await sio.emit("news", PIECE)
        taken = 0
        while taken < 100_000:
            taken += len(raw.recv(50_000))
        await asyncio.sleep(0)
        while buffered() < 1_048_576:
            await sio.emit("news", PIECE)

        for _ in range(300):
            await sio.emit("news", PIECE)
            await asyncio.sleep(0)
            if not sio.eio.sockets:
                break

        assert await soon(sio.goodbyes.get()) == "slow consumer"


# While reading from it is paused.


async def test_a_client_whose_handlers_are_many_is_not_missed(
    serve: Serve, transport: str
) -> None:
    sio = quiet_server(ping_interval=0.05, ping_timeout=0.05, max_handlers=2)
    gate = asyncio.Event()

    @sio.event
    async def work(sid: str) -> None:
        await gate.wait()

    rig = await serve(sio)
    client = await rig.client(transport)
    await client.connect()
    sending = asyncio.create_task(client.send(*['42["work"]'] * 3, "3"))
    # Pings go on meanwhile: without them it would leave by itself.
    for _ in range(5):
        assert await client.next_packet() == "2"

    gate.set()
    await soon(sending)
    assert sio.goodbyes.empty()
    assert sio.eio.counters.ping_timeouts == 0


async def test_a_client_whose_handlers_are_many_can_answer_close(serve: Serve) -> None:
    eio: Any = echo_server(max_handlers=1, close_timeout=60)
    gate = asyncio.Event()

    @eio.on("message")
    async def work(sid: str, data: str) -> None:
        await gate.wait()

    client = await (await serve(eio)).client("websocket")
    await client.send("4one", "4two", "4three")
    await becomes(lambda: eio.counters.reading_paused, "reading is paused")

    await eio.disconnect(client.sid)

    # It waits for the end of the connection, which the answer brings.
    await client.ended()
    gate.set()
