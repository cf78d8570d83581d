"""A WebSocket written by hand (RFC 6455), which can also break every rule of it."""

import asyncio
import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

from tests.club import PATIENCE_S
from tests.engine.raw_http import RawHttp, Response, request_bytes

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

_KEY = base64.b64encode(b"sixteen bytes ok").decode()
_ACCEPT = base64.b64encode(
    hashlib.sha1((_KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
).decode()


class Refused(Exception):
    """The server did not switch protocols; `response` is what it said instead."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"{response.status} {response.text}")
        self.response = response


@dataclass
class Frame:
    opcode: int
    payload: bytes
    final: bool = True


@dataclass
class Closed:
    """How a connection ended: code None where no CLOSE frame came."""

    code: int | None
    reason: str = ""


def handshake(target: str, headers: Mapping[str, str] | None = None) -> bytes:
    """The opening request (RFC 6455 §4.1)."""
    sent = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": _KEY,
        "Sec-WebSocket-Version": "13",
    } | dict(headers or {})
    return request_bytes("GET", target, headers=sent)


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    masked: bool = True,
    reserved: int = 0,
) -> bytes:
    """A frame of any kind, masked as a client's must be unless told otherwise."""
    first = (0x80 if final else 0) | reserved << 4 | opcode
    mask_bit = 0x80 if masked else 0
    size = len(payload)
    if size < 126:
        head = bytes((first, mask_bit | size))
    elif size < 2**16:
        head = bytes((first, mask_bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, mask_bit | 127)) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    mask = os.urandom(4)
    key = (mask * (size // 4 + 1))[:size]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return head + mask + number.to_bytes(size, "big")


class RawWebSocket:
    """One WebSocket. Control frames are shown as any other: nothing is answered by itself."""

    def __init__(self, http: RawHttp, response: Response) -> None:
        self.http = http
        self.response = response

    @classmethod
    async def open(
        cls, http: RawHttp, target: str, headers: Mapping[str, str] | None = None
    ) -> "RawWebSocket":
        """Do the opening handshake on a fresh connection. Raises: Refused."""
        await http.send(handshake(target, headers))
        return await cls.opened(http)

    @classmethod
    async def opened(cls, http: RawHttp) -> "RawWebSocket":
        """Read the answer to an opening handshake that has been sent. Raises: Refused."""
        response = await http.response()
        if response.status != 101:
            raise Refused(response)
        assert response.headers["upgrade"].lower() == "websocket"
        assert response.headers["connection"].lower() == "upgrade"
        assert response.headers["sec-websocket-accept"] == _ACCEPT
        return cls(http, response)

    async def send(self, *messages: str | bytes) -> None:
        """Send each message as one frame, all in one segment."""
        await self.http.send(
            b"".join(
                client_frame(TEXT, message.encode())
                if isinstance(message, str)
                else client_frame(BINARY, message)
                for message in messages
            )
        )

    async def send_frame(self, opcode: int, payload: bytes = b"", **how: bool | int) -> None:
        await self.http.send(client_frame(opcode, payload, **how))  # type: ignore[arg-type]

    async def frame(self) -> Frame:
        """The next frame. Raises: asyncio.IncompleteReadError at the connection's end."""
        read = self.http.reader.readexactly
        async with asyncio.timeout(PATIENCE_S):
            first, second = await read(2)
            assert not first & 0x70, "a reserved bit is set, and no extension was agreed"
            assert not second & 0x80, "a server's frame is masked"
            size = second & 0x7F
            if size == 126:
                size = int.from_bytes(await read(2), "big")
            elif size == 127:
                size = int.from_bytes(await read(8), "big")
            return Frame(first & 0x0F, await read(size), bool(first & 0x80))

    async def receive(self) -> str | bytes:
        """The next message; the server is expected to send each as one frame."""
        frame = await self.frame()
        assert frame.final and frame.opcode in (TEXT, BINARY), frame
        return frame.payload.decode() if frame.opcode == TEXT else frame.payload

    async def closed(self) -> Closed:
        """Wait for the end, answering a CLOSE frame as a client must; messages are skipped."""
        return (await self.all_up_to_close())[1]

    async def all_up_to_close(self) -> tuple[list[bytes], Closed]:
        """The payloads of all frames that still come, and the end."""
        payloads = []
        try:
            while (frame := await self.frame()).opcode != CLOSE:
                payloads.append(frame.payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            return payloads, Closed(None)
        await self.http.send(client_frame(CLOSE, frame.payload[:2]))
        assert await self.http.rest() == b"", "something came after the CLOSE frame"
        if not frame.payload:
            return payloads, Closed(1005)
        code, reason = int.from_bytes(frame.payload[:2], "big"), frame.payload[2:].decode()
        return payloads, Closed(code, reason)

    async def close(self) -> None:
        await self.http.close()
