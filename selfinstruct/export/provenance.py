"""What a card says of a run, from its settings, ledger and counts: sentences and tables, without any layout.

Settings hold endpoints, names of variables and paths of the machine. None of these is in a card: of a path the last
part stands, and the contents are told by a digest.
"""

from __future__ import annotations

import hashlib
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from selfinstruct.directory import SEEDS, RunDirectory, Stored
from selfinstruct.export.licences import Terms, terms_of
from selfinstruct.instances import InstanceStage, StageSettings
from selfinstruct.methods import TEMPLATES, build_method
from selfinstruct.prompts import Prompts
from selfinstruct.settings import Settings
from selfinstruct.tasks import PACKAGED_SEEDS, Task, packaged_seeds, read_seeds

if TYPE_CHECKING:
    from selfinstruct.run import Run

# Settings that a resumed run may change say where and how fast it asked; of them these decide what is in the set.
TOLD = ("num_tasks", "saturation", "saturation_window")
WORDS = ("keywords", "banned_starts")
LANGUAGES = {"en": "English", "zh": "Chinese"}
ENDINGS = {
    None: "The run reached its target.",
    "saturated": "The run stopped early, because the model hardly wrote anything new.",
    "interrupted": "The run was interrupted before its target.",
    "terminated": "The run was terminated before its target.",
    "failed": "The run stopped before its target, because the endpoint failed.",
    "unfinished": "The run had not reached its target.",
}


@dataclass(frozen=True)
class Provenance:
    """The facts of a run: `demo` says how much the offline teacher wrote, "" where it wrote nothing."""

    demo: str
    making: Sequence[str]
    templates: Sequence[tuple[str, str]]
    command: str
    terms: Sequence[tuple[str, Terms | None]]
    yields: str
    rejections: Sequence[tuple[tuple[str, str], int]]
    protected: str
    limits: Sequence[str]


def provenance(run: Run, *, seeds_license: str | None = None, cost: bool = False) -> Provenance:
    """Read the facts; `seeds_license` is what the publisher states, `cost` asks for tokens and money."""
    directory = RunDirectory(run.location)
    stored = directory.read()
    return Provenance(
        demo=_demo(run),
        making=list(_making(run, directory, stored, seeds_license, cost)),
        templates=[(name, digest(text.encode())) for name, text in sorted(stored.templates.items())],
        command=command(run.settings),
        terms=list(_terms(run)),
        yields=_yields(run),
        rejections=Counter((one.rule, one.stage) for one in run.rejected).most_common(),
        protected=_protected(run, directory),
        limits=list(_limits(run, stored)),
    )


def counted(tasks: int) -> str:
    """A number of tasks in words."""
    return f"{tasks:,} task" if tasks == 1 else f"{tasks:,} tasks"


def digest(content: bytes) -> str:
    """The first 16 hexadecimal digits of the SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]


def last_part(path: str) -> str:
    """The name of a file or folder without the folders it lies in, whichever system wrote the path."""
    return PureWindowsPath(path).name or "files"


def model_name(name: str | None) -> str:
    """The name of a model as the public knows it; servers of local files take their path for the name."""
    name = str(name)
    is_path = name.startswith(("/", "~", ".")) or "\\" in name or name.lower().endswith(".gguf")
    return last_part(name) if is_path else name


def models(run: Run) -> str:
    """The models that wrote the tasks, by their number, and those of other stages."""
    counts = Counter(model_name(task.model) for task in run.tasks if task.model)
    said = [f"{name} ({counted(number)})" for name, number in counts.most_common()] or [model_name(run.settings.model)]
    return ", ".join(said) + "".join(f"; {stage} by {name}" for stage, name in _other_models(run.settings))


def _other_models(settings: Settings) -> Iterator[tuple[str, str]]:
    for stage, name in (("classification", settings.classify_model), ("instances", settings.instance_model)):
        if name:
            yield stage, model_name(name)


def _demo(run: Run) -> str:
    if not run.is_demo:
        return ""
    number = sum(task.model == "demo" for task in run.tasks)
    return "it" if number == len(run.tasks) else f"{number:,} of its {counted(len(run.tasks))}"


def _making(run: Run, directory: RunDirectory, stored: Stored, seeds_license: str | None, cost: bool) -> Iterator[str]:
    settings = run.settings
    api = "chat" if settings.api == "chat" else "plain completions, as for a base model"
    yield f"Method: {settings.method}, with selfinstruct {stored.version}."
    yield f"Model: {models(run)}, asked through {api}."
    if settings.from_run or run.carried:
        yield f"Begun with {counted(run.carried)} that were there before, from {last_part(str(settings.from_run))}."
    yield _seeds(settings, stored, directory, seeds_license)
    yield (
        f"An instruction was admitted at a ROUGE-L below {settings.max_rouge:g} to every seed and every earlier one "
        f"(tokenizer: {settings.tokenizer}), with {settings.min_words} to {settings.max_words} words; a task kept at "
        f"most {settings.max_instances} instances."
    )
    yield from _decoding(settings, stored)
    if stored.filters:
        yield f"Further rules of the publisher's own: {', '.join(stored.filters)}."
    yield f"Sampling seed {settings.seed}. {ENDINGS.get(run.stopped, f'The run ended early: {run.stopped}.')}"
    spent = run.spent
    yield f"{spent.calls:,} calls were answered, and {spent.failed:,} failed for good."
    if cost:
        money = "" if spent.cost is None else f", for ${spent.cost:,.2f} at most"
        yield f"{spent.prompt_tokens:,} tokens went in and {spent.completion_tokens:,} came out{money}."


def _seeds(settings: Settings, stored: Stored, directory: RunDirectory, license: str | None) -> str:
    seeds = [task for task in directory.read_seeds() if task.request is None]
    packaged = _packaged(settings, seeds)
    if packaged is not None:
        language = LANGUAGES.get(packaged, packaged)
        return f"Seeds: the {len(seeds):,} {language} tasks that come with selfinstruct {stored.version} (Apache-2.0)."
    said = f"their licence, as the publisher states it: {license}" if license else "the publisher states no licence"
    found = digest((directory.path / SEEDS).read_bytes())
    name = last_part(str(settings.seeds))
    return f"Seeds: {counted(len(seeds))}, {name} ({SEEDS} of the run has the SHA-256 {found}); {said}."


def _packaged(settings: Settings, seeds: Sequence[Task]) -> str | None:
    """The packaged set that the seeds are; a file of the same name, or a set since changed, is none."""
    name = settings.seeds or "en"
    if name not in PACKAGED_SEEDS or read_seeds(packaged_seeds(name)) != seeds:
        return None
    return name


def _decoding(settings: Settings, stored: Stored) -> Iterator[str]:
    """The sampling parameters of each stage; those that a server refused were left out."""
    if settings.method not in TEMPLATES:
        return
    prompts = Prompts(stored.templates, settings.api)
    method = build_method(settings.method, settings, prompts)
    stages: dict[str, Mapping[str, Any]] = {"instructions": StageSettings.of(settings, "", method.sampling).sampling}
    if method.needs_instances:
        stage, task = InstanceStage(settings, prompts), Task("", "")
        stages["classification"] = stage.verdict_request(task).sampling
        stages["instances"] = stage.instances_request(task).sampling
    for name, sampling in stages.items():
        said = ", ".join(f"{key} {text}" for key, value in sampling.items() if (text := _parameter(key, value)))
        yield f"Decoding of {name}: {said}."
    if settings.response_format == "json":
        yield "Answers were asked for as JSON, by a schema."
    for model, dropped in stored.settled.get("dropped", {}).items():
        if dropped:
            yield f"Left out, because the server of {model_name(model)} refused them: {', '.join(dropped)}."


def _parameter(name: str, value: Any) -> str:
    """A sampling parameter in words; of texts only the reasoning effort, as others may name somebody."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, int) or name == "reasoning_effort" else ""


