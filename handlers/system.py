"""How the server is: health, readiness, metrics, and its own description."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web
from marshmallow import fields
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

import server
from events.fields import Schema
from server.errors import Forbidden, NotFound, RealtimeDisabled, Unauthorized
from server.keys import CONFIG, DB, DOCUMENTS, LIFECYCLE, RELAY, ROSTER, ROUTES, SIO
from server.metrics import EngineBounds
from server.realtime.roster import SOCKET_IO
from server.web import asyncapi, openapi
from server.web.auth import signed_in
from server.web.lifecycle import State
from server.web.middleware import error_response
from server.web.routes import ANYONE, Routes

routes = Routes("system")
realtime_off_routes = Routes("system")

_STARTED = time.monotonic()


class HealthAnswer(Schema):
    status = fields.String(required=True, metadata={"enum": ["ok", "degraded"]})
    websocket = fields.String(required=True, metadata={"enum": ["active", "disabled"]})
    clients = fields.Integer(required=True)
    database = fields.String(required=True)
    state = fields.String(required=True)
    version = fields.String(required=True)
    uptime_s = fields.Integer(required=True)
    reason = fields.String()


class ReadyAnswer(Schema):
    ready = fields.Boolean(required=True)
    reason = fields.String()


@routes.get("/health", who=ANYONE, answer=HealthAnswer)
async def health(request: web.Request) -> web.Response:
    """200 while the process lives; `degraded` with the reason when the database is away."""
    app = request.app
    config, lifecycle = app[CONFIG], app[LIFECYCLE]
    reason = await _what_is_wrong(app)
    websocket = config.realtime_enabled and "websocket" in config.transports
    body: dict[str, Any] = {
        "status": "degraded" if reason else "ok",
        "websocket": "active" if websocket else "disabled",
        "clients": app[ROSTER].totals()[SOCKET_IO],
        "database": "unavailable" if reason == _DATABASE else "ok",
        "state": lifecycle.state.value,
        "version": server.__version__,
        "uptimeS": int(time.monotonic() - _STARTED),
    }
    if reason:
        body["reason"] = reason
    return web.json_response(body)


@routes.get("/ready", who=ANYONE, answer=ReadyAnswer)
async def ready(request: web.Request) -> web.Response:
    """Whether traffic should come here: 503 before migrations, without database, draining."""
    reason = await _what_is_wrong(request.app)
    if reason:
        return web.json_response({"ready": False, "reason": reason}, status=503)
    return web.json_response({"ready": True})


@routes.get("/metrics", who=ANYONE, hidden=True)
async def metrics(request: web.Request) -> web.Response:
    """Prometheus metrics; who may see them is a setting."""
    access = request.app[CONFIG].metrics_access
    if access == "off":
        raise NotFound()
    if access == "admin":
        who = await signed_in(request)
        if who is None:
            raise Unauthorized()
        if who.member.role not in ("admin", "service"):
            raise Forbidden()
    engine = CollectorRegistry()
    engine.register(EngineBounds(asdict(request.app[SIO].eio.counters)))
    return web.Response(
        body=generate_latest() + generate_latest(engine),
        headers={"Content-Type": CONTENT_TYPE_LATEST},
    )


@routes.get("/openapi.json", who=ANYONE, hidden=True)
async def openapi_json(request: web.Request) -> web.Response:
    """The HTTP interface, as OpenAPI 3.1."""
    routes: list[Any] = request.app[ROUTES]
    return _document(request, "openapi", lambda: openapi.document(routes, request.app[CONFIG]))


@routes.get("/asyncapi.json", who=ANYONE, hidden=True)
async def asyncapi_json(request: web.Request) -> web.Response:
    """The events and commands, as AsyncAPI 3.0."""
    return _document(request, "asyncapi", lambda: asyncapi.document(request.app[CONFIG]))


def _document(request: web.Request, name: str, make: Callable[[], Any]) -> web.Response:
    # Made once: it takes 30 ms of the event loop.
    texts = request.app[DOCUMENTS]
    if name not in texts:
        texts[name] = json.dumps(make())
    return web.json_response(text=texts[name])


async def realtime_off(request: web.Request) -> web.StreamResponse:
    """What the socket doors answer when real time is switched off."""
    return error_response(request, RealtimeDisabled())


for _method in ("GET", "POST"):
    for _path in ("/socket.io/", "/ws", "/ws/{tail:.*}"):
        realtime_off_routes.add(_method, _path, who=ANYONE, hidden=True)(realtime_off)

_DATABASE = "the database does not answer"


async def _what_is_wrong(app: web.Application) -> str | None:
    lifecycle = app[LIFECYCLE]
    if lifecycle.state is State.DRAINING:
        return "draining"
    if not await app[DB].answers():
        return _DATABASE
    if lifecycle.state is not State.READY:
        return lifecycle.reason
    if not app[RELAY].connected.is_set():
        return "the relay does not follow the log"
    return None
