"""What a run would ask and could cost, without a call."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import ceil
from random import Random
from typing import TYPE_CHECKING

from selfinstruct.directory import RunDirectory
from selfinstruct.instances import StageSettings
from selfinstruct.llm import Request
from selfinstruct.methods import Proposal
from selfinstruct.prepare import Setup, prepare
from selfinstruct.tasks import Task

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from selfinstruct.settings import Options


@dataclass(frozen=True)
class Preview:
    """The first prompt of each stage, and an estimate of calls and tokens for a new run of this size.

    The lower number of calls takes every proposed task to be kept, the upper one as few as saturation allows; both take
    every kept task to get its instances. Tokens are those of the upper number. `prompt_tokens` counts each byte of the
    first prompts as a token, which is more than tokenizers do, and takes later prompts to be as long as these.
    `completion_tokens` takes every answer to be as long as its limit; hidden reasoning may come on top.
    """

    requests: tuple[Request, ...]
    calls: tuple[int, int]
    prompt_tokens: int
    completion_tokens: int

    def __str__(self) -> str:
        parts = [f"--- {_stage(one)} ({one.model}; {_parameters(one)})\n{one.text}\n" for one in self.requests]
        low, high = self.calls
        return "\n".join(
            [
                *parts,
                "--- estimate",
                f"from the start: {low:,} to {high:,} calls; a task that ends without instances costs its calls on top",
                (
                    f"in {high:,} calls about {self.prompt_tokens:,} tokens in, if prompts are as long as these and "
                    "each byte is a token,"
                ),
                f"and at most {self.completion_tokens:,} out, if every answer is as long as its limit",
                "no call was made",
            ]
        )


def preview(path: str | os.PathLike[str], **options: Unpack[Options]) -> Preview:
    """Show what `generate` with the same arguments would ask first, and an estimate of what it could use.

    Raises:
        SettingsError, SeedsError, SettingChanged: as `generate` would.
    """
    setup = prepare(RunDirectory(path), options)
    settings, method = setup.settings, setup.method
    requests, count = first_requests(setup), _first_proposal(setup).count
    fewest, most = ceil(settings.num_tasks / count), ceil(settings.num_tasks / max(settings.saturation, 0.01))
    per_task = 3 if method.needs_instances else 0
    spread = [(most, requests[0])] + [(settings.num_tasks, one) for one in requests[1:]]
    return Preview(
        tuple(requests),
        (fewest + (2 * settings.num_tasks if per_task else 0), most + per_task * settings.num_tasks),
        sum(number * len(one.text.encode()) for number, one in spread),
        sum(number * int(one.sampling.get("max_tokens", 0)) for number, one in spread),
    )


def first_requests(setup: Setup) -> list[Request]:
    """The first request of each stage."""
    settings, method = setup.settings, setup.method
    proposal = _first_proposal(setup)
    asked = StageSettings.of(settings, "", method.sampling)
    first = asked.request("instructions", settings.api, proposal.prompt, schema=proposal.response_format)
    return [first, *(_stage_requests(setup) if method.needs_instances else ())]


def _first_proposal(setup: Setup) -> Proposal:
    pool = setup.pool()
    return setup.method.propose(pool.view(len(pool.generated)), Random(f"{setup.settings.seed}/0"))


def _stage_requests(setup: Setup) -> list[Request]:
    example = setup.seeds[0]
    stage = setup.stage()
    task = Task("example", example.instruction, is_classification=example.is_classification)
    return [
        stage.verdict_request(task),
        stage.verdict_again_request(task, "It depends."),
        stage.instances_request(task),
    ]


def _parameters(request: Request) -> str:
    return ", ".join(f"{name} {value}" for name, value in request.sampling.items())


def _stage(request: Request) -> str:
    return f"{request.stage}, where the verdict was neither yes nor no" if "again" in request.about else request.stage
