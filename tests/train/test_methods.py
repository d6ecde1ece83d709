"""Every method on a tiny LLaMA and a tiny T5: it learns, it changes its own weights alone, it comes back as it was."""

from __future__ import annotations

import shutil

import pytest

pytest.importorskip("torch")

import safetensors.torch
import tiny
import torch

from selfinstruct.errors import SettingsError
from selfinstruct.train import TrainSettings, finetune, methods
from selfinstruct.train.answer import Decoding, open_local
from selfinstruct.train.encode import Encoder
from selfinstruct.train.extras import quiet_libraries
from selfinstruct.train.models import load_base, load_model, load_tokenizer
from selfinstruct.train.prompts import prompts

# Learning rates for a model of a hundred thousand weights; the defaults are for billions.
RATES = {
    "lora": 5e-3,
    "rslora": 3e-3,
    "dora": 5e-3,
    "pissa": 2e-3,
    "adalora": 1e-2,
    "houlsby": 5e-3,
    "bitfit": 1e-2,
    "full": 2e-3,
    "prefix": 0.1,
    "prompt": 0.1,
}
QUICK = {
    "virtual_tokens": 4,
    "format": "plain",
    "batch_size": 16,
    "micro_batch": 16,
    "epochs": 4,
    "validation": 0,
    "log_every": 3,
    "lora_r": 8,
    "lora_dropout": 0.0,
}
TRAINED = {
    "ia3": "ia3_l", "layer-norm": "norm", "bitfit": "bias", "houlsby": "selfinstruct", "adapterbias": "selfinstruct",
    "prefix": "prompt_embeddings", "prompt": "prompt_embeddings",
}  # fmt: skip


@pytest.fixture(scope="module", params=list(methods.METHODS))
def tuned(request, tiny_llama, tmp_path_factory):
    """The tiny LLaMA tuned on the shifted task with each method in turn."""
    folder = tmp_path_factory.mktemp(request.param) / "tuned"
    return finetune(
        tiny.shifted(), tiny_llama, folder, method=request.param, learning_rate=RATES.get(request.param), **QUICK
    )


def batch(folder, seq2seq=False):
    encoder = Encoder(prompts(load_tokenizer(folder), "plain"), seq2seq=seq2seq)
    return tiny.padded(encoder.encode(tiny.shifted())[0], seq2seq)


def loss_of(model, given):
    """The loss of the answers alone; AdaLoRA's own adds what keeps its factors orthogonal."""
    with torch.no_grad(), quiet_libraries():
        logits = model(**given).logits[:, -given["labels"].shape[1] :]
    if not model.config.is_encoder_decoder:
        logits, labels = logits[:, :-1], given["labels"][:, 1:]
    else:
        labels = given["labels"]
    return float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten()))


def test_it_learns(tuned, tiny_llama):
    """The LoRA family takes off a quarter of the loss of the shifted task in a dozen steps, every other method some."""
    given = batch(tiny_llama)
    before, after = loss_of(load_base(tiny_llama), given), loss_of(load_model(tuned.path)[0], given)
    family = tuned.record["settings"]["method"] in (*methods.LORA, "full")
    assert after < before * (0.75 if family else 1.0)


def test_it_can_be_asked(tuned):
    """One question, also of a model with virtual tokens in front; peft's remarks about these are not the user's."""
    assert isinstance(tuned.ask("What is it like?", "grass", max_new_tokens=12), str)


def test_it_answers_in_sixteen_bits(tuned):
    """As on a GPU, where the base is bfloat16 and no autocast stands around the answer; BitFit's biases broke there."""
    opened = open_local(tuned.path, dtype="bfloat16")
    asked = opened.ids({"instruction": "What is it like?", "input": "grass"})
    ((_, answer),) = opened.answer_all([asked], Decoding(max_new_tokens=3))
    assert 1 <= answer.tokens <= 3


