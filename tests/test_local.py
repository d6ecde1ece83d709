"""Models in this process, with a tiny one that is made here: no download, no GPU."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from selfinstruct.errors import EndpointFailed, RequestRefused, SettingsError
from selfinstruct.llm import LLM, Message, Request

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from selfinstruct.llm.decoding import Sampling, _Draw, _Penalties, end_tokens  # noqa: E402 - they import torch
from selfinstruct.llm.local import LocalModel, is_out_of_memory  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

THINGS = ["a river", "the two kettles of my aunt", "trains", "poems about rain, snow, and everything else that falls"]
CONTEXT = 4096


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A LLaMA of two layers with random weights, a byte-level tokenizer and a chat template."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    from foreign_server import make_tiny_model

    path = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(1)
    make_tiny_model(path)
    return path


@pytest.fixture(scope="module")
def loaded(folder):
    """The model and its tokenizer, for those tests that look inside."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder, dtype="float32"), AutoTokenizer.from_pretrained(folder)


def ask(text, *, prompt=False, optional=(), **sampling):
    sampling = {"max_tokens": 12, "temperature": 0.0, **sampling}
    said = {"prompt": text} if prompt else {"messages": (Message("user", text),)}
    return Request("tiny", **said, sampling=sampling, optional=frozenset(optional))


def answers(model, requests):
    """What each request comes to, all of them asked at once."""

    async def main():
        try:
            return await asyncio.gather(*map(model.complete, requests), return_exceptions=True)
        finally:
            await model.close()

    return asyncio.run(main())


class Counted:
    """A model that writes down the batches, and may fail at those that are too large."""

    def __init__(self, model, most=100, error="out of memory"):
        self._model, self.most, self.error, self.batches = model, most, error, []

    def __getattr__(self, name):
        return getattr(self._model, name)

    def generate(self, rows, **more):
        self.batches.append(tuple(rows.shape))
        if len(rows) > self.most:
            raise torch.OutOfMemoryError(self.error) if self.error == "out of memory" else RuntimeError(self.error)
        return self._model.generate(rows, **more)


def test_it_fits_the_seam_and_loads_from_a_folder(folder):
    """`hf:` is how the command line names it; nothing is loaded before the first request."""
    model = LocalModel(f"hf:{folder}")
    assert isinstance(model, LLM)
    assert model.model == f"hf:{folder}"
    assert model._loaded is None
    (found,) = answers(model, [ask("Say hello.")])
    assert model._loaded is not None
    assert found.finish_reason in ("stop", "length")
    assert 0 < found.usage.completion_tokens <= 12


def test_a_greedy_answer_is_the_one_of_transformers(loaded):
    """Padding, masks and our own processors change nothing: the same text as generate() gives for the prompt alone."""
    model, tokenizer = loaded
    found = answers(LocalModel.of(model, tokenizer), [ask(text) for text in THINGS])
    for text, completion in zip(THINGS, found, strict=True):
        turns = [{"role": "user", "content": text}]
        prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        with torch.inference_mode():
            output = model.generate(**prompt, do_sample=False, max_new_tokens=12)[0, prompt["input_ids"].shape[1] :]
        assert completion.text == tokenizer.decode(output, skip_special_tokens=True)
        assert completion.usage.prompt_tokens == prompt["input_ids"].shape[1]
        assert completion.text


@pytest.mark.parametrize("sampling", [{}, {"temperature": 1.3, "top_p": 0.9}, {"temperature": 1.0, "seed": 7}])
def test_the_answer_does_not_depend_on_the_batch(loaded, sampling):
    """Alone, with others, and in another order: in float32 the same, sampled ones, too."""
    requests = [ask(text, **sampling) for text in THINGS]
    together = answers(LocalModel.of(*loaded), requests)
    backwards = answers(LocalModel.of(*loaded), requests[::-1])[::-1]
    alone = [answers(LocalModel.of(*loaded), [request])[0] for request in requests]
    assert together == backwards == alone


def test_seeds_and_texts_draw_unlike_answers(loaded):
    """A seed of the request is used; without one the text is the seed, so that samples of one prompt can differ."""
    drawn = [answers(LocalModel.of(*loaded), [ask("a", temperature=1.5, seed=seed)])[0].text for seed in range(4)]
    assert len(set(drawn)) == 4


