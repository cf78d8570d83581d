"""Plain WebSockets: JSON text frames both ways, for clients without a library (RFC 6455)."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import WSMsgType, web

from server import strict_json
from server.engine import Rate
from server.errors import ClubError, Invalid, MalformedJson
from server.realtime import wire
from server.realtime.feed import Feed, Item
from server.realtime.feeds import DEMOTED, DRAINING, EXPIRED, LEFT
from server.realtime.pump import FAILED, Connection, pump

# RFC 6455 §7.4.1 and, from 1012 on, its IANA registry; 4401 is of the range for applications.
_CLOSE_CODES = {DRAINING: 1012, DEMOTED: 1012, EXPIRED: 4401, FAILED: 1011}
_NORMAL = 1000

# Given the type of what the client says and the rest of it; None: there is nothing to say.
Answer = Callable[[str, Mapping[str, Any]], Awaitable[bytes | None]]


class UnknownType(ClubError):
    code = "unknown_type"
    sentence = "There is no such message here."


class PlainSocket(Connection):
    """A client of `/ws/stream` or `/ws`.

    `rate` bounds how many messages of the client are dealt with.
    """

    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        rate: Rate,
        *,
        write_timeout_s: float,
    ) -> None:
        super().__init__(request, write_timeout_s=write_timeout_s)
        self._socket = socket
        self._rate = rate
        self._arrival = 0.0

    async def serve(
        self,
        feed: Feed,
        hello: bytes,
        first: Sequence[Item],
        answer: Answer,
        *,
        heartbeat_s: float,
    ) -> None:
        """Greet, tell what the feed says and answer the client, until either ends it."""
        told = asyncio.create_task(self._tell(feed, hello, first, heartbeat_s))
        try:
            with contextlib.suppress(ConnectionError, TimeoutError):
                await self._listen(answer)
            if feed.ended is None:
                feed.end(LEFT)
                told.cancel()
            # Or it is we who close, and the client has not answered that yet.
            await asyncio.wait([told])
        finally:
            told.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await told

    async def _tell(
        self, feed: Feed, hello: bytes, first: Sequence[Item], heartbeat_s: float
    ) -> None:
        await pump(feed, hello, first, self, heartbeat_s=heartbeat_s)
        why = feed.ended or ""
        code = _CLOSE_CODES.get(why, _NORMAL)
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await self._socket.close(code=code, message=why.encode())
        except (TimeoutError, ConnectionError):
            self.abort()

    async def _listen(self, answer: Answer) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                reply = await _reply(message.data, answer)
            else:
                reply = wire.problem(Invalid("Send text frames: JSON objects with a type."))
            if reply is not None:
                await self.put(reply)
            await self._pace()

    async def _pace(self) -> None:
        """Read no faster than is allowed: what the client sends meanwhile waits on its side."""
        now = time.monotonic()
        arrival = self._rate.admit(self._arrival, now)
        if arrival is None:
            await asyncio.sleep(self._rate.wait(self._arrival, now))
            arrival = self._rate.admit(self._arrival, time.monotonic())
        self._arrival = arrival or self._arrival

    async def write(self, data: bytes) -> None:
        await self._socket.send_frame(data, WSMsgType.TEXT)

    async def send(self, items: Sequence[Item]) -> None:
        for item in items:
            await self.put(wire.frame(item))

    async def beat(self) -> None:
        # aiohttp's own ping tells the server who is gone; a page cannot see it, and learns by
        # this frame that its connection lives.
        await self.put(wire.PING)


async def _reply(text: str, answer: Answer) -> bytes | None:
    try:
        # An unpaired surrogate cannot come: the frame was checked to be UTF-8.
        said = strict_json.loads(text.encode())
        if not isinstance(said, dict) or not isinstance(said.get("type"), str):
            raise Invalid("A message is a JSON object with a type.")
        return await answer(said.pop("type"), said)
    except MalformedJson as error:
        return wire.problem(MalformedJson(str(error).replace("body", "message", 1)))
    except ClubError as error:
        return wire.problem(error)
