"""Near-duplicates: the decisions of the pool's filter on any set, and both sides of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fractions import Fraction
from random import Random

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import LCSseq

import selfinstruct as si
from selfinstruct import approximate
from selfinstruct.cli import cli
from selfinstruct.dedup import Measure, dedup
from selfinstruct.dedup_files import dedup_files
from selfinstruct.errors import SettingsError
from selfinstruct.records import open_records
from selfinstruct.similarity import RougeIndex
from selfinstruct.text import TOKENIZERS, words

TEXTS = [
    "Sort a list of numbers.",
    "Name a river in France.",
    "Sort the list of numbers!",
    "Translate the sentence into German.",
    "sort a list of numbers",
    "Name a long river in France.",
]


def one_by_one(texts, threshold, tokenizer=words, against=()):
    """The kept positions, and of each dropped one its partner's position in against + texts and the score."""
    index, at, kept, dropped = RougeIndex(threshold, tokenizer), [], [], []
    for position, text in enumerate([*against, *texts]):
        found = index.nearest(text) if position >= len(against) else None
        if found is None:
            index.add(text)
            at.append(position)
            kept += [position - len(against)] if position >= len(against) else []
        else:
            dropped.append((position - len(against), at[found.position], found.score))
    return kept, dropped


def seen(result, number_against=0):
    """A result in the same terms."""
    kept = np.flatnonzero(result.decisions.kept).tolist()
    place = dict(zip(result.against._names, result.against._starts, strict=True))
    return kept, [
        (one.position, one.partner_position + (place[one.source] if one.source else number_against), one.score)
        for one in result.dropped
    ]


corpora = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=9).map(" ".join), max_size=40)
thresholds = st.sampled_from([0.3, 0.5, 0.6, 0.7, 0.75, 0.9, 1.0])


@settings(deadline=None)
@given(corpora, thresholds, st.lists(corpora, max_size=2), st.sampled_from(["words", "rouge"]))
def test_decisions_and_partners_are_those_of_the_pool(texts, threshold, against, tokenizer):
    """Every kept row, every partner, every score equals RougeIndex fed in file order, ties and empty texts included."""
    together = [text for each in against for text in each]
    expected = one_by_one(texts, threshold, TOKENIZERS[tokenizer], together)
    result = dedup(texts, max_rouge=threshold, tokenizer=tokenizer, against=against)
    assert seen(result, len(together)) == expected
    assert result.kept == [texts[position] for position in expected[0]]


@pytest.mark.parametrize("by", ["exact", "minhash"])
@settings(deadline=None)
@given(texts=corpora, threshold=thresholds, higher=thresholds, against=st.lists(corpora, max_size=1))
def test_rethreshold_equals_a_new_look(by, texts, threshold, higher, against):
    """A row that is kept at the higher threshold may be the one that later rows fall to."""
    if by == "minhash":
        pytest.importorskip("datasketch")
    if higher < threshold:
        threshold, higher = higher, threshold
    again = dedup(texts, max_rouge=threshold, against=against, by=by).rethreshold(higher)
    if by == "exact":  # MinHash at a higher threshold looks at other bands
        assert seen(again) == seen(dedup(texts, max_rouge=higher, against=against))
    assert again.measure.limit == higher
    assert all(one.score >= higher for one in again.dropped)


def test_a_lower_threshold_needs_a_new_look():
    """Pairs below the first threshold were never looked for."""
    result = dedup(TEXTS, max_rouge=0.8)
    with pytest.raises(SettingsError, match=r"joined at 0\.8.*call dedup again"):
        result.rethreshold(0.7)


