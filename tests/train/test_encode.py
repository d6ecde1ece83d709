"""Rows to token ids and labels: the masks, the ends, the lengths, for tokenizers of four kinds."""

from __future__ import annotations

from functools import cache

import pytest

pytest.importorskip("torch")

import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from selfinstruct.errors import SettingsError
from selfinstruct.train.encode import MASKED, Encoder
from selfinstruct.train.prompts import inference_ids, prompts, reserved_in

KINDS = list(tiny.TOKENIZERS)
FORMATS = ["alpaca", "alpaca-legacy", "guanaco", "vicuna", "llama-2", "chatml", "plain"]
RESERVED = ["</s>", "<s>", "<|endoftext|>", "<|im_end|>", "<eos>", "<bos>", "<pad>", "[INST]"]

tokenizer = cache(lambda kind: tiny.TOKENIZERS[kind]())


@cache
def encoder(kind, format, **more):
    return Encoder(prompts(tokenizer(kind), format), seq2seq=kind == "unigram", **more)


known = st.sampled_from([*tiny.NOUNS, *tiny.FIRST, "It", "is", "I", "find", "it"])
words = st.lists(known, min_size=1, max_size=12).map(" ".join)
# Any text for tokenizers that know every byte, without the sign that stands for a space in one of them.
signs = st.characters(codec="utf-8", exclude_characters="▁\0", exclude_categories=["Cs"])
anything = st.lists(st.one_of(st.text(signs, max_size=8), st.sampled_from(RESERVED)), max_size=6).map("".join)
texts = anything.map(str.strip).filter(bool)


def answer_of(example):
    return [label for label in example.labels if label != MASKED]


@pytest.mark.parametrize("kind", ["byte-level", "metaspace"])
@pytest.mark.parametrize("format", ["alpaca", "plain", "chatml"])
@given(instruction=texts, input=st.one_of(st.just(""), texts), output=texts)
@settings(max_examples=25, deadline=None)
def test_labels_are_the_answer_and_one_end(kind, format, instruction, input, output):
    """Whatever stands in a row, reserved strings included, the trained labels are its output and one stop token."""
    one = encoder(kind, format, max_length=10_000)
    (example,), report = one.encode([{"instruction": instruction, "input": input, "output": output}])
    *answer, last = answer_of(example)
    assert one.prompts.tokenizer.decode(answer, clean_up_tokenization_spaces=False) == output
    assert last == one.prompts.stop_id
    assert example.input_ids.count(last) == 1 + (
        format == "chatml" and kind == "byte-level"
    )  # the user's turn ends, too
    assert report.specials == bool(
        [name for text in (instruction, input, output) for name in reserved_in(tokenizer(kind), text)]
    )


@pytest.mark.parametrize("kind", KINDS)
@given(
    row=st.fixed_dictionaries({"instruction": words, "input": words, "output": words}), format=st.sampled_from(FORMATS)
)
@settings(max_examples=40, deadline=None)
def test_the_laws_of_an_example(kind, row, format):
    """Prompt ids are those of inference, one BOS, one trained end, labels at their places, for every kind and format."""
    one = encoder(kind, format, max_length=10_000)
    tok = one.prompts.tokenizer
    (example,), _ = one.encode([row])
    asked = inference_ids(one.prompts, {**row, "output": "?"}, seq2seq=one.seq2seq)
    answer = answer_of(example)
    assert answer[-1] == one.prompts.stop_id
    assert one.prompts.stop_id not in answer[:-1]
    assert tok.decode(answer, skip_special_tokens=True).split() == row["output"].split()
    if one.seq2seq:
        assert example.input_ids == asked
        assert example.labels == answer
        assert asked[-1] == tok.eos_token_id, "T5 reads inputs that end in </s>"
    else:
        assert example.input_ids == [*asked, *answer]
        assert example.labels == [*[MASKED] * len(asked), *answer]
        assert example.input_ids.count(tok.bos_token_id) == (kind != "byte-level")
        assert (example.input_ids[0] == tok.bos_token_id) == (kind != "byte-level")


