"""`--batch` and `hf:` through the whole program: the command, the lock, Ctrl-C, and the price."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from batch_server import BatchServer, Plan
from test_batch import teach
from test_cli import run

from selfinstruct import SettingsError, generate, load
from selfinstruct.directory import RunDirectory
from selfinstruct.llm.budget import Metered
from selfinstruct.llm.limits import Slots
from selfinstruct.prepare import BATCH_LOOKAHEAD, prepare, prepare_nowhere
from selfinstruct.teachers import teacher

DERIVED = ("tasks.jsonl", "rejected.jsonl", "dataset.jsonl")


def words(path, server, *more):
    return [
        "generate",
        path,
        "-m",
        "m",
        "--base-url",
        server.base_url,
        "-n",
        60,
        "--price-in",
        1,
        "--price-out",
        4,
        *more,
    ]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_batch_run_is_interrupted_collected_and_the_live_run(tmp_path):
    """Ctrl-C does not wait a day; the same command collects; the files are those of a live run at half the price."""
    with BatchServer(teach, [Plan(looks=2)] * 50) as server:
        command = [sys.executable, "-m", "selfinstruct", *map(str, words(tmp_path / "jobs", server, "--batch"))]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while not server.jobs:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert time.monotonic() - begun < 20, "no drain of a minute, and none of a day"
        assert "interrupted" in out
        assert "Traceback" not in err
        live = run("status", tmp_path / "jobs")
        assert live.returncode == 0
        noticed = run(*words(tmp_path / "jobs", server, "-n", 1, "--no-batch"))
        assert "are in batch jobs and may be paid for; go on with --batch to collect them" in noticed.stderr
        done = run(*words(tmp_path / "jobs", server, "--batch"))
        assert done.returncode == 0, done.stderr
        straight = run(*words(tmp_path / "live", server, "--lookahead", BATCH_LOOKAHEAD))
        assert straight.returncode == 0, straight.stderr
    for name in DERIVED:
        assert (tmp_path / "jobs" / name).read_bytes() == (tmp_path / "live" / name).read_bytes()
    in_jobs = [row["custom_id"] for job in server.jobs for row in job]
    assert len(in_jobs) == len(set(in_jobs)) >= 20
    usages = [json.loads(line)["usage"] for line in (tmp_path / "jobs" / "ledger.jsonl").read_text().splitlines()]
    assert sum(usage.get("batched", 0) for usage in usages) >= 20
    assert load(tmp_path / "jobs").spent.cost < load(tmp_path / "live").spent.cost


def test_a_new_batch_run_looks_further_ahead():
    """Fewer jobs wait for one another; a lookahead that is given is the user's."""
    batch = {"model": "m", "base_url": "http://localhost:1/v1", "batch": True}
    assert prepare_nowhere(batch).settings.lookahead == BATCH_LOOKAHEAD
    assert prepare_nowhere({**batch, "lookahead": 0.5}).settings.lookahead == 0.5


def test_batch_needs_a_provider(tmp_path):
    """The demo teacher and a model in this process have no jobs."""
    for model in ("demo", "hf:some/model"):
        with pytest.raises(SettingsError, match="--batch needs a provider with a Batch API"):
            generate(tmp_path / "run", model=model, batch=True)
    assert not (tmp_path / "run").exists()


def test_a_capped_batch_run_asks_nothing_without_a_limit(tmp_path):
    """The first request of a kind goes live, and a refused max_tokens was left out there, whatever the budget."""
    with BatchServer(teach, refuses="max_tokens") as server, pytest.raises(SettingsError, match="takes no token limit"):
        generate(
            tmp_path / "run", model="m", base_url=server.base_url, batch=True, max_tokens_total=10**6, progress=False
        )
    assert all("max_tokens" in body for body in server.live)


def test_a_cap_counts_a_collected_request_once(tmp_path):
    """The try that a killed sitting wrote down is the same that the next one waits for."""
    from selfinstruct import Completion, Message, Request, Usage
    from selfinstruct.ledger import Ledger, Recorded
    from selfinstruct.llm.budget import Budget
    from selfinstruct.llm.prices import Price, Prices
    from selfinstruct.settings import STAGES
    from selfinstruct.testing import FakeLLM

    request = Request("m", (Message("user", "x" * 10),), sampling={"max_tokens": 10}, index=0)
    budget = Budget(Prices(dict.fromkeys(STAGES, Price(1.0, 1.0, 1.0, "test"))), max_cost=25)
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        Metered(FakeLLM([]), ledger, budget)._write(request, Usage(10, 10), "")
        llm = FakeLLM([Completion("y", usage=Usage(5, 5, batched=1))])
        llm.patience = 0.0  # as that of a batch client: the job of the killed sitting is the one that is collected
        import asyncio

        asyncio.run(Recorded(Metered(llm, ledger, budget), ledger).complete(request))
        assert ledger.tally.total.bound == 10


def test_a_model_of_this_process_is_made_from_its_name(tmp_path, monkeypatch):
    """Without the extra, the line that installs it; the check of the packages is the first thing."""
    setup = prepare(RunDirectory(tmp_path / "run"), {"model": "hf:some/model"})
    monkeypatch.setattr("selfinstruct.llm.local.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"pip install 'selfinstruct\[local\]'"):
        teacher(setup, lambda: None, Slots(4), tmp_path / "run")
