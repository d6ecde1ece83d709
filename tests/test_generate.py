"""The run directory and its resumes: nothing paid for is lost, and nothing changes unnoticed."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import orjson
import pytest
from teacher import complete
from test_bootstrap import DERIVED, Scripted, derived

import selfinstruct as si
from selfinstruct.directory import RunDirectory
from selfinstruct.ledger import Ledger

SEEDS = [{"instruction": f"Tell a short story about {name} and a lamp", "output": "Once."} for name in "ABCDEFGH"]


def grow(path, llm=None, **options):
    options.setdefault("num_tasks", 12)
    return si.generate(path, llm=llm or Scripted(), progress=False, **options)


def settings_of(path):
    return json.loads((path / "settings.json").read_text())


def test_a_run_leaves_the_files_of_the_design(tmp_path):
    """Six files with the fields that the design names; derived ones without times or costs."""
    path = tmp_path / "run"
    run = grow(path)
    names = {one.name for one in path.iterdir()}
    assert names == {".lock", "settings.json", "seeds.jsonl", "ledger.jsonl", *DERIVED}

    def first(name):
        return json.loads((path / name).read_text().splitlines()[0])

    assert list(first("ledger.jsonl")) == [
        "v", "key", "digest", "kind", "request", "text", "finish_reason", "usage", "model", "times",
    ]  # fmt: skip
    assert list(first("tasks.jsonl")) == [
        "id", "instruction", "is_classification", "instances", "request", "position", "method", "model",
    ]  # fmt: skip
    assert list(first("rejected.jsonl")) == ["id", "stage", "rule", "text", "score", "neighbour", "detail"]
    assert list(first("dataset.jsonl")) == ["id", "instruction", "input", "output"]
    assert first("dataset.jsonl") == run.dataset[0]
    stored = settings_of(path)
    assert stored["version"] == si.__version__
    assert stored["settings"]["num_tasks"] == 12
    assert "tasks" in stored["templates"]["instructions.j2"]


def test_datasets_loads_every_derived_file(tmp_path):
    """One type a column, so that `load_dataset` reads them."""
    import datasets

    grow(tmp_path / "run")
    for name in DERIVED:
        lines = (tmp_path / "run" / name).read_text().splitlines()
        loaded = datasets.Dataset.from_json(str(tmp_path / "run" / name), cache_dir=str(tmp_path / "cache"))
        assert loaded.num_rows == len(lines)
        assert loaded[0]["id"] == json.loads(lines[0])["id"]


def test_options_that_are_not_given_come_from_the_run(tmp_path):
    """`generate RUN` alone resumes."""
    first = grow(tmp_path / "run", seed=7, max_rouge=0.6, concurrency=3)
    again = si.generate(tmp_path / "run", llm=Scripted(), progress=False)
    assert again.settings == first.settings
    assert (again.settings.seed, again.settings.max_rouge) == (7, 0.6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "another"),
        ("seed", 43),
        ("max_rouge", 0.5),
        ("tokenizer", "rouge"),
        ("lookahead", 0.5),
        ("temperature", 0.1),
        ("method", "alpaca"),
        ("seeds", [{"instruction": "Another seed for another run, please"}]),
        ("filters", [len]),
    ],
)
def test_a_fixed_setting_cannot_change(tmp_path, name, value):
    """The message names the setting and the way on; the run stays as it was."""
    grow(tmp_path / "run")
    before = derived(tmp_path / "run"), settings_of(tmp_path / "run")
    llm = Scripted()
    if name == "model":
        llm.model = value
    options = {} if name == "model" else {name: value}
    with pytest.raises(si.SettingChanged, match=rf"{name}.* --from"):
        grow(tmp_path / "run", llm, **options)
    assert llm.requests == []
    assert (derived(tmp_path / "run"), settings_of(tmp_path / "run")) == before


@pytest.mark.parametrize(
    "options",
    [{"num_tasks": 14}, {"concurrency": 2}, {"timeout": 9.0}, {"give_up": 5.0}, {"saturation": 0.01},
     {"base_url": "http://localhost:1/v1"}, {"api_key_env": "OTHER_KEY"}],
)  # fmt: skip
def test_a_free_setting_may_change(tmp_path, options):
    """How requests are sent is nobody's business but today's."""
    first = grow(tmp_path / "run")
    again = grow(tmp_path / "run", **options)
    assert again.tasks[:12] == first.tasks
    (name, value), = options.items()  # fmt: skip
    assert settings_of(tmp_path / "run")["settings"][name] in (value, [value])


def test_a_downstream_setting_asks_its_calls_again(tmp_path, caplog):
    """Another instance model: instructions and verdicts are kept, instances are new, and their number is said first."""
    grow(tmp_path / "run")
    before = Ledger(tmp_path / "run" / "ledger.jsonl", writable=False)
    instances = sum(key.startswith("instances/") for key in before)
    before.close()
    llm = Scripted()
    run = grow(tmp_path / "run", llm, instance_model="stronger")
    assert {request.stage for request in llm.requests if request.model == "stronger"} == {"instances"}
    assert not any(request.stage == "instructions" and request.index == 0 for request in llm.requests)
    assert f"instance_model changed: up to {instances} calls" in caplog.text
    assert len(run.tasks) == 12


def test_templates_of_the_run_are_used_on_a_resume(tmp_path):
    """Own prompts: a new instance template asks again, a new instruction template is refused."""
    own = tmp_path / "prompts"
    own.mkdir()
    (own / "input_first.j2").write_text("Do it: {{ task.instruction }}")
    first = grow(tmp_path / "run", prompts=str(own))
    assert settings_of(tmp_path / "run")["templates"]["input_first.j2"] == "Do it: {{ task.instruction }}"
    (own / "input_first.j2").write_text("Do it well: {{ task.instruction }}")
    kept = Scripted()
    grow(tmp_path / "run", kept)
    assert kept.requests == [], "without --prompts the texts in settings.json count"
    asked = Scripted()
    grow(tmp_path / "run", asked, prompts=str(own))
    known = {task.instruction for task in first.tasks}
    stages = {request.stage for request in asked.requests if request.about.get("instruction") in known}
    assert stages == {"instances"}
    (own / "instructions.j2").write_text("Other words {{ tasks }} {{ first }}")
    with pytest.raises(si.SettingChanged, match=r"instructions\.j2"):
        grow(tmp_path / "run", prompts=str(own))


def test_the_same_seeds_from_another_place_are_the_same_seeds(tmp_path):
    """What counts is what the seeds say; a moved file does not stop a resume."""
    (tmp_path / "one.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in SEEDS))
    (tmp_path / "two.json").write_bytes(orjson.dumps(SEEDS))
    first = grow(tmp_path / "run", seeds=str(tmp_path / "one.jsonl"), num_tasks=3)
    again = grow(tmp_path / "run", seeds=tmp_path / "two.json", num_tasks=3)
    assert again.tasks == first.tasks


def test_a_run_begins_with_the_tasks_of_another(tmp_path):
    """--from: they are in the new pool and set with their provenance, and count as generated, not as new."""
    first = grow(tmp_path / "first")
    second = grow(tmp_path / "second", seed=1, from_run=str(tmp_path / "first"))
    assert len(second.tasks) == 24
    assert [task.id for task in second.tasks[:12]] == [f"first/{task.id}" for task in first.tasks]
    assert second.tasks[0].request == first.tasks[0].request
    instructions = [task.instruction for task in second.tasks]
    assert len(set(instructions)) == 24
    examples = [json.loads(line)["request"] for line in (tmp_path / "second" / "ledger.jsonl").read_text().splitlines()]
    assert any(name.startswith("first/") for request in examples for name in request.get("examples", ()))
    assert grow(tmp_path / "second").tasks == second.tasks, "it resumes although the first run is not asked for again"
    assert si.load(tmp_path / "second").tasks == second.tasks


def test_a_run_begins_with_the_tasks_of_a_set(tmp_path):
    """--from SET: an instruction is a task with its rows, told from seeds by its request, under the set's name."""
    rows = [
        {"instruction": "Name a sea near Riga.", "input": "", "output": "The Baltic."},
        {"instruction": "Add the numbers.", "input": "2, 3", "output": "5"},
        {"instruction": "Name a sea near Riga.", "input": "in Latvian", "output": "Baltijas jūra."},
    ]
    (tmp_path / "old set.json").write_bytes(orjson.dumps(rows))
    run = grow(tmp_path / "run", from_run=str(tmp_path / "old set.json"))
    assert (run.carried, len(run.tasks)) == (2, 14)
    first, second = run.tasks[:2]
    assert [task.id for task in run.tasks[:2]] == ["old set/old set-1", "old set/old set-2"]
    assert [one.output for one in first.instances] == ["The Baltic.", "Baltijas jūra."]
    assert (second.request, second.position, second.method, second.model) == (0, 1, "import", None)
    assert "Begun with 2 tasks that were there before, from old set.json." in run.card()
    assert "None (" not in run.card()
    assert grow(tmp_path / "run").tasks == run.tasks
    assert si.load(tmp_path / "run").carried == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'[{"instruction": " ", "output": "a"}]', "task 1: no .instruction"),
        (b'[{"instruction": "a", "output": 3}]', "nothing in it can be read"),
        (b"[]", "holds no record"),
    ],
)
def test_a_set_without_tasks_begins_no_run(tmp_path, content, said):
    """The error names the file, and no folder is left."""
    (tmp_path / "set.json").write_bytes(content)
    with pytest.raises(si.SettingsError, match=rf"set\.json.*{said}"):
        grow(tmp_path / "run", from_run=str(tmp_path / "set.json"))
    assert not (tmp_path / "run").exists()