def test_only_its_own_weights_are_saved(tuned, tiny_llama):
    """An adapter holds what its method trains; the base stands beside it unchanged."""
    method = tuned.record["settings"]["method"]
    files = list(tuned.path.glob("*.safetensors"))
    assert len(files) == 1
    names = safetensors.torch.load_file(files[0])
    if method == "full":
        assert names.keys() == safetensors.torch.load_file(tiny_llama / "model.safetensors").keys()
    else:
        assert all(TRAINED.get(method, "lora_") in name for name in names), names
        trained = sum(one.numel() for one in names.values())
        # PiSSA is saved as the difference of two adapters; AdaLoRA without the ranks that it gave up.
        expected = tuned.record["plan"]["trainable"] * (2 if method == "pissa" else 1)
        assert trained <= expected if method == "adalora" else trained == expected


def test_the_base_is_left_as_it_was(tuned, tiny_llama):
    """With its adapter off, and for prefix and prompt without it, the model is the base to the bit."""
    base = dict(load_base(tiny_llama).named_parameters())
    model, _ = load_model(tuned.path)
    if tuned.record["settings"]["method"] in ("full", "layer-norm", "pissa"):
        pytest.skip("these have weights of the base among their own")
    found = {name.replace(".base_layer", ""): one for name, one in model.named_parameters()}
    for name, one in base.items():
        (same,) = (other for key, other in found.items() if key.endswith(name))
        assert torch.equal(one, same), name


