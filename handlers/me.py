"""The signed-in member's snapshot, and the place in the log that it stands at."""

from aiohttp import web
from marshmallow import fields

from events.fields import Balance, Schema
from events.views import InventoryItemView, UserView
from server.club import accounts, inventory
from server.errors import InvalidToken, Unavailable
from server.keys import CONFIG, DB, EVENT_LOG
from server.web.auth import require_member
from server.web.paging import MAX_LIMIT
from server.web.routes import MEMBER, Routes, success

routes = Routes("me")

# Each try fails only if the member's own change commits in the instant between numbering and
# the snapshot.
_TRIES = 20


class MeAnswer(Schema):
    user = fields.Nested(UserView, required=True)
    balance = Balance(required=True)
    currency = fields.String(required=True)
    inventory = fields.List(fields.Nested(InventoryItemView), required=True)
    unread = fields.Integer(required=True)
    cursor = fields.String(required=True)


@routes.get("/api/me", who=MEMBER, answer=MeAnswer)
async def me(request: web.Request) -> web.Response:
    """What the member has, and the cursor from which to follow what changes.

    The snapshot must not show a change whose event is not numbered yet: it would be told again
    after the cursor. Then it starts over.
    """
    member = require_member(request)
    db, log = request.app[DB], request.app[EVENT_LOG]
    for _ in range(_TRIES):
        async with db.connection() as connection:
            await log.number(connection)
        async with db.snapshot() as moment:
            if await log.unnumbered_for(moment, member.rooms()):
                continue
            now = await accounts.find(moment, member.id)
            if now is None:
                raise InvalidToken()
            return success(
                request,
                user=now,
                balance=now.balance_minor,
                currency=request.app[CONFIG].currency,
                inventory=await inventory.list_prizes(
                    moment, member.id, status=None, before=None, limit=MAX_LIMIT
                ),
                unread=0,
                cursor=str((await log.head(moment)).cursor),
            )
    raise Unavailable()
