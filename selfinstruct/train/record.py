"""training.json: how a model was made, begun before its first step and finished with its result."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

import selfinstruct
from selfinstruct.errors import SettingsError
from selfinstruct.records import appearing
from selfinstruct.train.places import folder_of
from selfinstruct.train.plan import world_size

if TYPE_CHECKING:
    from selfinstruct.train.training import Prepared

RECORD, COMPLETE = "training.json", "complete"  # of a whole training; in the folder of a whole checkpoint
FORMAT = "format.json"  # a copy of the template file that prompts were written with
LIBRARIES = ("torch", "transformers", "peft", "accelerate", "trl", "bitsandbytes")


def record(prepared: Prepared) -> dict[str, Any]:
    """What training.json says of a training before its result is known."""
    return {
        "version": selfinstruct.__version__,
        "libraries": {name: version(name) for name in LIBRARIES if find_spec(name)},
        "base_model": prepared.base,
        "preset": prepared.preset,
        "settings": prepared.settings.to_dict(),
        "processes": world_size(),
        "data": {
            "name": prepared.data.name,
            "rows": len(prepared.data.rows),
            "sha256": prepared.data.digest,
            "trained": len(prepared.examples),
            "held_out": len(prepared.held_out),
        },
        "encoding": prepared.report.to_dict(),
        "plan": prepared.plan.to_dict(),
        "result": None,
    }


def write_record(folder: Path, facts: dict[str, Any]) -> None:
    """Write training.json, whole or not at all."""
    with appearing(folder / RECORD) as file:
        file.write(orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def read_record(folder: Path) -> dict[str, Any]:
    """The contents of training.json.

    Raises:
        SettingsError: no training was begun in this folder.
    """
    path = folder / RECORD
    if not path.is_file():
        raise SettingsError(f"{folder}: no training here (there is no {RECORD})")
    facts: dict[str, Any] = orjson.loads(path.read_bytes())
    return facts


def check_finished(path: str | os.PathLike[str], facts: Mapping[str, Any]) -> None:
    """Make sure that a record is not one of a training that was begun and has not come to its end.

    Raises:
        SettingsError: it is.
    """
    if facts.get("result", {}) is None:
        raise SettingsError(f"{path}: this training has not come to its end; --resume auto goes on with it")


def trained_format(path: str | os.PathLike[str]) -> str | None:
    """The format that a model was tuned with, None where no record of a training stands beside it."""
    copy = folder_of(path) / FORMAT
    if copy.is_file():
        return str(copy)
    settings = training_record(path).get("settings", {})
    found = settings.get("format")
    return found if isinstance(found, str) else None


def training_record(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """What the training that made a model has written about itself, empty where there is nothing."""
    folder = folder_of(path)
    return read_record(folder) if (folder / RECORD).is_file() else {}


def peak_memory() -> int | None:
    """The most bytes that this process has held: of the GPU where it uses one, else of main memory (not on Windows)."""
    import torch

    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return int(torch.cuda.max_memory_allocated())
    if find_spec("resource") is None:
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