def test_two_writers_at_once_are_refused(tmp_path):
    """The second gets an error that says so, and the first is not disturbed."""
    grow(tmp_path / "run")
    with RunDirectory(tmp_path / "run").locked(), pytest.raises(si.RunLocked, match="another process is writing"):
        grow(tmp_path / "run")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    """Nobody's files are mixed with a run's."""
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(si.RunError, match=r"not empty and no run.*thesis\.tex"):
        grow(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["thesis.tex"]


def test_wrong_settings_leave_nothing_behind(tmp_path):
    """An error before the first call creates no folder."""
    with pytest.raises(si.SettingsError, match="--model demo"):
        si.generate(tmp_path / "run")
    with pytest.raises(si.SettingsError, match="no setting 'temprature'"):
        grow(tmp_path / "run", temprature=1.0)
    with pytest.raises(si.SettingsError, match="no method 'self-destruct'"):
        grow(tmp_path / "run", method="self-destruct")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_ends_the_run_and_keeps_the_answers(tmp_path):
    """Exit status 1, and the same call goes on when there is room again."""
    path = tmp_path / "run"
    grow(path, num_tasks=1)
    real, room = Ledger.append, [30]

    def append(self, entry):
        room[0] -= 1
        if room[0] < 0:
            raise si.DiskFull(os.strerror(errno.ENOSPC))
        real(self, entry)

    Ledger.append = append
    try:
        with pytest.raises(si.DiskFull) as caught:
            grow(path, num_tasks=40)
    finally:
        Ledger.append = real
    assert caught.value.exit_status == 1
    assert len((path / "ledger.jsonl").read_text().splitlines()) >= 30
    grow(path, num_tasks=40)
    grow(tmp_path / "straight", num_tasks=40)
    assert derived(path) == derived(tmp_path / "straight")


def test_a_failed_endpoint_raises_with_the_path_and_keeps_all(tmp_path):
    """The message says where the answers are; the tasks so far are on disk."""

    class Dying(Scripted):
        async def complete(self, request):
            await super().complete(request)
            if len(self.requests) > 50:
                raise si.EndpointFailed("the server is gone")
            return complete(request)

    with pytest.raises(si.EndpointFailed, match=r"the server is gone\n\d+ answers are kept in .*run"):
        grow(tmp_path / "run", Dying(), num_tasks=60, concurrency=4)
    assert (tmp_path / "run" / "tasks.jsonl").read_text()
    loaded = si.load(tmp_path / "run")
    assert 0 < len(loaded.tasks) < 60
    assert loaded.stopped == "failed"
    grow(tmp_path / "run", num_tasks=60)
    grow(tmp_path / "straight", num_tasks=60)
    assert derived(tmp_path / "run") == derived(tmp_path / "straight")


def test_an_error_of_the_users_own_model_is_raised_as_it_is(tmp_path):
    """A bug in somebody's class must not be dressed up as a network problem."""

    class Broken(Scripted):
        async def complete(self, request):
            raise ZeroDivisionError("my bug")

    with pytest.raises(ZeroDivisionError, match="my bug"):
        grow(tmp_path / "run", Broken())


def test_generate_works_inside_a_running_event_loop(tmp_path):
    """Notebooks run one; nothing is patched, and the loop is usable afterwards."""

    async def cell():
        run = grow(tmp_path / "run")
        await asyncio.sleep(0)
        return run

    assert len(asyncio.run(cell()).tasks) == 12


def test_agenerate_is_the_asynchronous_twin(tmp_path):
    """The same run, awaited."""
    run = asyncio.run(si.agenerate(tmp_path / "async", llm=Scripted(), num_tasks=12, progress=False))
    grow(tmp_path / "sync")
    assert run.stopped is None
    assert derived(tmp_path / "async") == derived(tmp_path / "sync")


def test_cancelling_agenerate_keeps_what_was_answered(tmp_path):
    """A cancelled task leaves a run that resumes to the same end."""

    async def cancel_soon():
        slow = Scripted(1, slowest=0.1)
        task = asyncio.create_task(si.agenerate(tmp_path / "run", llm=slow, num_tasks=60, progress=False))
        await asyncio.sleep(0.15)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_soon())
    assert (tmp_path / "run" / "tasks.jsonl").exists()
    grow(tmp_path / "run", num_tasks=60)
    grow(tmp_path / "straight", num_tasks=60)
    assert derived(tmp_path / "run") == derived(tmp_path / "straight")


