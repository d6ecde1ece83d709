"""The loop: what a request says never depends on when it was sent."""

from __future__ import annotations

import asyncio
import json
from random import Random

import pytest
from teacher import complete

from selfinstruct import Completion, RequestRefused, generate
from selfinstruct.bootstrap import seen
from selfinstruct.llm.limits import RANKS, Slots

DERIVED = ("tasks.jsonl", "rejected.jsonl", "dataset.jsonl")


class Scripted:
    """The scripted teacher with a latency drawn anew in every sitting, a log, and the model's name."""

    model = "scripted"

    def __init__(self, latency_seed=0, slowest=0.0, on_call=None):
        self.random, self.slowest, self.on_call = Random(latency_seed), slowest, on_call
        self.requests = []

    async def complete(self, request):
        self.requests.append(request)
        if self.slowest:
            await asyncio.sleep(self.random.random() * self.slowest)
        if self.on_call:
            self.on_call(request)
        return complete(request)


def derived(path):
    return [(path / name).read_bytes() for name in DERIVED]


def prompts(path):
    """What each recorded request was, by key."""
    rows = (json.loads(line) for line in (path / "ledger.jsonl").read_text().splitlines())
    return {row["key"]: row["digest"] for row in rows}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """An uninterrupted run of 60 tasks, one request at a time."""
    path = tmp_path_factory.mktemp("runs") / "reference"
    run = generate(path, llm=Scripted(), num_tasks=60, concurrency=1, progress=False)
    assert run.stopped is None
    return path


def test_the_window_lets_a_share_of_requests_run_ahead():
    """seen(j) = max(0, j - 4 - floor(lookahead * j)): the first five see nothing, then three in four are seen."""
    assert [seen(j, 0.25) for j in range(14)] == [0, 0, 0, 0, 0, 0, 1, 2, 2, 3, 4, 5, 5, 6]
    assert [seen(j, 0.0) for j in range(7)] == [0, 0, 0, 0, 0, 1, 2]
    assert all(seen(j, 0.25) <= seen(j + 1, 0.25) <= j + 1 for j in range(1000))


def test_a_prompt_shows_only_tasks_of_answers_that_it_may_have_seen(reference):
    """The examples of request j come from the seeds and from requests below seen(j)."""
    rows = [json.loads(line) for line in (reference / "ledger.jsonl").read_text().splitlines()]
    asked = [row["request"] for row in rows if row["request"]["stage"] == "instructions"]
    drawn = 0
    for request in asked:
        generated = [int(name[1:].split("-")[0]) for name in request["examples"] if name.startswith("b")]
        drawn += len(generated)
        assert all(source < seen(request["index"], 0.25) for source in generated)
        assert len(request["examples"]) == 8
        assert len(generated) <= 2
    assert drawn == 2 * sum(seen(request["index"], 0.25) > 0 for request in asked)


@pytest.mark.parametrize("concurrency", [1, 8, 64])
@pytest.mark.parametrize("latency_seed", [1, 2])
def test_concurrency_and_latency_change_no_byte(tmp_path, reference, concurrency, latency_seed):
    """Answers come in any order; tasks, rejections and rows come out the same."""
    llm = Scripted(latency_seed, slowest=0.004)
    run = generate(tmp_path / "run", llm=llm, num_tasks=60, concurrency=concurrency, progress=False)
    assert run.stopped is None
    assert derived(tmp_path / "run") == derived(reference)


def test_a_finished_run_replays_without_a_call(tmp_path, reference):
    """Running again is reading the ledger."""
    llm = Scripted()
    first = generate(tmp_path / "run", llm=llm, num_tasks=60, progress=False)
    calls = len(llm.requests)
    again = generate(tmp_path / "run", llm=llm, progress=False)
    assert len(llm.requests) == calls
    assert again.tasks == first.tasks
    assert derived(tmp_path / "run") == derived(reference)


@pytest.mark.parametrize("num_tasks", [1, 2, 5, 10, 17, 33])
def test_a_replay_asks_nothing_while_answers_wait_in_the_ledger(tmp_path, num_tasks):
    """Before the recorded answers are admitted, the run looks farther from its target than it is."""
    generate(tmp_path / "run", llm=Scripted(), num_tasks=num_tasks, concurrency=1, progress=False)
    again = Scripted()
    generate(tmp_path / "run", llm=again, concurrency=64, progress=False)
    assert again.requests == []


