"""From an instruction to instances: is it a classification task, and what are examples of it?

Self-Instruct, sections 3.2 and 3.3: a classification task gets its labels first, so that inputs are written for all of
them, any other task its inputs first. Each step is one request; no step depends on any other task.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from selfinstruct.errors import RequestRefused
from selfinstruct.filters import check_instances
from selfinstruct.llm import Completion, Message, Request, Stage
from selfinstruct.parsing import Parsed, input_first, output_first, verdict
from selfinstruct.prompts import Prompts
from selfinstruct.settings import Settings
from selfinstruct.tasks import Candidate, Dropped, Instance, Rejected, Task, Verdict

Ask = Callable[[Request], Awaitable[Completion]]

TEMPLATES = ("classify", "classify_again", "input_first", "output_first")


@dataclass(frozen=True)
class Furnished:
    """A task with all that is known of it, and what was dropped on the way. Without instances it has failed."""

    task: Task
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True)
class StageSettings:
    """How one stage asks: the model, the sampling parameters, and which of these nobody asked for."""

    model: str
    sampling: Mapping[str, Any]
    optional: frozenset[str]

    @classmethod
    def of(cls, settings: Settings, prefix: str, defaults: Mapping[str, Any], **fixed: Any) -> StageSettings:
        """Defaults of the method under what the settings with this prefix say (`classify_temperature`, ...)."""
        given = {
            name: value
            for name in ("temperature", "top_p", "max_tokens", "presence_penalty", "frequency_penalty")
            if (value := getattr(settings, prefix + name, None)) is not None
        }
        model = getattr(settings, f"{prefix}model") or settings.model
        optional = frozenset({*defaults, *fixed} - set(given))
        return cls(str(model), {**defaults, **fixed, **given}, optional)

    def request(self, stage: Stage, api: str, prompt: str, **labels: Any) -> Request:
        """A request of this stage, in the form that the API takes."""
        form: dict[str, Any] = {"messages": (Message("user", prompt),)} if api == "chat" else {"prompt": prompt}
        return Request(model=self.model, sampling=self.sampling, optional=self.optional, stage=stage, **form, **labels)


class InstanceStage:
    """Classifies a task and writes its instances (decoding: Self-Instruct, appendix A.2)."""

    def __init__(self, settings: Settings, prompts: Prompts) -> None:
        self._prompts, self._api, self._most = prompts, settings.api, settings.max_instances
        stops: Mapping[str, tuple[str, ...]] = {}
        if settings.api == "completions":
            # A base model goes on with tasks of its own.
            stops = {"classify": ("\n\n", "\nTask:"), "instances": (f"\nExample {self._most + 1}", "\nTask:")}
        greedy = {"temperature": 0.0, "top_p": 0.0}
        self._classify = StageSettings.of(
            settings, "classify_", {**greedy, "max_tokens": 64}, **_stop(stops.get("classify"))
        )
        self._instances = StageSettings.of(
            settings,
            "instance_",
            {**greedy, "max_tokens": 350, "frequency_penalty": 0.0, "presence_penalty": 1.5},
            **_stop(stops.get("instances")),
        )

    async def furnish(self, task: Task, ask: Ask) -> Furnished:
        """Ask for the verdict, then for instances, and keep the sound ones."""
        is_classification, rejected = await self._verdict(task, ask)
        task = replace(task, is_classification=is_classification)
        try:
            completion = await ask(self.instances_request(task))
        except RequestRefused as error:
            failed = Rejected(f"{task.id}-x0", "instances", "request_failed", "", detail=str(error))
            return Furnished(task, (*rejected, failed))
        read = output_first if is_classification else input_first
        parsed = read(completion.text, cut=completion.finish_reason == "length")
        kept, dropped = keep_instances(task, parsed, self._most)
        return Furnished(replace(task, instances=kept), (*rejected, *dropped))

    def verdict_request(self, task: Task) -> Request:
        """The question whether the task is a classification task."""
        prompt = self._prompts.render("classify", task=task)
        return self._classify.request("classify", self._api, prompt, about={"instruction": task.instruction})

    def verdict_again_request(self, task: Task, answer: str) -> Request:
        """The second question, which shows the answer that was neither yes nor no."""
        prompt = self._prompts.render("classify_again", task=task, answer=answer.strip() or "(nothing)")
        about = {"instruction": task.instruction, "again": True}
        return self._classify.request("classify", self._api, prompt, about=about)

    def instances_request(self, task: Task) -> Request:
        """The request for instances, labels first where the task is a classification task."""
        template = "output_first" if task.is_classification else "input_first"
        prompt = self._prompts.render(template, task=task, count=self._most)
        if self._api == "completions":
            prompt += "\n"
        return self._instances.request("instances", self._api, prompt, about={"instruction": task.instruction})

    async def _verdict(self, task: Task, ask: Ask) -> tuple[bool, tuple[Rejected, ...]]:
        """The verdict; an answer that is none is asked once more, then counted and taken for no."""
        answer = ""
        try:
            answer = (await ask(self.verdict_request(task))).text
            found = verdict(answer)
            if found is None:
                answer = (await ask(self.verdict_again_request(task, answer))).text
                found = verdict(answer)
        except RequestRefused as error:
            return False, (_no_verdict(task, answer, f"request failed: {error}"),)
        if found is None:
            return False, (_no_verdict(task, answer, "neither yes nor no, asked twice; taken for no"),)
        return found, ()


def _stop(strings: tuple[str, ...] | None) -> dict[str, Any]:
    return {"stop": list(strings)} if strings else {}


def _no_verdict(task: Task, answer: str, detail: str) -> Rejected:
    return Rejected(f"{task.id}-verdict", "classify", "no_verdict", answer, detail=detail)


def keep_instances(task: Task, parsed: Parsed[Instance], most: int) -> tuple[tuple[Instance, ...], list[Rejected]]:
    """The instances of a task that pass the rules, and rows for all the other pieces of the answer."""
    kept, dropped = check_instances(parsed.items, most)
    pieces = [(piece.text, Verdict(piece.rule, detail=piece.detail)) for piece in parsed.dropped]
    pieces += [(one.text, reason) for one, reason in dropped]
    return kept, [
        Rejected(f"{task.id}-x{number}", "instances", reason.rule, text, detail=reason.detail)
        for number, (text, reason) in enumerate(pieces)
    ]


def furnish_at_once(task: Task, candidate: Candidate, most: int) -> Furnished:
    """The same rules for a task whose instances came with its instruction."""
    kept, rejected = keep_instances(task, Parsed(list(candidate.instances)), most)
    return Furnished(replace(task, instances=kept), tuple(rejected))


def rejected_piece(request: int, number: int, piece: Dropped) -> Rejected:
    """The row for a piece of an instruction answer that became no candidate."""
    return Rejected(f"b{request}-x{number}", "instructions", piece.rule, piece.text, detail=piece.detail)