def test_own_filters_and_methods(tmp_path):
    """A filter is a function of candidate and pool; a method may be a function that writes a prompt."""

    def no_poems(candidate, pool):
        return "poems" not in candidate.instruction

    def short_prompt(pool, random):
        return f"Number {random.random():.6f}: write tasks unlike these {len(pool.generated)}."

    run = grow(tmp_path / "run", filters=[no_poems], method=short_prompt)
    assert run.rejections["no_poems"] > 0
    assert not any("poems" in task.instruction for task in run.tasks)
    assert {task.method for task in run.tasks} == {"short_prompt"}
    assert settings_of(tmp_path / "run")["filters"] == ["no_poems"]
    assert si.load(tmp_path / "run").tasks == run.tasks


def test_load_opens_without_touching(tmp_path):
    """Also a run that was killed before its derived files were written: they are made in memory from the ledger."""
    made = grow(tmp_path / "run")
    for name in DERIVED:
        (tmp_path / "run" / name).unlink()
    before = {one.name: one.stat().st_mtime_ns for one in (tmp_path / "run").iterdir()}
    run = si.load(tmp_path / "run")
    assert (run.tasks, run.rejected, run.stopped) == (made.tasks, made.rejected, None)
    assert {one.name: one.stat().st_mtime_ns for one in (tmp_path / "run").iterdir()} == before


