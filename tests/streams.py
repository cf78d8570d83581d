"""The plain doors, as a program without a library hears at them: Server-Sent Events, WebSockets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import aiohttp

from tests.club import PATIENCE_S, Club


class EventStream:
    """`GET /api/updates/stream`; `messages` holds what came, as dicts of its fields."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.comments: list[str] = []
        #: What a browser would say as Last-Event-ID.
        self.last_id: str | None = None
        self.retry_ms: int | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, club: Club, *, headers: Any = None, **parameters: str | None
    ) -> AsyncIterator["EventStream"]:
        asked = urlencode({k: v for k, v in parameters.items() if v is not None})
        address = f"{club.url}/api/updates/stream?{asked}"
        async with club.http.get(address, headers=headers, timeout=_NO_LIMIT) as response:
            stream = cls(response)
            if response.status == 200:
                # Where it begins, so that whoever opened it may go on.
                assert (await stream._block()) == {}
            yield stream

    async def next(self) -> dict[str, str]:
        """The next message that a browser would dispatch; an empty one at the end."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                fields = await self._block()
                if fields is None:
                    return {}
                if "data" in fields:
                    return fields

    async def event(self) -> tuple[str, Any]:
        """Name and data of the next message."""
        message = await self.next()
        return message["event"], json.loads(message["data"])

    async def comment(self) -> str:
        """The next comment."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.comments:
                await self._block()
        return self.comments.pop(0)

    async def _block(self) -> dict[str, str] | None:
        fields: dict[str, str] = {}
        while True:
            line = await self.response.content.readline()
            if not line:
                return None
            text = line.decode().removesuffix("\n")
            if not text:
                break
            name, _, value = text.partition(": ")
            if name == "":
                self.comments.append(value)
            else:
                fields[name] = value
        self.last_id = fields.get("id", self.last_id)
        if "retry" in fields:
            self.retry_ms = int(fields["retry"])
        return fields if "data" in fields else {}


class PlainSocket:
    """`/ws/stream` or `/ws`; every frame is read as JSON."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        #: Where a client would go on from.
        self.cursor: str | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, club: Club, path: str = "/ws/stream", *, headers: Any = None, **parameters: Any
    ) -> AsyncIterator["PlainSocket"]:
        asked = urlencode({k: v for k, v in parameters.items() if v is not None})
        async with club.http.ws_connect(
            f"{club.url}{path}?{asked}", headers=headers, max_msg_size=0
        ) as socket:
            yield cls(socket)

    async def next(self) -> Any:
        """The next frame but heartbeats; None when the server has closed."""
        while True:
            frame = await self.any()
            if frame != {"type": "ping"}:
                return frame

    async def any(self) -> Any:
        """The next frame, whatever it is."""
        async with asyncio.timeout(PATIENCE_S):
            message = await self.socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return None
        frame = json.loads(message.data)
        self.cursor = frame.get("cursor", self.cursor)
        return frame

    async def event(self) -> tuple[str, Any]:
        """Name and data of the next frame."""
        frame = await self.next()
        return frame["type"], frame["detail"]

    async def ask(self, frame: Any) -> Any:
        """Say something and return the next frame."""
        await self.socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))
        return await self.next()


_NO_LIMIT = aiohttp.ClientTimeout(total=None)
