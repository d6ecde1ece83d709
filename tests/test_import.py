"""Sets of any format become rows; what cannot be read is told, and a run can begin with them."""

from __future__ import annotations

import json

import datasets
import pytest
from click.testing import CliRunner
from reference import FOLDER, needs_reference

import selfinstruct as si
from selfinstruct.cli import cli
from selfinstruct.errors import SettingsError
from selfinstruct.export import FORMATS, export
from selfinstruct.export.formats import READ_ONLY, format_named
from selfinstruct.export.importing import import_set
from selfinstruct.export.readers import Unread, read_set

ROWS = [
    {"id": "a.0", "instruction": "Translate to German.", "input": "Good morning", "output": "Guten Morgen"},
    {"id": "b.0", "instruction": "Name a colour.", "input": "", "output": "Blue, for example."},
]
ENDINGS = {name: format_named(name).ending for name in FORMATS}


def export_of(path, output):
    return export(read_set(path).rows(), output)


def concat_of(path, output):
    return si.concat([path], output)


def saved(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def texts(rows):
    return [(row["instruction"], row["input"], row["output"]) for row in rows]


@pytest.mark.parametrize("name", FORMATS)
def test_every_export_is_known_again(tmp_path, name):
    """By its columns and texts alone, with the template that it was written with."""
    path = tmp_path / f"set{ENDINGS[name]}"
    export(ROWS, path, name)
    rows = read_set(path)
    assert texts(rows.rows()) == texts(ROWS)
    told = {"autotrain": "text", "parquet": "jsonl", "datasets": "jsonl", "alpaca-legacy": "text"}
    assert rows.detected.format.name in (name, "text", told.get(name))
    if name in ("alpaca-legacy", "alpaca-short", "guanaco", "vicuna", "llama-2", "chatml"):
        assert rows.detected.why == f"by its texts, which are of the template {name}"


CASES = {
    "regen": (
        {
            "instruction": "Add.",
            "input": "1, 2",
            "output": "3",
            "most_similar_instructions": {"x": 0.5},
            "avg_similarity_score": 0.1,
        },
        [("Add.", "1, 2", "3")],
    ),
    "machine-instances": (
        {
            "instruction": "Add the numbers.",
            "raw_instances": "Example 1\nNumbers: 1, 2\nOutput: 3\n\nExample 2\nNumbers: 4, 5\nOutput: 9",
            "instance_metadata": {"response": {"choices": [{"finish_reason": "stop"}]}},
            "most_similar": {},
        },
        [("Add the numbers.", "Numbers: 1, 2", "3"), ("Add the numbers.", "Numbers: 4, 5", "9")],
    ),
    "instructions": (
        {"instruction": "Name a river.", "most_similar": {}, "avg_similarity_score": 0.1, "request_idx": 1},
        [("Name a river.", "", "")],
    ),
    "tasks": (
        {
            "id": "t",
            "instruction": "Add.",
            "instances": [{"input": "1, 2", "output": "3"}, {"input": "1, 1", "output": "2"}],
        },
        [("Add.", "1, 2", "3"), ("Add.", "1, 1", "2")],
    ),
    "distilabel": (
        {"instruction": "Name a river.", "generation": "The Rhine.", "model_name": "m", "distilabel_metadata": {}},
        [("Name a river.", "", "The Rhine.")],
    ),
    "curator": (
        {
            "response_message": "The Rhine.",
            "generic_request": {"model": "m", "messages": [{"role": "user", "content": "Name a river."}]},
        },
        [("Name a river.", "", "The Rhine.")],
    ),
    "pairs": (
        {"question": "Where?", "context": "At home.", "answer": "There.", "instruction_source": "p3"},
        [("Where?", "At home.", "There.")],
    ),
}


@pytest.mark.parametrize("name", READ_ONLY)
def test_what_other_programs_write_is_read(name):
    """The columns of each, told apart."""
    record, expected = CASES[name]
    rows = read_set([record])
    assert rows.detected.format.name == name
    assert texts(rows.rows()) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            {"input": "seed", "instructions": ["Name a river.", "Name a hill."]},
            [("Name a river.", "", ""), ("Name a hill.", "", "")],
        ),
        (
            {"instruction": "Hi", "generations": ["a", "b"], "generation_models": ["m", "n"]},
            [("Hi", "", "a"), ("Hi", "", "b")],
        ),
        ({"instruction": "Hi", "response": "Hello.", "model_name": "m"}, [("Hi", "", "Hello.")]),
        ({"instruction": "Hi", "response": "Hello.", "instruction_source": "alpaca"}, [("Hi", "", "Hello.")]),
        ({"prompt": "Hi", "completion": "Hello."}, [("Hi", "", "Hello.")]),
        ({"inputs": "Hi", "targets": "Hello."}, [("Hi", "", "Hello.")]),
        (
            {"conversation": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]},
            [("Hi", "", "Yes?")],
        ),
        (
            {"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Yes?"}]},
            [("Hi", "", "Yes?")],
        ),
        ({"instruction": "Hi", "input": None, "output": "Hello."}, [("Hi", "", "Hello.")]),
    ],
)
def test_other_shapes_of_the_same(record, expected):
    """distilabel's several columns, LaMini, P3, OpenThoughts, nulls of Parquet."""
    assert texts(read_set([record]).rows()) == expected


