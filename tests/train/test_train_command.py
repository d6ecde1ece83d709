"""`selfinstruct train` and `merge`, the settings and the presets behind them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing
from dataclasses import fields

import click
import pytest

from selfinstruct.cli import cli
from selfinstruct.errors import SettingsError
from selfinstruct.train import TrainSettings
from selfinstruct.train.methods import METHODS, table
from selfinstruct.train.plan import batches, steps_of
from selfinstruct.train.presets import PRESETS, preset

NAMES = [field.name for field in fields(TrainSettings)]


@pytest.fixture
def command():
    return cli.get_command(click.Context(cli), "train")


def run(*arguments, **environment):
    """One call of the command."""
    return subprocess.run(
        [sys.executable, "-m", "selfinstruct", *map(str, arguments)],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip


def test_options_are_the_settings(command):
    """Each setting is an option of its name, without a default of its own, and with help."""
    options = {one.name: one for one in command.params if isinstance(one, click.Option)}
    assert [name for name in NAMES if name not in options] == []
    assert set(options) - set(NAMES) == {
        "base", "output", "preset", "resume", "merge", "autotrain", "dry_run", "show_masks", "as_json", "quiet",
    }  # fmt: skip
    for name in NAMES:
        assert "--" + name.replace("_", "-") in options[name].opts
        assert options[name].default in (None, False), name
        assert options[name].help


def test_help_needs_no_torch(command):
    """It takes twenty seconds to load, and `--help` is what somebody without the extra types first."""
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom selfinstruct.cli import cli\n"
        "shown = CliRunner().invoke(cli, ['train', '--help']).output\n"
        "print('alpaca-lora-official' in shown and 'bottleneck' in shown)\n"
        "print(sorted({'torch', 'transformers', 'peft', 'datasets', 'numpy'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["True", "[]"]


def test_a_missing_extra_says_what_to_install(tmp_path):
    """In an environment without torch a real call ends with the line to type, not with a traceback."""
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Say it.", "input": "", "output": "It."}\n')
    code = (
        "import sys, importlib.util\nfind = importlib.util.find_spec\n"
        "hidden = {'torch', 'transformers', 'peft', 'accelerate', 'safetensors'}\n"
        "importlib.util.find_spec = lambda name, package=None: None if name in hidden else find(name, package)\n"
        "import selfinstruct.cli\n"
        f"sys.argv = ['selfinstruct', 'train', {str(tmp_path / 'rows.jsonl')!r}, '--base', 'x/y', '-o', 'out', *sys.argv[1:]]\n"
        "selfinstruct.cli.main()"
    )

    def call(*more):
        words = [sys.executable, "-c", code, *more]
        return subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert call("--method", "lorra").stderr.startswith("Error: there is no method 'lorra'")
    failed = call()
    assert failed.returncode == 2
    assert (
        failed.stderr
        == "Error: torch, transformers, peft, accelerate, safetensors are not installed; type: pip install 'selfinstruct[train]'\n"
    )


def test_the_methods_stand_in_the_help():
    """With what each goes with."""
    lines = table().splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(METHODS)
    assert next(line for line in lines if line.startswith("prefix")).split()[1:5] == ["-", "yes", "yes", "-"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": "many"}, "epochs is a number, not 'many'"),
        ({"batch_size": 0}, "batch_size lies between 1 and"),
        ({"learning_rate": float("nan")}, "learning_rate lies between"),
        ({"quantization": "int4"}, "quantization is one of none, nf4, int8, not 'int4'"),
        ({"packing": True}, "packing is a matter of the engine trl"),
        ({"evaluate_every": 20, "save_every": 50}, r"save_every \(50\) has to be a multiple of evaluate_every \(20\)"),
        ({"early_stop": 2, "validation": 0}, "early_stop needs rows to validate on"),
    ],
)
def test_a_wrong_value_is_named(given, message):
    """What is wrong, and what it may be."""
    with pytest.raises(SettingsError, match=message):
        TrainSettings(**given)


def test_a_slip_of_the_pen_is_corrected():
    """As in the settings of a run."""
    with pytest.raises(SettingsError, match="no setting 'epoch' of a training; did you mean epochs"):
        TrainSettings().updated({"epoch": 3})


def test_settings_survive_the_record():
    """training.json gives the same settings back."""
    settings = TrainSettings(method="dora", learning_rate=1e-4, max_steps=3)
    assert TrainSettings(**json.loads(json.dumps(settings.to_dict()))) == settings


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_settings(name):
    """Each can be used as it stands, and any of its numbers overridden."""
    settings = TrainSettings().updated({**preset(name), "epochs": 7.0})
    assert settings.epochs == 7.0
    hints = typing.get_type_hints(TrainSettings)
    for key, value in preset(name).items():
        assert type(value) in (hints[key], *typing.get_args(hints[key])) or isinstance(value, str), key


def test_presets_have_the_published_numbers():
    """alpaca-lora's finetune.py and command of 26 March, Stanford's README, QLoRA's Guanaco, LaMini's cards."""
    small, official = TrainSettings(**preset("alpaca-lora")), TrainSettings(**preset("alpaca-lora-official"))
    assert (small.lora_r, small.lora_alpha, small.lora_dropout, small.target_modules) == (8, 16, 0.05, "q_proj,v_proj")
    assert (small.batch_size, small.micro_batch, small.learning_rate, small.max_length) == (128, 4, 3e-4, 256)
    assert (small.epochs, small.warmup, small.validation, small.train_on_inputs) == (3, 100, 2000, True)
    assert (official.lora_r, official.epochs, official.max_length, official.micro_batch) == (16, 10, 512, 8)
    assert official.target_modules == "q_proj,k_proj,v_proj,o_proj"
    stanford = TrainSettings(**preset("stanford-alpaca"))
    assert (stanford.method, stanford.learning_rate, stanford.batch_size, stanford.epochs) == ("full", 2e-5, 128, 3)
    assert (stanford.warmup, stanford.schedule, stanford.weight_decay, stanford.max_length) == (0.03, "cosine", 0, 512)
    guanaco = TrainSettings(**preset("qlora-guanaco"))
    assert (guanaco.quantization, guanaco.double_quantization, guanaco.dtype) == ("nf4", True, "bfloat16")
    assert (guanaco.lora_r, guanaco.lora_alpha, guanaco.learning_rate, guanaco.max_steps) == (64, 16, 2e-4, 1875)
    lamini = TrainSettings(**preset("lamini-flan-t5-77m"))
    assert (lamini.batch_size, lamini.learning_rate, lamini.epochs, lamini.schedule) == (512, 5e-4, 5, "linear")


def test_an_unknown_preset_names_the_known_ones():
    """All of them."""
    with pytest.raises(SettingsError, match="the presets are alpaca-lora, alpaca-lora-official"):
        preset("alpaca")


def test_steps_of_the_published_recipe():
    """52,002 rows less 2,000 in batches of 128 for 3 epochs: the 1,170 or so steps that people report."""
    assert steps_of(50_002, TrainSettings(**preset("alpaca-lora"))) == (1173, 391)


@pytest.mark.parametrize(
    ("processes", "micro", "expected"), [(1, 4, (4, 8)), (2, 4, (4, 4)), (4, 3, (2, 4)), (1, 99, (32, 1))]
)
def test_a_global_batch_is_cut_evenly(monkeypatch, processes, micro, expected):
    """Rows a device holds, and how often; the batch itself stays what was asked for."""
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    cut = batches(TrainSettings(batch_size=32, micro_batch=micro))
    assert (cut.micro_batch, cut.accumulation) == expected
    assert cut.processes * cut.micro_batch * cut.accumulation == 32


def test_fewer_processes_than_asked_for_are_refused(monkeypatch):
    """accelerate launch --cpu starts one without a word; a training at an eighth of the speed looks like any other."""
    with pytest.raises(SettingsError, match="2 processes were asked for and 1 started; start with: torchrun"):
        batches(TrainSettings(processes=2))
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(SettingsError, match="32 rows cannot be dealt to 3 processes"):
        batches(TrainSettings())


def test_sharding_needs_processes():
    """One process has nothing to shard over."""
    with pytest.raises(SettingsError, match="--no-fsdp"):
        batches(TrainSettings(**preset("stanford-alpaca")))


@pytest.mark.slow
def test_the_command_trains_and_merges(tiny_llama, tmp_path):
    """From a file to a merged model, with what is said on the way; then the dry run, and the masks."""
    import tiny

    data, out = tmp_path / "rows.jsonl", tmp_path / "tuned"
    data.write_text("".join(json.dumps(row) + "\n" for row in tiny.shifted()))
    given = ["train", data, "--base", tiny_llama, "--format", "plain"]
    dry = run(*given, "--dry-run", "--show-masks", 1)
    assert dry.returncode == 0, dry.stderr
    assert "  trained 'I find it wet.</s>'" in dry.stdout
    assert "6 steps, 2 an epoch" in dry.stdout
    assert "parameters are trained" in dry.stdout
    shown = run(*given, "-o", out, "--show-masks", 1)
    assert shown.stderr == "nothing was trained; leave --show-masks out to train\n"
    made = run(*given, "-o", out, "--learning-rate", 0.005, "--epochs", 2)
    assert made.returncode == 0, made.stderr
    assert re.fullmatch(r"training, \d+ steps\n", made.stderr), "quiet on a pipe"
    assert made.stdout.startswith(f"Tuned('{out}': lora on {tiny_llama}, 4 steps, loss ")
    merged = run("merge", out, "--json")
    assert merged.returncode == 0, merged.stderr
    assert json.loads(merged.stdout)["drift"] < 1e-5
    again = run("merge", out)
    assert again.returncode == 2
    assert "not an empty folder; choose another --output" in again.stderr
