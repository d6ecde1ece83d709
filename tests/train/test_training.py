"""From a data set to a tuned model: what is written, what is refused, and going on to the bit."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("torch")

import datasets
import safetensors.torch
import tiny
import torch
from tuned import cut_back, weights

import selfinstruct
from selfinstruct.errors import RunError, RunLocked, SettingsError
from selfinstruct.train import Tuned, finetune
from selfinstruct.train.answer import Decoding, open_local
from selfinstruct.train.record import RECORD, read_record
from selfinstruct.train.training import prepare

QUICK = {"format": "plain", "batch_size": 16, "micro_batch": 8, "log_every": 1, "lora_r": 8, "learning_rate": 5e-3}


@pytest.fixture(scope="module")
def straight(tiny_llama, tmp_path_factory):
    """A training of 18 steps with dropout and validation, a checkpoint every 6."""
    folder = tmp_path_factory.mktemp("straight") / "tuned"
    return finetune(
        tiny.shifted(), tiny_llama, folder, **QUICK, epochs=9, validation=0.25, save_every=6, keep_checkpoints=9
    )


def test_the_folder_says_how_it_was_made(straight, tiny_llama):
    """training.json, the curve as lines and as a picture, a card, the adapter and its tokenizer."""
    record = straight.record
    assert record["base_model"] == str(tiny_llama)
    assert record["data"]["rows"] == 48
    assert (record["data"]["trained"], record["data"]["held_out"]) == (36, 12)
    assert record["plan"]["steps"] == record["result"]["steps"] == 27
    assert record["version"] == selfinstruct.__version__
    assert record["libraries"].keys() >= {"torch", "transformers", "peft"}
    names = {path.name for path in straight.path.iterdir()}
    assert names >= {
        "adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "losses.jsonl", "losses.png", "README.md",
        RECORD,
    }  # fmt: skip
    assert (straight.path / "losses.png").read_bytes().startswith(b"\x89PNG")
    assert [point.step for point in straight.losses if point.loss is not None] == list(range(1, 28))
    assert [point.step for point in straight.losses if point.validation is not None] == [6, 12, 18, 24, 27]
    assert "lora on" in repr(straight)


def test_it_answers_and_stops(straight):
    """Nine in ten answers of the tuned model end by themselves, and most are what it was taught."""
    model = open_local(straight.path)
    rows = tiny.shifted()
    answers = dict(model.answer_all([model.ids(row) for row in rows], Decoding(max_new_tokens=24)))
    assert sum(answer.stopped for answer in answers.values()) >= 0.9 * len(rows)
    assert sum(answers[at].text == row["output"] for at, row in enumerate(rows)) >= 0.8 * len(rows)
    assert straight.ask(rows[0]["instruction"], rows[0]["input"]) == answers[0].text


def test_held_out_rows_share_no_instruction_with_trained_ones(tiny_llama):
    """Near-duplicates on both sides would make the validation a memory test."""
    prepared = prepare(tiny.shifted(), tiny_llama, **QUICK, validation=0.25)
    decode = prepared.tokenizer.decode
    sides = [{decode(one.input_ids).split("\n")[0] for one in side} for side in (prepared.examples, prepared.held_out)]
    assert len(sides[1]) == 1
    assert not sides[0] & sides[1]


def test_the_best_checkpoint_is_kept(tiny_llama, tmp_path):
    """A rate that ruins the model late: the weights are those of the best validation, not of the end."""
    tuned = finetune(
        tiny.shifted(), tiny_llama, tmp_path / "tuned", **{**QUICK, "learning_rate": 0.05}, schedule="constant",
        epochs=6, validation=0.25, evaluate_every=3, max_grad_norm=0,
    )  # fmt: skip
    validations = {point.step: point.validation for point in tuned.losses if point.validation is not None}
    result = tuned.record["result"]
    assert result["best_validation"] == min(validations.values()) == validations[result["best_step"]]
    best = tuned.path / "checkpoints" / f"checkpoint-{result['best_step']}"
    saved, kept = (safetensors.torch.load_file(path / "adapter_model.safetensors") for path in (tuned.path, best))
    assert all(torch.equal(saved[name], one) for name, one in kept.items())


def test_it_stops_early(tiny_llama, tmp_path):
    """After validations in a row without a gain; here none can gain."""
    tuned = finetune(
        tiny.shifted(), tiny_llama, tmp_path / "tuned", **{**QUICK, "learning_rate": 1e-30}, epochs=50, validation=0.25,
        evaluate_every=2, early_stop=2,
    )  # fmt: skip
    assert tuned.record["result"]["steps"] <= 8


def assert_same(resumed, straight):
    assert resumed.losses == straight.losses
    before, after = weights(straight.path), weights(resumed.path)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], one) for name, one in after.items())


def test_resume_is_exact(straight, tiny_llama, tmp_path):
    """Dropout, order, optimizer, rate, best checkpoint and curve: to the bit what the straight run has."""
    cut_back(straight.path, tmp_path / "tuned", 12)
    assert_same(finetune(tiny.shifted(), None, tmp_path / "tuned", resume="auto"), straight)


def test_the_curve_is_exact_where_a_checkpoint_falls_between_its_points(tiny_llama, tmp_path):
    """A point is the mean since the last one, which a checkpoint does not know; so each checkpoint ends one."""
    straight = finetune(
        tiny.shifted(), tiny_llama, tmp_path / "straight", **{**QUICK, "log_every": 5}, max_steps=8, validation=0,
        keep_checkpoints=9,
    )  # fmt: skip
    assert [one.step for one in straight.losses] == [1, 3, 5, 6, 8]
    cut_back(straight.path, tmp_path / "resumed", 6)
    assert_same(finetune(tiny.shifted(), None, tmp_path / "resumed", resume="auto"), straight)


@pytest.mark.parametrize("method", ["adalora", "pissa", "houlsby", "prefix", "full"])
def test_resume_is_exact_by_other_methods(method, tiny_llama, tmp_path):
    """Each has state of its own: ranks, a changed base, modules of ours, virtual tokens, all weights."""
    straight = finetune(
        tiny.shifted(), tiny_llama, tmp_path / "straight", **QUICK, method=method, epochs=6, validation=0.25,
        save_every=4, keep_checkpoints=9,
    )  # fmt: skip
    cut_back(straight.path, tmp_path / "resumed", 8)
    assert_same(finetune(tiny.shifted(), None, tmp_path / "resumed", resume="auto"), straight)


def started(folder, base, output, settings):
    """A process that trains, and the file with its rows."""
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in tiny.shifted()))
    given = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "selfinstruct", "train", data, "--base", base, "-o", output, *given],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return process, data


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_end(tiny_llama, tmp_path):
    """kill -9 between two checkpoints; what stands half written is passed over."""
    settings = {**QUICK, "epochs": 40.0, "validation": 0.0, "save_every": 20}
    killed = tmp_path / "killed"
    process, data = started(tmp_path, tiny_llama, killed, settings)
    until = time.monotonic() + 120
    while not (killed / "checkpoints" / "checkpoint-40" / "complete").is_file() and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.stderr.read()
    process.stderr.close()
    assert read_record(killed)["result"] is None
    torn = killed / "checkpoints" / "checkpoint-119"
    torn.mkdir()
    (torn / "adapter_model.safetensors").write_bytes(b"half")
    resumed = finetune(data, None, killed, resume="auto")
    assert not torn.exists()
    straight = finetune(data, tiny_llama, tmp_path / "straight", **settings)
    assert_same(resumed, straight)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_keeps_its_last_step(number, tiny_llama, tmp_path):
    """Ctrl-C, or the signal of a batch system: a checkpoint of the step under way, and the words to go on with."""
    settings = {**QUICK, "epochs": 150.0, "validation": 0.0, "save_every": 5000}
    stopped = tmp_path / "stopped"
    process, data = started(tmp_path, tiny_llama, stopped, settings)
    assert process.stderr.readline() == "training, 450 steps\n"
    until = time.monotonic() + 120
    while not (stopped / "losses.jsonl").is_file():
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(number)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert "stopping behind this step, with a checkpoint; once more stops at once" in said
    (kept,) = (stopped / "checkpoints").glob("checkpoint-*")
    step = int(kept.name.split("-")[1])
    assert 0 < step < 450
    assert said.endswith(f'{stopped}: stopped; step {step} is kept. Go on with --resume auto (resume="auto")\n')
    resumed = finetune(data, None, stopped, resume="auto")
    straight = finetune(data, tiny_llama, tmp_path / "straight", **settings)
    assert all(torch.equal(one, weights(resumed.path)[name]) for name, one in weights(straight.path).items())


def test_a_few_steps_have_no_warmup(tiny_llama, tmp_path):
    """It begins at a rate of 0, and a first step without any change had the lowest validation loss: all for nothing."""
    few = finetune(tiny.shifted(), tiny_llama, tmp_path / "few", **QUICK, epochs=2, validation=0)
    assert few.losses[0].learning_rate > 0
    many = finetune(tiny.shifted(), tiny_llama, tmp_path / "many", **QUICK, epochs=2, validation=0, warmup=0.5)
    assert many.losses[0].learning_rate == 0


def test_what_became_of_the_rows_is_said_at_the_end(tiny_llama, tmp_path):
    """Not in the dry run alone: dropped ones, and that nothing was validated."""
    rows = [*tiny.shifted(), {"id": "x", "instruction": "Say it.", "input": "", "output": "word " * 300}]
    given = {**QUICK, "epochs": 1, "max_length": 64}
    tuned = finetune(rows, tiny_llama, tmp_path / "tuned", **given, validation=0)
    assert f"of {len(rows):,} rows 1 too long, dropped" in str(tuned)
    assert "no row was held out to validate on" in str(tuned)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"optimizer": "adamw_troch"}, "transformers has no optimizer 'adamw_troch'; did you mean adamw_torch"),
        ({"lr": 1e-4}, "no setting 'lr' of a training; did you mean learning_rate?"),
    ],
)
def test_wrong_names_get_the_right_ones(given, words, tiny_llama, tmp_path):
    """The first was a traceback, the second a list of all settings."""
    with pytest.raises(SettingsError, match=words):
        finetune(tiny.shifted(), tiny_llama, tmp_path / "tuned", **QUICK, **given)


def test_rows_longer_than_the_base_can_see_are_told(tiny_llama, tmp_path, caplog):
    """It would be trained on positions that it never saw."""
    long = [{"id": "x", "instruction": "Say it.", "input": "", "output": "blue " * 300}]
    prepare([*tiny.shifted(), *long], tiny_llama, **QUICK, max_length=2000, validation=0)
    assert re.search(r"the longest row has \d+ tokens, and .* was made for 256", caplog.text)


def test_an_unfinished_training_does_not_answer(straight, tmp_path):
    """It was opened as a base, and failed with the words of transformers about config.json."""
    cut_back(straight.path, tmp_path / "begun", 6)
    with pytest.raises(SettingsError, match="this training has not come to its end; --resume auto goes on with it"):
        open_local(tmp_path / "begun")


def test_a_finished_training_is_not_done_again(straight):
    """The same command, to be on the safe side: nothing happens, and the result is there."""
    before = (straight.path / "adapter_model.safetensors").stat().st_mtime_ns
    again = finetune(tiny.shifted(), None, straight.path, resume="auto")
    assert again.record == straight.record
    assert (straight.path / "adapter_model.safetensors").stat().st_mtime_ns == before


def test_a_training_is_not_written_over(straight, tiny_llama):
    """Without --resume the folder has to be new."""
    with pytest.raises(SettingsError, match="holds a training already; --resume auto goes on"):
        finetune(tiny.shifted(), tiny_llama, straight.path, **QUICK)


@pytest.mark.parametrize(
    ("change", "name"),
    [({"learning_rate": 1e-4}, "learning_rate was 0.005"), ({"seed": 1}, "seed was 42"), ({}, "data")],
)
def test_a_changed_setting_is_named_at_resume(straight, tiny_llama, change, name):
    """Going on with other numbers or rows would give a model that no command describes."""
    rows = tiny.shifted() if change else tiny.rows()
    with pytest.raises(SettingsError, match=name):
        finetune(rows, None, straight.path, resume="auto", **change)


def test_a_checkpoint_can_be_named(straight, tiny_llama, tmp_path):
    """An earlier one than the last; what is no whole checkpoint is refused."""
    cut_back(straight.path, tmp_path / "tuned", 18)
    with pytest.raises(SettingsError, match="no whole checkpoint of a training; --resume auto"):
        finetune(tiny.shifted(), None, tmp_path / "tuned", resume=tmp_path)
    resumed = finetune(
        tiny.shifted(), None, tmp_path / "tuned", resume=tmp_path / "tuned" / "checkpoints" / "checkpoint-6"
    )
    assert_same(resumed, straight)


def test_several_gpus_need_several_processes(tiny_llama, monkeypatch):
    """transformers would drive them by DataParallel, which is slow and takes means of means."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    with pytest.raises(SettingsError, match="4 GPUs and one process; start one for each with torchrun"):
        prepare(tiny.shifted(), tiny_llama, **QUICK)