def test_a_ledger_cut_at_any_byte_resumes_to_the_same_run(tmp_path, reference):
    """Kill -9 leaves some prefix of the ledger in the order of arrival; every one of them leads to the same end."""
    path = tmp_path / "run"
    generate(path, llm=Scripted(5, slowest=0.002), num_tasks=60, concurrency=16, progress=False)
    whole = (path / "ledger.jsonl").read_bytes()
    random = Random(7)
    for _ in range(20):
        (path / "ledger.jsonl").write_bytes(whole[: int(random.random() * len(whole))])
        run = generate(path, llm=Scripted(), concurrency=16, progress=False)
        assert run.stopped is None
        assert derived(path) == derived(reference)


@pytest.mark.parametrize("case", range(12))
def test_raising_the_target_changes_no_recorded_prompt(tmp_path, case):
    """A run that went on to larger targets is the run that had the last target from the start (20 steps each)."""
    random = Random(case)
    lookahead = round(random.random() * 0.5, 2)
    path, targets = tmp_path / "grown", sorted({1 + int(random.random() * 60) for _ in range(20)})
    asked: dict[str, str] = {}
    tasks = []
    for target in targets:
        llm = Scripted(case, slowest=0.0005)
        run = generate(
            path, llm=llm, num_tasks=target, concurrency=1 + int(random.random() * 20), lookahead=lookahead,
            progress=False,
        )  # fmt: skip
        now = prompts(path)
        assert asked.items() <= now.items()
        assert run.tasks[: len(tasks)] == tasks
        asked, tasks = now, list(run.tasks)
    straight = generate(
        tmp_path / "straight", llm=Scripted(), num_tasks=targets[-1], lookahead=lookahead, progress=False
    )
    assert straight.tasks == tasks
    assert derived(path) == derived(tmp_path / "straight")


def test_a_smaller_target_shows_the_first_tasks(tmp_path):
    """Asking for less is a view of the same run; asking for more again brings the rest back without a call."""
    llm = Scripted()
    large = generate(tmp_path / "run", llm=llm, num_tasks=40, progress=False)
    small = generate(tmp_path / "run", llm=llm, num_tasks=15, progress=False)
    assert small.tasks == large.tasks[:15]
    assert len((tmp_path / "run" / "tasks.jsonl").read_text().splitlines()) == 15
    calls = len(llm.requests)
    assert generate(tmp_path / "run", llm=llm, num_tasks=40, progress=False).tasks == large.tasks
    assert len(llm.requests) == calls


def test_candidates_past_the_target_are_surplus(reference):
    """The request that completes the target may bring more than is wanted; the rest stands among the rejections."""
    rows = [json.loads(line) for line in (reference / "rejected.jsonl").read_text().splitlines()]
    tasks = [json.loads(line) for line in (reference / "tasks.jsonl").read_text().splitlines()]
    last = tasks[-1]
    surplus = [row["id"] for row in rows if row["rule"] == "surplus"]
    assert all(name.startswith(f"b{last['request']}-") for name in surplus)
    assert all(int(name.split("-")[1]) > last["position"] for name in surplus)
    assert all(int(row["id"][1:].split("-")[0]) <= last["request"] for row in rows)


def test_near_the_target_no_unneeded_call_is_started(tmp_path):
    """With one task to go, one task is furnished at a time, and no new instructions are asked for."""
    llm = Scripted(3, slowest=0.002)
    run = generate(tmp_path / "run", llm=llm, num_tasks=20, concurrency=64, progress=False)
    furnished = {request.about["instruction"] for request in llm.requests if request.stage == "instances"}
    failed = sum(row.rule == "no_instance" for row in run.rejected)
    assert len(furnished) == len(run.tasks) + failed


def test_instances_come_before_verdicts_and_these_before_new_instructions():
    """A free slot finishes what is begun before it begins more."""

    async def order():
        slots, served = Slots(1), []

        async def work(stage, number):
            await slots.acquire(RANKS[stage])
            served.append((stage, number))
            await asyncio.sleep(0)
            slots.release()

        assert slots.take()
        waiting = [
            asyncio.create_task(work(stage, number))
            for number in range(2)
            for stage in ("instructions", "classify", "instances")
        ]
        await asyncio.sleep(0)
        slots.release()
        await asyncio.gather(*waiting)
        return served

    assert asyncio.run(order()) == [
        (stage, number) for stage in ("instances", "classify", "instructions") for number in range(2)
    ]


