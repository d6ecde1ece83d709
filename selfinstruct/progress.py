"""The progress line of a growing run."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selfinstruct.bootstrap import Bootstrap

REFRESH_SECONDS = 0.5
FEWEST_TO_PROJECT = 5


class Progress:
    """A tqdm bar of accepted tasks, with calls, the share of candidates that the filters keep, and money.

    `cost` gives the USD that the run has cost so far, None where that is not known. `show` None means: in a notebook
    and at a terminal, not on a pipe.
    """

    def __init__(self, total: int, show: bool | None = None, cost: Callable[[], float | None] = lambda: None) -> None:
        with warnings.catch_warnings():
            # Without ipywidgets a notebook shows the bar as text, which is all that we need.
            warnings.filterwarnings("ignore", "IProgress not found")
            from tqdm.auto import tqdm

        if show is None and "ipykernel" in sys.modules:
            show = True
        # For tqdm, disable=None means: at a terminal only.
        self._bar = tqdm(total=total, unit="task", disable=None if show is None else not show)
        self._total, self._cost = total, cost
        self._shown_at = 0.0

    def update(self, growing: Bootstrap) -> None:
        """Show how far it is; cheap to call often."""
        if time.monotonic() - self._shown_at < REFRESH_SECONDS:
            return
        self._show(growing)

    def close(self, growing: Bootstrap) -> None:
        """Show the end and leave the line."""
        self._show(growing)
        self._bar.close()

    def _show(self, growing: Bootstrap) -> None:
        self._shown_at = time.monotonic()
        if not self._bar.disable:
            kept, candidates = growing.acceptance
            share = f"{kept / candidates:.0%}" if candidates else "-"
            told = f"{growing.llm.calls:,} calls, {share} accepted{self._money(growing.done)}"
            self._bar.set_postfix_str(told, refresh=False)
        self._bar.n = min(growing.done, self._total)
        self._bar.refresh()

    def _money(self, done: int) -> str:
        """What it has cost, and what it will have cost at this rate."""
        cost = self._cost()
        if not cost:
            return ""
        projected = f" of about ${cost * self._total / done:.2f}" if FEWEST_TO_PROJECT <= done < self._total else ""
        return f", ${cost:.2f}{projected}"
