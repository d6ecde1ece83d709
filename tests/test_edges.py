"""The edges of a run directory: crashes at bad moments, wrong first tries, code that changed under a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from test_bootstrap import DERIVED, Scripted, derived
from test_generate import grow, settings_of

import selfinstruct as si
from selfinstruct.directory import RunDirectory


def only_with_e(candidate, pool):
    return "e" in candidate.instruction


def changed_code(candidate, pool):
    return len(candidate.instruction) % 2 == 0


changed_code.__name__ = "only_with_e"


def test_a_refused_resume_leaves_the_data_set_as_it_was(tmp_path):
    """Code that changed under its name is noticed by its prompts; the finished files must not pay for that."""
    first = grow(tmp_path / "run", num_tasks=40, filters=[only_with_e])
    before = derived(tmp_path / "run")
    with pytest.raises(si.SettingChanged, match=r"request instructions/.* was another one"):
        grow(tmp_path / "run", num_tasks=40, filters=[changed_code])
    assert derived(tmp_path / "run") == before
    assert si.load(tmp_path / "run").tasks == first.tasks


def test_from_works_where_going_on_does_not(tmp_path, caplog):
    """It is the advice of the message, so it has to: the tasks are taken as they were last written."""
    first = grow(tmp_path / "run", num_tasks=40, filters=[only_with_e])
    with pytest.raises(si.SettingChanged):
        grow(tmp_path / "run", num_tasks=50, filters=[changed_code])
    second = grow(tmp_path / "second", num_tasks=3, from_run=tmp_path / "run", seed=2)
    assert second.carried == 40
    assert [task.instruction for task in second.tasks[:40]] == [task.instruction for task in first.tasks]
    assert "What is shown is what was last written" in caplog.text


def test_from_a_run_without_tasks_is_refused(tmp_path):
    """Carrying nothing over in silence would look like success."""

    class Silent(Scripted):
        async def complete(self, request):
            return si.Completion("")

    grow(tmp_path / "empty", Silent(), saturation_window=5)
    with pytest.raises(si.SettingsError, match="there is no task in this run yet"):
        grow(tmp_path / "run", from_run=str(tmp_path / "empty"))


def test_a_wrong_first_try_fixes_nothing(tmp_path):
    """A misspelt model answered nothing, so the right one may take its place in the same folder."""

    class Wrong(Scripted):
        model = "goood"

        async def complete(self, request):
            raise si.EndpointFailed("no model 'goood'")

    seeds = [{"instruction": "Tell me about the first of many lamps", "output": "It shines."}]
    with pytest.raises(si.EndpointFailed) as caught:
        grow(tmp_path / "run", Wrong(), seeds=seeds, max_rouge=0.6)
    assert "the same command goes on" not in str(caught.value)
    run = grow(tmp_path / "run", num_tasks=3)
    assert run.settings.model == "scripted"
    assert (run.settings.max_rouge, run.tasks[0].model) == (0.6, "scripted")
    assert RunDirectory(tmp_path / "run").read_seeds()[0].instruction == seeds[0]["instruction"]


@pytest.mark.parametrize(
    "left", [["seeds.jsonl"], [".settings.json.abc123"], ["seeds.jsonl", ".seeds.jsonl.x1", ".lock"]]
)
def test_a_run_killed_in_its_first_moment_can_be_begun_again(tmp_path, left):
    """settings.json is written last: without it there is no run yet, and what was left is ours to replace."""
    (tmp_path / "run").mkdir()
    for name in left:
        (tmp_path / "run" / name).write_text("half a li")
    assert len(grow(tmp_path / "run", num_tasks=3).tasks) == 3


def test_a_lost_ledger_is_not_paid_for_again(tmp_path):
    """The answers are gone, which is for the user to know before any call; the tasks are still there."""
    grow(tmp_path / "run")
    before = derived(tmp_path / "run")
    (tmp_path / "run" / "ledger.jsonl").unlink()
    llm = Scripted()
    with pytest.raises(si.RunError, match=r"ledger\.jsonl: missing or empty, though .* --from"):
        grow(tmp_path / "run", llm)
    assert llm.requests == []
    assert derived(tmp_path / "run") == before
    assert grow(tmp_path / "second", num_tasks=2, seed=3, from_run=str(tmp_path / "run")).carried == 12


def test_a_run_begun_meanwhile_is_not_overwritten(tmp_path):
    """Options are checked again behind the lock: the second process finds the first one's run."""
    directory = RunDirectory(tmp_path / "run")
    errors = []

    def second():
        try:
            grow(tmp_path / "run", seed=7)
        except si.SelfInstructError as error:
            errors.append(error)

    grow(tmp_path / "run", seed=1)
    thread = threading.Thread(target=second)
    with directory.locked():
        thread.start()
        thread.join()
    assert isinstance(errors[0], si.RunLocked | si.SettingChanged)
    assert settings_of(tmp_path / "run")["settings"]["seed"] == 1


