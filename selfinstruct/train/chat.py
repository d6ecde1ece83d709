"""Talking with several models at once, each with a conversation of its own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain
from queue import SimpleQueue
from threading import Event
from typing import TypeVar

from selfinstruct.errors import LLMError, SettingsError
from selfinstruct.train.answer import Decoding
from selfinstruct.train.speakers import Anew, Exchange, Speaker, Talk

T = TypeVar("T")
N = TypeVar("N", int, float)

NO_ANSWER = "[no answer: "
BROKEN_OFF = "\n\n[broken off: "


@dataclass(frozen=True)
class Told:
    """An answer as far as it has come; `failure` is why it came no further, and `over` that no more comes."""

    text: str = ""
    failure: SettingsError | LLMError | None = None
    over: bool = False

    @property
    def answer(self) -> str | None:
        """What the model said, None where it failed before it said anything."""
        return None if self.failure and not self.text.strip() else self.text.strip()

    @property
    def shown(self) -> str:
        """What a person sees."""
        text = self.answer or ""
        if not self.failure:
            return text
        return f"{text}{BROKEN_OFF if text else NO_ANSWER}{self.failure}]"


HELP = """\
/reset            forget what was said
/system TEXT      tell the models what they are (nothing: take it back)
/temperature X    0 is always the most likely word
/max-new-tokens N longest answer
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

    def ask(self, question: str) -> Generator[tuple[Told, ...], None, None]:
        """The answers of all speakers, again and again as they grow, each at its own speed.

        An answer that breaks off is remembered as far as it was seen; one that never came is not.
        """
        told = dict.fromkeys(range(len(self.speakers)), Told())
        answers = [self._answer(place, question) for place in told]
        here = [answer for answer, one in zip(answers, self.speakers, strict=True) if not one.elsewhere]
        apart = [answer for answer, one in zip(answers, self.speakers, strict=True) if one.elsewhere]
        try:
            with closing(together([chain.from_iterable(here), *apart], self.stop)) as steps:
                for step in steps:
                    told.update(step)
                    yield tuple(told.values())
        finally:
            for place, one in told.items():
                if one.text:
                    self.said[place] = (*self.said[place], Exchange(question, one.text.strip()))

    def _answer(self, place: int, question: str) -> Iterator[tuple[int, Told]]:
        """The answer of one speaker as it grows, with its place; none where it was stopped before."""
        if self.stop.is_set():
            return
        talk = Talk(question, self.said[place], self.system, self.stop)
        # Draws differ from turn to turn and are the same in the next chat.
        decoding = replace(self.decoding, seed=self.decoding.seed + len(self.said[place]))
        text, failure = "", None
        try:
            with closing(self.speakers[place].reply(talk, decoding)) as reply:
                for piece in reply:
                    text = piece if isinstance(piece, Anew) else text + piece
                    yield place, Told(text)
                    if self.stop.is_set():
                        break
        except (SettingsError, LLMError) as error:
            failure = error
        yield place, Told(text, failure, over=True)

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
            "/max-new-tokens": self._set_length,
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
        self.decoding = replace(self.decoding, temperature=_number(value, float, "number"))
        return f"temperature {self.decoding.temperature:g}"

    def _set_length(self, value: str) -> str:
        self.decoding = replace(self.decoding, max_new_tokens=_number(value, int, "whole number"))
        return f"answers of up to {self.decoding.max_new_tokens:,} tokens"


class EndOfChatError(Exception):
    """The person has said goodbye."""


def _quit(_: str) -> str:
    raise EndOfChatError


def _number(value: str, kind: Callable[[str], N], name: str) -> N:
    try:
        return kind(value)
    except ValueError as error:
        raise SettingsError(f"{value!r} is no {name}") from error


def together(lanes: Sequence[Iterator[T]], stop: Event) -> Generator[list[T], None, None]:
    """What several iterators give, at each step all that has come since the last one.

    Each is read by a thread of its own, as fast as it comes. At the end, or when this is closed, `stop` is set until
    all have come to their end.
    """
    come: SimpleQueue[T | None] = SimpleQueue()

    def read(lane: Iterator[T]) -> None:
        for one in lane:
            come.put(one)

    ours = False
    try:
        with ThreadPoolExecutor(len(lanes)) as threads:
            reading = [threads.submit(read, lane) for lane in lanes]
            for one in reading:
                one.add_done_callback(lambda _: come.put(None))
            left = len(lanes)
            try:
                while left:
                    step = [come.get(), *(come.get() for _ in range(come.qsize()))]
                    left -= step.count(None)
                    yield [each for each in step if each is not None]
                    for one in reading:
                        if one.done():
                            one.result()
            finally:
                ours = not stop.is_set()
                stop.set()
    finally:
        if ours:
            stop.clear()
