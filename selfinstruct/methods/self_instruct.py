"""Self-Instruct (arXiv 2212.10560, section 3): instructions first, from seeds and from what was generated before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from selfinstruct.errors import SettingsError
from selfinstruct.llm import Completion
from selfinstruct.methods import Proposal
from selfinstruct.methods.schemas import response_format
from selfinstruct.parsing import Parsed, numbered_list, structured
from selfinstruct.pool import PoolView, sample
from selfinstruct.prompts import Prompts
from selfinstruct.settings import ResponseFormat, Settings
from selfinstruct.tasks import Candidate


@dataclass(frozen=True)
class SelfInstruct:
    """Show 6 seed and 2 generated instructions in random order and ask for more (appendix A.1; decoding A.2).

    While fewer than `pool_examples` tasks are generated, seeds take their places.
    """

    prompts: Prompts
    seed_examples: int = 6
    pool_examples: int = 2
    classification_only: bool = False
    count: int = 8
    name: str = "self-instruct"
    needs_instances: bool = True
    reads_pool: bool = True
    sampling: Mapping[str, Any] = field(
        default_factory=lambda: {
            "temperature": 0.7,
            "top_p": 0.5,
            "max_tokens": 1024,
            "frequency_penalty": 0.0,
            "presence_penalty": 2.0,
        }
    )
    format: ResponseFormat = "text"

    @classmethod
    def from_settings(cls, settings: Settings, prompts: Prompts) -> SelfInstruct:
        """Build it as the settings say."""
        return cls(
            prompts,
            6 if settings.seed_examples is None else settings.seed_examples,
            2 if settings.pool_examples is None else settings.pool_examples,
            settings.classification_only,
            format=settings.response_format,
        )

    def propose(self, pool: PoolView, random: Random) -> Proposal:
        """Draw the examples and render the prompt."""
        seeds = [seed for seed in pool.seeds if seed.is_classification or not self.classification_only]
        if not seeds:
            raise SettingsError(
                "--classification-only draws from seed tasks marked is_classification, and there are none"
            )
        generated = sample(pool.generated, self.pool_examples, random)
        examples = generated + sample(seeds, self.seed_examples + self.pool_examples - len(generated), random)
        examples = sample(examples, len(examples), random)
        first = len(examples) + 1
        prompt = self.prompts.render(
            "instructions",
            tasks=examples,
            first=first,
            count=self.count,
            classification=self.classification_only,
            format=self.format,
        )
        # Anchored at the line: a bare "17." would also cut "in 2017." in two.
        stop = ("\n\n", f"\n{first + self.count}.") if self.prompts.api == "completions" else ()
        schema = response_format("instructions") if self.format == "json" else None
        return Proposal(prompt, tuple(task.id for task in examples), first, self.count, stop, schema)

    def parse(self, completion: Completion, first: int) -> Parsed[Candidate]:
        """Read a list of instructions."""
        read = structured.numbered_list if self.format == "json" else numbered_list
        return read(completion.text, first, cut=completion.finish_reason == "length")