def _terms(run: Run) -> Iterator[tuple[str, Terms | None]]:
    settings = run.settings
    names = [task.model for task in run.tasks] + [settings.model, settings.classify_model, settings.instance_model]
    for name in dict.fromkeys(model_name(name) for name in names if name and name != "demo"):
        for one in terms_of(name) or (None,):
            yield name, one


def _yields(run: Run) -> str:
    accepted, without = len(run.tasks) - run.carried, run.rejections["no_instance"]
    by_stage = Counter(one.stage for one in run.rejected)
    early, late = by_stage["instructions"], by_stage["instances"] - without
    read = accepted + without + early
    share = f" ({accepted / read:.0%})" if read else ""
    return (
        f"The answers held {read:,} instructions or pieces of one: {early:,} were turned down, {without:,} got no "
        f"usable instance, and {accepted:,} became tasks{share}. Instances turned down: {late:,}. All "
        "of them are kept with the run, with their reasons."
    )


def _protected(run: Run, directory: RunDirectory) -> str:
    settings, protected = run.settings, directory.read_protected()
    if not protected:
        return "None was given, so nothing was compared with any."
    names = ", ".join(map(last_part, settings.against))
    words = f" or {settings.against_ngram} words in a row in common" if settings.against_ngram else ""
    return (
        f"{counted(len(protected))} of {names}: a candidate with a ROUGE-L of {settings.max_rouge:g} or more to one of "
        f"them{words} was turned down. There were {run.rejections['contamination']:,}."
    )


def _limits(run: Run, stored: Stored) -> Iterator[str]:
    yield "The rules of selfinstruct look at form and similarity. They do not tell whether an output is true."
    yield "ROUGE-L compares words: two instructions that say the same in other words are both kept."
    if run.settings.tokenizer == "rouge":
        yield "The tokenizer sees ASCII words only, so instructions in other scripts were not compared at all."
    if run.carried:
        yield f"How the {counted(run.carried)} that it began with came about is not described here."
    if unsaid := run.rejections["no_verdict"]:
        yield f"For {counted(unsaid)} the model did not say whether it is one of classification; it was taken for none."
    if run.settings.method not in TEMPLATES or stored.filters:
        yield "The method or a rule is the publisher's own code, which the command above does not hold."


def command(settings: Settings) -> str:
    """The command that asks the same again: the settings that are not defaults, without endpoint and folders."""
    words = ["selfinstruct", "generate", "RUN"]
    for one in fields(Settings):
        value = getattr(settings, one.name)
        always = one.name in ("model", "num_tasks", "seed")
        if (one.metadata["scope"] == "free" and one.name not in TOLD) or (value == one.default and not always):
            continue
        option = one.metadata.get("option", "--" + one.name.replace("_", "-"))
        if value is True:
            words.append(option)
            continue
        several = value if isinstance(value, tuple) else (value,)
        for each in several or ("",):
            words += [option, _public(one.name, each)]
    return shlex.join(words)


def _public(name: str, value: Any) -> str:
    if name.endswith("model"):
        return model_name(value)
    if name == "seeds" and value not in PACKAGED_SEEDS and Path(value).suffix not in (".jsonl", ".json"):
        return SEEDS  # given as values: the run's own file holds them
    return last_part(value) if isinstance(value, str) and value and name not in WORDS else str(value)
