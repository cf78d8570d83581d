"""python-socketio's asyncio client in the play that `matrix.mjs` has for socket.io-client."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import socketio

Say = Callable[[dict[str, Any]], Awaitable[None]]

PATIENCE_S = 20.0
_HANDSHAKE_S = 2.0
BURST = 500
TEXT = "aéह🎮" * 30_000
BYTES = bytes((i * 7 + (i >> 8)) % 256 for i in range(300_000))


async def play(network: dict[str, Any], say: Say) -> None:
    """Connect, carry the load, come back after the server was away; `say` what happens."""
    try:
        # Without a limit, a handshake that is never answered is waited for five minutes.
        limit = aiohttp.ClientTimeout(sock_read=_HANDSHAKE_S)
        async with (
            asyncio.timeout(6 * PATIENCE_S),
            aiohttp.ClientSession(timeout=limit) as http,
        ):
            await _play(network, http, say)
    except Exception as error:
        await say({"name": network["name"], "failed": repr(error)})


async def _play(network: dict[str, Any], http: aiohttp.ClientSession, say: Say) -> None:
    sio = socketio.AsyncClient(
        reconnection_delay=0.05, reconnection_delay_max=0.2, http_session=http
    )
    heard: list[int] = []
    repeated: asyncio.Future[tuple[Any, ...]] = asyncio.get_running_loop().create_future()
    gone, back = asyncio.Event(), asyncio.Event()

    @sio.event
    async def connect() -> None:
        if gone.is_set():
            back.set()

    @sio.event
    async def disconnect() -> None:
        gone.set()

    sio.on("number", heard.append)
    sio.on("repeated", lambda *data: repeated.set_result(data))

    async def ask(event: str, data: Any = None) -> Any:
        return await sio.call(event, data, timeout=PATIENCE_S)

    await sio.connect(
        network["url"], transports=network["transports"], wait_timeout=PATIENCE_S
    )
    try:
        first = sio.sid
        assert await ask("echo", TEXT) == TEXT
        assert await ask("echo", BYTES) == BYTES
        mixed = ({"bytes": BYTES}, "aéह🎮", [b"\0\xff"])
        await sio.emit("repeat", mixed)
        assert await asyncio.wait_for(repeated, PATIENCE_S) == mixed
        await ask("burst", BURST)
        assert heard == list(range(BURST))
        for number in range(BURST):
            await sio.emit("note", number)
        assert await ask("noted") == list(range(BURST))
        await say({"name": network["name"], "settled": sio.transport()})
        # The server goes when the slowest client is ready.
        await asyncio.wait_for(gone.wait(), 4 * PATIENCE_S)
        await asyncio.wait_for(back.wait(), PATIENCE_S)
        assert sio.sid != first
        assert await ask("echo", TEXT) == TEXT
        assert await ask("echo", BYTES) == BYTES
        await say({"name": network["name"], "back": True})
    finally:
        await sio.disconnect()
