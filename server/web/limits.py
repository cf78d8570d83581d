"""Rate limits: so many attempts per name, per address."""

import math
import time

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from server.config import Config
from server.errors import TooManyRequests


class RateLimits:
    """Counts attempts in moving windows. Limits are written as in `10/5 minutes`."""

    def __init__(self, config: Config) -> None:
        self._strategy = MovingWindowRateLimiter(MemoryStorage())
        self.login_name = parse(config.login_failures_per_name)
        self.login_address = parse(config.login_attempts_per_address)
        self.register_address = parse(config.registrations_per_address)

    async def attempt(self, limit: RateLimitItem, kind: str, key: str) -> None:
        """Count an attempt. Raises: TooManyRequests, saying when the next may come."""
        if not await self._strategy.hit(limit, kind, key):
            window = await self._strategy.get_window_stats(limit, kind, key)
            raise TooManyRequests(
                retry_after_s=max(1, math.ceil(window.reset_time - time.time()))
            )

    async def forget(self, limit: RateLimitItem, kind: str, key: str) -> None:
        """The attempts were somebody who may."""
        await self._strategy.clear(limit, kind, key)
