"""How fast one endpoint is asked: requests in flight by what it stands, and rates by what it says."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

START = 32
STARTING_SHARE = 0.5
CUT = 0.7
# A bucket fills up to what comes in this many seconds, so that no burst stands behind a pause.
BURST_SECONDS = 0.1
# The word of a header keeps a request waiting for so long at the most: some tell the limit of a day, or the wrong unit.
LONGEST_TOLD_SECONDS = 60.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")


@dataclass
class Bucket:
    """A number that refills at a rate and may be overdrawn: who overdraws it waits until it is even again."""

    rate: float
    level: float
    most: float
    at: float

    @classmethod
    def per_minute(cls, number: float, now: float) -> Bucket:
        """A bucket for a limit a minute, with next to no burst."""
        most = max(1.0, number / 60 * BURST_SECONDS)
        return cls(number / 60, most, most, now)

    def take(self, amount: float, now: float) -> float:
        """Take the amount, and return the seconds to wait for it."""
        self.level = min(self.most, self.level + (now - self.at) * self.rate) - amount
        self.at = now
        return max(0.0, -self.level / self.rate) if self.rate > 0 else 0.0

    def put_back(self, amount: float) -> None:
        """Correct what was taken by an estimate."""
        self.level = min(self.most, self.level + amount)


class Pace:
    """The limits of one endpoint.

    The number of requests in flight starts at 1, because one shows whether there is anybody, goes on with half of what
    the user allows, and doubles every round trip to the first refusal. It is cut to 0.7 by refusals and timeouts, at
    most once a round trip, and grows by one every round trip otherwise (additive increase, multiplicative decrease).

    Requests and tokens a minute are held below what the user set, or else what the server tells in its x-ratelimit
    headers: what remains, and how long what was used takes to come back.

    Args:
        most: requests in flight, at the most.
        rpm, tpm: requests and tokens a minute, or None.
    """

    def __init__(
        self,
        most: int,
        rpm: float | None = None,
        tpm: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._clock = float(most), clock
        self.limit = 1.0
        self.in_flight = 0
        self.cuts = 0
        self._proven = self._steady = False
        self._cut_at = float("-inf")
        now = clock()
        self._set = {"requests": rpm is not None, "tokens": tpm is not None}
        self._unsent = {"requests": 0.0, "tokens": 0.0}
        self._buckets = {
            name: Bucket.per_minute(number, now)
            for name, number in (("requests", rpm), ("tokens", tpm))
            if number is not None
        }

    @property
    def room(self) -> bool:
        """Whether one more request may be in flight."""
        return self.in_flight < int(self.limit)

    def take(self, tokens: float) -> float:
        """Count a request before it is sent; the seconds that it has to wait."""
        longest = 0.0
        for name, bucket in self._buckets.items():
            wait = bucket.take(_amounts(tokens)[name], self._clock())
            longest = max(longest, wait if self._set[name] else min(wait, LONGEST_TOLD_SECONDS))
        return longest

    async def turn(self, tokens: float, pause: Callable[[float], Awaitable[None]]) -> None:
        """Count a request and wait until it may be sent. The server, which has not seen it, counts without it."""
        if (wait := self.take(tokens)) > 0:
            self._hold(tokens, 1)
            try:
                await pause(wait)
            finally:
                self._hold(tokens, -1)

    def _hold(self, tokens: float, sign: int) -> None:
        for name, amount in _amounts(tokens).items():
            self._unsent[name] += sign * amount

    def answered(self, spare_tokens: float, headers: Mapping[str, str]) -> None:
        """Learn from an answer; `spare_tokens` were counted before and not used."""
        if not self._proven:
            self._proven, self.limit = True, min(self._most, max(float(START), STARTING_SHARE * self._most))
        elif self.in_flight >= self.limit / 2 - 1:  # what was not tried is not known to be possible
            self.limit = min(self._most, self.limit + (1 / self.limit if self._steady else 1.0))
        if "tokens" in self._buckets and spare_tokens:
            self._buckets["tokens"].put_back(spare_tokens)
        self.told(headers)

    def strained(self, sent_at: float) -> None:
        """Learn from a refusal or a timeout of a request that was sent at the time: one round trip, one cut."""
        if sent_at >= self._cut_at:
            self._cut_at, self._steady = self._clock(), True
            self.limit = max(1.0, self.limit * CUT)
            self.cuts += 1

    def told(self, headers: Mapping[str, str]) -> None:
        """Take over what the server says of its own limits, where the user has set none."""
        for name, ours in self._set.items():
            if not ours and f"x-ratelimit-remaining-{name}" in headers:
                self._learn(name, headers)

    def _learn(self, name: str, headers: Mapping[str, str]) -> None:
        limit, left = (_number(headers.get(f"x-ratelimit-{what}-{name}")) for what in ("limit", "remaining"))
        back_in = seconds(headers.get(f"x-ratelimit-reset-{name}"))
        if left is None:
            return
        if limit is None or back_in is None or not 0 < back_in < float("inf") or left >= limit:
            # Nothing is used up, or nobody knows when it comes back: what was told before holds no more.
            self._buckets.pop(name, None)
            return
        self._buckets[name] = Bucket((limit - left) / back_in, left - self._unsent[name], limit, self._clock())


def _amounts(tokens: float) -> dict[str, float]:
    """What a request takes from each bucket."""
    return {"requests": 1.0, "tokens": tokens}


def seconds(text: str | None) -> float | None:
    """The seconds in "1m6.5s", "250ms" or "3"; None where there is no such thing."""
    if text is None:
        return None
    parts = _DURATION.findall(text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts) if parts else _number(text)


def _number(text: str | None) -> float | None:
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if found >= 0 else None
