"""Cases: seeing them, opening them, and the admin's editing."""

from aiohttp import web
from marshmallow import ValidationError, fields, validate

from events import BalanceUpdated, CasesUpdated, DropNew, InventoryUpdated, NotificationNew
from events.fields import Balance, Choice, Fraction, Id, Money, Name, Schema, Text, instance
from events.views import RARITIES, ItemView
from server.club import cases, openings
from server.club.ledger import InsufficientBalance
from server.club.notifications import Notice
from server.keys import DB, SIO
from server.metrics import OPENINGS
from server.telling import notify
from server.web.auth import require_member
from server.web.body import read
from server.web.routes import ADMIN, ANYONE, MEMBER, Routes, path_id, success
from server.web.transactions import keyed_transaction, transaction

routes = Routes("cases")

# Sums of weights stay exact in every client's doubles.
_MAX_WEIGHT = 1_000_000_000
_MAX_LINES = 200


def _image(value: str) -> None:
    site_relative = value.startswith("/") and not value.startswith(("//", "/\\"))
    if value and not site_relative and not value.startswith(("https://", "http://")):
        raise ValidationError("Must be an absolute or site-relative URL, or empty.")


class Image(Text):
    """An absolute or site-relative URL, or empty."""

    def __init__(self) -> None:
        super().__init__(max=500, load_default="")
        self.validators.append(_image)


class LineBody(Schema):
    name = Name(required=True, max=120)
    image = Image()
    rarity = Choice(*RARITIES, required=True)
    value = Money(required=True, min_minor=0)
    weight = fields.Integer(
        required=True, strict=True, validate=validate.Range(min=1, max=_MAX_WEIGHT)
    )
    stock = fields.Integer(
        strict=True,
        load_default=None,
        allow_none=True,
        validate=validate.Range(min=0, max=_MAX_WEIGHT),
    )


class ItemsBody(Schema):
    items = fields.List(
        fields.Nested(LineBody), required=True, validate=validate.Length(1, _MAX_LINES)
    )


class PriceBody(Schema):
    price = Money(required=True, min_minor=1)


class CaseBody(ItemsBody, PriceBody):
    name = Name(required=True, max=120)
    image = Image()


class OpenCase(Schema):
    case_id = Id(required=True)
    client_seed = Text(min=1, max=64, load_default=None)


class LineView(ItemView):
    chance = Fraction(required=True)


class AdminLineView(LineView):
    weight = fields.Integer(required=True)
    stock = fields.Integer(required=True, allow_none=True)


class CaseView(Schema):
    id = Id(required=True)
    name = fields.String(required=True)
    image = fields.String(required=True)
    price = Money(required=True, attribute="price_minor")
    items = fields.List(fields.Nested(LineView), required=True)


class AdminCaseView(CaseView):
    items = fields.List(fields.Nested(AdminLineView), required=True)


class CasesAnswer(Schema):
    cases = fields.List(fields.Nested(CaseView), required=True)


class CaseAnswer(Schema):
    case = fields.Nested(CaseView, required=True)


class AdminCasesAnswer(Schema):
    cases = fields.List(fields.Nested(AdminCaseView), required=True)


class AdminCaseAnswer(Schema):
    case = fields.Nested(AdminCaseView, required=True)


class CommitmentView(Schema):
    server_seed_hash = fields.String(required=True)
    nonce = fields.Integer(required=True)


class CommitmentAnswer(Schema):
    commitment = fields.Nested(CommitmentView, required=True)


class OpeningView(Schema):
    id = Id(required=True)
    server_seed_hash = fields.String(required=True)
    server_seed = fields.String(required=True)
    client_seed = fields.String(required=True)
    nonce = fields.Integer(required=True)
    roll = fields.Integer(required=True)


class OpenedAnswer(Schema):
    item = fields.Nested(ItemView, required=True)
    balance = Balance(required=True)
    inventory_id = Id(required=True)
    opening = fields.Nested(OpeningView, required=True)


class PrizeNotice(Schema):
    """What a notification tells of a prize that is ready to collect."""

    inventory_id = Id(required=True)
    item = fields.Nested(ItemView, required=True)


class DrawnLineView(Schema):
    id = Id(required=True)
    name = fields.String(required=True)
    weight = fields.Integer(required=True)


class CheckedAnswer(Schema):
    opening = fields.Nested(OpeningView, required=True)
    item = fields.Nested(ItemView, required=True)
    lines = fields.List(fields.Nested(DrawnLineView), required=True)


@routes.get("/api/cases", who=ANYONE, answer=CasesAnswer)
async def list_cases(request: web.Request) -> web.Response:
    """Every case with its prizes and their chances."""
    async with request.app[DB].connection() as connection:
        return success(request, cases=await cases.list_cases(connection))


@routes.get("/api/cases/commitment", who=MEMBER, answer=CommitmentAnswer)
async def commitment(request: web.Request) -> web.Response:
    """The hash of the seed that will decide the member's next opening."""
    member = require_member(request)
    async with request.app[DB].connection() as connection:
        return success(request, commitment=await openings.commitment(connection, member.id))


