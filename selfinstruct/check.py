"""One small call to each endpoint of a run: is there anybody, and on which terms?"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from selfinstruct.directory import RunDirectory
from selfinstruct.errors import EndpointFailed, LLMError, SettingsError
from selfinstruct.interrupts import run_interruptibly
from selfinstruct.llm import Completion, Request
from selfinstruct.llm.prices import prices_of
from selfinstruct.prepare import Setup, prepare, prepare_nowhere
from selfinstruct.settings import STAGES
from selfinstruct.teachers import model_at

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from selfinstruct.settings import Options

LONGEST_SECONDS = 60.0
QUESTION = "Tell me in one sentence what a kettle is for."


@dataclass(frozen=True)
class Checked:
    """What one call to the model of some stages showed.

    `seconds` is how long it took, `answered_as` the name that the server gives its model, `limits` what its headers
    say, `settled` what it does not take, and `price` USD for a million tokens of prompts and of answers, if known.
    """

    stages: tuple[str, ...]
    model: str
    seconds: float
    answered_as: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    limits: Mapping[str, str]
    settled: Mapping[str, Any]
    price: tuple[float, float] | None

    def __str__(self) -> str:
        as_another = f" (as {self.answered_as})" if self.answered_as not in (None, self.model) else ""
        usage = (
            "says nothing of its usage"
            if self.prompt_tokens is None
            else f"{self.prompt_tokens} tokens in, {self.completion_tokens} out"
        )
        price = (
            "price unknown (--price-in, --price-out)"
            if self.price is None
            else f"${self.price[0]:g} in and ${self.price[1]:g} out for a million tokens"
        )
        lines = [
            f"{self.model}{as_another} answers {', '.join(self.stages)} in {self.seconds:.1f} s; {usage}; {price}",
            *(f"  {name}: {value}" for name, value in self.limits.items()),
            *(f"  does without: {', '.join(names)}" for names in self.settled.get("dropped", {}).values()),
        ]
        if self.model in self.settled.get("renamed", ()):
            lines.append("  takes max_completion_tokens in the place of max_tokens")
        return "\n".join(lines)


def check(path: str | os.PathLike[str] | None = None, **options: Unpack[Options]) -> list[Checked]:
    """Make one small call to each model at each endpoint of a run, or of the given settings, asked as a run would ask.

    Raises:
        SettingsError: there is no key, or the server refuses a parameter that was set.
        EndpointFailed: a bad key, an unknown model, a missing API, or no answer within a minute.
    """
    directory = RunDirectory(os.devnull if path is None else path)
    if path is not None and not directory.begun:
        directory.read()  # says that there is no run
    setup = prepare_nowhere(options) if path is None else prepare(directory, options)
    setup = replace(setup, stored=replace(setup.stored, settled={}))
    if setup.settings.model == "demo" and not setup.settings.base_url:
        raise SettingsError("the demo teacher needs no check; name a model with --model")
    found: list[Checked] = []
    failed: list[str] = []
    asking: list[asyncio.Task[Any] | None] = []

    async def ask() -> None:
        asking.append(asyncio.current_task())
        for stages, urls, keys in _distinct(setup):
            try:
                found.append(await _checked(setup, stages, urls, keys))
            except EndpointFailed as error:
                failed.append(str(error))

    def stop(_: str) -> None:
        for task in asking:
            assert task is not None
            task.cancel()

    run_interruptibly(ask, stop)
    if failed:
        raise EndpointFailed("\n".join([*failed, *(f"but {one}" for one in found)]))
    return found


def _distinct(setup: Setup) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]]:
    """Stages, together where one model serves them, with each address and variable of a key at which it does."""
    stages = STAGES if setup.method.needs_instances else STAGES[:1]
    places = {stage: setup.settings.endpoint(stage) for stage in stages}
    for place in dict.fromkeys(places.values()):
        served = tuple(stage for stage in stages if places[stage] == place)
        _, urls, keys = place
        for number in range(max(len(urls), len(keys), 1)):
            yield served, _nth(urls, number), _nth(keys, number)


def _nth(several: tuple[str, ...], number: int) -> tuple[str, ...]:
    return (several[number % len(several)],) if several else ()


async def _checked(setup: Setup, stages: tuple[str, ...], urls: tuple[str, ...], keys: tuple[str, ...]) -> Checked:
    settings = setup.settings
    timed = replace(settings, timeout=min(settings.timeout, LONGEST_SECONDS), batch=False)
    setup = replace(setup, stored=replace(setup.stored, settings=timed))
    request = _request(setup, stages[0])
    llm: Any = model_at(setup, request.model, urls, keys)
    begun = time.monotonic()
    try:
        completion: Completion = await llm.complete(request)
    except EndpointFailed:
        raise
    except LLMError as error:
        raise EndpointFailed(f"no answer from {request.model}: {error}") from error
    finally:
        if hasattr(llm, "close"):
            await llm.close()
    usage, price = completion.usage, prices_of(settings).stages[stages[0]]
    return Checked(
        stages,
        request.model,
        time.monotonic() - begun,
        completion.model,
        None if usage is None else usage.prompt_tokens,
        None if usage is None else usage.completion_tokens,
        getattr(llm, "limits", {}),
        setup.stored.settled,
        None if price is None else (price.input * 1e6, price.output * 1e6),
    )


def _request(setup: Setup, stage: str) -> Request:
    """A small question with the parameters of the stage."""
    from selfinstruct.preview import first_requests

    asked = next(one for one in first_requests(setup) if one.stage == stage)
    form: dict[str, Any] = {"prompt": QUESTION}
    if asked.prompt is None:
        form = {"messages": (replace(asked.messages[-1], content=QUESTION),)}
    return replace(asked, **form, about={}, index=None)