def test_a_strange_folder_is_left_alone(tiny_llama, tmp_path):
    """Somebody's files are no place for a model."""
    (tmp_path / "letter.txt").write_text("Dear")
    with pytest.raises(SettingsError, match="is not empty and holds no training"):
        finetune(tiny.shifted(), tiny_llama, tmp_path, **QUICK)


def test_one_training_writes_at_a_time(tiny_llama, tmp_path):
    """The second gets a clear error instead of half of the first one's checkpoints."""
    from filelock import FileLock

    (tmp_path / "tuned").mkdir()
    with FileLock(tmp_path / "tuned" / ".lock"), pytest.raises(RunLocked, match="another process"):
        finetune(tiny.shifted(), tiny_llama, tmp_path / "tuned", **QUICK)


def test_a_loss_of_nan_ends_it(tiny_llama, tmp_path):
    """Hours of NaN are not a training; the message says what to try."""
    broken = shutil.copytree(tiny_llama, tmp_path / "broken")
    held = safetensors.torch.load_file(broken / "model.safetensors")
    held["model.norm.weight"].fill_(float("nan"))
    safetensors.torch.save_file(held, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RunError, match="the loss is nan at step 1; try a lower --learning-rate"):
        finetune(tiny.shifted(), broken, tmp_path / "tuned", **QUICK, epochs=1, validation=0)


