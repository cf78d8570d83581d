"""What the doors lean on in aiohttp, as test_seams.py has it of the other libraries."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from server.engine import EngineServer, FrontSite
from tests.engine.clients import becomes, soon
from tests.engine.raw_http import RawHttp
from tests.engine.raw_websocket import TEXT, client_frame, handshake
from tests.engine.seams import AIOHTTP_DOOR, FRONT, moved


@asynccontextmanager
async def aiohttp_serves(
    handler: Callable[[web.Request], Any],
) -> AsyncIterator[tuple[web.AppRunner, RawHttp]]:
    """aiohttp without the engine, and a connection to it."""
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    http = await RawHttp.open(runner.addresses[0][1])
    try:
        yield runner, http
    finally:
        await http.close()
        await runner.cleanup()


async def test_aiohttp_keeps_what_came_with_an_upgrade() -> None:
    tails: asyncio.Queue[Any] = asyncio.Queue()

    async def handler(request: web.Request) -> web.Response:
        tails.put_nowait(getattr(request.protocol, "_message_tail", None))
        return web.Response()

    first = client_frame(TEXT, b"40")
    async with aiohttp_serves(handler) as (_, http):
        await http.send(handshake("/") + first)

        assert await soon(tails.get()) == first, moved(
            "aiohttp's RequestHandler._message_tail", AIOHTTP_DOOR
        )


async def test_aiohttp_lets_go_of_a_connection_that_is_taken_from_it() -> None:
    class Own(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            taken.write(b"own:" + data)

    class Taken(web.StreamResponse):
        async def prepare(self, request: Any) -> Any:
            return None

        async def write_eof(self, data: Any = b"") -> None:
            return None

    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    taken: asyncio.Transport

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal taken
        protocol: Any = request.protocol
        assert request.transport is not None
        taken = request.transport
        taken.set_protocol(Own())
        protocol.transport = None
        protocol.connection_lost(None)
        taken.write(b"taken;")
        return Taken()

    try:
        async with aiohttp_serves(handler) as (runner, http):
            await http.send(handshake("/"))
            assert runner.server is not None
            server = runner.server
            lets_go = moved("aiohttp's RequestHandler.connection_lost", AIOHTTP_DOOR)
            await becomes(lambda: not server.connections, lets_go)
            await http.send(b"hello")
            read = http.reader.readexactly(len(b"taken;own:hello"))

            # Nothing of aiohttp's is written before it, after it, or in between.
            assert await soon(read) == b"taken;own:hello", moved(
                "aiohttp's RequestHandler.connection_lost, or that a response whose prepare and "
                "write_eof do nothing counts as sent,",
                AIOHTTP_DOOR,
            )
            taken.abort()
        assert not problems, moved("aiohttp's silence about a connection taken", AIOHTTP_DOOR)
    finally:
        asyncio.get_running_loop().set_exception_handler(None)


async def test_a_site_is_built_of_what_tcp_site_keeps() -> None:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="aiohttp's own")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    tcp_site = web.TCPSite(runner, "127.0.0.1", 0, backlog=7, reuse_address=True)
    for name in ("_host", "_port", "_ssl_context", "_backlog", "_reuse_address", "_reuse_port"):
        assert hasattr(tcp_site, name), moved(f"aiohttp's TCPSite.{name}", FRONT)
    try:
        await FrontSite(runner, EngineServer(), "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        assert port, moved("aiohttp's TCPSite._bound_port or BaseSite._server", FRONT)
        http = await RawHttp.open(port)
        response = await http.request("GET", "/")
        await http.close()
        assert response.text == "aiohttp's own", moved(
            "that aiohttp's Server makes a protocol which takes a connection over", FRONT
        )
    finally:
        await runner.cleanup()
