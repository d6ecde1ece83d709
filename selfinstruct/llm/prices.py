"""What tokens cost: the user's word, or the genai-prices package; unknown is unknown, never zero."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from selfinstruct.settings import STAGES, Settings
from selfinstruct.tally import Sum, Tally

logger = logging.getLogger("selfinstruct")

SAMPLE = 1000
BATCH_DISCOUNT = 0.5


@dataclass(frozen=True)
class Price:
    """USD for a token of the prompt, of the completion, and of a prompt that the server has cached; and who says so."""

    input: float
    output: float
    cached: float
    source: str

    def of(self, spent: Sum) -> float:
        """What these tokens cost in USD; tries without usage at their worst case, batch jobs at half the price."""
        prompt = spent.prompt_tokens + spent.uncertain_prompt_tokens
        completion = spent.completion_tokens + spent.uncertain_completion_tokens
        batched = self._full(spent.batched_prompt_tokens, spent.batched_cached_tokens, spent.batched_completion_tokens)
        return self._full(prompt, spent.cached_tokens, completion) - BATCH_DISCOUNT * batched

    def _full(self, prompt: int, cached: int, completion: int) -> float:
        return (prompt - cached) * self.input + cached * self.cached + completion * self.output


@dataclass(frozen=True)
class Prices:
    """The price of each stage of a run, None where it is not known."""

    stages: Mapping[str, Price | None]

    def cost(self, tally: Tally) -> float | None:
        """What a ledger has cost in USD; None where a price that it needs is not known."""
        total = 0.0
        for stage, spent in tally.items():
            price = self.stages.get(stage)
            if price is None:
                if spent.bound:
                    return None
            else:
                total += price.of(spent)
        return total

    @property
    def unknown(self) -> tuple[str, ...]:
        """The stages without a price."""
        return tuple(stage for stage, price in self.stages.items() if price is None)


def prices_of(settings: Settings) -> Prices:
    """The prices of a run, by stage: those of the settings, or else those that are known for model and endpoint."""
    found: dict[str, Price | None] = {}
    for stage in STAGES:
        if settings.price_in is not None and settings.price_out is not None:
            rates = settings.price_in / 1e6, settings.price_out / 1e6
            found[stage] = Price(rates[0], rates[1], rates[0], "--price-in and --price-out")
        else:
            model, urls, _ = settings.endpoint(stage)
            found[stage] = known_price(str(model), urls[0] if urls else None)
    return Prices(found)


@cache
def known_price(model: str, url: str | None = None) -> Price | None:
    """The price in the genai-prices package for a model at an endpoint (None: OpenAI)."""
    if model == "demo" and url is None:
        return Price(0.0, 0.0, 0.0, "the offline teacher costs nothing")
    if model.startswith("hf:"):
        return None
    from genai_prices import Usage, __version__, calc_price

    rates = []
    for tokens in (
        Usage(input_tokens=SAMPLE),
        Usage(output_tokens=SAMPLE),
        Usage(input_tokens=SAMPLE, cache_read_tokens=SAMPLE),
    ):
        try:
            found = (
                calc_price(tokens, model, provider_id="openai")
                if url is None
                else calc_price(tokens, model, provider_api_url=url)
            )
        except (LookupError, ValueError):
            return None
        rates.append(float(found.total_price) / SAMPLE)
    return Price(rates[0], rates[1], rates[2], f"genai-prices {__version__}")
