"""Half the price for patience: requests as jobs of OpenAI's Batch API, which is done with them within a day.

1. `complete` puts a request into a queue, unless a job that holds it is under way already.
2. When no more has come for a while, the queue becomes jobs, one for each model and API (`_gather`).
3. Each job is followed to its end (`_follow`): what it answered is given out as it is read, the rest goes back to 1.

What was done is in batches.jsonl before the next step begins, so that a process that is killed at any moment leaves
nothing that the next one would pay for again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from selfinstruct.errors import EndpointFailed, LLMError, RequestRefused, SettingsError, TransientFailure
from selfinstruct.llm import Completion, Request, Usage
from selfinstruct.llm.batch_endpoint import BatchEndpoint
from selfinstruct.llm.desk import Asked, Desk, Waiting
from selfinstruct.llm.jobs import Job, Journal, custom_id
from selfinstruct.llm.lessons import Settled

if TYPE_CHECKING:
    from openai.types import Batch

logger = logging.getLogger("selfinstruct")

# What OpenAI takes as one batch.
MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000
MOST_TRIES = 4
# A job that was being created when its process died may appear in the server's list a moment later.
SETTLING_SECONDS = 30.0


@dataclass(eq=False)
class _Followed:
    """A job that is waited for, by whom, and whether this process has submitted it."""

    job: Job
    waiting: Waiting
    ours: bool


class BatchClient:
    """A language model whose answers come from batch jobs.

    The first request of each kind (model, stage, names of parameters) is asked live, at full price: a wrong key, a
    missing model or a parameter that the server refuses shows at once and not tomorrow.

    Args:
        base_url, api_key_env, timeout, settled, on_settled, bounded: see `OpenAIClient`; one endpoint, one key.
        journal: the file that remembers the jobs, batches.jsonl of the run directory.
        quiet: seconds without a new request after which those that there are become jobs.
        poll: seconds between two looks at a job, at first and at most.
        give_up: seconds without any contact with the server after which the endpoint has failed.
        live_below: jobs of fewer requests than this are none: they are asked live, at full price. The last few requests
            of a run would otherwise take a day for each step.
        most_requests, most_bytes: the largest job.
        settling: seconds after its planning in which a job may still turn up in the server's list.

    Raises:
        SettingsError: see `OpenAIClient`; or several endpoints or keys are given.
        RunError: the journal is damaged.

    `patience` says how long a run that stops should wait for what is in flight: jobs go on at the server, and the same
    command collects them.
    """

    patience = 0.0

    def __init__(
        self,
        base_url: Sequence[str] = (),
        api_key_env: Sequence[str] = (),
        *,
        journal: Path,
        timeout: float = 600.0,
        settled: Settled | None = None,
        on_settled: Callable[[], None] = lambda: None,
        bounded: bool = False,
        quiet: float = 2.0,
        poll: tuple[float, float] = (5.0, 60.0),
        give_up: float = 3600.0,
        live_below: int = 0,
        most_requests: int = MOST_REQUESTS,
        most_bytes: int = MOST_BYTES,
        settling: float = SETTLING_SECONDS,
    ) -> None:
        self._end = BatchEndpoint(
            base_url, api_key_env, timeout=timeout, settled=settled, on_settled=on_settled, bounded=bounded
        )
        self.settled = self._end.settled
        self._journal = Journal(journal)
        self._desk = Desk(self._end, self._journal, poll, give_up, settling)
        self._quiet_seconds, self._longest_wait = quiet, poll[1]
        self._live_below = live_below
        self._limit, self._most_requests, self._most_bytes = most_requests, most_requests, most_bytes
        self._proven: set[tuple[Any, ...]] = set()
        self._proving: dict[tuple[Any, ...], asyncio.Lock] = {}
        self._queue: Waiting = {}
        self._followed: dict[str, _Followed] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering: asyncio.Task[None] | None = None
        self._last_asked = self._held_until = 0.0
        self._refusals = self._reading = 0

    async def complete(self, request: Request) -> Completion:
        """Wait for the answer, which may take a day.

        Raises:
            TransientFailure: a request that is asked live failed in a way that another try may mend.
            RequestRefused: the server will not answer this request, or failed at it in several jobs.
            EndpointFailed: the server refuses whole jobs, or cannot be reached any more.
            SettingsError: the server refuses a parameter that the user set.
        """
        name = custom_id(request)
        if (twin := self._asked(name)) is not None:
            return await asyncio.shield(twin.answer)
        job = self._journal.of(name)
        if job is None and (answer := await self._proof(request)) is not None:
            return answer
        asked = Asked(request, asyncio.get_running_loop().create_future())
        if job is None:
            self._put(name, asked)
        else:
            self._join(job, name, asked)
        return await asked.answer

    def answered(self, request: Request) -> None:
        """Learn that an earlier session had this request answered, so that none of its kind need be asked live."""
        self._proven.add(_kind(request))
        self._end.answered(request)

    def worst_case(self, request: Request) -> Usage:
        """What one try cannot pass; see `OpenAIClient`."""
        return self._end.worst_case(request)

    async def close(self) -> None:
        """Stop to wait, say what goes on at the server, and close the connections."""
        left = [one for one in self._followed.values() if one.waiting]
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._queue.clear()
        self._proving.clear()
        await self._end.close()
        if left:
            logger.warning(
                "%s requests are under way at %s in %s: they go on there, and the same command collects them",
                f"{sum(len(one.waiting) for one in left):,}",
                self._end.where,
                ", ".join(one.job.batch or "a job that is being handed over" for one in left),
            )

    # 1) -------------------------------------------------------------------------------------------------------------

    async def _proof(self, request: Request) -> Completion | None:
        """The live answer to the first request of its kind; None for all others, once there is one."""
        kind = _kind(request)
        if kind in self._proven:
            return None
        async with self._proving.setdefault(kind, asyncio.Lock()):
            if kind in self._proven:
                return None
            answer = await self._end.complete(request)
            self._proven.add(kind)
            return answer

    def _asked(self, name: str) -> Asked | None:
        """Who waits for the same answer already."""
        for waiting in (self._queue, *(one.waiting for one in self._followed.values())):
            if (asked := waiting.get(name)) is not None and asked.waits:
                return asked
        return None

    def _put(self, name: str, asked: Asked) -> None:
        self._last_asked = time.monotonic()
        self._queue[name] = asked
        if self._gathering is None or self._gathering.done():
            self._gathering = self._spawn(self._gather(), self._queue)

    def _join(self, job: Job, name: str, asked: Asked) -> None:
        """Wait for a job of an earlier sitting, or for one of this that has answered already."""
        self._last_asked = time.monotonic()
        followed = self._followed.get(job.token) or self._follow_job(job, {}, None)
        followed.waiting[name] = asked

    # 2) -------------------------------------------------------------------------------------------------------------

    async def _gather(self) -> None:
        """Turn the queue into jobs whenever it has been quiet."""
        while self._queue:
            await self._quiet()
            await asyncio.sleep(self._held_until - time.monotonic())
            for name in [name for name, asked in self._queue.items() if not asked.waits]:
                del self._queue[name]
            for (model, path), rows in self._rows_by_kind().items():
                for part in self._parts(rows):
                    if len(part) < self._live_below:
                        for name, asked in self._taken(part).items():
                            self._spawn(self._ask_live(asked), {name: asked})
                        continue
                    job = self._journal.plan(self._end.where, path, model, part)
                    self._follow_job(job, self._taken(part), b"".join(part.values()))

    def _taken(self, names: Iterable[str]) -> Waiting:
        return {name: self._queue.pop(name) for name in names}

    async def _ask_live(self, asked: Asked) -> None:
        completion = await self._end.complete(asked.request)
        if asked.waits:
            asked.answer.set_result(completion)

    async def _quiet(self) -> None:
        """Wait until nothing new comes; as long as results are read, more may come of them."""
        while len(self._queue) < self._most_requests:
            left = self._last_asked + self._quiet_seconds - time.monotonic()
            if left <= 0 and not self._reading:
                return
            await asyncio.sleep(max(left, self._quiet_seconds / 10))

    def _rows_by_kind(self) -> dict[tuple[str, str], dict[str, bytes]]:
        """The rows of the queue by what a job can hold: one model, one API."""
        kinds: dict[tuple[str, str], dict[str, bytes]] = {}
        for name, asked in self._queue.items():
            path, body = self._end.asked(asked.request)
            row = {"custom_id": name, "method": "POST", "url": path, "body": body}
            line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
            kinds.setdefault((asked.request.model, path), {})[name] = line
        return kinds

    def _parts(self, rows: dict[str, bytes]) -> Iterator[dict[str, bytes]]:
        """The rows, cut where a job is full."""
        part: dict[str, bytes] = {}
        size = 0
        for name, line in rows.items():
            if part and (len(part) == self._most_requests or size + len(line) > self._most_bytes):
                yield part
                part, size = {}, 0
            part[name] = line
            size += len(line)
        if part:
            yield part

    # 3) -------------------------------------------------------------------------------------------------------------

    def _follow_job(self, job: Job, waiting: Waiting, content: bytes | None) -> _Followed:
        followed = self._followed[job.token] = _Followed(job, waiting, ours=content is not None)
        self._spawn(self._follow(followed, content), waiting)
        return followed

    async def _follow(self, followed: _Followed, content: bytes | None) -> None:
        """Hand a job over where that is still to do, and give out its answers until nobody waits for it."""
        job, waiting = followed.job, followed.waiting
        try:
            if content is not None:
                await self._desk.hand_over(job, content)
                content = None  # the job may last a day, and this is up to 200 MB
            if not await self._desk.is_there(job):
                self._ask_again(waiting, job)
            while any(asked.waits for asked in waiting.values()):
                batch = await self._desk.ended(job)
                if batch is None:
                    self._ask_again(waiting, job)
                elif batch.status == "failed":
                    self._refused(followed, batch)
                else:
                    await self._give_out(job, batch, waiting)
        finally:
            del self._followed[job.token]

    async def _give_out(self, job: Job, batch: Batch, waiting: Waiting) -> None:
        """Read the results. An answer in either file counts; errors count where there is none."""
        await self._quiet()  # after a restart those who wait for the same job come within seconds
        self._refusals, self._most_requests = 0, min(self._limit, 2 * self._most_requests)
        present = list(waiting)
        errors: dict[str, LLMError | SettingsError] = {}
        counts = batch.request_counts
        self._reading += 1
        try:
            await self._desk.read(batch.output_file_id, waiting, errors, counts.completed if counts else 0)
            await self._desk.read(batch.error_file_id, waiting, errors, 0)
        finally:
            self._reading -= 1
        left = {name: waiting.pop(name) for name in present if name in waiting}
        answers = len(present) - len(left)
        if left:
            told = f"{len(left):,} of {len(job.names):,}"
            logger.warning("batch job %s is %s; without an answer: %s requests", batch.id, batch.status, told)
        for name, asked in left.items():
            if asked.waits:
                self._unanswered(name, asked, errors.get(name), batch, answers)

    def _unanswered(
        self, name: str, asked: Asked, error: LLMError | SettingsError | None, batch: Batch, answers: int
    ) -> None:
        """Ask again what another job may answer, a few times; fail what it will not."""
        asked.tries += 1
        if error is not None and not isinstance(error, TransientFailure):
            asked.answer.set_exception(error)
        elif asked.tries < MOST_TRIES:
            self._put(name, asked)
        elif error is not None and answers:
            asked.answer.set_exception(
                RequestRefused(f"failed in {asked.tries} batch jobs that answered other requests: {error}")
            )
        else:
            why = error or f"the last one is {batch.status}"
            asked.answer.set_exception(EndpointFailed(f"no answer in {asked.tries} batch jobs: {why}"))

    def _refused(self, followed: _Followed, batch: Batch) -> None:
        """Submit a refused job again, smaller or later, where that can help. Nothing of it was paid for.

        Raises:
            EndpointFailed: the server says what is wrong with it.
        """
        told = self._end.refusal(followed.job, batch)
        reasons = (batch.errors and batch.errors.data) or ()
        full = any(one.code == "token_limit_exceeded" for one in reasons)
        if followed.ours and not full:
            raise EndpointFailed(told)
        if full:
            alone = len(self._followed) == 1
            self._refusals += alone
            if alone and len(followed.job.names) == 1 and self._refusals >= MOST_TRIES:
                raise EndpointFailed(told)
            if alone:
                self._most_requests = max(1, len(followed.job.names) // 2)
            self._held_until = time.monotonic() + self._longest_wait * 2 ** min(self._refusals, 4)
        logger.warning("%s; its requests are submitted again", told)
        self._ask_again(followed.waiting, followed.job)

    # The tasks of the loop -------------------------------------------------------------------------------------------

    def _ask_again(self, waiting: Waiting, job: Job) -> None:
        """Put everybody who waits back into the queue, because the job is no more."""
        self._journal.forget(job)
        for name in list(waiting):
            asked = waiting.pop(name)
            if asked.waits:
                self._put(name, asked)

    def _spawn(self, work: Coroutine[Any, Any, None], waiting: Waiting) -> asyncio.Task[None]:
        """Start work that others wait for; they get its error, if it has one."""

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            error = None if task.cancelled() else task.exception()
            for asked in [one for one in waiting.values() if one.waits and (error or task.cancelled())]:
                if error is None:
                    asked.answer.cancel()
                else:
                    asked.answer.set_exception(error)

        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(ended)
        return task


def _kind(request: Request) -> tuple[Any, ...]:
    return request.model, request.stage, *sorted(request.sampling), request.response_format is not None
