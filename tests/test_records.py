"""Rows of any form: what is read is what is written, and troubles name file, row and columns."""

from __future__ import annotations

import json
import os

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selfinstruct.errors import SettingsError
from selfinstruct.records import InMemory, check_free, extended, open_records, writing

ROWS = [
    {"id": 7, "instruction": "Name a river.", "tags": ["a", "b"], "meta": {"score": 0.5, "by": None}},
    {"id": 8, "instruction": "翻译成英文。", "tags": [], "meta": {"score": 1.0, "by": "Ida"}},
    {"id": 9, "instruction": 'Say "hello"\n', "tags": ["c"], "meta": {"score": 2.25, "by": "Ada"}},
]


def rows_of(path):
    return [row for block in open_records(path).blocks() for row in block.rows()]


def copy(source, target):
    records = open_records(source)
    with writing(target, records.schema) as write:
        for block in records.blocks():
            write(block)
    return target


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), encoding="utf-8")
    return path


@pytest.fixture
def saved(tmp_path):
    """A folder of `save_to_disk`, with types that JSON does not have."""
    features = datasets.Features(
        {
            "instruction": datasets.Value("string"),
            "n": datasets.Value("int16"),
            "kind": datasets.ClassLabel(names=["x", "y"]),
        }
    )
    dataset = datasets.Dataset.from_dict(
        {"instruction": ["a b", "c d"], "n": [1, 2], "kind": [0, 1]}, features=features
    )
    dataset.save_to_disk(str(tmp_path / "saved"))
    return tmp_path / "saved"


@pytest.mark.parametrize("forms", [(".json", ".jsonl"), (".parquet", ".json"), (".jsonl", ".parquet", ".ndjson")])
def test_rows_go_through_every_form(lines, tmp_path, forms):
    """All columns, their order, nested values and all scripts."""
    path = lines
    for number, form in enumerate(forms):
        path = copy(path, tmp_path / f"{number}{form}")
        assert rows_of(path) == ROWS
        assert [list(row) for row in rows_of(path)] == [list(row) for row in ROWS]
        assert list(open_records(path).texts("instruction")) == [row["instruction"] for row in ROWS]


def test_lines_are_written_as_they_were(tmp_path):
    """A line that goes from JSON to JSON keeps numbers beyond 64 bits and its own spelling."""
    path = tmp_path / "set.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"instruction": "a", "n": 1180591620717411303424, "x": 1e2}\r\n\n{"instruction":"\\u00e9"}'
    )
    assert copy(path, tmp_path / "out.jsonl").read_bytes() == (
        b'{"instruction": "a", "n": 1180591620717411303424, "x": 1e2}\n{"instruction":"\\u00e9"}\n'
    )


def test_the_content_says_whether_json_is_an_array(tmp_path):
    """Many files that are called .json hold lines."""
    (tmp_path / "lines.json").write_text('{"q": "a"}\n{"q": "b"}\n')
    (tmp_path / "array.jsonl").write_text('\n [{"q": "a"}, {"q": "b"}]')
    assert rows_of(tmp_path / "lines.json") == rows_of(tmp_path / "array.jsonl") == [{"q": "a"}, {"q": "b"}]


def test_an_empty_set_has_every_form(tmp_path):
    """Nothing kept is a set too."""
    (tmp_path / "set.jsonl").write_text("")
    for form in (".json", ".jsonl", ".parquet"):
        assert rows_of(copy(tmp_path / "set.jsonl", tmp_path / f"out{form}")) == []
    assert (tmp_path / "out.json").read_text() == "[]\n"


def test_parquet_keeps_types_and_notes(saved, tmp_path):
    """int16 stays int16, and `datasets` finds its class names again."""
    once = copy(saved, tmp_path / "once.parquet")
    twice = copy(once, tmp_path / "twice.parquet")
    assert pq.read_schema(twice).field("n").type == pa.int16()
    read = datasets.Dataset.from_parquet(str(twice), cache_dir=str(tmp_path / "cache"))
    assert read.features["kind"].names == ["x", "y"]


def test_columns_of_json_are_widened_over_all_rows(tmp_path):
    """The first rows do not settle the types: null, then 1, then 1.5, and a column that begins late."""
    path = tmp_path / "set.jsonl"
    with path.open("w") as file:
        for n in range(10_000):
            row = {"instruction": str(n), "x": None if n < 5_000 else 1 if n < 9_999 else 1.5}
            print(json.dumps(row | ({"late": {"a": 1}} if n == 9_999 else {})), file=file)
    read = rows_of(copy(path, tmp_path / "out.parquet"))
    assert (read[0]["x"], read[6_000]["x"], read[-1]["x"], read[0]["late"], read[-1]["late"]) == (
        None,
        1.0,
        1.5,
        None,
        {"a": 1},
    )


