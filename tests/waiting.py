"""Waiting for what happens in another thread."""

from __future__ import annotations

import time


def until(condition, seconds=10):
    """Whether a condition comes true within the time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()
