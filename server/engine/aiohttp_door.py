"""The aiohttp door: requests that aiohttp has parsed.

It leans on three things of aiohttp 3.14 that are not documented: `RequestHandler._message_tail`
(bytes that came after an upgrade request), `connection_lost` as the way to let go of everything
it holds, and that a response whose `prepare` and `write_eof` do nothing is taken as sent.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from server.engine.requests import (
    BAD_REQUEST,
    Exchange,
    Request,
    Response,
    Waiter,
    error,
    is_behind,
)

if TYPE_CHECKING:
    from server.engine.engineio_server import EngineServer


async def handle(server: "EngineServer", request: web.Request) -> web.StreamResponse:
    """Answer one request."""
    try:
        asked = head_of(request)
    except ValueError:
        return _response(error(400, BAD_REQUEST))
    refusal = server.refuse(asked)
    if refusal is not None:
        return _response(refusal)
    body = b""
    if request.method == "POST":
        refusal = server.expect_body(asked)
        if refusal is not None:
            return _response(refusal)
        try:
            whole = await _body(request, server.limits.max_http_buffer_size)
        except (ConnectionError, web.RequestPayloadError):
            # Raised on, it would be logged as an error of ours.
            server.body_lost(asked)
            return _response(error(400, BAD_REQUEST))
        if whole is None:
            return _response(server.too_big(asked))
        body = whole
    exchange = _AiohttpExchange(asked, request)
    server.answer(exchange, body)
    try:
        return await exchange.answer
    except asyncio.CancelledError:
        exchange.lost()
        raise


def head_of(request: web.Request) -> Request:
    """What aiohttp has parsed, as the engine reads it. Raises: ValueError."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Request(
        request.method,
        request.path,
        # As it came: aiohttp's own is decoded, and an escaped & in a value would part it.
        request.rel_url.raw_query_string,
        headers,
        peer=request.remote or "",
        secure=request.secure,
        version=f"{request.version.major}.{request.version.minor}",
    )


async def _body(request: web.Request, cap: int) -> bytes | None:
    """The whole body, however it comes; None if it is over the cap."""
    if (request.content_length or 0) > cap:
        return None
    chunks, size = [], 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > cap:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _response(response: Response) -> web.Response:
    return web.Response(
        status=response.status,
        body=response.body,
        headers=[("Content-Type", response.content_type), *response.headers],
    )


class _AiohttpExchange(Exchange):
    __slots__ = ("_http", "_waiter", "answer", "request")

    def __init__(self, request: Request, http: web.Request) -> None:
        self.request = request
        self.answer: asyncio.Future[web.StreamResponse] = (
            asyncio.get_running_loop().create_future()
        )
        self._http = http
        self._waiter: Waiter | None = None

    def respond(self, response: Response) -> None:
        if not self.answer.done():
            self.answer.set_result(_response(response))

    @property
    def gone(self) -> bool:
        return self._http.transport is None or self._http.transport.is_closing()

    def parked(self, waiter: Waiter | None) -> None:
        self._waiter = waiter

    def lost(self) -> None:
        if self._waiter is not None:
            self._waiter.exchange_lost(self)

    def take(self, response: bytes) -> tuple[asyncio.Transport, bytes] | None:
        protocol: Any = self._http.protocol
        transport = self._http.transport
        if self.answer.done():
            # Cancelled by an application that asks aiohttp for it.
            return None
        self.answer.set_result(_Taken())
        if transport is None:
            return None
        if is_behind(transport):
            transport.abort()
            return None
        rest: bytes = protocol._message_tail
        protocol._message_tail = b""
        transport.write(response)
        # Let go of what aiohttp keeps for a connection: parser, request, reader, writer, task.
        protocol.transport = None
        protocol.connection_lost(None)
        return transport, rest


class _Taken(web.StreamResponse):
    """Stands for an answer that was given without aiohttp."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None
