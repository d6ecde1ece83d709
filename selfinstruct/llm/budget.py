"""Money and tokens: every try counts before it is sent, and none is sent that could pass the cap."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from selfinstruct.errors import EndpointFailed, RequestRefused, SettingsError, TransientFailure
from selfinstruct.ledger import Ledger, entry_of
from selfinstruct.llm import LLM, Completion, Request, Usage
from selfinstruct.llm.limits import DRAIN_SECONDS, Stopped
from selfinstruct.llm.prices import Prices, prices_of
from selfinstruct.settings import Settings
from selfinstruct.tally import Sum


@dataclass(frozen=True)
class Budget:
    """What a run's whole ledger may come to, in USD and in tokens; None is no cap."""

    prices: Prices
    max_cost: float | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.max_cost is not None and (unknown := self.prices.unknown):
            raise SettingsError(
                f"--max-cost needs a known price, and there is none for the model of {' and '.join(unknown)}. Give "
                "--price-in and --price-out (USD for a million tokens), or --max-tokens-total in its place"
            )

    @property
    def capped(self) -> bool:
        """Whether there is a cap at all."""
        return self.max_cost is not None or self.max_tokens is not None

    def allows(self, ledger: Ledger, request: Request, worst: Usage) -> bool:
        """Whether a try may be sent on top of what the ledger holds, open tries of others included."""
        before = ledger.tally.under_way(request.key)
        prompt = worst.prompt_tokens - before.get("prompt_tokens", 0)
        completion = worst.completion_tokens - before.get("completion_tokens", 0)
        if self.max_tokens is not None and ledger.tally.total.bound + prompt + completion > self.max_tokens:
            return False
        if self.max_cost is None:
            return True
        price, spent = self.prices.stages[request.stage], self.prices.cost(ledger.tally)
        assert price is not None
        assert spent is not None
        more = Sum(uncertain_prompt_tokens=prompt, uncertain_completion_tokens=completion)
        return spent + price.of(more) <= self.max_cost


def budget_of(settings: Settings) -> Budget:
    """The budget that the settings of a run name.

    Raises:
        SettingsError: there is a cap in USD and no known price.
    """
    return Budget(prices_of(settings), settings.max_cost, settings.max_tokens_total)


class Metered:
    """A language model that keeps account of tries without usage, and asks nothing that could pass a budget.

    With a budget, a try is a line of the ledger before it is sent. Without one, only tries that may have been billed
    and brought no usage leave a line.

    Args:
        on_exhausted: called when the budget allows no more and nothing is in flight that could free a part of it.
        stopping: whether no call may start any more.
    """

    def __init__(
        self,
        llm: LLM,
        ledger: Ledger,
        budget: Budget,
        on_exhausted: Callable[[], None] = lambda: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.llm, self._ledger, self._budget = llm, ledger, budget
        self._on_exhausted, self._stopping = on_exhausted, stopping
        self._bound: Callable[[Request], Usage] = getattr(llm, "worst_case", None) or worst_case
        self.answered = getattr(llm, "answered", lambda _: None)
        self.patience = getattr(llm, "patience", DRAIN_SECONDS)
        self._under_way = 0
        self._settled = asyncio.Event()

    async def complete(self, request: Request) -> Completion:
        """Make one try, if the budget allows it.

        Raises:
            Stopped: it does not, or the run is stopping.
        """
        if self.patience and (left := self._ledger.tally.under_way(request.key)):
            # A process was killed while it waited; this try is another one, and both may have to be paid for.
            self._write(request, Usage(**left), "no end of this try was seen")
        if self._budget.capped:
            await self._allowed(request)
        self._under_way += 1
        try:
            completion = await self.llm.complete(request)
        except TransientFailure as failure:
            self._brought_nothing(request, str(failure) or "failed", billed=failure.billed)
            raise
        except (RequestRefused, EndpointFailed, SettingsError, Stopped) as error:
            self._brought_nothing(request, str(error) or "not sent", billed=False)
            raise
        except BaseException as error:
            if self.patience:  # a batch job goes on without us, and its answer will be collected
                self._brought_nothing(request, f"{type(error).__name__} while it was under way", billed=True)
            raise
        finally:
            self._under_way -= 1
            self._settled.set()
        if isinstance(completion, Completion):
            if completion.usage is None:
                self._brought_nothing(request, "an answer without usage", billed=True)
            elif request.key in self._ledger:  # its answer is there already, so that nobody records this one
                self._write(request, completion.usage, "asked again to see whether anything is answered")
        return completion

    async def _allowed(self, request: Request) -> None:
        """Wait until the budget allows the try, and write it down before anything is sent."""
        while not self._budget.allows(self._ledger, request, worst := self._bound(request)):
            if not self._under_way:
                self._on_exhausted()
                raise Stopped
            self._settled.clear()
            await self._settled.wait()
            if self._stopping():
                raise Stopped
        self._write(request, worst, "")

    def _brought_nothing(self, request: Request, why: str, *, billed: bool) -> None:
        if billed or self._budget.capped:
            self._write(request, self._limit(request) if billed else Usage(0, 0), why)

    def _limit(self, request: Request) -> Usage:
        """The worst case for the record, where a model without a token limit has none for a budget."""
        try:
            return self._bound(request)
        except SettingsError:
            return Usage(len(request.text.encode()), 0)

    def _write(self, request: Request, usage: Usage, why: str) -> None:
        tried = Completion(why, None, usage, request.model)
        self._ledger.append(entry_of(request, "attempt", tried, time.time()))


def worst_case(request: Request) -> Usage:
    """What one try cannot pass, for a model that does not say itself.

    Raises:
        SettingsError: the request has no token limit.
    """
    limit = request.sampling.get("max_tokens")
    if limit is None:
        raise SettingsError("a budget needs a token limit; set max_tokens")
    return Usage(len(request.text.encode()), int(limit))
