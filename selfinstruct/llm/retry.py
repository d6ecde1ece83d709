"""Patience: trying again what may succeed, and telling a poisoned request from an endpoint that is gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import NoReturn

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from selfinstruct.errors import EndpointFailed, RequestRefused, TransientFailure
from selfinstruct.llm import LLM, Completion, Request
from selfinstruct.llm.awake import AwakeClock
from selfinstruct.llm.limits import RANKS, Slots

logger = logging.getLogger("selfinstruct")

POISONED_AFTER = 12
PROOFS = 3
LENT_AFTER = 3
# A failure now and then is no news; an endpoint that has served and then fails for so long is.
SILENT_SECONDS = 30.0
# A server that asks for a pause and answers others meanwhile has asked for too long a one.
ANSWERS_TO_OTHERS = 3
DISPROOFS = 5
LOOK_SECONDS = 0.25
CLOCK_SECONDS = 5.0
# The circuit breaker: of so many tries such a share failed, for so long; or so many requests in a row were refused.
BREAKER_TRIES, BREAKER_SHARE, BREAKER_SECONDS = 200, 0.95, 60.0
BREAKER_REFUSALS = 25

_Kind = tuple[str, str]


class Retrying:
    """A language model that repeats transient failures of the one behind it.

    Waits are random below a bound that doubles from half a second to half a minute, or last as long as the server
    asked, up to `give_up`, unless it answers requests that were sent later; whose word has been disproved so five times
    is not taken for it any more. When nothing has succeeded for `give_up`
    seconds since a failure, the endpoint has failed; so it has when 95 in 100 of the last tries failed for a minute, or
    25 requests in a row were refused. The time that a machine sleeps does not count.

    `refusals` is the number of the last: answers of a batch job, of which many may be refusals, come all at once.

    A request whose tries take longer than `deadline` seconds while others succeed is refused for good.

    A request that has failed 12 times is refused for good when, 3 times, another one of its stage and model succeeded
    between two of its failures; failures of an outage that hits all alike prove nothing. Where no other request is
    left to show that, one that was answered before is asked again. A 429 is no sign of poison.

    From its third failure on a request lends its slot to others while it waits; one that the server only asked to
    slow down keeps it, because fewer requests are what the server wants.
    """

    def __init__(
        self,
        llm: LLM,
        slots: Slots,
        give_up: float = 600.0,
        *,
        deadline: float = 3600.0,
        refusals: float = BREAKER_REFUSALS,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.llm, self.slots, self.give_up, self.deadline = llm, slots, give_up, deadline
        self._tell = getattr(llm, "answered", None)
        self.retries = 0
        self.clock = clock or AwakeClock()
        self._numbers = count()
        self._waiting: set[_Trouble] = set()
        self._most_refusals = refusals
        self._tries: deque[bool] = deque(maxlen=BREAKER_TRIES)
        self._bad_since: float | None = None
        self._refusals = self._troubled = 0
        self.disproved = 0
        self._looking: asyncio.TimerHandle | None = None
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
            wait=trouble.seconds,
            sleep=trouble.wait,
            retry_error_callback=self._give_up,
        )
        self._troubled += 1
        self._look_at_the_clock()
        try:
            return await policy(trouble.again)
        finally:
            self._troubled -= 1

    async def ask(self, request: Request) -> Completion:
        """Make one try, and keep account of how the endpoint does."""
        number = next(self._numbers)
        try:
            completion = await self.llm.complete(request)
        except TransientFailure as failure:
            self._failed(failure)
            raise
        except RequestRefused as refusal:
            self._refused(refusal)
            raise
        self._failing_since, self._announced, self._refusals = None, False, 0
        self._tries.append(True)
        for trouble in self._waiting:
            trouble.saw_answer(number)
        self._successes[_kind(request)] += 1
        self._known_good[_kind(request)] = request
        return completion

    def answered(self, request: Request) -> None:
        """Take note of a request that an earlier session has an answer to, and tell the model behind, if it listens."""
        self._known_good[_kind(request)] = request
        if callable(self._tell):
            self._tell(request)

    @contextlib.contextmanager
    def watching(self, trouble: _Trouble) -> Iterator[int]:
        """Tell the trouble of answers; gives the number that the next try will have."""
        self._waiting.add(trouble)
        try:
            yield next(self._numbers)
        finally:
            self._waiting.discard(trouble)

    def successes(self, request: Request) -> int:
        """How many requests like this one were answered."""
        return self._successes[_kind(request)]

    async def ask_known_good(self, request: Request) -> None:
        """Ask again what was answered before, to see whether requests like this one can be."""
        control = self._known_good.get(_kind(request))
        if control is not None and not self.slots.closed.is_set():
            with contextlib.suppress(TransientFailure, RequestRefused):
                await self.ask(control)

    def _look_at_the_clock(self) -> None:
        """While a request is in trouble, know how long the process has been awake."""
        self.clock()
        if self._looking is None or self._looking.when() <= asyncio.get_running_loop().time():
            self._looking = None
            if self._troubled:
                self._looking = asyncio.get_running_loop().call_later(CLOCK_SECONDS, self._look_at_the_clock)

    def _failed(self, failure: TransientFailure) -> None:
        now = self.clock()
        if not failure.limited:
            self._tries.append(False)
            self._check_error_rate(failure, now)
        if self._failing_since is None:
            self._failing_since = now
        news = not self._successes or now - self._failing_since >= SILENT_SECONDS
        if news and not self._announced:
            self._announced = True
            logger.warning("%s; retrying for up to %g s without an answer", failure, self.give_up)

    def _check_error_rate(self, failure: TransientFailure, now: float) -> None:
        failed = self._tries.count(False)
        if failed < BREAKER_TRIES * BREAKER_SHARE:
            self._bad_since = None
        elif self._bad_since is None:
            self._bad_since = now
        elif now - self._bad_since >= BREAKER_SECONDS:
            raise EndpointFailed(
                f"{failed} of the last {len(self._tries)} tries failed, so the endpoint is as good as gone; the "
                f"last failure: {failure}"
            )

    def _refused(self, refusal: RequestRefused) -> None:
        self._refusals += 1
        if self._refusals >= self._most_refusals:
            raise EndpointFailed(
                f"{self._refusals} requests in a row were refused, so something is wrong with all of them; the last: "
                f"{refusal}"
            ) from refusal

    def _gone(self) -> bool:
        return self._failing_since is not None and self.clock() - self._failing_since >= self.give_up

    def _give_up(self, state: RetryCallState) -> NoReturn:
        raise EndpointFailed(
            f"no request succeeded for {self.give_up:g} s (--give-up); the last failure: {_failure(state)}"
        )

    def backoff(self, state: RetryCallState) -> float:
        """Seconds before the next try, where the server has not asked for more."""
        return self._backoff(state)


class _Trouble:
    """A request that has failed, and what its failures prove."""

    def __init__(self, llm: Retrying, request: Request, first: TransientFailure, successes: int) -> None:
        self._llm, self._request = llm, request
        self._first: TransientFailure | None = first
        self._failures = self._proofs = 0
        self._limited = False
        self._successes = self._successes_at_first = successes
        self._since = llm.clock()
        self._shortest = 0.0
        self._answers_to_others, self._sent_after = 0, 0

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
        self._check_deadline(failure)
        if not failure.limited and await self._is_poisoned():
            raise RequestRefused(
                f"failed {self._failures} times while other requests succeeded: {failure}"
            ) from failure
        raise failure

    def seconds(self, state: RetryCallState) -> float:
        """How long to wait: the backoff, or what the server asked for, with jitter so that not all come at once."""
        self._shortest = self._llm.backoff(state)
        asked = (_failure(state).retry_after or 0.0) * (1 + 0.1 * random.random())
        return min(asked, self._llm.give_up) or self._shortest

    async def wait(self, seconds: float) -> None:
        """Sleep before the next try, and let others work meanwhile."""
        slots = self._llm.slots
        if self._failures >= LENT_AFTER and not self._limited:
            await slots.lend(seconds, RANKS[self._request.stage])
            return
        with self._llm.watching(self) as self._sent_after:
            self._answers_to_others = 0
            await slots.pause(min(seconds, self._shortest))
            left = seconds - self._shortest
            while left > 0 and self._llm.disproved < DISPROOFS:
                if self._answers_to_others >= ANSWERS_TO_OTHERS:
                    self._llm.disproved += 1
                    return
                await slots.pause(min(left, LOOK_SECONDS))
                left -= LOOK_SECONDS

    def saw_answer(self, number: int) -> None:
        """Take note that the try with this number was answered."""
        self._answers_to_others += number > self._sent_after

    def _check_deadline(self, failure: TransientFailure) -> None:
        took = self._llm.clock() - self._since
        if took >= self._llm.deadline and self._llm.successes(self._request) > self._successes_at_first:
            raise RequestRefused(
                f"no answer within {took:.0f} s (--deadline) while other requests succeeded: {failure}"
            ) from failure

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
