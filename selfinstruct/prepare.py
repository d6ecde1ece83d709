"""From what the user gave to everything that a run needs, for a new run and for one that is resumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from selfinstruct import contamination, filters, instances, methods
from selfinstruct.directory import RunDirectory, Stored
from selfinstruct.errors import RunError, SeedsError, SettingChanged, SettingsError
from selfinstruct.filters import Filter, filter_name
from selfinstruct.methods import Method
from selfinstruct.pool import Pool
from selfinstruct.prompts import Prompts, load_templates
from selfinstruct.settings import Settings, scope_of
from selfinstruct.tasks import PACKAGED_SEEDS, Task, packaged_seeds, read_seeds, tasks_from
from selfinstruct.text import TOKENIZERS

BATCH_LOOKAHEAD = 0.75


@dataclass
class Setup:
    """All that a run needs, resolved: what is stored, the seeds, and the parts built from them.

    `carried` are the tasks of the earlier run, or of a set, that this one began with, `protected` those that it keeps
    out. `changed` names downstream settings and templates that a resumed run gives another value, so that the calls
    they concern are made again.
    """

    stored: Stored
    seeds: list[Task]
    carried: list[Task]
    protected: list[Task]
    method: Method
    rules: list[Filter]
    prompts: Prompts
    changed: tuple[str, ...] = ()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.stored.settings

    def pool(self) -> Pool:
        """A new pool of the seeds and carried tasks."""
        tokenizer = TOKENIZERS[self.settings.tokenizer]
        return Pool(self.seeds, self.carried, threshold=self.settings.max_rouge, tokenizer=tokenizer)

    def stage(self) -> instances.InstanceStage:
        """The stage that gives tasks their instances."""
        return instances.InstanceStage(self.settings, self.prompts)


def prepare(directory: RunDirectory, options: Mapping[str, Any], own_filters: Sequence[Filter] = ()) -> Setup:
    """Resolve the options of a new run, or check them against those of the run that is there.

    Options that are None count as not given. A run without any answer yet is begun anew, with what is given in the
    place of what it was begun with: nothing depends on its settings.

    Raises:
        SettingChanged: a resumed run is given another value for a fixed setting.
        SettingsError, SeedsError: an option or an input cannot be used.
        RunError: the directory holds something else, or a run whose ledger is gone.
    """
    given = _said(options)
    if not directory.begun:
        directory.check_free()
        return _begun(given, own_filters)
    stored = directory.read()
    if directory.has_answers:
        return _resumed(directory, stored, given, own_filters)
    if not directory.ledger_bytes and stored.derived is not None and stored.derived["ledger"]:
        raise RunError(
            f"{directory.ledger_path}: missing or empty, though this run had answers. Restore it from a copy, or begin "
            f"a new run with the tasks that are there: selfinstruct generate NEW --from {directory.quoted}"
        )
    setup = _begun(_as_begun(directory, stored, given), own_filters)
    if "seeds" not in given:
        setup.stored.settings = replace(setup.settings, seeds=stored.settings.seeds)
    return setup


def prepare_nowhere(options: Mapping[str, Any]) -> Setup:
    """Resolve the options of a run that has no directory."""
    return _begun(_said(options), ())


def _said(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _begun(given: dict[str, Any], own_filters: Sequence[Filter]) -> Setup:
    method, seeds = given.get("method", "self-instruct"), given.get("seeds")
    if given.get("batch"):
        # The more may be under way unseen, the fewer jobs have to wait for one another.
        given.setdefault("lookahead", BATCH_LOOKAHEAD)
    for name in ("prompts", "from_run"):
        if name in given:
            given[name] = str(getattr(given[name], "path", given[name]))
    settings = Settings().updated({**given, "method": _name(method), "seeds": _seeds_name(seeds)})
    if settings.model is None:
        raise SettingsError(NO_MODEL)
    templates = load_templates(_template_names(method), settings.api, settings.prompts)
    names = [filter_name(rule) for rule in own_filters]
    stored = Stored(settings, version("selfinstruct"), templates, names)
    protected = contamination.read_protected(settings.against)
    carried = _carried(settings.from_run) if settings.from_run is not None else []
    return _setup(stored, _seeds(seeds), carried, protected, method, own_filters)


def _as_begun(directory: RunDirectory, stored: Stored, given: dict[str, Any]) -> dict[str, Any]:
    """The options of a run without answers, under what is given now."""
    before = {name: value for name, value in vars(stored.settings).items() if value is not None}
    before["seeds"] = [task for task in directory.read_seeds() if task.request is None]
    if given.get("method", stored.settings.method) != stored.settings.method:
        before.pop("method")
    return {**before, **given}


def _carried(path: str) -> list[Task]:
    """The tasks of another run, under ids that name it; what they were similar to there says nothing here.

    What is no run is read as a set of any format.
    """
    from selfinstruct.replay import load

    if not RunDirectory(path).begun:
        return _carried_set(path)
    tasks = load(path).tasks
    if not tasks:
        raise SettingsError(f"--from {path}: there is no task in this run yet")
    origin = Path(path).resolve().name
    return [replace(task, id=f"{origin}/{task.id}", most_similar=None, mean_similarity=None) for task in tasks]


def _carried_set(path: str) -> list[Task]:
    """A task for each instruction of a set; a `request` tells them from seeds."""
    from selfinstruct.export.importing import grouped
    from selfinstruct.export.readers import read_set

    named = ({**row, "id": f"{Path(path).stem}/{row['id']}"} for row in read_set(path).rows())
    try:
        tasks = tasks_from(grouped(named), "task")
    except SeedsError as error:
        raise SettingsError(f"--from {path}, {error}") from error
    return [replace(task, request=0, position=n, method="import") for n, task in enumerate(tasks)]


def _resumed(directory: RunDirectory, stored: Stored, given: dict[str, Any], own_filters: Sequence[Filter]) -> Setup:
    kept = directory.read_seeds()
    seeds = [task for task in kept if task.request is None]
    protected = directory.read_protected()
    method = given.pop("method", stored.settings.method)
    _check_contents(directory, stored, given, seeds, protected)
    if stored.filters != (names := [filter_name(rule) for rule in own_filters]):
        raise SettingChanged(
            f"{directory}: this run was begun with {_listed(stored.filters)} as filters of your own, and is now given "
            f"{_listed(names)}; call generate with the same ones from Python, or begin a new run with its tasks: "
            f"selfinstruct generate NEW --from {directory.quoted}"
        )
    folder = given.pop("prompts", None)
    settings = stored.settings.updated(given)
    changed = []
    for name in (*given, "method"):
        before, now = getattr(stored.settings, name), _name(method) if name == "method" else getattr(settings, name)
        if before != now and scope_of(name) == "fixed":
            _refuse(directory, stored, name, before, now)
        if before != now and scope_of(name) == "downstream":
            changed.append(name)
    templates = stored.templates
    if folder is not None:
        templates = load_templates(_template_names(method), settings.api, folder)
        changed += _changed_templates(directory, stored, templates, folder)
        settings = replace(settings, prompts=str(folder))
    derived = stored.derived if (settings, templates) == (stored.settings, stored.templates) else None
    stored = replace(stored, settings=settings, templates=templates, derived=derived)
    carried = [task for task in kept if task.request is not None]
    return replace(_setup(stored, seeds, carried, protected, method, own_filters), changed=tuple(changed))


def _check_contents(
    directory: RunDirectory, stored: Stored, given: dict[str, Any], seeds: list[Task], protected: list[Task]
) -> None:
    """Take options out of `given` that name files, where what is in them is what the run has."""
    if "seeds" in given:
        wanted = given.pop("seeds")
        if list(map(_content, _seeds(wanted))) != list(map(_content, seeds)):
            _refuse(directory, stored, "seeds", stored.settings.seeds, _seeds_name(wanted))
    if "against" in given:
        paths = given.pop("against")
        wanted = contamination.read_protected([paths] if isinstance(paths, str | Path) else paths)
        if list(map(_content, wanted)) != list(map(_content, protected)):
            _refuse(directory, stored, "against", stored.settings.against, paths)
    if "from_run" in given:
        other = str(getattr(given["from_run"], "path", given["from_run"]))
        before = stored.settings.from_run
        if before is not None and Path(other).resolve().name == Path(before).resolve().name:
            del given["from_run"]


def _changed_templates(
    directory: RunDirectory, stored: Stored, templates: Mapping[str, str], folder: Any
) -> Iterator[str]:
    """The templates of later stages that have another text now; one of the method itself cannot change."""
    for name in sorted(set(templates) | set(stored.templates)):
        if templates.get(name) != stored.templates.get(name):
            if name.partition(".")[0] not in instances.TEMPLATES:
                _refuse(directory, stored, f"prompts ({name})", "the text in settings.json", f"{folder}/{name}")
            yield name


def _setup(
    stored: Stored,
    seeds: list[Task],
    carried: list[Task],
    protected: list[Task],
    method: Any,
    own_filters: Sequence[Filter],
) -> Setup:
    settings = stored.settings
    prompts = Prompts(stored.templates, settings.api)
    built = methods.build_method(method, settings, prompts)
    rules = default_rules(settings)
    if protected:
        tokenizer = TOKENIZERS[settings.tokenizer]
        rules.append(contamination.Contamination(protected, settings.max_rouge, tokenizer, settings.against_ngram))
    return Setup(stored, seeds, carried, protected, built, [*rules, *own_filters], prompts)


def default_rules(settings: Settings) -> list[Filter]:
    """The rules for instructions, in the order in which they judge; the cheap ones first."""
    lists = [filters.TEXT_ONLY_KEYWORDS] + ([filters.ALPACA_KEYWORDS] if settings.method == "alpaca" else [])
    keywords = settings.keywords
    if keywords is None:
        keywords = tuple(word for by_language in lists for words in by_language.values() for word in words)
    starts = filters.BANNED_STARTS if settings.banned_starts is None else settings.banned_starts
    return [
        filters.Length(settings.min_words, settings.max_words),
        filters.Keywords(keywords),
        filters.BannedStarts(starts),
        filters.first_character,
        filters.duplicate,
        filters.rouge,
    ]


NO_MODEL = """no model given. Three ways on:
  selfinstruct generate RUN --model demo
      the built-in offline teacher: no key, no network, to see how it works
  export OPENAI_API_KEY=...  and  selfinstruct generate RUN --model NAME
      OpenAI, or with --base-url and --api-key-env any other provider
  selfinstruct generate RUN --base-url http://localhost:8000/v1 --model NAME
      a local server (vLLM, Ollama, llama.cpp), which needs no key"""


def _refuse(directory: RunDirectory, stored: Stored, name: str, before: Any, now: Any) -> None:
    here = version("selfinstruct")
    versions = f" (begun with selfinstruct {stored.version}, this is {here})" if stored.version != here else ""
    raise SettingChanged(
        f"{directory}: {name} was {before!r} when this run was begun and cannot become {now!r}, because the answers in "
        f"its ledger depend on it{versions}. Leave the option out to go on as before, or begin a new run that starts "
        "from these tasks, with all options given anew: selfinstruct generate NEW "
        f"--from {directory.quoted} --model ..."
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _template_names(method: Any) -> tuple[str, ...]:
    needs_instances = method != "alpaca" and getattr(method, "needs_instances", True)
    return (*methods.TEMPLATES.get(_name(method), ()), *(instances.TEMPLATES if needs_instances else ()))


def _name(method: Any) -> str:
    if isinstance(method, str):
        return method
    return str(getattr(method, "name", None) or getattr(method, "__name__", method))


def _seeds_name(seeds: Any) -> str | None:
    if seeds is None or isinstance(seeds, str | Path):
        return None if seeds is None else str(seeds)
    return "tasks given as values"


def _seeds(seeds: Any) -> list[Task]:
    if isinstance(seeds, str) and seeds in PACKAGED_SEEDS and not Path(seeds).exists():
        return read_seeds(packaged_seeds(seeds))
    if seeds is None or isinstance(seeds, str | Path):
        return read_seeds(seeds or packaged_seeds())
    return tasks_from(seeds)


def _content(task: Task) -> tuple[Any, ...]:
    return task.instruction, task.instances, task.is_classification
