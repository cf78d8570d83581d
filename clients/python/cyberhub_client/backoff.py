"""Waiting before another attempt."""

import random


class Backoff:
    """Exponential and jittered, so that a restart is not followed by a stampede."""

    def __init__(self, bounds_s: tuple[float, float]) -> None:
        self._first_s, self._longest_s = bounds_s
        self._attempt = 0

    def next(self) -> float:
        """Seconds before the next attempt."""
        # Beyond this power the longest wait is reached in any case.
        ceiling = min(self._longest_s, self._first_s * 2.0 ** min(self._attempt, 30))
        self._attempt += 1
        floor = self._first_s / 4
        return floor + random.random() * max(0.0, ceiling - floor)

    def reset(self) -> None:
        self._attempt = 0
