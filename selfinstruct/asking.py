"""Many requests asked of one model at once, outside of a run: each answer is in a ledger before anybody looks at it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from selfinstruct.errors import EndpointFailed, RequestRefused
from selfinstruct.interrupts import run_interruptibly
from selfinstruct.ledger import Ledger, Recorded
from selfinstruct.llm import LLM, Completion, Request
from selfinstruct.llm.limits import DRAIN_SECONDS, RANKS, Slots, Stopped
from selfinstruct.llm.retry import Retrying

Answer: TypeAlias = Completion | RequestRefused


def endpoint(base_url: Sequence[str], api_key_env: Sequence[str], slots: Slots, *, timeout: float) -> LLM:
    """The client of an OpenAI-compatible endpoint, whose slots follow what it stands; `timeout` is seconds for a try.

    Raises:
        SettingsError: a key that is needed is not in the environment, or an address is none.
    """
    from selfinstruct.llm.openai import OpenAIClient

    return OpenAIClient(
        base_url, api_key_env, timeout=timeout, concurrency=slots.most, on_room=slots.resize, pause=slots.pause
    )


def ask_all(
    llm: LLM,
    requests: Sequence[Request],
    ledger: Ledger,
    slots: Slots,
    *,
    give_up: float,
    close: bool,
    tell: Callable[[], object] = lambda: None,
) -> list[Answer]:
    """An answer to each request, from the ledger where it has one; a refusal for good is an answer, too.

    As many are in flight as the slots say. `give_up` is seconds without any success after which the endpoint has
    failed, `tell` is called for each answer, and `close` says that the model is to be closed at the end.

    Raises:
        EndpointFailed: the endpoint gave no answer any more; what was answered is in the ledger.
        KeyboardInterrupt: stopped by a signal, once the answers in flight were there.
    """
    asking = _Asking(llm, requests, ledger, slots, give_up, tell)
    run_interruptibly(asking.run_and_close if close else asking.run, asking.stop)
    if asking.stopped:
        raise KeyboardInterrupt
    return [asking.found[place] for place in range(len(requests))]


class _Asking:
    """The requests, and the answers that there are so far by their places."""

    def __init__(
        self,
        llm: LLM,
        requests: Sequence[Request],
        ledger: Ledger,
        slots: Slots,
        give_up: float,
        tell: Callable[[], object],
    ) -> None:
        self._llm, self._requests, self._ledger, self._slots, self._tell = llm, requests, ledger, slots, tell
        retrying = Retrying(llm, slots, give_up)
        self._recorded = Recorded(retrying, ledger, on_recall=retrying.answered)
        self.found: dict[int, Answer] = {}
        self.stopped = False

    async def run(self) -> None:
        waiting = iter(enumerate(self._requests))
        workers = [asyncio.ensure_future(self._work(waiting)) for _ in self._requests[: self._slots.most]]
        try:
            await asyncio.gather(*workers)
        except Stopped:
            pass
        except EndpointFailed as error:
            raise EndpointFailed(
                f"{error}\n{len(self._ledger):,} answers are kept; the same command goes on from there."
            ) from error
        finally:
            self._slots.close()
            await self._drain(workers)

    async def run_and_close(self) -> None:
        try:
            await self.run()
        finally:
            if (closing := getattr(self._llm, "close", None)) is not None:
                await closing()

    def stop(self, reason: str) -> None:
        """Let nothing new start."""
        self.stopped = True
        self._slots.close()

    async def _work(self, waiting: Iterator[tuple[int, Request]]) -> None:
        for place, request in waiting:
            await self._slots.acquire(RANKS[request.stage])
            try:
                self.found[place] = await self._recorded.complete(request)
            except RequestRefused as refusal:
                self.found[place] = refusal
            finally:
                self._slots.release()
            self._tell()

    async def _drain(self, workers: Sequence[asyncio.Future[None]]) -> None:
        """Wait for what is in flight, because it is paid for, but not for ever."""
        if workers:
            await asyncio.wait(workers, timeout=getattr(self._llm, "patience", DRAIN_SECONDS))
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
