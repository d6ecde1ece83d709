"""From rows to token ids and labels: what a model is shown, and which of it it learns to write.

Each answer ends in one stop token, which is trained; an answer is never cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from typing import Any

from selfinstruct.errors import SettingsError
from selfinstruct.export.formats.rows import Row, exchanges
from selfinstruct.train.prompts import TEXTS, Prompts, reserved_in

MASKED = -100  # the label that torch's cross entropy passes over
BLOCK = 1024


@dataclass(frozen=True)
class Example:
    """One row as a model reads it. `labels` are as long as `input_ids`, but for an encoder-decoder."""

    input_ids: list[int]
    labels: list[int]

    @property
    def trained(self) -> int:
        """The number of tokens that count in the loss."""
        return sum(label != MASKED for label in self.labels)


@dataclass
class EncodeReport:
    """What became of the rows: `kept` of `rows`, of which `shortened` lost the end of their input or their last turns.

    `too_long` and `empty` rows were dropped: no part of the input would have left room for the answer, or an answer is
    empty. `specials` rows hold a string that the tokenizer reserves, such as "</s>"; it was encoded as text.
    """

    rows: int = 0
    kept: int = 0
    shortened: int = 0
    too_long: int = 0
    empty: int = 0
    specials: int = 0
    tokens: int = 0
    trained: int = 0
    longest: int = 0
    stop_token: str = ""
    dropped_rows: list[int] = field(default_factory=list)

    @property
    def dropped(self) -> int:
        """Rows that are not trained on."""
        return self.too_long + self.empty

    def to_dict(self) -> dict[str, Any]:
        """The counts, without the numbers of the dropped rows."""
        return {name: value for name, value in vars(self).items() if name != "dropped_rows"}

    def __str__(self) -> str:
        counts = f"{self.kept:,} of {self.rows:,} rows, {self.tokens:,} tokens, {self.trained:,} of them trained"
        said = [f"{counts}; each answer ends in {self.stop_token!r}; the longest row has {self.longest:,} tokens"]
        if self.shortened:
            said.append(f"{self.shortened:,} rows were shortened (input or last turns) so that the answer fits")
        if self.too_long:
            said.append(f"{self.too_long:,} rows dropped: prompt and answer are longer than max_length")
        if self.empty:
            said.append(f"{self.empty:,} rows dropped: no answer")
        if self.specials:
            said.append(f"{self.specials:,} rows hold reserved strings such as {self.stop_token!r}; they stay text")
        return "\n  ".join(said)


@dataclass(frozen=True)
class Encoder:
    """Encodes rows for a causal model, or for an encoder-decoder (`seq2seq`), whose labels are the answer alone.

    `max_length` bounds prompt and answer together; of an encoder-decoder, each of the two.
    """

    prompts: Prompts
    max_length: int = 512
    train_on_inputs: bool = False
    seq2seq: bool = False

    def encode(self, rows: Sequence[Row], *, max_dropped: float = 1.0) -> tuple[list[Example], EncodeReport]:
        """The examples of the rows that fit, in their order, and what became of the others.

        Raises:
            SettingsError: no row is left, or more than the share `max_dropped` was dropped.
        """
        report = EncodeReport(stop_token=self.prompts.tokenizer.convert_ids_to_tokens(self.prompts.stop_id))
        examples = []
        for start in range(0, len(rows), BLOCK):
            for row, example in self._block(rows[start : start + BLOCK], report):
                if example is None:
                    report.dropped_rows.append(report.rows)
                else:
                    examples.append(example)
                    _count(report, example, self.seq2seq)
                report.rows += 1
                report.specials += any(reserved_in(self.prompts.tokenizer, text) for text in _said(row))
        _check(report, max_dropped, self.max_length)
        return examples, report

    def show(self, examples: Iterable[Example], number: int) -> str:
        """The first examples as text, with what is masked and what is trained on lines of their own."""
        decode = self.prompts.tokenizer.decode
        said = []
        for count, example in enumerate(islice(examples, number), 1):
            said.append(f"row {count}: {len(example.input_ids):,} tokens, {example.trained:,} labels trained")
            said += [f"  {name:<7} {decode(ids)!r}" for name, ids in self._runs(example)]
        return "\n".join(said)

    def _runs(self, example: Example) -> list[tuple[str, list[int]]]:
        if self.seq2seq:
            return [("given", example.input_ids), ("trained", example.labels)]
        pairs = zip(example.input_ids, example.labels, strict=True)
        runs = groupby(pairs, lambda pair: pair[1] == MASKED)
        return [("masked" if masked else "trained", [token for token, _ in run]) for masked, run in runs]

    def _block(self, rows: Sequence[Row], report: EncodeReport) -> Iterator[tuple[Row, Example | None]]:
        asked = self.prompts.prompt_ids(rows)
        for row, prompt in zip(rows, asked, strict=True):
            yield row, self._fitted(row, prompt, report)

    def _fitted(self, row: Row, prompt: list[int], report: EncodeReport) -> Example | None:
        between = [] if self.seq2seq else self.prompts.between(row)
        told = [row["output"], *(text for _, text in exchanges(row))][: 1 + len(between)]
        answers = [[*ids, self.prompts.stop_id] for ids in self.prompts.answer_ids(told)]
        if not all(text.strip() for text in told):
            report.empty += 1
            return None
        asked = [prompt, *between]
        whole = len(asked)
        while len(asked) > 1 and not self._fits(asked, answers):
            asked, answers = asked[:-1], answers[:-1]
        if not self._fits(asked, answers):
            shorter = self._shortened(row, answers)
            if shorter is None:
                report.too_long += 1
                return None
            asked = [shorter]
        report.shortened += len(asked) < whole or asked[0] is not prompt
        return self._example(asked, answers)

    def _fits(self, asked: list[list[int]], answers: list[list[int]]) -> bool:
        if self.seq2seq:
            example = self._example(asked, answers)
            return max(len(example.input_ids), len(example.labels)) <= self.max_length
        return sum(map(len, chain(asked, answers))) <= self.max_length

    def _shortened(self, row: Row, answers: list[list[int]]) -> list[int] | None:
        """The ids of the prompt with the longest beginning of the row's input that fits, None if none does."""
        given, best = row.get("input") or "", None
        low, high = 1, len(given) - 1
        while low <= high:
            middle = (low + high) // 2
            cut = given[:middle].rstrip()
            (ids,) = self.prompts.prompt_ids([{**row, "input": cut}])
            if self._fits([ids], answers):
                low, best = middle + 1, ids if cut else best
            else:
                high = middle - 1
        return best

    def _example(self, asked: list[list[int]], answers: list[list[int]]) -> Example:
        if self.seq2seq:
            return Example(asked[0] + self.prompts.behind, self.prompts.before + answers[0])
        turns = list(zip(asked, answers, strict=True))
        ids = [token for given, answer in turns for token in (*given, *answer)]
        if self.train_on_inputs:  # the first token of a text is given, never guessed
            return Example(ids, [MASKED, *ids[1:]])
        return Example(ids, [label for given, answer in turns for label in (*[MASKED] * len(given), *answer)])


def _said(row: Row) -> Iterator[str]:
    yield from (row[name] for name in TEXTS if row.get(name))
    yield from (turn["content"] for turn in row.get("turns") or ())


def _count(report: EncodeReport, example: Example, seq2seq: bool) -> None:
    length = len(example.input_ids) + (len(example.labels) if seq2seq else 0)
    report.kept += 1
    report.tokens += length
    report.trained += example.trained
    report.longest = max(report.longest, length)


def _check(report: EncodeReport, max_dropped: float, max_length: int) -> None:
    if report.kept and report.dropped <= max_dropped * report.rows:
        return
    raise SettingsError(
        f"{report.dropped:,} of {report.rows:,} rows cannot be trained on ({report.too_long:,} longer than max_length "
        f"{max_length:,}, {report.empty:,} without an answer); allow longer rows with --max-length, or more losses "
        "with --max-dropped"
    )
