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
from selfinstruct.methods.schemas import response_format
from selfinstruct.parsing import Parsed, input_first, output_first, structured, verdict
from selfinstruct.prompts import Prompts
from selfinstruct.settings import SAMPLING, Settings
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
        """Defaults of the method under what the settings with this prefix say (`classify_temperature`, ...).

        `sampling_seed` and `extra_body` are for all stages, and so is `reasoning_effort` where a stage has none.
        """
        given = {name: value for name in SAMPLING if (value := getattr(settings, prefix + name, None)) is not None}
        effort = getattr(settings, f"{prefix}reasoning_effort") or settings.reasoning_effort
        more = {"seed": settings.sampling_seed, "reasoning_effort": effort}
        given |= {name: value for name, value in more.items() if value is not None}
        given |= settings.extra_body or {}
        model = getattr(settings, f"{prefix}model") or settings.model
        optional = frozenset({*defaults, *fixed} - set(given))
        return cls(str(model), {**defaults, **fixed, **given}, optional)

    def request(
        self, stage: Stage, api: str, prompt: str, *, schema: Mapping[str, Any] | None = None, **labels: Any
    ) -> Request:
        """A request of this stage, in the form that the API takes; `schema` is its `response_format`.

        A server that refuses the schema is asked without it: the prompt says the same.
        """
        form: dict[str, Any] = {"messages": (Message("user", prompt),)} if api == "chat" else {"prompt": prompt}
        optional = self.optional
        if schema is not None:
            form, optional = {**form, "response_format": schema}, optional | {"response_format"}
        return Request(model=self.model, sampling=self.sampling, optional=optional, stage=stage, **form, **labels)


class InstanceStage:
    """Classifies a task and writes its instances (decoding: Self-Instruct, appendix A.2)."""

    def __init__(self, settings: Settings, prompts: Prompts) -> None:
        self._prompts, self._api, self._most = prompts, settings.api, settings.max_instances
        self._format = settings.response_format
        stops: Mapping[str, tuple[str, ...]] = {}
        if settings.api == "completions":
            # A base model goes on with tasks of its own.
            stops = {"classify": ("\n\n", "\nTask:"), "instances": (f"\nExample {self._most + 1}", "\nTask:")}
        greedy = {"temperature": 0.0, "top_p": 0.0}
        self._classify = StageSettings.of(
            settings,
            "classify_",
            {**greedy, "max_tokens": 64},
            **_stop(stops.get("classify")),
            **(_logprobs(settings.api) if settings.classify_logprobs else {}),
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
        parsed = self._read(completion, labels_first=is_classification)
        kept, dropped = keep_instances(task, parsed, self._most)
        return Furnished(replace(task, instances=kept), (*rejected, *dropped))

    def verdict_request(self, task: Task) -> Request:
        """The question whether the task is a classification task."""
        prompt = self._prompts.render("classify", task=task, format=self._format)
        return self._verdict_request(prompt, {"instruction": task.instruction})

    def verdict_again_request(self, task: Task, answer: str) -> Request:
        """The second question, which shows the answer that was neither yes nor no."""
        said = answer.strip() or "(nothing)"
        prompt = self._prompts.render("classify_again", task=task, answer=said, format=self._format)
        return self._verdict_request(prompt, {"instruction": task.instruction, "again": True})

    def _verdict_request(self, prompt: str, about: Mapping[str, Any]) -> Request:
        return self._classify.request("classify", self._api, prompt, schema=self._schema("verdict"), about=about)

    def instances_request(self, task: Task) -> Request:
        """The request for instances, labels first where the task is a classification task."""
        template = "output_first" if task.is_classification else "input_first"
        prompt = self._prompts.render(template, task=task, count=self._most, format=self._format)
        if self._api == "completions":
            prompt += "\n"
        about = {"instruction": task.instruction}
        return self._instances.request("instances", self._api, prompt, schema=self._schema(template), about=about)

    def _schema(self, name: str) -> Mapping[str, Any] | None:
        return response_format(name) if self._format == "json" else None

    def _read(self, completion: Completion, *, labels_first: bool) -> Parsed[Instance]:
        if self._format == "json":
            read = structured.output_first if labels_first else structured.input_first
        else:
            read = output_first if labels_first else input_first
        return read(completion.text, cut=completion.finish_reason == "length")

    async def _verdict(self, task: Task, ask: Ask) -> tuple[bool, tuple[Rejected, ...]]:
        """The verdict; an answer that is none is asked once more, then counted and taken for no."""
        read = structured.verdict if self._format == "json" else verdict
        answer = ""
        try:
            answer = (await ask(self.verdict_request(task))).text
            found = read(answer)
            if found is None:
                answer = (await ask(self.verdict_again_request(task, answer))).text
                found = read(answer)
        except RequestRefused as error:
            return False, (_no_verdict(task, answer, f"request failed: {error}"),)
        if found is None:
            return False, (_no_verdict(task, answer, "neither yes nor no, asked twice; taken for no"),)
        return found, ()


def _stop(strings: tuple[str, ...] | None) -> dict[str, Any]:
    return {"stop": list(strings)} if strings else {}


def _logprobs(api: str) -> dict[str, Any]:
    """The parameters that ask for log probabilities: what they are called, and which values they take, differs."""
    return {"logprobs": True, "top_logprobs": 5} if api == "chat" else {"logprobs": 5}


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
