"""`selfinstruct train --autotrain`: the folder, the command, what is said of it, and AutoTrain itself where it is.

AutoTrain pins old versions of everything, so it runs in an environment of its own; only its command has to be on PATH
(autotrain-advanced from PyPI beside a torch for the processor).
"""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from selfinstruct.cli import cli
from selfinstruct.errors import SettingsError
from selfinstruct.train import TrainSettings
from selfinstruct.train.autotrain import command, differences, project_name, write_autotrain
from selfinstruct.train.presets import preset

AUTOTRAIN = shutil.which("autotrain")
ROWS = [{"instruction": 'Say "it",\nplease.', "input": "", "output": "It, and\r\nmore."}]
MANY = [{"instruction": "Count the grains.", "input": "", "output": "One, two, three. " * 9}] * 40


def settings(name="autotrain", **given):
    """The settings of a preset with others in their place."""
    return TrainSettings().updated({**preset(name), **given})


def options(line):
    """The options of a command with a value, by name."""
    words = shlex.split(line)
    return {name: value for name, value in pairwise(words) if name[:2] == "--" and value[:2] != "--"}


def texts(folder):
    """The column of train.csv."""
    with open(folder / "train.csv", encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def test_a_folder_and_one_command(tmp_path, capsys):
    """train.csv with whole texts, and a command whose numbers are those of the preset; nothing else on stdout."""
    data, folder = tmp_path / "rows.jsonl", tmp_path / "my first_run"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    assert cli.main(["train", str(data), "--base", "x/y", "--autotrain", str(folder)], standalone_mode=False) == 0
    said = capsys.readouterr()
    assert said.out.startswith("autotrain llm --train --trainer sft --model x/y --project-name my-first-run-model ")
    assert said.out.count("\n") == 1
    assert "AutoTrain: about 14 tokens of text may not fill one block of 1,024" in said.err
    given = options(said.out)
    assert given["--data-path"] == str(folder)
    assert (given["--quantization"], given["--lr"], given["--scheduler"]) == ("int4", "0.0002", "linear")
    assert (given["--warmup-ratio"], given["--epochs"], given["--lora-r"]) == ("0.1", "1", "16")
    assert texts(folder) == ['### Human: Say "it",\nplease.### Assistant: It, and\r\nmore.']


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    """AutoTrain reads every split that it finds; a second export over the first is welcome."""
    folder = tmp_path / "auto"
    write_autotrain(ROWS, folder, "x/y", settings())
    write_autotrain(MANY, folder, "x/y", settings())
    assert len(texts(folder)) == len(MANY)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(SettingsError, match="holds something else than"):
        write_autotrain(ROWS, folder, "x/y", settings())
    assert len(texts(folder)) == len(MANY)
    with pytest.raises(SettingsError, match="choose another folder"):
        write_autotrain(ROWS, folder / "notes.txt", "x/y", settings())


@pytest.mark.parametrize("name", ["auto", "first_run", "a.b", "-x-", "данные", "x" * 80, ".", "/"])
def test_project_names_are_those_that_autotrain_takes(name):
    """It dies of an underscore, of a dot, and of more than fifty characters; an option's dash would be worse."""
    assert re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z-]{0,48}[0-9A-Za-z]", project_name(Path(name)))


def test_no_quantization_has_to_be_said():
    """Left out, AutoTrain holds the base of an adapter in 4 bits."""
    assert options(command(Path("a"), "x/y", settings(quantization="none")))["--quantization"] == "none"
    assert options(command(Path("a"), "x/y", settings(quantization="int8")))["--quantization"] == "int8"


def test_the_batch_is_that_of_the_settings():
    """10 rows in parts of 4 were a batch of 8; and sharding is no matter of AutoTrain's one command."""
    given = options(command(Path("a"), "x/y", settings(batch_size=10, micro_batch=4)))
    assert (given["--batch-size"], given["--gradient-accumulation"]) == ("2", "5")
    given = options(command(Path("a"), "x/y", settings("stanford-alpaca")))
    assert int(given["--batch-size"]) * int(given["--gradient-accumulation"]) == 128
    assert (given["--lr"], given["--mixed-precision"]) == ("2e-05", "bf16")


