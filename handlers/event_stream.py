"""`GET /api/updates/stream`: the log as Server-Sent Events."""

from collections.abc import Mapping

import structlog
from aiohttp import hdrs, web
from marshmallow import fields

from events.fields import Schema
from server.keys import ADDRESS, CONFIG, FEEDS
from server.realtime.cursor import BadCursor, Cursor
from server.realtime.event_stream import EventStream
from server.realtime.feeds import EVENT_STREAM, TooManyStreams
from server.realtime.pump import pump
from server.web.auth import listens_to_stream
from server.web.body import query
from server.web.middleware import finish_headers
from server.web.routes import ANYONE, Routes

log = structlog.get_logger(__name__)

routes = Routes("updates")

_HEADERS: Mapping[str, str] = {
    hdrs.CONTENT_TYPE: "text/event-stream",
    # A proxy must neither keep it nor wait until there is more of it.
    hdrs.CACHE_CONTROL: "no-store, no-transform",
    "X-Accel-Buffering": "no",
}


class StreamQuery(Schema):
    after = fields.String(load_default=None)
    token = fields.String(load_default=None)


@routes.get(
    "/api/updates/stream",
    who=ANYONE,
    query=StreamQuery,
    produces="text/event-stream",
    errors=(BadCursor, TooManyStreams),
)
async def event_stream(request: web.Request) -> web.StreamResponse:
    """What happens after a cursor, or from now on, as Server-Sent Events; `id` is the cursor."""
    asked = await query(request, StreamQuery)
    # What the browser has heard since is later than what the page once asked for.
    position = request.headers.get("Last-Event-ID") or asked["after"]
    after = None if position is None else Cursor.parse(position)
    who = await listens_to_stream(request)
    config, address = request.app[CONFIG], request[ADDRESS]
    response = web.StreamResponse(headers=_HEADERS)
    finish_headers(request, response)
    client = EventStream(request, response, write_timeout_s=config.stream_write_timeout_s)
    with request.app[FEEDS].open(
        EVENT_STREAM, address=address, who=who, after=after, client=client
    ) as feed:
        first = await feed.start()
        await response.prepare(request)
        assert feed.began is not None
        hello = client.hello(feed.began)
        await pump(feed, hello, first, client, heartbeat_s=config.stream_heartbeat_s)
        log.info("stream closed", member=who and who.member.id, reason=feed.ended)
    return response
