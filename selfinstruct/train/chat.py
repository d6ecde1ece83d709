"""Talking with models: a base, an adapter on the same weights, and endpoints, each with a conversation of its own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any, Protocol

from jinja2 import TemplateError

from selfinstruct.errors import LLMError, SettingsError
from selfinstruct.llm import Message
from selfinstruct.train.answer import Decoding, LocalModel
from selfinstruct.train.endpoint import Endpoint
from selfinstruct.train.prompts import ChatPrompts, Prompts, TextPrompts, reserved_in

PATIENCE = 60.0  # seconds; a person waits
NO_ANSWER = "[no answer: "


@dataclass(frozen=True)
class Exchange:
    """A question and its answer."""

    asked: str
    told: str


@dataclass(frozen=True)
class Talk:
    """What was said so far, and the question that waits for an answer, until `stop` is set."""

    question: str
    before: tuple[Exchange, ...] = ()
    system: str = ""
    stop: Event = field(default_factory=Event, compare=False, repr=False)

    @property
    def messages(self) -> list[dict[str, str]]:
        """The talk as chat messages; the last one is the question."""
        said = [{"role": "system", "content": self.system}] if self.system else []
        for one in self.before:
            said += [{"role": "user", "content": one.asked}, {"role": "assistant", "content": one.told}]
        return [*said, {"role": "user", "content": self.question}]

    @property
    def row(self) -> dict[str, Any]:
        """The talk as a row with turns; the last answer is empty."""
        asked = [*(one.asked for one in self.before), self.question]
        told = [*(one.told for one in self.before), ""]
        turns = [
            {"role": role, "content": content}
            for pair in zip(asked[1:], told[1:], strict=True)
            for role, content in zip(("user", "assistant"), pair, strict=True)
        ]
        return {"instruction": asked[0], "input": "", "output": told[0], "system": self.system, "turns": turns}


class Speaker(Protocol):
    """A model that one can talk with."""

    @property
    def name(self) -> str:
        """What it is called."""

    def notes(self, system: str) -> list[str]:
        """What one should know before the talk: that it forgets, that it does not read a system message."""

    def reply(self, talk: Talk, decoding: Decoding) -> Generator[str, None, None]:
        """The pieces of the answer; closing the iterator, or the talk's `stop`, stops the model.

        Raises:
            SettingsError, LLMError: there is no answer.
        """


@dataclass(frozen=True)
class LocalSpeaker:
    """A model that is loaded here."""

    model: LocalModel

    @property
    def name(self) -> str:
        return self.model.name

    def notes(self, system: str) -> list[str]:
        said = []
        if not self._has_turns:
            said.append(f"{self.name}: the format {self.model.format} has no turns, so each question stands alone")
        if system and not self._reads_system(system):
            said.append(f"{self.name}: the format {self.model.format} has no place for a system message")
        return said

    def reply(self, talk: Talk, decoding: Decoding) -> Generator[str, None, None]:
        ids = self._ids(talk if self._has_turns else replace(talk, before=()))
        room = self.model.room
        if room is not None and len(ids) + decoding.max_new_tokens > room:
            raise SettingsError(
                f"{self.name}: what was said so far ({len(ids):,} tokens) and an answer of up to "
                f"{decoding.max_new_tokens:,} do not fit into its {room:,}; /reset begins anew, --max-new-tokens "
                "shortens answers"
            )
        yield from self.model.stream(ids, decoding, talk.stop)

    @property
    def _prompts(self) -> Prompts:
        return self.model.prompts

    @property
    def _has_turns(self) -> bool:
        if isinstance(self._prompts, TextPrompts):
            return bool(self._prompts.template.next_prompt) and not self.model.is_seq2seq
        return True

    def _reads_system(self, system: str) -> bool:
        asked = [{"instruction": "?", "input": "", "system": said} for said in ("", system)]
        try:
            without, with_it = self._prompts.prompt_ids(asked)
        except TemplateError:
            return False  # some chat templates refuse such a turn
        return without != with_it

    def _ids(self, talk: Talk) -> list[int]:
        """The ids in front of the next answer, as they stood there in training."""
        prompts = self._prompts
        if isinstance(prompts, ChatPrompts):
            marked = any(reserved_in(prompts.tokenizer, one["content"]) for one in talk.messages)
            chat: list[int] = prompts.tokenizer.apply_chat_template(
                talk.messages, add_generation_prompt=True, return_dict=False, sanitize_control_tokens=marked
            )
            return chat
        row = talk.row
        (ids,) = prompts.prompt_ids([row])
        told = prompts.answer_ids([one.told for one in talk.before])
        for answer, gap in zip(told, prompts.between(row), strict=True):
            ids += [*answer, prompts.stop_id, *gap]
        return ids + prompts.behind if self.model.is_seq2seq else ids


@dataclass(frozen=True)
class EndpointSpeaker:
    """A model behind an endpoint. Its answers come whole: the seam does not stream."""

    endpoint: Endpoint

    @property
    def name(self) -> str:
        return self.endpoint.name

    def notes(self, system: str) -> list[str]:
        return []

    def reply(self, talk: Talk, decoding: Decoding) -> Generator[str, None, None]:
        said = [Message(one["role"], one["content"]) for one in talk.messages]
        sampling = {
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "max_tokens": decoding.max_new_tokens,
        }
        patient = replace(self.endpoint, give_up=min(self.endpoint.give_up, PATIENCE))
        yield patient.complete(patient.request(said, sampling)).text


def speaker(model: LocalModel | Endpoint) -> Speaker:
    """A model as one to talk with.

    Raises:
        SettingsError: its API knows no turns.
    """
    if isinstance(model, LocalModel):
        return LocalSpeaker(model)
    if model.api != "chat":
        raise SettingsError(f"{model.name}: chat needs the chat API of an endpoint; leave --api out")
    return EndpointSpeaker(model)


HELP = """\
/reset            forget what was said
/system TEXT      tell the models what they are (nothing: take it back)
/temperature X    0 is always the most likely word
/max-tokens N     longest answer
/quit             end"""


@dataclass
class Chat:
    """One person and several models, each of which remembers its own answers.

    Attributes:
        said: for each speaker by its place, what was said so far.
        stop: ends the answers, also where nobody reads them any more.
    """

    speakers: Sequence[Speaker]
    decoding: Decoding = field(default_factory=lambda: Decoding(max_new_tokens=512, temperature=0.7, top_p=0.9))
    system: str = ""
    stop: Event = field(default_factory=Event)
    said: list[tuple[Exchange, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was said."""
        self.said = [()] * len(self.speakers)

    @property
    def notes(self) -> list[str]:
        """What one should know of the speakers."""
        return [note for one in self.speakers for note in one.notes(self.system)]

    def ask(self, question: str) -> Generator[tuple[int, str], None, None]:
        """The pieces of all answers, each with the place of its speaker, one speaker after the other.

        An answer that breaks off is remembered as far as it came; a failure is told in the place of an answer.
        """
        for place, one in enumerate(self.speakers):
            talk = Talk(question, self.said[place], self.system, self.stop)
            # Draws differ from turn to turn and are the same in the next chat.
            decoding = replace(self.decoding, seed=self.decoding.seed + len(self.said[place]))
            pieces: list[str] = []
            try:
                with closing(one.reply(talk, decoding)) as reply:
                    for piece in reply:
                        pieces.append(piece)
                        yield place, piece
            except (SettingsError, LLMError) as error:
                yield place, f"{NO_ANSWER}{error}]"
            finally:
                if pieces:
                    self.said[place] = (*self.said[place], Exchange(question, "".join(pieces).strip()))

    def command(self, line: str) -> str:
        """Do what a line that begins with a slash says, and tell what was done.

        Raises:
            SettingsError: there is no such command, or its value cannot be used.
            EndOfChatError: it is the end.
        """
        name, _, value = line.strip().partition(" ")
        value = value.strip()
        commands: dict[str, Callable[[str], str]] = {
            "/reset": self._reset,
            "/system": self._set_system,
            "/temperature": self._set_temperature,
            "/max-tokens": self._set_length,
            "/help": lambda _: HELP,
            "/quit": _quit,
            "/exit": _quit,
        }
        if name not in commands:
            raise SettingsError(f"there is no {name}; there are\n{HELP}")
        return commands[name](value)

    def _reset(self, _: str) -> str:
        self.reset()
        return "a new talk"

    def _set_system(self, value: str) -> str:
        self.system = value
        self.reset()
        return "\n".join([f"system message: {value}; a new talk" if value else "no system message", *self.notes])

    def _set_temperature(self, value: str) -> str:
        self.decoding = replace(self.decoding, temperature=_number(value))
        return f"temperature {self.decoding.temperature:g}"

    def _set_length(self, value: str) -> str:
        self.decoding = replace(self.decoding, max_new_tokens=int(_number(value)))
        return f"answers of up to {self.decoding.max_new_tokens:,} tokens"


class EndOfChatError(Exception):
    """The person has said goodbye."""


def _quit(_: str) -> str:
    raise EndOfChatError


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise SettingsError(f"{value!r} is no number") from error


def texts(pieces: Iterable[tuple[int, str]], number: int) -> list[str]:
    """The whole answers of `number` speakers."""
    found = [""] * number
    for place, piece in pieces:
        found[place] += piece
    return [one.strip() for one in found]