def test_what_is_left_out_has_autotrains_own_default_in_mind():
    """It cuts to 2048 tokens, has a learning rate of its own, and looks for ' v_proj' with the space."""
    given = options(command(Path("a"), "x/y", settings(max_length=4096, learning_rate=None, target_modules="q, v")))
    assert (given["--block-size"], given["--model-max-length"]) == ("4096", "4096")
    assert given["--lr"] == "0.0002"
    assert given["--target-modules"] == "q,v"
    short = command(Path("a"), "x/y", settings(method="full", learning_rate=None, quantization="none"))
    assert options(short)["--lr"] == "2e-05"
    assert not {"--peft", "--merge-adapter", "--lora-r", "--model-max-length"} & set(shlex.split(short))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "dora"}, "AutoTrain has no dora; use --method lora or full"),
        ({"epochs": 1.5}, "AutoTrain counts whole epochs, not 1.5; set --epochs, such as 1"),
        ({"epochs": 0.0}, "AutoTrain counts whole epochs, not 0"),
    ],
)
def test_what_autotrain_cannot_do_is_an_error(given, message, tmp_path):
    """Its own words for it would be a usage text; nothing is written."""
    with pytest.raises(SettingsError, match=re.escape(message)):
        write_autotrain(ROWS, tmp_path / "auto", "x/y", settings(**given))
    assert not (tmp_path / "auto").exists()


def test_encoder_decoders_are_refused(tmp_path):
    """AutoTrain opens every base as a decoder."""
    (tmp_path / "config.json").write_text(json.dumps({"is_encoder_decoder": True}))
    with pytest.raises(SettingsError, match="AutoTrain trains no encoder-decoder"):
        command(Path("a"), tmp_path, settings())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, None),
        ({"train_on_inputs": False}, "it trains the prompts, too (--train-on-inputs)"),
        ({"validation": 0.05}, "it validates on nothing (--validation 0)"),
        ({"warmup": 100.0}, "it warms up for a tenth of the steps, not for 100 (--warmup takes a share, too)"),
        ({"max_steps": 50}, "it does not stop after 50 steps (--epochs 1 decides)"),
        ({"group_by_length": True}, "it does not group by length"),
        ({"double_quantization": True}, "it does not quantise the constants of 4 bits (--no-double-quantization)"),
        ({"double_quantization": True, "quantization": "none"}, None),
        ({"seed": 7}, "its seed is 42, whatever it is told"),
        (
            {"max_length": 2048},
            "about 1,960 tokens of text may not fill one block of 2,048, and then it stops; take a smaller --max-length",
        ),
    ],
)
def test_differences_are_told(given, sentence):
    """Silence would say that AutoTrain does it; the preset named after it has nothing to tell."""
    assert differences(MANY, "x/y", settings(**given)) == ([] if sentence is None else [sentence])


@pytest.mark.parametrize(("version", "told"), [("5.23.0", 1), ("10.0.1", 1), ("4.57.1", 0), (None, 0)])
def test_a_base_that_autotrain_cannot_read_is_told(version, told, tmp_path):
    """transformers 4 does not know the tokenizer class that transformers 5 writes, and misses its rope_parameters."""
    (tmp_path / "config.json").write_text(json.dumps({"transformers_version": version} if version else {}))
    said = differences(MANY, tmp_path, settings())
    assert len(said) == told
    assert all(f"was saved by {version}: it fails at the tokenizer" in one for one in said)


def test_tokens_of_the_base_are_not_written_as_text(tmp_path):
    """The tokenizer begins a text and AutoTrain ends it: <s> and </s> of the llama-2 template would stand there twice."""
    write_autotrain(ROWS, tmp_path / "auto", "x/y", settings(format="llama-2"))
    assert texts(tmp_path / "auto") == ['[INST] Say "it",\nplease. [/INST] It, and\r\nmore. ']


