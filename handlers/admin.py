"""What the admin sees: members, and who is connected."""

from typing import Any

from aiohttp import web
from marshmallow import fields

from events.fields import Count, Id, Schema, Text, Time, instance
from events.views import UserView
from server.club import accounts
from server.identity import Member, SignedIn
from server.keys import DB, DEPARTURES, FEEDS, RELAY, ROSTER, SIO, SOCKETS
from server.realtime.feed import Feed
from server.realtime.sockets import Socket
from server.web.body import query
from server.web.paging import PageQuery, cut
from server.web.routes import ADMIN, STAFF, Routes, success

routes = Routes("admin")

_HERE = "/api/admin/connections?here=true"


class UsersQuery(PageQuery):
    q = Text(max=64, load_default="")


class UsersAnswer(Schema):
    users = fields.List(fields.Nested(UserView), required=True)
    next = Id(required=True, allow_none=True)


class DepartureView(Schema):
    transport = fields.String(required=True)
    reason = fields.String(required=True)
    at = Time(required=True)


class ConnectionView(Schema):
    id = fields.String(required=True)
    worker = fields.String(required=True)
    user_id = Id(required=True, allow_none=True)
    username = fields.String(required=True, allow_none=True)
    transport = fields.String(required=True)
    address = fields.String(required=True)
    since = Time(required=True)
    position = fields.String(required=True, allow_none=True)
    lag = Count(required=True, allow_none=True)
    buffered_bytes = Count(required=True)
    last_close = fields.Nested(DepartureView, required=True, allow_none=True)


class ConnectionsQuery(Schema):
    #: Of the worker that is asked, and of no other.
    here = fields.Boolean(load_default=False)


class ConnectionsAnswer(Schema):
    connections = fields.List(fields.Nested(ConnectionView), required=True)
    #: Workers that did not answer: theirs are not in the list.
    silent = fields.List(fields.String(), required=True)


@routes.get("/api/admin/users", who=ADMIN, query=UsersQuery, answer=UsersAnswer)
async def users(request: web.Request) -> web.Response:
    """Accounts whose name contains `q`, or whose id it is; newest first."""
    asked = await query(request, UsersQuery)
    async with request.app[DB].connection() as connection:
        found = await accounts.search(
            connection, asked["q"], before=asked["before"], limit=asked["limit"] + 1
        )
    page, next_ = cut(found, asked["limit"])
    return success(request, users=page, next=next_)


@routes.get(
    "/api/admin/connections", who=STAFF, query=ConnectionsQuery, answer=ConnectionsAnswer
)
async def connections(request: web.Request) -> web.Response:
    """Who is connected now, at every door of every worker; `lag` counts events of the log."""
    app = request.app
    asked = await query(request, ConnectionsQuery)
    sockets = [_socket(app, each) for each in app[SOCKETS].all()]
    found = instance(ConnectionView).dump(
        sockets + [_feed(app, each) for each in app[FEEDS].all()], many=True
    )
    silent: list[str] = []
    if not asked["here"]:
        authorization = request.headers["Authorization"]
        for worker, answer in await app[ROSTER].ask(_HERE, authorization):
            if answer is None:
                silent.append(worker.name)
            else:
                found += answer["connections"]
    return web.json_response({"success": True, "connections": found, "silent": silent})


def _socket(app: web.Application, socket: Socket) -> dict[str, Any]:
    # What the relay has delivered was given to every socket's connection, but for those that are
    # still being told what they missed.
    here = app[RELAY].position
    position = here if socket.missing is None else socket.missing.at
    return _connection(app, socket.who, socket.address) | {
        "id": socket.sid,
        "transport": app[SOCKETS].transport(socket),
        "since": socket.since,
        "position": position and str(position),
        "lag": None if position is None else position.behind(here),
        "buffered_bytes": app[SIO].buffered(socket.sid),
    }


def _feed(app: web.Application, feed: Feed) -> dict[str, Any]:
    position = feed.reached
    return _connection(app, feed.who, feed.address) | {
        "id": f"{app[ROSTER].name}.{feed.door}-{feed.number}",
        "transport": feed.door,
        "since": feed.since,
        "position": position and str(position),
        "lag": app[FEEDS].lag(feed),
        "buffered_bytes": app[FEEDS].buffered(feed),
    }


def _connection(app: web.Application, who: SignedIn[Member] | None, address: str) -> dict[str, Any]:
    member = who.member if who else None
    return {
        "worker": app[ROSTER].name,
        "user_id": member and member.id,
        "username": member and member.username,
        "address": address,
        "last_close": app[DEPARTURES].last(member.id if member else None, address),
    }
