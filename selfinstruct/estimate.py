"""What a run will take, from a few calls of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from selfinstruct.directory import RunDirectory
from selfinstruct.errors import SettingsError
from selfinstruct.interrupts import run_interruptibly
from selfinstruct.ledger import Ledger
from selfinstruct.llm.prices import BATCH_DISCOUNT, prices_of
from selfinstruct.prepare import BATCH_LOOKAHEAD, prepare
from selfinstruct.replay import growth, load
from selfinstruct.session import Session
from selfinstruct.settings import Settings
from selfinstruct.tally import Sum, Tally

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from selfinstruct.bootstrap import Growth
    from selfinstruct.llm import LLM
    from selfinstruct.settings import Options


@dataclass(frozen=True)
class StageEstimate:
    """One stage: calls, tokens, and USD (None: no price is known)."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None


@dataclass(frozen=True)
class Estimate:
    """What a run of `num_tasks` tasks takes from its start, the calls of the probe included.

    `acceptance` is the share of the candidates that the filters kept in the probe. It falls while the pool grows, so
    the instruction calls are a lower bound. `seconds` takes calls to be as long as those of the probe, with as many in
    flight as the settings say, and no rate limit. `batch` says that the prices are those of batch jobs. `probe_calls`
    and `probe_cost` are what the run's ledger holds.
    """

    path: str
    num_tasks: int
    stages: Mapping[str, StageEstimate]
    acceptance: float
    seconds: float
    concurrency: int
    probe_calls: int
    probe_cost: float | None
    batch: bool = False

    @property
    def calls(self) -> int:
        """Calls of all stages."""
        return sum(stage.calls for stage in self.stages.values())

    @property
    def cost(self) -> float | None:
        """USD of all stages; None where a price is not known."""
        costs = [stage.cost for stage in self.stages.values()]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        stages = {name: vars(stage) for name, stage in self.stages.items()}
        return {**vars(self), "stages": stages, "calls": self.calls, "cost": self.cost}

    def __str__(self) -> str:
        rows = [
            f"  {name:<13}{stage.calls:>9,} calls {stage.prompt_tokens:>13,} tokens in "
            f"{stage.completion_tokens:>12,} out  {_money(stage.cost)}"
            for name, stage in self.stages.items()
        ]
        time = f"with {self.concurrency:,} in flight about {_time(self.seconds)}, if no rate limit is met"
        if self.batch:
            time = "as batch jobs, each of which may take a day (`selfinstruct generate --batch` goes on so)"
        first = f"{self.num_tasks:,} tasks take about {self.calls:,} calls and {_money(self.cost)}; {time}"
        last = (
            f"  from {self.probe_calls:,} calls ({_money(self.probe_cost)}), which are kept in {self.path}; the "
            f"filters kept {self.acceptance:.0%} of the candidates, a share that falls as the pool grows"
        )
        return "\n".join([first, *rows, last])


def estimate(
    path: str | os.PathLike[str],
    *,
    probe: int = 10,
    llm: LLM | None = None,
    progress: bool | None = None,
    **options: Unpack[Options],
) -> Estimate:
    """Estimate calls, tokens, money and time of `generate` with the same arguments from its first `probe` tasks.

    The calls of the probe are those that the run begins with and stay in its ledger, so that they are paid once. A run
    that has that many tasks makes no call.

    Raises:
        SettingsError, RunError, EndpointFailed: as `generate` would; also where the model gave no task to judge by.
        KeyboardInterrupt: stopped by a signal; what was answered is kept.
    """
    if not _enough(path, probe, options):
        with Session.opened(path, llm, (), progress, _live(path, options)) as session:
            session.probe = probe
            run_interruptibly(session.grow, session.interrupt)
        stopped = session.run().stopped
        if stopped in ("interrupted", "terminated"):
            raise KeyboardInterrupt
        if stopped == "budget" and not session.run().tasks:
            raise SettingsError(f"{path}: the budget allows no task to judge by; raise it")
    directory = RunDirectory(path)
    settings = prepare(directory, dict(options)).settings
    with Ledger(directory.ledger_path, writable=False) as ledger:
        tally = ledger.tally
    return _scaled(str(directory), settings, growth(path), tally)


def _live(path: str | os.PathLike[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the probe: a few calls are no batch job, but the run is to look as far ahead as one in jobs."""
    if not options.get("batch"):
        return {**options, "batch": False}
    ahead = {} if RunDirectory(path).begun else {"lookahead": BATCH_LOOKAHEAD}
    return {**ahead, **options, "batch": False}


def _enough(path: str | os.PathLike[str], probe: int, options: Mapping[str, Any]) -> bool:
    directory = RunDirectory(path)
    if not directory.begun or not directory.has_answers:
        return False
    prepare(directory, dict(options))  # says what does not fit the run
    run = load(path)
    return len(run.tasks) - run.carried >= probe


def _scaled(path: str, settings: Settings, grown: Growth, tally: Tally) -> Estimate:
    if not grown.done:
        raise SettingsError(
            f"{path}: {tally.total.calls:,} calls gave no task to judge by; see rejected.jsonl there, or try a larger "
            "--probe"
        )
    prices = prices_of(settings)
    furnished = settings.num_tasks * grown.furnished / grown.done
    per_stage = {
        "instructions": furnished * grown.answers / grown.kept,
        "classify": furnished * tally.stages["classify"].calls / grown.furnished,
        "instances": furnished * tally.stages["instances"].calls / grown.furnished,
    }
    stages, seconds = {}, 0.0
    for name, calls in per_stage.items():
        spent = tally.stages[name]
        if not spent.calls:
            continue
        share = calls / spent.calls
        price = prices.stages[name]
        certain = Sum(
            prompt_tokens=spent.prompt_tokens,
            completion_tokens=spent.completion_tokens,
            cached_tokens=spent.cached_tokens,
        )
        stages[name] = StageEstimate(
            ceil(calls),
            round(share * spent.prompt_tokens),
            round(share * spent.completion_tokens),
            None if price is None else share * price.of(certain) * (1 - BATCH_DISCOUNT * settings.batch),
        )
        seconds += share * spent.seconds / settings.concurrency
    acceptance = grown.kept / grown.candidates if grown.candidates else 0.0
    number = tally.total.calls
    flight = settings.concurrency
    cost = prices.cost(tally)
    return Estimate(path, settings.num_tasks, stages, acceptance, seconds, flight, number, cost, settings.batch)


def _money(cost: float | None) -> str:
    if cost is None:
        return "an unknown price (--price-in, --price-out)"
    return f"${cost:.2f}" if cost >= 1 or not cost else f"${cost:.4f}"


def _time(seconds: float) -> str:
    if seconds >= 7200:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