@pytest.mark.parametrize("values", [[1, "a"], [1] * 5_000 + ["a"], ["a", 1]])
def test_a_column_of_several_types_is_no_parquet(tmp_path, values):
    """The message names the column and the form that takes it, wherever the odd value stands."""
    (tmp_path / "set.json").write_text(json.dumps([{"instruction": "a", "x": value} for value in values]))
    with pytest.raises(SettingsError, match=r"the column 'x' does not go into Parquet .* write to a \.jsonl"):
        copy(tmp_path / "set.json", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_a_value_that_json_cannot_hold_is_named(tmp_path):
    """Images are bytes."""
    pq.write_table(pa.table({"instruction": ["a"], "image": [b"\xff"]}), tmp_path / "set.parquet")
    with pytest.raises(SettingsError, match=r"out\.jsonl: a row does not go into JSON .*bytes.*write to a \.parquet"):
        copy(tmp_path / "set.parquet", tmp_path / "out.jsonl")
    assert [each.name for each in tmp_path.iterdir()] == ["set.parquet"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"q": "a"}\n{"p": "b", "x": 1}\n', r"set\.jsonl, row 2: no column 'q'; its columns are p, x; .*--field"),
        ('{"q": "a"}\n{"q": null}\n', r"set\.jsonl, row 2: the column 'q' holds NoneType, not text; its columns are q"),
        ('{"q": "a"}\n\n[1]\n', r"set\.jsonl, row 2: a row is an object with columns, this is list"),
        ('{"q": "a"}\n\n{"q": \n', r"set\.jsonl, line 3: not JSON: .*one JSON object a line, or one array"),
        ('[{"q": "a"}, ', r"set\.jsonl: not a JSON array: .*is the file whole"),
        ("[1, 2]", r"set\.jsonl, row 1: a row is an object with columns, this is int"),
    ],
)
def test_bad_json_is_told_with_its_place(tmp_path, content, message):
    """File, row and the columns that there are."""
    (tmp_path / "set.jsonl").write_text(content)
    with pytest.raises(SettingsError, match=message):
        list(open_records(tmp_path / "set.jsonl").texts("q"))


def test_bad_columns_of_tables_are_told_too(tmp_path, saved):
    """Parquet and data sets: a missing column, numbers, a null in a later block, a file that is none."""
    path = tmp_path / "set.parquet"
    pq.write_table(pa.table({"q": ["a"] * 5_000 + [None], "n": [1] * 5_001}), path)
    for source, field, message in [
        (path, "p", r"set\.parquet, row 1: no column 'p'; its columns are q, n"),
        (path, "n", r"set\.parquet, row 1: the column 'n' holds int64, not text"),
        (path, "q", r"set\.parquet, row 5001: the column 'q' holds nothing \(null\)"),
        (saved, "n", r"saved, row 1: the column 'n' holds int16, not text; its columns are instruction, n, kind"),
    ]:
        with pytest.raises(SettingsError, match=message):
            list(open_records(source).texts(field))
    path.write_bytes(b"no parquet at all")
    with pytest.raises(SettingsError, match=r"set\.parquet: not a Parquet file"):
        list(open_records(path).texts("q"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.jsonl", "no such file; check the path, or name a data set of the Hub as owner/name"),
        ("sub/none.parquet", "no such file"),
        ("table.xlsx", r"cannot tell the form from its name; sets end in \.jsonl"),
        (".", "neither a run with its dataset.jsonl nor a set that Dataset.save_to_disk wrote"),
        ("pipe.jsonl", "no plain file; it is read twice"),
    ],
)
def test_what_cannot_be_opened_is_told(tmp_path, monkeypatch, name, message):
    """Before the Hub is asked."""
    if name == "pipe.jsonl" and not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.xlsx").write_text("x")
    if name == "pipe.jsonl":
        os.mkfifo(tmp_path / name)
    with pytest.raises(SettingsError, match=message):
        open_records(name)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("me/set", ("me/set", None, "train")),
        ("me/set:test", ("me/set", None, "test")),
        ("me/set/main:test[:10]", ("me/set", "main", "test[:10]")),
        ("hf://datasets/me/set", ("me/set", None, "train")),
        ("hf://me/set.jsonl/en", ("me/set.jsonl", "en", "train")),
    ],
)
def test_names_of_the_hub(monkeypatch, name, asked):
    """owner/name, a configuration behind a slash, a split behind a colon."""
    calls = []

    def load(repository, config, *, split):
        calls.append((repository, config, split))
        return datasets.Dataset.from_list([{"q": "a"}])

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert list(open_records(name).texts("q")) == ["a"]
    assert calls == [asked]