def test_a_source_stays_with_its_row():
    """Under the names that sets have for it."""
    records = [{"instruction": "Hi", "response": "Hello.", "instruction_source": "alpaca"}]
    assert [row["source"] for row in read_set(records).rows()] == ["alpaca"]


def test_a_rendered_text_beside_the_columns_is_no_second_format():
    """The set of Stanford on the Hub has instruction, input, output, and text."""
    record = {"instruction": "Hi", "input": "", "output": "Hello.", "text": "### Instruction:\nHi"}
    rows = read_set([record])
    assert (rows.detected.format.name, rows.detected.left_out) == ("alpaca", ("text",))


def test_a_chat_in_several_turns_stays_whole(tmp_path):
    """Imported, and exported again as it was."""
    chat = {
        "id": "c1",
        "conversations": [
            {"from": "system", "value": "Be brief."},
            {"from": "human", "value": "Sort the list.\n\n3, 1"},
            {"from": "gpt", "value": "1, 3"},
            {"from": "human", "value": "Backwards."},
            {"from": "gpt", "value": "3, 1"},
        ],
    }
    (tmp_path / "chats.json").write_text(json.dumps([chat]))
    made = import_set(tmp_path / "chats.json", tmp_path / "rows.jsonl")
    (row,) = lines(tmp_path / "rows.jsonl")
    assert texts([row]) == [("Sort the list.", "3, 1", "1, 3")]
    assert (row["system"], len(row["turns"]), made.conversations) == ("Be brief.", 2, 1)
    export(read_set(tmp_path / "rows.jsonl").rows(), tmp_path / "again.json", "sharegpt")
    assert json.loads((tmp_path / "again.json").read_text()) == [chat]
    import_set(tmp_path / "rows.jsonl", tmp_path / "rows.parquet")
    assert list(read_set(tmp_path / "rows.parquet").rows()) == [row]


def test_a_chat_may_keep_its_first_message_whole():
    """What stands behind a blank line need not be an input."""
    records = [
        {"messages": [{"role": "user", "content": "Hi.\n\nHow are you?"}, {"role": "assistant", "content": "Well."}]}
    ]
    assert texts(read_set(records).rows()) == [("Hi.", "How are you?", "Well.")]
    assert texts(read_set(records, whole=True).rows()) == [("Hi.\n\nHow are you?", "", "Well.")]
    assert texts(read_set(ROWS, whole=True).rows()) == texts(ROWS), "columns of their own say what is what"


def test_what_cannot_be_read_is_counted_and_kept_with_the_reason(tmp_path):
    """Nothing is dropped in silence, a whole record or a part of one."""
    records = [
        *CASES["machine-instances"][:1],
        {"instruction": "Say.", "raw_instances": "Example 1\nOutput: One.\n\nExample 2\nOutput:"},
        {"instruction": "Say.", "raw_instances": None},
        "not an object",
    ]
    made = import_set(saved(tmp_path / "raw.jsonl", records), tmp_path / "rows.jsonl", rejected=tmp_path / "no.jsonl")
    assert (made.rows, made.rejected) == (3, 3)
    rejected = lines(tmp_path / "no.jsonl")
    assert [row["row"] for row in rejected] == [2, 3, 4]
    assert [json.loads(row["record"]) for row in rejected] == records[1:]
    assert rejected[2]["reason"] == "a record is an object with columns, this is str"
    assert "3 could not be read, the first: row 2" in str(made)


def test_rows_that_are_no_training_data_are_told(tmp_path):
    """Instructions alone are seeds; columns that are not read are named."""
    records = [{"instruction": "Name a river.", "score": 1}, {"instruction": "Name a hill.", "score": 2}]
    made = import_set(saved(tmp_path / "in.jsonl", records), tmp_path / "out.jsonl")
    assert str(made).splitlines()[1:] == [
        "  2 have no output: they are seeds, not training data",
        "  columns left out: score",
    ]


