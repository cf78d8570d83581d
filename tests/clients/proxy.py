"""A network between client and server: a TCP proxy that looks at WebSocket handshakes."""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator

# What real networks do to WebSocket; with each of these a client has to stay on polling.
BLOCKS = (
    # A proxy that takes the handshake for a bad request, or for one that is not allowed.
    "400",
    "403",
    # A firewall that answers with a TCP reset.
    "reset",
    # A reverse proxy that does not pass hop-by-hop headers on (RFC 9110 §7.6.1).
    "stripped",
    # A handshake that is never answered.
    "hanging",
    # A virus scanner that lets the 101 through and keeps the frames, of both sides or of the
    # server only, until one of them hangs up.
    "silence",
    "half_silence",
)

_REFUSALS = {
    "400": "400 Bad Request\r\nContent-Length: 0",
    "403": "403 Forbidden\r\nContent-Length: 0",
    # A server that is too busy, and says when to come again.
    "busy": "503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 2",
    "closed for years": "503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 99999999",
    # A network that wants its guests to sign in first: its page, for whatever was asked.
    "portal": "200 OK\r\nContent-Type: text/html",
}

_END_OF_HEAD = b"\r\n\r\n"

_WEBSOCKET = re.compile(rb"^upgrade:[ \t]*websocket[ \t]*\r\n", re.IGNORECASE | re.MULTILINE)
_HOP_BY_HOP = re.compile(rb"^(?:upgrade|connection):.*\r\n", re.IGNORECASE | re.MULTILINE)
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d+)", re.IGNORECASE | re.MULTILINE)
_CHUNKED = re.compile(rb"^transfer-encoding:", re.IGNORECASE | re.MULTILINE)


class Proxy:
    """Carries connections to a port of this machine; WebSocket handshakes meet the `block`.

    What it carries, it cuts into pieces of so many bytes at most. `handshakes` counts those it
    has seen, so that a test can tell whether the block was met.

    The network may change while it is in use: `block` as above, `refuses` for a path that gets the
    `refusal`, `is_cut` for no connection at all, `swallows` for WebSockets that stand and carry
    nothing any more. What stands already is left alone, until `hang_up`. The next answer to
    `keeps_answers_to` is kept, and the connection cut; `kept_answers` counts them.
    """

    def __init__(self, port: int, block: str | None, piece: int) -> None:
        assert block is None or block in BLOCKS
        self.port = port
        self.block = block
        self.piece = piece
        self.refuses: bytes | None = None
        self.refusal = "403"
        self.is_cut = False
        self.swallows = False
        self.keeps_answers_to: bytes | None = None
        self.kept_answers = 0
        self.url = ""
        self.handshakes = 0
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, port: int, block: str | None = None, *, piece: int = 65_536
    ) -> AsyncIterator["Proxy"]:
        """Carry connections to `port` until left; connections that stand are then cut."""
        proxy = cls(port, block, piece)
        listener = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
        proxy.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        try:
            yield proxy
        finally:
            listener.close()
            for task in proxy._tasks:
                task.cancel()
            await proxy._end_of(proxy._tasks)

    async def hang_up(self) -> None:
        """Cut all connections that stand; new ones meet the network as it is now.

        Needed before a client under Node can end: `ws` waits half a minute for the answer to its
        Close frame, and a frame that was swallowed gets none.
        """
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await self._end_of(tasks)

    async def _end_of(self, tasks: list[asyncio.Task[None]]) -> None:
        for end in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(end, Exception):
                raise end

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        task = asyncio.create_task(_Connection(self, reader, writer).carry())
        # Here, and not in the task: one that is cancelled at once has never begun.
        task.add_done_callback(lambda _: writer.close())
        self._tasks.append(task)


