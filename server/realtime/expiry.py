"""When the token of a connection that stays open ends, and the grace after it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

# A token may be valid for longer than a timer can be set for; look again in a day.
_LONGEST_S = 86_400.0


def seconds_left(moment: datetime) -> float:
    """How long until then; less than zero once it has passed."""
    return (moment - datetime.now(UTC)).total_seconds()


class Expiry:
    """Calls `expired` when the token ends and `over` `grace_s` seconds later, until cancelled."""

    __slots__ = ("_at", "_expired", "_grace_s", "_over", "_timer")

    def __init__(
        self,
        at: datetime,
        grace_s: float,
        *,
        expired: Callable[[], None],
        over: Callable[[], None],
    ) -> None:
        self._at = at
        self._grace_s = grace_s
        self._expired = expired
        self._over = over
        self._timer: asyncio.TimerHandle | None = None
        self._look_again()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_again(self) -> None:
        left_s = min(max(seconds_left(self._at), 0.0), _LONGEST_S)
        self._timer = asyncio.get_running_loop().call_later(left_s, self._look)

    def _look(self) -> None:
        if seconds_left(self._at) > 0:
            self._look_again()
            return
        self._timer = asyncio.get_running_loop().call_later(self._grace_s, self._over)
        self._expired()