def test_ids_are_kept_made_and_made_unique():
    """A set may repeat an id, or have none, or have several rows in a record."""
    records = [{**ROWS[0]}, {**ROWS[0]}, {**ROWS[1], "id": 7}]
    assert [row["id"] for row in read_set(records).rows()] == ["a.0", "a.0~2", "7"]
    plain = [{"instruction": "Hi", "output": "Hello."}] * 2
    assert [row["id"] for row in read_set(plain).rows()] == ["rows-1", "rows-2"]
    tasks = [CASES["tasks"][0], {**CASES["tasks"][0], "id": None}]
    assert [row["id"] for row in read_set(tasks).rows()] == ["t.0", "t.1", "rows-2.0", "rows-2.1"]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"foo": 1, "bar": 2}], r"of no known format; its first record has the columns foo, bar\..*jsonl, alpaca"),
        ([{"messages": [], "instruction": "a", "output": "b"}], "may be alpaca or messages; .* columns messages"),
        ([{"prompt": "a", "question": "b", "answer": "c"}], "of no known format"),
        ([{"text": "of no template"}], "of no known template .*--template"),
        ([], "holds no record"),
        ([{"instruction": "a", "output": "b"}, {"messages": []}], "may be alpaca or messages"),
    ],
)
def test_what_cannot_be_told_shows_the_columns_and_the_formats(records, message):
    """A guess would write thousands of wrong rows."""
    with pytest.raises(SettingsError, match=message):
        read_set(records)


def test_a_format_that_is_given_is_believed(tmp_path):
    """And told apart from a set of which nothing can be read."""
    record = {
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        "instruction": "c",
        "output": "d",
    }
    assert texts(read_set([record], "messages").rows()) == [("a", "", "b")]
    assert texts(read_set([record], "alpaca").rows()) == [("c", "", "d")]
    with pytest.raises(SettingsError, match=r"nothing in it can be read as regen, as asked for; row 1: no instruction"):
        import_set(saved(tmp_path / "in.jsonl", [{"messages": []}]), tmp_path / "out.jsonl", "regen")
    assert not (tmp_path / "out.jsonl").exists()
    with pytest.raises(SettingsError, match="there is no format 'excel'"):
        read_set([record], "excel")


def test_texts_of_a_template_of_ones_own(tmp_path):
    """Read with the file that they were written with."""
    mine = tmp_path / "mine.json"
    mine.write_text(
        json.dumps(
            {
                "prompt_input": "Q {instruction} / {input} A:",
                "prompt_no_input": "Q {instruction} A:",
                "response_split": "A:",
            }
        )
    )
    export(ROWS, tmp_path / "out.csv", template=mine)
    assert texts(read_set(tmp_path / "out.csv", template=mine).rows()) == texts(ROWS)


def test_sets_come_from_anywhere(tmp_path):
    """A run, what refilter wrote, a saved data set, CSV."""
    run = si.generate(tmp_path / "run", model="demo", num_tasks=10, progress=False)
    assert list(read_set(tmp_path / "run").rows()) == run.dataset
    (tmp_path / "view").mkdir()
    (tmp_path / "view" / "dataset.jsonl").write_bytes((tmp_path / "run" / "dataset.jsonl").read_bytes())
    assert list(read_set(tmp_path / "view").rows()) == run.dataset
    assert texts(read_set(tmp_path / "run" / "tasks.jsonl").rows()) == texts(run.dataset)
    run.to_dataset().save_to_disk(tmp_path / "saved")
    assert list(read_set(tmp_path / "saved").rows()) == run.dataset
    assert list(read_set(run.to_dataset()).rows()) == run.dataset
    (tmp_path / "set.csv").write_text('\ufeffinstruction,output\nHi,"Hello,\nyou"\n', encoding="utf-8")
    assert texts(read_set(tmp_path / "set.csv").rows()) == [("Hi", "", "Hello,\nyou")]
    (tmp_path / "bad.csv").write_bytes(b"a,b\n\xff,1\n")
    with pytest.raises(SettingsError, match="cannot be read as CSV"):
        read_set(tmp_path / "bad.csv")


