"""How near an answer comes to its references, against other programs and against figures worked out by hand."""

from __future__ import annotations

import string

import numpy as np
import pytest

pytest.importorskip("sacrebleu")
pytest.importorskip("nltk")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from selfinstruct.errors import SettingsError
from selfinstruct.train.evaluation.bertscore import BertScore, Tokens, f_score
from selfinstruct.train.evaluation.metrics import chrf, corpus_chrf, exact_match, intervals, rouge_l

STEMMED = RougeScorer(["rougeL"], use_stemmer=True)

words = st.sampled_from(["running", "runs", "cats", "the", "generously", "Skies", "12's", "don't", "a-b", "3.4", ""])
texts = st.lists(words, max_size=8).map(" ".join)


def superni(text):
    """The normal form of Super-NaturalInstructions' own metrics."""
    return " ".join("".join(sign for sign in text.lower() if sign not in string.punctuation).split())


@settings(deadline=None)
@given(texts, texts)
def test_rouge_is_that_of_rouge_score_with_its_stemmer(prediction, reference):
    """On ASCII the figure is the one that Super-NaturalInstructions and Self-Instruct's table 3 print."""
    assert rouge_l(prediction, [reference]) == pytest.approx(STEMMED.score(reference, prediction)["rougeL"].fmeasure)


def test_rouge_sees_every_script():
    """rouge_score drops each letter outside a-z, so that right and wrong Chinese answers score 0 alike."""
    assert STEMMED.score("北京是首都", "北京是首都")["rougeL"].fmeasure == 0
    assert rouge_l("北京是首都", ["北京是首都"]) == 1
    assert rouge_l("上海是首都", ["北京是首都"]) == pytest.approx(0.6)
    assert rouge_l("café", ["cafe"]) == 0


def test_the_best_reference_counts():
    """One of several right answers is enough for each of the scores."""
    several = ["The Rhine.", "The Danube flows there."]
    assert exact_match("the danube flows there", several) == 1
    assert rouge_l("The Danube flows there.", several) == 1
    assert chrf("The Danube flows there.", several) == 1
    assert rouge_l("the rhine", several, stem=False) == 1


@given(st.lists(st.sampled_from(["Yes", "no", "It's", "done!", "(a)", "the", "10"]), min_size=1).map(" ".join), texts)
def test_exact_match_is_that_of_super_natural_instructions(prediction, reference):
    """Case, punctuation and spacing have no part in it, where no number has a sign or a point."""
    reference = reference.replace("3.4", "34")
    assert exact_match(prediction, [reference]) == (superni(prediction) == superni(reference))


@pytest.mark.parametrize(
    ("prediction", "reference", "same"),
    [
        ("-5", "5", 0),
        ("1.5", "15", 0),
        (".5", "5", 0),
        ("1,5", "15", 0),
        ("1,000", "1000", 1),
        ("x-5", "x5", 1),
        ("The answer is 5.", "the answer is 5", 1),
        ("<", ">", 0),
        ("!", "?", 0),
        ("", "?", 0),
        ("😀", "😡", 0),
        ("好的。", "好的", 1),
        ("Ｙｅｓ", "yes", 1),
    ],
)
def test_exact_match_does_not_take_a_wrong_number_or_sign_for_right(prediction, reference, same):
    """Without all punctuation -5 is 5, 1.5 is 15, and any answer of signs alone equals any other."""
    assert exact_match(prediction, [reference]) == same


def test_chrf_is_that_of_sacrebleu_with_words():
    """chrF++ has word pairs (word_order 2), and a corpus figure is not the mean of its answers."""
    import sacrebleu

    predictions, references = ["the cat sat", "a dog"], [["the cat sat down"], ["a dog", "the dog"]]
    ours = [chrf(*pair) for pair in zip(predictions, references, strict=True)]
    theirs = sacrebleu.sentence_chrf(predictions[0], references[0], word_order=2).score / 100
    assert ours == [pytest.approx(theirs), 1]
    streams = [["the cat sat down", "a dog"], ["the cat sat down", "the dog"]]
    whole = sacrebleu.corpus_chrf(predictions, streams, word_order=2).score / 100
    assert corpus_chrf(predictions, references) == pytest.approx(whole)
    assert whole != pytest.approx(np.mean(ours), abs=1e-3)


