"""From questions to answers that are on disk: a local model batch by batch, an endpoint with many requests at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from selfinstruct.errors import RequestRefused, SettingsError
from selfinstruct.export.formats import Row
from selfinstruct.export.formats.rows import joined
from selfinstruct.ledger import Ledger, entry_of
from selfinstruct.llm import Completion, Request, Usage
from selfinstruct.train.answer import Decoding, LocalModel
from selfinstruct.train.endpoint import STAGE, Endpoint
from selfinstruct.train.evaluation.sets import Question
from selfinstruct.train.prompts import CHAT, TextPrompts, template_of

Finish = Literal["stop", "length", "too_long", "refused"]
Tell = Callable[[], object]


@dataclass(frozen=True)
class Answered:
    """What a model answered to a question, and how the answer ended.

    `finish` is "stop", "length" (cut at the token limit), "too_long" (the prompt leaves no room for an answer, so
    nothing was asked) or "refused" (by the endpoint, for good); the last two have no text. `tokens` are the answer's.
    """

    prompt: str
    text: str
    finish: Finish
    tokens: int


class Contestant(Protocol):
    """A model in an evaluation."""

    @property
    def name(self) -> str:
        """What the table calls it."""

    @property
    def format(self) -> str:
        """How its prompts are written."""

    def prompt(self, row: Row) -> str:
        """What is asked, as text: the turn of a user in a chat, else the prompt of the format."""

    def answers(self, questions: Sequence[Question], ledger: Ledger, tell: Tell) -> list[Answered]:
        """The answers in the order of the questions, taken from the ledger where it has them."""


def contestant(model: LocalModel | Endpoint, decoding: Decoding, format: str, batch_size: int) -> Contestant:
    """A model as one of an evaluation; `format` is that of prompts for an endpoint without a chat API."""
    if isinstance(model, Endpoint):
        return Remote(model, decoding, format)
    return Local(model, decoding, batch_size)


@dataclass(frozen=True)
class Local:
    """A local model; each batch is in the ledger before the next one begins."""

    model: LocalModel
    decoding: Decoding
    batch_size: int = 16

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def format(self) -> str:
        return self.model.format

    def prompt(self, row: Row) -> str:
        asked = self.model.prompts
        return asked.template.prompt(row) if isinstance(asked, TextPrompts) else joined(row)

    def answers(self, questions: Sequence[Question], ledger: Ledger, tell: Tell) -> list[Answered]:
        asked = [self.model.ids(one.row) for one in questions]
        fits = [place for place, ids in enumerate(asked) if self._fits(ids)]
        if not fits:
            raise SettingsError(
                f"{self.name}: no prompt leaves room for {self.decoding.max_new_tokens:,} tokens of an answer in the "
                f"{self.model.room:,} of this model; lower --max-new-tokens"
            )
        requests = {place: self._request(asked[place], questions[place]) for place in fits}
        missing = {request.key: place for place, request in requests.items() if request.key not in ledger}
        for _ in range(len(questions) - len(missing)):
            tell()
        places = list(missing.values())
        sent = time.time()
        batches = self.model.answer_all([asked[place] for place in places], self.decoding, batch_size=self.batch_size)
        for at, answer in batches:
            usage = Usage(len(asked[places[at]]), answer.tokens)
            completion = Completion(answer.text, "stop" if answer.stopped else "length", usage, self.name)
            ledger.append(entry_of(requests[places[at]], "answer", completion, sent))
            tell()
        return [self._answered(asked[place], ledger, requests.get(place)) for place in range(len(questions))]

    def _fits(self, ids: Sequence[int]) -> bool:
        room = self.model.room
        return room is None or len(ids) + self.decoding.max_new_tokens <= room

    def _request(self, ids: Sequence[int], question: Question) -> Request:
        """What names the answer in the ledger: everything that it depends on."""
        return Request(
            self.model.identity,
            prompt=" ".join(map(str, ids)),
            sampling=dict(vars(self.decoding)),
            stage=STAGE,
            about={"question": question.id},
        )

    def _answered(self, ids: list[int], ledger: Ledger, request: Request | None) -> Answered:
        prompt = self.model.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        if request is None:
            return Answered(prompt, "", "too_long", 0)
        entry = ledger.get(request.key)
        assert entry is not None
        return _of_completion(prompt, entry.completion())


@dataclass(frozen=True)
class Remote:
    """A model behind an endpoint: a chat message for each question, or a prompt of the format."""

    endpoint: Endpoint
    decoding: Decoding
    template: str

    @property
    def name(self) -> str:
        return self.endpoint.name

    @property
    def format(self) -> str:
        return CHAT if self.endpoint.api == "chat" else self.template

    def prompt(self, row: Row) -> str:
        return joined(row) if self.endpoint.api == "chat" else template_of(self.template).prompt(row)

    def answers(self, questions: Sequence[Question], ledger: Ledger, tell: Tell) -> list[Answered]:
        requests = [self._request(one) for one in questions]
        found = self.endpoint.complete_all(requests, ledger, tell)
        return [
            Answered(request.text, "", "refused", 0)
            if isinstance(one, RequestRefused)
            else _of_completion(request.text, one)
            for request, one in zip(requests, found, strict=True)
        ]

    def _request(self, question: Question) -> Request:
        drawn = self.decoding
        sampling = {"temperature": drawn.temperature, "max_tokens": drawn.max_new_tokens}
        if drawn.temperature > 0:
            sampling |= {"top_p": drawn.top_p, "seed": drawn.seed}
        return self.endpoint.request(self.prompt(question.row), sampling, question=question.id)


def _of_completion(prompt: str, completion: Completion) -> Answered:
    tokens = completion.usage.completion_tokens if completion.usage else 0
    finish: Finish = "length" if completion.finish_reason == "length" else "stop"
    return Answered(prompt, completion.text.strip(), finish, tokens)