def test_a_refusal_of_the_hub_shows_the_ways_on(monkeypatch):
    """A wrong split and a missing repository come in many exceptions; each becomes one message."""

    def refuse(*_, **__):
        raise ValueError("Unknown split \"train\". Should be one of ['test'].")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(SettingsError, match=r"me/set: .*Should be one of \['test'\].*me/set:test"):
        open_records("me/set")


def test_a_run_is_its_data_set(tmp_path):
    """The folder of a run stands for its dataset.jsonl."""
    import selfinstruct as si

    run = si.generate(tmp_path / "run", model="demo", num_tasks=3, progress=False)
    assert rows_of(tmp_path / "run") == run.dataset


def test_what_refilter_wrote_is_its_data_set(tmp_path):
    """A folder with dataset.jsonl, which is no run."""
    import selfinstruct as si

    run = si.generate(tmp_path / "run", model="demo", num_tasks=3, progress=False)
    (tmp_path / "view").mkdir()
    run.export(tmp_path / "view" / "dataset.jsonl")
    assert rows_of(tmp_path / "view") == run.dataset


def test_a_set_that_is_there_already_is_read_like_a_file(tmp_path):
    """A run, rows, a `datasets.Dataset`; several splits are none, and neither is a number."""
    import selfinstruct as si

    run = si.generate(tmp_path / "run", model="demo", num_tasks=3, progress=False)
    for source in (run, run.dataset, iter(run.dataset), run.to_dataset()):
        assert rows_of(source) == run.dataset
    with pytest.raises(SettingsError, match="give one split"):
        open_records(datasets.DatasetDict(train=run.to_dataset()))
    with pytest.raises(SettingsError, match="not int"):
        open_records(7)


def test_csv_is_read_by_its_first_line(tmp_path):
    """Line ends and commas in quotes, a byte order mark, cells that are missing at the end of a row."""
    path = tmp_path / "set.csv"
    path.write_text('\ufeffq,a\nname,"x, ""y""\nz"\n河\n', encoding="utf-8")
    rows = [{"q": "name", "a": 'x, "y"\nz'}, {"q": "河", "a": None}]
    assert rows_of(path) == rows
    assert list(open_records(path).texts("q")) == ["name", "河"]
    assert rows_of(copy(path, tmp_path / "set.parquet")) == rows


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"q,a\n1,2\n3,4,5\n", "line 3: has more cells than the first line has names"),
        (b"q,a\n\xff,1\n", "cannot be read as CSV in UTF-8"),
        (b'q,a\n"1,2\n', "cannot be read as CSV in UTF-8"),
    ],
)
def test_a_damaged_csv_is_told_with_its_line(tmp_path, content, said):
    """A row too long went on under the name None, and failed far from here."""
    (tmp_path / "set.csv").write_bytes(content)
    with pytest.raises(SettingsError, match=rf"set\.csv.*{said}"):
        rows_of(tmp_path / "set.csv")


@pytest.mark.parametrize("name", ["out.csv", "out", "folder.jsonl"])
def test_an_output_must_have_a_form_and_be_a_file(tmp_path, name):
    """It is found out before anything is computed."""
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(SettingsError, match=rf"{name}: "), writing(tmp_path / name, lambda: None):
        pass


def test_a_file_appears_whole_or_not_at_all(lines, tmp_path):
    """An error while writing leaves the file that was there, and no other."""
    target = tmp_path / "out.jsonl"
    target.write_text("before\n")

    def broken():
        with writing(target, lambda: None) as write:
            write(next(open_records(lines).blocks()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert target.read_text() == "before\n"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out.jsonl", "set.jsonl"]


def test_added_columns_stand_last_and_may_not_be_there_before(saved, lines):
    """In rows and tables alike."""
    for source in (saved, lines):
        block = next(open_records(source).blocks()).take([1])
        assert list(block.adding({"place": [3]}).rows()[0].items())[-1] == ("place", 3)
        with pytest.raises(SettingsError, match="have a column 'instruction'"):
            block.adding({"instruction": ["x"]})
    with pytest.raises(SettingsError, match="have a column 'b'"):
        check_free(["a", "b"], ["b"])
    assert extended(open_records(saved).schema(), {"place": int}).names == ["instruction", "n", "kind", "place"]


def test_rows_in_memory_are_records_too():
    """What a notebook holds is read with the same messages."""
    assert list(InMemory(ROWS, "rows").texts("instruction")) == [row["instruction"] for row in ROWS]
    with pytest.raises(SettingsError, match="rows, row 1: the column 'id' holds int, not text"):
        list(InMemory(ROWS, "rows").texts("id"))
