"""What the admin sees: members, and who is connected."""

from typing import Any

from aiohttp import web
from marshmallow import fields

from events.fields import Count, Id, Schema, Text, Time
from events.views import UserView
from server.club import accounts
from server.identity import Member, SignedIn
from server.keys import DB, DEPARTURES, FEEDS, RELAY, SIO, SOCKETS
from server.realtime.feed import Feed
from server.realtime.sockets import Socket
from server.web.body import query
from server.web.paging import PageQuery, cut
from server.web.routes import ADMIN, STAFF, Routes, success

routes = Routes("admin")


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
    user_id = Id(required=True, allow_none=True)
    username = fields.String(required=True, allow_none=True)
    transport = fields.String(required=True)
    address = fields.String(required=True)
    since = Time(required=True)
    position = fields.String(required=True, allow_none=True)
    lag = Count(required=True, allow_none=True)
    buffered_bytes = Count(required=True)
    last_close = fields.Nested(DepartureView, required=True, allow_none=True)


class ConnectionsAnswer(Schema):
    connections = fields.List(fields.Nested(ConnectionView), required=True)


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


@routes.get("/api/admin/connections", who=STAFF, answer=ConnectionsAnswer)
async def connections(request: web.Request) -> web.Response:
    """Who is connected to this worker now, at every door; `lag` counts events of the log."""
    app = request.app
    sockets = [_socket(app, each) for each in app[SOCKETS].all()]
    return success(request, connections=sockets + [_feed(app, each) for each in app[FEEDS].all()])


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
        "id": f"{feed.door}-{feed.number}",
        "transport": feed.door,
        "since": feed.since,
        "position": position and str(position),
        "lag": app[FEEDS].lag(feed),
        "buffered_bytes": app[FEEDS].buffered(feed),
    }


def _connection(app: web.Application, who: SignedIn[Member] | None, address: str) -> dict[str, Any]:
    member = who.member if who else None
    return {
        "user_id": member and member.id,
        "username": member and member.username,
        "address": address,
        "last_close": app[DEPARTURES].last(member.id if member else None, address),
    }
