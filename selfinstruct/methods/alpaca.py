"""Stanford Alpaca (its released code): whole tasks, many in one answer, from three examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from selfinstruct.errors import SettingsError
from selfinstruct.llm import Completion
from selfinstruct.methods import Proposal
from selfinstruct.methods.schemas import response_format
from selfinstruct.parsing import Parsed, structured, whole_tasks
from selfinstruct.pool import PoolView, sample
from selfinstruct.prompts import Prompts
from selfinstruct.settings import ResponseFormat, Settings
from selfinstruct.tasks import Candidate


@dataclass(frozen=True)
class Alpaca:
    """Show 3 seed tasks with input and output and ask for up to 20 in all.

    Generated tasks are shown too where `pool_examples` is above 0; otherwise no request depends on another.
    """

    prompts: Prompts
    seed_examples: int = 3
    pool_examples: int = 0
    total: int = 19
    name: str = "alpaca"
    needs_instances: bool = False
    sampling: Mapping[str, Any] = field(default_factory=lambda: {"temperature": 1.0, "top_p": 1.0, "max_tokens": 3072})
    format: ResponseFormat = "text"

    @classmethod
    def from_settings(cls, settings: Settings, prompts: Prompts) -> Alpaca:
        """Build it as the settings say."""
        if settings.classification_only:
            raise SettingsError("--classification-only goes with the method self-instruct; alpaca classifies nothing")
        return cls(
            prompts,
            3 if settings.seed_examples is None else settings.seed_examples,
            settings.pool_examples or 0,
            format=settings.response_format,
        )

    @property
    def reads_pool(self) -> bool:
        """Whether prompts show generated tasks."""
        return self.pool_examples > 0

    def propose(self, pool: PoolView, random: Random) -> Proposal:
        """Draw the examples and render the prompt."""
        seeds = [seed for seed in pool.seeds if seed.instances]
        if not seeds:
            raise SettingsError("the method alpaca shows whole tasks, and no seed task has an output")
        generated = sample(pool.generated, self.pool_examples, random)
        examples = generated + sample(seeds, self.seed_examples + self.pool_examples - len(generated), random)
        examples = sample(examples, len(examples), random)
        first = len(examples) + 1
        count = max(1, self.total - len(examples))
        prompt = self.prompts.render("alpaca", tasks=examples, first=first, count=count, format=self.format)
        stop = (f"\n{first + count}.",) if self.prompts.api == "completions" else ()
        schema = response_format("tasks") if self.format == "json" else None
        return Proposal(prompt, tuple(task.id for task in examples), first, count, stop, schema)

    def parse(self, completion: Completion, first: int) -> Parsed[Candidate]:
        """Read whole tasks."""
        cut = completion.finish_reason == "length"
        if self.format == "json":
            return structured.whole_tasks(completion.text, cut=cut)
        return whole_tasks(completion.text, continues=self.prompts.api == "completions", cut=cut)
