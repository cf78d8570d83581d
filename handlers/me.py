"""The signed-in member's snapshot, and the place in the log that it stands at."""

from contextlib import AsyncExitStack

from aiohttp import web
from marshmallow import fields

from events.fields import Balance, Schema
from events.views import InventoryItemView, UserView
from server.club import accounts, inventory, notifications
from server.errors import InvalidToken, Unavailable
from server.identity import Member, user_room
from server.keys import CONFIG, DB, EVENT_LOG
from server.web.auth import require_member
from server.web.paging import MAX_LIMIT
from server.web.routes import MEMBER, Routes, success

routes = Routes("me")

# A try fails only if the member's own change commits in the instant between numbering and the
# snapshot; whoever is that unlucky several times running holds the changes up for the last one.
_TRIES = 5


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
    for attempt in range(_TRIES):
        async with AsyncExitStack() as held:
            if attempt == _TRIES - 1:
                tx = await held.enter_async_context(db.transaction())
                await accounts.lock(tx, member.id)
            async with db.connection() as connection:
                await log.number(connection)
            answer = await _snapshot(request, member)
        if answer is not None:
            return answer
    raise Unavailable()


async def _snapshot(request: web.Request, member: Member) -> web.Response | None:
    """The answer, or None when the moment shows a change whose event has no position yet."""
    log = request.app[EVENT_LOG]
    async with request.app[DB].snapshot() as moment:
        if await log.unnumbered_for(moment, [user_room(member.id)]):
            return None
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
            unread=(await notifications.head(moment, member.id)).unread,
            cursor=str((await log.head(moment)).cursor),
        )