def test_load_says_what_is_missing(tmp_path):
    """A path without a run is an error that says how to begin one."""
    with pytest.raises(si.RunError, match=r"no run here.*selfinstruct generate"):
        si.load(tmp_path / "nothing")


def test_the_repr_says_what_happened(tmp_path):
    """Counts, calls and the ending in one line; HTML escapes what a model wrote."""

    class Html(Scripted):
        async def complete(self, request):
            answer = await super().complete(request)
            return si.Completion(answer.text.replace("Done.", "<b>Done</b>"))

    run = grow(tmp_path / "run", Html())
    assert repr(run).startswith(f"Run({str(tmp_path / 'run')!r}: 12 tasks, {len(run.dataset)} rows, ")
    assert f"{run.spent.calls} calls" in repr(run)
    assert "<b>Done</b>" not in run._repr_html_()
    assert "&lt;b&gt;Done&lt;/b&gt;" in run._repr_html_()


def test_a_rejection_says_its_reason_in_one_line(tmp_path):
    """Rule, score and neighbour's text."""

    class Echo(Scripted):
        async def complete(self, request):
            await super().complete(request)
            return (
                si.Completion("9. Tell a short story about A and a lamp now")
                if request.index == 0
                else complete(request)
            )

    run = grow(tmp_path / "run", Echo(), seeds=SEEDS)
    assert run.rejected[0].reason == "rouge 0.95 with 'Tell a short story about A and a lamp'"


