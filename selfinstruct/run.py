"""The run: `generate` begins or resumes one, `load` opens one, and `Run` is what there is to see."""

from __future__ import annotations

import html
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from selfinstruct.directory import RunDirectory, dataset_rows
from selfinstruct.filters import Filter
from selfinstruct.ledger import Ledger
from selfinstruct.settings import Settings
from selfinstruct.tasks import Rejected, Task

if TYPE_CHECKING:
    import datasets

    from selfinstruct.report import Report
    from selfinstruct.report.material import Source

EXIT_STATUS = {None: 0, "interrupted": 130, "terminated": 143}
STOPPED_EARLY = 3
ROW_TEXTS = ("instruction", "input", "output")


@dataclass(frozen=True)
class Spent:
    """What a run's whole ledger adds up to: calls answered, calls that failed for good, tokens, and money.

    `attempts` are tries that may have been billed and brought no usage; `uncertain_tokens` is what they cannot have
    passed, and is not in the other counts. `cost` is in USD, such tries at their worst case, and None where a price is
    not known. `by_stage` counts calls, `seconds` is the time that they took, added up, and `rate` is how many came in a
    second of late.
    """

    calls: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    by_stage: Counter[str] = field(default_factory=Counter)
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    attempts: int = 0
    uncertain_tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0
    rate: float | None = None
    first: float | None = None
    last: float | None = None


