"""Our engine behind its front door, with its bounds and without recovery."""

import socketio
from aiohttp import web

from bench.engine.peers.python_app import BACKLOG, Serve, run
from server.engine import FrontSite, make_server


def _make() -> tuple[socketio.AsyncServer, Serve]:
    sio = make_server(recovery=None, keep_environ=False)

    async def serve(runner: web.AppRunner) -> int:
        await FrontSite(runner, sio.eio, host="127.0.0.1", port=0, backlog=BACKLOG).start()
        port: int = runner.addresses[0][1]
        return port

    return sio, serve


run(_make)