@pytest.mark.parametrize("make", [export_of, import_set, concat_of])
def test_a_set_of_which_nothing_can_be_read_is_an_error(tmp_path, make):
    """Export and concat wrote an empty file with exit status 0; what stands there already stays."""
    path = saved(tmp_path / "in.jsonl", [{"instruction": "Name a river.", "output": 3}])
    (tmp_path / "out.jsonl").write_text("before")
    with pytest.raises(SettingsError, match=r"nothing in it can be read as alpaca.*row 1: output holds int"):
        make(path, tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == "before"


@pytest.mark.parametrize("make", [export_of, import_set, concat_of])
def test_a_torn_line_is_an_error_with_its_number(tmp_path, make):
    """Every command that reads rows tells file and line; it was a traceback."""
    path = tmp_path / "in.jsonl"
    path.write_text('{"instruction": "Name a river.", "output": "Po"}\n\n{"instruction": "Na', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"in\.jsonl, line 3: not JSON"):
        make(path, tmp_path / "out.jsonl")


def test_no_output_takes_the_place_of_a_file_of_a_run(tmp_path):
    """`-o runs/first/tasks.jsonl` would destroy what was paid for."""
    run = si.generate(tmp_path / "run", model="demo", num_tasks=3, progress=False)
    path = saved(tmp_path / "in.jsonl", ROWS)
    tasks = tmp_path / "run" / "tasks.jsonl"
    before = tasks.read_bytes()
    for write in (
        lambda: import_set(path, tasks),
        lambda: si.concat([path], tasks),
        lambda: si.split(path, tmp_path / "a.jsonl", tasks),
        lambda: run.export(tasks),
    ):
        with pytest.raises(SettingsError, match="is a file of the run"):
            write()
    assert tasks.read_bytes() == before


def test_columns_of_rows_in_their_own_shape_stay(tmp_path):
    """A score or topic that somebody added is no part of the format, and no loss."""
    path = saved(tmp_path / "in.jsonl", [{**ROWS[0], "score": 1}, ROWS[1]])
    import_set(path, tmp_path / "out.parquet")
    loaded = datasets.Dataset.from_parquet(str(tmp_path / "out.parquet"), cache_dir=str(tmp_path / "cache")).to_list()
    assert loaded == [{**ROWS[0], "score": 1}, {**ROWS[1], "score": None}]


@pytest.mark.parametrize(
    "turns", ["x", 7, ["x"], [{"role": "user", "content": "a"}], [{"role": "user", "content": None}]]
)
def test_turns_that_are_none_are_told_before_they_are_written(turns):
    """A column of that name may hold anything."""
    unread = Unread()
    assert list(read_set([{**ROWS[0], "turns": turns}, ROWS[1]]).rows(unread)) == [ROWS[1]]
    assert unread.number == 1
    assert "turn" in unread.first


def test_an_output_may_not_be_the_input(tmp_path):
    """The set would be gone."""
    path = saved(tmp_path / "in.jsonl", ROWS)
    with pytest.raises(SettingsError, match="is read here"):
        import_set(path, path)
    with pytest.raises(SettingsError, match="named for two outputs"):
        import_set(path, tmp_path / "o.jsonl", rejected=tmp_path / "o.jsonl")
    assert lines(path) == ROWS


@pytest.mark.parametrize("as_tasks", [False, True])
def test_a_run_goes_on_from_an_imported_set(tmp_path, as_tasks):
    """As seeds, row by row or task by task."""
    first = si.generate(tmp_path / "first", model="demo", num_tasks=15, progress=False)
    export(first.dataset, tmp_path / "chats.jsonl", "messages")
    made = import_set(tmp_path / "chats.jsonl", tmp_path / "seeds.jsonl", as_tasks=as_tasks)
    assert made.rows == len(first.dataset)
    seeds = si.read_seeds(tmp_path / "seeds.jsonl")
    assert {task.instruction for task in seeds} == {task.instruction for task in first.tasks}
    if as_tasks:
        assert [task.instances for task in seeds] == [task.instances for task in first.tasks]
    run = si.generate(tmp_path / "on", model="demo", num_tasks=10, seeds=tmp_path / "seeds.jsonl", progress=False)
    assert len(run.tasks) == 10
    assert not {task.instruction for task in run.tasks} & {task.instruction for task in first.tasks}


def test_the_command_says_what_it_took_the_set_for(tmp_path):
    """On standard output, for people and for scripts."""
    path = saved(tmp_path / "in.jsonl", [{"prompt": "Hi", "response": "Hello."}])
    arguments = ["import", str(path), "-o", str(tmp_path / "out.jsonl")]
    said = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert "1 rows of" in said.stdout
    assert "(pairs, by one column that asks and one that answers)" in said.stdout
    facts = json.loads(CliRunner().invoke(cli, [*arguments, "--json"], standalone_mode=False).stdout)
    assert (facts["format"], facts["rows"], facts["rejected"]) == ("pairs", 1, 0)


@needs_reference
def test_files_of_the_original_are_read():
    """Seed tasks, the evaluation tasks, and recorded instances by the rules of a run."""
    for name, number in (("seed_tasks.jsonl", 175), ("user_oriented_instructions.jsonl", 252)):
        rows = read_set(FOLDER / name)
        assert rows.detected.format.name == "tasks"
        assert len(list(rows.rows())) == number
    recorded = read_set(FOLDER / "completions" / "instances.jsonl")
    assert recorded.detected.format.name == "machine-instances"
    assert len({row["instruction"] for row in recorded.rows()}) > 150
