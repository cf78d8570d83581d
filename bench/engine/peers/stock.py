"""Stock python-socketio on aiohttp and uvloop."""

import socketio
from aiohttp import web

from bench.engine.peers.python_app import BACKLOG, Serve, run


def _make() -> tuple[socketio.AsyncServer, Serve]:
    async def serve(runner: web.AppRunner) -> int:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=BACKLOG).start()
        port: int = runner.addresses[0][1]
        return port

    return socketio.AsyncServer(async_mode="aiohttp"), serve


run(_make)
