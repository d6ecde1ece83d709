"""A tuned model as there is to see of it: ask it, look at its losses, merge it, publish it."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfinstruct.train.curve import Point, read_points
from selfinstruct.train.plan import world_rank
from selfinstruct.train.record import check_finished, read_record

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, HfApi

    from selfinstruct.train.answer import LocalModel
    from selfinstruct.train.merging import Merged

MERGED = "merged"


class Tuned:
    """The folder of a finished training: an adapter or a whole model, its tokenizer, losses and record."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the folder; the model itself is loaded at the first question.

        Raises:
            SettingsError: no training stands there.
        """
        self.path = Path(path)
        self.record: dict[str, Any] = read_record(self.path)

    @cached_property
    def losses(self) -> list[Point]:
        """The loss curve."""
        return read_points(self.path)

    @property
    def merged_path(self) -> Path:
        """Where `merge` writes by itself."""
        return self.path / MERGED

    @cached_property
    def _opened(self) -> LocalModel:
        from selfinstruct.train.answer import open_local

        return open_local(self.path)

    def ask(self, instruction: str, input: str = "", *, max_new_tokens: int = 256) -> str:
        """The model's most likely answer, in the format that it was trained in."""
        from selfinstruct.train.answer import Decoding

        asked = self._opened.ids({"instruction": instruction, "input": input})
        ((_, answer),) = self._opened.answer_all([asked], Decoding(max_new_tokens=max_new_tokens))
        return answer.text

    def merge(self, output: str | os.PathLike[str] | None = None, **options: Any) -> Merged:
        """Make the adapter part of its base, by default in the folder `merged` beside it; see `merge`."""
        from selfinstruct.train.merging import merge

        made = merge(self.path, self.merged_path if output is None else output, **options)
        self.record = read_record(self.path)
        return made

    def push_to_hub(
        self,
        repo: str,
        *,
        private: bool = True,
        evaluation: str | os.PathLike[str] | None = None,
        api: HfApi | None = None,
    ) -> CommitInfo:
        """Publish the model with a card that is written from its record; checkpoints stay here.

        `evaluation` is the folder of an evaluation, whose table the card then has.

        Raises:
            SettingsError: the name cannot be one, or nobody is logged in.
            HubError: the Hub did not take it.
        """
        from selfinstruct.train.publish import push_model

        return push_model(
            self.path, repo, private=private, evaluation=Path(evaluation) if evaluation else None, api=api
        )

    @property
    def is_first(self) -> bool:
        """Whether this process is the first of the training's: the one that says things."""
        return world_rank() == 0

    def __str__(self) -> str:
        """The result in a few lines."""
        result = self.record["result"]
        lines = [repr(self)]
        if result["best_validation"] is not None:
            lines.append(
                f"  validation {result['best_validation']:.4g} at step {result['best_step']:,}, whose weights these are"
            )
        else:
            lines.append("  no row was held out to validate on")
        encoding = self.record["encoding"]
        lost = {"too long, dropped": "too_long", "without an answer, dropped": "empty", "shortened": "shortened"}
        if said := [f"{encoding[name]:,} {words}" for words, name in lost.items() if encoding[name]]:
            lines.append(f"  of {encoding['rows']:,} rows {', '.join(said)}")
        return "\n".join(
            [*lines, f"  {result['seconds']:,.0f} s; losses.jsonl, losses.png and README.md are beside it"]
        )

    def __repr__(self) -> str:
        result = self.record["result"]
        if result is None:
            return f"Tuned({str(self.path)!r}: not finished)"
        said = f"{self.record['settings']['method']} on {self.record['base_model']}, {result['steps']:,} steps"
        return (
            f"Tuned({str(self.path)!r}: {said}, loss {_number(result['first_loss'])} to {_number(result['last_loss'])})"
        )


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.3g}"


def open_tuned(path: str | os.PathLike[str]) -> Tuned:
    """The result of an earlier training.

    Raises:
        SettingsError: no training stands there, or it has not come to its end.
    """
    tuned = Tuned(path)
    check_finished(tuned.path, tuned.record)
    return tuned
