"""Real clients, of every release that may connect, over networks as they are.

Each connects, exchanges 300 kB of text and of bytes both ways and 500 events in order both ways,
and comes back by itself after the server was away. The engine is mounted alone.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.clients import python_client
from tests.clients.echo import DOORS, EchoServer
from tests.clients.proxy import BLOCKS, Proxy

_MATRIX = Path(__file__).with_name("matrix.mjs")
_OLD = Path(__file__).with_name("old_client.mjs")

_BOTH = ["polling", "websocket"]

# Which transports the client may use, what the network does, and what the client ends up with.
NETWORKS: dict[str, tuple[list[str], str | None, str]] = {
    "websocket": (["websocket"], None, "websocket"),
    "polling": (["polling"], None, "polling"),
    "upgrade": (_BOTH, None, "websocket"),
} | {f"blocked by {block}": (_BOTH, block, "polling") for block in BLOCKS}

CLIENTS = {
    "js-4.8": "socket.io-client",
    "js-4.5": "socket.io-client-4.5",
    "js-4.0": "socket.io-client-4.0",
    "js-3.1": "socket.io-client-3.1",
    "python": None,
}

# What a client is to have said before the server goes, or after it came back.
_SETTLED, _BACK = "settled", "back"

# Bytes that come at once: what a machine gives to itself, and so little that every head, body and
# frame of some length comes in pieces.
_WHOLE, _CUT = 65_536, 200

# The clients give up each step for themselves, and say which; this ends a test that hangs.
_PATIENCE_S = 180.0


def _node() -> str:
    node = shutil.which("node")
    assert node is not None, "Node is not on PATH; `make test` brings one"
    return node


class Play:
    """One release of a client on all networks at once, against one door of the engine."""

    def __init__(self, release: str | None, networks: list[dict[str, Any]]) -> None:
        self._release = release
        self._networks = networks
        self._is_over = False
        self._news = asyncio.Condition()
        self.said: dict[str, dict[str, Any]] = {each["name"]: {} for each in networks}

    async def run(self) -> None:
        try:
            await self._run()
        finally:
            async with self._news:
                self._is_over = True
                self._news.notify_all()

    async def _run(self) -> None:
        if self._release is None:
            await asyncio.gather(
                *(python_client.play(network, self._hear) for network in self._networks)
            )
            return
        process = await asyncio.create_subprocess_exec(
            _node(),
            _MATRIX,
            self._release,
            json.dumps(self._networks),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            async for line in process.stdout:
                await self._hear(json.loads(line))
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _hear(self, line: dict[str, Any]) -> None:
        async with self._news:
            self.said[line["name"]].update(line)
            self._news.notify_all()

    async def all_say(self, what: str) -> None:
        """Until every client has said it, or has failed."""
        async with self._news:
            await self._news.wait_for(
                lambda: self._is_over
                or all(what in said or "failed" in said for said in self.said.values())
            )


@pytest.fixture(scope="module")
async def outcomes(request: pytest.FixtureRequest) -> AsyncIterator[dict[str, dict[str, Any]]]:
    """What became of the client on each network, by the network's name."""
    client, door, piece = request.param
    async with asyncio.timeout(_PATIENCE_S), AsyncExitStack() as stack:
        # Shorter than as shipped: python-socketio's client waits for the end of a silent probe.
        server = await stack.enter_async_context(
            EchoServer.open(door, upgrade_timeout=2, close_timeout=0.5)
        )
        proxies = {
            name: await stack.enter_async_context(Proxy.open(server.port, block, piece=piece))
            for name, (_, block, _) in NETWORKS.items()
        }
        networks = [
            {"name": name, "url": proxies[name].url, "transports": transports, "settles": settles}
            for name, (transports, _, settles) in NETWORKS.items()
        ]
        play = Play(CLIENTS[client], networks)
        running = asyncio.create_task(play.run())
        try:
            await play.all_say(_SETTLED)
            await server.stop()
            await server.start()
            await play.all_say(_BACK)
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        outcomes = {
            name: said | {"handshakes": proxies[name].handshakes}
            for name, said in play.said.items()
        }
    yield outcomes


def _plays() -> Iterator[Any]:
    for client in CLIENTS:
        for door in DOORS:
            yield pytest.param((client, door, _WHOLE), id=f"{client}-{door}")
            yield pytest.param(
                (client, door, _CUT), id=f"{client}-{door}-in-pieces", marks=pytest.mark.long
            )


@pytest.mark.parametrize("outcomes", list(_plays()), indirect=True)
@pytest.mark.parametrize("network", list(NETWORKS))
async def test_client_connects_carries_its_load_and_comes_back(
    outcomes: dict[str, dict[str, Any]], network: str
) -> None:
    outcome = outcomes[network]
    transports, _, settles = NETWORKS[network]

    assert "failed" not in outcome, outcome["failed"]
    assert outcome["settled"] == settles
    assert outcome["back"]
    # The network was asked for WebSocket, or the outcome says nothing about it.
    assert (outcome["handshakes"] > 0) == ("websocket" in transports)


@pytest.mark.parametrize("transport", _BOTH)
@pytest.mark.parametrize("door", DOORS)
async def test_client_of_release_2_is_refused_and_the_log_says_what_to_update(
    door: str, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with EchoServer.open(door) as server, asyncio.timeout(_PATIENCE_S):
        url = f"http://127.0.0.1:{server.port}"
        process = await asyncio.create_subprocess_exec(
            _node(), _OLD, url, transport, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        # The client keeps the answer's body to itself.
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{url}/socket.io/?EIO=3&transport=polling") as response,
        ):
            answer = response.status, await response.json()

    assert "400" in json.loads(said)["why"]
    assert answer == (400, {"code": 5, "message": "Unsupported protocol version"})
    told = [record.getMessage() for record in caplog.records]
    assert any("update socket.io-client" in line for line in told), told