def test_both_sides_are_kept_with_their_reasons():
    """The result is the interface: what stays, what goes, why, and in one line."""
    result = dedup(TEXTS)
    assert result.kept == [TEXTS[0], TEXTS[1], TEXTS[3]]
    assert [one.reason for one in result.dropped] == [
        "0.80 with 'Sort a list of numbers.' (row 1)",
        "1.00 with 'Sort a list of numbers.' (row 1)",
        "0.91 with 'Name a river in France.' (row 2)",
    ]
    assert repr(result) == "Deduplicated(3 of 6 kept, 3 dropped; exact, ROUGE-L below 0.7)"
    assert result.ratio == 0.5
    assert [one.row for one in result.least_similar(2)] == [TEXTS[2], TEXTS[5]]
    assert dedup([]).ratio == 0.0


def test_rows_come_back_in_the_form_they_came(tmp_path):
    """Texts, mappings with all their columns, a Dataset with its features, a path as mappings."""
    rows = [{"id": n, "q": text, "x": None} for n, text in enumerate(TEXTS)]
    assert dedup(rows, field="q").kept == [rows[0], rows[1], rows[3]]
    assert dedup(rows, field="q").dropped[0].row is rows[2]
    dataset = datasets.Dataset.from_list(rows)
    kept = dedup(dataset, field="q").kept
    assert kept.features == dataset.features
    assert kept["id"][:] == [0, 1, 3]
    assert dedup(dataset, field="q").dropped[0].row == rows[2]
    path = tmp_path / "set.json"
    path.write_text(json.dumps(rows))
    assert dedup(path, field="q").kept == [rows[0], rows[1], rows[3]]


def test_protected_sets_name_themselves(tmp_path):
    """Any form of set protects; each partner has the set's name and its row there."""
    path = tmp_path / "test.jsonl"
    path.write_text('{"question": "Sing!"}\n{"question": "Name a river in France"}\n')
    result = dedup(TEXTS, against=[["Translate the sentence into French."], path], against_field="question")
    assert [(one.row, one.source, one.partner_position) for one in result.dropped if one.source] == [
        (TEXTS[1], str(path), 1),
        (TEXTS[3], "against 1", 0),
        (TEXTS[5], str(path), 1),
    ]
    assert result.dropped[0].reason == f"1.00 with 'Name a river in France' ({path}, row 2)"
    rows = [{"instruction": TEXTS[0]}]
    for one_set in (rows, [rows], datasets.Dataset.from_list(rows)):
        assert len(dedup(TEXTS, against=one_set).dropped) == 4
    assert len(dedup(TEXTS, against=path, against_field="question").dropped) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "magic"}, "by is one of exact, minhash, semantic, not 'magic'"),
        ({"tokenizer": "bpe"}, "tokenizer is one of words, rouge, not 'bpe'"),
        ({"max_rouge": 0}, "max_rouge lies above 0 and up to 1, not 0"),
        ({"by": "semantic", "threshold": 1.5}, r"threshold lies above 0 and up to 1, not 1\.5"),
        ({"by": "semantic"}, "needs an encoder: .*--model"),
        ({"against": ["no-such-file.jsonl"]}, r"no-such-file\.jsonl: no such file"),
    ],
)
def test_options_that_cannot_be_used(options, message):
    """Each names what there is."""
    with pytest.raises(SettingsError, match=message):
        dedup(TEXTS, **options)


def test_sets_that_cannot_be_used():
    """A DatasetDict has splits, not rows; a list must be of one kind."""
    with pytest.raises(SettingsError, match="a DatasetDict has no rows to go back to"):
        dedup(datasets.DatasetDict({"train": datasets.Dataset.from_list([{"a": "b"}])}))
    with pytest.raises(SettingsError, match="the rows, row 2: a row is an object with columns, this is int"):
        dedup([{"instruction": "a"}, 3])


# --- MinHash


def corpus(number, seed=1):
    """Random texts of 8 to 30 words, and for each an edited copy with about a fifth of its words changed."""
    random = Random(seed)
    texts = []
    for _ in range(number):
        text = [f"w{int(random.random() ** 2 * 3000)}" for _ in range(8 + int(random.random() * 23))]
        texts += [" ".join(text), " ".join(word if random.random() > 0.2 else "new" for word in text)]
    return texts