def test_draws_follow_the_distribution():
    """The Gumbel noise: three tokens of probability 0.5, 0.3 and 0.2 come about so often."""
    scores = torch.log(torch.tensor([[0.5, 0.3, 0.2]])).repeat(4000, 1)
    drawn = _Draw(range(4000))(None, scores).argmax(dim=1)
    shares = torch.bincount(drawn, minlength=3) / 4000
    assert torch.allclose(shares, torch.tensor([0.5, 0.3, 0.2]), atol=0.03), shares


def test_the_penalties_are_those_of_openai():
    """Once for presence, by count for frequency, and the prompt does not count."""
    said = torch.tensor([[0, 0, 1, 1, 2], [0, 0, 3, 3, 3]])  # the first two are the prompt
    found = _Penalties(1.0, 0.25, 2)(said, torch.zeros(2, 5))
    assert found.tolist() == [[0, -1.5, -1.25, 0, 0], [0, 0, 0, -1.75, 0]]
    assert _Penalties(1.0, 0.0, 5)(said, torch.zeros(2, 5)).tolist() == [[0.0] * 5] * 2


def test_log_probabilities_are_those_of_the_model(loaded):
    """The most probable first tokens, before temperature and penalties; both APIs' ways to ask; no more than asked."""
    model, tokenizer = loaded
    asked = [{"logprobs": True, "top_logprobs": 3}, {"logprobs": 3, "presence_penalty": 2.0}, {}]
    one, other, without = (answers(LocalModel.of(*loaded), [ask("a", prompt=True, **more)])[0] for more in asked)
    with torch.inference_mode():
        logits = model(torch.tensor([tokenizer("a")["input_ids"]])).logits[0, -1]
    best = logits.log_softmax(-1).topk(3)
    expected = {tokenizer.decode([token]): value for value, token in zip(*map(torch.Tensor.tolist, best), strict=True)}
    assert one.logprobs[0] == pytest.approx(expected, abs=1e-4)
    assert other.logprobs[0] == pytest.approx(expected, abs=1e-4)
    assert len(one.logprobs) == 8
    assert without.logprobs is None


@pytest.mark.parametrize(("temperature", "top_p", "greedy"), [(0, 1, True), (0.7, 0, True), (0.7, 0.5, False)])
def test_temperature_or_top_p_of_0_is_greedy(temperature, top_p, greedy):
    """OpenAI's servers take both for that; transformers refuses them."""
    assert Sampling.of({"temperature": temperature, "top_p": top_p}, 5).greedy is greedy


def test_a_stop_text_ends_an_answer_and_is_cut_off(loaded):
    """As at OpenAI; what the prompt ends with does not count."""
    (whole,) = answers(LocalModel.of(*loaded), [ask("kettles")])
    stop = whole.text[4:6]
    place = whole.text.index(stop)
    counted = Counted(loaded[0])
    cut, other = answers(
        LocalModel.of(counted, loaded[1]), [ask("kettles", stop=[stop, "never"]), ask("x", stop=["s:"])]
    )
    assert cut.text == whole.text[:place]
    assert cut.finish_reason == "stop"
    assert cut.usage.completion_tokens < whole.usage.completion_tokens
    assert len(counted.batches) == 2
    (found,) = answers(LocalModel.of(*loaded), [ask("kettles" + stop[:1], stop=["never said"], prompt=True)])
    assert found.finish_reason == "length"
    assert other.usage.completion_tokens > 0


def test_stop_and_length_are_told_apart(loaded):
    """An answer that the model ends says "stop", without the mark that ends it; one at the limit says "length"."""
    model, tokenizer = loaded
    (end,) = end_tokens(model, tokenizer)

    class Ending(Counted):
        def generate(self, rows, **more):
            said = torch.tensor([[5, 6, end, 0, 0], [5, 6, 7, 8, 9]])[: len(rows)]
            return torch.cat([rows, said], dim=1)

    ended, cut = answers(LocalModel.of(Ending(model), tokenizer), [ask("a", max_tokens=5), ask("b", max_tokens=5)])
    assert (ended.finish_reason, ended.usage.completion_tokens) == ("stop", 3)
    assert ended.text == tokenizer.decode([5, 6])
    assert (cut.finish_reason, cut.usage.completion_tokens) == ("length", 5)


def test_unlike_sampling_goes_to_batches_of_its_own(loaded):
    """Nine requests of two kinds, and four at a time; the short ones together, so that little is padding."""
    counted = Counted(loaded[0])
    long = [ask("word " * (40 + number)) for number in range(4)]
    short = [ask(f"{number}") for number in range(4)]
    mixed = [one for pair in zip(long, short, strict=True) for one in pair]
    found = answers(LocalModel.of(counted, loaded[1], batch_size=4), [*mixed, ask("0", temperature=0.5)])
    assert all(one.text is not None for one in found)
    assert sorted(rows for rows, _ in counted.batches) == [1, 4, 4]
    assert max(width for rows, width in counted.batches if rows == 4) > 2 * min(width for _, width in counted.batches)