@pytest.fixture(scope="module")
def old_llama(tiny_llama, tmp_path_factory):
    """The tiny LLaMA as transformers 4 would have saved it."""
    folder = tmp_path_factory.mktemp("old") / "llama"
    shutil.copytree(tiny_llama, folder)
    for name, changes in (
        ("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"}),
        ("config.json", {"transformers_version": "4.48.0", "torch_dtype": "float32"}),
    ):
        known = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps({**known, **changes}), encoding="utf-8")
    return folder


def run_autotrain(line, folder):
    """What AutoTrain says of a command as it was printed, in a folder, without the Hub."""
    path = os.pathsep.join([str(Path(AUTOTRAIN).parent), os.environ["PATH"]])
    return subprocess.run(
        shlex.split(line), cwd=folder, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False,
        env={**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}, timeout=300,
    )  # fmt: skip


def greatest_changes(base, model):
    """By parameter, the largest difference between two folders of weights."""
    from safetensors.torch import load_file

    before, after = load_file(base / "model.safetensors"), load_file(model / "model.safetensors")
    assert set(before) == set(after)
    return {name: float((after[name].float() - before[name].float()).abs().max()) for name in before}


def real(test):
    """A test of AutoTrain itself."""
    for mark in (
        pytest.mark.slow,
        pytest.mark.skipif(AUTOTRAIN is None, reason="needs the command autotrain, from an environment of its own"),
        pytest.mark.filterwarnings("ignore"),
    ):
        test = mark(test)
    return test


@real
@pytest.mark.parametrize("method", ["lora", "full"])
def test_autotrain_runs_the_command_as_it_stands(method, old_llama, tmp_path):
    """On the processor, with every option that we print: it reads our texts and writes a model that it has trained."""
    datasets = pytest.importorskip("datasets")
    import tiny

    rows = [*ROWS, *tiny.shifted()]
    given = settings(
        method=method, quantization="none", max_length=64, epochs=2.0, batch_size=6, micro_batch=4, learning_rate=5e-3,
        schedule="cosine", max_grad_norm=0.5, weight_decay=0.01,
    )  # fmt: skip
    said = run_autotrain(write_autotrain(rows, tmp_path / "first_run", old_llama, given), tmp_path)
    model = tmp_path / "first-run-model"
    # It ends with status 0 also when its training has failed.
    assert (model / "README.md").is_file(), said.stdout + said.stderr
    assert "ERROR" not in said.stdout + said.stderr
    assert not list(model.glob("adapter_*"))
    read = datasets.load_from_disk(str(model / "autotrain-data"))["train"]["autotrain_text"]
    assert list(read) == texts(tmp_path / "first_run")
    known = json.loads((model / "training_params.json").read_text(encoding="utf-8"))
    assert (known["batch_size"], known["gradient_accumulation"], known["block_size"]) == (3, 2, 64)
    assert (known["lr"], known["scheduler"], known["max_grad_norm"]) == (5e-3, "cosine", 0.5)
    changes = greatest_changes(old_llama, model)
    linear = {name: changed for name, changed in changes.items() if ".mlp." in name or ".self_attn." in name}
    assert min(linear.values()) > 1e-3
    # A merge rounds all weights to 16 bits; what has no adapter changes by no more than that.
    assert (max(changes[name] for name in changes if name not in linear) < 1e-3) == (method == "lora")


@real
def test_autotrain_fails_where_we_say_that_it_does(tiny_llama, tmp_path):
    """Once it opens what transformers 5 saves, there is less to tell; and its status says nothing."""
    import tiny

    given = settings(quantization="none", max_length=64)
    assert "saved by 5." in differences(tiny.rows() * 9, tiny_llama, given)[0]
    said = run_autotrain(write_autotrain(tiny.rows(), tmp_path / "auto", tiny_llama, given), tmp_path)
    assert said.returncode == 0
    assert "Tokenizer class TokenizersBackend does not exist" in said.stdout + said.stderr
    assert not (tmp_path / "auto-model" / "README.md").exists()
