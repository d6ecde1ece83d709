"""Patience: trying again what may succeed, and telling a poisoned request from an endpoint that is gone."""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import NoReturn

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from selfinstruct.errors import EndpointFailed, RequestRefused, TransientFailure
from selfinstruct.llm import LLM, Completion, Request
from selfinstruct.llm.limits import RANKS, Slots

logger = logging.getLogger("selfinstruct")

POISONED_AFTER = 12
PROOFS = 3
LENT_AFTER = 3
# A failure now and then is no news; an endpoint that has served and then fails for so long is.
SILENT_SECONDS = 30.0

_Kind = tuple[str, str]


class Retrying:
    """A language model that repeats transient failures of the one behind it.

    Waits are random below a bound that doubles from half a second to half a minute, or last as long as the server
    asked, but never longer than `give_up`. When nothing has succeeded for `give_up` seconds since a failure, the
    endpoint has failed.

    A request that has failed 12 times is refused for good when, 3 times, another one of its stage and model succeeded
    between two of its failures; failures of an outage that hits all alike prove nothing. Where no other request is
    left to show that, one that was answered before is asked again. A 429 is no sign of poison.

    From its third failure on a request lends its slot to others while it waits; one that the server only asked to
    slow down keeps it, because fewer requests are what the server wants.
    """

    def __init__(
        self, llm: LLM, slots: Slots, give_up: float = 600.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.llm, self.slots, self.give_up = llm, slots, give_up
        self._tell = getattr(llm, "answered", None)
        self.retries = 0
        self._clock = clock
        self._successes: Counter[_Kind] = Counter()
        self._known_good: dict[_Kind, Request] = {}
        self._failing_since: float | None = None
        self._announced = False
        self._backoff = wait_random_exponential(multiplier=0.5, max=30)

    async def complete(self, request: Request) -> Completion:
        """Ask until there is an answer or no hope.

        Raises:
            RequestRefused: this request fails while others succeed.
            EndpointFailed: nothing has succeeded for `give_up` seconds.
            Stopped: the run is stopping, and no try is in flight.
        """
        successes = self.successes(request)
        try:
            return await self.ask(request)
        except TransientFailure as failure:
            # tenacity enters only now: most requests succeed at once, and its loop costs a third of a request.
            trouble = _Trouble(self, request, failure, successes)
        policy = AsyncRetrying(
            retry=retry_if_exception_type(TransientFailure),
            stop=lambda _: self._gone(),
            wait=self._seconds,
            sleep=trouble.wait,
            retry_error_callback=self._give_up,
        )
        return await policy(trouble.again)

    async def ask(self, request: Request) -> Completion:
        """Make one try, and keep account of how the endpoint does."""
        try:
            completion = await self.llm.complete(request)
        except TransientFailure as failure:
            self._failed(failure)
            raise
        self._failing_since, self._announced = None, False
        self._successes[_kind(request)] += 1
        self._known_good[_kind(request)] = request
        return completion

    def answered(self, request: Request) -> None:
        """Take note of a request that an earlier session has an answer to, and tell the model behind, if it listens."""
        self._known_good[_kind(request)] = request
        if callable(self._tell):
            self._tell(request)

    def successes(self, request: Request) -> int:
        """How many requests like this one were answered."""
        return self._successes[_kind(request)]

    async def ask_known_good(self, request: Request) -> None:
        """Ask again what was answered before, to see whether requests like this one can be."""
        control = self._known_good.get(_kind(request))
        if control is not None and not self.slots.closed.is_set():
            with contextlib.suppress(TransientFailure, RequestRefused):
                await self.ask(control)

    def _failed(self, failure: TransientFailure) -> None:
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        news = not self._successes or now - self._failing_since >= SILENT_SECONDS
        if news and not self._announced:
            self._announced = True
            logger.warning("%s; retrying for up to %g s without an answer", failure, self.give_up)

    def _gone(self) -> bool:
        return self._failing_since is not None and self._clock() - self._failing_since >= self.give_up

    def _give_up(self, state: RetryCallState) -> NoReturn:
        raise EndpointFailed(
            f"no request succeeded for {self.give_up:g} s (--give-up); the last failure: {_failure(state)}"
        )

    def _seconds(self, state: RetryCallState) -> float:
        asked = _failure(state).retry_after
        if not asked:
            return self._backoff(state)
        return min(asked * (1 + 0.1 * random.random()), self.give_up)  # jitter: not all at the same moment


class _Trouble:
    """A request that has failed, and what its failures prove."""

    def __init__(self, llm: Retrying, request: Request, first: TransientFailure, successes: int) -> None:
        self._llm, self._request = llm, request
        self._first: TransientFailure | None = first
        self._failures = self._proofs = 0
        self._limited = False
        self._successes = successes

    async def again(self) -> Completion:
        """Make the next try; the first one was made already, and only fails here again."""
        failure, self._first = self._first, None
        if failure is None:
            self._llm.retries += 1
            try:
                return await self._llm.ask(self._request)
            except TransientFailure as error:
                failure = error
        self._limited = failure.limited
        if not failure.limited and await self._is_poisoned():
            raise RequestRefused(
                f"failed {self._failures} times while other requests succeeded: {failure}"
            ) from failure
        raise failure

    async def wait(self, seconds: float) -> None:
        """Sleep before the next try, and let others work meanwhile."""
        slots = self._llm.slots
        if self._failures < LENT_AFTER or self._limited:
            await slots.pause(seconds)
        else:
            await slots.lend(seconds, RANKS[self._request.stage])

    async def _is_poisoned(self) -> bool:
        self._failures += 1
        if self._failures >= POISONED_AFTER and self._llm.successes(self._request) == self._successes:
            await self._llm.ask_known_good(self._request)
        successes = self._llm.successes(self._request)
        self._proofs += successes > self._successes
        self._successes = successes
        return self._failures >= POISONED_AFTER and self._proofs >= PROOFS


def _kind(request: Request) -> _Kind:
    return request.model, request.stage


def _failure(state: RetryCallState) -> TransientFailure:
    failure = state.outcome.exception() if state.outcome else None
    assert isinstance(failure, TransientFailure)
    return failure
