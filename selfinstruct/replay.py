"""Looking at a run without a call: the same loop over the ledger alone."""

from __future__ import annotations

import os
from dataclasses import replace

from selfinstruct.bootstrap import Bootstrap, Result
from selfinstruct.directory import RunDirectory
from selfinstruct.errors import RunError
from selfinstruct.instances import Furnished
from selfinstruct.interrupts import run_interruptibly
from selfinstruct.ledger import Ledger, Recorded
from selfinstruct.llm import Completion, Request
from selfinstruct.llm.limits import Slots, Stopped
from selfinstruct.methods import TEMPLATES
from selfinstruct.prepare import Setup, prepare
from selfinstruct.run import Run
from selfinstruct.tasks import Rejected, Task


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
    result = _replay(directory, setup, Bootstrap, Recorded)
    return Run(directory.path, stored.settings, [*setup.carried, *result.tasks], result.rejected, result.stopped)


def refilter(run: Run, *, max_rouge: float) -> Run:
    """Decide again on a run's recorded candidates with another ROUGE-L threshold; see `Run.refilter`."""
    directory = RunDirectory(run.path)
    setup = prepare(directory, {})
    settings = replace(setup.settings, max_rouge=max_rouge)
    unbounded = replace(settings, num_tasks=10_000_000, saturation=0.0)
    setup = replace(setup, stored=replace(setup.stored, settings=unbounded))
    result = _replay(directory, setup, _Refilter, _AnyDigest)
    return Run(directory.path, settings, [*setup.carried, *result.tasks], result.rejected)


def _replay(
    directory: RunDirectory, setup: Setup, loop: type[Bootstrap], recorded: type[Recorded]
) -> Result:
    results: list[Result] = []

    async def grow() -> None:
        slots = Slots(setup.settings.concurrency)
        slots.close()
        with Ledger(directory.ledger_path, writable=False) as ledger:
            llm = recorded(_Nobody(), ledger)
            growing = loop(setup.settings, setup.method, setup.rules, setup.pool(), setup.stage(), llm, slots)
            await growing.run()
        results.append(growing.result())

    run_interruptibly(grow, lambda _: None)
    return results[0]


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
