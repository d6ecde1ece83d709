"""Opening models: bases, adapters, merged ones; and what is said where that does not go."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

pytest.importorskip("torch")

import safetensors.torch
import tiny
import torch
import transformers

from selfinstruct.errors import SettingsError
from selfinstruct.train import finetune, load_model, merge
from selfinstruct.train.identity import identity, same_base
from selfinstruct.train.models import base_of, is_adapter, load_base, load_tokenizer, quantization_config, torch_dtype
from selfinstruct.train.record import read_record, write_record

QUICK = {
    "format": "plain",
    "batch_size": 16,
    "log_every": 1,
    "lora_r": 8,
    "learning_rate": 5e-3,
    "epochs": 3,
    "validation": 0,
}


@pytest.fixture(scope="module")
def tuned(tiny_llama, tmp_path_factory):
    """An adapter whose record names data that can be read."""
    folder = tmp_path_factory.mktemp("models")
    import json

    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in tiny.shifted()))
    return finetune(data, tiny_llama, folder / "tuned", **QUICK)


def logits(model):
    with torch.no_grad():
        return model(torch.tensor([[1, 5, 6, 7]])).logits


def test_bases_adapters_and_merged_models_open_alike(tuned, tiny_llama, tmp_path):
    """By one function; the adapter finds its base, and may be put on one by hand."""
    merged = tuned.merge(tmp_path / "merged")
    base, _ = load_model(tiny_llama)
    adapted, tokenizer = load_model(tuned.path)
    by_hand, _ = load_model(tiny_llama, adapter=tuned.path)
    whole, _ = load_model(merged.path)
    assert torch.equal(logits(adapted), logits(by_hand))
    assert torch.allclose(logits(adapted), logits(whole), atol=1e-5)
    assert not torch.allclose(logits(adapted), logits(base), atol=0.1)
    assert not adapted.training
    assert tokenizer.decode(tokenizer("It is green.").input_ids) == "<s> It is green."
    assert is_adapter(tuned.path)
    assert not is_adapter(merged.path)


@pytest.fixture(scope="module")
def other(tiny_llama, tmp_path_factory):
    """A base of the same shape whose linear layers have been trained on, as those of a chat model."""
    folder = tmp_path_factory.mktemp("other") / "base"
    shutil.copytree(tiny_llama, folder)
    held = safetensors.torch.load_file(folder / "model.safetensors")
    for name, weight in held.items():
        if "_proj" in name:
            weight.mul_(1.05)
    safetensors.torch.save_file(held, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_a_merge_onto_another_base_of_the_same_shape_is_refused(tuned, other, tmp_path):
    """The logits agree with those of the adapter on that base, so that the comparison says nothing."""
    with pytest.raises(SettingsError, match=r"the weights of .*base are not those that this adapter was trained on"):
        merge(tuned.path, tmp_path / "merged", base=other)
    assert not (tmp_path / "merged").exists()


def test_an_adapter_on_another_base_is_said(tuned, tiny_llama, other, caplog):
    """It may be meant, so it opens."""
    load_model(tuned.path, base=other)
    assert "was trained on other weights than those of" in caplog.text
    caplog.clear()
    load_model(tuned.path, dtype="bfloat16")
    load_model(tuned.path, base=tiny_llama)
    assert not caplog.text


@pytest.mark.parametrize(("quantization", "dtype"), [("none", "bfloat16"), ("int8", "bfloat16"), ("nf4", "float32")])
def test_a_base_is_the_same_in_other_numbers(tiny_llama, other, quantization, dtype):
    """In 16 bits, and in 4 and 8 as far as they leave weights alone."""
    if quantization != "none":
        pytest.importorskip("bitsandbytes")
    held = identity(load_base(tiny_llama, quantization=quantization, dtype=dtype))
    assert same_base(held, identity(load_base(tiny_llama)))
    assert same_base(held, identity(load_base(other))) is (quantization != "none")
    assert (held["linear"] is None) is (quantization != "none")


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_a_base_of_other_layers_is_the_same_too(quantization, tmp_path):
    """bitsandbytes quantises the Conv1D of GPT-2, which is no Linear: its QLoRA could not be merged into its base."""
    pytest.importorskip("bitsandbytes")
    config = transformers.GPT2Config(n_embd=64, n_layer=2, n_head=2, vocab_size=100, bos_token_id=0, eos_token_id=0)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    held = identity(load_base(tmp_path, quantization=quantization, dtype="bfloat16"))
    assert held["linear"] is None
    assert same_base(held, identity(load_base(tmp_path)))


def test_an_older_transformers_may_hold_a_base_otherwise(tuned, other, tmp_path, caplog):
    """Then the weights say nothing for sure, and the merge goes on with a warning."""
    adapter = shutil.copytree(tuned.path, tmp_path / "adapter")
    record = read_record(adapter)
    write_record(adapter, {**record, "libraries": {**record["libraries"], "transformers": "5.0.0"}})
    merge(adapter, tmp_path / "merged", base=other)
    assert "or transformers" in caplog.text
    assert "holds them otherwise than 5.0.0" in caplog.text


def test_weights_of_an_older_peft_are_merged(tuned, tmp_path):
    """adapter_model.bin, as adapters of 2023 on the Hub have it."""
    adapter = shutil.copytree(tuned.path, tmp_path / "adapter", ignore=shutil.ignore_patterns("merged"))
    held = safetensors.torch.load_file(adapter / "adapter_model.safetensors")
    (adapter / "adapter_model.safetensors").unlink()
    torch.save(held, adapter / "adapter_model.bin")
    assert merge(adapter, tmp_path / "merged").drift < 1e-5


def test_an_adapter_is_no_base(tuned, tmp_path):
    """Its weights would be those of another model, drawn at random."""
    with pytest.raises(SettingsError, match="is an adapter; make it part of its base first, with selfinstruct merge"):
        finetune(tiny.shifted(), tuned.path, tmp_path / "tuned", **QUICK)


def test_a_base_that_was_moved_is_said(tuned, tiny_llama, tmp_path):
    """adapter_config.json holds the path that was; `base` says the new one."""
    import json

    moved = shutil.copytree(tuned.path, tmp_path / "moved")
    config = json.loads((moved / "adapter_config.json").read_text())
    assert base_of(moved) == str(tiny_llama)
    (moved / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "/no/such/folder"}))
    with pytest.raises(
        SettingsError,
        match=r"its base /no/such/folder is not there; write where it is into adapter_config.json .* --base",
    ):
        load_model(moved)
    assert torch.equal(logits(load_model(moved, base=tiny_llama)[0]), logits(load_model(tuned.path)[0]))


def test_an_adapter_of_another_model_is_refused(tuned, tiny_t5):
    """Not half loaded with a warning."""
    with pytest.raises(SettingsError, match="this adapter does not fit its base"):
        load_model(tiny_t5, adapter=tuned.path)


@pytest.mark.parametrize("name", ["no-such-folder", "/no/such/folder"])
def test_a_model_that_is_not_there(name, monkeypatch):
    """One line with the way on, not the traceback of three libraries."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SettingsError, match=f"{name}: cannot be opened as a model"):
        load_model(name)


