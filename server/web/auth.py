"""Who is asking: the token of a request or a socket becomes a member of the database."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from aiohttp import web

from server.db import Database, Transaction
from server.db.batches import Batches
from server.errors import InvalidToken, Unauthorized
from server.identity import Listener, Member, SignedIn, SomeMember
from server.keys import AUTH, CLAIMS, SIGNED_IN
from server.web.tokens import Claims, Tokens

# All of them go on when the statement is answered, and others wait meanwhile.
_TOGETHER = 50

_Find = Callable[[Any, list[int]], Awaitable[Mapping[int, SomeMember]]]
_Lookup = Batches[int, SomeMember | None]


class Members(Protocol):
    """Where members are looked up: `server.club.accounts`."""

    async def find_all(self, connection: Any, user_ids: list[int]) -> dict[int, Member]: ...

    async def find_listeners(
        self, connection: Any, user_ids: list[int]
    ) -> dict[int, Listener]: ...

    async def find_foreign(self, connection: Any, issuer: str, subject: str) -> int | None: ...

    async def welcome_foreign(self, tx: Transaction, issuer: str, subject: str) -> int: ...


class Authenticator:
    """Turns a token into a member. The role is read from the database each time.

    Who asks at the same time is looked up by one statement, which began afterwards: nothing is
    remembered.
    """

    def __init__(self, db: Database, tokens: Tokens, members: Members) -> None:
        self._db = db
        self._members = members
        self.tokens = tokens
        #: By id; asking raises DatabaseUnavailable.
        self.members = self._lookup(members.find_all)
        self._listeners = self._lookup(members.find_listeners)

    def _lookup(self, find: _Find[SomeMember]) -> _Lookup[SomeMember]:
        async def run(user_ids: list[int]) -> list[SomeMember | None]:
            async with self._db.connection() as connection:
                found = await find(connection, user_ids)
            return [found.get(user_id) for user_id in user_ids]

        return Batches(run, most=_TOGETHER)

    async def member_of(self, claims: Claims) -> SignedIn[Member]:
        """The member that verified claims are about. Raises: InvalidToken when it is gone."""
        return await self._signed_in(claims, self.members)

    async def listener_of(self, claims: Claims) -> SignedIn[Listener]:
        """The same for whoever stays to be told things. Raises: InvalidToken."""
        return await self._signed_in(claims, self._listeners)

    async def listener(self, token: str) -> SignedIn[Listener]:
        """Raises: TokenExpired, InvalidToken, DatabaseUnavailable."""
        return await self.listener_of(self.tokens.verify(token))

    async def _signed_in(
        self, claims: Claims, lookup: _Lookup[SomeMember]
    ) -> SignedIn[SomeMember]:
        member = await lookup.ask(await self._id_of(claims))
        if member is None:
            raise InvalidToken()
        return SignedIn(member, claims.expires_at)

    async def _id_of(self, claims: Claims) -> int:
        """An identity is (issuer, subject): a foreign subject never matches a local id.

        An unknown one becomes a new member.
        """
        if claims.issuer is None:
            return int(claims.subject)
        async with self._db.connection() as connection:
            known = await self._members.find_foreign(connection, claims.issuer, claims.subject)
        if known is not None:
            return known
        async with self._db.transaction() as tx:
            return await self._members.welcome_foreign(tx, claims.issuer, claims.subject)


def bearer_token(request: web.Request) -> str | None:
    """The token of the Authorization header (RFC 6750 §2.1). Raises: InvalidToken."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise InvalidToken("The Authorization header must read: Bearer <token>.")
    return token.strip()


async def signed_in(request: web.Request) -> SignedIn[Member] | None:
    """Who asks, or None for an anonymous request; looked up once a request."""
    known: SignedIn[Member] | None = request.get(SIGNED_IN)
    claims: Claims | None = request.get(CLAIMS)
    if known is None and claims is not None:
        known = request[SIGNED_IN] = await request.app[AUTH].member_of(claims)
    return known


async def listens(request: web.Request) -> SignedIn[Listener] | None:
    """Who asks to be told things, or None for an anonymous request."""
    claims: Claims | None = request.get(CLAIMS)
    return None if claims is None else await request.app[AUTH].listener_of(claims)


async def listens_to_stream(request: web.Request) -> SignedIn[Listener] | None:
    """As `listens`, where a browser cannot send headers: the token may be in the query."""
    token = request.query.get("token")
    if token is not None and CLAIMS not in request:
        request[CLAIMS] = request.app[AUTH].tokens.verify(token)
    return await listens(request)


def require_member(request: web.Request) -> Member:
    """The member who asks; the route's `who` has let only members in."""
    who: SignedIn[Member] | None = request.get(SIGNED_IN)
    if who is None:
        raise Unauthorized()
    return who.member
