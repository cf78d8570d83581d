"""The front door: answers the transport's requests before aiohttp has parsed anything.

What asks for the transport's path is answered here; every other connection is handed to aiohttp
once its first head is there, and stays with it: a later request for the transport on that
connection comes through the aiohttp door. It saves most of what a poll costs; nothing depends on
it.
"""

import asyncio
from typing import Any

from aiohttp import web

from server.engine.engineio_server import EngineServer
from server.engine.http_connection import HttpConnection
from server.engine.wheel import Wheel

_METHODS = ("GET", "POST", "OPTIONS", "HEAD", "PUT", "DELETE", "PATCH")
_TICK_S = 1.0


class FrontSite(web.TCPSite):
    """A TCP site of an aiohttp runner with the engine in front of it.

    `web.TCPSite` with one argument more. `backlog` is 4096 unless said: a club that comes back
    after a restart comes at once.
    """

    __slots__ = ("_front",)

    def __init__(
        self, runner: web.BaseRunner, server: EngineServer, *args: Any, **options: Any
    ) -> None:
        super().__init__(runner, *args, **{"backlog": 4096} | options)
        assert runner.server is not None
        self._front = Front(server, runner.server)

    async def start(self) -> None:
        await web.BaseSite.start(self)
        self._server = await asyncio.get_running_loop().create_server(
            self._front,
            self._host,
            self._port,
            ssl=self._ssl_context,
            backlog=self._backlog,
            reuse_address=self._reuse_address,
            reuse_port=self._reuse_port,
        )
        self._bound_port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        await super().stop()
        self._front.stop()


class Front:
    """What the connections of one site share; calling it makes one."""

    def __init__(self, server: EngineServer, application: Any) -> None:
        self.server = server
        self.application = application
        self.wheel = Wheel(_TICK_S)
        self.connections: set[HttpConnection] = set()
        path = server.path.encode()
        starts = [method.encode() + b" " + path for method in _METHODS]
        self._ours = tuple(start + end for start in starts for end in (b" ", b"?"))

    def __call__(self) -> HttpConnection:
        return HttpConnection(self)

    def is_ours(self, head: bytes) -> bool:
        """Whether a request that begins so is for the transport."""
        return head.startswith(self._ours)

    def stop(self) -> None:
        for connection in list(self.connections):
            connection.stop()
        self.wheel.stop()
