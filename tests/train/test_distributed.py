"""Two processes are one: the same command under torchrun, with a copy of the model each (DDP) or a share (FSDP)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

import safetensors.torch
import tiny
import torch
from tuned import cut_back, flat, weights

from selfinstruct.errors import SettingsError
from selfinstruct.train import Tuned, finetune
from selfinstruct.train.methods import SHARDED

SHARDS = Path(__file__).with_name("shards.py")
SETTINGS = {
    "format": "plain", "batch_size": 16, "micro_batch": 8, "log_every": 1, "lora_r": 8, "learning_rate": 5e-3,
    "lora_dropout": 0.0, "epochs": 2, "validation": 0.25,
}  # fmt: skip


def options(settings):
    for name, value in settings.items():
        option = name.replace("_", "-")
        yield f"--{option}" if value is True else f"--{option}={value}"


def torchrun(*words):
    made = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *words],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return made.stdout


def command(folder, *words):
    """`selfinstruct train` by two processes."""
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in tiny.shifted()))
    said = torchrun("-m", "selfinstruct", "train", rows, "--processes=2", *words)
    assert said.count("Tuned(") == 1, "the first process speaks"


def assert_one(two, one):
    assert two.record["processes"] == 2
    assert flat(two) == pytest.approx(flat(one), abs=1e-4)
    whole, gathered = weights(one.path), weights(two.path)
    assert whole.keys() == gathered.keys()
    assert all(torch.allclose(value, gathered[name], atol=1e-4) for name, value in whole.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [{}, {"method": "houlsby"}, {"fsdp": True, "preset": "stanford-alpaca", "dtype": "float32"}],
    ids=["lora", "houlsby", "stanford-alpaca"],
)
def test_two_processes_are_one(settings, tiny_llama, tmp_path):
    """Losses, validation and weights within 1e-4, with a last batch that does not divide."""
    given = {**SETTINGS, **settings}
    command(tmp_path, "--base", tiny_llama, "-o", tmp_path / "two", *options(given))
    one = finetune(tiny.shifted(), tiny_llama, tmp_path / "one", **{**given, "fsdp": False})
    assert_one(Tuned(tmp_path / "two"), one)


def tied(base, folder):
    """A copy whose output layer is its embedding, as of small LLaMAs and Qwens."""
    shutil.copytree(base, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    held = weights(folder)
    del held["lm_head.weight"]
    safetensors.torch.save_file(held, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.mark.slow
def test_shards_are_one(tiny_llama, tmp_path):
    """By each method that shards, over 4-bit weights, tied ones, activations computed twice, and by the other engine."""
    pytest.importorskip("bitsandbytes")
    pytest.importorskip("trl")
    ways = {method: {"method": method} for method in SHARDED}
    four_bits = {"quantization": "nf4", "dtype": "float32", "validation": 0}
    ways |= {
        f"nf4 {method}": {"method": method, **four_bits} for method in ("lora", "rslora", "dora", "ia3", "layer-norm")
    }
    ways |= {"checkpointing": {"checkpointing": True}, "trl": {"engine": "trl"}}
    ways |= {"tied": {"base": str(tied(tiny_llama, tmp_path / "base"))}}
    ways = {name: {"base": str(tiny_llama), **SETTINGS, **more} for name, more in ways.items()}
    (tmp_path / "ways.json").write_text(json.dumps(ways))
    torchrun(SHARDS, tmp_path)
    for name, settings in ways.items():
        one = finetune(tiny.shifted(), output=tmp_path / f"whole-{name}", **settings)
        assert_one(Tuned(tmp_path / name), one)


@pytest.mark.slow
def test_sixteen_bits_are_summed_in_thirty_two(tiny_llama, tmp_path):
    """accelerate's policy gives the loss of shards back in bfloat16: 2.265625 for 2.26588."""
    given = {**SETTINGS, "epochs": 1, "dtype": "bfloat16"}
    command(tmp_path, "--base", tiny_llama, "-o", tmp_path / "two", "--fsdp", *options(given))
    one = finetune(tiny.shifted(), tiny_llama, tmp_path / "one", **given)
    two = Tuned(tmp_path / "two")
    assert flat(two) == pytest.approx(flat(one), abs=2e-2)
    assert not any(point.loss == float(torch.tensor(point.loss).bfloat16()) for point in two.losses if point.loss)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full"])
def test_shards_are_gone_on_with(method, tiny_llama, tmp_path):
    """From the checkpoint of the first epoch to the same end, optimizer and all."""
    given = {**SETTINGS, "method": method, "lora_dropout": 0.1}
    command(tmp_path, "--base", tiny_llama, "-o", tmp_path / "straight", "--fsdp", *options(given))
    cut_back(tmp_path / "straight", tmp_path / "resumed", 3)
    command(tmp_path, "-o", tmp_path / "resumed", "--resume", "auto")
    straight, resumed = Tuned(tmp_path / "straight"), Tuned(tmp_path / "resumed")
    assert resumed.losses == straight.losses
    saved = weights(straight.path)
    assert all(torch.equal(value, saved[name]) for name, value in weights(resumed.path).items())


def test_four_bit_shards_are_not_validated_on_a_cpu(tiny_llama, tmp_path, monkeypatch):
    """bitsandbytes packs its weights anew whenever a model on the CPU answers, and shards come out as other numbers."""
    pytest.importorskip("bitsandbytes")
    monkeypatch.setenv("WORLD_SIZE", "2")
    settings = {**SETTINGS, "quantization": "nf4", "device": "cpu", "fsdp": True}
    with pytest.raises(SettingsError, match="packs 4-bit weights anew to validate"):
        finetune(tiny.shifted(), tiny_llama, tmp_path / "tuned", **settings)
