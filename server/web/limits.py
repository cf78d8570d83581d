"""Rate limits: so many attempts per name, per address; so much a minute of each member."""

import math
import time
from ipaddress import IPv6Address, ip_address, ip_network

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from server.config import Config
from server.engine import Rate
from server.errors import TooManyRequests

# Those who have not been heard of for a while are forgotten when so many are remembered.
_MOST_PACES = 10_000


class Pace:
    """How fast each member may do something: so much at once, then so much a minute."""

    def __init__(self, per_minute: float, burst: int) -> None:
        self._rate = Rate(per_minute / 60, burst)
        self._arrivals: dict[int, float] = {}

    def take(self, member_id: int) -> None:
        """Raises: TooManyRequests, saying when the next may come."""
        now = time.monotonic()
        before = self._arrivals.get(member_id, 0.0)
        arrival = self._rate.admit(before, now)
        if arrival is None:
            wait_s = self._rate.wait(before, now)
            raise TooManyRequests("Not so fast.", retry_after_s=max(1, math.ceil(wait_s)))
        self._arrivals[member_id] = arrival
        if len(self._arrivals) > _MOST_PACES:
            self._arrivals = {who: due for who, due in self._arrivals.items() if due > now}


class RateLimits:
    """Counts attempts in moving windows. Limits are written as in `10/5 minutes`."""

    def __init__(self, config: Config) -> None:
        self._strategy = MovingWindowRateLimiter(MemoryStorage())
        self.login_name = parse(config.login_failures_per_name)
        self.login_name_anywhere = parse(config.login_attempts_per_name)
        self.login_address = parse(config.login_attempts_per_address)
        self.register_address = parse(config.registrations_per_address)
        self.messages = Pace(config.messages_per_minute, config.messages_burst)
        self.typing = Pace(config.typing_per_minute, config.typing_burst)
        self.chat = Pace(config.chat_per_minute, config.chat_burst)
        self.calendar = Pace(config.calendar_per_minute, config.calendar_burst)
        self.lookups = Pace(config.lookups_per_minute, config.lookups_burst)

    async def attempt(self, limit: RateLimitItem, *what: str) -> None:
        """Count an attempt. Raises: TooManyRequests, saying when the next may come."""
        key = _key(what)
        if not await self._strategy.hit(limit, *key):
            window = await self._strategy.get_window_stats(limit, *key)
            raise TooManyRequests(
                retry_after_s=max(1, math.ceil(window.reset_time - time.time()))
            )

    async def forget(self, limit: RateLimitItem, *what: str) -> None:
        """The attempts were somebody's who may."""
        await self._strategy.clear(limit, *_key(what))


def _key(what: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(network_of(part) for part in what)


def network_of(text: str) -> str:
    """What a limit of an address counts: an IPv6 host has a whole /64 to choose from.

    Anything that is no address stays as it is.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return text
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)