def _close(opening: asyncio.Task[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    if opening.exception() is None:
        opening.result()[1].close()


class _Connection:
    def __init__(
        self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._from_client = reader
        self._to_client = writer
        self._is_muted = False
        self._is_websocket = False
        self._keeps_answer = False

    async def carry(self) -> None:
        """Carry both directions until one ends. A server that is not there hangs up at once."""
        opening = asyncio.create_task(asyncio.open_connection("127.0.0.1", self._proxy.port))
        try:
            self._from_server, self._to_server = await asyncio.shield(opening)
        except ConnectionError:
            return
        except asyncio.CancelledError:
            # It may be open already, and then somebody has to close it.
            opening.add_done_callback(_close)
            raise
        directions = [asyncio.create_task(self._requests()), asyncio.create_task(self._answers())]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # First, since this may be cancelled while it waits.
            self._to_server.close()
            for task in directions:
                task.cancel()
            ends = await asyncio.gather(*directions, return_exceptions=True)
        for end in ends:
            # An end in the middle of something is an end, too.
            if isinstance(end, Exception) and not isinstance(
                end, ConnectionError | asyncio.IncompleteReadError
            ):
                raise end

    async def _requests(self) -> None:
        while True:
            head = await self._from_client.readuntil(_END_OF_HEAD)
            path = self._proxy.refuses
            if path is not None and head.split(maxsplit=2)[1].startswith(path):
                self._refuse(self._proxy.refusal)
                return
            if _WEBSOCKET.search(head):
                self._proxy.handshakes += 1
                await self._handshake(head)
                return
            kept = self._proxy.keeps_answers_to
            if kept is not None and head.split(maxsplit=2)[1] == kept:
                self._proxy.keeps_answers_to = None
                self._keeps_answer = True
            await self._cut(head, self._to_server)
            assert not _CHUNKED.search(head), "the clients here announce a body's length"
            length = _LENGTH.search(head)
            left = int(length[1]) if length else 0
            while left:
                data = await self._from_client.readexactly(min(left, self._proxy.piece))
                left -= len(data)
                await self._cut(data, self._to_server)

    async def _handshake(self, head: bytes) -> None:
        match self._proxy.block:
            case "400" | "403" as status:
                self._refuse(status)
            case "reset":
                # To linger for no time is to send RST in place of FIN.
                self._to_client.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            case "hanging":
                await self._swallow()
            case "stripped":
                stripped = _HOP_BY_HOP.sub(b"", head).removesuffix(b"\r\n")
                await self._cut(stripped + b"Connection: close\r\n\r\n", self._to_server)
                await self._swallow()
            case "silence":
                self._is_muted = True
                await self._cut(head, self._to_server)
                await self._swallow()
            case "half_silence":
                self._is_muted = True
                await self._cut(head, self._to_server)
                await self._pass_on()
            case None:
                await self._cut(head, self._to_server)
                await self._pass_on()

    def _refuse(self, refusal: str) -> None:
        head = f"HTTP/1.1 {_REFUSALS[refusal]}\r\nConnection: close\r\n\r\n"
        self._to_client.write(head.encode())

    async def _pass_on(self) -> None:
        self._is_websocket = True
        while data := await self._from_client.read(self._proxy.piece):
            if not self._proxy.swallows:
                await self._cut(data, self._to_server)

    async def _swallow(self) -> None:
        while await self._from_client.read(self._proxy.piece):
            pass

    async def _cut(self, data: bytes, to: asyncio.StreamWriter) -> None:
        size = self._proxy.piece
        for start in range(0, len(data), size):
            to.write(data[start : start + size])
            await to.drain()
            # The other side reads before the next piece comes, or they would be one again.
            await asyncio.sleep(0)

    async def _answers(self) -> None:
        head = b""
        while data := await self._from_server.read(self._proxy.piece):
            if self._is_websocket and self._proxy.swallows:
                continue
            if self._keeps_answer:
                self._proxy.kept_answers += 1
                return
            if self._is_muted:
                if _END_OF_HEAD in head:
                    continue
                head += data
                if _END_OF_HEAD not in head:
                    continue
                data = head[: head.index(_END_OF_HEAD) + len(_END_OF_HEAD)]
            await self._cut(data, self._to_client)