@pytest.mark.parametrize("kind", KINDS)
@given(
    rows=st.lists(
        st.fixed_dictionaries({"instruction": words, "input": words, "output": words}), min_size=1, max_size=8
    ),
    max_length=st.integers(8, 60),
)
@settings(max_examples=25, deadline=None)
def test_an_answer_is_never_cut_and_every_row_is_accounted_for(kind, rows, max_length):
    """A row that is too long loses the end of its input, or is dropped and counted; its answer stays whole."""
    whole = encoder(kind, "plain", max_length=10_000)
    one = encoder(kind, "plain", max_length=max_length)
    fits = [one.encode([row], max_dropped=0)[1].kept for row in rows if _fits(one, row)]
    if not fits:
        with pytest.raises(SettingsError, match=f"{len(rows)} of {len(rows)} rows cannot be trained on"):
            one.encode(rows)
        return
    examples, report = one.encode(rows)
    assert report.kept == len(fits)
    assert report.kept + report.dropped == report.rows == len(rows)
    assert report.kept == len(examples)
    kept = [row for at, row in enumerate(rows) if at not in report.dropped_rows]
    cut = 0
    for row, example in zip(kept, examples, strict=True):
        (full,), _ = whole.encode([row])
        assert answer_of(example) == answer_of(full)
        assert max(len(example.input_ids), len(example.labels)) <= max_length
        cut += len(example.input_ids) < len(full.input_ids)
    assert cut == report.shortened


def _fits(one, row):
    """Whether some beginning of the row's input leaves room, tried out one by one."""
    (answer,) = one.prompts.answer_ids([row["output"]])
    shorter = [row["input"][:end].rstrip() for end in range(1, len(row["input"]) + 1)]
    asked = [len(inference_ids(one.prompts, {**row, "input": text}, seq2seq=one.seq2seq)) for text in shorter]
    if one.seq2seq:
        return max(min(asked), len(answer) + 1) <= one.max_length
    return min(asked) + len(answer) + 1 <= one.max_length


def test_a_shortened_input_is_as_long_as_fits():
    """Not more is cut than has to be: one sign more would not fit."""
    row = {"instruction": "Describe the thing.", "input": "snow " * 60, "output": "It is white."}
    one = encoder("byte-level", "plain", max_length=50)
    (example,), report = one.encode([row])
    assert report.shortened == 1
    assert 47 <= len(example.input_ids) <= 50
    asked = one.prompts.tokenizer.decode(
        [token for token, label in zip(example.input_ids, example.labels, strict=True) if label == MASKED]
    )
    assert asked.startswith("Describe the thing.\n\nsnow snow")


def test_an_instruction_that_is_too_long_drops_the_row():
    """There is nothing in it that could be left out without asking something else."""
    rows = [{"instruction": "word " * 90, "input": "", "output": "It is."}, *tiny.rows(number=9)]
    examples, report = encoder("byte-level", "plain", max_length=40).encode(rows, max_dropped=0.1)
    assert (report.too_long, report.dropped_rows, len(examples)) == (1, [0], 9)


def test_too_many_losses_are_an_error():
    """Training on what happens to fit would be another data set; the message says how to go on."""
    rows = [{"instruction": "word " * 90, "input": "", "output": "It is."}, *tiny.rows(number=5)]
    with pytest.raises(SettingsError, match=r"1 of 6 rows cannot be trained on.*--max-length.*--max-dropped"):
        encoder("byte-level", "plain", max_length=40).encode(rows, max_dropped=0.1)


def test_rows_without_an_answer_are_dropped():
    """An empty answer would teach the model to say nothing."""
    rows = [{"instruction": "Say it.", "input": "", "output": " "}, *tiny.rows(number=9)]
    _, report = encoder("metaspace", "alpaca").encode(rows, max_dropped=0.5)
    assert (report.empty, report.kept) == (1, 9)


def test_prompts_are_trained_on_request():
    """As alpaca-lora does; the first token is given, never guessed."""
    one = encoder("metaspace", "alpaca", train_on_inputs=True)
    (example,), _ = one.encode(tiny.rows(number=1))
    assert example.labels == [MASKED, *example.input_ids[1:]]


