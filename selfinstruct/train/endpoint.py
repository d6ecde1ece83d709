"""Answers of a model behind an OpenAI-compatible endpoint: all questions of an evaluation, or one turn of a chat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from selfinstruct import asking
from selfinstruct.errors import LLMError, SettingsError
from selfinstruct.ledger import Ledger
from selfinstruct.llm import Message, Request, Stage
from selfinstruct.llm.lessons import Settled
from selfinstruct.llm.limits import RANKS, Slots
from selfinstruct.llm.retry import Retrying
from selfinstruct.settings import Api

STAGE: Stage = "answer"
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Endpoint:
    """A model at an endpoint; `base_url` None is OPENAI_BASE_URL or OpenAI itself."""

    model: str
    base_url: str | None = None
    api_key_env: str | None = None
    api: Api = "chat"
    timeout: float = 600.0
    give_up: float = 600.0
    concurrency: int = 16

    @property
    def name(self) -> str:
        """The model as messages and tables call it."""
        return self.model

    def request(self, said: str | Sequence[Message], sampling: Mapping[str, Any], **about: Any) -> Request:
        """A request with a prompt, or with the messages of a chat; a text is the first turn of a chat.

        The server may be asked without a sampling parameter that it refuses: none of them changes what is evaluated.
        """
        turns = [Message("user", said)] if isinstance(said, str) else said
        asked: dict[str, Any] = {"messages": tuple(turns)} if self.api == "chat" else {"prompt": said}
        return Request(
            self.model, **asked, sampling=dict(sampling), stage=STAGE, about=about, optional=frozenset(sampling)
        )

    def stream(self, request: Request, *, patience: float, settled: Settled, stop: Event) -> Generator[str, None, None]:
        """The text of one answer as far as it has come, again and again; it may begin anew where it was thought.

        `patience` is seconds between two pieces, and for a server that is not there; the first piece has `timeout`.
        `settled` is what earlier answers taught. Closing the iterator, or setting `stop`, closes the connection.

        Raises:
            SettingsError, LLMError: there is no answer, or it broke off.
        """
        closed = Event()
        grown: SimpleQueue[str | None] = SimpleQueue()
        with ThreadPoolExecutor(1) as thread:
            work = self._ask(request, grown.put, patience, settled)
            answered = thread.submit(asyncio.run, _until((closed, stop), work))
            answered.add_done_callback(lambda _: grown.put(None))
            try:
                yield from iter(grown.get, None)
            finally:
                closed.set()
        answered.result()

    @property
    def _access(self) -> tuple[list[str], list[str]]:
        """Addresses and names of keys, as clients take them."""
        return [self.base_url] if self.base_url else [], [self.api_key_env] if self.api_key_env else []

    async def _ask(self, request: Request, tell: Callable[[str], object], patience: float, settled: Settled) -> None:
        from selfinstruct.llm.stream import StreamingClient

        slots = Slots(1)
        await slots.acquire(RANKS[STAGE])
        llm = StreamingClient(
            *self._access, tell, patience=patience, timeout=self.timeout, settled=settled, pause=slots.pause
        )
        try:
            answer = await Retrying(llm, slots, min(self.give_up, patience)).complete(request)
        finally:
            await llm.close()
        if answer.finish_reason == "length" and not answer.text.strip():
            raise LLMError(
                f"{self.name} was cut in its thoughts, before it answered; give it more tokens: /max-tokens in the "
                "talk, Longest answer on the page, or --max-new-tokens"
            )

    def complete_all(
        self, requests: Sequence[Request], ledger: Ledger, tell: Callable[[], object] = lambda: None
    ) -> list[asking.Answer]:
        """An answer to each request, from the ledger where it has one; `tell` is called for each.

        Raises:
            EndpointFailed: the endpoint gave no answer any more; what was answered is in the ledger.
            KeyboardInterrupt: stopped by Ctrl-C, once the answers in flight were there.
        """
        slots = Slots(self.concurrency)
        llm = asking.endpoint(*self._access, slots, timeout=self.timeout)
        return asking.ask_all(llm, requests, ledger, slots, give_up=self.give_up, close=True, tell=tell)


def named_endpoint(name: str, base_url: str | None = None, **more: Any) -> Endpoint | None:
    """The endpoint that a text names, "NAME@http://host/v1", or a plain NAME with a `base_url`; None for a local model.

    `more` are further fields of the `Endpoint`.

    Raises:
        SettingsError: the address is none.
    """
    model, at, url = name.partition("@http")
    if at:
        base_url, name = f"http{url}", model
    elif base_url is None:
        return None
    parts = urlsplit(base_url or "")
    if parts.scheme not in ("http", "https") or not parts.hostname or not name:
        raise SettingsError(f"{name}@{base_url}: a model at an endpoint is NAME@http://host:port/v1")
    if parts.username or parts.password:
        raise SettingsError(
            f"{name}: the address holds a password; put the key into an environment variable and name that with "
            "--api-key-env"
        )
    return Endpoint(name, base_url, **more)


async def _until(ends: Iterable[Event], work: Coroutine[Any, Any, None]) -> None:
    """Work, but no longer than until one of the ends is set."""
    working = asyncio.ensure_future(work)
    while not working.done() and not any(end.is_set() for end in ends):
        await asyncio.wait({working}, timeout=LOOK_SECONDS)
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
