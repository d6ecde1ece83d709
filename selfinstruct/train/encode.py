"""From rows to token ids and labels: what a model is shown, and which of it it learns to write.

Prompt and answer are encoded apart, so the prompt's ids are those that the tuned model meets when it is used, and an
answer never merges with the words in front of it. What stands in the data is text: an "</s>" in an answer does not end
it. Each answer ends in one stop token, which is trained; an answer is never cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from typing import Any, Protocol

from selfinstruct.errors import SettingsError
from selfinstruct.export.formats.rows import Row, conversation, exchanges
from selfinstruct.export.formats.template import Template, template

TEXTS = ("instruction", "input", "system", "output")
MASKED = -100  # the label that torch's cross entropy passes over
CHAT = "chat"  # the format that a tokenizer brings along
# The instruction and the input alone, as Flan-T5 and its like were taught to read them.
PLAIN = Template("plain", "{instruction}\n\n{input}\n", "{instruction}\n", "\n")
BLOCK = 1024
PROBE = "the-answer-stands-here"
QUOTE = "\0"  # stands around reserved strings of the data while a template is rendered


class Prompts(Protocol):
    """A tokenizer with a template: token ids of prompts and answers, and the token that ends an answer.

    `before` and `behind` are what the tokenizer puts around a text of its own accord.
    """

    tokenizer: Any
    stop_id: int
    before: list[int]
    behind: list[int]

    def prompt_ids(self, rows: Sequence[Row]) -> list[list[int]]:
        """For each row the ids in front of its output, with those that begin a text."""

    def answer_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """For each output the ids of the answer, without its stop token."""

    def between(self, row: Row) -> list[list[int]]:
        """The ids between the stop token of each answer and the next answer, for the row's further turns."""


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


class TextPrompts:
    """Prompts of a template of ours, between the first and last tokens of the tokenizer.

    Reserved strings that the template itself writes ("<|im_start|>") become their tokens where the tokenizer has them.
    """

    def __init__(self, tokenizer: Any, template: Template) -> None:
        self.tokenizer, self.template = tokenizer, template
        self.before, self.behind = surrounding(tokenizer)
        self._commands = bool(reserved_in(tokenizer, template.text({"instruction": "?", "input": "?", "output": "?"})))
        self._end, self.stop_id = _ending(tokenizer, template.end)

    def prompt_ids(self, rows: Sequence[Row]) -> list[list[int]]:
        return [self.before + ids for ids in self._ids(rows, self.template.prompt)]

    def answer_ids(self, texts: Sequence[str]) -> list[list[int]]:
        return literal_ids(self.tokenizer, [self.template.answer({"output": text}) for text in texts])

    def between(self, row: Row) -> list[list[int]]:
        turns = list(row.get("turns") or ())
        # A template without next_prompt writes the first exchange only.
        if not turns or self.template.text(row) == self.template.text({**row, "turns": []}):
            return []
        shown = [{**row, "turns": turns[:end]} for end in range(2, len(turns) + 1, 2)]
        return [ids for one in shown for ids in self._ids([one], self._last_prompt)]

    def _last_prompt(self, row: Row) -> str:
        """What stands between the stop token of the last answer but one and the last answer."""
        turns = row["turns"]
        told = self.template.answer({"output": turns[-1]["content"]}) + self.template.end
        said = self.template.text({**row, "turns": turns[:-2]})
        return self._end + self.template.text(row)[len(said) :].removesuffix(told)

    def _ids(self, rows: Sequence[Row], render: Callable[[Row], str]) -> list[list[int]]:
        if not self._commands:
            return literal_ids(self.tokenizer, [render(row) for row in rows])
        return [self._ids_with_commands(render(_quoted(self.tokenizer, row))) for row in rows]

    def _ids_with_commands(self, text: str) -> list[int]:
        """The ids of a text in which what stands between two NULs came with the data and is text."""
        ids: list[int] = []
        for at, piece in enumerate(text.split(QUOTE)):
            if at % 2:
                ids += literal_ids(self.tokenizer, [piece])[0]
            elif piece:
                ids += self.tokenizer(piece, add_special_tokens=False).input_ids
        return ids


