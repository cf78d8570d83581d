"""HTTP/1.1 written by hand: a test says which bytes leave, and in which segments."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.club import PATIENCE_S

# What a server in the same event loop needs to read what has just been written to it: one turn
# until its socket is readable, one to read, and one more under TLS.
_TURNS = 3

_LENGTHS = {"content-length", "transfer-encoding"}


@dataclass
class Response:
    """What came back; header names in lower case, repeated ones joined by commas."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def packets(self) -> list[str]:
        """The Engine.IO packets of a payload, as they stand."""
        return self.text.split("\x1e")

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        """Status and code of an Engine.IO error; it has to be JSON of the protocol's shape."""
        assert self.headers["content-type"].startswith("application/json"), self.headers
        content = self.json()
        assert set(content) == {"code", "message"}, content
        return self.status, content["code"]


def request_bytes(
    method: str,
    target: str,
    body: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
    version: str = "1.1",
) -> bytes:
    """A whole request. A body's length is announced unless the headers say otherwise."""
    content = body.encode() if isinstance(body, str) else body or b""
    sent = {"Host": "club.example"} | dict(headers or {})
    names = {name.lower() for name in sent}
    if (body is not None or method == "POST") and not names & _LENGTHS:
        sent["Content-Length"] = str(len(content))
    lines = [f"{method} {target} HTTP/{version}", *(f"{n}: {v}" for n, v in sent.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


def chunked(*chunks: bytes) -> bytes:
    """A body in chunks (RFC 9112 §7.1), with the last one."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


class RawHttp:
    """One connection. What is written stays in the order written, and nothing is added."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(
        cls, port: int, tls: ssl.SSLContext | None = None, local: str = "127.0.0.1"
    ) -> "RawHttp":
        name = "localhost" if tls else None
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            port,
            ssl=tls,
            server_hostname=name,
            local_addr=(local, 0),
            limit=2**24,
        )
        return cls(reader, writer)

    async def send(self, *segments: bytes) -> None:
        """Write; each segment is given to the server on its own.

        A server that has closed the connection is no error: what it said is there to be read.
        """
        for segment in segments:
            self.writer.write(segment)
            for _ in range(_TURNS):
                await asyncio.sleep(0)
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_S):
                await self.writer.drain()

    async def request(
        self,
        method: str,
        target: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        version: str = "1.1",
    ) -> Response:
        await self.send(request_bytes(method, target, body, headers, version))
        return await self.response()

    async def response(self) -> Response:
        """Read one response, neither more nor less.

        Raises: asyncio.IncompleteReadError if the connection ends before it does.
        """
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status_line, *lines = head.rstrip("\r\n").split("\r\n")
            headers: dict[str, str] = {}
            for line in lines:
                name, _, value = line.partition(":")
                name, value = name.strip().lower(), value.strip()
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
            status = int(status_line.split(" ", 2)[1])
            if status < 200 or status in (204, 304):
                return Response(status, headers, b"")
            if headers.get("transfer-encoding", "").lower() == "chunked":
                return Response(status, headers, await self._chunks())
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
            return Response(status, headers, body)

    async def _chunks(self) -> bytes:
        body = b""
        while True:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            body += (await self.reader.readexactly(size + 2))[:-2]
            if not size:
                return body

    async def rest(self) -> bytes:
        """Read until the server ends the connection: how a test sees that it does."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def stop_reading(self) -> None:
        """Leave what comes in the operating system's buffers, as a client that hangs does."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    def read_again(self) -> None:
        self.writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def close(self) -> None:
        self.writer.close()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.writer.wait_closed()
        except (OSError, ssl.SSLError):
            # The server was faster.
            pass