def test_load_never_shows_old_rows_under_new_settings(tmp_path):
    """A resume that died before its end: the files are of other settings, so the ledger is asked."""
    grow(tmp_path / "run", num_tasks=20)
    directory = RunDirectory(tmp_path / "run")
    stored = directory.read()
    assert stored.derived == {"ledger": directory.ledger_bytes, "stopped": None}

    class Killed(BaseException):
        pass

    class Dies(Scripted):
        async def complete(self, request):
            raise Killed

    with pytest.raises(Killed):
        grow(tmp_path / "run", Dies(), num_tasks=20, instance_model="other")
    loaded = si.load(tmp_path / "run")
    assert loaded.settings.instance_model == "other"
    assert (len(loaded.tasks), loaded.stopped) == (0, "unfinished")


def test_copies_of_a_run_are_current_whatever_their_times_say(tmp_path):
    """A clone or an archive keeps no modification times; what counts is the size of the ledger."""
    run = grow(tmp_path / "run", filters=[only_with_e])
    for name in DERIVED:
        os.utime(tmp_path / "run" / name, (1, 1))
    assert si.load(tmp_path / "run").tasks == run.tasks
    (tmp_path / "run" / "tasks.jsonl").unlink()
    with pytest.raises(si.SettingChanged, match="your own code"):
        si.load(tmp_path / "run")
    plain = grow(tmp_path / "plain")
    (tmp_path / "plain" / "tasks.jsonl").unlink()
    assert si.load(tmp_path / "plain").tasks == plain.tasks


def test_how_a_run_ended_is_known_when_it_is_opened(tmp_path):
    """Saturated stays saturated."""

    class Silent(Scripted):
        async def complete(self, request):
            return si.Completion("")

    grow(tmp_path / "run", Silent(), saturation_window=5)
    assert si.load(tmp_path / "run").stopped == "saturated"


def test_tasks_of_the_demo_teacher_stay_a_demonstration(tmp_path):
    """Carried into another run they are still no training data, and its card names both models."""
    si.generate(tmp_path / "demo", model="demo", num_tasks=5, progress=False)
    run = grow(tmp_path / "run", num_tasks=2, from_run=str(tmp_path / "demo"))
    assert run.is_demo
    assert "demo (5 tasks), scripted (2 tasks)" in run.card()
    assert "This is a demonstration" in run.card()


def test_a_rejected_whole_task_keeps_its_input_and_output(tmp_path):
    """Alpaca's answers hold more than instructions, and all of it was paid for."""
    answer = "4. Instruction: Draw a map of it\n4. Input:\nsome river\n4. Output:\nblue"

    class Whole(Scripted):
        async def complete(self, request):
            return si.Completion(answer)

    run = grow(tmp_path / "run", Whole(), method="alpaca", saturation_window=3)
    assert run.rejected[0].rule == "keywords"
    assert run.rejected[0].text == "Draw a map of it\nsome river\nblue"


def test_a_model_that_returns_no_completion_is_told_so(tmp_path):
    """A bare string is the likeliest slip in a model of one's own."""

    class Careless(Scripted):
        async def complete(self, request):
            return "just a text"

    with pytest.raises(TypeError, match="returns a Completion with a text, not 'just a text'"):
        grow(tmp_path / "run", Careless())
    for wrong in (Scripted, "a name", object()):
        with pytest.raises(si.SettingsError, match="is no language model"):
            si.generate(tmp_path / "other", llm=wrong)


def test_one_filter_may_be_given_alone(tmp_path):
    """`filters=rule` means what it says."""
    run = grow(tmp_path / "run", filters=only_with_e)
    assert all("e" in task.instruction for task in run.tasks)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("settings.json", "[1]", "cannot be read as settings"),
        ("settings.json", '{"settings": {}, "version": "0", "templates": null, "filters": []}', "cannot be read as"),
        ("seeds.jsonl", '{"a": 1}\n', r"seeds\.jsonl, line 1: not a row"),
        ("ledger.jsonl", '123\n{"v":1}\n', r"ledger\.jsonl, line 1"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path, name, content, message):
    """Whatever stands in it."""
    grow(tmp_path / "run")
    (tmp_path / "run" / name).write_text(content)
    with pytest.raises(si.RunError, match=message):
        grow(tmp_path / "run")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_long_replay_can_be_interrupted(tmp_path):
    """Thousands of recorded answers are taken in slices, so that Ctrl-C is heard between them."""
    path = tmp_path / "run"
    si.generate(path, model="demo", num_tasks=4000, progress=False)
    process = subprocess.Popen(
        [sys.executable, "-m", "selfinstruct", "generate", str(path), "-q"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    time.sleep(1.0)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 130), errors
    assert b"Traceback" not in errors
    if process.returncode == 130:
        assert time.monotonic() - asked < 10
    assert len(si.generate(path, progress=False).tasks) == 4000
    lines = (path / "ledger.jsonl").read_text().splitlines()
    assert len({json.loads(line)["key"] for line in lines}) == len(lines)
