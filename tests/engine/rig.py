"""A server with the engine in it, behind one of its two doors, and clients for it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from aiohttp import web

from server.engine import EngineServer, FrontSite, make_server
from tests.engine.clients import NOOP, Client, PollingClient, WebSocketClient
from tests.engine.raw_http import RawHttp
from tests.engine.raw_websocket import RawWebSocket

# `aiohttp`: requests come through aiohttp's parser and the routes of `attach`.
# `front`: a protocol of our own in front, which hands what is not ours to aiohttp.
DOORS = ("aiohttp", "front")
TRANSPORTS = ("polling", "websocket")

# Pings that come often; a client that leaves them unanswered is still good for longer than any
# test waits. So nothing that ends with these ends by a ping timeout.
OFTEN = {"ping_interval": 0.05, "ping_timeout": 30}

# Most clients of a test go without a word, and a stop waits so long for their last poll.
_SHORT = {"close_timeout": 0.05}


class Rig:
    """A running server. Clients it made are closed with it."""

    def __init__(
        self, engine: Any, runner: web.AppRunner, path: str, door: str, tls: Any
    ) -> None:
        self.engine = engine
        self.door = door
        self.eio = getattr(engine, "eio", engine)
        self.runner = runner
        self.path = path
        self.port: int = runner.addresses[0][1]
        self.answers_pings = False
        self._client_tls = tls
        self._clients: list[Any] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        engine: Any,
        door: str,
        *,
        app: web.Application | None = None,
        tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
        **patience: float,
    ) -> AsyncIterator["Rig"]:
        """Serve `engine` (of Socket.IO, or of Engine.IO alone) on a free port.

        `tls` is the server's context and the clients'; `patience` are times of aiohttp's runner.
        """
        app = app or web.Application()
        path = "socket.io" if hasattr(engine, "eio") else "engine.io"
        engine.attach(app, path)
        # The shipped patience with running requests: a stop that needs it is a slow stop.
        runner = web.AppRunner(app, access_log=None, **{"shutdown_timeout": 60.0} | patience)
        await runner.setup()
        server_tls, client_tls = tls or (None, None)
        site: web.BaseSite
        if door == "front":
            eio = getattr(engine, "eio", engine)
            site = FrontSite(runner, eio, host="127.0.0.1", port=0, ssl_context=server_tls)
        else:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls)
        await site.start()
        rig = cls(engine, runner, f"/{path}/", door, client_tls)
        try:
            yield rig
        finally:
            await rig.leave()
            stopping = asyncio.create_task(engine.shutdown())
            await asyncio.sleep(0)
            # All have gone: the last poll of a closed session would never come.
            rig.eio.router._lingering.clear()
            await stopping
            await runner.cleanup()

    async def leave(self) -> None:
        """All clients go, without a word."""
        for client in self._clients:
            await client.close()
        self._clients.clear()

    async def http(self, local: str = "127.0.0.1") -> RawHttp:
        """A connection, from a loopback address of choice."""
        connection = await RawHttp.open(self.port, self._client_tls, local)
        self._clients.append(connection)
        return connection

    def forget(self, client: Any) -> None:
        """Somebody else closes this one."""
        self._clients.remove(client)

    def target(self, **query: str) -> str:
        """The engine's path with a query; what a client always says may be left out."""
        asked = {"EIO": "4", "transport": "polling"} | query
        return f"{self.path}?" + "&".join(f"{name}={value}" for name, value in asked.items())

    async def websocket(
        self, *, headers: Mapping[str, str] | None = None, **query: str
    ) -> RawWebSocket:
        """A WebSocket whose handshake is done. Raises: Refused."""
        target = self.target(**({"transport": "websocket"} | query))
        return await RawWebSocket.open(await self.http(), target, headers)

    async def polling(self) -> PollingClient:
        """A fresh session over polling."""
        client = PollingClient(
            await self.http(), await self.http(), self.path, answers_pings=self.answers_pings
        )
        await client.open()
        return client

    async def client(self, transport: str) -> Client:
        """A fresh Engine.IO session over a transport."""
        if transport == "polling":
            return await self.polling()
        client = WebSocketClient(await self.websocket(), answers_pings=self.answers_pings)
        await client.open()
        return client

    async def standstill(self, look: Callable[[], int]) -> int:
        """Wait until a number does not change while others are served; the number.

        For what a client could still send if the server went on reading: as many turns of the
        loop pass as a hundred questions of somebody else take.
        """
        other = await self.http()
        before, now = -1, look()
        while now != before:
            for _ in range(100):
                assert (await other.request("GET", self.target(transport="none"))).status == 400
            before, now = now, look()
        return now

    async def joined(self, transport: str) -> Client:
        """A client that is connected to Socket.IO's main namespace."""
        client = await self.client(transport)
        await client.connect()
        return client

    async def upgraded(self, session: PollingClient) -> WebSocketClient:
        """Take a polling session over to a WebSocket, as clients do."""
        websocket = await self.websocket(sid=session.sid)
        await websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        assert await session.receive() == NOOP
        await websocket.send("5")
        client = WebSocketClient(websocket, answers_pings=self.answers_pings)
        client.handshake = session.handshake
        return client


def echo_server(**options: Any) -> Any:
    """Engine.IO alone: every message comes back. `goodbyes` gets the reason of each end."""
    eio = EngineServer(**_SHORT | options)
    goodbyes: asyncio.Queue[str] = asyncio.Queue()
    eio.goodbyes = goodbyes

    @eio.on("message")
    async def echo(sid: str, data: Any) -> None:
        await eio.send(sid, data)

    @eio.on("disconnect")
    def goodbye(sid: str, reason: str) -> None:
        goodbyes.put_nowait(reason)

    return eio


def chat_server(**options: Any) -> Any:
    """Socket.IO with what the protocol's own tests ask of a server, in `/` and `/custom`:

    a newcomer is told what they said in CONNECT (`auth`), `message` comes back as `message-back`,
    and `message-with-ack` as the ack. `goodbyes` gets the reason of each end.
    """
    sio = make_server(**_SHORT | options)
    goodbyes: asyncio.Queue[str] = asyncio.Queue()
    sio.goodbyes = goodbyes

    def furnish(namespace: str) -> None:
        async def connect(sid: str, environ: Any, auth: Any) -> None:
            await sio.emit("auth", auth or {}, to=sid, namespace=namespace)

        async def message(sid: str, *arguments: Any) -> None:
            await sio.emit("message-back", arguments, to=sid, namespace=namespace)

        async def message_with_ack(sid: str, *arguments: Any) -> Any:
            return arguments

        async def disconnect(sid: str, reason: str) -> None:
            goodbyes.put_nowait(reason)

        sio.on("connect", connect, namespace=namespace)
        sio.on("message", message, namespace=namespace)
        sio.on("message-with-ack", message_with_ack, namespace=namespace)
        sio.on("disconnect", disconnect, namespace=namespace)

    furnish("/")
    furnish("/custom")
    return sio


def quiet_server(**options: Any) -> Any:
    """Socket.IO whose newcomers hear nothing but CONNECT; a test gives it what it needs."""
    sio = make_server(**_SHORT | options)
    goodbyes: asyncio.Queue[str] = asyncio.Queue()
    sio.goodbyes = goodbyes

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        pass

    @sio.event
    async def disconnect(sid: str, reason: str) -> None:
        goodbyes.put_nowait(reason)

    return sio