def test_a_gpu_that_is_too_small_says_what_to_do(tiny_llama, tmp_path, monkeypatch):
    """torch's own message speaks of fragments; the training can go on from its checkpoint with a smaller cut."""

    def too_much(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("selfinstruct.train.fit.fit", too_much)
    with pytest.raises(RunError, match="smaller --micro-batch"):
        finetune(tiny.shifted(), tiny_llama, tmp_path / "tuned", **QUICK)


def test_data_come_in_many_shapes(tiny_llama, tmp_path):
    """A run, a `datasets.Dataset`, records of another format, a file: the same rows give the same examples."""
    rows = tiny.shifted()
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([{name: row[name] for name in ("instruction", "input", "output")} for row in rows]))
    chats = [
        {
            "messages": [
                {"role": "user", "content": f"{row['instruction']}\n\n{row['input']}"},
                {"role": "assistant", "content": row["output"]},
            ]
        }
        for row in rows
    ]
    found = [
        prepare(source, tiny_llama, **QUICK, validation=0).examples
        for source in (rows, datasets.Dataset.from_list(rows), file, chats)
    ]
    assert all(one == found[0] for one in found[1:])
    run = selfinstruct.generate(tmp_path / "run", model="demo", num_tasks=20, progress=False)
    plain = {**QUICK, "max_dropped": 1.0}
    assert len(prepare(run, tiny_llama, **plain).examples) == len(prepare(run.path, tiny_llama, **plain).examples) > 15


