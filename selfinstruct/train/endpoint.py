"""Answers of a model behind an OpenAI-compatible endpoint: all questions of an evaluation, or one turn of a chat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from selfinstruct import asking
from selfinstruct.errors import SettingsError
from selfinstruct.interrupts import run_interruptibly
from selfinstruct.ledger import Ledger
from selfinstruct.llm import LLM, Completion, Message, Request, Stage
from selfinstruct.llm.limits import RANKS, Slots
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
            slots = Slots(1)
            llm = client(self, slots)
            await slots.acquire(RANKS[STAGE])
            try:
                found.append(await Retrying(llm, slots, self.give_up).complete(request))
            finally:
                await _closed(llm)

        run_interruptibly(ask, lambda _: None)
        return found[0]

    def complete_all(
        self, requests: Sequence[Request], ledger: Ledger, tell: Callable[[], object] = lambda: None
    ) -> list[asking.Answer]:
        """An answer to each request, from the ledger where it has one; `tell` is called for each.

        Raises:
            EndpointFailed: the endpoint gave no answer any more; what was answered is in the ledger.
            KeyboardInterrupt: stopped by Ctrl-C, once the answers in flight were there.
        """
        slots = Slots(self.concurrency)
        llm = client(self, slots)
        return asking.ask_all(llm, requests, ledger, slots, give_up=self.give_up, close=True, tell=tell)


def client(endpoint: Endpoint, slots: Slots) -> LLM:
    """The client of an endpoint."""
    urls = [endpoint.base_url] if endpoint.base_url else []
    keys = [endpoint.api_key_env] if endpoint.api_key_env else []
    return asking.endpoint(urls, keys, slots, timeout=endpoint.timeout)


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
