"""What was asked for while there was no connection, until it can be done. Only for what carries
an Idempotency-Key: the club does it once, however often it is asked."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from cyberhub_client.errors import ApiError

# The club keeps a key for 24 hours; an hour is left for clocks and for the way.
MAX_AGE_S = 23 * 3600.0
_LIMIT = 50
_AGAIN_S = 5.0


@dataclass(slots=True)
class Entry:
    """One action; `since` is when it was first tried, in seconds of `time.time()`."""

    path: str
    body: Any
    key: str
    since: float
    answer: "asyncio.Future[dict[str, Any]]" = field(repr=False)


class Outbox:
    """Done one after another, in the order in which they were asked for."""

    def __init__(
        self,
        ask: Callable[[Entry], Awaitable[dict[str, Any]]],
        *,
        when_online: Callable[[], Awaitable[None]],
        max_age_s: float = MAX_AGE_S,
    ) -> None:
        self._ask = ask
        self._when_online = when_online
        self._max_age_s = max_age_s
        self._news = asyncio.Event()
        self.entries: list[Entry] = []

    async def done(self, path: str, body: Any, key: str, since: float) -> dict[str, Any]:
        """Wait until it is decided. Raises: ApiError."""
        if len(self.entries) >= _LIMIT:
            error = "Too much is waiting for the connection already."
            raise ApiError(0, {"code": "queue_full", "error": error})
        entry = Entry(path, body, key, since, asyncio.get_running_loop().create_future())
        self.entries.append(entry)
        self._news.set()
        try:
            return await entry.answer
        finally:
            # Also where nobody waits for it any more: it is not asked for again.
            if entry in self.entries:
                self.entries.remove(entry)

    async def run(self) -> None:
        """Send what waits, for as long as this is not cancelled."""
        while True:
            self._news.clear()
            await self._when_online()
            while self.entries:
                again_s = await self._send(self.entries[0])
                if again_s:
                    await asyncio.sleep(again_s)
                    await self._when_online()
            await self._news.wait()

    async def _send(self, entry: Entry) -> float:
        """Seconds until it is to be tried again; 0: it is decided."""
        age_s = time.time() - entry.since
        if not 0 <= age_s <= self._max_age_s:
            # The club forgets keys: what is older might be done a second time. Nor can a clock
            # that was set back tell how old it is.
            error = "It waited too long and was not sent."
            self._settle(entry, ApiError(0, {"code": "queue_expired", "error": error}))
            return 0.0
        try:
            self._settle(entry, await self._ask(entry))
        except ApiError as error:
            if error.is_undecided:
                return error.retry_after_s or _AGAIN_S
            self._settle(entry, error)
        return 0.0

    def _settle(self, entry: Entry, result: dict[str, Any] | ApiError) -> None:
        if entry in self.entries:
            self.entries.remove(entry)
        if entry.answer.done():
            return
        if isinstance(result, ApiError):
            entry.answer.set_exception(result)
        else:
            entry.answer.set_result(result)

    def drop(self, why: str) -> None:
        """Nothing of it is sent any more."""
        for entry in tuple(self.entries):
            self._settle(entry, ApiError(0, {"code": "queue_dropped", "error": why}))
