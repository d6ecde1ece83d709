"""Looking at a run without a call: the same loop over the ledger alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace

from selfinstruct.bootstrap import Bootstrap, Growth
from selfinstruct.directory import RunDirectory, Stored
from selfinstruct.errors import RunError, SettingChanged
from selfinstruct.filters import Filter
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

logger = logging.getLogger("selfinstruct")


def load(path: str | os.PathLike[str]) -> Run:
    """Open a run without touching it, also while another process writes to it.

    Derived files are read where they are those of the settings and of the whole ledger; otherwise the ledger is
    replayed in memory. Where it cannot be (its method or filters are code of the user's, it was written by other code
    than this, or it is damaged or gone), the files are shown as they were last written, and a warning says so.

    Raises:
        RunError: there is no run, or its files are damaged.
    """
    directory = RunDirectory(path)
    stored = directory.read()
    if directory.is_current(stored):
        assert stored.derived is not None
        return _as_written(directory, stored, stored.derived["stopped"])
    try:
        if stored.filters or stored.settings.method not in TEMPLATES:
            raise SettingChanged(
                f"{directory}: its method or filters are your own code; call generate with them from Python to go on"
            )
        return _replay(directory, prepare(directory, {}), Bootstrap, Recorded)
    except (SettingChanged, RunError) as error:
        if not directory.has_derived:
            raise
        logger.warning("%s\nWhat is shown is what was last written.", error)
        return _as_written(directory, stored, "unfinished")


def _as_written(directory: RunDirectory, stored: Stored, stopped: str | None) -> Run:
    carried = sum(task.request is not None for task in directory.read_seeds())
    return Run(
        directory.path, stored.settings, directory.read_tasks(), directory.read_rejected(), stopped, carried=carried
    )


def refilter(run: Run, *, max_rouge: float, filters: Sequence[Filter] = ()) -> Run:
    """Decide again on a run's recorded candidates with another ROUGE-L threshold; see `Run.refilter`."""
    directory = RunDirectory(run.location)
    setup = prepare(directory, {}, filters)
    settings = replace(setup.settings, max_rouge=max_rouge)
    unbounded = replace(settings, num_tasks=10_000_000, saturation=0.0)
    setup = replace(setup, stored=replace(setup.stored, settings=unbounded))
    again = _replay(directory, setup, _Refilter, _AnyDigest)
    return replace(again, path=run.path, settings=settings, stopped=None)


def to_run(directory: RunDirectory, setup: Setup, growing: Bootstrap) -> Run:
    """The run that a loop leaves: carried tasks first, then what it settled."""
    result = growing.result()
    tasks = result.tasks
    if setup.settings.neighbours:
        tasks = _with_neighbours(tasks, growing.pool, setup.settings)
    return Run(
        directory.path,
        setup.settings,
        [*setup.carried, *tasks],
        result.rejected,
        result.stopped,
        carried=len(setup.carried),
    )


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


def growth(path: str | os.PathLike[str]) -> Growth:
    """How far a run is by its ledger, answers included that its derived files do not show yet."""
    directory = RunDirectory(path)
    return _grown(directory, prepare(directory, {}), Bootstrap, Recorded).growth


def _replay(directory: RunDirectory, setup: Setup, loop: type[Bootstrap], recorded: type[Recorded]) -> Run:
    return to_run(directory, setup, _grown(directory, setup, loop, recorded))


def _grown(directory: RunDirectory, setup: Setup, loop: type[Bootstrap], recorded: type[Recorded]) -> Bootstrap:
    """A loop that has gone as far as the ledger takes it."""
    loops: list[Bootstrap] = []

    async def grow() -> None:
        slots = Slots(setup.settings.concurrency)
        slots.close()
        with Ledger(directory.ledger_path, writable=False) as ledger:
            llm = recorded(_Nobody(), ledger)
            growing = loop(setup.settings, setup.method, setup.rules, setup.pool(), setup.stage(), llm, slots)
            loops.append(growing)
            await growing.run()
        if growing.stopped is not None:
            raise KeyboardInterrupt

    def stop(reason: str) -> None:
        for growing in loops:
            growing.stop(reason)

    run_interruptibly(grow, stop)
    return loops[0]


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
