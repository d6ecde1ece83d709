"""A tokenizer with a template: the token ids in front of an answer, the answer's own, and the token that ends it.

Prompt and answer are encoded apart, so the prompt's ids are those that the tuned model meets when it is used, and an
answer never merges with the words in front of it. What stands in the data is text: an "</s>" in an answer does not end
it. Training, evaluation and chat all ask in these ids.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from selfinstruct.errors import SettingsError
from selfinstruct.export.formats.rows import Row, conversation
from selfinstruct.export.formats.template import Template, packaged, template, template_file

TEXTS = ("instruction", "input", "system", "output")
CHAT = "chat"  # the format that a tokenizer brings along
# The instruction and the input alone, as Flan-T5 and its like were taught to read them.
PLAIN = Template("plain", "{instruction}\n\n{input}\n", "{instruction}\n", "\n")
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
    return TextPrompts(tokenizer, template_of(format))


def template_of(format: str) -> Template:
    """The template of a format: "plain", or the name or file of one of those of `selfinstruct.export.formats`.

    Raises:
        SettingsError: there is no such template, or it is "chat", which only a tokenizer has.
    """
    if format == CHAT:
        raise SettingsError(
            "the format chat is written by the server itself; ask it with --api chat, or name another format for "
            "--api completions, such as --format alpaca"
        )
    return PLAIN if format == PLAIN.name else template(format)


def format_file(format: str) -> Path | None:
    """The file that a format is, None of a format that goes by its name."""
    return None if format in (CHAT, PLAIN.name, *packaged()) else template_file(format)


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
