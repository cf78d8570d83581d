"""The engine mounted alone, with an application that tells clients what they told it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from server.engine import FrontSite, make_server

DOORS = ("front", "aiohttp")


class EchoServer:
    """Listens at one of the engine's doors, always on the same port."""

    def __init__(self, door: str, **options: Any) -> None:
        self._door = door
        self._options = options
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, door: str, **options: Any) -> AsyncIterator["EchoServer"]:
        server = cls(door, **options)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()

    async def start(self) -> None:
        self.sio = make_server(**self._options)
        bind(self.sio)
        app = web.Application()
        self.sio.attach(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        place = {"host": "127.0.0.1", "port": self.port}
        if self._door == "front":
            self._site: web.BaseSite = FrontSite(self._runner, self.sio.eio, **place)
        else:
            self._site = web.TCPSite(self._runner, **place)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        # asyncio leaves a connection unclosed that it has accepted in the moment in which it stops
        # to listen (python/cpython#109564), so it accepts none in that moment.
        loop = asyncio.get_running_loop()
        for listening in self._site._server.sockets:  # type: ignore[union-attr]
            loop.remove_reader(listening.fileno())
        await asyncio.sleep(0)
        await self._site.stop()
        await self.sio.shutdown()
        await self._runner.cleanup()


def bind(sio: Any) -> None:
    """The application: echoes as acks and as events, counts, and notes what it is told."""
    notes: defaultdict[str, list[int]] = defaultdict(list)

    @sio.event
    async def echo(sid: str, data: Any) -> Any:
        return data

    @sio.event
    async def repeat(sid: str, *data: Any) -> None:
        await sio.emit("repeated", data, to=sid)

    @sio.event
    async def burst(sid: str, count: int) -> None:
        for number in range(count):
            await sio.emit("number", number, to=sid)

    @sio.event
    async def note(sid: str, number: int) -> None:
        notes[sid].append(number)

    @sio.event
    async def noted(sid: str, _: Any = None) -> list[int]:
        return notes[sid]
