"""Renews the token before it expires."""

import asyncio
import logging
import math
import time

from cyberhub_client.errors import ApiError
from cyberhub_client.session import Session, Sessions

# The clock that timers go by stands still while the machine sleeps; so it is looked at often.
_LOOK_EVERY_S = 30.0
# Kept for retries: a fifth of what is left, and no more than this.
_SPARE_S = 60.0

log = logging.getLogger("cyberhub_client")


class Renewal:
    """One at a time, however many ask for it."""

    def __init__(self, sessions: Sessions, retry_s: float) -> None:
        self._sessions = sessions
        self._retry_s = retry_s
        self._turn = asyncio.Lock()
        self._not_before = 0.0
        self._planned_for: Session | None = None
        self._due_at = 0.0

    async def run(self) -> None:
        """Renew when it is time, for as long as this is not cancelled."""
        while True:
            due_s = self._due_s()
            if due_s <= 0:
                await self.now()
            else:
                await asyncio.sleep(min(due_s, _LOOK_EVERY_S))

    def _due_s(self) -> float:
        """Seconds until it is time."""
        session = self._sessions.now
        if session.token is None or session.expires_at is None:
            return _LOOK_EVERY_S
        if session is not self._planned_for:
            left_s = session.expires_at - time.time()
            self._planned_for = session
            self._due_at = session.expires_at - min(_SPARE_S, left_s / 5)
        return self._due_at - time.time()

    async def now(self) -> None:
        """Renew at once. What goes wrong is seen by the session, or tried again."""
        session = self._sessions.now
        async with self._turn:
            if self._sessions.now is not session:
                return
            self._not_before = time.monotonic() + self._retry_s
            try:
                await self._sessions.renew()
            except ApiError as error:
                log.info("the token was not renewed: %s", error)
                again_s = max(self._retry_s, error.retry_after_s)
                # One of another site's is renewed there, and comes by `set_token`.
                is_foreign = error.code == "foreign_token"
                self._due_at = math.inf if is_foreign else time.time() + again_s

    async def after_refusal(self) -> None:
        """After a door refused the token. One that is new and still refused is not asked about
        again at once."""
        if time.monotonic() >= self._not_before:
            await self.now()
