"""Answers of local models: batches, ends, limits, and two models on one set of weights."""

from __future__ import annotations

from threading import Event

import pytest

pytest.importorskip("torch")

import tiny
import torch
from adapters import adapter, peft_is_behind

from selfinstruct.errors import SettingsError
from selfinstruct.train.answer import Decoding, LocalModel, fingerprint, open_local
from selfinstruct.train.prompts import inference_ids

pytestmark = peft_is_behind

GREEDY = Decoding(max_new_tokens=16)


@pytest.fixture(scope="module")
def llama(tiny_llama):
    """The tiny LLaMA in the format that it was taught in."""
    return open_local(tiny_llama, format="plain")


@pytest.fixture(scope="module")
def tuned(tiny_llama, tmp_path_factory):
    """An adapter on it."""
    return open_local(adapter(tmp_path_factory.mktemp("adapters") / "one", tiny_llama))


def answered(local: LocalModel, rows, decoding=GREEDY, **options):
    asked = [local.ids(row) for row in rows]
    return [answer for _, answer in sorted(local.answer_all(asked, decoding, **options))]


def test_a_batch_answers_as_each_row_alone(llama):
    """Padding stands on the left and is masked: on the right, or seen, it would change what comes next."""
    rows = [*tiny.rows(), {"instruction": "What is it like? " * 6, "input": "grass"}, {"instruction": "?", "input": ""}]
    together = answered(llama, rows, batch_size=len(rows))
    assert together == [answered(llama, [row])[0] for row in rows]
    assert together == answered(llama, rows, batch_size=7)
    assert [one.text for one in together[:48]] == [row["output"] for row in tiny.rows()]


def test_an_encoder_decoder_answers_in_batches_too(tiny_t5):
    """A T5 begins with a start token in the place of the prompt, and its prompts are padded on the right."""
    local = open_local(tiny_t5, format="plain")
    rows = tiny.rows()
    together = answered(local, rows, batch_size=16)
    assert together == [answered(local, [row])[0] for row in rows]
    right = sum(one.text == row["output"] for one, row in zip(together, rows, strict=True))
    assert right >= 0.8 * len(rows)


def test_an_answer_ends_at_its_stop_token_and_says_if_there_was_none(llama):
    """The stop rate counts ends of the model's own: a text that the limit cut has none."""
    (whole,) = answered(llama, tiny.rows(number=1))
    assert (whole.text, whole.stopped) == ("It is green.", True)
    (cut,) = answered(llama, tiny.rows(number=1), Decoding(max_new_tokens=whole.tokens - 1))
    assert (cut.stopped, cut.tokens) == (False, whole.tokens - 1)
    assert whole.text.startswith(cut.text)


def test_reserved_tokens_inside_an_answer_stay_visible(llama):
    """A model that writes <s> or <unk> mid-answer has written something wrong, which skipping would hide."""
    stop, start = llama.prompts.stop_id, llama.tokenizer.bos_token_id
    own = llama.tokenizer("red", add_special_tokens=False).input_ids
    found = llama._answer([*own, start, *own, stop, *own])
    assert found.text.replace(" ", "") == "red<s>red"
    assert (found.stopped, found.tokens) == (True, 2 * len(own) + 2)


def test_the_format_that_a_model_was_tuned_in_is_its_own(tuned, tiny_llama):
    """Asked in another format than that of its training, a tuned model looks worse than it is."""
    assert tuned.format == "plain"
    assert open_local(tiny_llama).format == "alpaca"
    row = tiny.rows(number=1)[0]
    assert tuned.ids(row) == inference_ids(tuned.prompts, row)


def test_base_and_adapter_answer_from_one_copy_of_the_weights(tuned, llama):
    """The base of an adapter is the same model with the adapter off, before and after the adapter has answered."""
    base = tuned.base()
    assert base.model is tuned.model
    rows = tiny.rows(number=12)
    plain, changed = answered(llama, rows), answered(tuned, rows)
    assert plain != changed
    assert answered(base, rows) == plain
    assert answered(tuned, rows) == changed
    assert base.identity != tuned.identity