def test_refilter_decides_again_without_a_call(tmp_path):
    """A stricter threshold keeps fewer tasks, the same one the same, and a looser one says what was never asked."""
    run = grow(tmp_path / "run", num_tasks=60)
    before = derived(tmp_path / "run")
    assert run.refilter(max_rouge=0.7).tasks[:60] == run.tasks
    strict = run.refilter(max_rouge=0.4)
    assert 0 < len(strict.tasks) < 60
    assert strict.settings.max_rouge == 0.4
    loose = run.refilter(max_rouge=1.0)
    assert loose.rejections["not_asked"] > 0
    assert derived(tmp_path / "run") == before


CHILD = """
import asyncio, os, sys
sys.path.insert(0, {tests!r})
from test_bootstrap import Scripted
import selfinstruct as si
run = si.generate({path!r}, llm=Scripted(int(sys.argv[1]), slowest=0.02), num_tasks=60, concurrency=8, progress=False)
print(run.stopped)
sys.exit(run.exit_status)
"""


def child(path, seed):
    code = CHILD.format(tests=str(Path(__file__).parent), path=str(path))
    return subprocess.Popen([sys.executable, "-c", code, str(seed)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for_lines(path, number, process):
    """Until the ledger has grown to that many lines, or the process has ended."""
    ledger = path / "ledger.jsonl"
    while process.poll() is None and (not ledger.exists() or ledger.read_bytes().count(b"\n") < number):
        time.sleep(0.002)


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_no_byte(tmp_path):
    """kill -9, again and again: the run that comes out is the one that was never killed."""
    path, random, kills = tmp_path / "run", Random(3), 0
    while kills < 20:
        process = child(path, kills)
        lines = len((path / "ledger.jsonl").read_bytes().splitlines()) if (path / "ledger.jsonl").exists() else 0
        wait_for_lines(path, lines + 1 + int(random.random() * 6), process)
        time.sleep(random.random() * 0.01)
        process.kill()
        process.communicate()
        kills += 1
    grow(path, num_tasks=60)
    grow(tmp_path / "straight", num_tasks=60)
    assert derived(path) == derived(tmp_path / "straight")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("number", "status", "word"), [(signal.SIGINT, 130, b"interrupted"), (signal.SIGTERM, 143, b"terminated")]
)
def test_one_signal_drains_and_keeps_everything(tmp_path, number, status, word):
    """Ctrl-C once: no new call, what is in flight is awaited, and the run says how it ended."""
    path = tmp_path / "run"
    process = child(path, 1)
    wait_for_lines(path, 20, process)
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output.strip()) == (status, word)
    assert b"Traceback" not in errors
    assert (path / "tasks.jsonl").exists()
    grow(path, num_tasks=60)
    grow(tmp_path / "straight", num_tasks=60)
    assert derived(path) == derived(tmp_path / "straight")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_second_signal_stops_at_once(tmp_path):
    """Ctrl-C twice does not wait for a server that hangs."""
    code = CHILD.format(tests=str(Path(__file__).parent), path=str(tmp_path / "run")).replace(
        "slowest=0.02", "slowest=900"
    )
    process = subprocess.Popen([sys.executable, "-c", code, "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (tmp_path / "run" / "ledger.jsonl").exists():
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode != 0
    assert b"KeyboardInterrupt" in errors
    assert len(errors.splitlines()) < 20, errors.decode()