@pytest.mark.parametrize(("threshold", "chosen"), [(0.5, (64, 2)), (0.7, (32, 4)), (0.8, (25, 5)), (0.9, (16, 8))])
def test_bands_are_chosen_for_the_jaccard_similarity_of_such_pairs(threshold, chosen):
    """An LSH at a Jaccard threshold of 0.7 would miss two thirds of the pairs at a ROUGE-L of 0.7."""
    assert approximate.bands(threshold) == chosen


def test_candidates_are_those_of_datasketch():
    """The sort of a band gives what MinHashLSH gives; what is not proposed is too short or agrees too little."""
    datasketch = pytest.importorskip("datasketch")
    texts = corpus(150)
    lsh, expected = datasketch.MinHashLSH(num_perm=128, params=approximate.bands(0.7)), set()
    for place, made in enumerate(datasketch.MinHash.generator([[w.encode() for w in set(words(t))] for t in texts])):
        expected |= {(int(other), place) for other in lsh.query(made)}
        lsh.insert(str(place), made)
    lengths = np.array([len(words(text)) for text in texts], np.int32)
    measure = approximate._signatures(texts, words)
    found = [
        pairs.T for pairs in approximate._candidates(measure, lengths, np.zeros(len(texts), bool), Fraction(7, 10))
    ]
    proposed = [tuple(pair) for pair in np.concatenate(found).tolist()]
    assert len(set(proposed)) == len(proposed) > 80
    assert set(proposed) <= expected
    for a, b in expected - set(proposed):
        assert 2 * LCSseq.similarity(words(texts[a]), words(texts[b])) < 0.7 * (lengths[a] + lengths[b])


def test_minhash_drops_nothing_that_is_not_similar_and_misses_few():
    """Whatever falls has a kept partner with the exact score; nearly all that should fall does."""
    pytest.importorskip("datasketch")
    texts = corpus(1_500)
    exact, approximated = dedup(texts), dedup(texts, by="minhash")
    kept = set(np.flatnonzero(approximated.decisions.kept).tolist())
    for one in approximated.dropped:
        a, b = words(one.row), words(one.partner)
        assert one.score == 2 * LCSseq.similarity(a, b) / (len(a) + len(b)) >= 0.7
        assert one.partner_position in kept
    assert len(exact.dropped) > 1_000
    assert 0.96 * len(exact.dropped) <= len(approximated.dropped)


def test_minhash_knows_copies_empty_texts_and_protected_ones():
    """What needs no luck is exact: equal words always meet, no words never do, protected texts do not judge another."""
    pytest.importorskip("datasketch")
    texts = ["", "Name a river!", "...", "name a river", "Sort it.", ""]
    result = dedup(texts, by="minhash", against=[["sort it", "Sort it!"]])
    assert seen(result, 2) == one_by_one(texts, 0.7, words, ["sort it", "Sort it!"])


# --- embeddings


class ByLetters:
    """A fake encoder: how often each letter occurs, so that anagrams mean the same."""

    def __init__(self):
        self.asked = []

    def encode(self, texts):
        self.asked += texts
        return np.array([[text.count(letter) for letter in "abcdefghij"] for text in texts], np.float64)


def test_semantic_sees_what_rouge_cannot():
    """Other words with the same meaning fall, with the cosine as their score; equal texts are encoded once."""
    encoder = ByLetters()
    result = dedup(["abc", "cab", "jj", "abc", "aabbccd"], by="semantic", encoder=encoder, against=[["dd", "hh"]])
    assert result.kept == ["abc", "jj"]
    assert [(one.row, one.partner_position, round(one.score, 3)) for one in result.dropped] == [
        ("cab", 0, 1.0),
        ("abc", 0, 1.0),
        ("aabbccd", 0, 0.961),
    ]
    assert encoder.asked == ["dd", "hh", "abc", "cab", "jj", "aabbccd"]
    assert repr(result) == "Deduplicated(2 of 5 kept, 3 dropped; semantic, cosine below 0.9)"


