"""The folder of a training: what may begin there, what stands there while it runs, and what at its end."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfinstruct.errors import SettingsError
from selfinstruct.train.curve import PICTURE, draw, read_points
from selfinstruct.train.identity import same_base
from selfinstruct.train.lock import LOCK
from selfinstruct.train.prompts import format_file
from selfinstruct.train.record import COMPLETE, FORMAT, RECORD, peak_memory, read_record, record, write_record
from selfinstruct.train.settings import TrainSettings

if TYPE_CHECKING:
    from selfinstruct.train.training import Prepared


def check_folder(folder: Path, prepared: Prepared, resume: str | os.PathLike[str] | None) -> None:
    """Make sure that a training may begin in this folder, or that the one that is there is the same.

    Raises:
        SettingsError: the folder holds something else, or a training that this one does not go on with.
    """
    if not (folder / RECORD).is_file():
        if folder.exists() and not folder.is_dir():
            raise SettingsError(f"{folder}: is a file; a training is a folder, choose another --output")
        if folder.exists() and any(one.name != LOCK for one in folder.iterdir()):
            raise SettingsError(f"{folder}: is not empty and holds no training; choose another --output")
        return
    if resume not in (None, "auto") and not (Path(resume) / COMPLETE).is_file():
        raise SettingsError(f"{resume}: no whole checkpoint of a training; --resume auto takes the last one")
    if resume is None:
        raise SettingsError(
            f"{folder}: holds a training already; --resume auto goes on with it, or choose another folder"
        )
    before = read_record(folder)
    now = record(prepared)
    changed = TrainSettings(**before["settings"]).changed_in(prepared.settings)
    changed += [name for name in ("base_model", "data", "processes") if before[name] != now[name]]
    if changed:
        name = changed[0]
        was, given = (facts["settings"].get(name, facts.get(name)) for facts in (before, now))
        raise SettingsError(
            f"{folder}: {name} was {was!r} when this training was begun and is {given!r} now; give it as it was, or "
            "train into another folder"
        )


def kept_template(folder: Path) -> Path | None:
    """The copy of the template file that the training in a folder was begun with."""
    return folder / FORMAT if (folder / FORMAT).is_file() else None


def check_template(given: str, kept: Path) -> None:
    """Make sure that a format is the template that a training was begun with, wherever its file is now.

    Raises:
        SettingsError: it is another one.
    """
    file = format_file(given)
    if file is None or file.read_bytes() != kept.read_bytes():
        raise SettingsError(
            f"{given}: is another template than that of this training ({kept}); leave --format out to go on with it, "
            "or train into another folder"
        )


def begin(folder: Path, facts: dict[str, Any], template: Path | None) -> None:
    """The record of a training without a result, and the template file of its prompts.

    Raises:
        SettingsError: the base has other weights than when the training was begun.
    """
    before = read_record(folder).get("base_identity") if (folder / RECORD).is_file() else None
    if before and not same_base(before, facts["base_identity"]):
        raise SettingsError(
            f"{folder}: {facts['base_model']} has other weights than when this training was begun; put the former ones "
            "back, or train into another folder"
        )
    write_record(folder, facts)
    if template is not None and not (folder / FORMAT).is_file():
        shutil.copyfile(template, folder / FORMAT)


def finish(folder: Path, facts: dict[str, Any], trainer: Any, *, seconds: float) -> None:
    """The curve as a picture, the card, and the record, which says last that the training is done."""
    from selfinstruct.train.card import write_model_card

    points = read_points(folder)
    draw(points, folder / PICTURE, f"{facts['settings']['method']} on {Path(facts['base_model']).name}")
    losses = [one.loss for one in points if one.loss is not None]
    held = [(one.validation, one.step) for one in points if one.validation is not None]
    steps = trainer.state.global_step
    result = {
        "steps": steps,
        "first_loss": losses[0] if losses else None,
        "last_loss": losses[-1] if losses else None,
        "best_validation": min(held)[0] if held else None,
        "best_step": min(held)[1] if held else None,
        "seconds": round(seconds, 3),
        "peak_bytes": peak_memory(),
    }
    write_record(folder, {**facts, "result": result})
    (folder / "README.md").write_text(write_model_card(folder), encoding="utf-8")


def is_finished(folder: Path) -> bool:
    """Whether a training has come to its end here."""
    return (folder / RECORD).is_file() and read_record(folder)["result"] is not None
