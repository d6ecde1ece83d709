"""The same training by AutoTrain: a folder with its CSV file, the one command that it takes, and where the two differ.

AutoTrain is the package autotrain-advanced; what is said of it holds for 0.8.36 with the transformers 4.48 and trl 0.13
that it pins. Its trainer `sft` ends each text with the end token, packs the texts into blocks that they fill without
regard to each other, and trains every token of a block.
"""

from __future__ import annotations

import csv
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from selfinstruct.errors import SettingsError
from selfinstruct.export.formats import format_named
from selfinstruct.export.formats.rows import Record, Row
from selfinstruct.train.methods import find
from selfinstruct.train.plan import batches
from selfinstruct.train.settings import TrainSettings

# Without the option AutoTrain holds the base of an adapter in 4 bits; a word that it does not know turns that off.
QUANTIZATION = {"nf4": "int4", "int8": "int8", "none": "none"}
PRECISION = {"bfloat16": "bf16", "float16": "fp16"}
# Longer sequences than this are cut to it for a tokenizer with a larger limit, if --model-max-length does not say more.
USUAL_LENGTH = 2048
FIXED_SEED = 42
CHARACTERS_A_TOKEN = 4


def write_autotrain(rows: Sequence[Row], folder: Path, base: str | os.PathLike[str], settings: TrainSettings) -> str:
    """Write train.csv with the column `text` to a new or empty folder, and return the command for it.

    The texts are whole ones in the template of the settings, as of the export format `autotrain`.

    Raises:
        SettingsError: the folder holds something else, or AutoTrain cannot train so.
    """
    line = command(folder, base, settings)
    if folder.is_file() or (folder.is_dir() and any(one.name != "train.csv" for one in folder.iterdir())):
        raise SettingsError(f"{folder}: holds something else than a train.csv; choose another folder")
    texts = _texts(rows, settings)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "train.csv", "w", encoding="utf-8", newline="") as file:
        written = csv.DictWriter(file, ["text"])
        written.writeheader()
        written.writerows(texts)
    return line


def command(folder: Path, base: str | os.PathLike[str], settings: TrainSettings) -> str:
    """The command of AutoTrain for the settings; what it has no option for is left out, see `differences`.

    Raises:
        SettingsError: AutoTrain has no such method, trains no such model, or cannot count such epochs.
    """
    _check(base, settings)
    # AutoTrain starts its processes itself, and multiplies the batch by their number.
    cut = batches(replace(settings, processes=None, fsdp=False))
    rate = settings.learning_rate
    options = {
        "trainer": "sft",
        "model": os.fspath(base),
        "project-name": project_name(folder),
        "data-path": str(folder),
        "text-column": "text",
        "lr": find(settings.method).learning_rate if rate is None else rate,
        "scheduler": settings.schedule,
        **({"warmup-ratio": settings.warmup} if settings.warmup < 1 else {}),
        "weight-decay": settings.weight_decay,
        "max-grad-norm": settings.max_grad_norm,
        "optimizer": settings.optimizer,
        "epochs": int(settings.epochs),
        "batch-size": cut.micro_batch,
        "gradient-accumulation": cut.accumulation,
        "block-size": settings.max_length,
        **({"model-max-length": settings.max_length} if settings.max_length > USUAL_LENGTH else {}),
        **({"mixed-precision": PRECISION[settings.dtype]} if settings.dtype in PRECISION else {}),
        "quantization": QUANTIZATION[settings.quantization],
    }
    words = ["autotrain", "llm", "--train", *_words(options)]
    if settings.method == "lora":
        words += ["--peft", *_words(_lora(settings)), "--merge-adapter"]
    return shlex.join(words)


def project_name(folder: Path) -> str:
    """The folder that AutoTrain writes to, named after the data: of letters, digits and hyphens, 50 of them at most."""
    name = re.sub(r"[^0-9A-Za-z]+", "-", folder.resolve().name).strip("-")[:40].strip("-")
    return f"{name or 'selfinstruct'}-model"


def differences(rows: Sequence[Row], base: str | os.PathLike[str], settings: TrainSettings) -> list[str]:
    """What AutoTrain does otherwise than the settings say, and what it will stumble on, a sentence each."""
    length = sum(len(one["text"]) for one in _texts(rows, settings)) // CHARACTERS_A_TOKEN
    saved_by = _config(base).get("transformers_version") or ""
    told = {
        f"it opens models with transformers 4.48, and {os.fspath(base)} was saved by {saved_by}: it fails at the "
        "tokenizer or takes the position settings (RoPE) for others; take a base that transformers 4 saved": re.match(
            r"([5-9]|\d\d)\.", saved_by
        ),
        f"about {length:,} tokens of text may not fill one block of {settings.max_length:,}, and then it stops; take a "
        "smaller --max-length": length < settings.max_length,
        "it trains the prompts, too (--train-on-inputs)": not settings.train_on_inputs,
        "it validates on nothing (--validation 0)": settings.validation,
        f"it warms up for a tenth of the steps, not for {settings.warmup:g} (--warmup takes a share, too)": (
            settings.warmup >= 1
        ),
        f"it does not stop after {settings.max_steps} steps (--epochs {settings.epochs:g} decides)": settings.max_steps,
        "it does not group by length": settings.group_by_length,
        "it does not stop early": settings.early_stop is not None,
        "it does not quantise the constants of 4 bits (--no-double-quantization)": (
            settings.quantization == "nf4" and settings.double_quantization
        ),
        f"its seed is {FIXED_SEED}, whatever it is told": settings.seed != FIXED_SEED,
    }
    return [sentence for sentence, holds in told.items() if holds]


def _check(base: str | os.PathLike[str], settings: TrainSettings) -> None:
    if settings.method not in ("lora", "full"):
        raise SettingsError(f"AutoTrain has no {settings.method}; use --method lora or full")
    if settings.epochs < 1 or settings.epochs != int(settings.epochs):
        raise SettingsError(f"AutoTrain counts whole epochs, not {settings.epochs:g}; set --epochs, such as 1")
    if _config(base).get("is_encoder_decoder"):
        raise SettingsError(f"{os.fspath(base)}: AutoTrain trains no encoder-decoder; leave --autotrain out")


def _config(base: str | os.PathLike[str]) -> dict[str, Any]:
    """The config.json of a base in a folder; of one on the Hub, nothing."""
    file = Path(base) / "config.json"
    found: dict[str, Any] = orjson.loads(file.read_bytes()) if file.is_file() else {}
    return found


def _texts(rows: Sequence[Row], settings: TrainSettings) -> list[Record]:
    write = format_named("autotrain", settings.format).records
    assert write is not None
    return list(write(rows))


def _lora(settings: TrainSettings) -> dict[str, Any]:
    return {
        "lora-r": settings.lora_r,
        "lora-alpha": settings.lora_alpha,
        "lora-dropout": settings.lora_dropout,
        # AutoTrain looks for names with the spaces around them.
        "target-modules": ",".join(name.strip() for name in settings.target_modules.split(",")),
    }


def _words(options: dict[str, Any]) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]
