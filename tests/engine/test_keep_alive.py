"""How long a connection lives is its client's to say (RFC 9112 §9.3)."""

import asyncio

import pytest

from tests.clients.echo import DOORS, EchoServer
from tests.club import PATIENCE_S

_HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
_REFUSED = "/socket.io/?EIO=3&transport=polling"


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str) -> str:
    """Send one request without a body; the answer's head. Raises: IncompleteReadError."""
    writer.write(request.encode())
    async with asyncio.timeout(PATIENCE_S):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
    return head


@pytest.mark.parametrize("path", [_HANDSHAKE, _REFUSED])
@pytest.mark.parametrize(
    "request_line, stays",
    [
        ("HTTP/1.1\r\n", True),
        ("HTTP/1.1\r\nConnection: Keep-Alive\r\n", True),
        ("HTTP/1.1\r\nConnection: close\r\n", False),
        ("HTTP/1.1\r\nConnection: TE, Close\r\n", False),
        ("HTTP/1.0\r\n", False),
        ("HTTP/1.0\r\nConnection: keep-alive\r\n", True),
    ],
)
@pytest.mark.parametrize("door", DOORS)
async def test_connection_lives_as_long_as_its_client_says(
    door: str, request_line: str, stays: bool, path: str
) -> None:
    async with EchoServer.open(door) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            head = await _ask(reader, writer, f"GET {path} {request_line}Host: x\r\n\r\n")
            if stays:
                assert "connection: close" not in head
                assert await _ask(reader, writer, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
            else:
                async with asyncio.timeout(PATIENCE_S):
                    assert await reader.read() == b""
        finally:
            writer.close()


@pytest.mark.parametrize("door", DOORS)
async def test_last_answer_says_that_it_is_the_last(door: str) -> None:
    async with EchoServer.open(door) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = await _ask(
            reader, writer, f"GET {_HANDSHAKE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        writer.close()

    assert "\r\nconnection: close\r\n" in head
