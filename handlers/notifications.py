"""Notifications: the member's list, how far it is read, and which kinds are wanted."""

import re

from aiohttp import web
from marshmallow import fields, validate

from events import NotificationRead
from events.fields import MAX_ID, Choice, Count, Id, Schema
from events.views import NOTIFICATION_KINDS, NotificationView
from server.club import notifications
from server.keys import DB, SIO
from server.realtime.cursor import BadCursor
from server.web.auth import require_member
from server.web.body import query, read
from server.web.etags import etag_of, tagged, unchanged
from server.web.paging import PageQuery
from server.web.routes import MEMBER, Routes, success
from server.web.transactions import transaction

routes = Routes("notifications")

_CURSOR = re.compile(r"0|[1-9]\d{0,15}", re.ASCII)


class NotificationsQuery(PageQuery):
    """`after` is the cursor of an answer before: only what is newer comes."""

    after = fields.String(load_default="0")


class NotificationsAnswer(Schema):
    notifications = fields.List(fields.Nested(NotificationView), required=True)
    unread = Count(required=True)
    cursor = fields.String(required=True)


class ReadNotifications(Schema):
    up_to = Id(required=True)


class NotificationsRead(Schema):
    up_to = Count(required=True)
    unread = Count(required=True)


class PreferencesBody(Schema):
    preferences = fields.Dict(
        keys=Choice(*NOTIFICATION_KINDS),
        values=fields.Boolean(truthy={True}, falsy={False}),
        required=True,
        validate=validate.Length(max=len(NOTIFICATION_KINDS)),
    )


class PreferencesAnswer(Schema):
    preferences = fields.Dict(keys=fields.String(), values=fields.Boolean(), required=True)


@routes.get(
    "/api/notifications",
    who=MEMBER,
    query=NotificationsQuery,
    answer=NotificationsAnswer,
    errors=(BadCursor,),
    revalidates=True,
)
async def list_notifications(request: web.Request) -> web.Response:
    """What concerns the member, newest first; 304 as long as nothing changes."""
    member = require_member(request)
    asked = await query(request, NotificationsQuery)
    if not _CURSOR.fullmatch(asked["after"]) or int(asked["after"]) > MAX_ID:
        raise BadCursor()
    asked["after"] = int(asked["after"])
    db, place = request.app[DB], tuple(sorted(asked.items()))
    if request.if_none_match:
        async with db.connection() as connection:
            head = await notifications.head(connection, member.id)
        answer = unchanged(request, etag_of(member.id, head.revision, place))
        if answer is not None:
            return answer
    async with db.snapshot() as moment:
        head = await notifications.head(moment, member.id)
        found = await notifications.entries(moment, member.id, head.read_up_to, **asked)
    answer = success(
        request, notifications=found, unread=head.unread, cursor=str(head.newest)
    )
    return tagged(answer, etag_of(member.id, head.revision, place))


@routes.post(
    "/api/notifications/read",
    who=MEMBER,
    body=ReadNotifications,
    answer=NotificationsRead,
    tells=(NotificationRead,),
)
async def read_notifications(request: web.Request) -> web.Response:
    """Take everything up to an id as read; there is no way back."""
    member = require_member(request)
    body = await read(request, ReadNotifications)
    async with transaction(request) as tx:
        now = await notifications.read(tx, member.id, **body)
        if now.moved:
            await request.app[SIO].emit(
                NotificationRead(member.id, now.up_to, now.unread), tx=tx
            )
    return success(request, up_to=now.up_to, unread=now.unread)


@routes.get("/api/notifications/preferences", who=MEMBER, answer=PreferencesAnswer)
async def get_preferences(request: web.Request) -> web.Response:
    """Which kinds of notifications the member wants."""
    member = require_member(request)
    async with request.app[DB].connection() as connection:
        off = await notifications.muted(connection, member.id)
    return success(request, preferences=_preferences(off))


@routes.put(
    "/api/notifications/preferences",
    who=MEMBER,
    body=PreferencesBody,
    answer=PreferencesAnswer,
)
async def change_preferences(request: web.Request) -> web.Response:
    """Switch kinds on or off; what is not named stays."""
    member = require_member(request)
    body = await read(request, PreferencesBody)
    async with transaction(request) as tx:
        off = await notifications.mute(tx, member.id, body["preferences"])
    return success(request, preferences=_preferences(off))


def _preferences(off: frozenset[str]) -> dict[str, bool]:
    return {kind: kind not in off for kind in NOTIFICATION_KINDS}
