"""Patience: trying again what may succeed, and telling a poisoned request from an endpoint that is gone."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import NoReturn

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from selfinstruct.errors import EndpointFailed, RequestRefused, TransientFailure
from selfinstruct.llm import LLM, Completion, Request
from selfinstruct.llm.limits import RANKS, Slots

POISONED_AFTER = 12
LENT_AFTER = 3


class Retrying:
    """A language model that repeats transient failures of the one behind it.

    Waits are random below a bound that doubles from half a second to half a minute, or last as long as the server
    asked, but never longer than `give_up`. A request that has failed 12 times while others succeeded is refused for
    good. When nothing has succeeded for `give_up` seconds since a failure, the endpoint has failed. From its third
    failure on a request lends its slot to others while it waits, so that they can show whether the endpoint lives;
    one that the server only asked to slow down keeps it, because fewer requests are what the server wants.
    """

    def __init__(
        self, llm: LLM, slots: Slots, give_up: float = 600.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.llm, self.slots, self.give_up = llm, slots, give_up
        self.retries = 0
        self._clock = clock
        self._successes = 0
        self._failing_since: float | None = None
        self._backoff = wait_random_exponential(multiplier=0.5, max=30)

    async def complete(self, request: Request) -> Completion:
        """Ask until there is an answer or no hope.

        Raises:
            RequestRefused: this request fails while others succeed.
            EndpointFailed: nothing has succeeded for `give_up` seconds.
            Stopped: the run is stopping, and no try is in flight.
        """
        successes_before = self._successes
        try:
            return await self._try(request)
        except TransientFailure as failure:
            # tenacity enters only now: most requests succeed at once, and its loop costs a third of a request.
            first: list[TransientFailure] = [failure]

        async def again() -> Completion:
            if first:
                raise first.pop()
            self.retries += 1
            return await self._try(request)

        def others_succeed() -> bool:
            return self._successes > successes_before

        async def wait(seconds: float) -> None:
            lends = policy.statistics["attempt_number"] >= LENT_AFTER and not limited(policy)
            await (self.slots.lend(seconds, RANKS[request.stage]) if lends else self.slots.pause(seconds))

        def limited(policy: AsyncRetrying) -> bool:
            return bool(policy.statistics.get("limited"))

        def hopeless(state: RetryCallState) -> bool:
            failure = _failure(state)
            policy.statistics["limited"] = failure.limited
            poisoned = state.attempt_number >= POISONED_AFTER and others_succeed() and not failure.limited
            return poisoned or self._gone()

        def raise_why(state: RetryCallState) -> NoReturn:
            failure = _failure(state)
            if self._gone():
                raise EndpointFailed(f"no request succeeded for {self.give_up:g} s; the last failure: {failure}")
            raise RequestRefused(f"failed {state.attempt_number} times while other requests succeeded: {failure}")

        policy = AsyncRetrying(
            sleep=wait,
            stop=hopeless,
            wait=self._seconds,
            retry=retry_if_exception_type(TransientFailure),
            retry_error_callback=raise_why,
        )
        return await policy(again)

    async def _try(self, request: Request) -> Completion:
        try:
            completion = await self.llm.complete(request)
        except TransientFailure:
            if self._failing_since is None:
                self._failing_since = self._clock()
            raise
        self._failing_since = None
        self._successes += 1
        return completion

    def _gone(self) -> bool:
        return self._failing_since is not None and self._clock() - self._failing_since >= self.give_up

    def _seconds(self, state: RetryCallState) -> float:
        asked = _failure(state).retry_after
        if asked is None:
            return self._backoff(state)
        return min(asked * (1 + 0.1 * random.random()), self.give_up)  # jitter: not all at the same moment


def _failure(state: RetryCallState) -> TransientFailure:
    failure = state.outcome.exception() if state.outcome else None
    assert isinstance(failure, TransientFailure)
    return failure