class ChatPrompts:
    """Prompts of the chat template that the tokenizer brings along."""

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise SettingsError(
                "this tokenizer has no chat template, so the format chat is not there; choose another, such as "
                "--format alpaca"
            )
        self.tokenizer = tokenizer
        self.before, self.behind = surrounding(tokenizer)
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": PROBE}]
        text = tokenizer.apply_chat_template(turns, tokenize=False)
        # The template's end of an answer need not be the tokenizer's end of text.
        self._end, self.stop_id = _ending(tokenizer, text[text.rfind(PROBE) + len(PROBE) :])

    def prompt_ids(self, rows: Sequence[Row]) -> list[list[int]]:
        return [self._prompt_ids(row) for row in rows]

    def answer_ids(self, texts: Sequence[str]) -> list[list[int]]:
        return literal_ids(self.tokenizer, [text.strip() for text in texts])

    def between(self, row: Row) -> list[list[int]]:
        """As in `Prompts`; none where the template rewrites earlier turns, or where a turn holds a reserved string."""
        said = conversation(row)
        first = len(said) - len(row.get("turns") or ())
        found: list[list[int]] = []
        for end in range(first, len(said), 2):
            before, after = self._text(said[:end]), self._text(said[: end + 1], add_generation_prompt=True)
            if not after.startswith(before) or any(reserved_in(self.tokenizer, one["content"]) for one in said):
                return found
            found.append(self.tokenizer(self._end + after[len(before) :], add_special_tokens=False).input_ids)
        return found

    def _text(self, turns: list[dict[str, str]], **more: Any) -> str:
        text: str = self.tokenizer.apply_chat_template(turns, tokenize=False, **more)
        return text

    def _prompt_ids(self, row: Row) -> list[int]:
        turns = [turn for turn in conversation({**row, "output": "", "turns": ()}) if turn["role"] != "assistant"]
        # A reserved string in the row has to be told from the template's own; the library does it with marks.
        marked = any(reserved_in(self.tokenizer, turn["content"]) for turn in turns)
        ids: list[int] = self.tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, return_dict=False, sanitize_control_tokens=marked
        )
        return ids


def prompts(tokenizer: Any, format: str) -> Prompts:
    """The tokenizer with the template of a format.

    That is "chat", the tokenizer's own template; "plain", the instruction and the input alone; or the name or file of
    one of the templates of `selfinstruct.export.formats`.

    Raises:
        SettingsError: there is no such format, or the tokenizer has no chat template or no end-of-text token.
    """
    if format == CHAT:
        return ChatPrompts(tokenizer)
    return TextPrompts(tokenizer, PLAIN if format == PLAIN.name else template(format))


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


def inference_ids(prompts: Prompts, row: Row, *, seq2seq: bool = False) -> list[int]:
    """The ids that a model is given to answer a row: those that stood in front of its answer in training."""
    (ids,) = prompts.prompt_ids([row])
    return ids + prompts.behind if seq2seq else ids


def surrounding(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids that the tokenizer itself puts in front of a text and behind it: ([1], []) of LLaMA, ([], [1]) of T5."""
    bare = tokenizer("a", add_special_tokens=False).input_ids
    whole = tokenizer("a").input_ids
    start = next(at for at in range(len(whole)) if whole[at : at + len(bare)] == bare)
    return whole[:start], whole[start + len(bare) :]


def end_of_text(tokenizer: Any) -> int:
    """The id of the end-of-text token.

    Raises:
        SettingsError: the tokenizer has none, so that no model could learn to stop.
    """
    if tokenizer.eos_token_id is None:
        raise SettingsError(
            "this tokenizer names no end-of-text token (eos_token), so a tuned model could not stop; set it in its "
            "tokenizer_config.json"
        )
    return int(tokenizer.eos_token_id)


def literal_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The ids of texts in which nothing is a command: reserved strings are encoded by their characters."""
    if not texts:
        return []
    reserved = {token for token in tokenizer.all_special_ids if token != tokenizer.unk_token_id}
    encoded: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True).input_ids
    return [
        ids if reserved.isdisjoint(ids) else _broken_up(tokenizer, text, reserved)
        for ids, text in zip(encoded, texts, strict=True)
    ]


def _broken_up(tokenizer: Any, text: str, reserved: set[int]) -> list[int]:
    """Ids of a text whose reserved strings are words of the vocabulary, as in a Unigram: cut behind each first sign."""
    names = [tokenizer.convert_ids_to_tokens(token) for token in reserved]
    behind_first = "|".join(f"(?<={re.escape(name[0])})(?={re.escape(name[1:])})" for name in names)
    pieces = tokenizer(re.split(behind_first, text), add_special_tokens=False, split_special_tokens=True).input_ids
    return [token for ids in pieces for token in ids if token not in reserved]


def reserved_in(tokenizer: Any, text: str) -> list[str]:
    """The strings in a text that the tokenizer would read as one of its own tokens."""
    return [name for name in tokenizer.added_tokens_encoder if name in text]


def _quoted(tokenizer: Any, row: Row) -> Row:
    """The row with marks around its reserved strings."""
    pattern = re.compile("|".join(map(re.escape, sorted(tokenizer.added_tokens_encoder, key=len, reverse=True))))

    def quote(text: str) -> str:
        return pattern.sub(lambda found: f"{QUOTE}{found[0]}{QUOTE}", text.replace(QUOTE, ""))

    turns = [{**turn, "content": quote(turn["content"])} for turn in row.get("turns") or ()]
    return {**row, **{name: quote(row[name]) for name in TEXTS if row.get(name)}, "turns": turns}


def _ending(tokenizer: Any, text: str) -> tuple[str, int]:
    """The token that ends an answer, where a template writes `text` behind it, and what stands behind that token."""
    found = [(text.index(name), -len(name), name) for name in reserved_in(tokenizer, text)]
    if not found:
        return "", end_of_text(tokenizer)
    at, _, name = min(found)
    return text[at + len(name) :], tokenizer.added_tokens_encoder[name]


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
