"""What became of all that a run paid for: pieces of answers to rows, yield over time, and what it took."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from selfinstruct.directory import RunDirectory
from selfinstruct.ledger import Ledger
from selfinstruct.report.ranking import ranked
from selfinstruct.run import Run
from selfinstruct.tasks import Rejected

INTERVALS = 50
SIMILAR = ("rouge", "duplicate")
_REQUEST = re.compile(r"b(\d+)-")


@dataclass(frozen=True)
class Step:
    """How many pieces came to a stage, and how many of them fell to each of its rules, the most frequent first."""

    name: str
    came: int
    fell: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Growth:
    """New instructions over the answers of a run, in intervals of `width` requests (the last may be shorter).

    `admitted` counts the instructions that entered the pool, `similar` those that were turned down because the pool
    had their like, and `answers` the requests. A run ends as saturated where `limit` new ones an answer are not
    reached over its saturation window.
    """

    width: int
    answers: tuple[int, ...]
    admitted: tuple[int, ...]
    similar: tuple[int, ...]
    limit: float

    @property
    def first_fifth(self) -> float:
        """New instructions for each answer at the beginning."""
        return self._rate(0, max(1, len(self.answers) // 5))

    @property
    def last_fifth(self) -> float:
        """New instructions for each answer at the end."""
        return self._rate(-max(1, len(self.answers) // 5), None)

    def _rate(self, start: int, stop: int | None) -> float:
        return sum(self.admitted[start:stop]) / max(1, sum(self.answers[start:stop]))

    @property
    def verdict(self) -> str:
        """In words, whether the model runs dry; nothing can be said of few answers."""
        if sum(self.answers) < 20 or not self.first_fifth:
            return "too few answers to tell"
        left = self.last_fifth / self.first_fifth
        rates = (
            f"{self.last_fifth:.1f} new instructions an answer in the last fifth, {self.first_fifth:.1f} in the first"
        )
        if self.last_fifth < self.limit:
            return f"saturated: {rates}"
        if left < 0.5:
            return f"saturating: {rates}"
        return f"slowing down: {rates}" if left < 0.8 else f"steady: {rates}"


@dataclass(frozen=True)
class StageCost:
    """Calls and tokens of one stage; `seconds` is the time that its answers took, added up.

    `attempts` are tries that brought no answer, whose tokens nobody knows.
    """

    stage: str
    calls: int
    attempts: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float


@dataclass(frozen=True)
class Cost:
    """What a run's whole ledger took. `busy` are the seconds in which at least one request was under way.

    `money` is in US dollars, and None where no price is known.
    """

    stages: tuple[StageCost, ...]
    failed: int
    busy: float
    money: float | None

    @property
    def calls(self) -> int:
        """All calls."""
        return sum(stage.calls for stage in self.stages)

    @property
    def attempts(self) -> int:
        """All tries that brought no answer."""
        return sum(stage.attempts for stage in self.stages)

    @property
    def prompt_tokens(self) -> int:
        """Tokens in."""
        return sum(stage.prompt_tokens for stage in self.stages)

    @property
    def completion_tokens(self) -> int:
        """Tokens out."""
        return sum(stage.completion_tokens for stage in self.stages)


def steps(run: Run) -> tuple[Step, ...]:
    """The stages of a run from pieces of answers to rows, then what fell elsewhere, such as unreadable verdicts."""
    fell: dict[str, Counter[str]] = defaultdict(Counter)
    for row in run.rejected:
        fell[row.stage if row.stage in ("instructions", "instances") else "elsewhere"][row.rule] += 1
    without = fell["instances"].pop("no_instance", 0)
    tasks, rows = len(run.tasks) - run.carried, sum(len(task.instances) for task in run.tasks[run.carried :])
    admitted, elsewhere = tasks + without, fell["elsewhere"]
    return (
        Step("pieces of answers", admitted + fell["instructions"].total(), ranked(fell["instructions"])),
        Step("new instructions", admitted, (("no_instance", without),) if without else ()),
        Step("examples read for them", rows + fell["instances"].total(), ranked(fell["instances"])),
        Step("rows", rows, ()),
        *([Step("unusable in other stages", elsewhere.total(), ranked(elsewhere))] if elsewhere else []),
    )


def growth(run: Run) -> Growth | None:
    """Yield over time, from the requests that pieces come from; None where nothing was asked."""
    new = [task.request for task in run.tasks[run.carried :] if task.request is not None]
    admitted = Counter(new)
    admitted.update(_requests(row for row in run.rejected if row.rule == "no_instance"))
    similar = Counter(_requests(row for row in run.rejected if row.stage == "instructions" and row.rule in SIMILAR))
    others = _requests(row for row in run.rejected if row.stage == "instructions")
    number = 1 + max([*admitted, *others], default=-1)
    if not number:
        return None
    width = -(-number // INTERVALS)
    starts = range(0, number, width)

    def sums(counts: Mapping[int, int]) -> tuple[int, ...]:
        return tuple(sum(counts.get(at, 0) for at in range(start, start + width)) for start in starts)

    answers = tuple(min(width, number - start) for start in starts)
    return Growth(width, answers, sums(admitted), sums(similar), run.settings.saturation)


def _requests(rows: Iterable[Rejected]) -> list[int]:
    """The numbers of the requests that rejected pieces come from; their ids begin with it."""
    return [int(match[1]) for row in rows if (match := _REQUEST.match(row.id))]


def cost(run: Run) -> Cost | None:
    """Calls, tokens and time from the ledger; None where there is none."""
    path = RunDirectory(run.location).ledger_path
    if not path.is_file():
        return None
    with Ledger(path, writable=False) as ledger:
        stages = [
            StageCost(name, one.calls, one.attempts, one.prompt_tokens, one.completion_tokens, round(one.seconds, 3))
            for name, one in ledger.tally.items()
        ]
        failed = ledger.tally.total.failed
        busy = _covered([(entry.times["sent"], entry.times["received"]) for entry in ledger.entries() if entry.times])
    return Cost(tuple(stages), failed, round(busy, 3), run.spent.cost)


def _covered(spans: list[tuple[float, float]]) -> float:
    """The seconds that at least one of these times from and to covers."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
