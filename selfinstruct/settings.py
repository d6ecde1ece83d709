"""Every setting of a run, once: keyword arguments, command-line options and settings.json are made from here."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args
from urllib.parse import urlsplit

from selfinstruct.errors import SettingsError
from selfinstruct.text import TOKENIZERS

Scope = Literal["free", "downstream", "fixed"]
Api = Literal["chat", "completions"]
Texts = str | Path | Sequence[str | Path]


def _setting(default: Any, scope: Scope, help: str, **more: Any) -> Any:
    return field(default=default, metadata={"scope": scope, "help": help, **more})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a run.

    Each field says in its metadata what it means and whether a resumed run may change it: `free` settings may
    change, a changed `downstream` setting makes the calls that it concerns again, and a `fixed` one cannot change.
    `None` stands for the method's own default (Self-Instruct, appendix A; Alpaca, its released code).
    """

    num_tasks: int = _setting(100, "free", "New tasks to accept.", short="-n")
    model: str | None = _setting(
        None, "fixed", 'Model at the endpoint, or "demo", the built-in offline teacher.', short="-m"
    )
    base_url: tuple[str, ...] = _setting(
        (), "free", "OpenAI-compatible endpoint (also OPENAI_BASE_URL); no key is needed with it."
    )
    api_key_env: tuple[str, ...] = _setting(
        (), "free", "Environment variable that holds the key (default OPENAI_API_KEY); never the key itself."
    )
    api: Api = _setting("chat", "fixed", "Chat messages, or plain prompts for a base model.")
    method: str = _setting("self-instruct", "fixed", "How tasks are written: self-instruct or alpaca.")
    seeds: str | None = _setting(
        None,
        "fixed",
        "Seed tasks: a .jsonl or .json in the Self-Instruct or the Alpaca shape, or one of the packaged sets en "
        "(default) and zh.",
    )
    from_run: str | None = _setting(None, "fixed", "Begin with the tasks of another run in the pool.", option="--from")
    prompts: str | None = _setting(None, "fixed", "Folder of own templates, which replace the packaged ones by name.")
    concurrency: int = _setting(32, "free", "Requests in flight.")
    max_rouge: float = _setting(0.7, "fixed", "Admit an instruction only below this ROUGE-L to every other one.")
    tokenizer: str = _setting("words", "fixed", "words: of any script; rouge: rouge_score's ASCII words.")
    seed: int = _setting(42, "fixed", "Seed of the sampling.")
    lookahead: float = _setting(0.25, "fixed", "Share of the requests that may be under way unseen.")
    seed_examples: int | None = _setting(None, "fixed", "Seed tasks shown in each instruction prompt (6; alpaca 3).")
    pool_examples: int | None = _setting(None, "fixed", "Generated tasks shown in each of these prompts (2; alpaca 0).")
    classification_only: bool = _setting(False, "fixed", "Ask for classification tasks only, with such seeds.")
    min_words: int = _setting(4, "fixed", "Fewest words of an instruction.")
    max_words: int = _setting(150, "fixed", "Most words of an instruction.")
    keywords: tuple[str, ...] | None = _setting(
        None,
        "fixed",
        "Words that no instruction may hold (default: what a text-only model cannot do; '' turns it off).",
    )
    banned_starts: tuple[str, ...] | None = _setting(
        None,
        "fixed",
        "Openings that no instruction may have (default: 'Write a program' in several languages; '' turns it off).",
    )
    against: tuple[str, ...] = _setting(
        (), "fixed", "File of protected tasks, such as a test set; candidates that repeat one are turned down."
    )
    against_ngram: int = _setting(13, "fixed", "Words in a row that count as repeating a protected task (0: off).")
    max_instances: int = _setting(5, "downstream", "Most instances of a task.")
    saturation: float = _setting(0.05, "free", "Stop when the last answers gave fewer new tasks each; 0 turns it off.")
    saturation_window: int = _setting(100, "free", "Number of those last answers.")
    temperature: float | None = _setting(None, "fixed", "Sampling of new instructions (0.7; alpaca 1.0).")
    top_p: float | None = _setting(None, "fixed", "Sampling of new instructions (0.5; alpaca 1.0).")
    max_tokens: int | None = _setting(None, "fixed", "Longest answer with new instructions (1024; alpaca 3072).")
    presence_penalty: float | None = _setting(None, "fixed", "Sampling of new instructions (2; alpaca 0).")
    frequency_penalty: float | None = _setting(None, "fixed", "Sampling of new instructions (0).")
    classify_model: str | None = _setting(None, "downstream", "Model of the classification stage (default: --model).")
    classify_temperature: float | None = _setting(None, "downstream", "Sampling of the classification stage (0).")
    classify_top_p: float | None = _setting(None, "downstream", "Sampling of the classification stage (0).")
    classify_max_tokens: int | None = _setting(None, "downstream", "Longest verdict (64).")
    instance_model: str | None = _setting(None, "downstream", "Model of the instance stage (default: --model).")
    instance_temperature: float | None = _setting(None, "downstream", "Sampling of the instance stage (0).")
    instance_top_p: float | None = _setting(None, "downstream", "Sampling of the instance stage (0).")
    instance_max_tokens: int | None = _setting(None, "downstream", "Longest answer with instances (350).")
    instance_presence_penalty: float | None = _setting(None, "downstream", "Sampling of the instance stage (1.5).")
    neighbours: int = _setting(
        0,
        "free",
        "Record this many most similar tasks, and the mean similarity, with each task: compares all pairs, some "
        "minutes at 52,000 tasks.",
    )
    timeout: float = _setting(600.0, "free", "Seconds that one try of a request may take.")
    give_up: float = _setting(600.0, "free", "Seconds without any success after which the endpoint counts as gone.")

    def __post_init__(self) -> None:
        for one in fields(self):
            given = getattr(self, one.name)
            if given is not None or one.default is not None:
                object.__setattr__(self, one.name, _stored(one.name, str(one.type), given))
        _check(self)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values: tuples become lists."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def updated(self, given: Mapping[str, Any]) -> Settings:
        """These settings with the given ones in their place.

        Raises:
            SettingsError: a name is no setting, or a value cannot be used.
        """
        known = {one.name for one in fields(self)}
        for name in given:
            if name not in known:
                close = get_close_matches(name, known, 3)
                others = (
                    f"did you mean {' or '.join(close)}?" if close else f"the settings are {', '.join(sorted(known))}"
                )
                raise SettingsError(f"there is no setting {name!r}; {others}")
        return replace(self, **given)


