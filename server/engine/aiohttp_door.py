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
    from server.engine.router import Router


async def handle(server: "EngineServer", request: web.Request) -> web.StreamResponse:
    """Answer one request."""
    router = server.router
    try:
        asked = head_of(request)
    except ValueError:
        return _response(router, None, error(400, BAD_REQUEST))
    refusal = router.begin(asked)
    body = b""
    if refusal is None and request.method == "POST":
        body, refusal = await _body(server, asked, request)
    if refusal is not None:
        return _response(router, asked, refusal)
    exchange = _AiohttpExchange(router, asked, request)
    router.answer(exchange, body)
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


async def _body(
    server: "EngineServer", asked: Request, request: web.Request
) -> tuple[bytes, Response | None]:
    """The whole body, however it comes, or why there is none."""
    cap = server.limits.max_http_buffer_size
    chunks, size = [], 0
    try:
        async with asyncio.timeout(server.limits.body_timeout):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > cap:
                    return b"", server.router.too_big(asked)
                chunks.append(chunk)
    except TimeoutError:
        server.counters.requests_timed_out += 1
        server.router.body_lost(asked)
        return b"", error(408, BAD_REQUEST)
    except (ConnectionError, web.RequestPayloadError):
        # Raised on, it would be logged as an error of ours.
        server.router.body_lost(asked)
        return b"", error(400, BAD_REQUEST)
    return b"".join(chunks), None


def _response(router: "Router", asked: Request | None, response: Response) -> web.Response:
    headers = router.headers(asked, response)
    return web.Response(
        status=response.status,
        body=response.body,
        headers=[("Content-Type", response.content_type), *headers],
    )


class _AiohttpExchange(Exchange):
    __slots__ = ("_http", "_router", "_waiter", "answer", "request")

    def __init__(self, router: "Router", request: Request, http: web.Request) -> None:
        self._router = router
        self.request = request
        self.answer: asyncio.Future[web.StreamResponse] = (
            asyncio.get_running_loop().create_future()
        )
        self._http = http
        self._waiter: Waiter | None = None

    def respond(self, response: Response) -> None:
        if not self.answer.done():
            self.answer.set_result(_response(self._router, self.request, response))

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
