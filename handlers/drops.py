"""Live drops: what others win."""

from aiohttp import web
from marshmallow import fields, validate

from events.fields import Schema
from events.views import DropView
from server.club import openings
from server.keys import DB
from server.web.body import query
from server.web.paging import DEFAULT_LIMIT, MAX_LIMIT
from server.web.routes import ANYONE, Routes, success

routes = Routes("drops")


class DropsQuery(Schema):
    limit = fields.Integer(load_default=DEFAULT_LIMIT, validate=validate.Range(1, MAX_LIMIT))


class DropsAnswer(Schema):
    drops = fields.List(fields.Nested(DropView), required=True)


@routes.get("/api/drops", who=ANYONE, query=DropsQuery, answer=DropsAnswer)
async def list_drops(request: web.Request) -> web.Response:
    """The last prizes won, newest first; names are masked."""
    page = await query(request, DropsQuery)
    async with request.app[DB].connection() as connection:
        return success(request, drops=await openings.drops(connection, page["limit"]))
