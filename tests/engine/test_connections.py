"""Connections whose clients ask and do not read, read slowly, or break off: nothing grows."""

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web

from server.engine import EngineServer
from tests.club import until
from tests.engine.clients import becomes, soon
from tests.engine.conftest import Serve
from tests.engine.raw_http import RawHttp, request_bytes
from tests.engine.raw_websocket import TEXT, client_frame, handshake
from tests.engine.rig import Rig, echo_server, quiet_server


def small_buffers(rig: Rig) -> socket.socket:
    """A socket, yet to be connected, of which the system keeps as little as it can."""
    for site in rig.runner.sites:
        for listening in site._server.sockets:  # type: ignore[union-attr]
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    return client


async def test_who_asks_on_and_on_and_reads_nothing_is_not_heard(serve: Serve) -> None:
    rig = await serve(echo_server())
    loop = asyncio.get_running_loop()
    # More in the question than in the answer: it is the answers that must be bounded.
    headers = {"X-Padding": "x" * 4000}
    requests = request_bytes("GET", rig.target(transport="none"), headers=headers) * 20

    sent = 0

    async def ask() -> None:
        nonlocal sent
        while True:
            await loop.sock_sendall(client, requests)
            sent += len(requests)

    with small_buffers(rig) as client:
        await loop.sock_connect(client, ("127.0.0.1", rig.port))
        asking = asyncio.create_task(ask())
        # What the system keeps on the way to the server is all that can be said to it.
        await soon(rig.standstill(lambda: sent))
        asking.cancel()
        await asyncio.wait([asking])
        assert await soon(loop.sock_recv(client, 12)) == b"HTTP/1.1 400"


async def test_answers_not_read_are_no_way_around_the_bound_of_a_websocket(serve: Serve) -> None:
    sio: Any = quiet_server()
    rig = await serve(sio)
    loop = asyncio.get_running_loop()
    polling = await rig.polling()
    await polling.connect()
    with small_buffers(rig) as client:
        await loop.sock_connect(client, ("127.0.0.1", rig.port))
        await loop.sock_sendall(client, request_bytes("GET", polling.target))
        await sio.emit("news", "y" * 900_000)
        fresh = rig.target(transport="websocket")
        await loop.sock_sendall(client, handshake(fresh) + client_frame(TEXT, b"40"))

        async def told() -> bool:
            # The second session, if there is one, must be found slow like any other.
            await sio.emit("news", "y" * 100_000)
            return not sio.eio.sockets

        await until(told, "both sessions have ended")


async def test_a_last_answer_is_given_whole_however_slowly_it_is_read(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.engine.http_connection._CLOSING_S", 0.25)
    eio: Any = echo_server()
    rig = await serve(eio)
    loop = asyncio.get_running_loop()
    polling = await rig.polling()
    await eio.send(polling.sid, "x" * 300_000)
    with small_buffers(rig) as client:
        await loop.sock_connect(client, ("127.0.0.1", rig.port))
        headers = {"Connection": "close"}
        await loop.sock_sendall(client, request_bytes("GET", polling.target, headers=headers))
        answer = b""
        while piece := await soon(loop.sock_recv(client, 16_384)):
            answer += piece
            await asyncio.sleep(0.01)

    assert answer.endswith(b"4" + b"x" * 300_000)


async def test_a_body_in_broken_chunks_ends_the_session(serve: Serve) -> None:
    eio: Any = echo_server()
    session = await (await serve(eio)).polling()

    head = request_bytes("POST", session.target, headers={"Transfer-Encoding": "chunked"})
    # In two segments: aiohttp does not begin with a request whose first bytes are broken.
    await session.posts.send(head + b"1\r\n4\r\n", b"no number\r\n")
    await session.posts.close()

    assert await soon(eio.goodbyes.get()) == "transport error"


async def test_who_goes_during_the_handshake_is_forgotten_where_handlers_are_cancelled() -> None:
    eio = EngineServer()
    entered, gate = asyncio.Event(), asyncio.Event()

    @eio.on("connect")
    async def connect(sid: str, environ: Any) -> None:
        entered.set()
        await gate.wait()

    app = web.Application()
    eio.attach(app)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        http = await RawHttp.open(runner.addresses[0][1])
        await http.send(handshake("/engine.io/?EIO=4&transport=websocket"))
        await soon(entered.wait())
        await http.close()
        # The server's own side of the connection ends a moment later.
        server = runner.server
        assert server is not None
        await becomes(lambda: not server.connections, "the client has gone")
        gate.set()
        await becomes(lambda: not eio.sockets, "the session is forgotten")
    finally:
        await runner.cleanup()