def test_it_reloads_equal(tuned):
    """What is opened answers as what was saved: twice the same logits, and the loss of the record."""
    given = batch(tuned.path)
    first, second = load_model(tuned.path)[0], load_model(tuned.path)[0]
    with torch.no_grad(), quiet_libraries():
        assert torch.equal(first(**given).logits, second(**given).logits)
    checkpoint = max((tuned.path / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    assert checkpoint.name == f"checkpoint-{tuned.record['result']['steps']}"


def test_it_merges_where_it_merges(tuned, tiny_llama, tmp_path):
    """Within 1e-5 of the adapter, opened as a plain model; where the method has no place in the weights, it says so."""
    method = tuned.record["settings"]["method"]
    if method == "full":
        with pytest.raises(SettingsError, match="nothing to merge"):
            tuned.merge(tmp_path / "merged")
        return
    if not methods.METHODS[method].mergeable:
        with pytest.raises(SettingsError, match="has no place in the base's weights"):
            tuned.merge(tmp_path / "merged")
        return
    made = tuned.merge(tmp_path / "merged")
    assert made.drift < 1e-5 < made.change
    assert made.agreement == 1.0
    import transformers

    with quiet_libraries():
        plain = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    given = batch(tiny_llama)
    assert abs(loss_of(plain, given) - loss_of(load_model(tuned.path)[0], given)) < 1e-5


@pytest.mark.parametrize("method", list(methods.METHODS))
def test_encoder_decoders_learn_by_the_same_methods(method, tiny_t5, tmp_path):
    """T5 with each method: the loss falls, and the result opens with its base."""
    tuned = finetune(
        tiny.shifted(),
        tiny_t5,
        tmp_path / "tuned",
        method=method,
        learning_rate=RATES.get(method),
        **{**QUICK, "epochs": 8},
    )
    given = batch(tiny_t5, seq2seq=True)
    assert loss_of(load_model(tuned.path)[0], given) < loss_of(load_base(tiny_t5), given)
    narrow = open_local(tuned.path, dtype="bfloat16")  # T5 keeps some layers in 32 bits
    ((_, answer),) = narrow.answer_all([narrow.ids(tiny.shifted()[0])], Decoding(max_new_tokens=3))
    assert answer.tokens
    if method in ("lora", "ia3"):
        assert tuned.merge().drift < 1e-4
    if method == "bitfit":
        with pytest.raises(SettingsError, match="a t5 model has no place for biases"):
            tuned.merge()


@pytest.mark.parametrize("method", [name for name, one in methods.METHODS.items() if one.checkpointing])
def test_activations_may_be_computed_twice(method, tiny_llama, tmp_path):
    """The table says so of these methods, and the losses are those of keeping the activations."""
    runs = [
        finetune(
            tiny.shifted(), tiny_llama, tmp_path / str(on), method=method,
            **{**QUICK, "epochs": 1, "log_every": 1, "checkpointing": on},
        )
        for on in (False, True)
    ]  # fmt: skip
    kept, computed = ([point.loss for point in run.losses] for run in runs)
    assert computed == pytest.approx(kept, abs=1e-5)
    assert len(kept) == 3


@pytest.mark.parametrize(
    ("settings", "seq2seq", "merge", "message"),
    [
        (
            {"method": "prefix", "checkpointing": True},
            False,
            False,
            "prefix does not go with --checkpointing; these do: lora",
        ),
        ({"method": "prompt"}, False, True, "prompt does not go into a merged model"),
        ({"method": "full", "quantization": "nf4"}, False, False, "full does not go on a quantised base"),
        ({"method": "pissa", "quantization": "int8"}, False, False, "pissa does not go on a quantised base"),
        ({"method": "dora", "quantization": "int8"}, False, False, "dora loses the scales .* --quantization nf4"),
        ({"engine": "trl"}, True, False, "trl has no encoder-decoders"),
        ({"engine": "trl", "method": "houlsby"}, False, False, "trl does not know the method houlsby"),
        ({"method": "bitfit"}, True, True, "T5 and its like have no place for biases"),
        ({"method": "adalora", "fsdp": True}, False, False, "--fsdp goes with the methods full, lora"),
        (
            {"quantization": "int8", "fsdp": True},
            False,
            False,
            "8-bit weights cannot be sharded; use --quantization nf4",
        ),
        # Their halves share an embedding, which FSDP would give to two groups and refuse when the steps begin.
        ({"fsdp": True}, True, False, "encoder-decoders cannot be sharded"),
        ({"method": "lore"}, False, False, "no method 'lore'; the methods are lora, rslora"),
    ],
)
def test_limits_are_checked_before_anything_starts(settings, seq2seq, merge, message):
    """Hours later is too late; the message names what would go."""
    with pytest.raises(SettingsError, match=message):
        methods.check(TrainSettings(**settings), seq2seq=seq2seq, merge=merge)


def test_zero_and_empty_adapters_are_refused(tuned, tmp_path):
    """alpaca-lora users published adapters of 443 bytes; one that changes nothing never leaves this program."""
    if tuned.record["settings"]["method"] == "full":
        pytest.skip("no adapter")
    methods.check_learnt(tuned.path)
    for name, weights in (("zero", torch.zeros_like), ("empty", None)):
        folder = shutil.copytree(tuned.path, tmp_path / name)
        (path,) = folder.glob("*.safetensors")
        held = safetensors.torch.load_file(path)
        safetensors.torch.save_file({key: weights(one) for key, one in held.items()} if weights else {}, path)
        with pytest.raises(SettingsError, match="so it changes nothing"):
            methods.check_learnt(folder)


def test_an_untrained_lora_is_refused(tiny_llama, tmp_path):
    """Its first factor is random and its second zero, so the file is neither empty nor all zero."""
    settings = TrainSettings(method="lora")
    model = methods.apply(load_base(tiny_llama), settings, steps=1)
    with pytest.raises(SettingsError, match="so it changes nothing"):
        methods.save(model, tmp_path, settings)


def test_bitfit_finds_biases_where_there_are_some(tiny_llama):
    """LLaMA has none and gets one of zeros for each linear layer, but none at the head."""
    model = methods.apply(load_base(tiny_llama), TrainSettings(method="bitfit"), steps=1)
    trained = [name for name, one in model.named_parameters() if one.requires_grad]
    assert len(trained) == 7 * 2
    assert all(name.endswith("proj.bias") for name in trained)
