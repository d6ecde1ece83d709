"""The model card: what a user must know of a tuned model, every sentence from its record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import selfinstruct
from selfinstruct.directory import SETTINGS
from selfinstruct.errors import SettingsError
from selfinstruct.train.curve import PICTURE, read_points
from selfinstruct.train.methods import LORA, OWN, find
from selfinstruct.train.presets import preset
from selfinstruct.train.record import FORMAT, read_record

TABLE = "table.md"
OF_LORA = ("lora_r", "lora_alpha", "lora_dropout", "target_modules")
SHOWN = (
    "method", "quantization", *OF_LORA, "epochs", "max_steps", "batch_size", "learning_rate", "schedule", "warmup",
    "weight_decay", "max_length", "train_on_inputs", "seed",
)  # fmt: skip


def write_model_card(folder: Path, evaluation: Path | None = None) -> str:
    """A card in Markdown with the Hub's metadata: base, data, settings, losses, and the table of an evaluation.

    Raises:
        SettingsError: the folder of the evaluation holds none.
    """
    record = read_record(folder)
    settings, data, result = record["settings"], record["data"], record["result"]
    base = record["base_model"]
    made = (
        f"Tuned with selfinstruct {record['version']} on {data['trained']:,} rows of `{data['name']}` (SHA-256 "
        f"`{data['sha256'][:16]}`), {data['held_out']:,} rows held out."
    )
    shown = FORMAT if (folder / FORMAT).is_file() else settings["format"]
    use = f"Prompts have the format `{shown}`; the model ends its answers with `{record['encoding']['stop_token']}`."
    lines = [
        *_metadata(base, settings["method"]),
        f"# {Path(base).name}, tuned with {settings['method']}",
        "",
        made,
        "",
        "## Use",
        "",
        use,
        "",
        "```sh",
        "selfinstruct chat THIS_MODEL",
        "```",
        "",
        "## Training",
        "",
        *_preset(record["preset"], settings),
        f"{result['steps']:,} steps; {record['plan']['trainable']:,} of {record['plan']['parameters']:,} parameters.",
        "",
        *_table(settings),
        *_losses(folder, result),
        *_evaluation(evaluation),
        "## Data",
        "",
        *_data(data["name"]),
    ]
    return "\n".join(lines)


def _preset(name: str | None, settings: Mapping[str, Any]) -> list[str]:
    """The preset, and what was set otherwise."""
    if name is None:
        return []
    other = [one for one, value in preset(name).items() if settings[one] != value]
    return [f"Preset `{name}`{', but for ' + ', '.join(other) if other else ''}.", ""]


def _table(settings: Mapping[str, Any]) -> list[str]:
    """The settings that have a part in the weights."""
    method = settings["method"]
    shown = {**settings, "learning_rate": settings["learning_rate"] or find(method).learning_rate}
    names = [name for name in SHOWN if shown[name] is not None and (name not in OF_LORA or method in LORA)]
    return ["| setting | value |", "|---|---|", *(f"| {name} | {_said(shown[name])} |" for name in names), ""]


def _metadata(base: str, method: str) -> list[str]:
    # What opens it: the Hub shows the code of that library beside the model.
    library = "transformers" if method == "full" else "selfinstruct" if method in OWN else "peft"
    named = [] if Path(base).is_absolute() else [f"base_model: {base}"]
    return ["---", f"library_name: {library}", *named, "tags:", "- selfinstruct", "---", ""]


def _losses(folder: Path, result: dict[str, Any]) -> list[str]:
    said = [f"The loss went from {_said(result['first_loss'])} to {_said(result['last_loss'])}."]
    if result["best_validation"] is not None:
        said.append(
            f"The weights are those of step {result['best_step']:,}, with the lowest loss on the held-out rows: "
            f"{_said(result['best_validation'])}."
        )
    picture = [f"![Loss by step]({PICTURE})", ""] if read_points(folder) and (folder / PICTURE).is_file() else []
    return [*said, "", *picture]


def _evaluation(folder: Path | None) -> list[str]:
    """The table of an evaluation."""
    if folder is None:
        return []
    path = folder / TABLE
    if not path.is_file():
        raise SettingsError(
            f"{folder}: no evaluation here (there is no {TABLE}); make one with `selfinstruct evaluate`"
        )
    return ["## Evaluation", "", path.read_text(encoding="utf-8").strip(), ""]


def _data(name: str) -> list[str]:
    """The card of the data set, where it is a run on this machine."""
    path = Path(name)
    if not (path / SETTINGS).is_file():
        return [f"`{name}`; see its own card.", ""]
    return [
        line.replace("# ", "### ", 1) if line.startswith("#") else line
        for line in _body(selfinstruct.load(path).card())
    ]


def _body(card: str) -> list[str]:
    """A card without the metadata of the Hub."""
    lines = card.splitlines()
    if lines[:1] == ["---"]:
        lines = lines[lines.index("---", 1) + 1 :]
    return lines


def _said(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