letters = st.lists(st.text("abcd ", max_size=5), max_size=25)


@settings(deadline=None)
@given(letters, letters, st.sampled_from([0.31, 0.62, 0.83]))
def test_semantic_is_greedy_in_file_order(texts, against, threshold):
    """The decisions of a plain loop over all pairs, also when decided again at a higher threshold.

    No two of these words are at exactly one of the thresholds, where rounding would decide.
    """
    at_once = dedup(texts, by="semantic", encoder=ByLetters(), threshold=threshold, against=[against])
    for result, limit in ((at_once, threshold), (at_once.rethreshold(0.91), 0.91)):
        vectors = ByLetters().encode([*against, *texts]).reshape(-1, 10) if against or texts else np.empty((0, 10))
        unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        kept = list(range(len(against)))
        for position, text in enumerate(texts, len(against)):
            near = [other for other in kept if text.strip() and unit[other] @ unit[position] >= limit - 1e-6]
            assert bool(result.decisions.kept[position - len(against)]) == (not near)
            kept += [position] * (not near)
        for one in result.dropped:
            assert one.source or result.decisions.kept[one.partner_position]
            assert one.source or one.partner_position < one.position


def test_semantic_in_tiles_equals_semantic_at_once(monkeypatch):
    """Partners are found across tiles, and copies within and across them."""
    texts = ["".join(Random(n).choices("abcdef", k=6)) for n in range(150)]
    texts += texts[::2]
    whole = dedup(texts, by="semantic", encoder=ByLetters())
    monkeypatch.setattr(approximate, "TILE", 7)
    tiled = dedup(texts, by="semantic", encoder=ByLetters())
    assert len(whole.dropped) > 90
    assert [(one.position, one.partner_position) for one in tiled.dropped] == [
        (one.position, one.partner_position) for one in whole.dropped
    ]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0]], r"shape \(1, 1\) of 2 texts"),
        ([1.0, 2.0], r"shape \(2,\) of 2 texts"),
        ([[1.0], [np.nan]], "not finite"),
    ],
)
def test_an_encoder_that_gives_something_else_is_told(vectors, message):
    """With the two numbers that disagree."""

    class Broken:
        def encode(self, texts):
            return np.array(vectors)

    with pytest.raises(SettingsError, match=message):
        dedup(["a", "b"], by="semantic", encoder=Broken())


def test_a_missing_extra_says_how_to_install_it():
    """Neither datasketch nor model2vec is needed for anything else."""
    with pytest.raises(
        SettingsError, match=r"no_such_package is not installed.*pip install 'selfinstruct\[semantic\]'"
    ):
        approximate.needed("no_such_package", "semantic")


def test_a_static_model_of_model2vec_is_an_encoder(tmp_path):
    """`--model FOLDER`, without a network; a folder without a model is told."""
    model2vec = pytest.importorskip("model2vec")
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {"[UNK]": 0, "cat": 1, "feline": 2, "river": 3}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    vectors = np.array([[0, 0], [1, 0], [0.99, 0.1], [0, 1]], np.float32)
    model2vec.StaticModel(vectors, tokenizer).save_pretrained(str(tmp_path / "model"))
    encoder = approximate.load_encoder(str(tmp_path / "model"))
    assert dedup(["cat", "river", "feline"], by="semantic", encoder=encoder).kept == ["cat", "river"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match="empty: model2vec cannot open it"):
        approximate.load_encoder(str(tmp_path / "empty"))


# --- files and the command


@pytest.fixture
def files(tmp_path):
    """A set of 10,000 rows, more than a block, and a test set."""
    texts = [*corpus(4_997), *TEXTS]
    with (tmp_path / "set.jsonl").open("w") as file:
        for n, text in enumerate(texts):
            print(json.dumps({"id": n, "instruction": text, "output": f"out {n}"}), file=file)
    (tmp_path / "test.json").write_text(
        json.dumps([{"instruction": "Sing."}, {"instruction": "Name a river in France"}])
    )
    return tmp_path, texts


