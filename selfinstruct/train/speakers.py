"""What one can talk with: a model that is loaded here, and a model behind an endpoint."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any, Protocol

from jinja2 import TemplateError

from selfinstruct.errors import LLMError, SettingsError
from selfinstruct.export.formats import Template
from selfinstruct.llm import Message, Request
from selfinstruct.llm.lessons import Settled
from selfinstruct.train.answer import DEFAULT_FORMAT, Decoding, LocalModel
from selfinstruct.train.endpoint import Endpoint
from selfinstruct.train.prompts import ChatPrompts, Prompts, TextPrompts, reserved_in, template_of

PATIENCE = 60.0  # seconds between two pieces of an answer, and for a server that is not there; a person waits
# What the client says of options that a chat has not got, and what a chat says there.
IN_A_CHAT = {
    " (--give-up)": "",
    " (--timeout)": "",
    ", or try --model demo, which needs neither": "",
    "Check --model,": "Check the name of the model,",
}


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


class Anew(str):
    """A piece that takes the place of all before it: what looked like the answer was thought."""

    __slots__ = ()


class Speaker(Protocol):
    """A model that one can talk with."""

    @property
    def elsewhere(self) -> bool:
        """Whether it computes in another process; those that compute here take turns."""

    @property
    def name(self) -> str:
        """What it is called."""

    def notes(self, system: str) -> list[str]:
        """What one should know before the talk: that it forgets, that it does not read a system message."""

    def reply(self, talk: Talk, decoding: Decoding) -> Generator[str, None, None]:
        """The pieces of the answer; closing the iterator, or the talk's `stop`, stops the model.

        Raises:
            SettingsError, LLMError: there is no answer, or it broke off.
        """


@dataclass(frozen=True)
class LocalSpeaker:
    """A model that is loaded here."""

    model: LocalModel

    elsewhere = False

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
        heard = talk if self._has_turns else replace(talk, before=())
        ids = self._ids(heard)
        yield from self.model.stream(ids, self._fitting(decoding, len(ids), heard), talk.stop)

    def _fitting(self, decoding: Decoding, asked: int, heard: Talk) -> Decoding:
        """The decoding with an answer no longer than what `asked` tokens leave of the model's room."""
        room = self.model.room
        if room is None:
            return decoding
        if asked >= room:
            said, way = ("what was said so far, with the question,", "begin a new talk (in a terminal /reset), or ")
            if not heard.before:
                said, way = "the question", ""
            raise SettingsError(
                f"{self.name}: {said} has {asked:,} tokens, which leaves no room for an answer in the {room:,} of this "
                f"model; {way}ask a shorter question"
            )
        return replace(decoding, max_new_tokens=min(decoding.max_new_tokens, room - asked))

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
    """A model behind an endpoint; one that knows no chat continues the prompts of a template.

    `settled` is what its answers have taught about the server.
    """

    endpoint: Endpoint
    template: Template | None = None
    settled: Settled = field(default_factory=Settled, compare=False, repr=False)

    elsewhere = True

    @property
    def name(self) -> str:
        return self.endpoint.name

    def notes(self, system: str) -> list[str]:
        if self.template is None:
            return []
        said = [f"{self.name}: the completions API has no turns, so each question stands alone"]
        if system and self._prompt(Talk("?", system=system)) == self._prompt(Talk("?")):
            said.append(f"{self.name}: the format {self.template.name} has no place for a system message")
        return said

    def reply(self, talk: Talk, decoding: Decoding) -> Generator[str, None, None]:
        shown = ""
        growing = self.endpoint.stream(
            self._request(talk, decoding), patience=PATIENCE, settled=self.settled, stop=talk.stop
        )
        with closing(growing):
            try:
                for text in growing:
                    yield text[len(shown) :] if text.startswith(shown) else Anew(text)
                    shown = text
            except (SettingsError, LLMError) as error:
                raise type(error)(_in_a_chat(str(error))) from error

    def _request(self, talk: Talk, decoding: Decoding) -> Request:
        sampling = {
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "max_tokens": decoding.max_new_tokens,
        }
        messages = [Message(one["role"], one["content"]) for one in talk.messages]
        return self.endpoint.request(messages if self.template is None else self._prompt(talk), sampling)

    def _prompt(self, talk: Talk) -> str:
        assert self.template is not None
        return self.template.prompt(replace(talk, before=()).row)


def speaker(model: LocalModel | Endpoint, format: str | None = None, name: str | None = None) -> Speaker:
    """A model as one to talk with; `format` is how prompts for the completions API are written.

    `name` is what a model here is called in messages, in place of its whole path.

    Raises:
        SettingsError: there is no such format.
    """
    if isinstance(model, LocalModel):
        return LocalSpeaker(replace(model, name=name or model.name))
    if model.api == "chat":
        return EndpointSpeaker(model)
    return EndpointSpeaker(model, template_of(format or DEFAULT_FORMAT))


def _in_a_chat(message: str) -> str:
    for elsewhere, here in IN_A_CHAT.items():
        message = message.replace(elsewhere, here)
    return message
