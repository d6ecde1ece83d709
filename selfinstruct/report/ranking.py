"""Counts in the order in which a report shows them."""

from __future__ import annotations

from collections import Counter


def ranked(counts: Counter[str], most: int | None = None) -> tuple[tuple[str, int], ...]:
    """The largest counts first; equal ones in alphabetical order, so that equal sets give equal pages."""
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most])
