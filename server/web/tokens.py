"""JSON Web Tokens: our own, and those of configured foreign issuers (RFC 7519)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt

from server.config import Config, Issuer
from server.errors import InvalidToken, TokenExpired

# Never taken from the token (RFC 8725 §3.1).
_ALGORITHMS = ["HS256"]
# Headers of 8 KiB are all that aiohttp reads anyway.
_MAX_LENGTH = 8000
# A member asks again and again with one token. Only good ones are kept, so nobody can fill this.
_KNOWN = 10_000
_OWN_SUBJECT = re.compile(r"[1-9]\d{0,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says: `issuer` is None for our own tokens."""

    issuer: str | None
    subject: str
    expires_at: datetime


class Tokens:
    """Issues our tokens and verifies all that are configured."""

    def __init__(self, config: Config) -> None:
        self._secret = config.jwt_secret.encode()
        self._ttl = timedelta(seconds=config.token_ttl_s)
        self._issuers: dict[str, Issuer] = {each.issuer: each for each in config.issuers}
        self._known = lru_cache(_KNOWN)(self._read)

    def issue(self, user_id: int, *, ttl: timedelta | None = None) -> tuple[str, datetime]:
        """A token for a member and the time (UTC, whole seconds) until it is valid."""
        now = datetime.now(UTC).replace(microsecond=0)
        expires_at = now + (ttl or self._ttl)
        claims = {"sub": str(user_id), "iat": now, "exp": expires_at}
        return jwt.encode(claims, self._secret, algorithm="HS256"), expires_at

    def verify(self, token: str) -> Claims:
        """Raises: TokenExpired, InvalidToken."""
        claims = self._known(token)
        # What a signature says stays true; only the time moves on.
        if claims.expires_at <= datetime.now(UTC):
            raise TokenExpired()
        return claims

    def presumed_member(self, auth: dict[str, Any]) -> int | None:
        """Whose token a socket brings, without a look at the database.

        0 if it brings none; None if that cannot be said without.
        """
        token = auth.get("token")
        if token is None:
            return 0
        try:
            claims = self.verify(token) if isinstance(token, str) else None
        except (TokenExpired, InvalidToken):
            return None
        return int(claims.subject) if claims and claims.issuer is None else None

    def _read(self, token: str) -> Claims:
        try:
            if len(token) > _MAX_LENGTH:
                raise InvalidToken()
            issuer = self._named_issuer(token)
            if issuer is None:
                claims = jwt.decode(
                    token, self._secret, algorithms=_ALGORITHMS, options={"require": ["exp", "sub"]}
                )
                if "iss" in claims or not _OWN_SUBJECT.fullmatch(claims["sub"]):
                    raise InvalidToken()
            else:
                claims = jwt.decode(
                    token,
                    issuer.secret.encode(),
                    algorithms=_ALGORITHMS,
                    issuer=issuer.issuer,
                    audience=issuer.audience,
                    options={"require": ["exp", "sub", "iss", "aud"]},
                )
                # It becomes a text of the database, which holds neither NUL nor half a pair.
                subject = claims["sub"].encode()
                if not 0 < len(subject) <= 255 or b"\x00" in subject:
                    raise InvalidToken()
            # In whole seconds, as the library compares it.
            expires_at = datetime.fromtimestamp(claims["exp"], UTC).replace(microsecond=0)
        except jwt.ExpiredSignatureError:
            raise TokenExpired() from None
        except (
            jwt.InvalidTokenError,
            # What the library lets through and the clock does not: an `exp` of the wrong type,
            # or beyond the calendar.
            TypeError,
            ValueError,
            OverflowError,
            OSError,
            RecursionError,
        ):
            raise InvalidToken() from None
        return Claims(issuer.issuer if issuer else None, claims["sub"], expires_at)

    def _named_issuer(self, token: str) -> Issuer | None:
        """The issuer that the token names decides which secret must have signed it."""
        if not self._issuers:
            return None
        named = jwt.decode(token, options={"verify_signature": False}).get("iss")
        return self._issuers.get(named) if isinstance(named, str) else None
