"""Who is asking: the token of a request or a socket becomes a member of the database."""

import asyncio
from typing import Any, Protocol

from aiohttp import web

from server.db import Database, Transaction
from server.errors import InvalidToken, Unauthorized
from server.identity import Member, SignedIn
from server.keys import AUTH, CLAIMS, SIGNED_IN
from server.web.tokens import Claims, Tokens

# All of them go on when the statement is answered, and others wait meanwhile.
_TOGETHER = 50


class Members(Protocol):
    """Where members are looked up: `server.club.accounts`."""

    async def find_all(self, connection: Any, user_ids: list[int]) -> dict[int, Member]: ...

    async def find_foreign(
        self, connection: Any, issuer: str, subject: str
    ) -> Member | None: ...

    async def welcome_foreign(self, tx: Transaction, issuer: str, subject: str) -> Member: ...


class Lookups:
    """Looks members up by id; those who ask at the same time share one statement.

    Invariants
        Whoever asks is answered by a statement that began afterwards: nothing is remembered.
        At most one is under way; who comes meanwhile shares the next.
    """

    def __init__(self, db: Database, members: Members) -> None:
        self._db = db
        self._members = members
        self._reading: asyncio.Task[None] | None = None
        self.waiting: list[tuple[int, asyncio.Future[Member | None]]] = []

    async def find(self, user_id: int) -> Member | None:
        """Raises: DatabaseUnavailable."""
        answer: asyncio.Future[Member | None] = asyncio.get_running_loop().create_future()
        self.waiting.append((user_id, answer))
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return await answer

    async def _read(self) -> None:
        while self.waiting:
            asked: list[tuple[int, asyncio.Future[Member | None]]] = []
            try:
                async with self._db.connection() as connection:
                    # Now, not before: whoever came while there was no connection is read too.
                    asked, self.waiting = self.waiting[:_TOGETHER], self.waiting[_TOGETHER:]
                    found = await self._members.find_all(connection, [id_ for id_, _ in asked])
            except Exception as error:
                if not asked:
                    asked, self.waiting = self.waiting, []
                for _, answer in asked:
                    if not answer.done():
                        answer.set_exception(error)
            else:
                for user_id, answer in asked:
                    if not answer.done():
                        answer.set_result(found.get(user_id))
        self._reading = None


class Authenticator:
    """Turns a token into a member. The role is read from the database each time."""

    def __init__(self, db: Database, tokens: Tokens, members: Members) -> None:
        self._db = db
        self._members = members
        self.lookups = Lookups(db, members)
        self.tokens = tokens

    async def sign_in(self, token: str) -> SignedIn:
        """Raises: TokenExpired, InvalidToken, DatabaseUnavailable."""
        return await self.member_of(self.tokens.verify(token))

    async def member_of(self, claims: Claims) -> SignedIn:
        """The member that verified claims are about.

        An identity is (issuer, subject): a foreign subject never matches a local id, and an
        unknown one becomes a new member. Raises: InvalidToken when the member is gone.
        """
        if claims.issuer is None:
            member = await self.lookups.find(int(claims.subject))
        else:
            member = await self._foreign(claims.issuer, claims.subject)
        if member is None:
            raise InvalidToken()
        return SignedIn(member, claims.expires_at)

    async def _foreign(self, issuer: str, subject: str) -> Member:
        async with self._db.connection() as connection:
            member = await self._members.find_foreign(connection, issuer, subject)
        if member is None:
            async with self._db.transaction() as tx:
                member = await self._members.welcome_foreign(tx, issuer, subject)
        return member


def bearer_token(request: web.Request) -> str | None:
    """The token of the Authorization header (RFC 6750 §2.1). Raises: InvalidToken."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise InvalidToken("The Authorization header must read: Bearer <token>.")
    return token.strip()


async def signed_in(request: web.Request) -> SignedIn | None:
    """Who asks, or None for an anonymous request; looked up once a request."""
    known: SignedIn | None = request.get(SIGNED_IN)
    claims: Claims | None = request.get(CLAIMS)
    if known is None and claims is not None:
        known = request[SIGNED_IN] = await request.app[AUTH].member_of(claims)
    return known


async def signed_in_to_stream(request: web.Request) -> SignedIn | None:
    """As `signed_in`, where a browser cannot send headers: the token may be in the query."""
    token = request.query.get("token")
    if token is not None and CLAIMS not in request:
        request[CLAIMS] = request.app[AUTH].tokens.verify(token)
    return await signed_in(request)


def require_member(request: web.Request) -> Member:
    """The member who asks; the route's `who` has let only members in."""
    who: SignedIn | None = request.get(SIGNED_IN)
    if who is None:
        raise Unauthorized()
    return who.member
