"""From what the user gave to everything that a run needs, for a new run and for one that is resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from selfinstruct import contamination, filters, instances, methods
from selfinstruct.directory import RunDirectory, Stored
from selfinstruct.errors import SettingChanged, SettingsError
from selfinstruct.filters import Filter, filter_name
from selfinstruct.llm import LLM
from selfinstruct.methods import Method
from selfinstruct.pool import Pool
from selfinstruct.prompts import Prompts, load_templates
from selfinstruct.settings import Settings, scope_of
from selfinstruct.tasks import PACKAGED_SEEDS, Task, packaged_seeds, read_seeds, tasks_from
from selfinstruct.text import TOKENIZERS


@dataclass
class Setup:
    """All that a run needs, resolved: what is stored, the seeds, and the parts built from them.

    `carried` are the tasks of the earlier run that this one began with. `changed` names downstream settings and
    templates that a resumed run gives another value, so that the calls they concern are made again.
    """

    stored: Stored
    seeds: list[Task]
    carried: list[Task]
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


def prepare(
    directory: RunDirectory,
    options: Mapping[str, Any],
    own_filters: Sequence[Filter] = (),
    *,
    load_run: Callable[[str], Sequence[Task]] | None = None,
) -> Setup:
    """Resolve the options of a new run, or check them against those of the run that is there.

    Options that are None count as not given. `load_run` reads the tasks of another run, for `from_run`.

    Raises:
        SettingChanged: a resumed run is given another value for a fixed setting.
        SettingsError, SeedsError: an option or an input cannot be used.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if directory.begun:
        return _resumed(directory, given, own_filters)
    directory.check_free()
    return _begun(given, own_filters, load_run)


def _begun(
    given: dict[str, Any], own_filters: Sequence[Filter], load_run: Callable[[str], Sequence[Task]] | None
) -> Setup:
    method, seeds = given.get("method", "self-instruct"), given.get("seeds")
    for name in ("prompts", "from_run"):
        if name in given:
            given[name] = str(given[name])
    settings = Settings().updated({**given, "method": _name(method), "seeds": _seeds_name(seeds)})
    if settings.model is None:
        raise SettingsError(NO_MODEL)
    templates = load_templates(_template_names(method), settings.api, settings.prompts)
    carried: list[Task] = []
    if settings.from_run is not None and load_run is not None:
        origin = Path(settings.from_run).name
        carried = [replace(task, id=f"{origin}/{task.id}") for task in load_run(settings.from_run)]
    stored = Stored(settings, version("selfinstruct"), templates, [filter_name(rule) for rule in own_filters])
    return _setup(stored, _seeds(seeds), carried, method, own_filters)


def _resumed(directory: RunDirectory, given: dict[str, Any], own_filters: Sequence[Filter]) -> Setup:
    stored = directory.read()
    kept = directory.read_seeds()
    seeds = [task for task in kept if task.request is None]
    method = given.pop("method", stored.settings.method)
    if (wanted := given.pop("seeds", None)) is not None and [_content(one) for one in _seeds(wanted)] != [
        _content(one) for one in seeds
    ]:
        _refuse(directory, stored, "seeds", stored.settings.seeds, _seeds_name(wanted))
    folder = given.pop("prompts", None)
    settings = stored.settings.updated(given)
    changed = []
    for name in (*given, "method"):
        before, now = getattr(stored.settings, name), _name(method) if name == "method" else getattr(settings, name)
        if before != now and scope_of(name) == "fixed":
            _refuse(directory, stored, name, before, now)
        if before != now and scope_of(name) == "downstream":
            changed.append(name)
    if stored.filters != (names := [filter_name(rule) for rule in own_filters]):
        _refuse(directory, stored, "filters", stored.filters, names)
    templates = stored.templates
    if folder is not None:
        templates = load_templates(_template_names(method), settings.api, folder)
        for name in sorted(set(templates) | set(stored.templates)):
            if templates.get(name) != stored.templates.get(name):
                if name.partition(".")[0] not in instances.TEMPLATES:
                    _refuse(directory, stored, f"prompts ({name})", "the text in settings.json", f"{folder}/{name}")
                changed.append(name)
        settings = replace(settings, prompts=str(folder))
    stored = replace(stored, settings=settings, templates=templates)
    carried = [task for task in kept if task.request is not None]
    return replace(_setup(stored, seeds, carried, method, own_filters), changed=tuple(changed))


def _setup(
    stored: Stored, seeds: list[Task], carried: list[Task], method: Any, own_filters: Sequence[Filter]
) -> Setup:
    prompts = Prompts(stored.templates, stored.settings.api)
    built = methods.build_method(method, stored.settings, prompts)
    rules = [*default_rules(stored.settings), *_protection(stored), *own_filters]
    return Setup(stored, seeds, carried, built, rules, prompts)


def _protection(stored: Stored) -> list[Filter]:
    """The filter that keeps protected tasks out, and the check that they are still those of the run's beginning."""
    settings = stored.settings
    if not settings.against:
        return []
    protected = contamination.read_protected(settings.against)
    found = contamination.digest(protected)
    if stored.against_digest not in ("", found):
        raise SettingChanged(
            f"the protected tasks in {', '.join(settings.against)} are not those that this run was begun with, and the "
            "answers in its ledger depend on them. Put the files back as they were, or begin a new run with --from"
        )
    stored.against_digest = found
    tokenizer = TOKENIZERS[settings.tokenizer]
    return [contamination.Contamination(protected, settings.max_rouge, tokenizer, settings.against_ngram)]


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


def teacher(setup: Setup, save: Callable[[], None]) -> LLM:
    """The model behind the settings: the demo teacher, or an OpenAI-compatible endpoint.

    `save` is called when the first answers have taught something about the server; it is in `setup.stored` then.
    """
    settings = setup.settings
    if settings.model == "demo" and not settings.base_url:
        from selfinstruct.llm.demo import DemoTeacher

        return DemoTeacher()
    from selfinstruct.llm.lessons import Settled
    from selfinstruct.llm.openai import OpenAIClient

    settled = Settled(**setup.stored.settled)

    def on_settled() -> None:
        setup.stored.settled = asdict(settled)
        save()

    return OpenAIClient(
        settings.base_url, settings.api_key_env, timeout=settings.timeout, settled=settled, on_settled=on_settled
    )


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
        f"from these tasks: selfinstruct generate NEW --from {directory}"
    )


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
    return f"{len(seeds)} tasks given as values"


def _seeds(seeds: Any) -> list[Task]:
    if seeds in PACKAGED_SEEDS and not Path(seeds).exists():
        return read_seeds(packaged_seeds(seeds))
    if seeds is None or isinstance(seeds, str | Path):
        return read_seeds(seeds or packaged_seeds())
    return tasks_from(seeds)


def _content(task: Task) -> tuple[Any, ...]:
    return task.instruction, task.instances, task.is_classification
