"""Time as the process lived it: a laptop that sleeps does not use up anybody's patience."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST_STEP = 60.0


class AwakeClock:
    """A clock that counts a longer gap between two looks at it as a minute; so somebody has to look now and then."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen = clock()
        self._now = 0.0

    def __call__(self) -> float:
        """Seconds, from an arbitrary start."""
        now = self._clock()
        self._now += min(now - self._seen, LONGEST_STEP)
        self._seen = now
        return self._now
