"""Real data of other people, which lies beside the checkout where it is there at all. No test copies a text of it."""

from pathlib import Path

import orjson
import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "data"

needs_reference = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the reference data is not in {FOLDER}")


def rows(name):
    """The rows of one of its files."""
    with open(FOLDER / name, "rb") as lines:
        return [orjson.loads(line) for line in lines]


def instructions(name):
    """The instructions of one of its files."""
    return [row["instruction"] for row in rows(name)]