def test_drawn_answers_are_those_of_their_seed(llama):
    """Two runs with one seed draw alike, another seed draws otherwise, and the caller's own draws go on untouched."""
    rows = tiny.rows(number=12)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first = answered(llama, rows, Decoding(16, temperature=2.0, seed=1))
    assert torch.equal(torch.rand(1), expected)
    assert answered(llama, rows, Decoding(16, temperature=2.0, seed=1)) == first
    assert answered(llama, rows, Decoding(16, temperature=2.0, seed=2)) != first


def test_a_stream_says_what_a_batch_says(tuned):
    """The pieces of a chat together are the answer of an evaluation, for the base behind an adapter, too."""
    for local in (tuned, tuned.base()):
        (whole,) = answered(local, tiny.rows(number=1))
        pieces = list(local.stream(local.ids(tiny.rows(number=1)[0]), GREEDY))
        assert "".join(pieces).strip() == whole.text
        assert len(pieces) > 1


def test_closing_a_stream_stops_the_model(llama, monkeypatch):
    """Ctrl-C in a chat ends the work, not only the printing: the lock is free for the next question at once."""
    endless = LocalModel("endless", llama.path, llama.model, llama.tokenizer, "plain", llama.turn)
    monkeypatch.setitem(vars(endless), "_stop_ids", {0})
    stream = endless.stream(llama.ids(tiny.rows(number=1)[0]), Decoding(max_new_tokens=200))
    next(stream)
    stream.close()
    assert endless.turn.acquire(timeout=5)
    endless.turn.release()
    stop = Event()
    stream = endless.stream(llama.ids(tiny.rows(number=1)[0]), Decoding(max_new_tokens=200), stop)
    next(stream)
    stop.set()  # a browser tab that is gone reads no further
    assert endless.turn.acquire(timeout=5)
    endless.turn.release()
    stream.close()


def test_a_failure_while_streaming_reaches_the_reader(llama):
    """A model that fails in its thread must not leave the reader waiting for ever."""
    with pytest.raises(IndexError):
        list(llama.stream([10**6], GREEDY))


def test_a_batch_that_does_not_fit_into_memory_is_halved(llama, monkeypatch):
    """One long prompt among a thousand does not end an evaluation that has run for hours."""
    sizes = []
    generate = LocalModel._generate

    def small_gpu(self, given, decoding, **more):
        sizes.append(len(given["input_ids"]))
        if sizes[-1] > 4:
            raise torch.OutOfMemoryError
        return generate(self, given, decoding, **more)

    expected = answered(llama, tiny.rows(number=12))
    monkeypatch.setattr(LocalModel, "_generate", small_gpu)
    assert answered(llama, tiny.rows(number=12), batch_size=12) == expected
    assert sizes == [12, 6, 3, 3, 3, 3]
    monkeypatch.setattr(LocalModel, "_generate", lambda *_, **__: (_ for _ in ()).throw(torch.OutOfMemoryError))
    with pytest.raises(SettingsError, match=r"a prompt of \d+ tokens does not fit"):
        answered(llama, tiny.rows(number=1))


def test_another_model_at_the_same_place_is_another_model(tmp_path, monkeypatch):
    """Answers are kept by what wrote them: a model trained again into the same folder is asked anew."""
    (tmp_path / "model.safetensors").write_bytes(b"one")
    before = fingerprint(str(tmp_path))
    assert fingerprint(str(tmp_path)) == before
    (tmp_path / "model.safetensors").write_bytes(b"three")
    assert fingerprint(str(tmp_path)) != before
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert fingerprint("owner/name") == "owner/name"


@pytest.mark.parametrize("wrong", [{"max_new_tokens": 0}, {"temperature": 3.0}, {"top_p": 0.0}])
def test_decoding_that_cannot_be_is_refused_at_once(wrong):
    """A mistyped number is an error before a model is loaded."""
    with pytest.raises(SettingsError, match="--"):
        Decoding(**wrong)
