"""`check` and `estimate`: what a run meets and what it will take, before it is paid for."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from server_run import SEEDS, teacher, write_templates
from test_cli import run

from selfinstruct import EndpointFailed, RunError, SettingsError, generate, load
from selfinstruct.check import check
from selfinstruct.estimate import estimate
from selfinstruct.testing import FakeLLM, FaultServer

LIMITS = {
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-reset-requests": "120ms",
}


def test_check_makes_one_small_call_and_tells_the_terms():
    """The model as the server calls it, its usage, its limits, and the price."""
    with FaultServer(lambda _: "It boils water.", headers=LIMITS) as server:
        (found,) = check(model="m", base_url=server.base_url, price_in=1.0, price_out=2.0)
    (body,) = server.requests
    assert "kettle" in body["messages"][0]["content"]
    assert body["max_tokens"] == 1024, "asked as a run would ask"
    assert found.stages == ("instructions", "classify", "instances")
    assert (found.model, found.answered_as, found.price) == ("m", "m", (1.0, 2.0))
    assert found.limits["ratelimit-limit-requests"] == "500"
    assert "ratelimit-remaining-requests: 499" in str(found)


def test_check_asks_each_model_at_each_place_once():
    """Verdicts by another model, instances elsewhere."""
    with FaultServer(lambda _: "Water.") as one, FaultServer(lambda _: "Tea.") as other:
        found = check(
            model="m",
            base_url=one.base_url,
            classify_model="tiny",
            instance_base_url=other.base_url,
            method="self-instruct",
        )
    assert [(row.stages, row.model) for row in found] == [
        (("instructions",), "m"),
        (("classify",), "tiny"),
        (("instances",), "m"),
    ]
    assert (len(one.requests), len(other.requests)) == (2, 1)


def test_check_asks_each_of_several_endpoints():
    """One of two that is down was not noticed, or all that was noticed, by the order in which they stood."""
    with FaultServer(lambda _: "Water.") as one, FaultServer(lambda _: "Tea.") as other:
        urls = [one.base_url, other.base_url]
        assert len(check(model="m", base_url=urls)) == 2
        assert (len(one.requests), len(other.requests)) == (1, 1)
    with FaultServer(lambda _: "Water.") as one:
        for given in ([one.base_url, urls[1]], [urls[1], one.base_url]):
            with pytest.raises(EndpointFailed, match=r"(?s)Cannot connect to host 127.*\nbut m answers instructions"):
                check(model="m", base_url=given)


def test_check_of_a_run_that_is_none(tmp_path):
    """Not "no model given"."""
    with pytest.raises(RunError, match="no run here"):
        check(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("401", "the key is refused"),
        ("404", "no model 'm', or no such API"),
        ("quota", "quota of the key is used up"),
        ("500", "no answer from m: .*HTTP 500"),
        ("html", "no answer from m: .*HTTP 200 without an answer"),
    ],
)
def test_check_tells_what_is_wrong(kind, words):
    """Within seconds, and with the way on."""
    with FaultServer(lambda _: "", faults=[kind]) as server, pytest.raises(EndpointFailed, match=words):
        check(model="m", base_url=server.base_url)


def test_check_tells_what_the_server_does_without():
    """Nobody has to find out at the hundredth call."""
    with FaultServer(
        lambda _: "Water.", faults=lambda body: "unsupported:max_tokens" if "max_tokens" in body else None
    ) as server:
        (found,) = check(model="m", base_url=server.base_url)
    assert "takes max_completion_tokens in the place of max_tokens" in str(found)


def test_check_of_a_parameter_that_was_set_and_is_refused():
    """The same error as in a run."""
    kind = "unsupported:temperature"
    with (
        FaultServer(lambda _: "", faults=[kind]) as server,
        pytest.raises(SettingsError, match="refuses --temperature"),
    ):
        check(model="m", base_url=server.base_url, temperature=0.3)


def test_the_check_command(tmp_path):
    """Exit 0 and 4, and JSON; the demo teacher needs none."""
    with FaultServer(lambda _: "Water.") as server:
        shown = run("check", "--model", "m", "--base-url", server.base_url)
        assert shown.returncode == 0
        assert re.match(
            r"m answers instructions, classify, instances in \d\.\d s; \d+ tokens in, 1 out; price unknown",
            shown.stdout,
        )
        (row,) = json.loads(run("check", "--model", "m", "--base-url", server.base_url, "--json").stdout)
        assert row["model"] == "m"
    assert run("check", "--model", "m", "--base-url", server.base_url).returncode == 4, "nobody is there any more"
    assert run("check", "--model", "demo").returncode == 2


# estimate ------------------------------------------------------------------------------------------------------------


def options(folder, server):
    return {
        "base_url": server.base_url, "model": "m", "seeds": SEEDS, "prompts": write_templates(folder), "progress": False,
        "price_in": 1.0, "price_out": 4.0,
    }  # fmt: skip


def test_an_estimate_comes_close_and_its_calls_are_not_paid_twice(tmp_path):
    """From ten tasks to a hundred; the probe is the beginning of the run, byte for byte."""
    with FaultServer(teacher) as server:
        found = estimate(tmp_path / "run", num_tasks=100, **options(tmp_path, server))
        probe = len(server.requests)
        assert found.probe_calls == probe < 60
        assert server.peak <= 4
        done = generate(tmp_path / "run", progress=False)
        assert len(server.requests) == done.spent.calls
        generate(tmp_path / "straight", num_tasks=100, **options(tmp_path, server))
    assert len(done.tasks) == 100
    assert found.calls == pytest.approx(done.spent.calls, rel=0.35)
    assert found.cost == pytest.approx(done.spent.cost, rel=0.35)
    for name in ("tasks.jsonl", "rejected.jsonl"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()


def test_a_run_that_has_tasks_is_estimated_without_a_call(tmp_path):
    """And keeps its files."""
    with FaultServer(teacher) as server:
        generate(tmp_path / "run", num_tasks=20, **options(tmp_path, server))
        calls, tasks = len(server.requests), (tmp_path / "run" / "tasks.jsonl").read_bytes()
        found = estimate(tmp_path / "run", num_tasks=1000)
        assert len(server.requests) == calls
    assert (tmp_path / "run" / "tasks.jsonl").read_bytes() == tasks
    assert load(tmp_path / "run").settings.num_tasks == 20, "an estimate changes nothing"
    assert found.num_tasks == 1000
    assert found.calls == pytest.approx(calls * 50, rel=0.3)


def test_an_estimate_for_batch_jobs_is_made_live_at_half_the_price(tmp_path):
    """A probe in jobs would take a day; the run that follows looks as far ahead as one in jobs."""
    with FaultServer(teacher) as server:
        live = estimate(tmp_path / "live", num_tasks=100, lookahead=0.75, **options(tmp_path, server))
        jobs = estimate(tmp_path / "jobs", num_tasks=100, batch=True, **options(tmp_path, server))
    assert load(tmp_path / "jobs").settings.lookahead == 0.75
    assert jobs.cost == pytest.approx(live.cost / 2, rel=0.3)
    assert "as batch jobs, each of which may take a day" in str(jobs)


def test_a_budget_that_allows_no_probe_is_named(tmp_path):
    """A larger --probe was advised, which helps nobody."""
    with FaultServer(teacher) as server, pytest.raises(SettingsError, match="the budget allows no task to judge by"):
        estimate(tmp_path / "run", num_tasks=100, max_cost=0.0001, **options(tmp_path, server))


def test_an_estimate_without_a_price_says_so(tmp_path):
    """Unknown is not zero."""
    with FaultServer(teacher) as server:
        given = {**options(tmp_path, server), "price_in": None, "price_out": None}
        found = estimate(tmp_path / "run", num_tasks=100, **given)
    assert found.cost is None
    assert "an unknown price (--price-in, --price-out)" in str(found)


def test_a_model_that_gives_no_task_cannot_be_estimated(tmp_path):
    """Not a division by zero."""
    with pytest.raises(SettingsError, match="calls gave no task to judge by"):
        estimate(tmp_path / "run", llm=FakeLLM(lambda _: "No."), num_tasks=10, saturation_window=5, progress=False)


def test_the_estimate_command_and_status_beside_it(tmp_path):
    """JSON for scripts; `status` of another process shows money and the way on."""
    with FaultServer(teacher) as server:
        words = [
            "--base-url",
            server.base_url,
            "-m",
            "m",
            "-n",
            50,
            "--price-in",
            1,
            "--price-out",
            4,
            "--prompts",
            write_templates(tmp_path),
        ]
        shown = run("estimate", tmp_path / "run", *words)
        assert shown.returncode == 0, shown.stderr
        assert re.match(r"50 tasks take about \d+ calls and \$0\.\d+; with 32 in flight", shown.stdout)
        told = json.loads(run("estimate", tmp_path / "run", "--json").stdout)
        assert told["calls"] == sum(stage["calls"] for stage in told["stages"].values())
        status = run("status", tmp_path / "run")
        assert "a probe, as `selfinstruct estimate` makes it" in status.stdout
        assert re.search(r"cost: \$0\.\d+, about \$0\.\d+ for all", status.stdout)
        facts = json.loads(run("status", tmp_path / "run", "--json").stdout)
        assert facts["projected_cost"] > facts["cost"] > 0


def test_status_lists_what_failed_for_good(tmp_path):
    """With the reason of each; a run may end well and have lost a few."""
    with FaultServer(teacher, faults=lambda body: "content_policy" if "Labels:" in str(body) else None) as server:
        generate(tmp_path / "run", num_tasks=10, **options(tmp_path, server))
    shown = run("status", tmp_path / "run", "--failed")
    rows = [json.loads(line) for line in shown.stdout.splitlines()]
    assert rows
    assert all("safety system" in row["reason"] and row["request"]["stage"] == "instances" for row in rows)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_check_can_be_interrupted():
    """There is nothing to wait for: the first Ctrl-C did nothing for a minute."""
    with FaultServer(lambda _: "", faults=["hang"]) as server:
        words = ["check", "--model", "m", "--base-url", server.base_url]
        with subprocess.Popen([sys.executable, "-m", "selfinstruct", *words], stderr=subprocess.PIPE) as process:
            while not server.requests and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in errors


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_estimate_that_was_interrupted_is_none(tmp_path):
    """Ctrl-C at the probe printed figures from the few answers that were there, with exit status 0."""

    def interrupting(body):
        if len(server.requests) == 1:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return teacher(body)

    with FaultServer(interrupting, latency=0.05) as server, pytest.raises(KeyboardInterrupt):
        estimate(tmp_path / "run", **{**options(tmp_path, server), "num_tasks": 100})
    assert load(tmp_path / "run").stopped == "interrupted"
    assert load(tmp_path / "run").spent.calls > 0
