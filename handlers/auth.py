"""Signing in: register, log in, refresh."""

from typing import Any

from aiohttp import web
from marshmallow import fields

from events.fields import Schema, Text, Time
from events.views import UserView
from server.club import accounts
from server.errors import ClubError, TooManyRequests
from server.identity import Member
from server.keys import ADDRESS, AUTH, CLAIMS, DB, LIMITS, PASSWORDS
from server.web.auth import require_member
from server.web.body import read
from server.web.routes import ANYONE, MEMBER, Routes, success
from server.web.transactions import transaction

routes = Routes("auth")


class NewAccount(Schema):
    username = fields.String(required=True)
    # RFC 9106 sets no bound; this one keeps a hash from being a way to burn our CPU.
    password = Text(required=True, min=8, max=256)


class Login(Schema):
    username = Text(required=True, max=64)
    password = Text(required=True, max=256)


class SignedInAnswer(Schema):
    token = fields.String(required=True)
    expires_at = Time(required=True)
    user = fields.Nested(UserView, required=True)


class RefreshedAnswer(Schema):
    token = fields.String(required=True)
    expires_at = Time(required=True)


class WrongCredentials(ClubError):
    status = 401
    code = "wrong_credentials"
    sentence = "The name or the password is wrong."


class ForeignToken(ClubError):
    code = "foreign_token"
    sentence = "This token is refreshed where it was issued."


@routes.post(
    "/api/auth/register",
    who=ANYONE,
    body=NewAccount,
    answer=SignedInAnswer,
    errors=(accounts.UsernameTaken, TooManyRequests),
)
async def register(request: web.Request) -> web.Response:
    """Make an account and sign in."""
    body = await read(request, NewAccount)
    limits = request.app[LIMITS]
    await limits.attempt(limits.register_address, "register", request[ADDRESS])
    accounts.check_username(body["username"])
    password_hash = await request.app[PASSWORDS].hash(body["password"])
    async with transaction(request) as tx:
        member = await accounts.register(tx, body["username"], password_hash)
    return success(request, **_signed_in(request, member))


@routes.post(
    "/api/auth/login",
    who=ANYONE,
    body=Login,
    answer=SignedInAnswer,
    errors=(WrongCredentials, TooManyRequests),
)
async def login(request: web.Request) -> web.Response:
    """Sign in with name and password."""
    body = await read(request, Login)
    limits, name = request.app[LIMITS], accounts.username_key(body["username"])
    # Counted before the password is looked at: attempts in parallel count like any others. The
    # tight limit is of a name at one address, or a stranger could lock anybody out from afar.
    await limits.attempt(limits.login_address, "login", request[ADDRESS])
    await limits.attempt(limits.login_name, "login", name, request[ADDRESS])
    await limits.attempt(limits.login_name_anywhere, "login", name)
    async with request.app[DB].connection() as connection:
        known = await accounts.find_by_name(connection, body["username"])
    password_hash = known.password_hash if known else None
    if not await request.app[PASSWORDS].matches(password_hash, body["password"]) or not known:
        raise WrongCredentials()
    await limits.forget(limits.login_name, "login", name, request[ADDRESS])
    await limits.forget(limits.login_name_anywhere, "login", name)
    return success(request, **_signed_in(request, known.member))


@routes.post(
    "/api/auth/refresh", who=MEMBER, answer=RefreshedAnswer, errors=(ForeignToken,)
)
async def refresh(request: web.Request) -> web.Response:
    """Exchange a token that is still valid for a fresh one."""
    member = require_member(request)
    if request[CLAIMS].issuer is not None:
        raise ForeignToken()
    token, expires_at = request.app[AUTH].tokens.issue(member.id)
    return success(request, token=token, expires_at=expires_at)


def _signed_in(request: web.Request, member: Member) -> dict[str, Any]:
    token, expires_at = request.app[AUTH].tokens.issue(member.id)
    return {"token": token, "expires_at": expires_at, "user": member}
