"""What a ledger adds up to: calls, failures, tokens and seconds of each stage, tries without an answer included."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selfinstruct.ledger import Entry

Tokens = Mapping[str, int]
RECENT = 200
# Nobody was at it for so long: the run was stopped and gone on with later.
PAUSE_SECONDS = 900.0


@dataclass
class Sum:
    """Calls and tokens of one stage.

    The `batched` ones are those of the tokens that came from batch jobs, at half the price. `attempts` are tries that
    brought no usage; their tokens, at the worst case, are the `uncertain` ones and not in the others. `seconds` is the
    time that the answers took, added up.
    """

    calls: int = 0
    failed: int = 0
    attempts: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    batched_prompt_tokens: int = 0
    batched_cached_tokens: int = 0
    batched_completion_tokens: int = 0
    uncertain_prompt_tokens: int = 0
    uncertain_completion_tokens: int = 0
    seconds: float = 0.0

    def __add__(self, other: Sum) -> Sum:
        return Sum(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    @property
    def bound(self) -> int:
        """All tokens that may have been paid for."""
        certain = self.prompt_tokens + self.completion_tokens
        return certain + self.uncertain_prompt_tokens + self.uncertain_completion_tokens


@dataclass
class Tally:
    """Sums by stage, over the lines of a ledger in their order.

    A line that says that a try is about to be sent counts as an attempt until the line that says what came of it; so a
    process that is killed in between has counted what it may have spent. `first` and `last` are the Unix times of the
    first request and the last answer, `recent` those of the last answers.
    """

    stages: dict[str, Sum] = field(default_factory=lambda: defaultdict(Sum))
    first: float | None = None
    last: float | None = None
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    _under_way: dict[str, Tokens] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Count one line."""
        stage = self.stages[str(entry.request.get("stage"))]
        usage: Tokens = entry.usage or {}
        if (open_try := self._under_way.pop(entry.key, None)) is not None:
            _attempt(stage, open_try, -1)
        if entry.kind == "attempt":
            _attempt(stage, usage, 1)
            if not entry.text:
                self._under_way[entry.key] = usage
        else:
            stage.calls += entry.kind == "answer"
            stage.failed += entry.kind == "failed"
            if usage:
                stage.prompt_tokens += usage["prompt_tokens"]
                stage.completion_tokens += usage["completion_tokens"]
                stage.cached_tokens += usage.get("cached_tokens", 0)
                stage.reasoning_tokens += usage.get("reasoning_tokens", 0)
                if usage.get("batched"):
                    stage.batched_prompt_tokens += usage["prompt_tokens"]
                    stage.batched_cached_tokens += usage.get("cached_tokens", 0)
                    stage.batched_completion_tokens += usage["completion_tokens"]
            self._timed(stage, entry)

    def _timed(self, stage: Sum, entry: Entry) -> None:
        if entry.times is not None:
            sent, received = entry.times["sent"], entry.times["received"]
            stage.seconds += received - sent
            if self.first is None or sent < self.first:
                self.first = sent
            if self.last is not None and received - self.last > PAUSE_SECONDS:
                self.recent.clear()
            if self.last is None or received > self.last:
                self.last = received
            self.recent.append(received)

    def under_way(self, key: str) -> Tokens:
        """What is counted for a try of this key that is about to be sent, or was when its process died."""
        return self._under_way.get(key, {})

    @property
    def rate(self) -> float | None:
        """Answers a second, over the last ones; None where there are too few to say."""
        took = self.recent[-1] - self.recent[0] if len(self.recent) > 1 else 0.0
        return (len(self.recent) - 1) / took if took > 0 else None

    @property
    def total(self) -> Sum:
        """All stages together."""
        return sum(self.stages.values(), Sum())

    def items(self) -> Iterator[tuple[str, Sum]]:
        """The stages with their sums."""
        return iter(list(self.stages.items()))


def _attempt(stage: Sum, usage: Tokens, sign: int) -> None:
    stage.attempts += sign
    stage.uncertain_prompt_tokens += sign * usage.get("prompt_tokens", 0)
    stage.uncertain_completion_tokens += sign * usage.get("completion_tokens", 0)
