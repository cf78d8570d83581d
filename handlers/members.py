"""Other members, as those find them who know their names."""

from aiohttp import web
from marshmallow import fields

from events.fields import Schema, Text
from events.views import NameView
from server.club import accounts
from server.club.accounts import UserNotFound
from server.errors import TooManyRequests
from server.identity import MEMBER_ROLES
from server.keys import DB, LIMITS
from server.web.auth import require_member
from server.web.body import query
from server.web.routes import MEMBER, Routes, success

routes = Routes("members")


class MemberQuery(Schema):
    username = Text(max=200, required=True)


class MemberAnswer(Schema):
    member = fields.Nested(NameView, required=True)


@routes.get(
    "/api/members",
    who=MEMBER,
    query=MemberQuery,
    answer=MemberAnswer,
    errors=(UserNotFound, TooManyRequests),
)
async def find_member(request: web.Request) -> web.Response:
    """The member of exactly this name, to invite or to write to; there is no list of members."""
    member = require_member(request)
    if not member.is_staff:
        await request.app[LIMITS].lookups.take(member.id)
    asked = await query(request, MemberQuery)
    async with request.app[DB].connection() as connection:
        found = await accounts.find_by_name(connection, asked["username"])
    if found is None or found.member.role not in MEMBER_ROLES:
        raise UserNotFound()
    return success(request, member=found.member)
