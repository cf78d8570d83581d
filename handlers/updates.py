"""`GET /api/updates`: everything that happened after a cursor, for clients without a socket."""

import asyncio
import math
import time
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from marshmallow import fields, validate

from events import AuthExpired
from events.fields import Schema, Time
from server.errors import Unavailable
from server.identity import SignedIn, audiences
from server.keys import CONFIG, EVENT_LOG, LIFECYCLE, RELAY
from server.realtime.cursor import Cursor
from server.realtime.log import Page
from server.web.auth import signed_in
from server.web.body import query
from server.web.routes import ANYONE, Routes, success

routes = Routes("updates")

PAGE = 500
# How often a waiting poll looks whether its client is still there.
_LOOK_S = 5.0


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
    who = await signed_in(request)
    heard = audiences(who.member if who else None)
    log, relay = request.app[EVENT_LOG], request.app[RELAY]
    deadline = time.monotonic() + min(asked["wait"], request.app[CONFIG].updates_max_wait_s)
    # Listen first, then look: what is committed in between rings.
    with relay.waiting(heard) as bell:
        while True:
            bell.clear()
            page = await log.page(after, heard, PAGE)
            if page.events or page.resync or after is None:
                return _answer(request, page, page.events)
            after = page.cursor
            expired = await _wait(request, bell, deadline, who)
            if expired:
                return _answer(request, page, [expired])
            if not bell.is_set() or request.app[LIFECYCLE].draining.is_set():
                return _answer(request, page, page.events)


async def _wait(
    request: web.Request, bell: asyncio.Event, deadline: float, who: SignedIn | None
) -> dict[str, Any] | None:
    """Until the bell rings, the time is over, the client is gone, or its token expires."""
    config = request.app[CONFIG]
    if request.app[RELAY].waiters > config.updates_max_waiting:
        raise Unavailable("Too many clients are waiting. Poll without `wait`.", retry_after_s=5)
    while not bell.is_set() and not request.app[LIFECYCLE].draining.is_set():
        left_s = deadline - time.monotonic()
        valid_s = (who.expires_at - datetime.now(UTC)).total_seconds() if who else math.inf
        if valid_s <= 0:
            event = AuthExpired("", round(config.auth_grace_s * 1000))
            return {
                "event": event.wire_name(),
                "data": {"graceMs": event.grace_ms},
                "at": datetime.now(UTC),
            }
        if left_s <= 0 or request.transport is None or request.transport.is_closing():
            return None
        try:
            async with asyncio.timeout(min(left_s, valid_s, _LOOK_S)):
                await bell.wait()
        except TimeoutError:
            continue
    return None


def _answer(request: web.Request, page: Page, events: Any) -> web.Response:
    return success(
        request,
        events=[
            (
                {"cursor": str(page.cursor)} | event
                if isinstance(event, dict)
                else {
                    "cursor": str(event.cursor),
                    "event": event.name,
                    "data": event.data,
                    "at": event.at,
                }
            )
            for event in events
        ],
        cursor=str(page.cursor),
        resync=page.resync,
    )