@dataclass(frozen=True)
class Run:
    """A run as it stands on disk: its tasks, what was rejected and why, and how it ended.

    `stopped` is None where the target was reached; otherwise "saturated" (the model says nothing new), "interrupted",
    "terminated", "failed" or "unfinished" (another process is at it, or it was killed). Each can be gone on with by
    calling `generate` again. The first `carried` tasks are those of the run or set that this one began from.
    """

    path: Path
    settings: Settings
    tasks: Sequence[Task]
    rejected: Sequence[Rejected]
    stopped: str | None = None
    carried: int = 0

    location: Path = field(init=False, compare=False)

    def __post_init__(self) -> None:
        # Where it is stays true after a change of the working directory.
        object.__setattr__(self, "location", Path.cwd() / self.path)

    @property
    def dataset(self) -> list[dict[str, str]]:
        """One row an instance, as in dataset.jsonl: id, instruction, input, output."""
        return list(dataset_rows(self.tasks))

    @property
    def is_demo(self) -> bool:
        """Whether the offline teacher wrote any of it: a demonstration, not training data."""
        return self.settings.model == "demo" or any(task.model == "demo" for task in self.tasks)

    @property
    def rejections(self) -> Counter[str]:
        """How many pieces each rule turned down."""
        return Counter(row.rule for row in self.rejected)

    @cached_property
    def spent(self) -> Spent:
        """Calls and tokens over the whole ledger."""
        return spent_in(self.location, self.settings)

    @property
    def exit_status(self) -> int:
        """The exit status of the command line for this outcome."""
        return EXIT_STATUS.get(self.stopped, STOPPED_EARLY)

    def to_dataset(self) -> datasets.Dataset:
        """The rows as a `datasets.Dataset` with the text columns id, instruction, input and output."""
        from selfinstruct.export import to_dataset

        return to_dataset(self.dataset)

    def export(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,
        *,
        template: str | os.PathLike[str] | None = None,
        seed: int = 123,
    ) -> int:
        """Write the rows in one of the formats of `selfinstruct.export` and return how many records there are.

        The options and errors are those of `selfinstruct.export.export`.
        """
        from selfinstruct.export import export

        return export(self.dataset, path, format, template=template, seed=seed, card=self.card)

    def card(self) -> str:
        """A data card in Markdown, written from settings and counts."""
        from selfinstruct.export.card import write_card

        return write_card(self)

    def push_to_hub(
        self,
        repo: str,
        *,
        private: bool = True,
        license: str | None = None,
        seeds_license: str | None = None,
        cost: bool = False,
        with_ledger: bool = False,
        report: bool = True,
        force: bool = False,
        allow_keys: bool = False,
    ) -> str:
        """Publish rows and card on the Hub as `repo` (OWNER/NAME) in one commit, and return the address.

        A set that is there already is replaced and stays as private or public as it is. The login is huggingface_hub's
        own. `report=False` leaves figures and pictures out of the card. `force` publishes a demonstration,
        `allow_keys` texts that look as if they held a key.

        Raises:
            SettingsError: there is no login, or the run is not to be published as it is.
            HubError: the Hub could not be reached or refused.
        """
        from selfinstruct.export.card import Stated
        from selfinstruct.export.folder import Contents
        from selfinstruct.export.hub import push

        stated = Stated(license=license, seeds_license=seeds_license, cost=cost)
        contents = Contents(ledger=with_ledger, report=report, force=force, allow_keys=allow_keys)
        return push(self, repo, private=private, stated=stated, contents=contents).url

    def refilter(self, *, max_rouge: float, filters: Sequence[Filter] = ()) -> Run:
        """Decide again on the recorded answers with another threshold, without a call and without touching the run.

        A lower threshold keeps fewer tasks. A higher one admits candidates for which nothing was asked yet; they stand
        in `rejected` with the rule `not_asked`. `filters` are the run's own rules, where it has any.
        """
        from selfinstruct.replay import refilter

        return refilter(self, max_rouge=max_rouge, filters=filters)

    def report(self, *, against: Source | None = None, seed: int = 0) -> Report:
        """Counts, pictures and rows to browse, as one page: shown in a notebook, or `.save("report.html")`.

        `against` is the set that it is compared with, by default the run's seeds.
        """
        from selfinstruct.report import report

        return report(self, against=against, seed=seed)

    def __repr__(self) -> str:
        ending = f", stopped: {self.stopped}" if self.stopped else ""
        demo = ", a demonstration" if self.is_demo else ""
        money = f", ${self.spent.cost:.2f}" if self.spent.cost else ""
        return (
            f"Run({str(self.path)!r}: {len(self.tasks):,} tasks, {len(self.dataset):,} rows, "
            f"{len(self.rejected):,} rejected, {self.spent.calls:,} calls{money}{ending}{demo})"
        )

    def _repr_html_(self) -> str:
        """The same for a notebook, with the first tasks and the reasons of rejections."""
        cell = html.escape
        left = "style='text-align:left;vertical-align:top'"
        rows = "".join(
            "<tr>" + "".join(f"<td {left}>{cell(_short(row[name]))}</td>" for name in ROW_TEXTS) + "</tr>"
            for row in self._first_rows(5)
        )
        heads = "".join(f"<th {left}>{name}</th>" for name in ROW_TEXTS)
        reasons = ", ".join(f"{cell(rule)} {number:,}" for rule, number in self.rejections.most_common())
        return (
            f"<p><b>{cell(repr(self))}</b></p><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
            f"<p>rejected: {reasons or 'nothing'}</p>"
        )

    def _first_rows(self, number: int) -> Iterator[dict[str, str]]:
        return dataset_rows(replace(task, instances=task.instances[:1]) for task in self.tasks[:number])


def _short(text: str, length: int = 160) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def spent_in(path: Path, settings: Settings) -> Spent:
    """Add up the ledger of a run."""
    from selfinstruct.llm.prices import prices_of

    directory = RunDirectory(path)
    if not directory.ledger_path.is_file():
        return Spent()
    with Ledger(directory.ledger_path, writable=False) as ledger:
        tally = ledger.tally
    total = tally.total
    return Spent(
        total.calls,
        total.failed,
        total.prompt_tokens,
        total.completion_tokens,
        Counter({stage: one.calls + one.failed for stage, one in tally.items() if one.calls + one.failed}),
        total.cached_tokens,
        total.reasoning_tokens,
        total.attempts,
        total.uncertain_prompt_tokens + total.uncertain_completion_tokens,
        prices_of(settings).cost(tally),
        total.seconds,
        tally.rate,
        tally.first,
        tally.last,
    )
