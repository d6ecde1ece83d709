"""Tuning a model on a data set: `pip install 'selfinstruct[train]'`.

Importing this loads no torch.

    settings.py   every setting, once; presets.py, those of published recipes
    data.py       the rows, and those that are held out
    prompts.py    a tokenizer with a template: the ids in front of an answer, and what ends it
    encode.py     rows to token ids and labels
    models.py     opening bases, adapters, tokenizers; places.py, where their files are
    methods.py    what can be trained, and its limits; modules.py, what peft has not got
    plan.py       steps, tokens, parameters and memory (memory.py, activations.py), before anything starts
    training.py   from a data set to a tuned model: the file to read first; folder.py, what stands in it
    record.py     training.json; identity.py, what tells one base from another
    fit.py        the steps; trainers.py, exact sums and checkpoints; callbacks.py; curve.py; trl_engine.py
    tuned.py      the result: ask, merge (merging.py), publish (publish.py, card.py); autotrain.py, elsewhere
    answer.py     a model that is opened for answers; endpoint.py, one behind an address; named.py, either
    evaluation/   scores of the answers to a test set
    chat.py       a conversation with speakers.py; terminal.py and web.py show it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selfinstruct.train.merging import merge as merge
    from selfinstruct.train.models import load_model as load_model
    from selfinstruct.train.settings import TrainSettings as TrainSettings
    from selfinstruct.train.training import finetune as finetune
    from selfinstruct.train.tuned import Tuned as Tuned

_HOMES = {
    "TrainSettings": "settings",
    "Tuned": "tuned",
    "finetune": "training",
    "load_model": "models",
    "merge": "merging",
}

__all__ = ["TrainSettings", "Tuned", "finetune", "load_model", "merge"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