def rows_of(path):
    return [dict(row) for block in open_records(path).blocks() for row in block.rows()]


@pytest.mark.parametrize("form", ["jsonl", "json", "parquet"])
def test_files_hold_the_same_as_the_result_in_memory(files, form):
    """Kept rows with all columns in order; dropped ones with their partner's file, row, text and score at the end."""
    folder, texts = files
    output, rejected = folder / f"kept.{form}", folder / f"dropped.{form}"
    summary = dedup_files(folder / "set.jsonl", output, rejected=rejected, against=[folder / "test.json"])
    result = dedup(folder / "set.jsonl", against=[folder / "test.json"])
    assert rows_of(output) == result.kept
    dropped = rows_of(rejected)
    assert list(dropped[0])[-5:] == [
        "duplicate_row",
        "duplicate_score",
        "duplicate_of",
        "duplicate_of_file",
        "duplicate_of_row",
    ]
    assert [(row["id"], row["duplicate_row"], row["duplicate_score"], row["duplicate_of"]) for row in dropped] == [
        (one.row["id"], one.position + 1, one.score, one.partner) for one in result.dropped
    ]
    assert dropped[-1]["duplicate_of_file"] == str(folder / "test.json")
    assert dropped[-1]["duplicate_of_row"] == 2
    own = dropped[0]
    assert own["duplicate_of_file"] == str(folder / "set.jsonl")
    assert texts[own["duplicate_of_row"] - 1] == own["duplicate_of"]
    assert (summary.rows, summary.kept, summary.dropped) == (10_000, len(result.kept), len(result.dropped))
    assert (summary.repeats, summary.against) == (len(dropped) - 2, {str(folder / "test.json"): 2})


def test_tables_stream_from_parquet_to_parquet(files):
    """Types stay, and a rejected file can be read by `datasets` although it has columns that the notes do not know."""
    folder, _ = files
    dataset = datasets.Dataset.from_list(rows_of(folder / "set.jsonl")).cast_column("id", datasets.Value("int16"))
    dataset.to_parquet(str(folder / "set.parquet"))
    dedup_files(folder / "set.parquet", folder / "kept.parquet", rejected=folder / "dropped.parquet")
    assert str(pq.read_schema(folder / "kept.parquet").field("id").type) == "int16"
    read = datasets.Dataset.from_parquet(str(folder / "dropped.parquet"), cache_dir=str(folder / "cache"))
    assert read.column_names[-1] == "duplicate_of_row"
    assert len(read) + len(rows_of(folder / "kept.parquet")) == 10_000


def test_a_clean_set_has_an_empty_rejected_file(tmp_path):
    """Nothing dropped is a file of its own, with its columns where the form has some."""
    (tmp_path / "set.jsonl").write_text('{"instruction": "Sing."}\n')
    for form in ("jsonl", "parquet"):
        dedup_files(tmp_path / "set.jsonl", tmp_path / "kept.json", rejected=tmp_path / f"dropped.{form}")
        assert rows_of(tmp_path / f"dropped.{form}") == []
    assert "duplicate_of" in pq.read_schema(tmp_path / "dropped.parquet").names


def test_inputs_are_never_written_over(files):
    """Neither the set nor a protected one, under any spelling; nor one output by the other; nor columns of the rows."""
    folder, _ = files
    against = [folder / "test.json"]
    for output, rejected, message in [
        (folder / "x" / ".." / "set.jsonl", None, "is read here and would be written over"),
        (folder / "kept.jsonl", folder / "test.json", "is read here and would be written over"),
        (folder / "kept.jsonl", folder / "kept.jsonl", "is named for two outputs"),
    ]:
        (folder / "x").mkdir(exist_ok=True)
        with pytest.raises(SettingsError, match=message):
            dedup_files(folder / "set.jsonl", output, rejected=rejected, against=against)
    assert not (folder / "kept.jsonl").exists()
    dedup_files(folder / "set.jsonl", folder / "kept.jsonl", rejected=folder / "dropped.jsonl")
    with pytest.raises(SettingsError, match="the rows have a column 'duplicate_of'"):
        dedup_files(
            folder / "dropped.jsonl",
            folder / "again.jsonl",
            rejected=folder / "twice.jsonl",
            measure=Measure(max_rouge=0.1),
        )
    assert not (folder / "again.jsonl").exists()