def test_requests_that_follow_at_once_on_an_answer(loaded):
    """An instance is asked for in the moment its verdict comes; the end of the earlier batch must not lose it."""

    async def main():
        model = LocalModel.of(*loaded)
        found = [await model.complete(ask(text)) for text in THINGS]
        await model.close()
        return found

    assert [one.text for one in asyncio.run(asyncio.wait_for(main(), 20))] == [
        one.text for one in answers(LocalModel.of(*loaded), [ask(text) for text in THINGS])
    ]


def test_the_event_loop_stays_alive(loaded):
    """The work is done in a thread; a progress line and signals are served meanwhile."""

    async def main():
        model, ticks = LocalModel.of(*loaded), 0
        answer = asyncio.ensure_future(model.complete(ask("a", max_tokens=60)))
        while not answer.done():
            await asyncio.sleep(0.002)
            ticks += 1
        await model.close()
        return ticks

    assert asyncio.run(main()) > 10


def test_a_closed_model_halts_and_can_be_asked_again(loaded):
    """A second Ctrl-C must not wait for 4,000 tokens; what was under way is cancelled."""

    async def main():
        counted = Counted(loaded[0])
        model = LocalModel.of(counted, loaded[1])
        answer = asyncio.ensure_future(model.complete(ask("a", max_tokens=3000)))
        while not counted.batches:  # noqa: ASYNC110 - it happens in another thread
            await asyncio.sleep(0.01)
        await asyncio.wait_for(model.close(), 5)
        with pytest.raises(asyncio.CancelledError):
            await answer
        again = await model.complete(ask("a", max_tokens=2))
        await model.close()
        return again

    assert asyncio.run(main()).usage.completion_tokens <= 2


# What cannot be answered ---------------------------------------------------------------------------------------------


def test_what_is_longer_than_the_context_is_refused(loaded):
    """With both numbers; the others of the batch are answered."""
    long, fine = answers(LocalModel.of(*loaded), [ask("a", max_tokens=CONTEXT), ask("b")])
    assert isinstance(long, RequestRefused)
    assert "max_tokens (4,096) are longer than the context" in str(long)
    assert fine.text


def test_a_base_model_is_asked_with_plain_prompts(loaded):
    """Without a chat template the message says which option to use, and that option works."""
    from copy import deepcopy

    tokenizer = deepcopy(loaded[1])
    tokenizer.chat_template = None
    chat, *_ = answers(LocalModel.of(loaded[0], tokenizer), [ask("a")])
    assert isinstance(chat, SettingsError)
    assert "--api completions" in str(chat)
    tokenizer.chat_template = "{{ raise_exception('No system turn, please') }}"
    (refused,) = answers(LocalModel.of(loaded[0], tokenizer), [ask("a")])
    assert isinstance(refused, SettingsError)
    assert "does not take these messages: No system turn" in str(refused)
    plain, empty = answers(LocalModel.of(loaded[0], tokenizer), [ask("Once upon", prompt=True), ask("", prompt=True)])
    assert plain.usage.prompt_tokens == len(tokenizer("Once upon")["input_ids"])
    assert empty.usage.prompt_tokens == 1


def test_a_parameter_that_is_not_known_here(loaded, caplog):
    """A default is passed over with a notice, once; what the user set is an error."""
    (refused,) = answers(LocalModel.of(*loaded), [ask("a", logit_bias={})])
    assert isinstance(refused, SettingsError)
    assert "takes no logit_bias" in str(refused)
    found = answers(LocalModel.of(*loaded), [ask(text, logit_bias={}, optional=["logit_bias"]) for text in THINGS])
    assert all(one.text for one in found)
    assert caplog.text.count("takes no logit_bias; the run goes on without") == 1


@pytest.mark.parametrize(
    "error", ["out of memory", "MPS backend out of memory", "DefaultCPUAllocator: not enough memory"]
)
def test_a_batch_that_does_not_fit_is_halved(loaded, caplog, error):
    """Every request is answered as before, and the smaller size is kept."""
    counted = Counted(loaded[0], most=3, error=error)
    model = LocalModel.of(counted, loaded[1], batch_size=8)
    requests = [ask(f"{number} stones") for number in range(8)]
    found = answers(model, requests)
    assert [one.text for one in found] == [one.text for one in answers(LocalModel.of(*loaded), requests)]
    assert [rows for rows, _ in counted.batches] == [8, 4, 2, 2, 2, 2]
    assert model.batch_size == 2
    assert "goes on with 2 requests at once" in caplog.text


