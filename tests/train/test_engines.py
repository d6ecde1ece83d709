"""The same training in other ways: another engine, a quantised base, another cut of the batch."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import safetensors.torch
import tiny
import torch
from tuned import flat

from selfinstruct.errors import SettingsError
from selfinstruct.train import finetune
from selfinstruct.train.presets import PRESETS

QUICK = {
    "format": "plain", "batch_size": 16, "micro_batch": 8, "log_every": 1, "lora_r": 8, "learning_rate": 5e-3,
    "lora_dropout": 0.0, "epochs": 2, "validation": 0.25,
}  # fmt: skip


@pytest.fixture(scope="module")
def plain(tiny_llama, tmp_path_factory):
    """The reference: one process, transformers' Trainer."""
    return finetune(tiny.shifted(), tiny_llama, tmp_path_factory.mktemp("plain") / "tuned", **QUICK)


@pytest.mark.parametrize("micro_batch", [1, 3, 16])
def test_the_cut_of_a_batch_is_no_matter(plain, tiny_llama, tmp_path, micro_batch):
    """Loss and weights are those of the whole batch, also with a last batch that is not full."""
    other = finetune(tiny.shifted(), tiny_llama, tmp_path / "tuned", **{**QUICK, "micro_batch": micro_batch})
    assert flat(other) == pytest.approx(flat(plain), abs=1e-4)


@pytest.mark.parametrize("micro_batch", [2, 16])
def test_the_cut_of_a_batch_is_no_matter_to_t5(tiny_t5, tmp_path, micro_batch):
    """transformers takes T5's mean over a micro-batch for a part of a sum: four cuts were four times the gradient."""
    settings = {**QUICK, "epochs": 1, "max_grad_norm": 0.0}
    model = tmp_path / "no-dropout"
    model.mkdir()
    for path in tiny_t5.iterdir():
        text = path.read_bytes()
        (model / path.name).write_bytes(text.replace(b'"dropout_rate": 0.1', b'"dropout_rate": 0.0'))
    whole = finetune(tiny.shifted(), model, tmp_path / "whole", **{**settings, "micro_batch": 8})
    other = finetune(tiny.shifted(), model, tmp_path / "cut", **{**settings, "micro_batch": micro_batch})
    assert flat(other) == pytest.approx(flat(whole), abs=1e-3)


@pytest.mark.slow
def test_both_engines_have_the_same_losses(plain, tiny_llama, tmp_path):
    """On the same rows: what trl adds is packing, not another training."""
    pytest.importorskip("trl")
    other = finetune(tiny.shifted(), tiny_llama, tmp_path / "tuned", **QUICK, engine="trl")
    assert flat(other) == pytest.approx(flat(plain), abs=1e-4)


@pytest.mark.slow
def test_packed_rows_do_not_see_each_other(plain, tiny_llama, tmp_path):
    """All 36 rows in a sequence or two have the loss that they have alone, and no answer is cut."""
    pytest.importorskip("trl")
    frozen = {**QUICK, "learning_rate": 1e-12, "warmup": 0.0, "batch_size": 64, "max_length": 128, "epochs": 1}
    packed = finetune(tiny.shifted(), tiny_llama, tmp_path / "packed", **frozen, engine="trl", packing=True)
    alone = finetune(tiny.shifted(), tiny_llama, tmp_path / "alone", **frozen)
    assert packed.losses[0].loss == pytest.approx(alone.losses[0].loss, abs=1e-4)
    assert packed.record["encoding"]["kept"] == 36


@pytest.mark.parametrize("settings", [{}, {"checkpointing": True}, {"method": "dora"}, {"quantization": "int8"}])
def test_a_quantised_base_is_tuned_and_merged_in_full(tiny_llama, tmp_path, settings):
    """NF4 with double quantisation on the CPU, as slow as it is; the merge is onto the base in full precision."""
    pytest.importorskip("bitsandbytes")
    given = {**QUICK, "quantization": "nf4", "dtype": "bfloat16", **settings}
    tuned = finetune(tiny.shifted(), tiny_llama, tmp_path / "tuned", **given)
    assert tuned.losses[-2].loss < 0.75 * tuned.losses[0].loss
    made = tuned.merge()
    assert made.drift < 1e-5
    saved = safetensors.torch.load_file(tuned.merged_path / "model.safetensors")
    assert {one.dtype for one in saved.values()} == {torch.float32}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_trains(name, tiny_llama, tiny_t5, tmp_path):
    """As it stands but for its size, on the CPU: rows of like length, constant rates, whole texts, 4 and 8 bits."""
    pytest.importorskip("bitsandbytes")
    small = {
        "batch_size": 4,
        "micro_batch": 2,
        "max_steps": 2,
        "validation": 0.25,
        "evaluate_every": 1,
        "save_every": 1,
    }
    on_cpu = {"fsdp": False, "optimizer": "adamw_torch"}
    base = tiny_t5 if name.startswith("lamini") else tiny_llama
    tuned = finetune(
        tiny.shifted(), base, tmp_path / "tuned", preset=name, **small, **on_cpu, max_length=256, warmup=0.0
    )
    assert tuned.record["preset"] == name
    assert tuned.record["result"]["steps"] == 2
    assert tuned.losses[0].validation is None
    assert tuned.losses[1].validation is not None


def test_quantisation_without_its_package_says_so(tiny_llama, monkeypatch, tmp_path):
    """Before anything is read."""
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        "selfinstruct.train.extras.find_spec", lambda name: None if name == "bitsandbytes" else find(name)
    )
    with pytest.raises(SettingsError, match=r"pip install 'selfinstruct\[qlora\]'"):
        finetune(tiny.shifted(), tiny_llama, tmp_path / "tuned", **QUICK, quantization="nf4")


def test_sixteen_bits_train(tiny_llama, tmp_path):
    """A bfloat16 base under LoRA, and full weights in 32 bits that compute in 16."""
    for method, rate in (("lora", 5e-3), ("full", 2e-3)):
        settings = {**QUICK, "learning_rate": rate, "dtype": "bfloat16"}
        tuned = finetune(tiny.shifted(), tiny_llama, tmp_path / method, **settings, method=method)
        assert tuned.losses[-2].loss < 0.75 * tuned.losses[0].loss
        held = safetensors.torch.load_file(next(tuned.path.glob("*.safetensors")))
        assert {one.dtype for one in held.values()} == {torch.float32}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": "float16"}, "float16 has no arithmetic on the CPU"),
        ({"device": "cuda"}, "no CUDA device here"),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_what_the_machine_cannot_do_is_refused(tiny_llama, tmp_path, settings, message):
    """With what it can."""
    with pytest.raises(SettingsError, match=message):
        finetune(tiny.shifted(), tiny_llama, tmp_path / "tuned", **QUICK, **settings)
