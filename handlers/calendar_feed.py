"""The iCalendar feed: its secret address, and what stands there."""

from aiohttp import web
from marshmallow import fields
from yarl import URL

from events.fields import Schema
from server.club import feeds, icalendar_text
from server.errors import NotFound, TooManyRequests
from server.keys import CONFIG, DB, FEED_SECRETS, LIMITS
from server.web.auth import require_member
from server.web.etags import etag_of, tagged, unchanged
from server.web.routes import ANYONE, MEMBER, Routes, success
from server.web.transactions import transaction

routes = Routes("calendar")


class SecretAnswer(Schema):
    url = fields.String(required=True)


@routes.get("/api/calendar/secret", who=MEMBER, answer=SecretAnswer)
async def get_secret(request: web.Request) -> web.Response:
    """The address of the member's feed, for calendar programs; who knows it can read it."""
    member = require_member(request)
    async with request.app[DB].connection() as connection:
        version = await feeds.version(connection, member.id)
    return success(request, url=_url(request, member.id, version or 0))


@routes.post("/api/calendar/secret", who=MEMBER, answer=SecretAnswer)
async def new_secret(request: web.Request) -> web.Response:
    """A new address; the old one ends."""
    member = require_member(request)
    async with transaction(request) as tx:
        version = await feeds.next_version(tx, member.id)
    return success(request, url=_url(request, member.id, version))


@routes.get(
    "/api/calendar/{secret}.ics",
    who=ANYONE,
    produces="text/calendar",
    errors=(NotFound, TooManyRequests),
    revalidates=True,
)
async def feed(request: web.Request) -> web.Response:
    """The member's events as iCalendar."""
    user_id, version = request.app[FEED_SECRETS].verify(request.match_info["secret"])
    async with request.app[DB].connection() as connection:
        if await feeds.version(connection, user_id) != version:
            raise NotFound()
        await request.app[LIMITS].calendar_feeds.take(user_id)
        found = await feeds.entries(
            connection, user_id, limit=request.app[CONFIG].calendar_feed_max
        )
    etag = etag_of(found)
    answer = unchanged(request, etag)
    if answer is not None:
        return answer
    body = await icalendar_text.write(user_id, found)
    return tagged(web.Response(body=body, content_type="text/calendar", charset="utf-8"), etag)


def _url(request: web.Request, user_id: int, version: int) -> str:
    path = f"/api/calendar/{request.app[FEED_SECRETS].of(user_id, version)}.ics"
    base = request.app[CONFIG].public_url
    try:
        return str((URL(base) if base else request.url).join(URL(path)))
    except ValueError:
        # The Host header is not one.
        return path
