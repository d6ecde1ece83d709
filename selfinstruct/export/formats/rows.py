"""Rows: what every format is written from and read into, and the texts and turns in them.

A row has the texts instruction, input and output, and an id. It may have a `source`, a `system` message, and `turns`:
what was said after the output, as messages of the user and the assistant in turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]
Record: TypeAlias = Mapping[str, Any]

COLUMNS = ("id", "instruction", "input", "output")
EXTRAS = ("system", "turns")  # what only conversations have
MESSAGE_TEXTS = ("role", "content")
# The names that sets give to who speaks. ShareGPT's own are human and gpt.
SPEAKERS = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bing": "assistant",
    "bard": "assistant",
}


class Unreadable(Exception):
    """A record that is no row of a format; the message says why."""


def text_of(record: Record, *names: str, default: str | None = None) -> str:
    """The text in the first of these columns that the record has and that is not null.

    Raises:
        Unreadable: there is none and no default, or it holds something else.
    """
    for name in names:
        value = record.get(name)
        if isinstance(value, str):
            return value
        if value is not None:
            raise Unreadable(f"{name} holds {type(value).__name__}, not text")
    if default is None:
        raise Unreadable(f"no {' or '.join(names)}")
    return default


def known(record: Record, *names: str) -> dict[str, str]:
    """The id of a record and the texts of these columns, as far as it has them."""
    named = {} if record.get("id") is None else {"id": str(record["id"])}
    return {**named, **{name: record[name] for name in names if isinstance(record.get(name), str)}}


def joined(row: Row) -> str:
    """What the user says: the instruction and, behind a blank line, the input."""
    return f"{row['instruction']}\n\n{row['input']}" if row.get("input") else str(row["instruction"])


def parted(text: str) -> dict[str, str]:
    """The inverse of `joined`: what stands behind the first blank line is the input.

    >>> parted("Sort the list.\\n\\n3, 1, 2")
    {'instruction': 'Sort the list.', 'input': '3, 1, 2'}
    """
    instruction, _, given = text.partition("\n\n")
    return {"instruction": instruction, "input": given} if instruction and given else {"instruction": text, "input": ""}


def conversation(row: Row) -> list[dict[str, str]]:
    """All that is said in a row, as messages."""
    system = [{"role": "system", "content": row["system"]}] if row.get("system") else []
    return [
        *system,
        {"role": "user", "content": joined(row)},
        {"role": "assistant", "content": row["output"]},
        *({name: turn[name] for name in MESSAGE_TEXTS} for turn in row.get("turns") or ()),
    ]


def messages_of(turns: Iterable[Any]) -> list[dict[str, str]]:
    """Turns under either pair of field names, role and content or from and value, as messages.

    Raises:
        Unreadable: one has no text, or nobody known as its speaker.
    """
    return [_message(turn, number) for number, turn in enumerate(turns, 1)]


def _message(turn: Any, number: int) -> dict[str, str]:
    if not isinstance(turn, Mapping):
        raise Unreadable(f"turn {number} is no object with a speaker and a text")
    speaker, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
    if not isinstance(speaker, str) or speaker not in SPEAKERS:
        raise Unreadable(f"turn {number}: the speaker {speaker!r} is none of {', '.join(SPEAKERS)}")
    if not isinstance(content, str):
        raise Unreadable(f"turn {number}: its text is {type(content).__name__}")
    return {"role": SPEAKERS[speaker], "content": content}


def from_conversation(messages: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The row of some messages: an optional system message, then user and assistant in turn.

    Raises:
        Unreadable: they come in another order, or nobody answers.
    """
    first = bool(messages) and messages[0]["role"] == "system"
    said = messages[first:]
    for number, message in enumerate(said):
        if message["role"] != ("user", "assistant")[number % 2]:
            raise Unreadable(f"turn {number + 1 + first} is of the {message['role']}: user and assistant take turns")
    if not said or len(said) % 2:
        raise Unreadable("the last turn is of the user: nobody answers" if said else "no turn of a user")
    row: dict[str, Any] = {**parted(said[0]["content"]), "output": said[1]["content"]}
    if first:
        row["system"] = messages[0]["content"]
    if len(said) > 2:
        row["turns"] = [dict(message) for message in said[2:]]
    return row


def exchanges(row: Row) -> Iterable[tuple[str, str]]:
    """What user and assistant said after the output, in pairs."""
    turns = row.get("turns") or ()
    return ((asked["content"], told["content"]) for asked, told in zip(turns[::2], turns[1::2], strict=True))
