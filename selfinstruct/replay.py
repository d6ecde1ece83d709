"""Looking at a run without a call: the same loop over the ledger alone."""

from __future__ import annotations

import os
from dataclasses import replace

from selfinstruct.bootstrap import Bootstrap
from selfinstruct.directory import RunDirectory
from selfinstruct.errors import RunError
from selfinstruct.instances import Furnished
from selfinstruct.interrupts import run_interruptibly
from selfinstruct.ledger import Ledger, Recorded
from selfinstruct.llm import Completion, Request
from selfinstruct.llm.limits import Slots, Stopped
from selfinstruct.methods import TEMPLATES
from selfinstruct.neighbours import neighbourhoods
from selfinstruct.pool import Pool
from selfinstruct.prepare import Setup, prepare
from selfinstruct.run import Run
from selfinstruct.settings import Settings
from selfinstruct.tasks import Rejected, Similar, Task
from selfinstruct.text import TOKENIZERS


def load(path: str | os.PathLike[str]) -> Run:
    """Open a run without touching it, also while another process writes to it.

    Derived files are read where they are current and complete; otherwise the ledger is replayed in memory.

    Raises:
        RunError: there is no run, or its files are damaged.
    """
    directory = RunDirectory(path)
    stored = directory.read()
    carried = sum(task.request is not None for task in directory.read_seeds())
    own_code = bool(stored.filters) or stored.settings.method not in TEMPLATES
    if directory.derived_is_current:
        run = Run(directory.path, stored.settings, directory.read_tasks(), directory.read_rejected())
        if len(run.tasks) - carried >= stored.settings.num_tasks:
            return run
        if own_code:
            return replace(run, stopped="unfinished")
    if own_code:
        raise RunError(
            f"{directory}: its method or filters are your own code, and it ended before its files were written; call "
            "generate with them again"
        )
    setup = prepare(directory, {})
    return _replay(directory, setup, Bootstrap, Recorded)


def refilter(run: Run, *, max_rouge: float) -> Run:
    """Decide again on a run's recorded candidates with another ROUGE-L threshold; see `Run.refilter`."""
    directory = RunDirectory(run.path)
    setup = prepare(directory, {})
    settings = replace(setup.settings, max_rouge=max_rouge)
    unbounded = replace(settings, num_tasks=10_000_000, saturation=0.0)
    setup = replace(setup, stored=replace(setup.stored, settings=unbounded))
    return replace(_replay(directory, setup, _Refilter, _AnyDigest), settings=settings, stopped=None)


def to_run(directory: RunDirectory, setup: Setup, growing: Bootstrap) -> Run:
    """The run that a loop leaves: carried tasks first, then what it settled."""
    result = growing.result()
    tasks = result.tasks
    if setup.settings.neighbours:
        tasks = _with_neighbours(tasks, growing.pool, setup.settings)
    return Run(directory.path, setup.settings, [*setup.carried, *tasks], result.rejected, result.stopped)


def _with_neighbours(tasks: list[Task], pool: Pool, settings: Settings) -> list[Task]:
    members = pool.members
    position = {task.id: i for i, task in enumerate(members)}
    found = neighbourhoods(
        [task.instruction for task in members],
        [position[task.id] for task in tasks],
        settings.neighbours,
        TOKENIZERS[settings.tokenizer],
    )
    return [
        replace(
            task,
            most_similar=tuple(Similar(members[i].id, score) for i, score in one.most_similar),
            mean_similarity=one.mean,
        )
        for task, one in zip(tasks, found, strict=True)
    ]


def _replay(directory: RunDirectory, setup: Setup, loop: type[Bootstrap], recorded: type[Recorded]) -> Run:
    runs: list[Run] = []

    async def grow() -> None:
        slots = Slots(setup.settings.concurrency)
        slots.close()
        with Ledger(directory.ledger_path, writable=False) as ledger:
            llm = recorded(_Nobody(), ledger)
            growing = loop(setup.settings, setup.method, setup.rules, setup.pool(), setup.stage(), llm, slots)
            await growing.run()
        runs.append(to_run(directory, setup, growing))

    run_interruptibly(grow, lambda _: None)
    return runs[0]


class _Nobody:
    """The model of a replay: whatever is not in the ledger stays unasked."""

    async def complete(self, request: Request) -> Completion:
        raise Stopped


class _AnyDigest(Recorded):
    """Finds instruction answers by their index alone, because no prompt is drawn again."""

    def knows(self, request: Request) -> bool:
        return request.key in self.ledger


class _Refilter(Bootstrap):
    """Takes the recorded answers in request order, and notes for which tasks nothing was asked."""

    def _request(self, index: int) -> Request:
        request = Request(model=self._sampling.model, index=index)
        entry = self.llm.ledger.get(request.key)
        return request if entry is None else replace(request, about=entry.request)

    async def _furnish(self, task: Task) -> None:
        try:
            await super()._furnish(task)
        except Stopped:
            missing = Rejected(f"{task.id}-x0", "instances", "not_asked", task.instruction)
            self._settle(Furnished(task, (missing,)))