@pytest.mark.parametrize("format", ["chat", "chatml"])
def test_a_chat_template_ends_with_its_own_token(format):
    """Qwen's answers end in <|im_end|>, not in the end of text; taught the latter, a model talks on in every chat."""
    one = encoder("byte-level", format)
    tok = one.prompts.tokenizer
    (example,), report = one.encode(tiny.rows(number=1))
    assert report.stop_token == "<|im_end|>"
    assert tok.decode(answer_of(example)) == "It is green.<|im_end|>"
    turns = [{"role": "user", "content": "What is it like?\n\ngrass"}]
    asked = tok.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    assert example.input_ids[: len(asked)] == asked


@pytest.mark.parametrize("format", ["chat", "chatml"])
def test_reserved_strings_of_a_row_are_text_in_a_chat(format):
    """Otherwise a row could end the user's turn and write the assistant's itself."""
    tok = tokenizer("byte-level")
    row = {"instruction": "Repeat <|im_end|> please.", "input": "", "output": "<|im_end|> it is."}
    (example,), report = encoder("byte-level", format).encode([row])
    stop = tok.convert_tokens_to_ids("<|im_end|>")
    assert example.input_ids.count(stop) == 2, "the ends of the two turns alone"
    assert tok.decode(answer_of(example)) == "<|im_end|> it is.<|im_end|>"
    assert "Repeat <|im_end|> please." in tok.decode(example.input_ids)
    assert report.specials == 1


@pytest.mark.parametrize("format", ["chat", "chatml", "llama-2", "guanaco"])
def test_every_answer_of_a_conversation_is_trained_with_its_end(format):
    """As the encoding of the whole conversation at once has it; a template without further turns stops at the first."""
    turns = [{"role": "user", "content": "Is snow cold?"}, {"role": "assistant", "content": "It is cold."}]
    row = {**tiny.rows(number=1)[0], "turns": turns}
    one = encoder("byte-level" if format.startswith("chat") else "metaspace", format)
    tok = one.prompts.tokenizer
    (example,), _ = one.encode([row])
    answers = tok.decode(answer_of(example)).replace(" " + tok.eos_token, tok.eos_token)
    stop = tok.convert_ids_to_tokens(one.prompts.stop_id)
    assert [text.strip() for text in answers.split(stop)] == ["It is green.", "It is cold.", ""]
    if format == "chat":
        said = [
            {"role": "user", "content": "What is it like?\n\ngrass"},
            {"role": "assistant", "content": "It is green."},
            *turns,
        ]
        whole = tok.apply_chat_template(said, return_dict=False)
        assert example.input_ids == whole[: len(example.input_ids)]
        assert tok.decode(whole[len(example.input_ids) :]) == "\n"


def test_a_tokenizer_without_an_end_is_refused():
    """No model tuned with it could stop."""
    tok = tiny.word_level()
    tok.eos_token = None
    with pytest.raises(SettingsError, match="no end-of-text token"):
        prompts(tok, "alpaca")


def test_a_tokenizer_without_a_chat_template_says_so():
    """With a format that is there."""
    with pytest.raises(SettingsError, match="--format alpaca"):
        prompts(tokenizer("metaspace"), "chat")


def test_an_unknown_format_names_the_known_ones():
    """From the one list of templates."""
    with pytest.raises(SettingsError, match="guanaco"):
        prompts(tokenizer("metaspace"), "no-such")


def test_masks_can_be_read():
    """What is masked and what is trained, as text."""
    one = encoder("metaspace", "plain")
    examples, report = one.encode(tiny.rows(number=2))
    shown = one.show(examples, 1)
    assert shown.splitlines()[1:] == [
        "  masked  '<s> What is it like?\\n\\ngrass\\n'",
        "  trained 'It is green.</s>'",
    ]
    assert shown.startswith(f"row 1: {len(examples[0].input_ids)} tokens, {examples[0].trained} labels trained")
    assert "each answer ends in '</s>'" in str(report)
