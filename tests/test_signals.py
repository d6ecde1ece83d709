"""Ctrl-C and SIGTERM at any moment of a run against a server: nothing is lost, and the end is the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from random import Random

import pytest
from server_run import DERIVED, SEEDS, teacher, write_templates

from selfinstruct import generate
from selfinstruct.testing import FaultServer

# A process that has imported everything and forks for each run, because an import takes longer than a run.
NURSERY = """
import json, os, sys, traceback
import aiohttp, tqdm.auto, selfinstruct.estimate, selfinstruct.llm.openai
from selfinstruct.cli import main

while line := sys.stdin.readline():
    arguments, errors = json.loads(line)
    child = os.fork()
    if not child:
        status = 1
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.argv = ["selfinstruct", *arguments]
        try:
            main()
        except SystemExit as end:
            status = end.code
        except BaseException:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(status)
    print(child, flush=True)
    sys.stdin.readline()  # until then its number is nobody else's
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


TASKS = 300


class Nursery:
    """Starts one run after the other."""

    def __init__(self, errors):
        self.errors = errors
        command = [sys.executable, "-c", NURSERY]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def start(self, *arguments):
        return self._ask(json.dumps([list(map(str, arguments)), str(self.errors)]))

    def status(self):
        return self._ask("")

    def _ask(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def lines(path):
    """The lines of the ledger; each one is whole."""
    content = path.read_bytes()
    assert content.endswith(b"\n") or not content
    return [json.loads(line) for line in content.splitlines()]


def interrupted(folder, seed, sittings):
    """A run stopped again and again, and then left alone; returns its derived files and how each sitting ended."""
    random, statuses, whole = Random(f"signals {seed}"), [], b""
    run, ledger = folder / "run", folder / "run" / "ledger.jsonl"
    slow = Random(seed)
    with FaultServer(teacher, latency=lambda _: 0.04 * slow.random()) as server, Nursery(folder / "errors") as nursery:
        for number in range(sittings):
            before, recorded = len(server.requests), whole.count(b"\n")
            options = ["--base-url", server.base_url, "--concurrency", 8, "-n", TASKS, "--quiet"]
            options += ["--seeds", folder / "seeds.json", "--prompts", folder, "--model", "m"] if not number else []
            child = nursery.start("generate", run, *options)
            wanted, until = before + 1 + int(6 * random.random()), time.monotonic() + 20
            while len(server.requests) < wanted and time.monotonic() < until:
                time.sleep(0.001)
            time.sleep(0.03 * random.random())
            twice = number % 3 == 2
            for _ in range(1 + twice):
                os.kill(child, (signal.SIGINT, signal.SIGTERM)[int(2 * random.random())])
                time.sleep(0.02 * random.random())
            statuses.append(nursery.status())
            errors = nursery.errors.read_text()
            assert "Traceback" not in errors, errors
            assert "never retrieved" not in errors, errors
            assert "Unclosed" not in errors, errors
            found = ledger.read_bytes()
            assert found.startswith(whole), "an earlier line has changed"
            whole = found
            new = lines(ledger)[recorded:]
            if not twice and statuses[-1] != -signal.SIGTERM:
                assert len(new) == len(server.requests) - before, "each answer of the server is a line"
        run_to_its_end = generate(run, base_url=server.base_url, progress=False)
        assert run_to_its_end.stopped is None
    entries = lines(ledger)
    # A try that was cut off is a line as well, because it may be billed.
    assert len(entries) >= len(server.requests)
    answered = [entry["key"] for entry in entries if entry["kind"] != "attempt"]
    assert len(answered) == len(set(answered))
    return {name: (run / name).read_bytes() for name in DERIVED}, statuses


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_signals_at_fifty_random_moments_lose_no_line_and_change_no_byte(tmp_path):
    """Once drains and twice cancels, with either signal: whatever the server was asked has its line, and no traceback."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        write_templates(folder)
        (folder / "seeds.json").write_text(json.dumps(SEEDS))
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(interrupted, folders, range(2), [25, 25]))
    statuses = [status for _, found in ends for status in found]
    assert {130, 143} <= set(statuses) <= {0, 130, 143, -signal.SIGTERM}, statuses
    assert statuses.count(0) < 5, "the run was long enough to be interrupted"
    with FaultServer(teacher) as server:
        options = {"seeds": folders[0] / "seeds.json", "prompts": folders[0], "num_tasks": TASKS, "concurrency": 8}
        generate(tmp_path / "straight", base_url=server.base_url, model="m", progress=False, **options)
    straight = {name: (tmp_path / "straight" / name).read_bytes() for name in DERIVED}
    assert all(one == other for one, other in pairwise([straight, *(files for files, _ in ends)]))
