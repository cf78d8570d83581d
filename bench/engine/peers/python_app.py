"""The application of the two Python peers, and the side channel that steers it.

The side channel is the same for all peers. A line on standard output, ``{"port": N}``, says that
the peer serves; then each line on standard input is a command, answered with a line of JSON:

    fanout N     tell everybody, N times       targeted N   tell one room, N times, room by room
    clients      how many are connected        collect      run the garbage collector

The peer ends with its standard input, so that none outlives the bench.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import socketio
import uvloop
from aiohttp import web

# The bench connects at most this many for the figures that use rooms.
ROOMS = 1000
# Emits between two turns of the event loop: a handler rarely makes more.
_A_TURN = 20
BACKLOG = 4096

Serve = Callable[[web.AppRunner], Awaitable[int]]


class Members:
    """Who is connected: each new client is put into the next user's room."""

    def __init__(self, sio: socketio.AsyncServer) -> None:
        self.count = 0
        self._sio = sio
        self._next = 0
        sio.on("connect", self._connect)
        sio.on("disconnect", self._disconnect)
        sio.on("echo", self._echo)

    async def _connect(self, sid: str, environ: dict[str, Any], auth: object) -> None:
        await self._sio.enter_room(sid, f"user:{self._next % ROOMS}")
        self._next += 1
        self.count += 1

    async def _disconnect(self, sid: str, reason: str) -> None:
        self.count -= 1

    async def _echo(self, sid: str, data: object) -> object:
        return data


def _news() -> dict[str, Any]:
    return {"at": time.monotonic_ns(), "text": "somebody won a thing of an ordinary name"}


async def _post(request: web.Request) -> web.Response:
    body = await request.json()
    sio: socketio.AsyncServer = request.app["sio"]
    await sio.emit("news", body, room=f"user:{request.match_info['room']}")
    return web.json_response({"success": True})


async def _carry_out(sio: socketio.AsyncServer, members: Members, line: str) -> dict[str, Any]:
    command, _, argument = line.partition(" ")
    if command == "fanout":
        for _ in range(int(argument)):
            await sio.emit("news", _news())
            await asyncio.sleep(0)
    elif command == "targeted":
        for number in range(int(argument)):
            await sio.emit("news", _news(), room=f"user:{number % ROOMS}")
            if number % _A_TURN == 0:
                await asyncio.sleep(0)
    elif command == "collect":
        gc.collect()
    elif command != "clients":
        raise ValueError(line)
    return {"clients": members.count}


async def _serve(sio: socketio.AsyncServer, serve: Serve) -> None:
    app = web.Application()
    app["sio"] = sio
    app.router.add_post("/rooms/{room}", _post)
    members = Members(sio)
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    print(json.dumps({"port": await serve(runner)}), flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    while line := await lines.readline():
        print(json.dumps(await _carry_out(sio, members, line.decode().strip())), flush=True)


def run(make: Callable[[], tuple[socketio.AsyncServer, Serve]]) -> None:
    """Serve on a port of the system's choice until standard input ends."""

    async def main() -> None:
        await _serve(*make())

    uvloop.run(main())
