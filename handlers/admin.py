"""What the admin sees: members, and who is connected."""

from typing import Any

from aiohttp import web
from marshmallow import fields

from events.fields import Id, Schema, Text, Time
from events.views import UserView
from server.club import accounts
from server.keys import DB, SOCKETS
from server.realtime.sockets import Socket, Sockets
from server.web.body import query
from server.web.paging import PageQuery, cut
from server.web.routes import ADMIN, STAFF, Routes, success

routes = Routes("admin")


class UsersQuery(PageQuery):
    q = Text(max=64, load_default="")


class UsersAnswer(Schema):
    users = fields.List(fields.Nested(UserView), required=True)
    next = Id(required=True, allow_none=True)


class ConnectionView(Schema):
    id = fields.String(required=True)
    user_id = Id(required=True, allow_none=True)
    username = fields.String(required=True, allow_none=True)
    transport = fields.String(required=True)
    address = fields.String(required=True)
    since = Time(required=True)


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
    """Who is connected to this worker now."""
    sockets = request.app[SOCKETS]
    return success(request, connections=[_connection(sockets, each) for each in sockets.all()])


def _connection(sockets: Sockets, socket: Socket) -> dict[str, Any]:
    member = socket.who.member if socket.who else None
    return {
        "id": socket.sid,
        "user_id": member and member.id,
        "username": member and member.username,
        "transport": sockets.transport(socket),
        "address": socket.address,
        "since": socket.since,
    }
