"""Who is signed in, and until when."""

import base64
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from cyberhub_client.errors import ApiError

Ask = Callable[..., Awaitable[dict[str, Any]]]


def claims(token: str) -> dict[str, Any]:
    """What a JWT says of itself, unverified: that is the club's affair. {} if unreadable."""
    try:
        payload = token.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


@dataclass(frozen=True, slots=True)
class Session:
    """Nobody's, if `token` is None."""

    token: str | None = None
    #: Seconds of `time.time()` by the clock of this machine; None: unknown.
    expires_at: float | None = None
    user_id: int | None = None
    #: Whether the club has refused the token that was there.
    ended: bool = False

    def __repr__(self) -> str:
        # What is printed ends in logs.
        token = "'…'" if self.token else None
        return (
            f"Session(token={token}, expires_at={self.expires_at}, "
            f"user_id={self.user_id}, ended={self.ended})"
        )


class Sessions:
    """The session of one client: how it begins, is renewed, and ends."""

    def __init__(
        self,
        ask: Ask,
        *,
        token: str | None,
        username: str | None,
        password: str | None,
        on_change: Callable[[Session], None],
    ) -> None:
        self._ask = ask
        self._username = username
        self._password = password
        self._on_change = on_change
        self.now = Session(token, _end_of(token)) if token else Session()
        #: Why the session has ended.
        self.refusal: ApiError | None = None

    async def begin(self) -> None:
        """Sign in, if there is a name to do it with. Raises: ApiError."""
        if self._username is not None and self.now.token is None:
            self._show(await self._log_in())

    async def renew(self) -> None:
        """A new token for the same member, if that is possible. Raises: ApiError.

        An error that is decided has ended the session, unless the token is only renewed where
        it was issued.
        """
        before = self.now
        if before.token is None:
            return
        try:
            fresh = await self._refreshed(before)
        except ApiError as error:
            if error.status == 401 and self.now is before:
                self.refusal = error
                self._show(Session(user_id=before.user_id, ended=True))
            raise
        # It may have been replaced while this was under way.
        if self.now is before:
            self._show(fresh)

    async def _refreshed(self, before: Session) -> Session:
        try:
            answer = await self._ask("POST", "/api/auth/refresh", token=before.token)
        except ApiError as error:
            if error.status != 401 or self._username is None:
                raise
            return await self._log_in()
        token = str(answer["token"])
        return replace(before, token=token, expires_at=_end_of(token, is_new=True))

    async def _log_in(self) -> Session:
        body = {"username": self._username, "password": self._password}
        answer = await self._ask("POST", "/api/auth/login", body=body)
        token = str(answer["token"])
        return Session(token, _end_of(token, is_new=True), answer["user"]["id"])

    def replace(self, token: str, user_id: int) -> None:
        """Somebody's token from elsewhere."""
        if user_id != self.now.user_id:
            # The name and the password are not theirs.
            self._username = self._password = None
        self._show(Session(token, _end_of(token), user_id))

    def belongs_to(self, user_id: int) -> None:
        """The club has said whose token this is."""
        self.now = replace(self.now, user_id=user_id)

    def _show(self, session: Session) -> None:
        self.now = session
        self._on_change(session)


def _end_of(token: str, *, is_new: bool = False) -> float | None:
    said = claims(token)
    end, begin = said.get("exp"), said.get("iat")
    if not isinstance(end, int | float):
        return None
    if is_new and isinstance(begin, int | float):
        # By our own clock, however wrong it goes: it lives from now on.
        return time.time() + (end - begin)
    return float(end)
