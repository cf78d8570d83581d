"""Counts that several workers keep together, in Redis."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import redis.asyncio as redis
import structlog
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

# A request waits no longer for a count; and while Redis is away, it is not asked each time.
_PATIENCE_S = 1.0
_AGAIN_S = 1.0

# GCRA, as server.engine.Rate has it, by Redis' clock. Returns the seconds to wait, 0 for none.
_ADMIT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local arrival = tonumber(redis.call('GET', KEYS[1]) or '0')
if arrival < now then arrival = now end
local last = arrival + tonumber(ARGV[1]) * (ARGV[3] - 1)
local wait = last - now - tonumber(ARGV[2])
if wait > 0 then return string.format('%.6f', wait) end
arrival = last + tonumber(ARGV[1])
local kept = math.ceil((arrival - now) * 1000)
redis.call('SET', KEYS[1], string.format('%.6f', arrival), 'PX', kept)
return '0'
"""


class SharedCounts:
    """Counts in Redis. Whoever asks while it is away is answered None, and counts for itself."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url, socket_connect_timeout=_PATIENCE_S, decode_responses=True
        )
        self._admit = self._client.register_script(_ADMIT)
        self._storage = RedisStorage(
            f"async+{url}",
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix="cyberhub-limits",
            socket_connect_timeout=_PATIENCE_S,
        )
        self.windows = MovingWindowRateLimiter(self._storage)
        self._away_until = 0.0

    async def wait(
        self, key: str, per_second: float, burst: int, cost: int
    ) -> float | None:
        """Seconds until so many at once are admitted, which is 0 for those that were."""
        step = 1.0 / per_second

        async def ask() -> float:
            # Half a step for the rounding of many additions.
            ahead = (burst - 0.5) * step
            return float(await self._admit([f"cyberhub-pace:{key}"], [step, ahead, cost]))

        return await self.ask(ask)

    async def ask(self, question: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """The answer of Redis; None while it is away."""
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(_PATIENCE_S):
                answer = await question()
        except (RedisError, StorageError, OSError, TimeoutError) as error:
            if not self._away_until:
                log.warning("redis is away: this worker counts for itself", reason=str(error))
            self._away_until = time.monotonic() + _AGAIN_S
            return None
        if self._away_until:
            self._away_until = 0.0
            log.info("redis is back: workers count together")
        return answer

    async def close(self) -> None:
        await self._client.aclose()
        await cast(Any, self._storage.bridge).storage.aclose()