class Gated(BaseHTTPRequestHandler):
    """The Hub's answer for a model whose licence has not been accepted."""

    def do_HEAD(self):
        self.send_response(403)
        self.send_header("X-Error-Code", "GatedRepo")
        self.send_header("X-Error-Message", "Access to model meta-llama/Llama-2-7b-hf is restricted.")
        self.end_headers()

    do_GET = do_HEAD  # noqa: N815 - the name that the server looks for

    def log_message(self, *_):
        pass


@pytest.mark.slow
def test_a_gated_base_says_how_to_get_access(tmp_path):
    """LLaMA without access: the licence page and the login command."""
    server = HTTPServer(("127.0.0.1", 0), Gated)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        code = (
            "from selfinstruct.train import load_model\nfrom selfinstruct.errors import SettingsError\n"
            "try:\n    load_model('meta-llama/Llama-2-7b-hf')\nexcept SettingsError as error:\n    print(error)"
        )
        place = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path)}
        shown = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **place}
        )
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
    assert shown.stdout == (
        "meta-llama/Llama-2-7b-hf: access has to be granted first. Accept the licence on "
        "https://huggingface.co/meta-llama/Llama-2-7b-hf, then log in: hf auth login\n"
    )


@pytest.mark.slow
def test_a_hub_that_cannot_be_reached_is_said_while_it_is_tried_again(tmp_path):
    """Half a minute without a word looked like a hang."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = {"HF_ENDPOINT": f"http://127.0.0.1:{closed.getsockname()[1]}", "HF_HOME": str(tmp_path)}
        code = "from selfinstruct.train import load_model\nload_model('owner/name')"
        with subprocess.Popen(
            [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env={**os.environ, **place}
        ) as trying:
            said = [trying.stderr.readline(), trying.stderr.readline()]
            trying.kill()
    assert "owner/name/resolve/main/" in said[0]
    assert said[1].startswith("Retrying in 1s")


def test_padding_takes_a_token_that_is_there(tiny_llama):
    """A new one would grow the matrix of the base, and the adapter would fit no other copy of it."""
    tokenizer = load_tokenizer(tiny_llama)
    assert tokenizer.pad_token == "<unk>"
    assert len(tokenizer) == len(tiny.metaspace())


def test_a_gpu_that_only_emulates_bfloat16_gets_float32(monkeypatch):
    """torch says yes of a T4, too, unless asked for the real thing."""
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert torch_dtype("auto", "cuda:0") is torch.float32
    assert torch_dtype("bfloat16", "cuda:0") is torch.bfloat16


def test_qlora_is_as_in_its_paper():
    """NF4, double quantisation, bfloat16 compute."""
    pytest.importorskip("bitsandbytes")
    config = quantization_config("nf4")
    assert (config.load_in_4bit, config.bnb_4bit_quant_type, config.bnb_4bit_use_double_quant) == (True, "nf4", True)
    assert config.bnb_4bit_compute_dtype is torch.bfloat16


def test_a_merge_is_written_into_the_records(tuned, tmp_path):
    """Its drift over prompts of the training data and ours, beside the model and beside the adapter."""
    made = tuned.merge(tmp_path / "merged")
    assert made.prompts == 16
    assert read_record(tmp_path / "merged")["merged"] == read_record(tuned.path)["merged"] == made.to_dict()
    assert "convert_hf_to_gguf.py" in made.conversion
    assert "100.0% of the most likely tokens agree" in str(made)


def test_a_merged_model_stops_by_itself(tuned, tmp_path):
    """generation_config.json names the stop token, so that a server that knows nothing of formats stops, too."""
    import transformers

    tuned.merge(tmp_path / "merged")
    found = transformers.GenerationConfig.from_pretrained(tmp_path / "merged")
    assert found.eos_token_id == [load_tokenizer(tmp_path / "merged").eos_token_id]


def test_sixteen_bits_are_measured_not_hidden(tuned, tmp_path):
    """A bfloat16 merge rounds; how much is said, and a bound refuses it and leaves nothing behind."""
    made = tuned.merge(tmp_path / "rounded", dtype="bfloat16")
    assert 1e-4 < made.drift < 1
    with pytest.raises(SettingsError, match=r"its logits differ by .* more than 1e-06"):
        tuned.merge(tmp_path / "refused", dtype="bfloat16", max_drift=1e-6)
    assert not (tmp_path / "refused").exists()


def test_what_cannot_be_merged_is_refused(tuned, tiny_llama, tmp_path):
    """No adapter, a folder in use, an adapter that changes nothing: said before anything is written."""
    with pytest.raises(SettingsError, match="nothing to merge"):
        merge(tiny_llama, tmp_path / "merged")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    with pytest.raises(SettingsError, match="not an empty folder"):
        merge(tuned.path, tmp_path / "full")
    zero = shutil.copytree(tuned.path, tmp_path / "zero")
    held = safetensors.torch.load_file(zero / "adapter_model.safetensors")
    safetensors.torch.save_file(
        {name: torch.zeros_like(one) for name, one in held.items()}, zero / "adapter_model.safetensors"
    )
    with pytest.raises(SettingsError, match="so it changes nothing"):
        merge(zero, tmp_path / "of-zero")
    assert not (tmp_path / "of-zero").exists()


class Hub:
    """What of `HfApi` a push calls."""

    token = "hf_x"

    def __init__(self):
        self.made, self.files = [], []

    def create_repo(self, repo, **more):
        self.made.append((repo, more))

    def upload_folder(self, *, folder_path, allow_patterns, ignore_patterns, **more):
        from huggingface_hub.utils import filter_repo_objects

        names = [str(path.relative_to(folder_path)) for path in folder_path.rglob("*") if path.is_file()]
        self.files = list(filter_repo_objects(names, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns))
        return more["repo_id"]


def test_a_push_holds_the_model_and_a_card_of_facts(tuned, tmp_path):
    """Adapter, tokenizer, record, curve and card; neither checkpoints nor the merged model nor the lock."""
    if not tuned.merged_path.exists():
        tuned.merge()
    hub = Hub()
    with pytest.raises(SettingsError, match="name the model with its owner, as OWNER/NAME, such as me/tiny"):
        tuned.push_to_hub("tiny", api=hub)
    with pytest.raises(SettingsError, match=r"no evaluation here \(there is no table.md\)"):
        tuned.push_to_hub("me/tiny", evaluation=tmp_path, api=hub)
    (tmp_path / "table.md").write_text("| score | base | tuned |\n")
    assert tuned.push_to_hub("me/tiny", evaluation=tmp_path, api=hub) == "me/tiny"
    assert "## Evaluation\n\n| score | base | tuned |\n" in (tuned.path / "README.md").read_text()
    hub = Hub()
    assert tuned.push_to_hub("me/tiny", api=hub) == "me/tiny"
    assert hub.made == [("me/tiny", {"repo_type": "model", "private": True, "exist_ok": True})]
    assert sorted(hub.files) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors", "losses.jsonl", "losses.png", "tokenizer.json",
        "tokenizer_config.json", "training.json",
    ]  # fmt: skip
    card = (tuned.path / "README.md").read_text()
    result = tuned.record["result"]
    for fact in (
        "library_name: peft", "48 rows of", tuned.record["data"]["sha256"][:16], f"{result['steps']} steps",
        "| lora_r | 8 |", f"{result['last_loss']:.4g}", "`plain`", "`</s>`", "![Loss by step](losses.png)",
    ):  # fmt: skip
        assert fact in card, fact


def test_a_card_tells_of_the_data_of_a_run(tiny_llama, tmp_path):
    """The card of the data set stands in that of the model, without the Hub's metadata."""
    import selfinstruct

    run = selfinstruct.generate(tmp_path / "run", model="demo", num_tasks=12, progress=False)
    made = finetune(
        run, tiny_llama, tmp_path / "tuned", preset="alpaca-lora", quantization="none", max_dropped=1.0, max_steps=1,
        max_length=256, warmup=0, validation=0,
    )  # fmt: skip
    card = (made.path / "README.md").read_text()
    assert card.count("\n---\n") == 1
    assert "### Instructions written by demo" in card
    assert "\n| lora_r | 8 |\n" in card
    assert "\n| max_steps | 1 |\n" in card
    assert "Preset `alpaca-lora`, but for quantization, warmup, validation." in card
    assert "400 rows" not in card
    assert f"{len(run.dataset)} rows of 12 tasks" in card
