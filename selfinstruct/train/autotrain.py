"""The same training by AutoTrain: a folder with its CSV file, and the one command that it takes."""

from __future__ import annotations

import csv
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from selfinstruct.errors import SettingsError
from selfinstruct.export.formats import format_named
from selfinstruct.export.formats.rows import Row
from selfinstruct.train.settings import TrainSettings

QUANTIZATION = {"nf4": ["--quantization", "int4"], "int8": ["--quantization", "int8"], "none": []}


def write_autotrain(rows: Sequence[Row], folder: Path, base: str | os.PathLike[str], settings: TrainSettings) -> str:
    """Write train.csv with the column `text` to a new or empty folder, and return the command for it.

    The texts are whole ones in the template of the settings; AutoTrain itself decides about masks and ends.

    Raises:
        SettingsError: the folder holds something else, or AutoTrain has no such method.
    """
    if settings.method not in ("lora", "full"):
        raise SettingsError(f"AutoTrain has no {settings.method}; use --method lora or full")
    if folder.exists() and any(one.name != "train.csv" for one in folder.iterdir()):
        raise SettingsError(f"{folder}: holds something else than a train.csv; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    write = format_named("autotrain", settings.format).records
    assert write is not None
    with open(folder / "train.csv", "w", encoding="utf-8", newline="") as file:
        written = csv.DictWriter(file, ["text"])
        written.writeheader()
        written.writerows(write(rows))
    return command(folder, base, settings)


def command(folder: Path, base: str | os.PathLike[str], settings: TrainSettings) -> str:
    """The command of AutoTrain for the settings; what it has no option for is left out."""
    micro = min(settings.micro_batch, settings.batch_size)
    words = ["autotrain", "llm", "--train", "--trainer", "sft", "--model", os.fspath(base)]
    words += ["--project-name", f"{folder.name}-model", "--data-path", str(folder), "--text-column", "text"]
    if settings.method == "lora":
        words += ["--peft", "--lora-r", str(settings.lora_r), "--lora-alpha", str(settings.lora_alpha)]
        words += ["--lora-dropout", str(settings.lora_dropout), "--target-modules", settings.target_modules]
        words += ["--merge-adapter"]
    words += QUANTIZATION[settings.quantization]
    rate = settings.learning_rate
    words += [] if rate is None else ["--lr", f"{rate:g}"]
    words += ["--epochs", f"{settings.epochs:g}", "--batch-size", str(micro)]
    words += ["--gradient-accumulation", str(max(1, settings.batch_size // micro))]
    words += ["--block-size", str(settings.max_length), "--seed", str(settings.seed)]
    return shlex.join(words)
