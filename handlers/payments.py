"""Payments: asking for a top-up, the provider's callback, and the demo's pay page."""

from datetime import UTC, datetime
from typing import Any

import structlog
from aiohttp import web
from marshmallow import fields
from yarl import URL

from events import BalanceUpdated, NotificationNew
from events.fields import Id, IdOrText, Money, Schema, Text, instance
from server.club import payments, signatures
from server.club.accounts import UserNotFound
from server.club.ledger import BalanceLimit
from server.club.notifications import Notice
from server.keys import ADDRESS, CONFIG, DB, SIO
from server.metrics import CALLBACKS
from server.telling import notify
from server.web.auth import require_member
from server.web.body import load, parse_json, read
from server.web.routes import ANYONE, MEMBER, Routes, path_id, success
from server.web.transactions import keyed_transaction, transaction

log = structlog.get_logger(__name__)

routes = Routes("payments")
demo_routes = Routes("payments")


class Amount(Schema):
    amount = Money(required=True, min_minor=1)


class NumberOrText(Text):
    """Text, or an integer taken as its decimal text."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Callback(Schema):
    """What a provider sends; `signature` and `timestamp` belong to the `body` scheme."""

    user_id = IdOrText(required=True)
    amount = Money(required=True, min_minor=1)
    status = Text(required=True, min=1, max=64)
    transaction_id = NumberOrText(required=True, min=1, max=128)
    timestamp = NumberOrText(min=1, max=12)
    signature = Text(max=128)


class PaymentView(Schema):
    id = Id(required=True)
    amount = Money(required=True)
    status = fields.String(required=True)
    pay_url = fields.String(required=True, allow_none=True)


class PaymentAnswer(Schema):
    payment = fields.Nested(PaymentView, required=True)


class Received(Schema):
    """`success` tells whether the money is credited (now, or by an earlier delivery)."""


@routes.post(
    "/api/payment/create",
    who=MEMBER,
    body=Amount,
    answer=PaymentAnswer,
    status=201,
    takes_key=True,
)
async def create_payment(request: web.Request) -> web.Response:
    """Ask for a top-up; `payUrl` is where it is paid (null: at the desk)."""
    member = require_member(request)
    body = await read(request, Amount)
    async with keyed_transaction(request) as money:
        payment = await payments.create(money.tx, member.id, **body)
        return money.answer(
            payment={
                "id": payment.id,
                "amount": payment.amount_minor,
                "status": payment.status,
                "pay_url": _pay_url(request, payment.id),
            }
        )


@routes.post(
    "/api/payment/callback",
    who=ANYONE,
    body=Callback,
    answer=Received,
    errors=(signatures.InvalidSignature, payments.PaymentMismatch, UserNotFound, BalanceLimit),
    tells=(BalanceUpdated, NotificationNew),
)
async def callback(request: web.Request) -> web.Response:
    """The provider's word that money came; signed, credited once."""
    raw = await request.read()
    try:
        provider = signatures.verify(
            request.app[CONFIG].providers, request.headers, raw, datetime.now(UTC)
        )
    except signatures.InvalidSignature as error:
        CALLBACKS.labels("refused").inc()
        log.warning("payment callback refused", reason=str(error), address=request[ADDRESS])
        raise
    body = load(Callback, parse_json(raw), request.app[CONFIG])
    return await _receive(request, provider, body)


async def _receive(request: web.Request, provider: str, body: dict[str, Any]) -> web.Response:
    facts = {
        "provider": provider,
        "transaction": body["transaction_id"],
        "member": body["user_id"],
        "amount_minor": body["amount"],
    }
    if body["status"] != "success":
        CALLBACKS.labels("other_status").inc()
        log.info("payment callback without success", status=body["status"], **facts)
        return web.json_response({"success": False})
    async with transaction(request) as tx:
        credit = await payments.credit(
            tx, provider, body["transaction_id"], body["user_id"], body["amount"]
        )
        if credit.balance_minor is not None:
            await request.app[SIO].emit(
                BalanceUpdated(body["user_id"], credit.balance_minor), tx=tx
            )
            amount = instance(Amount).dump({"amount": body["amount"]})
            await notify(request.app, tx, [Notice(body["user_id"], "payment", amount)])
    CALLBACKS.labels(credit.outcome).inc()
    if credit.outcome == "conflicting":
        log.warning("payment callback repeats a transaction with other facts", **facts)
    else:
        log.info(f"payment callback {credit.outcome}", **facts)
    return success(request)


@demo_routes.get("/api/demo/payments/{id}", who=MEMBER, answer=PaymentAnswer, hidden=True)
async def demo_payment(request: web.Request) -> web.Response:
    """The demo's pay page asks what it is about."""
    payment = await _own_payment(request)
    return success(
        request,
        payment={
            "id": payment.id,
            "amount": payment.amount_minor,
            "status": payment.status,
            "pay_url": _pay_url(request, payment.id),
        },
    )


@demo_routes.post(
    "/api/demo/payments/{id}",
    who=MEMBER,
    answer=Received,
    tells=(BalanceUpdated, NotificationNew),
    hidden=True,
)
async def demo_pay(request: web.Request) -> web.Response:
    """The demo's pay page stands in for the provider's: it confirms the payment."""
    payment = await _own_payment(request)
    return await _receive(
        request,
        request.app[CONFIG].providers[0].name,
        {
            "transaction_id": str(payment.id),
            "user_id": payment.user_id,
            "amount": payment.amount_minor,
            "status": "success",
        },
    )


async def _own_payment(request: web.Request) -> payments.Payment:
    async with request.app[DB].connection() as connection:
        payment = await payments.get(connection, path_id(request))
    if payment.user_id != require_member(request).id:
        raise payments.PaymentNotFound()
    return payment


def _pay_url(request: web.Request, payment_id: int) -> str | None:
    config = request.app[CONFIG]
    if config.demo:
        page = f"/demo/pay?payment={payment_id}"
        try:
            return str(request.url.join(URL(page)))
        except ValueError:
            # The Host header is not one.
            return page
    return config.pay_url.replace("{id}", str(payment_id)) if config.pay_url else None