@routes.get(
    "/api/cases/openings/{id}",
    who=ANYONE,
    answer=CheckedAnswer,
    errors=(openings.OpeningNotFound,),
)
async def check_opening(request: web.Request) -> web.Response:
    """An opening with the lines it was drawn from, for anyone to check."""
    async with request.app[DB].connection() as connection:
        checked = await openings.check(connection, path_id(request))
    return success(request, opening=checked.opening, item=checked.item, lines=checked.lines)


@routes.get("/api/cases/{id}", who=ANYONE, answer=CaseAnswer, errors=(cases.CaseNotFound,))
async def get_case(request: web.Request) -> web.Response:
    """One case with its prizes and their chances."""
    async with request.app[DB].connection() as connection:
        return success(request, case=await cases.get_case(connection, path_id(request)))


@routes.post(
    "/api/cases/open",
    who=MEMBER,
    body=OpenCase,
    answer=OpenedAnswer,
    errors=(cases.CaseNotFound, openings.SoldOut, InsufficientBalance),
    tells=(BalanceUpdated, InventoryUpdated, DropNew, CasesUpdated, NotificationNew),
    takes_key=True,
)
async def open_case(request: web.Request) -> web.Response:
    """Open one case for the signed-in member."""
    member = require_member(request)
    body = await read(request, OpenCase)
    sio = request.app[SIO]
    async with keyed_transaction(request) as money:
        opened = await openings.open_case(money.tx, member.id, member.username, **body)
        await sio.emit(BalanceUpdated(member.id, opened.balance_minor), tx=money.tx)
        await sio.emit(InventoryUpdated(member.id), tx=money.tx)
        await sio.emit(DropNew.of(opened.drop), tx=money.tx)
        if opened.ran_out:
            await sio.emit(CasesUpdated(), tx=money.tx)
        if opened.item.stock is not None:
            # What is counted is a thing: it lies at the desk.
            prize = instance(PrizeNotice).dump(opened)
            await notify(request.app, money.tx, [Notice(member.id, "prize", prize)])
        answer = money.answer(
            item=opened.item,
            balance=opened.balance_minor,
            inventory_id=opened.inventory_id,
            opening=opened.opening,
        )
    OPENINGS.inc()
    return answer


@routes.get("/api/admin/cases", who=ADMIN, answer=AdminCasesAnswer)
async def list_for_admin(request: web.Request) -> web.Response:
    """Every case with weights and stock."""
    async with request.app[DB].connection() as connection:
        return success(request, cases=await cases.list_cases(connection))


@routes.post(
    "/api/admin/cases",
    who=ADMIN,
    body=CaseBody,
    answer=AdminCaseAnswer,
    status=201,
    tells=(CasesUpdated,),
)
async def create_case(request: web.Request) -> web.Response:
    """Add a case."""
    body = await read(request, CaseBody)
    async with transaction(request) as tx:
        case = await cases.create(tx, **body)
        await request.app[SIO].emit(CasesUpdated(), tx=tx)
    return success(request, case=case)


@routes.put(
    "/api/admin/cases/{id}",
    who=ADMIN,
    body=CaseBody,
    answer=AdminCaseAnswer,
    errors=(cases.CaseNotFound,),
    tells=(CasesUpdated,),
)
async def change_case(request: web.Request) -> web.Response:
    """Change a case as a whole."""
    body = await read(request, CaseBody)
    async with transaction(request) as tx:
        case = await cases.change(tx, path_id(request), **body)
        await request.app[SIO].emit(CasesUpdated(), tx=tx)
    return success(request, case=case)


@routes.patch(
    "/api/admin/cases/{id}/items",
    who=ADMIN,
    body=ItemsBody,
    answer=AdminCaseAnswer,
    errors=(cases.CaseNotFound,),
    tells=(CasesUpdated,),
)
async def change_items(request: web.Request) -> web.Response:
    """Replace the lines of a case."""
    body = await read(request, ItemsBody)
    async with transaction(request) as tx:
        case = await cases.change_items(tx, path_id(request), **body)
        await request.app[SIO].emit(CasesUpdated(), tx=tx)
    return success(request, case=case)


@routes.put(
    "/api/admin/cases/{id}/price",
    who=ADMIN,
    body=PriceBody,
    answer=AdminCaseAnswer,
    errors=(cases.CaseNotFound,),
    tells=(CasesUpdated,),
)
async def change_price(request: web.Request) -> web.Response:
    """Change the price of a case."""
    body = await read(request, PriceBody)
    async with transaction(request) as tx:
        case = await cases.change_price(tx, path_id(request), **body)
        await request.app[SIO].emit(CasesUpdated(), tx=tx)
    return success(request, case=case)


@routes.delete(
    "/api/admin/cases/{id}",
    who=ADMIN,
    answer=AdminCaseAnswer,
    errors=(cases.CaseNotFound,),
    tells=(CasesUpdated,),
)
async def remove_case(request: web.Request) -> web.Response:
    """Take a case out of the club; prizes won from it stay their owners'."""
    async with transaction(request) as tx:
        case = await cases.remove(tx, path_id(request))
        await request.app[SIO].emit(CasesUpdated(), tx=tx)
    return success(request, case=case)
