"""What the names of models stand for, and opening several of them so that no weights are held twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfinstruct.errors import SettingsError
from selfinstruct.settings import Api
from selfinstruct.train.answer import LocalModel, open_local
from selfinstruct.train.endpoint import Endpoint, named_endpoint
from selfinstruct.train.models import base_of, has_switch, is_adapter
from selfinstruct.train.record import trained_format

Named = Mapping[str, Endpoint | None]

BASE = "base"  # among the models to compare with: the base of the adapter


@dataclass(frozen=True, kw_only=True)
class Means:
    """How models are reached, which has no part in what they answer.

    `base_url` and `api_key_env` are of an endpoint whose model is a plain name; `concurrency` is its requests in
    flight, `timeout` and `give_up` are the seconds for one try and without any success. `batch_size` is a local model's
    prompts at once; `dtype` and `device` are those of `load_model`.
    """

    base_url: str | None = None
    api_key_env: str | None = None
    api: Api = "chat"
    concurrency: int = 16
    timeout: float = 600.0
    give_up: float = 600.0
    batch_size: int = 16
    dtype: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("concurrency", "batch_size"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} is at least 1, not {getattr(self, name)}")


def name_models(model: str, compare: Sequence[str], means: Means) -> Named:
    """The models by name, the one that the others are compared with last; None stands for a local one.

    Raises:
        SettingsError: a model is named twice.
    """
    own = _endpoint(model, means, means.base_url)
    found: dict[str, Endpoint | None] = {}
    for each in compare:
        one = _base_of(model, own) if each == BASE else each
        end = _endpoint(one, means)
        found[end.model if end else one] = end
    name = own.model if own else model
    if name in found or len(found) < len(compare):
        raise SettingsError(f"{name}: a model is compared with itself; name each one once")
    return {**found, name: own}


def open_models(named: Named, means: Means, format: str | None = None) -> list[LocalModel | Endpoint]:
    """The models in their order, opened. All local ones are asked in the format that one of them was tuned with.

    A base whose peft adapter is among the models answers from the adapter's copy of its weights.
    """
    names = [name for name, end in named.items() if end is None]
    asked_in = format or tuned_format(named)
    adapters = {base_of(name): name for name in names if has_switch(name)}
    opened: dict[str, LocalModel] = {}
    for name in sorted(names, key=lambda one: one in adapters):
        if name in adapters:
            opened[name] = opened[adapters[name]].base()
        else:
            opened[name] = open_local(name, format=asked_in, dtype=means.dtype, device=means.device)
    return [opened[name] if end is None else end for name, end in named.items()]


def tuned_format(named: Named) -> str | None:
    """The format that the last tuned one of the models was tuned with, None where none says so."""
    local = (name for name in reversed(list(named)) if named[name] is None)
    return next((found for name in local if (found := trained_format(name))), None)


def labels(names: Sequence[str]) -> dict[str, str]:
    """Short names: of folders the last part of their paths, as long as that tells the models apart."""
    short = {name: Path(name).name if Path(name).is_dir() else name for name in names}
    return short if len(set(short.values())) == len(short) else {name: name for name in names}


def _base_of(model: str, end: Endpoint | None) -> str:
    """The base of an adapter, and of nothing else."""
    if end is not None or not is_adapter(model):
        raise SettingsError(f"{model}: is no adapter with a base; name the model to compare it with")
    return base_of(model)


def _endpoint(name: str, means: Means, base_url: str | None = None) -> Endpoint | None:
    more = {one: getattr(means, one) for one in ("api_key_env", "api", "concurrency", "timeout", "give_up")}
    return named_endpoint(name, base_url, **more)