def test_the_plan_is_what_happens(straight, tiny_llama):
    """Steps, rows, tokens and trained parameters before and after are the same."""
    prepared = prepare(tiny.shifted(), tiny_llama, **QUICK, epochs=9, validation=0.25)
    assert prepared.plan.to_dict() == straight.record["plan"]
    trained = sum(one.numel() for one in weights(straight.path).values())
    assert prepared.plan.trainable == trained
    assert prepared.plan.tokens == 9 * sum(len(one.input_ids) for one in prepared.examples)
    assert prepared.plan.parameters == sum(
        one.numel() for one in safetensors.torch.load_file(tiny_llama / "model.safetensors").values()
    )


def test_a_template_file_stays_with_the_model(tiny_llama, tmp_path):
    """It was recorded by its path, and gone with it; the model, merged or not, is asked as it was trained."""
    file = tmp_path / "mine.json"
    mine = {
        "prompt_input": "Q: {instruction} {input}\nA:",
        "prompt_no_input": "Q: {instruction}\nA:",
        "response_split": "A:",
    }
    file.write_text(json.dumps(mine))
    given = {**QUICK, "format": str(file), "epochs": 2, "validation": 0}
    tuned = finetune(tiny.shifted(), tiny_llama, tmp_path / "tuned", **given)
    cut_back(tuned.path, tmp_path / "begun", 3)
    merged = tuned.merge(tmp_path / "merged")
    file.unlink()
    opened = [open_local(path) for path in (tuned.path, merged.path)]
    asked = [model.tokenizer.decode(model.ids({"instruction": "What?"})) for model in opened]
    assert asked[0] == asked[1]
    assert asked[0].endswith("Q: What?\nA:")
    assert "the format `format.json`" in (tuned.path / "README.md").read_text()
    (tmp_path / "other.json").write_text(json.dumps({**mine, "prompt_no_input": "Ask: {instruction}\nA:"}))
    with pytest.raises(SettingsError, match=r"other\.json: is another template than that of this training"):
        finetune(tiny.shifted(), None, tmp_path / "begun", resume="auto", format=str(tmp_path / "other.json"))
    (tmp_path / "moved.json").write_text(json.dumps(mine))
    for given in ({}, {"format": str(tmp_path / "moved.json")}):
        shutil.copytree(tmp_path / "begun", tmp_path / f"resumed {len(given)}")
        resumed = finetune(tiny.shifted(), None, tmp_path / f"resumed {len(given)}", resume="auto", **given)
        assert_same(resumed, tuned)


def test_a_base_that_changed_in_place_is_not_gone_on_with(tiny_llama, tmp_path):
    """The weights of a folder may be written anew between two sittings, and the losses would go on all the same."""
    base = shutil.copytree(tiny_llama, tmp_path / "base")
    tuned = finetune(tiny.shifted(), base, tmp_path / "tuned", **QUICK, epochs=2, validation=0)
    cut_back(tuned.path, tmp_path / "begun", 3)
    held = safetensors.torch.load_file(base / "model.safetensors")
    safetensors.torch.save_file(
        {name: one * 1.1 for name, one in held.items()}, base / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(SettingsError, match="has other weights than when this training was begun"):
        finetune(tiny.shifted(), None, tmp_path / "begun", resume="auto")


def test_a_missing_base_is_asked_for():
    """With an example of what to type."""
    with pytest.raises(SettingsError, match="--base Qwen"):
        prepare(tiny.shifted(), None)


def test_an_unfinished_training_opens_as_one(straight, tmp_path):
    """And is not taken for a result."""
    cut_back(straight.path, tmp_path / "tuned", 6)
    assert "not finished" in repr(Tuned(tmp_path / "tuned"))
    with pytest.raises(SettingsError, match="no training here"):
        Tuned(tmp_path)