def test_concurrency_is_never_exceeded(tmp_path):
    """`--concurrency 5` is a promise to the server."""
    in_flight = [0, 0]

    class Watched(Scripted):
        async def complete(self, request):
            in_flight[0] += 1
            in_flight[1] = max(in_flight)
            await asyncio.sleep(0.001)
            in_flight[0] -= 1
            return complete(request)

    generate(tmp_path / "run", llm=Watched(), num_tasks=30, concurrency=5, progress=False)
    assert in_flight[1] == 5


def test_a_model_that_says_nothing_new_ends_saturated(tmp_path):
    """The window looks at answers, so a model whose answers are empty ends the run, too."""

    class Silent:
        model = "silent"

        async def complete(self, request):
            return Completion("")

    run = generate(tmp_path / "run", llm=Silent(), num_tasks=10, saturation_window=30, progress=False)
    assert (run.stopped, run.exit_status, run.tasks) == ("saturated", 3, [])
    assert run.spent.calls >= 30


def test_a_saturated_run_is_the_same_for_any_latency(tmp_path):
    """Where it ends is decided by answers in order, not by what had arrived."""

    class Repetitive(Scripted):
        async def complete(self, request):
            answer = await super().complete(request)
            if request.stage != "instructions" or request.index < 12:
                return answer
            return Completion("9. Say the same thing again and again")

    runs = []
    for number, concurrency in enumerate((1, 32)):
        llm = Repetitive(number, slowest=0.002)
        run = generate(
            tmp_path / str(number),
            llm=llm,
            num_tasks=500,
            concurrency=concurrency,
            saturation_window=20,
            progress=False,
        )
        assert run.stopped == "saturated"
        runs.append(derived(tmp_path / str(number)))
    assert runs[0] == runs[1]


def test_a_refused_request_admits_nothing_and_the_run_goes_on(tmp_path):
    """A content policy refusal of one prompt is a row among the rejections, and is not asked again at a resume."""

    class Picky(Scripted):
        async def complete(self, request):
            await super().complete(request)
            if request.index == 2:
                raise RequestRefused("content policy")
            return complete(request)

    llm = Picky()
    run = generate(tmp_path / "run", llm=llm, num_tasks=30, progress=False)
    assert run.stopped is None
    assert [row.detail for row in run.rejected if row.id == "b2-x0"] == ["content policy"]
    calls = len(llm.requests)
    generate(tmp_path / "run", llm=llm, progress=False)
    assert len(llm.requests) == calls


def test_a_verdict_that_is_none_is_asked_once_more_and_counted(tmp_path):
    """`maybe` twice is treated as not classification, and stands among the rejections with the answer."""

    class Vague(Scripted):
        async def complete(self, request):
            await super().complete(request)
            return Completion("It depends.") if request.stage == "classify" else complete(request)

    llm = Vague()
    run = generate(tmp_path / "run", llm=llm, num_tasks=10, progress=False)
    assert not any(task.is_classification for task in run.tasks)
    assert run.rejections["no_verdict"] >= 10
    asked = [request for request in llm.requests if request.stage == "classify"]
    assert sum("again" in request.about for request in asked) == len(asked) / 2


def test_every_piece_of_an_answer_is_kept_somewhere(reference):
    """Each numbered line of each answer up to the target is a task, or a rejection with its rule."""
    rows = [json.loads(line) for line in (reference / "ledger.jsonl").read_text().splitlines()]
    tasks = [json.loads(line) for line in (reference / "tasks.jsonl").read_text().splitlines()]
    rejected = [json.loads(line) for line in (reference / "rejected.jsonl").read_text().splitlines()]
    ids = {row["id"] for row in tasks} | {row["id"] for row in rejected}
    last = tasks[-1]["request"]
    for row in rows:
        if row["request"]["stage"] == "instructions" and row["request"]["index"] <= last:
            lines = row["text"].splitlines()
            assert {f"b{row['request']['index']}-{i}" for i in range(len(lines))} <= ids
    assert all(row["rule"] and isinstance(row["text"], str) for row in rejected)
