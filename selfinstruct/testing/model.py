"""A language model from a function or a list of answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from selfinstruct.errors import EndpointFailed, TransientFailure
from selfinstruct.llm import Completion, Request, Usage

CHARACTERS_PER_TOKEN = 4


class FakeLLM:
    """A language model from a function of the request, or from answers that are given in order.

    Args:
        answer: a function that returns a text or a `Completion`, or raises; or the answers themselves, where an
            exception among them is raised.
        latency: seconds that a call takes, or a function of the request that says so.
        faults: the share of the calls, from 0 to 1, that raise `TransientFailure`. It is drawn from `seed` and the
            number of the call, so that a request which is repeated is drawn anew.

    Attributes:
        requests: everything that was asked, in order, the calls that failed included.

    Raises:
        EndpointFailed: all the answers that were given are used up.

    Example:
        >>> llm = FakeLLM(lambda request: request.text.upper())
        >>> asyncio.run(llm.complete(Request("any", prompt="hello"))).text
        'HELLO'
        >>> llm.requests[0].prompt
        'hello'
    """

    def __init__(
        self,
        answer: Callable[[Request], str | Completion] | Iterable[str | Completion | Exception],
        *,
        latency: float | Callable[[Request], float] = 0.0,
        faults: float = 0.0,
        seed: int = 0,
        model: str = "fake",
    ) -> None:
        self.model = model
        self.requests: list[Request] = []
        self._answer = answer if callable(answer) else in_order(answer)
        self._latency, self._faults, self._seed = latency, faults, seed

    async def complete(self, request: Request) -> Completion:
        """Answer, or fail as was ordered."""
        self.requests.append(request)
        number = len(self.requests)
        await asyncio.sleep(value(self._latency, request))
        if Random(f"{self._seed}/{number}").random() < self._faults:
            raise TransientFailure(f"call {number} fails on purpose")
        answer = self._answer(request)
        if isinstance(answer, Completion):
            return answer
        return Completion(answer, "stop", Usage(tokens(request.text), tokens(answer)), self.model)


def in_order(answers: Iterable[Any]) -> Callable[[object], Any]:
    """A function that ignores its argument and returns one answer after another; exceptions are raised.

    Raises:
        EndpointFailed: when the answers are used up.

    Example:
        >>> answer = in_order(["one", "two"])
        >>> answer({}), answer({})
        ('one', 'two')
    """
    left = iter(answers)
    lock = threading.Lock()

    def answer(_: object) -> Any:
        with lock:
            found = next(left, EndpointFailed("all the answers of this fake are used up; give it more"))
        if isinstance(found, Exception):
            raise found
        return found

    return answer


def value(amount: float | Callable[[Any], float], of: object) -> float:
    """The amount, or what the function says of the thing."""
    return amount(of) if callable(amount) else amount


def tokens(text: str) -> int:
    """About as many tokens as a tokenizer would count."""
    return len(text) // CHARACTERS_PER_TOKEN
