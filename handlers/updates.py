"""`GET /api/updates`: everything that happened after a cursor, for clients without a socket."""

import time
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from marshmallow import fields, validate

from events import AuthExpired
from events.fields import Schema, Time
from server.keys import ADDRESS, CONFIG, FEEDS
from server.realtime.cursor import Cursor
from server.realtime.feed import Feed, Item
from server.realtime.feeds import UPDATES, Client
from server.realtime.news import News, Resync
from server.web.auth import listens
from server.web.body import query
from server.web.routes import ANYONE, Routes, success

routes = Routes("updates")


class UpdatesQuery(Schema):
    after = fields.String(load_default=None)
    wait = fields.Float(load_default=0.0, validate=validate.Range(0, 3600))


class UpdateView(Schema):
    cursor = fields.String(required=True)
    event = fields.String(required=True)
    data = fields.Raw(required=True, allow_none=True)
    at = Time(required=True)


class UpdatesAnswer(Schema):
    events = fields.List(fields.Nested(UpdateView), required=True)
    cursor = fields.String(required=True)
    resync = fields.Boolean(required=True)


@routes.get("/api/updates", who=ANYONE, query=UpdatesQuery, answer=UpdatesAnswer)
async def updates(request: web.Request) -> web.Response:
    """What came after a cursor; waits up to `wait` seconds (at most 50) for something."""
    asked = await query(request, UpdatesQuery)
    after = Cursor.parse(asked["after"]) if asked["after"] is not None else None
    who = await listens(request)
    wait_s = min(asked["wait"], request.app[CONFIG].updates_max_wait_s)
    client, address = Client(request), request[ADDRESS]
    with request.app[FEEDS].open(
        UPDATES, address=address, who=who, after=after, client=client
    ) as feed:
        items = await feed.start()
        if not items and after is not None and wait_s > 0:
            items = await _wait(request, feed, time.monotonic() + wait_s)
        cursor = str(feed.cursor)
        return success(
            request,
            events=[_update(item, cursor) for item in items if isinstance(item, News)],
            cursor=cursor,
            resync=any(isinstance(item, Resync) for item in items),
        )


async def _wait(request: web.Request, feed: Feed, deadline: float) -> list[Item]:
    """Until there is something, the time is over, or the client is gone."""
    with request.app[FEEDS].wait(feed):
        while feed.ended is None and (left_s := deadline - time.monotonic()) > 0:
            items = [item for item in await feed.next(left_s) if _is_for_polls(item)]
            if items:
                return items
    return []


def _is_for_polls(item: Item) -> bool:
    # What can be missed between two polls is not told in one of them.
    return item.cursor is not None or item.name == AuthExpired.name


def _update(news: News, cursor: str) -> dict[str, Any]:
    return {
        "cursor": str(news.cursor or cursor),
        "event": news.name,
        "data": news.data,
        "at": news.at or datetime.now(UTC),
    }
