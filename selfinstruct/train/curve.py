"""The loss curve: its points as JSON lines, and a picture of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from selfinstruct.records import appearing

LOSSES, PICTURE = "losses.jsonl", "losses.png"


@dataclass(frozen=True)
class Point:
    """The mean loss of the steps since the last point, or that of the held-out rows (`validation`)."""

    step: int
    epoch: float
    loss: float | None = None
    validation: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None

    @classmethod
    def all_of(cls, history: Iterable[Mapping[str, Any]]) -> list[Point]:
        """The points in the log of a Trainer, which also holds its summary."""
        return [
            cls(
                step=entry["step"],
                epoch=entry["epoch"],
                loss=entry.get("loss"),
                validation=entry.get("eval_loss"),
                learning_rate=entry.get("learning_rate"),
                gradient_norm=entry.get("grad_norm"),
            )
            for entry in history
            if "loss" in entry or "eval_loss" in entry
        ]


def write_points(folder: Path, points: Iterable[Point]) -> None:
    """Write losses.jsonl, whole or not at all."""
    with appearing(folder / LOSSES) as file:
        file.writelines(orjson.dumps(asdict(point)) + b"\n" for point in points)


def read_points(folder: Path) -> list[Point]:
    """The points of losses.jsonl, none where there is no file."""
    path = folder / LOSSES
    return [Point(**orjson.loads(line)) for line in path.read_bytes().splitlines()] if path.is_file() else []


def draw(points: Sequence[Point], path: Path, title: str) -> None:
    """A picture of the points: the training loss as a line, the validation loss as dots."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    trained = [(one.step, one.loss) for one in points if one.loss is not None]
    held_out = [(one.step, one.validation) for one in points if one.validation is not None]
    if trained:
        axes.plot(*zip(*trained, strict=True), color="#33658a", label="training")
    if held_out:
        axes.plot(*zip(*held_out, strict=True), color="#d1495b", marker="o", linestyle="--", label="validation")
    axes.set(title=title, xlabel="step", ylabel="loss", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if trained or held_out:
        axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