def test_a_request_that_does_not_fit_alone(loaded):
    """Before any success the model is too large for the machine; after one, the request is."""
    counted = Counted(loaded[0], most=0)
    model = LocalModel.of(counted, loaded[1])
    (found,) = answers(model, [ask("a")])
    assert isinstance(found, EndpointFailed)
    assert "Choose a smaller model" in str(found)
    counted.most = 1
    assert answers(model, [ask("a")])[0].text
    counted.most = 0
    assert isinstance(answers(model, [ask("b")])[0], RequestRefused)


def test_any_other_failure_of_the_model_ends_the_run(loaded):
    """A CUDA error is no poison prompt; an error in our own code reaches whoever waits, and nobody waits for ever."""
    (found,) = answers(
        LocalModel.of(Counted(loaded[0], most=0, error="CUDA error: unspecified"), loaded[1]), [ask("a")]
    )
    assert isinstance(found, EndpointFailed)
    assert "does not run: CUDA error" in str(found)
    broken = SimpleNamespace(config=loaded[0].config)
    assert isinstance(answers(LocalModel.of(broken, loaded[1]), [ask("a")])[0], AttributeError)
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert"))


def test_a_folder_that_is_no_model(tmp_path):
    """The cause and the option; nothing is asked of the network for a path that is there."""
    (tmp_path / "config.json").write_text("{}")
    (found,) = answers(LocalModel(str(tmp_path)), [ask("a")])
    assert isinstance(found, SettingsError)
    assert "cannot be opened as a model" in str(found)
    with pytest.raises(SettingsError, match="dtype is one of"):
        LocalModel(str(tmp_path), dtype="int3")


def test_a_missing_extra_says_what_to_type(monkeypatch):
    """Before anything is loaded, and with the packages that are missing."""
    monkeypatch.setattr("selfinstruct.llm.local.find_spec", lambda name: None if name == "accelerate" else name)
    with pytest.raises(SettingsError, match=r"^accelerate not installed; type: pip install 'selfinstruct\[local\]'$"):
        LocalModel("hf:any")


def test_a_gated_model_says_what_to_do(monkeypatch):
    """The Hub's error is the cause of the one that transformers raises; licence page and login stand in ours."""
    from huggingface_hub.errors import GatedRepoError
    from transformers import AutoTokenizer

    def gated(name, **_):
        response = SimpleNamespace(headers={}, request=None)
        raise OSError("You are trying to access a gated repo.") from GatedRepoError("403", response=response)

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", gated)
    (found,) = answers(LocalModel("hf:big/model"), [ask("a")])
    assert isinstance(found, SettingsError)
    assert "https://huggingface.co/big/model" in str(found)
    assert "hf auth login" in str(found)


def test_an_adapter_comes_with_its_base(folder, tmp_path):
    """What `selfinstruct train` leaves is a model here, too."""
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    tuned = peft.get_peft_model(base, peft.LoraConfig(target_modules=["q_proj"], init_lora_weights=False))
    tuned.save_pretrained(tmp_path / "adapter")
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "adapter")
    (plain,) = answers(LocalModel(f"hf:{folder}"), [ask("a")])
    (adapted,) = answers(LocalModel(f"hf:{tmp_path / 'adapter'}"), [ask("a")])
    assert adapted.usage.prompt_tokens == plain.usage.prompt_tokens
    assert adapted.text != plain.text


def test_a_whole_run_with_a_model_in_this_process(folder, tmp_path):
    """The engine with it: gibberish saturates, every answer is in the ledger, and a second sitting asks nothing."""
    import selfinstruct as si

    options = {"num_tasks": 5, "max_tokens": 16, "classify_max_tokens": 4, "instance_max_tokens": 8}
    model = LocalModel(f"hf:{folder}")
    run = si.generate(tmp_path / "run", llm=model, saturation_window=6, concurrency=4, progress=False, **options)
    assert run.stopped == "saturated"
    assert run.settings.model == f"hf:{folder}"
    assert run.spent.calls >= 6
    again = si.generate(tmp_path / "run", llm=LocalModel("never loaded"), model=f"hf:{folder}", progress=False)
    assert again.spent.calls == run.spent.calls
    asyncio.run(model.close())
