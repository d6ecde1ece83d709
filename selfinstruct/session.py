"""One sitting at a run: begin or resume it, grow it, and leave it whole, however it ends."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from math import inf
from typing import TYPE_CHECKING, Any

from selfinstruct.bootstrap import Bootstrap
from selfinstruct.directory import RunDirectory
from selfinstruct.errors import EndpointFailed, SettingsError
from selfinstruct.filters import Filter
from selfinstruct.interrupts import run_interruptibly
from selfinstruct.ledger import Ledger, Recorded
from selfinstruct.llm import LLM
from selfinstruct.llm.budget import Metered, budget_of
from selfinstruct.llm.limits import Slots
from selfinstruct.llm.retry import BREAKER_REFUSALS, Retrying
from selfinstruct.prepare import Setup, prepare
from selfinstruct.progress import Progress
from selfinstruct.replay import to_run
from selfinstruct.run import Run
from selfinstruct.teachers import BATCH_IN_FLIGHT, JOURNAL, teacher

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from selfinstruct.settings import Options

logger = logging.getLogger("selfinstruct")

PROBE_CONCURRENCY = 4


def generate(
    path: str | os.PathLike[str],
    *,
    llm: LLM | None = None,
    filters: Sequence[Filter] = (),
    progress: bool | None = None,
    **options: Unpack[Options],
) -> Run:
    """Grow a data set from seed tasks into the run directory `path`, or go on with the run that is there.

    Calling it again with the same arguments resumes a run that was stopped or killed, and repeats no call; options that
    are not given are taken from the run. `selfinstruct.settings.Settings` lists the options with their meanings.

    Args:
        path: the run directory.
        llm: a language model of your own (`model=` takes it as well), in the place of an endpoint.
        filters: rules of your own, asked after the built-in ones; see `selfinstruct.filters`.
        progress: show a progress line; by default in notebooks and at terminals.

    Returns:
        The run. `stopped` says why, where it ended before the target: saturated, interrupted, ...

    Raises:
        SettingsError: an option, or the change of an option on a resume, cannot be used.
        RunError: the directory cannot be used: locked, damaged, disk full.
        EndpointFailed: the endpoint gave no answer any more. What was answered is kept; call again to go on.
        KeyboardInterrupt: interrupted a second time while the answers in flight were awaited.

    Example:
        >>> run = generate("runs/first", model="demo", num_tasks=20)  # doctest: +SKIP
    """
    with Session.opened(path, llm, filters, progress, options) as session:
        run_interruptibly(session.grow, session.interrupt)
    return session.run()


async def agenerate(
    path: str | os.PathLike[str],
    *,
    llm: LLM | None = None,
    filters: Sequence[Filter] = (),
    progress: bool | None = None,
    **options: Unpack[Options],
) -> Run:
    """The same as `generate` for asynchronous code; cancelling it stops at once and keeps every answer."""
    with Session.opened(path, llm, filters, progress, options) as session:
        await session.grow()
    return session.run()


class Session:
    """A sitting. `probe` ends it after so many tasks, a few calls at a time."""

    probe: int | None = None

    def __init__(
        self,
        directory: RunDirectory,
        setup: Setup,
        ledger: Ledger,
        llm: Any,
        slots: Slots,
        progress: bool | None,
    ) -> None:
        self._directory, self._setup, self._ledger, self._llm, self._slots = directory, setup, ledger, llm, slots
        self._progress = progress
        self._growing: Bootstrap | None = None
        self._run: Run | None = None
        self._close: Callable[[], Awaitable[None]] | None = None
        self._stop_early: str | None = None

    @classmethod
    @contextmanager
    def opened(
        cls,
        path: str | os.PathLike[str],
        llm: LLM | None,
        filters: Sequence[Filter],
        progress: bool | None,
        options: Mapping[str, Any],
    ) -> Iterator[Session]:
        """Hold the directory's lock, and derive its files at the end, however the sitting ends."""
        directory = RunDirectory(path)
        options, llm = _with_own_model(options, llm)
        filters = [filters] if callable(filters) else list(filters or ())
        if not directory.begun:
            # An option that cannot be used, or a missing key, leaves no folder behind.
            planned = prepare(directory, options, filters)
            budget_of(planned.settings)
            if llm is None:
                teacher(planned, lambda: None, Slots(1), path)
        with directory.locked():
            setup = prepare(directory, options, filters)
            slots = Slots(BATCH_IN_FLIGHT if setup.settings.batch else setup.settings.concurrency)
            own = teacher(setup, lambda: directory.write_settings(setup.stored), slots, path) if llm is None else None
            directory.write(setup.stored, [*setup.seeds, *setup.carried], setup.protected)
            with Ledger(directory.ledger_path) as ledger:
                session = cls(directory, setup, ledger, own if llm is None else llm, slots, progress)
                session._close = getattr(own, "close", None)  # a model of the user's is theirs to close
                session._announce_changes()
                session._announce_jobs()
                try:
                    yield session
                except EndpointFailed as error:
                    session._derive()
                    raise EndpointFailed(f"{error}{session._kept()}") from error
                except (KeyboardInterrupt, asyncio.CancelledError):
                    session._derive()
                    raise
                session._derive()

    async def grow(self) -> None:
        setup, settings, slots = self._setup, self._setup.settings, self._slots
        budget = budget_of(settings)
        metered = Metered(
            self._llm, self._ledger, budget, on_exhausted=lambda: self.stop("budget"), stopping=slots.closed.is_set
        )
        patient = inf if settings.batch else BREAKER_REFUSALS
        retrying = Retrying(metered, slots, settings.give_up, deadline=settings.deadline, refusals=patient)
        recorded = Recorded(retrying, self._ledger, self._versions, on_recall=retrying.answered)
        bar = Progress(self.probe or settings.num_tasks, self._progress, lambda: budget.prices.cost(self._ledger.tally))
        self._growing = growing = Bootstrap(
            settings, setup.method, setup.rules, setup.pool(), setup.stage(), recorded, slots, self._seen(bar)
        )
        growing.patience = metered.patience
        if self._stop_early:
            growing.stop(self._stop_early)
        if self.probe is not None:
            slots.most = PROBE_CONCURRENCY
        try:
            await growing.run()
        finally:
            bar.close(growing)
            if self._close is not None:
                await self._close()

    def _seen(self, bar: Progress) -> Callable[[Bootstrap], None]:
        def seen(growing: Bootstrap) -> None:
            bar.update(growing)
            if self.probe is not None and growing.done >= self.probe:
                growing.stop("probed")

        return seen

    def interrupt(self, reason: str) -> None:
        """Stop because somebody asks for it."""
        if self._growing is None or self._growing.patience:
            logger.warning("stopping: waiting for the answers in flight (again to stop at once)")
        self.stop(reason)

    def stop(self, reason: str) -> None:
        """Start no more calls."""
        self._stop_early = reason
        if self._growing is not None:
            self._growing.stop(reason)

    def run(self) -> Run:
        """The run as this sitting has left it."""
        assert self._run is not None
        return self._run

    def _derive(self) -> None:
        """Write the derived files, and then from what they were made."""
        if self._growing is None:
            return
        self._run = run = to_run(self._directory, self._setup, self._growing)
        self._ledger.close()
        stored = self._setup.stored
        derived = {"ledger": self._directory.ledger_bytes, "stopped": run.stopped}
        self._directory.write_derived(run.tasks, run.rejected)
        if stored.derived != derived:
            stored.derived = derived
            self._directory.write_settings(stored)

    def _kept(self) -> str:
        answers = len(self._ledger)
        if not answers:
            return ""
        return f"\n{answers:,} answers are kept in {self._directory}; the same command goes on from there."

    def _announce_changes(self) -> None:
        changed = self._setup.changed
        if not changed:
            return
        stages = {"instances"} | ({"classify"} if any(name.startswith("classify") for name in changed) else set())
        again = sum(key.partition("/")[0] in stages for key in self._ledger)
        logger.warning("%s changed: up to %s calls of the run are made again", ", ".join(changed), f"{again:,}")

    def _announce_jobs(self) -> None:
        """Say that answers wait at the provider, where this sitting does not collect them."""
        path = self._directory.path / JOURNAL
        if self._setup.settings.batch or not path.exists():
            return
        from selfinstruct.llm.jobs import Journal

        if waiting := Journal(path).unanswered(self._ledger):
            logger.warning(
                "%s requests of this run are in batch jobs and may be paid for; go on with --batch to collect them",
                f"{waiting:,}",
            )

    def _versions(self) -> str:
        return f" (begun with selfinstruct {self._setup.stored.version}, this is {version('selfinstruct')})"


def _with_own_model(options: Mapping[str, Any], llm: LLM | None) -> tuple[dict[str, Any], LLM | None]:
    """Take a model object that was given as `model=`, and name the model of the settings after the object."""
    given = dict(options)
    if isinstance(given.get("seeds"), Iterator):
        given["seeds"] = list(given["seeds"])  # it is read more than once
    if llm is None and hasattr(given.get("model"), "complete"):
        llm = given.pop("model")
    if llm is None:
        return given, None
    if isinstance(llm, type) or not inspect.iscoroutinefunction(getattr(llm, "complete", None)):
        raise SettingsError(
            f"{llm!r} is no language model: an object with a method `async def complete(self, request)` is one"
        )
    given.setdefault("model", str(getattr(llm, "model", None) or type(llm).__name__))
    return given, llm
