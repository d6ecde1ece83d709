"""Formats of conversations: OpenAI's messages, and ShareGPT's turns, which Vicuna was trained on."""

from __future__ import annotations

from selfinstruct.export.formats.form import Format, Read, each, has
from selfinstruct.export.formats.rows import (
    EXTRAS,
    Record,
    Row,
    Unreadable,
    conversation,
    from_conversation,
    known,
    messages_of,
)

_TAKES = ("id", "source", "system")
_FROM = {"system": "system", "user": "human", "assistant": "gpt"}
_LOSES = "where the instruction ends, if it holds a blank line or ends in a line end"


def read_turns(record: Record, *columns: str) -> Read:
    """The row of the conversation in the first of these columns that is there, under either pair of field names.

    Raises:
        Unreadable: it is no list of texts with speakers, or they do not take turns.
    """
    column = next((name for name in columns if record.get(name) is not None), columns[0])
    turns = record.get(column)
    if not isinstance(turns, list):
        raise Unreadable(f"{column} is no list of turns")
    row = from_conversation(messages_of(turns))
    return [{**known(record, "source", "system"), **row}]


def _messages(row: Row) -> Record:
    return {"messages": conversation(row)}


def _sharegpt(row: Row) -> Record:
    turns = [{"from": _FROM[turn["role"]], "value": turn["content"]} for turn in conversation(row)]
    return {"id": row["id"], "conversations": turns}


def read_messages(record: Record) -> Read:
    return read_turns(record, "messages")


def read_sharegpt(record: Record) -> Read:
    return read_turns(record, "conversations", "conversation")


MESSAGES = Format(
    "messages",
    "JSON lines of chat messages, as OpenAI and trl read them",
    records=each(_messages),
    read=read_messages,
    fits=has("messages"),
    marks="the column messages",
    takes=("messages", *_TAKES),
    loses=f"ids, and {_LOSES}",
    holds=EXTRAS,
    joins=True,
)
SHAREGPT = Format(
    "sharegpt",
    "a JSON array of conversations between human and gpt, as FastChat (Vicuna) reads it",
    records=each(_sharegpt),
    read=read_sharegpt,
    fits=lambda record: bool(record.keys() & {"conversations", "conversation"}),
    marks="the column conversations",
    takes=("conversations", "conversation", *_TAKES),
    ending=".json",
    loses=_LOSES,
    holds=EXTRAS,
    joins=True,
)
