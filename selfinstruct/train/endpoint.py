"""Answers of a model behind an OpenAI-compatible endpoint: all questions of an evaluation, or one turn of a chat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from selfinstruct.errors import EndpointFailed, RequestRefused, SettingsError
from selfinstruct.interrupts import run_interruptibly
from selfinstruct.ledger import Ledger, Recorded
from selfinstruct.llm import LLM, Completion, Message, Request, Stage
from selfinstruct.llm.limits import RANKS, Slots, Stopped
from selfinstruct.llm.retry import Retrying
from selfinstruct.settings import Api

STAGE: Stage = "answer"


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

    def complete(self, request: Request) -> Completion:
        """One answer, with patience and without a ledger.

        Raises:
            RequestRefused, EndpointFailed: there is none.
        """
        found: list[Completion] = []

        async def ask() -> None:
            llm = client(self)
            slots = Slots(1)
            await slots.acquire(RANKS[STAGE])
            try:
                found.append(await Retrying(llm, slots, self.give_up).complete(request))
            finally:
                await _closed(llm)

        run_interruptibly(ask, lambda _: None)
        return found[0]

    def complete_all(
        self, requests: Sequence[Request], ledger: Ledger, tell: Callable[[], object] = lambda: None
    ) -> list[Completion | RequestRefused]:
        """An answer to each request, from the ledger where it has one; `tell` is called for each.

        Raises:
            EndpointFailed: the endpoint gave no answer any more; what was answered is in the ledger.
            KeyboardInterrupt: stopped by Ctrl-C, once the answers in flight were there.
        """
        asking = _Asking(self, requests, ledger, tell)
        run_interruptibly(asking.run, asking.stop)
        if asking.stopped:
            raise KeyboardInterrupt
        return [asking.found[place] for place in range(len(requests))]


class _Asking:
    """All requests of an evaluation under way at once, as many as the endpoint may be sent."""

    def __init__(
        self, endpoint: Endpoint, requests: Sequence[Request], ledger: Ledger, tell: Callable[[], object]
    ) -> None:
        self._endpoint, self._requests, self._ledger, self._tell = endpoint, requests, ledger, tell
        self._slots: Slots | None = None
        self.found: dict[int, Completion | RequestRefused] = {}
        self.stopped = False

    async def run(self) -> None:
        llm = client(self._endpoint)
        self._slots = slots = Slots(self._endpoint.concurrency)
        retrying = Retrying(llm, slots, self._endpoint.give_up)
        recorded = Recorded(retrying, self._ledger, on_recall=retrying.answered)
        tasks = [asyncio.ensure_future(self._one(place, recorded, slots)) for place in range(len(self._requests))]
        try:
            await asyncio.gather(*tasks)
        except EndpointFailed as error:
            raise EndpointFailed(
                f"{error}\n{len(self._ledger):,} answers are kept; the same command goes on from there."
            ) from error
        except Stopped:
            pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await _closed(llm)

    def stop(self, reason: str) -> None:
        """Let nothing new start."""
        self.stopped = True
        if self._slots is not None:
            self._slots.close()

    async def _one(self, place: int, recorded: Recorded, slots: Slots) -> None:
        request = self._requests[place]
        if recorded.knows(request):
            self.found[place] = recorded.recall(request)
        else:
            await slots.acquire(RANKS[STAGE])
            try:
                self.found[place] = await recorded.complete(request)
            except RequestRefused as error:
                self.found[place] = error
            finally:
                slots.release()
        self._tell()


def client(endpoint: Endpoint) -> LLM:
    """The client of an endpoint."""
    from selfinstruct.llm.openai import OpenAIClient

    urls = [endpoint.base_url] if endpoint.base_url else []
    keys = [endpoint.api_key_env] if endpoint.api_key_env else []
    return OpenAIClient(urls, keys, timeout=endpoint.timeout)


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


async def _closed(llm: LLM) -> None:
    close = getattr(llm, "close", None)
    if close is not None:
        await close()
