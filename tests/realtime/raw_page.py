"""What socket.io-client keeps and says when it returns, without a process of its own."""

import json
from typing import Any

from tests.club import Club
from tests.engine.clients import Client, PollingClient, WebSocketClient
from tests.engine.raw_http import RawHttp
from tests.engine.raw_websocket import RawWebSocket

_PATH = "/socket.io/"


async def session(club: Club, transport: str, query: str = "", **headers: str) -> Client:
    """A fresh Engine.IO session."""
    port = int(club.url.rpartition(":")[2])
    if transport == "polling":
        polling = PollingClient(
            await RawHttp.open(port), await RawHttp.open(port), _PATH, answers_pings=True
        )
        await polling.open()
        return polling
    target = f"{_PATH}?EIO=4&transport=websocket{query}"
    websocket = await RawWebSocket.open(await RawHttp.open(port), target, headers)
    client = WebSocketClient(websocket, answers_pings=True)
    await client.open()
    return client


class RawPage:
    """`heard` holds the events, the last argument of which is the offset."""

    def __init__(self, **auth: Any) -> None:
        self.auth = auth
        self.pid: str | None = None
        self.offset: str | None = None
        self.sid = ""
        self.recovered: bool | None = None
        self.heard: list[list[Any]] = []
        self.acks: dict[int, Any] = {}
        self._client: Client | None = None
        self._buffer: list[list[Any]] = []
        self._is_in = False

    async def come(
        self, club: Club, transport: str = "websocket", query: str = "", **headers: str
    ) -> None:
        """Connect, and wait until it is in. Events that came before are at the end of `heard`."""
        await self.begin(club, transport, query, **headers)
        await self.enter()

    async def begin(
        self, club: Club, transport: str = "websocket", query: str = "", **headers: str
    ) -> None:
        """Connect, and take nothing yet."""
        self._client = await session(club, transport, query, **headers)
        self.stop_reading()
        self._is_in = False
        said: dict[str, Any] = dict(self.auth)
        if self.pid is not None:
            said = {"pid": self.pid} | ({"offset": self.offset} if self.offset else {}) | said
        await self._client.send("40" + json.dumps(said))

    async def enter(self) -> None:
        """Take what comes until it is in."""
        self.read_again()
        while not self._is_in:
            await self.step()

    def stop_reading(self) -> None:
        """As a page that hangs; one that polls reads nothing unless it asks."""
        if isinstance(self._client, WebSocketClient):
            self._client.websocket.http.stop_reading()

    def read_again(self) -> None:
        if isinstance(self._client, WebSocketClient):
            self._client.websocket.http.read_again()

    async def step(self) -> None:
        """Take one packet."""
        assert self._client is not None
        packet = await self._client.receive()
        assert isinstance(packet, str), packet
        if packet.startswith("40"):
            reply = json.loads(packet[2:])
            self.sid = reply["sid"]
            self.recovered = "pid" in reply and reply["pid"] == self.pid
            self.pid = reply.get("pid")
            self._is_in = True
            for event in self._buffer:
                self._hear(event)
            self._buffer.clear()
        elif packet.startswith("42["):
            event = json.loads(packet[2:])
            if self._is_in:
                self._hear(event)
            else:
                self._buffer.append(event)
        elif packet.startswith("43"):
            at = packet.index("[")
            self.acks[int(packet[2:at])] = json.loads(packet[at:])[0]
        else:
            raise AssertionError(packet)

    def _hear(self, event: list[Any]) -> None:
        self.heard.append(event)
        if self.pid is not None and isinstance(event[-1], str):
            self.offset = event[-1]

    async def hears(self, offset: str) -> None:
        """Listen until the event of this place in the log has come."""
        while not any(event[-1] == offset for event in self.heard[-5:]):
            await self.step()

    async def ask(self, *event: Any) -> Any:
        """Send an event and listen until its ack has come."""
        number = len(self.acks) + 1
        assert self._client is not None
        await self._client.send(f"42{number}" + json.dumps(event))
        while number not in self.acks:
            await self.step()
        return self.acks[number]

    async def say(self, packet: str) -> None:
        assert self._client is not None
        await self._client.send(packet)

    async def go(self) -> None:
        """Away without a word."""
        if self._client is not None:
            await self._client.close()
            self._client = None
