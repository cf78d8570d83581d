"""Rate limits: so many attempts per name, per address; so much a minute of each member."""

import math
import time

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from server.config import Config
from server.engine import Rate, network_of
from server.errors import TooManyRequests
from server.web.counts import SharedCounts

_DAY_MIN = 24 * 60

# Those who have not been heard of for a while are forgotten when so many are remembered.
_MOST_PACES = 10_000


class Pace:
    """How fast each member may do something: so much at once, then so much a minute."""

    def __init__(
        self, name: str, per_minute: float, burst: int, shared: SharedCounts | None
    ) -> None:
        self._name = name
        self._per_second = per_minute / 60
        self._burst = burst
        self._shared = shared
        self._rate = Rate(self._per_second, burst)
        self._arrivals: dict[int, float] = {}

    async def take(self, member_id: int, cost: int = 1) -> None:
        """Do it, or something as costly as doing it so many times, at most the burst.

        Raises: TooManyRequests, saying when the next may come; nothing is taken then.
        """
        cost = min(cost, self._burst)
        wait_s = None
        if self._shared is not None:
            key = f"{self._name}:{member_id}"
            wait_s = await self._shared.wait(key, self._per_second, self._burst, cost)
        if wait_s is None:
            wait_s = self._wait(member_id, cost)
        if wait_s > 0:
            raise TooManyRequests("Not so fast.", retry_after_s=max(1, math.ceil(wait_s)))

    def _wait(self, member_id: int, cost: int) -> float:
        now = time.monotonic()
        arrival = self._arrivals.get(member_id, 0.0)
        for _ in range(cost):
            next_ = self._rate.admit(arrival, now)
            if next_ is None:
                return self._rate.wait(arrival, now)
            arrival = next_
        self._arrivals[member_id] = arrival
        if len(self._arrivals) > _MOST_PACES:
            self._arrivals = {who: due for who, due in self._arrivals.items() if due > now}
        return 0.0


class RateLimits:
    """Counts attempts in moving windows. Limits are written as in `10/5 minutes`.

    With Redis all workers count together; while it is away each counts for itself.
    """

    def __init__(self, config: Config) -> None:
        self._shared = None if config.redis_url is None else SharedCounts(config.redis_url)
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self.login_name = parse(config.login_failures_per_name)
        self.login_name_anywhere = parse(config.login_attempts_per_name)
        self.login_address = parse(config.login_attempts_per_address)
        self.register_address = parse(config.registrations_per_address)
        self.messages = self._pace("messages", config.messages_per_minute, config.messages_burst)
        self.messages_of_day = self._pace(
            "messages_of_day", config.messages_per_day / _DAY_MIN, config.messages_per_day
        )
        self.dialogs = self._pace("dialogs", config.dialogs_per_minute, config.dialogs_burst)
        self.typing = self._pace("typing", config.typing_per_minute, config.typing_burst)
        self.chat = self._pace("chat", config.chat_per_minute, config.chat_burst)
        self.calendar = self._pace("calendar", config.calendar_per_minute, config.calendar_burst)
        self.calendar_feeds = self._pace(
            "calendar_feeds", config.calendar_feed_per_minute, config.calendar_feed_burst
        )
        self.lookups = self._pace("lookups", config.lookups_per_minute, config.lookups_burst)

    def _pace(self, name: str, per_minute: float, burst: int) -> Pace:
        return Pace(name, per_minute, burst, self._shared)

    async def attempt(self, limit: RateLimitItem, *what: str) -> None:
        """Count an attempt. Raises: TooManyRequests, saying when the next may come."""
        key = _key(what)
        reset_at = None
        if self._shared is not None:
            windows = self._shared.windows
            reset_at = await self._shared.ask(lambda: _count(windows, limit, key))
        if reset_at is None:
            reset_at = await _count(self._own, limit, key)
        if reset_at:
            raise TooManyRequests(retry_after_s=max(1, math.ceil(reset_at - time.time())))

    async def forget(self, limit: RateLimitItem, *what: str) -> None:
        """The attempts were somebody's who may."""
        key = _key(what)
        if self._shared is not None:
            windows = self._shared.windows
            await self._shared.ask(lambda: windows.clear(limit, *key))
        await self._own.clear(limit, *key)

    async def close(self) -> None:
        if self._shared is not None:
            await self._shared.close()


async def _count(
    windows: MovingWindowRateLimiter, limit: RateLimitItem, key: tuple[str, ...]
) -> float:
    """Count an attempt; when the next may come if this one is too many, else 0."""
    if await windows.hit(limit, *key):
        return 0.0
    return (await windows.get_window_stats(limit, *key)).reset_time


def _key(what: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(network_of(part) for part in what)
