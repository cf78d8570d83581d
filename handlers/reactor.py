"""The reactor: what programs tell the club's pages, and how its WebSockets are."""

import time

from aiohttp import web
from marshmallow import fields

from events import ReactorEvent
from events.fields import AnyJson, Count, Id, Schema, Text
from server.keys import CONFIG, LIFECYCLE, REACTOR, RELAY, ROSTER
from server.realtime.feeds import EVENT_STREAM, WS, WS_STREAM
from server.realtime.roster import EMITTED, SOCKET_IO
from server.web.body import read
from server.web.lifecycle import State
from server.web.routes import ANYONE, SERVICE, Routes, success

routes = Routes("reactor")
socket_routes = Routes("reactor")

_STARTED = time.monotonic()
_DOORS = (WS_STREAM, WS, EVENT_STREAM)


class To(Schema):
    user_id = Id(required=True)


class Emit(Schema):
    type = Text(min=1, max=64, required=True)
    detail = AnyJson(required=True, allow_none=True)
    to = fields.Nested(To, load_default=None, allow_none=True)


class Delivered(Schema):
    delivered = Count(required=True)


class SocketsStatus(Schema):
    status = fields.String(required=True)
    active_connections = Count(required=True, data_key="active_connections")
    reactor = fields.String(required=True, metadata={"enum": ["active", "disabled"]})
    heartbeat_s = fields.Float(required=True, data_key="heartbeat_s")
    uptime_s = Count(required=True, data_key="uptime_s")


class SocketsStats(Schema):
    active_connections = Count(required=True, data_key="active_connections")
    connections = fields.Dict(keys=fields.String(), values=Count(), required=True)
    events_emitted = Count(required=True, data_key="events_emitted")
    by_type = fields.Dict(
        keys=fields.String(), values=Count(), required=True, data_key="by_type"
    )


class SocketsHealth(Schema):
    status = fields.String(required=True)


@routes.post(
    "/api/reactor/emit", who=SERVICE, body=Emit, answer=Delivered, tells=(ReactorEvent,)
)
async def reactor_emit(request: web.Request) -> web.Response:
    """Tell all pages, or one member's, something; `delivered` to how many connections."""
    body = await read(request, Emit)
    to = body["to"] and body["to"]["user_id"]
    delivered = await request.app[REACTOR].emit(body["type"], body["detail"], to)
    return success(request, delivered=delivered)


@socket_routes.get("/ws/status", who=ANYONE, answer=SocketsStatus)
async def sockets_status(request: web.Request) -> web.Response:
    """How many plain WebSockets are open, and what they can expect."""
    app = request.app
    return web.json_response(
        {
            "status": _state(app),
            "active_connections": _active(app),
            "reactor": "active" if app[REACTOR].enabled else "disabled",
            "heartbeat_s": app[CONFIG].stream_heartbeat_s,
            "uptime_s": int(time.monotonic() - _STARTED),
        }
    )


@socket_routes.get("/ws/stats", who=ANYONE, answer=SocketsStats)
async def sockets_stats(request: web.Request) -> web.Response:
    """How many connections each door has, and what was emitted on the reactor since the start.

    At all workers together, each since its own start.
    """
    totals = request.app[ROSTER].totals()
    by_type = {
        each.removeprefix(EMITTED): count
        for each, count in totals.items()
        if each.startswith(EMITTED)
    }
    return web.json_response(
        {
            "active_connections": _active(request.app),
            "connections": {door: totals[door] for door in (*_DOORS, SOCKET_IO)},
            "events_emitted": sum(by_type.values()),
            "by_type": by_type,
        }
    )


@socket_routes.get("/ws/health", who=ANYONE, answer=SocketsHealth)
async def sockets_health(request: web.Request) -> web.Response:
    """Whether a WebSocket would be let in now: 503 while the server starts, or stops."""
    state = _state(request.app)
    return web.json_response({"status": state}, status=200 if state == "ok" else 503)


def _active(app: web.Application) -> int:
    totals = app[ROSTER].totals()
    return totals[WS_STREAM] + totals[WS]


def _state(app: web.Application) -> str:
    state: State = app[LIFECYCLE].state
    if state is not State.READY:
        return state.value
    return "ok" if app[RELAY].connected.is_set() else "degraded"
