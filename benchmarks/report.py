"""How long a report of 52,000 rows takes, and how fast its page opens in Chromium, beside lint and export.

The set is a run directory of the size of the paper's: 52,000 instructions that cross the packaged seeds, 52,000 rows
and 20,000 rejections. Three commands are timed, each in a process of its own, then the page is opened in a headless
Chromium of 1280x800, where one is installed.

    python benchmarks/report.py
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from chromium import BROWSER, browsing

import selfinstruct as si
from selfinstruct.directory import RunDirectory, Stored
from selfinstruct.tasks import Instance, Rejected, Task


def crossed(texts: list[str], random: Random) -> str:
    """The beginning of one text, the middle of another and the end of a third: real words in an order of their own."""
    parts = [texts[int(random.random() * len(texts))].split() for _ in range(3)]
    return " ".join(
        word for place, part in enumerate(parts) for word in part[place * len(part) // 3 :][: len(part) // 3 + 2]
    )


def tasks(number: int) -> Iterator[Task]:
    """Tasks of one row each, four in ten with an input."""
    random = Random(7)
    seeds = si.read_seeds(si.packaged_seeds())
    instructions = [seed.instruction for seed in seeds]
    inputs = [one.input for seed in seeds for one in seed.instances if one.input]
    outputs = [one.output for seed in seeds for one in seed.instances]
    for place in range(number):
        given = crossed(inputs, random) if random.random() < 0.4 else ""
        instance = Instance(given, crossed(outputs, random))
        classification = random.random() < 0.22
        yield Task(
            f"b{place // 8}-{place % 8}", crossed(instructions, random), (instance,), classification,
            place // 8, place % 8, "self-instruct", "bench",
        )  # fmt: skip


def make(path: Path, number: int, rejected: int) -> None:
    """Write the run directory as a finished run leaves it."""
    made = list(tasks(number))
    dropped = [
        Rejected(
            f"b{n % (number // 8)}-{8 + n}", "instructions", "rouge", task.instruction, 0.75, task.id, task.instruction
        )
        for n, task in enumerate(made[:rejected])
    ]
    directory = RunDirectory(path)
    with directory.locked():
        stored = Stored(si.Settings(model="bench"), si.__version__, derived={"ledger": 0, "stopped": None})
        directory.write(stored, si.read_seeds(si.packaged_seeds()), [])
        directory.ledger_path.touch()
        directory.write_derived(made, dropped)


def timed(*command: str | Path) -> float:
    """Run a command of the program and return its seconds; lint says by its status 1 that it found something."""
    start = time.perf_counter()
    told = subprocess.run(
        [sys.executable, "-m", "selfinstruct", *map(str, command)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert told.returncode in ((0, 1) if command[0] == "lint" else (0,)), command
    return time.perf_counter() - start


async def opened(page: Path, times: int = 3) -> tuple[list[float], float]:
    """Seconds until the rows can be searched, a few times, and of one search."""
    async with browsing() as browser:
        await browser.size(1280, 800)
        seconds = [await browser.open(page) for _ in range(times)]
        search = await browser.evaluate(
            """(async () => { const box = document.querySelector("[name=search]"); const start = performance.now();
            const told = document.getElementById("count");
            box.value = "lighthouse keeper"; box.dispatchEvent(new Event("input", { bubbles: true }));
            while (!told.textContent.includes(" of ")) await new Promise(requestAnimationFrame);
            return (performance.now() - start) / 1000; })()"""
        )
        assert browser.complaints == []
        return seconds, search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=52_000)
    parser.add_argument("--rejected", type=int, default=20_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run, page = Path(folder) / "run", Path(folder) / "page.html"
        make(run, asked.rows, asked.rejected)
        commands = {
            "report": ("report", run, "-o", page),
            "lint": ("lint", run),
            "export": ("export", run, "-o", Path(folder) / "rows.json"),
        }
        total = 0.0
        for name, command in commands.items():
            seconds = timed(*command)
            total += seconds
            print(f"{name:7} {seconds:6.1f} s")
        print(
            f"all     {total:6.1f} s; at most {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10:,.0f} MB"
        )
        print(f"page    {page.stat().st_size / 2**20:6.1f} MB, {asked.rows:,} rows and {asked.rejected:,} rejections")
        if BROWSER:
            seconds, search = asyncio.run(opened(page))
            shown = ", ".join(f"{each:.2f}" for each in seconds)
            print(f"opens   {shown} s until it can be searched; a search {search:.2f} s")


if __name__ == "__main__":
    main()
