"""Engine.IO and Socket.IO clients that think in packets, over either transport."""

import asyncio
import base64
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

from tests.club import PATIENCE_S, until
from tests.engine.raw_http import RawHttp, Response
from tests.engine.raw_websocket import RawWebSocket

Packet = str | bytes

NOOP = "6"


class Client(ABC):
    """One session. Text packets are `str` with their type in front, binary messages `bytes`."""

    handshake: dict[str, Any]

    def __init__(self, *, answers_pings: bool) -> None:
        self._answers_pings = answers_pings

    @property
    def sid(self) -> str:
        """The Engine.IO session id."""
        return self.handshake["sid"]  # type: ignore[no-any-return]

    @abstractmethod
    async def send(self, *packets: Packet) -> None:
        """Send packets; over polling, in one POST."""

    @abstractmethod
    async def next_packet(self) -> Packet: ...

    @abstractmethod
    async def ended(self) -> None:
        """Wait until the server has ended the session, and check how it says so."""

    @abstractmethod
    async def close(self) -> None:
        """Go without a word."""

    async def receive(self) -> Packet:
        """The next packet that is not a PING; those are answered or not, as the client does."""
        while True:
            packet = await self.next_packet()
            if packet != "2":
                return packet
            if self._answers_pings:
                await self.send("3")

    async def receives(self, count: int) -> list[Packet]:
        return [await self.receive() for _ in range(count)]

    async def connect(self, namespace: str = "", auth: Any = None) -> str:
        """Join a Socket.IO namespace (as `/custom`); the Socket.IO session id."""
        prefix = f"{namespace}," if namespace else ""
        await self.send(f"40{prefix}" + ("" if auth is None else json.dumps(auth)))
        answer = await self.receive()
        assert isinstance(answer, str) and answer.startswith(f"40{prefix}{{"), answer
        return json.loads(answer[2 + len(prefix) :])["sid"]  # type: ignore[no-any-return]

    async def emit(self, *event: Any, ack: int | str = "", namespace: str = "") -> None:
        """Send a Socket.IO event without attachments."""
        prefix = f"{namespace}," if namespace else ""
        await self.send(f"42{prefix}{ack}" + json.dumps(event))

    async def event(self) -> Any:
        """The next packet, which has to be an event of the main namespace: its arguments."""
        packet = await self.receive()
        assert isinstance(packet, str) and packet.startswith("42["), packet
        return json.loads(packet[2:])

    async def ask(self, *event: Any) -> Any:
        """Send an event and wait for its ack: the list of values."""
        await self.emit(*event, ack=7)
        packet = await self.receive()
        assert isinstance(packet, str) and packet.startswith("437["), packet
        return json.loads(packet[3:])


class PollingClient(Client):
    """Two kept connections: one for polls, one for what is sent."""

    def __init__(self, polls: RawHttp, posts: RawHttp, path: str, *, answers_pings: bool) -> None:
        super().__init__(answers_pings=answers_pings)
        self.polls = polls
        self.posts = posts
        self._path = path
        self._waiting: deque[str] = deque()

    @property
    def target(self) -> str:
        return f"{self._path}?EIO=4&transport=polling&sid={self.sid}"

    async def open(self) -> None:
        response = await self.polls.request("GET", f"{self._path}?EIO=4&transport=polling")
        assert response.status == 200, response
        first, *others = response.packets
        assert first.startswith("0"), first
        self.handshake = json.loads(first[1:])
        self._waiting.extend(others)

    async def get(self) -> Response:
        """One poll, as it is answered."""
        return await self.polls.request("GET", self.target)

    async def post(self, body: str | bytes, **headers: str) -> Response:
        """One POST, as it is answered."""
        return await self.posts.request("POST", self.target, body, headers)

    async def send(self, *packets: Packet) -> None:
        response = await self.post("\x1e".join(map(_as_text, packets)))
        assert (response.status, response.text) == (200, "ok"), response

    async def next_packet(self) -> Packet:
        while not self._waiting:
            response = await self.get()
            assert response.status == 200, response
            self._waiting.extend(response.packets)
        packet = self._waiting.popleft()
        return base64.b64decode(packet[1:]) if packet[:1] == "b" else packet

    async def ended(self) -> None:
        """Polls may still bring a PING, CLOSE or NOOP; then the id is unknown."""
        while (response := await self.get()).status == 200:
            assert response.packets[-1] in ("1", "2", NOOP), response
        assert response.error == (400, 1)

    async def close(self) -> None:
        await self.polls.close()
        await self.posts.close()


class WebSocketClient(Client):
    """A session that is a WebSocket from its first packet, or has been upgraded to one."""

    def __init__(self, websocket: RawWebSocket, *, answers_pings: bool) -> None:
        super().__init__(answers_pings=answers_pings)
        self.websocket = websocket

    async def open(self) -> None:
        first = await self.websocket.receive()
        assert isinstance(first, str) and first.startswith("0"), first
        self.handshake = json.loads(first[1:])

    async def send(self, *packets: Packet) -> None:
        await self.websocket.send(*packets)

    async def next_packet(self) -> Packet:
        return await self.websocket.receive()

    async def ended(self) -> None:
        """With a CLOSE frame: a connection that just breaks off tells its client nothing."""
        closed = await self.websocket.closed()
        assert closed.code is not None

    async def close(self) -> None:
        await self.websocket.close()


def _as_text(packet: Packet) -> str:
    """A packet in a payload: text as it is, a binary message as base64 after a `b`."""
    return packet if isinstance(packet, str) else "b" + base64.b64encode(packet).decode()


async def soon(awaitable: Any) -> Any:
    """What something awaited gives, under the patience of all tests."""
    async with asyncio.timeout(PATIENCE_S):
        return await awaitable


async def becomes(condition: Callable[[], Any], what: str) -> Any:
    """Wait until something of the server becomes true by itself; its value then."""

    async def look() -> Any:
        return condition()

    return await until(look, what)


async def forgotten(sio: Any) -> None:
    """Wait until a Socket.IO server keeps nothing of any client."""

    def tables() -> list[Any]:
        eio, manager = sio.eio, sio.manager
        return [eio.sockets, eio.tasks, manager.rooms, manager.callbacks, sio.environ]

    await becomes(lambda: not any(tables()), "nothing of the clients is left")
