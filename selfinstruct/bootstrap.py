"""The loop that grows the pool: the file to read first.

1. `_start_requests` writes the prompt of request j from the pool as it stood after the first `seen(j)` answers, and
   asks it if its answer is not in the ledger.
2. `_admit_answers` takes answers in the order of their requests, whatever order they came in. Each candidate is judged
   by the filters against the pool; what is kept joins the pool and may be shown by later prompts.
3. `_start_furnishing` gives admitted tasks their instances, in their order and no more than the target still needs.
4. `result` folds all that into the tasks and rejections of a run, in admission order.

What a request says depends on settings and earlier answers alone; when it is sent is scheduling and never changes it.
So running is the same as replaying: with every answer in the ledger the loop makes no call, and with some of them it
makes the calls that are missing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import floor
from random import Random
from typing import Any

from selfinstruct.errors import RequestRefused
from selfinstruct.filters import Filter, judge
from selfinstruct.instances import Furnished, InstanceStage, StageSettings, furnish_at_once, rejected_piece
from selfinstruct.ledger import Recorded
from selfinstruct.llm import Completion, Request
from selfinstruct.llm.limits import DRAIN_SECONDS, RANKS, Slots, Stopped
from selfinstruct.methods import Method
from selfinstruct.pool import Pool
from selfinstruct.settings import Settings
from selfinstruct.tasks import Candidate, Rejected, Task

HEAD_START = 4
RECALLED_AT_ONCE = 50
# Until there is something to judge by, this share of the tasks that an answer is asked for is taken to be kept.
EXPECTED_SHARE = 0.5


def seen(request: int, lookahead: float) -> int:
    """How many answers the prompt of a request may know: all but the last 4 and a share `lookahead` of those before."""
    return max(0, request - HEAD_START - floor(lookahead * request))


@dataclass
class Result:
    """The tasks and rejections of a run in admission order, and why it ended.

    `stopped` is None where the target was reached, otherwise "saturated" or the reason that was given to `stop`.
    """

    tasks: list[Task] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    stopped: str | None = None


@dataclass(frozen=True)
class Growth:
    """How far a loop is: answers admitted, candidates in them, tasks kept of these, furnished, and with instances."""

    answers: int
    candidates: int
    kept: int
    furnished: int
    done: int


class Bootstrap:
    """Grows a pool until `num_tasks` tasks have instances, or nothing new comes any more."""

    def __init__(
        self,
        settings: Settings,
        method: Method,
        rules: Sequence[Filter],
        pool: Pool,
        stage: InstanceStage,
        llm: Recorded,
        slots: Slots,
        on_change: Callable[[Bootstrap], None] = lambda _: None,
    ) -> None:
        self.settings, self.method, self.rules, self.pool = settings, method, rules, pool
        self.llm, self.slots = llm, slots
        self.stopped: str | None = None
        self.patience = DRAIN_SECONDS
        self.done = 0
        self._stage, self._on_change = stage, on_change
        self._sampling = StageSettings.of(settings, "", method.sampling)
        self._next = 0
        self._prepared: Request | None = None
        self._answers: dict[int, tuple[Request, Completion | RequestRefused]] = {}
        # One entry for each admitted request: its tasks and rejections, in order.
        self._admitted: list[list[Task | Rejected]] = []
        self._generated_after = [len(pool.generated)]
        self._unfurnished: deque[Task] = deque()
        self._furnishing = 0
        self._candidates = 0
        self._asked_for = 0
        self._furnished: dict[str, Furnished] = {}
        self._jobs: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self.slots.on_free = self._changed.set
        self._failure: BaseException | None = None

    async def run(self) -> None:
        """Grow the pool to its end, or as far as it goes before `stop`.

        Raises:
            EndpointFailed, DiskFull, ...: whatever a request failed with; `result` holds what there was before.
        """
        patience = self.patience
        try:
            while self.done < self.settings.num_tasks and self.stopped is None:
                self._admit_answers()
                more = self._start_requests()
                self._start_furnishing()
                self._on_change(self)
                if more:
                    await asyncio.sleep(0)  # a long replay lets signals and other work in
                elif self._jobs:
                    await self._changed.wait()
                    self._changed.clear()
                else:
                    break
        except asyncio.CancelledError:
            patience = 0.0
            raise
        finally:
            await self._drain(patience)
        if self._failure is not None:
            raise self._failure

    @property
    def acceptance(self) -> tuple[int, int]:
        """How many candidates the filters have kept, and how many there were."""
        return len(self.pool.generated) - self._generated_after[0], self._candidates

    @property
    def growth(self) -> Growth:
        """How far it is."""
        kept, candidates = self.acceptance
        return Growth(len(self._admitted), candidates, kept, len(self._furnished), self.done)

    def stop(self, reason: str) -> None:
        """Start no new call. What is in flight is awaited and recorded."""
        self.stopped = self.stopped or reason
        self.slots.close()
        self._changed.set()

    def result(self) -> Result:
        """Fold what is settled: admissions in order, up to the target or to the first task that is not furnished."""
        result = Result()
        wanted = self.settings.num_tasks
        for admission in self._admitted:
            for item in admission:
                if isinstance(item, Rejected):
                    result.rejected.append(item)
                elif len(result.tasks) == wanted:
                    result.rejected.append(Rejected(item.id, "instructions", "surplus", self._text(item)))
                elif (furnished := self._furnished.get(item.id)) is None:
                    result.stopped = self.stopped or "unfinished"
                    return result
                else:
                    result.rejected.extend(furnished.rejected)
                    if furnished.task.instances:
                        result.tasks.append(furnished.task)
                    else:
                        why = ", ".join(dict.fromkeys(row.rule for row in furnished.rejected)) or "an empty answer"
                        failed = Rejected(item.id, "instances", "no_instance", item.instruction, detail=why)
                        result.rejected.append(failed)
            if len(result.tasks) == wanted:
                return result
        result.stopped = "saturated" if self._saturated() else self.stopped or "unfinished"
        return result

    def _text(self, task: Task) -> str:
        """A task as it was proposed: with its instances, where they came with it."""
        furnished = self._furnished.get(task.id)
        proposed = furnished is not None and not self.method.needs_instances
        return Candidate(task.instruction, furnished.task.instances if furnished and proposed else ()).text

    # 1) -------------------------------------------------------------------------------------------------------------

    def _start_requests(self) -> bool:
        """Ask what may be asked now; True if there are more recorded answers to take."""
        for _ in range(RECALLED_AT_ONCE):
            if not (self._wants_more() and self._sees_enough(self._next)):
                return False
            request = self._prepared or self._request(self._next)
            self._prepared = request
            if self.llm.knows(request):
                self._answers[self._next] = request, self.llm.recall(request)
                self._admit_answers()
            elif not self._unfurnished and self.slots.take():
                self._start(self._ask_instructions(request))
            else:
                return False
            self._prepared = None
            self._next += 1
        return True

    def _sees_enough(self, index: int) -> bool:
        return not self.method.reads_pool or seen(index, self.settings.lookahead) <= len(self._admitted)

    def _wants_more(self) -> bool:
        """Whether the tasks on their way are too few for the target."""
        if self._saturated():
            return False
        answers = len(self._admitted)
        expected_yield = (EXPECTED_SHARE * self._asked_for + self.acceptance[0]) / (1 + answers)
        on_their_way = len(self._unfurnished) + self._furnishing + (self._next - answers) * expected_yield
        return self.done + on_their_way < self.settings.num_tasks

    def _request(self, index: int) -> Request:
        known = seen(index, self.settings.lookahead) if self.method.reads_pool else 0
        view = self.pool.view(self._generated_after[known])
        proposal = self.method.propose(view, Random(f"{self.settings.seed}/{index}"))
        self._asked_for = proposal.count
        about = {"index": index, "first": proposal.first, "count": proposal.count, "examples": proposal.examples}
        request = self._sampling.request(
            "instructions",
            self.settings.api,
            proposal.prompt,
            schema=proposal.response_format,
            index=index,
            about=about,
        )
        if proposal.stop and "stop" not in (self.settings.extra_body or {}):
            sampling = {**request.sampling, "stop": list(proposal.stop)}
            request = replace(request, sampling=sampling, optional=request.optional | {"stop"})
        return request

    async def _ask_instructions(self, request: Request) -> None:
        """Ask with the slot that was taken for it."""
        assert request.index is not None
        try:
            self._answers[request.index] = request, await self._call(request)
        except RequestRefused as error:
            self._answers[request.index] = request, error

    async def _ask(self, request: Request) -> Completion:
        """Answer from the ledger, or wait for a slot and call."""
        if not self.llm.knows(request):
            await self.slots.acquire(RANKS[request.stage])
            return await self._call(request)
        return await self.llm.complete(request)

    async def _call(self, request: Request) -> Completion:
        """Call with a slot in hand. An error that ends the run stops it before the slot goes to somebody else."""
        try:
            return await self.llm.complete(request)
        except (RequestRefused, Stopped):
            raise
        except Exception as error:
            self._fail(error)
            raise
        finally:
            self.slots.release()

    # 2) -------------------------------------------------------------------------------------------------------------

    def _admit_answers(self) -> None:
        while (index := len(self._admitted)) in self._answers and not self._saturated():
            request, answer = self._answers.pop(index)
            self._admitted.append(list(self._admit(index, request, answer)))
            self._generated_after.append(len(self.pool.generated))

    def _admit(self, index: int, request: Request, answer: Completion | RequestRefused) -> Iterator[Task | Rejected]:
        if isinstance(answer, RequestRefused):
            yield Rejected(f"b{index}-x0", "instructions", "request_failed", "", detail=str(answer))
            return
        parsed = self.method.parse(answer, request.about["first"])
        self._candidates += len(parsed.items)
        for number, piece in enumerate(parsed.dropped):
            yield rejected_piece(index, number, piece)
        for position, candidate in enumerate(parsed.items):
            name = f"b{index}-{position}"
            found = judge(candidate, self.pool, self.rules)
            if found is None:
                yield self._admit_task(name, index, position, candidate)
            else:
                text = candidate.text
                yield Rejected(name, "instructions", found.rule, text, found.score, found.neighbour, found.detail)

    def _admit_task(self, name: str, index: int, position: int, candidate: Candidate) -> Task:
        task = Task(
            name,
            candidate.instruction,
            is_classification=candidate.is_classification,
            request=index,
            position=position,
            method=self.method.name,
            model=self._sampling.model,
        )
        if self.method.needs_instances:
            self.pool.admit(task)
            self._unfurnished.append(task)
        else:
            # The pool shows what was known at admission, and here the instances were.
            self.pool.admit(replace(task, instances=candidate.instances))
            self._settle(furnish_at_once(task, candidate, self.settings.max_instances))
        return task

    def _saturated(self) -> bool:
        window = self.settings.saturation_window
        if len(self._admitted) < window:
            return False
        new = self._generated_after[-1] - self._generated_after[-1 - window]
        return new < self.settings.saturation * window

    # 3) -------------------------------------------------------------------------------------------------------------

    def _start_furnishing(self) -> None:
        most_at_once = max(64, 2 * self.slots.permits)
        needed = self.settings.num_tasks - self.done - self._furnishing
        while self._unfurnished and needed > 0 and self._furnishing < most_at_once:
            self._furnishing += 1
            needed -= 1
            self._start(self._furnish(self._unfurnished.popleft()))

    async def _furnish(self, task: Task) -> None:
        try:
            self._settle(await self._stage.furnish(task, self._ask))
        finally:
            self._furnishing -= 1

    def _settle(self, furnished: Furnished) -> None:
        self._furnished[furnished.task.id] = furnished
        self.done += bool(furnished.task.instances)

    # The jobs ---------------------------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        job = asyncio.get_running_loop().create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._ended)

    def _ended(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        self._changed.set()
        error = None if job.cancelled() else job.exception()
        if error is not None and not isinstance(error, Stopped):
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self.stop("failed")

    async def _drain(self, patience: float) -> None:
        """Wait for the answers in flight, so that what is paid for is kept; then cancel what hangs."""
        self.slots.close()
        if self._jobs and patience:
            await asyncio.wait(self._jobs, timeout=patience)
        hanging = list(self._jobs)
        for job in hanging:
            job.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        self._admit_answers()
