"""Tasks as values, and reading them from the files that people have."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import FOLDER, needs_reference

from selfinstruct.errors import SeedsError
from selfinstruct.tasks import Instance, Rejected, Task, packaged_seeds, read_seeds, tasks_from

SELF_INSTRUCT = {
    "id": "s1",
    "name": "sort",
    "instruction": "Sort the words.",
    "instances": [{"input": "b a", "output": "a b"}, {"input": "", "output": "none"}],
    "is_classification": True,
}
ALPACA = {"instruction": "Name  a\ncolour.", "input": "", "output": "Red"}
READ = [
    Task("s1", "Sort the words.", (Instance("b a", "a b"), Instance("", "none")), is_classification=True),
    Task("seed_1", "Name a colour.", (Instance("", "Red"),)),
]


def lines(*rows):
    return b"\n".join(map(orjson.dumps, rows))


@pytest.mark.parametrize(
    "content",
    [
        lines(SELF_INSTRUCT, ALPACA),
        lines(SELF_INSTRUCT, ALPACA) + b"\n",
        b"\n\n" + lines(SELF_INSTRUCT) + b"\n   \n\n" + lines(ALPACA) + b"\n\n",
        lines(SELF_INSTRUCT, ALPACA).replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + lines(SELF_INSTRUCT, ALPACA),
        orjson.dumps([SELF_INSTRUCT, ALPACA]),
        orjson.dumps([SELF_INSTRUCT, ALPACA], option=orjson.OPT_INDENT_2),
        b"\xef\xbb\xbf\n" + orjson.dumps([SELF_INSTRUCT, ALPACA]) + b"\n",
    ],
)
def test_both_shapes_in_lines_and_in_an_array(tmp_path, content):
    """Self-Instruct's and Alpaca's shape, JSON lines or an array, with a byte-order mark, blank lines and CRLF."""
    path = tmp_path / "seeds.json"
    path.write_bytes(content)
    assert read_seeds(path) == read_seeds(str(path)) == READ


@pytest.mark.parametrize("given", ["", None, "<noinput>", "<NoInput>", " <no input> ", "No input", "noinput"])
def test_spellings_of_no_input(given):
    """The marks that data sets write for an empty input are one to us."""
    assert tasks_from([{"instruction": "Say hello.", "input": given, "output": "Hello"}])[0].instances == (
        Instance("", "Hello"),
    )


@pytest.mark.parametrize("given", ["no input device", "none", "0", " "])
def test_other_inputs_stay_as_they_are(given):
    """An input is taken to the letter."""
    assert tasks_from([{"instruction": "Say it.", "input": given, "output": "x"}])[0].instances == (
        Instance(given, "x"),
    )


def test_only_the_instruction_is_needed():
    """Rows of instructions alone are tasks without instances, numbered as they stand."""
    assert tasks_from([{"instruction": "Sort."}, {"instruction": "Add."}]) == [
        Task("seed_0", "Sort."),
        Task("seed_1", "Add."),
    ]
    assert tasks_from(READ) == READ


def test_a_null_id_is_none(tmp_path):
    """Two rows with `"id": null` were two tasks named None, and refused as such."""
    rows = [{"id": None, "instruction": "Sort."}, {"id": None, "instruction": "Add."}, {"id": 0, "instruction": "Sum."}]
    (tmp_path / "seeds.jsonl").write_bytes(lines(*rows))
    for found in (tasks_from(rows), read_seeds(tmp_path / "seeds.jsonl")):
        assert [task.id for task in found] == ["seed_0", "seed_1", "0"]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("b0-0", "seed/b0-0"), ("b12-x3", "seed/b12-x3"), ("b0-", "seed/b0-"),
        ("b-1", "b-1"), ("b1", "b1"), ("ab0-0", "ab0-0"), ("B0-0", "B0-0"), ("first/b0-0", "first/b0-0"),
    ],
)  # fmt: skip
def test_the_id_of_a_generated_task_is_no_id_of_a_seed(given, read):
    """A tasks.jsonl as seeds gave one run two tasks named b0-0; what a run reads of its own keeps its ids."""
    task = Task(given, "Sort.")
    assert [one.id for one in tasks_from([task])] == [read]
    assert Task.from_dict(task.to_dict()) == task


def test_rows_in_memory_may_come_from_anywhere(tmp_path):
    """A generator, a data frame and a data set of the Hub are what notebooks hold seeds in."""
    import datasets
    import pandas as pd

    rows = [SELF_INSTRUCT, ALPACA]
    assert (
        tasks_from(row for row in rows)
        == tasks_from(iter(READ))
        == tasks_from({1: SELF_INSTRUCT, 2: ALPACA}.values())
        == READ
    )
    frame = pd.DataFrame(rows)
    assert frame["id"].isna().any(), "an empty cell is no None"
    assert tasks_from(frame) == tasks_from(frame.convert_dtypes()) == READ
    flat = [{**ALPACA, "id": "x"}, {"id": "y", "instruction": "Say hello.", "input": None, "output": "Hello"}]
    assert tasks_from(datasets.Dataset.from_list(flat)) == tasks_from(pd.DataFrame(flat)) == tasks_from(flat)
    with pytest.raises(SeedsError, match="seeds are a file or several tasks, not int"):
        tasks_from(5)


HALF = "cut in an emoji \ud83d"


def test_half_a_surrogate_pair_is_replaced(tmp_path):
    """A text that was cut inside an emoji ended the run when seeds.jsonl was written."""
    row = {"id": f"t {HALF}", "instruction": HALF, "instances": [{"input": HALF, "output": HALF}]}
    whole = "cut in an emoji ?"
    expected = [Task(f"t {whole}", whole, (Instance(whole, whole),))]
    (tmp_path / "lines.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "array.json").write_text(json.dumps([row]))
    for found in (tasks_from([row]), *(read_seeds(tmp_path / name) for name in ("lines.jsonl", "array.json"))):
        assert found == expected
        assert orjson.dumps(found[0].to_dict())
    for broken in (json.dumps([row])[:-1], json.dumps(row)[:-1]):
        (tmp_path / "broken.json").write_text(broken)
        with pytest.raises(SeedsError, match=r"not (a JSON array|JSON)"):
            read_seeds(tmp_path / "broken.json")


OK = orjson.dumps(ALPACA)


@pytest.mark.parametrize(
    ("content", "where", "says"),
    [
        (b"", "", "no task in it; a row is at least"),
        (b"\n \n", "", "no task in it"),
        (b"[]", "", "no task in it"),
        (b"[{]", "", "not a JSON array"),
        (OK + b"\n{broken\n", ", line 2", "not JSON"),
        (OK + b"\n\n{broken\n", ", line 3", "not JSON"),
        (OK + b"\n\xff\xfe\n", ", line 2", "not JSON"),
        (OK + b'\n"text"', ", row 2", "a task is a JSON object, this is str"),
        (b"[" + OK + b", 3]", ", item 2", "a task is a JSON object, this is int"),
        (OK + b'\n{"prompt": "a", "x": 1}', ", row 2", 'no "instruction"; its fields are prompt, x'),
        (b"{}", ", row 1", "its fields are none"),
        (b'{"instruction": " "}', ", row 1", 'no "instruction"'),
        (b'{"instruction": 5}', ", row 1", 'no "instruction"'),
        (b'{"instruction": "a", "instances": 5}', ", row 1", '"instances" is a list of'),
        (b'{"instruction": "a", "instances": [5]}', ", row 1", '"instances" is a list of'),
        (b'{"instruction": "a", "instances": [{"input": "x"}]}', ", row 1", "KeyError('output')"),
        (b'{"instruction": "a", "instances": [{"input": 1, "output": "x"}]}', ", row 1", "input and output are texts"),
        (b'{"instruction": "a", "output": ["x"]}', ", row 1", "input and output are texts"),
        (
            b'{"instruction": "a", "id": "t"}\n{"instruction": "b", "id": "t"}',
            ", row 2",
            "the id 't' stands twice; give each",
        ),
    ],
)
def test_errors_say_where_and_what(tmp_path, content, where, says):
    """The message names the file, the line or row, and what a row must be."""
    path = tmp_path / "mine.jsonl"
    path.write_bytes(content)
    with pytest.raises(SeedsError) as raised:
        read_seeds(path)
    assert str(raised.value).startswith(f"{path}{where}: ")
    assert says in str(raised.value)


def test_a_missing_file_is_named(tmp_path):
    """So is a folder."""
    with pytest.raises(
        SeedsError, match=r"nowhere\.jsonl: cannot be read \(No such file or directory\); give a .json or .jsonl file"
    ):
        read_seeds(tmp_path / "nowhere.jsonl")
    with pytest.raises(SeedsError, match="cannot be read"):
        read_seeds(tmp_path)


def test_rows_in_memory_are_named_by_number():
    """Values have no file; the second one is seed 2."""
    with pytest.raises(SeedsError, match="seed 2: a task is a JSON object"):
        tasks_from([ALPACA, "x"])
    with pytest.raises(SeedsError, match="seeds: no task in it"):
        tasks_from([])


def test_packaged_seeds_exist_in_two_languages():
    """Another language is an error that says which there are."""
    assert packaged_seeds().name == "en.jsonl"
    assert packaged_seeds("zh").is_file()
    with pytest.raises(SeedsError, match="there are en, zh"):
        packaged_seeds("xx")


TEXTS = st.text(max_size=20)
NUMBERS = st.none() | st.integers(0, 99)
TASKS = st.builds(
    Task, TEXTS, TEXTS, st.lists(st.builds(Instance, TEXTS, TEXTS), max_size=3).map(tuple), st.booleans(), NUMBERS, NUMBERS,
    st.none() | TEXTS, st.none() | TEXTS,
)  # fmt: skip


@given(TASKS)
def test_tasks_round_trip(task):
    """A row of tasks.jsonl is read back as the same task."""
    row = task.to_dict()
    assert Task.from_dict(row) == task
    assert list(row)[:4] == ["id", "instruction", "is_classification", "instances"]


@pytest.mark.parametrize(
    ("rejected", "reason"),
    [
        (
            Rejected("b1-0", "instructions", "rouge", "Sort.", 0.834, "s1", "Sort a list"),
            "rouge 0.83 with 'Sort a list'",
        ),
        (Rejected("b1-0", "instructions", "rouge", "Sort.", 0.834, "s1"), "rouge 0.83 with s1"),
        (Rejected("b1-0", "instructions", "keywords", "Draw.", detail="draw"), "keywords (draw)"),
        (Rejected("b1-0", "instructions", "mine", "Draw."), "mine"),
    ],
)
def test_rejections_tell_their_reason_and_round_trip(rejected, reason):
    """Rule and evidence in one line; a row of rejected.jsonl is read back as the same value."""
    assert rejected.reason == reason
    assert Rejected.from_dict(rejected.to_dict()) == rejected


@needs_reference
def test_the_original_seed_file_is_read():
    """The 175 tasks of Self-Instruct: 26 classification tasks, 50 without input."""
    seeds = read_seeds(FOLDER / "seed_tasks.jsonl")
    assert len(seeds) == 175
    assert sum(seed.is_classification for seed in seeds) == 26
    assert sum(not seed.instances[0].input for seed in seeds) == 50
