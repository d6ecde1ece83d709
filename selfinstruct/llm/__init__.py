"""The seam: anything with `async complete(request) -> Completion` is a language model here.

`OpenAIClient`, `Recorded`, `DemoTeacher` and `FakeLLM` fit it, and they compose by wrapping one another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

import orjson

Stage = Literal["instructions", "classify", "instances", "judge", "answer"]


@dataclass(frozen=True)
class Message:
    """One turn of a chat."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """All that reaches the model, and four labels that do not.

    A chat request has `messages`, a request to a base model has `prompt`. `sampling` holds the parameters by their
    OpenAI names. `stage`, `index` and `about` are for the ledger; `optional` names the parameters that nobody asked
    for, so that a server which refuses one can be asked without it. None of these four is part of the digest.
    """

    model: str
    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    response_format: Mapping[str, Any] | None = None
    stage: Stage = "instructions"
    index: int | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what reaches the model, in 32 hexadecimal digits: equal requests, equal digests."""
        said: dict[str, Any] = {"model": self.model, "sampling": dict(self.sampling)}
        if self.prompt is None:
            said["messages"] = [[m.role, m.content] for m in self.messages]
        else:
            said["prompt"] = self.prompt
        if self.response_format is not None:
            said["response_format"] = dict(self.response_format)
        return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]

    @cached_property
    def key(self) -> str:
        """The name of the request in the ledger: its index in the loop, or else its content."""
        return f"{self.stage}/{self.digest if self.index is None else self.index}"

    @property
    def text(self) -> str:
        """The request as one text: the prompt, or the contents of the messages joined by blank lines."""
        return self.prompt if self.prompt is not None else "\n\n".join(m.content for m in self.messages)


@dataclass(frozen=True)
class Usage:
    """Tokens that the server counted.

    `cached_tokens` are those of the prompt that it had read before and charges less for; `reasoning_tokens` are those
    of the completion that it does not show. `batched` is 1 where the answer came from a batch job, at half the price.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    batched: int = 0


@dataclass(frozen=True)
class Completion:
    """What the model answered. `finish_reason` is "length" where the token limit cut the text.

    `reasoning` is what the model thought before it answered, where the server tells. `logprobs` has the most probable
    tokens of each position with their log probabilities, where they were asked for.
    """

    text: str
    finish_reason: str | None = "stop"
    usage: Usage | None = None
    model: str | None = None
    reasoning: str | None = None
    logprobs: tuple[Mapping[str, float], ...] | None = None


@runtime_checkable
class LLM(Protocol):
    """A language model.

    More is optional. `answered(request)` is told of each request whose answer comes from the ledger, so
    that a resumed run knows what has worked before. `worst_case(request)` is the `Usage` that one try cannot pass, for
    a budget. `patience` is how many seconds a run that stops waits for what is in flight. `async close()` gives
    connections back.

    Raises:
        TransientFailure: another try may succeed; it is made, with growing waits.
        RequestRefused: this request is hopeless; it is recorded as failed and the run goes on.
        EndpointFailed: every request is hopeless; the run stops and can be resumed.
    """

    async def complete(self, request: Request) -> Completion: ...
