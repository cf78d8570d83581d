"""A server in a process of its own, and crowds of clients for it that cost next to nothing."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.club import PATIENCE_S
from tests.engine.clients import PollingClient, WebSocketClient
from tests.engine.raw_http import RawHttp
from tests.engine.raw_websocket import TEXT, RawWebSocket, client_frame, handshake

REPOSITORY = Path(__file__).parents[2]
PATH = "/socket.io/"
WEBSOCKET = f"{PATH}?EIO=4&transport=websocket"
POLLING = f"{PATH}?EIO=4&transport=polling"
# Work for a whole crowd takes longer than what one client waits for.
CROWD_PATIENCE_S = 20 * PATIENCE_S


class Crowd:
    """The server, and who has come to it. Memory is in bytes."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port
        self._sockets: list[socket.socket] = []
        self._clients: list[Any] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, **options: Any) -> AsyncIterator["Crowd"]:
        """Start a server with these options of `make_server`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.engine.crowd_server",
            json.dumps(options),
            cwd=REPOSITORY,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        crowd = cls(process, 0)
        crowd.port = await crowd.ask("port")
        try:
            yield crowd
        finally:
            crowd.leave()
            for client in crowd._clients:
                await client.close()
            assert process.stdin is not None
            process.stdin.close()
            async with asyncio.timeout(PATIENCE_S):
                assert await process.wait() == 0

    async def ask(self, command: str, *arguments: Any) -> Any:
        """Have the server do something; what it says."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps([command, *arguments]).encode() + b"\n")
        async with asyncio.timeout(CROWD_PATIENCE_S):
            return json.loads(await stdout.readline())

    async def until(self, **values: Any) -> dict[str, Any]:
        """Wait for a state of the server; the state."""
        async with asyncio.timeout(CROWD_PATIENCE_S):
            while True:
                state: dict[str, Any] = await self.ask("state")
                if values.items() <= state.items():
                    return state
                await asyncio.sleep(0.05)

    def connection(self) -> socket.socket:
        """One that takes little and reads nothing by itself."""
        connection = socket.socket()
        # Else the kernel would take megabytes for a client that does not.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(PATIENCE_S)
        connection.connect(("127.0.0.1", self.port))
        self._sockets.append(connection)
        return connection

    async def handshake(self, connection: socket.socket | None = None) -> socket.socket:
        """A WebSocket that is open, and says nothing."""
        connection = connection or self.connection()
        await asyncio.to_thread(connection.sendall, handshake(WEBSOCKET))
        answer = await asyncio.to_thread(connection.recv, 1000)
        assert answer.startswith(b"HTTP/1.1 101"), answer
        return connection

    async def deaf_websockets(self, count: int) -> None:
        """Clients that are in, and never read."""
        for _ in range(count):
            (await self.handshake()).sendall(client_frame(TEXT, b"40"))

    async def silent_polls(self, count: int, *, connected: bool = False) -> list[str]:
        """Sessions whose poll never comes, opened over few connections; their ids."""
        sids = []
        connection = await RawHttp.open(self.port)
        self._clients.append(connection)
        for _ in range(count):
            response = await connection.request("GET", POLLING)
            assert response.status == 200, response
            sids.append(json.loads(response.text[1:])["sid"])
            if connected:
                target = f"{POLLING}&sid={sids[-1]}"
                assert (await connection.request("POST", target, "40")).text == "ok"
        return sids

    async def websocket(self) -> WebSocketClient:
        """One that reads and answers."""
        raw = await RawWebSocket.open(await RawHttp.open(self.port), WEBSOCKET)
        client = WebSocketClient(raw, answers_pings=True)
        self._clients.append(client)
        await client.open()
        await client.connect()
        return client

    async def polling(self) -> PollingClient:
        """One that polls and answers."""
        polls, posts = await RawHttp.open(self.port), await RawHttp.open(self.port)
        client = PollingClient(polls, posts, PATH, answers_pings=True)
        self._clients.append(client)
        await client.open()
        await client.connect()
        return client

    def leave(self) -> None:
        """All that do not read hang up."""
        for connection in self._sockets:
            connection.close()
        self._sockets.clear()
