"""Around every request: an id, a log line, the caller's address, errors as the envelope."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

import structlog
from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError

from server.config import Config
from server.engine import is_listed
from server.errors import ClubError, Draining, InternalError, NotFound, Unavailable
from server.keys import ADDRESS, AUTH, CLAIMS, CONFIG, LIFECYCLE, REQUEST_ID
from server.metrics import HTTP_REQUESTS
from server.web.auth import bearer_token
from server.web.lifecycle import State
from server.web.transactions import AlreadyAnswered

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# Polling is not a slow request, and its errors have a protocol of their own. What lies below this
# path is files like any others.
_TRANSPORT = "/socket.io/"
# What a load balancer, an operator or a browser asks for before the database is there.
_ALWAYS = re.compile(
    r"/(health|ready|metrics|ws/(status|stats|health)"
    r"|static/.*|client/.*|socket\.io/.+|live|admin|calendar|docs|favicon\.ico)?"
)
_LOGGED_PATH = 200
# Whoever knows the address of a feed can read it: no piece that could be one is shown.
_FEED = re.compile(r"calendar|\.ics", re.IGNORECASE)
_SECRET = re.compile(r"[A-Za-z0-9_%=-]{12,}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# A body that ends early, or is not in the encoding that it claims.
_UNREADABLE = (web.RequestPayloadError, web.PayloadAccessError, HttpProcessingError)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)


class MethodNotAllowed(ClubError):
    status = 405
    code = "method_not_allowed"
    sentence = "This method is not allowed here."


class BodyTooLarge(ClubError):
    status = 413
    code = "body_too_large"
    sentence = "The body is too large."


class BodyTooSlow(ClubError):
    status = 408
    code = "body_too_slow"
    sentence = "The body did not come in time."


class BadRequest(ClubError):
    code = "bad_request"
    sentence = "The request could not be read."


def caller_address(peer: str, forwarded: str, config: Config) -> str:
    """Who calls: the peer, or what trusted proxies say of it.

    X-Forwarded-For is read from the right: each trusted proxy vouches for the address before
    its own. What stands left of the first stranger is anybody's claim.
    """
    hops = [hop.strip() for hop in forwarded.split(",")]
    address = peer
    while _is_trusted(address, config) and hops:
        hop = hops.pop()
        if not _is_address(hop):
            break
        address = hop
    return address


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_trusted(text: str, config: Config) -> bool:
    if not config.trusted_proxies or not _is_address(text):
        return False
    address = ip_address(text)
    return any(address in network for network in config.trusted_proxies)


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id and an address, and write one line about it."""
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    request[REQUEST_ID] = request_id
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
    request[ADDRESS] = caller_address(request.remote or "", forwarded, request.app[CONFIG])
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    if request.path == _TRANSPORT:
        return await handler(request)
    started = time.perf_counter()
    response = await handler(request)
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unknown"
    method = request.method if request.method in _METHODS else "other"
    HTTP_REQUESTS.labels(method, route, str(response.status)).inc()
    if not response.prepared:
        _name_request(request, response)
    # As it was sent, percent-encoded: a decoded path could hold line feeds. Without the query,
    # which may hold a token.
    log.info(
        f"{request.method} {_logged_path(request)} {response.status}",
        ms=round((time.perf_counter() - started) * 1000, 1),
        address=request[ADDRESS],
    )
    return response


def _logged_path(request: web.Request) -> str:
    path = request.rel_url.raw_path
    return (_SECRET.sub("…", path) if _FEED.search(path) else path)[:_LOGGED_PATH]


def _name_request(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Request-ID"] = request[REQUEST_ID]


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what was raised into the envelope."""
    if request.path == _TRANSPORT:
        return await handler(request)
    try:
        return await handler(request)
    except AlreadyAnswered as answered:
        return answered.response
    except ClubError as error:
        return error_response(request, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = error_response(request, _of_http(error))
        if hdrs.ALLOW in error.headers:
            # RFC 9110 §15.5.6: a 405 says which methods there are.
            response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
        return response
    except _UNREADABLE:
        return error_response(request, BadRequest())
    except asyncio.CancelledError:
        raise
    except Exception:
        log.exception("a request failed", path=_logged_path(request))
        return error_response(request, InternalError())


def _of_http(error: web.HTTPException) -> ClubError:
    if isinstance(error, web.HTTPNotFound):
        return NotFound()
    if isinstance(error, web.HTTPMethodNotAllowed):
        return MethodNotAllowed()
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return BodyTooLarge()
    return BadRequest()


def error_response(request: web.Request, error: ClubError) -> web.Response:
    """The envelope of an error, with Retry-After where there is a time to wait."""
    response = web.json_response(error.envelope(request.get(REQUEST_ID)), status=error.status)
    if error.retry_after_s is not None:
        response.headers[hdrs.RETRY_AFTER] = str(error.retry_after_s)
    if error.status == 426:
        # RFC 9110 §15.5.22.
        response.headers[hdrs.UPGRADE] = "websocket"
        response.headers[hdrs.CONNECTION] = "Upgrade"
    if error.status == 401:
        response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return response


@web.middleware
async def cors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let configured origins in, and nobody else (the Fetch standard's CORS protocol)."""
    if request.path == _TRANSPORT:
        return await handler(request)
    origin = request.headers.get(hdrs.ORIGIN)
    allowed = origin is not None and is_listed(origin, request.app[CONFIG].cors_origins)
    if (
        allowed
        and request.method == hdrs.METH_OPTIONS
        and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    ):
        response: web.StreamResponse = web.Response(
            status=204,
            headers={
                hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST, PUT, PATCH, DELETE",
                hdrs.ACCESS_CONTROL_ALLOW_HEADERS: (
                    "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, "
                    "X-Request-ID"
                ),
                hdrs.ACCESS_CONTROL_MAX_AGE: "600",
            },
        )
    else:
        response = await handler(request)
    if not response.prepared:
        _allow_origin(request, response)
    return response


def _allow_origin(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.add(hdrs.VARY, "Origin")
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and is_listed(origin, request.app[CONFIG].cors_origins):
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "ETag, Retry-After, X-Request-ID"


@web.middleware
async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what cannot be done now, and whoever shows a bad token."""
    lifecycle = request.app[LIFECYCLE]
    if request.path == _TRANSPORT:
        # The engine asks for itself whether it may let anybody in; sockets carry their tokens
        # inside the protocol.
        return await handler(request)
    if lifecycle.state is not State.READY and not _ALWAYS.fullmatch(request.path):
        raise Draining() if lifecycle.state is State.DRAINING else Unavailable()
    # A token that is present must be good, also where anonymous is welcome.
    if (token := bearer_token(request)) is not None:
        request[CLAIMS] = request.app[AUTH].tokens.verify(token)
    if request.body_exists:
        # A small body has come with its headers and needs no timer.
        limit_s = None if request.content.is_eof() else request.app[CONFIG].body_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                await request.read()
        except TimeoutError:
            raise BodyTooSlow() from None
    return await handler(request)


@web.middleware
async def harden(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Headers that keep browsers from guessing and other sites from framing."""
    response = await handler(request)
    if not response.prepared:
        _harden(request, response)
    return response


def _harden(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("X-Frame-Options", "DENY")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    if request.path.startswith("/api/"):
        response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")


def finish_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What the middlewares add to an answer, for one that begins before they see it."""
    _name_request(request, response)
    _allow_origin(request, response)
    _harden(request, response)


ALL = (harden, observe, cors, errors, gate)
