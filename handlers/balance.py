"""The balance, its history, and the admin's corrections."""

from aiohttp import web
from marshmallow import fields

from events import BalanceUpdated
from events.fields import Balance, Id, Money, Schema, Text, Time
from server.club import ledger
from server.club.accounts import UserNotFound
from server.keys import CONFIG, DB, SIO
from server.web.auth import require_member
from server.web.body import query, read
from server.web.paging import PageQuery, cut
from server.web.routes import ADMIN, MEMBER, Routes, success
from server.web.transactions import keyed_transaction

routes = Routes("balance")


class Correction(Schema):
    user_id = Id(required=True)
    amount = Money(required=True, min_minor=1)
    reason = Text(max=200, load_default="")


class BalanceAnswer(Schema):
    balance = Balance(required=True)
    currency = fields.String(required=True)


class CorrectedAnswer(Schema):
    balance = Balance(required=True)


class TransactionView(Schema):
    id = Id(required=True)
    amount = Money(required=True, attribute="amount_minor")
    kind = fields.String(required=True)
    reference = fields.String(required=True)
    balance_after = Balance(required=True)
    at = Time(required=True)


class TransactionsAnswer(Schema):
    transactions = fields.List(fields.Nested(TransactionView), required=True)
    next = Id(required=True, allow_none=True)


@routes.get("/api/balance", who=MEMBER, answer=BalanceAnswer)
async def balance(request: web.Request) -> web.Response:
    """The signed-in member's balance."""
    member = require_member(request)
    return success(request, balance=member.balance_minor, currency=request.app[CONFIG].currency)


@routes.get("/api/transactions", who=MEMBER, query=PageQuery, answer=TransactionsAnswer)
async def transactions(request: web.Request) -> web.Response:
    """What moved on the signed-in member's balance, newest first."""
    member = require_member(request)
    page = await query(request, PageQuery)
    async with request.app[DB].connection() as connection:
        found = await ledger.history(
            connection, member.id, before=page["before"], limit=page["limit"] + 1
        )
    postings, next_ = cut(found, page["limit"])
    return success(request, transactions=postings, next=next_)


@routes.post(
    "/api/admin/balance/add",
    who=ADMIN,
    body=Correction,
    answer=CorrectedAnswer,
    errors=(UserNotFound, ledger.BalanceLimit),
    tells=(BalanceUpdated,),
    takes_key=True,
)
async def add(request: web.Request) -> web.Response:
    """Give a member money."""
    return await _correct(request, "admin_add", +1)


@routes.post(
    "/api/admin/balance/subtract",
    who=ADMIN,
    body=Correction,
    answer=CorrectedAnswer,
    errors=(UserNotFound, ledger.InsufficientBalance),
    tells=(BalanceUpdated,),
    takes_key=True,
)
async def subtract(request: web.Request) -> web.Response:
    """Take money from a member, down to nothing and no further."""
    return await _correct(request, "admin_subtract", -1)


async def _correct(request: web.Request, kind: str, sign: int) -> web.Response:
    admin = require_member(request)
    body = await read(request, Correction)
    # The admin's reason stands in the ledger, with who gave it.
    reference = f"admin:{admin.id} {body['reason']}".strip()
    async with keyed_transaction(request) as money:
        after = await ledger.post(
            money.tx, body["user_id"], sign * body["amount"], kind, reference
        )
        await request.app[SIO].emit(BalanceUpdated(body["user_id"], after), tx=money.tx)
        return money.answer(balance=after)