def scope_of(name: str) -> Scope:
    """Whether a resumed run may change the setting."""
    return next(one.metadata["scope"] for one in fields(Settings) if one.name == name)


def _stored(name: str, kind: str, given: Any) -> Any:
    """The value as settings.json keeps it: numbers of NumPy become Python's, a path or a single text a tuple of texts.

    A float may be given as an integer and stays one, because 1 and 1.0 are different bytes in a request.
    """
    kind = kind.removesuffix(" | None")
    if kind.startswith("tuple"):
        return _texts(name, given)
    if kind in ("int", "float") and (isinstance(given, bool) or not isinstance(given, Real)):
        raise SettingsError(f"{name} is a number, not {given!r}")
    if kind == "int" and not isinstance(given, Integral):
        raise SettingsError(f"{name} is a whole number, not {given!r}")
    if kind == "float" and not isinstance(given, Integral):
        return float(given)
    return operator.index(given) if kind in ("int", "float") else given


def _texts(name: str, given: Any) -> tuple[str, ...]:
    several = (given,) if isinstance(given, str | os.PathLike) else given
    if isinstance(several, Iterable):
        texts = tuple(os.fspath(one) if isinstance(one, os.PathLike) else one for one in several)
        if all(isinstance(one, str) for one in texts):
            return texts
    raise SettingsError(f"{name} is a text or a list of texts, not {given!r}")


_RANGES: dict[str, tuple[float, float]] = {
    "num_tasks": (1, 10_000_000),
    "concurrency": (1, 100_000),
    "max_rouge": (0.01, 1.0),
    "lookahead": (0.0, 0.99),
    "seed_examples": (0, 100),
    "pool_examples": (0, 100),
    "min_words": (0, 10_000),
    "max_words": (1, 100_000),
    "max_instances": (1, 100),
    "seed": (-(2**63), 2**63 - 1),
    "against_ngram": (0, 1000),
    "neighbours": (0, 1000),
    "saturation": (0.0, 100.0),
    "saturation_window": (1, 1_000_000),
    "temperature": (0.0, 2.0),
    "classify_temperature": (0.0, 2.0),
    "instance_temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "classify_top_p": (0.0, 1.0),
    "instance_top_p": (0.0, 1.0),
    "presence_penalty": (-2.0, 2.0),
    "instance_presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
    "max_tokens": (1, 1_000_000),
    "classify_max_tokens": (1, 1_000_000),
    "instance_max_tokens": (1, 1_000_000),
    "timeout": (0.01, 1e6),
    "give_up": (0.0, 1e7),
}


def _check(settings: Settings) -> None:
    for name, (low, high) in _RANGES.items():
        value = getattr(settings, name)
        if value is not None and not low <= value <= high:
            bounds = " and ".join(f"{bound:,}".removesuffix(".0") for bound in (low, high))
            raise SettingsError(f"{name} lies between {bounds}, not {value!r}")
    if settings.api not in get_args(Api):
        raise SettingsError(f'api is "chat" or "completions", not {settings.api!r}')
    if settings.tokenizer not in TOKENIZERS:
        raise SettingsError(f"tokenizer is one of {', '.join(TOKENIZERS)}, not {settings.tokenizer!r}")
    if settings.min_words > settings.max_words:
        raise SettingsError(f"min_words ({settings.min_words}) is above max_words ({settings.max_words})")
    for url in settings.base_url:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"base_url {url!r} is no http(s) address such as http://localhost:8000/v1")
        if parts.username or parts.password or "key=" in parts.query:
            raise SettingsError(
                "base_url holds a password or key; put the key into an environment variable and name that with "
                "--api-key-env, because settings are written to disk"
            )


class Options(TypedDict, total=False):
    """The settings as keyword arguments, for type checkers and editors; `Settings` says what each one means."""

    num_tasks: int
    model: str | None
    base_url: Texts
    api_key_env: Texts
    api: Api
    method: Any
    seeds: Any
    from_run: str | None
    prompts: str | None
    concurrency: int
    max_rouge: float
    tokenizer: str
    seed: int
    lookahead: float
    seed_examples: int | None
    pool_examples: int | None
    classification_only: bool
    min_words: int
    max_words: int
    keywords: Texts | None
    banned_starts: Texts | None
    against: Texts
    against_ngram: int
    max_instances: int
    saturation: float
    saturation_window: int
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    classify_model: str | None
    classify_temperature: float | None
    classify_top_p: float | None
    classify_max_tokens: int | None
    instance_model: str | None
    instance_temperature: float | None
    instance_top_p: float | None
    instance_max_tokens: int | None
    instance_presence_penalty: float | None
    neighbours: int
    timeout: float
    give_up: float
