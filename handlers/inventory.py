"""The inventory: a member's prizes, claiming them, and handing them out."""

from aiohttp import web
from marshmallow import fields, validate

from events import BalanceUpdated, InventoryUpdated
from events.fields import Balance, Choice, Id, Schema
from events.views import INVENTORY_STATUSES, InventoryItemView, NameView
from server.club import inventory
from server.errors import ClubError
from server.keys import DB, SIO
from server.web.auth import require_member
from server.web.body import query, read
from server.web.paging import MAX_LIMIT, PageQuery, cut
from server.web.routes import MEMBER, STAFF, Routes, path_id, success
from server.web.transactions import keyed_transaction, transaction

routes = Routes("inventory")


class InventoryQuery(PageQuery):
    status = Choice(*INVENTORY_STATUSES, load_default=None)
    # A member wants to see all there is; few own more than a page of the largest size.
    limit = fields.Integer(load_default=MAX_LIMIT, validate=validate.Range(1, MAX_LIMIT))


class Claim(Schema):
    inventory_id = Id(required=True)


class StatusBody(Schema):
    status = Choice(*INVENTORY_STATUSES, required=True)


class InventoryAnswer(Schema):
    items = fields.List(fields.Nested(InventoryItemView), required=True)
    next = Id(required=True, allow_none=True)


class InventoryItemAnswer(Schema):
    item = fields.Nested(InventoryItemView, required=True)


class OwnedItemAnswer(InventoryItemAnswer):
    user = fields.Nested(NameView, required=True)


class ClaimedAnswer(Schema):
    balance = Balance(required=True)


class OnlyTheMemberClaims(ClubError):
    code = "status_not_allowed"
    sentence = "Staff may set issued or cancelled; only the member's claim makes it claimed."


@routes.get("/api/inventory", who=MEMBER, query=InventoryQuery, answer=InventoryAnswer)
async def list_inventory(request: web.Request) -> web.Response:
    """The signed-in member's prizes, newest first."""
    member = require_member(request)
    page = await query(request, InventoryQuery)
    async with request.app[DB].connection() as connection:
        found = await inventory.list_prizes(
            connection,
            member.id,
            status=page["status"],
            before=page["before"],
            limit=page["limit"] + 1,
        )
    prizes, next_ = cut(found, page["limit"])
    return success(request, items=prizes, next=next_)


@routes.get(
    "/api/inventory/{id}",
    who=MEMBER,
    answer=OwnedItemAnswer,
    errors=(inventory.PrizeNotFound,),
)
async def get_prize(request: web.Request) -> web.Response:
    """One prize, for its owner and for staff who hand it out."""
    member = require_member(request)
    async with request.app[DB].connection() as connection:
        prize = await inventory.get(connection, path_id(request))
    if prize.user_id != member.id and not member.is_staff:
        raise inventory.PrizeNotFound()
    owner = {"id": prize.user_id, "username": prize.username}
    return success(request, item=prize, user=owner)


@routes.post(
    "/api/inventory/claim",
    who=MEMBER,
    body=Claim,
    answer=ClaimedAnswer,
    errors=(inventory.PrizeNotFound, inventory.PrizeNotWon, inventory.PrizeHasNoValue),
    tells=(BalanceUpdated, InventoryUpdated),
    takes_key=True,
)
async def claim(request: web.Request) -> web.Response:
    """Turn a prize into its value, once."""
    member = require_member(request)
    body = await read(request, Claim)
    sio = request.app[SIO]
    async with keyed_transaction(request) as money:
        claimed = await inventory.claim(money.tx, member.id, **body)
        await sio.emit(BalanceUpdated(member.id, claimed.balance_minor), tx=money.tx)
        await sio.emit(InventoryUpdated(member.id), tx=money.tx)
        return money.answer(balance=claimed.balance_minor)


@routes.put(
    "/api/inventory/{id}/status",
    who=STAFF,
    body=StatusBody,
    answer=InventoryItemAnswer,
    errors=(inventory.PrizeNotFound, inventory.PrizeNotWon, OnlyTheMemberClaims),
    tells=(InventoryUpdated,),
)
async def set_status(request: web.Request) -> web.Response:
    """Hand a prize out, or call it off; there is no way back."""
    body = await read(request, StatusBody)
    if body["status"] not in ("issued", "cancelled"):
        raise OnlyTheMemberClaims()
    async with transaction(request) as tx:
        prize = await inventory.set_status(tx, path_id(request), body["status"])
        await request.app[SIO].emit(InventoryUpdated(prize.user_id), tx=tx)
    return success(request, item=prize)
