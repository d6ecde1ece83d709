"""Every setting of a run, once: keyword arguments, command-line options and settings.json are made from here."""

from __future__ import annotations

import json
import operator
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args
from urllib.parse import urlsplit

from selfinstruct.errors import SettingsError
from selfinstruct.text import TOKENIZERS

_SECRET = re.compile(r"key|token(?!s)|secret|password|authori[sz]ation|credential", re.IGNORECASE)

Scope = Literal["free", "downstream", "fixed"]
Api = Literal["chat", "completions"]
Backend = Literal["aiohttp", "sdk"]
ResponseFormat = Literal["text", "json"]
STAGES = ("instructions", "classify", "instances")
# The sampling parameters that each stage may be given, by their names in the API.
SAMPLING = ("temperature", "top_p", "max_tokens", "presence_penalty", "frequency_penalty")
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
    backend: Backend = _setting(
        "aiohttp", "free", "aiohttp, or sdk: the openai package, for a provider that needs it (Azure, say)."
    )
    api: Api = _setting("chat", "fixed", "Chat messages, or plain prompts for a base model.")
    response_format: ResponseFormat = _setting(
        "text", "fixed", "json: answers by a JSON schema for each stage, which many servers enforce."
    )
    method: str = _setting("self-instruct", "fixed", "How tasks are written: self-instruct or alpaca.")
    seeds: str | None = _setting(
        None,
        "fixed",
        "Seed tasks: a .jsonl or .json in the Self-Instruct or the Alpaca shape, or one of the packaged sets en "
        "(default) and zh.",
    )
    from_run: str | None = _setting(
        None, "fixed", "Begin with the tasks of another run, or of a set, in the pool.", option="--from"
    )
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
    sampling_seed: int | None = _setting(None, "fixed", "Seed that the server is asked to sample with.")
    reasoning_effort: str | None = _setting(
        None, "fixed", "How much a reasoning model thinks, in the server's words (low, medium, high, ...)."
    )
    extra_body: Mapping[str, Any] | None = _setting(
        None, "fixed", "More fields of each request, as JSON: '{\"top_k\": 20}'."
    )
    classify_model: str | None = _setting(None, "downstream", "Model of the classification stage (default: --model).")
    classify_base_url: tuple[str, ...] = _setting((), "free", "Endpoint of the classification stage.")
    classify_api_key_env: tuple[str, ...] = _setting((), "free", "Variable with the key of that endpoint.")
    classify_temperature: float | None = _setting(None, "downstream", "Sampling of the classification stage (0).")
    classify_top_p: float | None = _setting(None, "downstream", "Sampling of the classification stage (0).")
    classify_max_tokens: int | None = _setting(None, "downstream", "Longest verdict (64).")
    classify_reasoning_effort: str | None = _setting(
        None, "downstream", "How much the model of the classification stage thinks."
    )
    classify_logprobs: bool = _setting(
        False, "downstream", "Ask for the log probabilities of the verdict; they go into the ledger."
    )
    instance_model: str | None = _setting(None, "downstream", "Model of the instance stage (default: --model).")
    instance_base_url: tuple[str, ...] = _setting((), "free", "Endpoint of the instance stage.")
    instance_api_key_env: tuple[str, ...] = _setting((), "free", "Variable with the key of that endpoint.")
    instance_temperature: float | None = _setting(None, "downstream", "Sampling of the instance stage (0).")
    instance_top_p: float | None = _setting(None, "downstream", "Sampling of the instance stage (0).")
    instance_max_tokens: int | None = _setting(None, "downstream", "Longest answer with instances (350).")
    instance_presence_penalty: float | None = _setting(None, "downstream", "Sampling of the instance stage (1.5).")
    instance_reasoning_effort: str | None = _setting(
        None, "downstream", "How much the model of the instance stage thinks."
    )
    neighbours: int = _setting(
        0,
        "free",
        "Record this many most similar tasks, and the mean similarity, with each task: compares all pairs, some "
        "minutes at 52,000 tasks.",
    )
    rpm: float | None = _setting(
        None, "free", "Requests a minute of each endpoint (default: what its headers and refusals tell)."
    )
    tpm: float | None = _setting(
        None, "free", "Tokens a minute of each endpoint (default: what its headers and refusals tell)."
    )
    max_cost: float | None = _setting(
        None, "free", "USD that the whole run may cost; nothing is sent that could pass it."
    )
    max_tokens_total: int | None = _setting(
        None, "free", "Tokens that the whole run may use; nothing is sent that could pass it."
    )
    price_in: float | None = _setting(
        None, "free", "USD for a million tokens of prompts, in all stages (default: known prices)."
    )
    price_out: float | None = _setting(None, "free", "USD for a million tokens of answers, likewise.")
    batch: bool = _setting(
        False, "free", "Use the provider's Batch API: half the price, answers within a day; a resume collects them."
    )
    timeout: float = _setting(600.0, "free", "Seconds that one try of a request may take.")
    deadline: float = _setting(
        3600.0, "free", "Seconds that all tries of a request may take while others succeed; then it counts as failed."
    )
    give_up: float = _setting(600.0, "free", "Seconds without any success after which the endpoint counts as gone.")

    def __post_init__(self) -> None:
        for one in fields(self):
            given = getattr(self, one.name)
            if given is not None or one.default is not None:
                object.__setattr__(self, one.name, _stored(one.name, str(one.type), given))
        _check(self)

    def endpoint(self, stage: str) -> tuple[str | None, tuple[str, ...], tuple[str, ...]]:
        """Model, addresses and key variables of a stage ("instructions", "classify", "instances").

        A stage with an address of its own takes no key from the others.
        """
        prefix = {"classify": "classify_", "instances": "instance_"}.get(stage)
        if prefix is None:
            return self.model, self.base_url, self.api_key_env
        model, urls = getattr(self, f"{prefix}model") or self.model, getattr(self, f"{prefix}base_url")
        keys = getattr(self, f"{prefix}api_key_env")
        return model, urls or self.base_url, keys or (() if urls else self.api_key_env)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values: tuples become lists."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

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
    if kind.startswith("Mapping"):
        return _object(name, given)
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