def test_a_file_that_grows_meanwhile_is_noticed(tmp_path):
    """It is read twice; rows that were not judged may not pass."""
    path = tmp_path / "set.jsonl"
    path.write_text('{"instruction": "abc"}\n')

    class Growing(ByLetters):
        def encode(self, texts):
            with path.open("a") as file:
                file.write('{"instruction": "One more."}\n')
            return super().encode(texts)

    with pytest.raises(SettingsError, match="changed while it was read"):
        dedup_files(path, tmp_path / "kept.jsonl", measure=Measure(by="semantic", encoder=Growing()))
    assert not (tmp_path / "kept.jsonl").exists()


def command(*arguments):
    return CliRunner().invoke(cli, ["dedup", *map(str, arguments)], standalone_mode=False)


def test_the_command_prints_a_summary(files):
    """Counts of rows and reasons, for people and for machines."""
    folder, _ = files
    (folder / "small.json").write_text(json.dumps([{"q": text} for text in TEXTS]))
    arguments = [folder / "small.json", "-o", folder / "kept.json", "--field", "q", "--against", folder / "test.json"]
    shown = command(*arguments, "--against-field", "instruction")
    assert shown.output == (
        f"{folder / 'kept.json'}: 2 of 6 rows kept (exact, ROUGE-L below 0.7)\n"
        f"  4 dropped (66.7 %): 2 repeat an earlier row, 2 a row of {folder / 'test.json'}; 2 word for word\n"
    )
    shown = command(*arguments, "--against-field", "instruction", "--json", "--max-rouge", 0.85)
    facts = json.loads(shown.output)
    assert (facts["rows"], facts["kept"], facts["dropped"], facts["threshold"]) == (6, 3, 3, 0.85)
    assert facts["against"] == {str(folder / "test.json"): 2}


def test_minhash_says_that_it_is_approximate(files):
    """In the help and in the summary."""
    pytest.importorskip("datasketch")
    folder, _ = files
    assert (
        "approximate: some 2 in 100" in command(folder / "test.json", "-o", folder / "k.json", "--by", "minhash").output
    )
    assert "2 in 100 similar pairs are missed" in command("--help").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threshold", "0.8"], "--threshold has no part in --by exact"),
        (["--by", "minhash", "--model", "x"], "--model has no part in --by minhash"),
        (["--by", "semantic", "--max-rouge", "0.5"], "--max-rouge has no part in --by semantic"),
        (["--by", "semantic"], "--model"),
        (["--field", "text"], r"test\.json, row 1: no column 'text'; its columns are instruction"),
    ],
)
def test_options_without_effect_are_errors(files, arguments, message):
    """A threshold that nobody looks at would be a wrong result without a sign."""
    folder, _ = files
    shown = command(folder / "test.json", "-o", folder / "kept.json", *arguments)
    assert isinstance(shown.exception, SettingsError)
    assert re.search(message, str(shown.exception))


def test_importing_it_is_light():
    """The command line starts without numpy, datasets or pyarrow."""
    code = (
        "import sys\nimport selfinstruct.cli, selfinstruct.dedup, selfinstruct.dedup_files\n"
        "print(sorted({'numpy', 'datasets', 'pyarrow', 'datasketch', 'model2vec', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_run_that_is_loaded_is_a_set_like_its_folder(tmp_path):
    """On either side; it was "not iterable"."""
    run = si.generate(tmp_path / "run", model="demo", num_tasks=3, progress=False)
    assert dedup(run).kept == dedup(tmp_path / "run").kept
    assert dedup(run, against=run).kept == dedup(run, against=[run]).kept == []
