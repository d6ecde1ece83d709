"""How long the replay of a finished run takes, and what it holds in memory.

    python benchmarks/replay.py --tasks 5000 52000

A fake model with a grammar of its own fills the ledger; then the run is opened again in a process of its own, which
answers everything from the ledger, filters, and writes the derived files anew. The making of the run, which makes the
same decisions and also asks and records, is timed beside it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

import selfinstruct as si
from selfinstruct.testing import FakeLLM

VOCABULARY = 3000

CHILD = """
import json, resource, sys, time
sys.path.insert(0, {here!r})
from replay import fake
import selfinstruct as si
started = time.perf_counter()
llm = fake()
run = si.generate(sys.argv[1], llm=llm, num_tasks=int(sys.argv[2]), concurrency=64, progress=False)
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
counts = dict(asked=len(llm.requests), tasks=len(run.tasks), calls=run.spent.calls)
print(json.dumps(dict(seconds=seconds, megabytes=peak, **counts)))
"""


def words(random: Random, count: int) -> str:
    """Words drawn so that few are frequent, as in a real text."""
    return " ".join(f"w{int(VOCABULARY * random.random() ** 2.5)}" for _ in range(count))


def fake() -> FakeLLM:
    """A model whose answers are a function of the request."""

    def answer(request: si.Request) -> str:
        random = Random(request.digest)
        if request.stage == "instructions":
            first = request.about["first"]
            return "\n".join(f"{first + i}. {words(random, 8 + int(random.random() * 16))}" for i in range(8))
        if request.stage == "classify":
            return "Yes" if random.random() < 0.2 else "No"
        if "Class label:" in request.text:
            return f"Class label: a\nInput: {words(random, 20)}\nClass label: b\nInput: {words(random, 20)}"
        return f"Example 1\nInput: {words(random, 15)}\nOutput: {words(random, 40)}"

    return FakeLLM(answer, model="fake")


def measure(path: Path, tasks: int) -> dict[str, float]:
    """Generate, or replay, in a process of its own."""
    code = CHILD.format(here=str(Path(__file__).parent))
    command = [sys.executable, "-c", code, str(path), str(tasks)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(shown.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, nargs="+", default=[5000])
    for tasks in parser.parse_args().tasks:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run"
            made, replayed = measure(path, tasks), measure(path, tasks)
            assert replayed["asked"] == 0, "a replay makes no call"
            assert replayed["tasks"] == made["tasks"] == tasks
            size = (path / "ledger.jsonl").stat().st_size / 2**20
        print(
            f"{tasks:,} tasks, {made['calls']:,} calls, ledger {size:,.0f} MB: made in {made['seconds']:.1f} s, "
            f"replayed in {replayed['seconds']:.1f} s ({replayed['seconds'] / made['seconds']:.2f} of it), "
            f"peak {replayed['megabytes']:,.0f} MB"
        )


if __name__ == "__main__":
    main()