_OURS = {"model", "messages", "prompt", "stream", "n", "max_tokens", "max_completion_tokens"}


def _object(name: str, given: Any) -> dict[str, Any]:
    """A JSON object, given as one or as its text."""
    try:
        found = json.loads(given) if isinstance(given, str) else json.loads(json.dumps(dict(given)))
    except (TypeError, ValueError) as error:
        raise SettingsError(f'{name} is a JSON object such as {{"top_k": 20}}, not {given!r} ({error})') from None
    if not isinstance(found, dict):
        raise SettingsError(f'{name} is a JSON object such as {{"top_k": 20}}, not {given!r}')
    if reserved := sorted(_OURS & set(found)):
        raise SettingsError(f"{name} cannot hold {reserved[0]!r}, which the request says itself")
    if secret := next((key for key in found if _SECRET.search(key)), None):
        raise SettingsError(
            f"{name} holds {secret!r}; settings are written to disk, so put a key into an environment variable and "
            "name that with --api-key-env"
        )
    return found


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
    "sampling_seed": (-(2**63), 2**63 - 1),
    "rpm": (0.01, 1e9),
    "tpm": (1, 1e12),
    "max_cost": (0.0, 1e9),
    "max_tokens_total": (1, 10**15),
    "price_in": (0.0, 1e6),
    "price_out": (0.0, 1e6),
    "timeout": (0.01, 1e6),
    "deadline": (0.01, 1e7),
    "give_up": (0.0, 1e7),
}


def _check(settings: Settings) -> None:
    for name, (low, high) in _RANGES.items():
        value = getattr(settings, name)
        if value is not None and not low <= value <= high:
            bounds = " and ".join(f"{bound:,}".removesuffix(".0") for bound in (low, high))
            raise SettingsError(f"{name} lies between {bounds}, not {value!r}")
    for name, choices in (("api", Api), ("backend", Backend), ("response_format", ResponseFormat)):
        value, known = getattr(settings, name), get_args(choices)
        if value not in known:
            raise SettingsError(f'{name} is "{known[0]}" or "{known[1]}", not {value!r}')
    if (settings.price_in is None) != (settings.price_out is None):
        raise SettingsError("price_in and price_out belong together; give both, in USD for a million tokens")
    if settings.tokenizer not in TOKENIZERS:
        raise SettingsError(f"tokenizer is one of {', '.join(TOKENIZERS)}, not {settings.tokenizer!r}")
    if settings.min_words > settings.max_words:
        raise SettingsError(f"min_words ({settings.min_words}) is above max_words ({settings.max_words})")
    _check_addresses((*settings.base_url, *settings.classify_base_url, *settings.instance_base_url))


def _check_addresses(urls: Iterable[str]) -> None:
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"base_url {url!r} is no http(s) address such as http://localhost:8000/v1")
        if parts.username or parts.password or _SECRET.search(parts.query):
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
    backend: Backend
    api: Api
    response_format: ResponseFormat
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
    sampling_seed: int | None
    reasoning_effort: str | None
    extra_body: Mapping[str, Any] | str | None
    classify_model: str | None
    classify_base_url: Texts
    classify_api_key_env: Texts
    classify_temperature: float | None
    classify_top_p: float | None
    classify_max_tokens: int | None
    classify_reasoning_effort: str | None
    classify_logprobs: bool
    instance_model: str | None
    instance_base_url: Texts
    instance_api_key_env: Texts
    instance_temperature: float | None
    instance_top_p: float | None
    instance_max_tokens: int | None
    instance_presence_penalty: float | None
    instance_reasoning_effort: str | None
    neighbours: int
    rpm: float | None
    tpm: float | None
    max_cost: float | None
    max_tokens_total: int | None
    price_in: float | None
    price_out: float | None
    batch: bool
    timeout: float
    deadline: float
    give_up: float
