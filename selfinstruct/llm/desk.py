"""What is done about one batch job at its server, with patience: hand it over, wait for its end, read its results."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from selfinstruct.errors import EndpointFailed, TransientFailure
from selfinstruct.llm import Completion, Request
from selfinstruct.llm.batch_endpoint import BatchEndpoint, NotThere
from selfinstruct.llm.jobs import Job, Journal

if TYPE_CHECKING:
    from openai.types import Batch

logger = logging.getLogger("selfinstruct")
T = TypeVar("T")

ENDED = ("completed", "failed", "expired", "cancelled")
MOST_READINGS = 3


@dataclass(eq=False)
class Asked:
    """A request, and the answer that somebody waits for; `tries` counts the jobs that brought none."""

    request: Request
    answer: asyncio.Future[Completion]
    tries: int = 0

    @property
    def waits(self) -> bool:
        """Whether somebody still does."""
        return not self.answer.done()


Waiting = dict[str, Asked]


class Desk:
    """The calls about jobs, repeated with growing waits while the server cannot be reached.

    `poll` is seconds between two looks, at first and at most; `give_up` seconds without contact after which the
    endpoint has failed; `settling` seconds in which a job that was being created may turn up in the server's list.

    Raises:
        EndpointFailed: the server refuses a call for good, or cannot be reached.
    """

    def __init__(
        self, end: BatchEndpoint, journal: Journal, poll: tuple[float, float], give_up: float, settling: float
    ) -> None:
        self._end, self._journal = end, journal
        self._poll, self._give_up, self._settling = poll, give_up, settling

    async def hand_over(self, job: Job, content: bytes) -> None:
        """Upload the input of a planned job and start it, once."""
        self._journal.uploaded(job, await self._patiently(self._end.upload, f"{job.token}.jsonl", content))
        uncertain = False

        async def create() -> Batch:
            nonlocal uncertain
            if uncertain:  # a call without an answer may have created the job all the same
                await asyncio.sleep(self._settling)
                if (found := await self._end.search(job)) is not None:
                    return found
            uncertain = True
            return await self._end.create(job)

        batch = await self._patiently(create)
        self._journal.created(job, batch.id)
        logger.info("%s requests handed to %s as batch job %s", f"{len(job.names):,}", self._end.where, batch.id)

    async def is_there(self, job: Job) -> bool:
        """Whether the server has a job that this or an earlier process planned."""
        if job.host != self._end.where:
            logger.warning(
                "%s requests are in batch job %s at %s; at %s they are asked and paid for again",
                f"{len(job.names):,}",
                job.batch,
                job.host,
                self._end.where,
            )
            return False
        if job.batch is None:
            await asyncio.sleep(min(self._settling, job.planned + self._settling - time.time()))
            found = await self._patiently(self._end.search, job)
            if found is not None:
                self._journal.created(job, found.id)
        return job.batch is not None

    async def ended(self, job: Job) -> Batch | None:
        """The job at its end; None if the server does not know it any more."""
        seconds, longest = self._poll
        while True:
            try:
                batch = await self._patiently(self._end.retrieve, job)
            except NotThere as error:
                logger.warning("batch job %s is gone, its requests are asked again: %s", job.batch, error)
                return None
            if batch.status in ENDED:
                return batch
            await asyncio.sleep(seconds)
            seconds = min(longest, seconds * 1.5)

    async def read(self, file: str | None, waiting: Waiting, errors: MutableMapping[str, Any], expected: int) -> None:
        """Give out the answers of a result file, and read it again where it came damaged or short."""
        if file is None:
            return
        for _ in range(MOST_READINGS):
            try:
                number, whole = await self._patiently(self._rows, file, waiting, errors)
            except NotThere as error:
                logger.warning("the results are gone: %s", error)
                return
            if whole and number >= expected:
                return
            await asyncio.sleep(self._poll[0])
        logger.warning("the result file %s is damaged or short: %s lines of %s", file, f"{number:,}", f"{expected:,}")

    async def _rows(self, file: str, waiting: Waiting, errors: MutableMapping[str, Any]) -> tuple[int, bool]:
        """Take the rows in; how many there were, and whether all could be read."""
        number, whole = 0, True
        async for row in self._end.rows(file):
            number += row is not None
            whole = whole and row is not None
            name = str((row or {}).get("custom_id"))
            asked = waiting.get(name)
            if row is None or asked is None:
                continue
            outcome = self._end.outcome(asked.request, row)
            if isinstance(outcome, Completion):
                del waiting[name]
                if asked.waits:
                    asked.answer.set_result(outcome)
            else:
                errors[name] = outcome
        return number, whole

    async def _patiently(self, call: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Make a call, and repeat it with growing waits while the server cannot be reached."""
        policy = AsyncRetrying(
            retry=retry_if_exception_type(TransientFailure),
            wait=wait_random_exponential(multiplier=self._poll[0], max=self._poll[1]),
            stop=stop_after_delay(self._give_up),
            reraise=True,
        )
        try:
            return await policy(call, *arguments)
        except TransientFailure as failure:
            raise EndpointFailed(f"no contact for {self._give_up:g} s; the last failure: {failure}") from failure