def test_empty_answers_score_nothing():
    """An answer that was refused or is empty counts as 0 in every score and breaks none."""
    assert [exact_match("", ["x"]), rouge_l("", ["x"]), chrf("", ["x"]), corpus_chrf(["", ""], [["x"], ["y"]])] == [
        0
    ] * 4


def test_the_interval_of_a_mean_is_the_normal_one_where_that_holds():
    """For 400 fair coins the standard error is 1/40, so the interval is about 0.5 plus and minus 1.96/40."""
    low, high = intervals(np.array([[0.0, 1.0] * 200]), seed=3)
    assert low[0] == pytest.approx(0.5 - 1.96 / 40, abs=0.008)
    assert high[0] == pytest.approx(0.5 + 1.96 / 40, abs=0.008)


def test_the_interval_of_a_difference_is_paired_and_repeatable():
    """A model that is better by the same on each question is better for sure, however different the questions are."""
    base = np.random.default_rng(0).random(50)
    low, high = intervals(np.stack([base, base + 0.1, base + 0.1 - base]), seed=5)
    assert (low[2], high[2]) == (pytest.approx(0.1), pytest.approx(0.1))
    assert low[1] < high[0]
    again = intervals(np.stack([base, base + 0.1, base + 0.1 - base]), seed=5)
    assert (again[0] == low).all()
    assert (again[1] == high).all()
    assert (intervals(base[None], seed=6)[0] != low[0]).any()


def unit(*rows):
    return torch.nn.functional.normalize(torch.tensor(rows, dtype=torch.float32), dim=-1)


def test_bertscore_of_vectors_worked_out_by_hand():
    """Precision is the mean of each own token's best cosine, recall the same the other way round."""
    answer = Tokens(unit([1.0, 0.0], [1.0, 1.0]), torch.tensor([True, True]))
    reference = Tokens(unit([0.0, 1.0]), torch.tensor([True]))
    precision, recall = (0 + 0.5**0.5) / 2, 0.5**0.5
    assert f_score(answer, reference) == pytest.approx(2 * precision * recall / (precision + recall))
    nothing = Tokens(unit([1.0, 0.0]), torch.tensor([False]))
    assert f_score(nothing, reference) == f_score(reference, nothing) == 0


def test_bertscore_matches_with_the_tokens_around_a_text_but_does_not_count_them():
    """The authors' program lets [CLS] be the best match of a word, and leaves it out of both means."""
    answer = Tokens(unit([1.0, 0.0], [0.0, 1.0]), torch.tensor([False, True]))
    reference = Tokens(unit([0.0, 1.0], [1.0, 0.0]), torch.tensor([False, True]))
    assert f_score(answer, reference) == pytest.approx(1)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """The folder of an encoder of three layers, whose tokenizer knows no longest text."""
    folder = tmp_path_factory.mktemp("encoder")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "dog", "sat", "on", "a", "mat"]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=16,
        )
        BertModel(config).save_pretrained(folder)
    return str(folder)


def test_bertscore_takes_what_ends_the_bert_score_package(encoder):
    """An empty answer, a tokenizer without a length limit, a text longer than the encoder: a score for each."""
    scorer = BertScore(encoder)
    assert scorer.layer == 2
    answers = ["the cat", "", "the cat " * 30, "a dog sat on the mat"]
    references = [["a dog", "the cat"], ["the cat"], ["the dog"], ["a cat"]]
    found = scorer(answers, references)
    assert found[:2] == [pytest.approx(1), 0]
    assert all(0 < score < 1 for score in found[2:])
    one_by_one = [scorer([answer], [several])[0] for answer, several in zip(answers, references, strict=True)]
    assert found == pytest.approx(one_by_one, abs=1e-5)


def test_an_encoder_that_is_none_is_said_so(encoder, tmp_path):
    """A wrong path or layer is an error that names the option, not a stack of transformers."""
    with pytest.raises(SettingsError, match=r"--bertscore .*nothing: no encoder there"):
        BertScore(str(tmp_path / "nothing"))
    with pytest.raises(SettingsError, match=r"--bertscore-layer 9: .* has layers 1 to 3"):
        BertScore(encoder, layer=9)
