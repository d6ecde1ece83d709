"""Exports: each format has the records that its readers expect, in order, and loses nothing."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from click.testing import CliRunner

import selfinstruct as si
from selfinstruct.cli import cli
from selfinstruct.export import FORMATS, export, to_dataset
from selfinstruct.export.formats import READ_ONLY
from selfinstruct.export.formats.self_instruct import END_OF_TEXT, WITH_INPUT, WITHOUT_INPUT, self_instruct

ROWS = [
    {"id": "b0-0.0", "instruction": "Translate to German.", "input": "Good morning", "output": "Guten Morgen"},
    {"id": "b0-1.0", "instruction": "Name a colour.", "input": "", "output": "Blue, for example."},
    {"id": "b0-2.0", "instruction": "翻译成英文。", "input": "你好\n世界", "output": 'Hello "world"\n'},
]


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_jsonl_is_the_rows(tmp_path):
    """The plain form, one row a line."""
    assert export(ROWS, tmp_path / "out" / "set.jsonl") == 3
    assert lines(tmp_path / "out" / "set.jsonl") == ROWS


def test_alpaca_is_an_array_of_three_fields(tmp_path):
    """What Stanford's train.py and its heirs read."""
    export(ROWS, tmp_path / "set.json", "alpaca")
    assert json.loads((tmp_path / "set.json").read_text(encoding="utf-8")) == [
        {name: row[name] for name in ("instruction", "input", "output")} for row in ROWS
    ]


def test_a_run_is_written_with_a_template(tmp_path):
    """From Python as from the command line."""
    run = si.generate(tmp_path / "run", model="demo", num_tasks=3, progress=False)
    assert run.export(tmp_path / "out.jsonl", "text", template="chatml") == len(run.dataset)
    assert lines(tmp_path / "out.jsonl")[0]["text"].startswith("<|im_start|>")


@pytest.mark.parametrize("name", ["set.jsonl", "set.json", "set.csv", "set.parquet"])
def test_an_export_appears_whole_or_not_at_all(tmp_path, name):
    """An error among the rows left half a file in the place of the earlier export."""
    export(ROWS, tmp_path / name)
    before = (tmp_path / name).read_bytes()

    def broken():
        yield ROWS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(broken(), tmp_path / name)
    assert [one.name for one in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == before


def test_a_link_and_a_pipe_stay_what_they_are(tmp_path):
    """`-o /dev/stdout` is a link to a pipe: nothing may take its place."""
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "set.jsonl")
    export(ROWS, tmp_path / "link.jsonl")
    assert (tmp_path / "link.jsonl").is_symlink()
    assert lines(tmp_path / "set.jsonl") == ROWS
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jsonl")
        with ThreadPoolExecutor() as pool:
            read = pool.submit((tmp_path / "pipe.jsonl").read_bytes)
            export(ROWS, tmp_path / "pipe.jsonl")
            assert read.result(10) == (tmp_path / "set.jsonl").read_bytes()


def test_messages_are_one_turn_each(tmp_path):
    """The input follows the instruction behind a blank line, where there is one."""
    export(ROWS, tmp_path / "set.jsonl", "messages")
    records = [record["messages"] for record in lines(tmp_path / "set.jsonl")]
    assert records[0] == [
        {"role": "user", "content": "Translate to German.\n\nGood morning"},
        {"role": "assistant", "content": "Guten Morgen"},
    ]
    assert records[1][0]["content"] == "Name a colour."


def test_self_instruct_draws_all_of_its_templates():
    """Seven ways with an input and six without; completions end in the end-of-text mark."""
    many = [{**row, "id": str(n), "output": f"out {n}"} for n in range(300) for row in ROWS[:2]]
    records = list(self_instruct(many))
    used = Counter()
    for record, row in zip(records, many, strict=True):
        templates = WITH_INPUT if row["input"] else WITHOUT_INPUT
        forms = [one.format(instruction=row["instruction"], input=row["input"]) for one in templates]
        used[forms.index(record["prompt"]), bool(row["input"])] += 1
        assert record["completion"].endswith(END_OF_TEXT)
        assert record["completion"].startswith(" ") == record["prompt"].endswith("Output:")
    assert len(used) == 13
    assert min(used.values()) > 20


def test_self_instruct_takes_a_single_field_name_off_in_half_of_the_rows():
    """A "Text: ..." becomes "..." so that the model does not depend on it; two fields stay."""
    single = [{"id": str(n), "instruction": f"Do {n}.", "input": "Text: a\n\nb", "output": "x"} for n in range(200)]
    taken = sum("Text:" not in record["prompt"] for record in self_instruct(single))
    assert 70 < taken < 130
    double = [{**row, "input": "Text: a\nWord: b"} for row in single]
    assert all("Text: a\nWord: b" in record["prompt"] for record in self_instruct(double))


def test_self_instruct_is_seeded_by_row_and_free_of_duplicates():
    """A row's template depends on its id and the seed alone; equal records are written once."""
    assert list(self_instruct(ROWS))[2] == next(self_instruct(ROWS[2:]))
    assert list(self_instruct(ROWS, seed=1)) != list(self_instruct(ROWS, seed=2))
    assert len(list(self_instruct([ROWS[0], dict(ROWS[0])]))) == 1


def test_parquet_and_datasets_read_back_equal(tmp_path):
    """Four text columns, also for an empty set."""
    import datasets

    export(ROWS, tmp_path / "set.parquet", "parquet")
    cache = str(tmp_path / "cache")
    assert datasets.Dataset.from_parquet(str(tmp_path / "set.parquet"), cache_dir=cache).to_list() == ROWS
    export(ROWS, tmp_path / "set", "datasets", card=lambda: "# The card\n")
    assert datasets.load_from_disk(str(tmp_path / "set")).to_list() == ROWS
    assert (tmp_path / "set" / "README.md").read_text(encoding="utf-8") == "# The card\n"
    assert to_dataset([]).column_names == ["id", "instruction", "input", "output"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return si.generate(tmp_path_factory.mktemp("runs") / "demo", model="demo", num_tasks=20, progress=False)


@pytest.mark.parametrize("rows", [[], ROWS[:1], ROWS])
def test_the_array_is_streamed_as_it_would_be_written_at_once(tmp_path, rows):
    """Line ends inside texts are none of the array's own."""
    export(iter(rows), tmp_path / "set.json", "sharegpt")
    whole = json.loads((tmp_path / "set.json").read_bytes())
    assert len(whole) == len(rows)
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    assert (tmp_path / "set.json").read_bytes() == orjson.dumps(whole, option=options)


def test_csv_has_one_column_of_texts(tmp_path):
    """AutoTrain reads train.csv; an empty set has the column as well."""
    export(ROWS[:1], tmp_path / "train.csv")
    assert (tmp_path / "train.csv").read_text(encoding="utf-8") == (
        '"text"\n"### Human: Translate to German.\n\nGood morning### Assistant: Guten Morgen"\n'
    )
    export([], tmp_path / "train.csv")
    assert (tmp_path / "train.csv").read_text(encoding="utf-8") == '"text"\n'


@pytest.mark.parametrize("format", ["alpaca", "messages", "guanaco", "chatml"])
def test_what_a_format_has_no_place_for_is_told(tmp_path, caplog, format):
    """Further turns and system messages are not left out in silence."""
    turns = [{"role": "user", "content": "And?"}, {"role": "assistant", "content": "So."}]
    rows = [{**ROWS[0], "turns": turns, "system": "Be brief."}, {**ROWS[1], "turns": turns}, ROWS[2]]
    with caplog.at_level(logging.WARNING):
        assert export(rows, tmp_path / "set", format) == 3
    said = " ".join(record.getMessage() for record in caplog.records)
    assert ("2 rows have turns after the first answer" in said) == (format == "alpaca")
    assert ("1 rows have a system message" in said) == (format in ("alpaca", "guanaco"))
    assert not said or f"the format {format} leaves out" in said


def test_any_set_is_exported(tmp_path):
    """A file in another format, with what could not be read counted on standard error; a template of one's own."""
    (tmp_path / "set.jsonl").write_text(
        '{"prompt": "Hi", "response": "Hello."}\n{"prompt": "Hi", "response": null}\n', encoding="utf-8"
    )
    arguments = ["export", str(tmp_path / "set.jsonl"), "-o", str(tmp_path / "out.jsonl"), "-f"]
    said = CliRunner().invoke(cli, [*arguments, "messages"], standalone_mode=False)
    assert said.stdout == f"1 records in {tmp_path / 'out.jsonl'}\n"
    assert "1 records of" in said.stderr
    assert "row 2: no response" in said.stderr
    assert [turn["content"] for turn in lines(tmp_path / "out.jsonl")[0]["messages"]] == ["Hi", "Hello."]
    onto_itself = ["export", str(tmp_path / "set.jsonl"), "-o", str(tmp_path / "set.jsonl"), "-f", "messages"]
    assert "is read here" in str(CliRunner().invoke(cli, onto_itself, standalone_mode=False).exception)
    said = CliRunner().invoke(cli, [*arguments, "text", "--template", "guanaco"], standalone_mode=False)
    assert lines(tmp_path / "out.jsonl") == [{"text": "### Human: Hi### Assistant: Hello."}]


def test_the_help_of_the_command_names_every_format():
    """A format that nobody can find is none."""
    said = CliRunner().invoke(cli, ["export", "--help"]).stdout
    assert [name for name in FORMATS if name not in said] == []
    read = CliRunner().invoke(cli, ["import", "--help"]).stdout
    assert [name for name in READ_ONLY if name not in read] == []


def test_formats_that_are_only_read_are_not_written(tmp_path):
    """The message lists the others."""
    with pytest.raises(si.SettingsError, match="regen is read and not written; the formats are jsonl"):
        export(ROWS, tmp_path / "x.json", "regen")


def test_rows_with_more_columns_keep_them(tmp_path):
    """A source, or what an import knew of a chat."""
    import datasets

    turns = [{"role": "user", "content": "And?"}, {"role": "assistant", "content": "So."}]
    rows = [{**ROWS[0], "source": "here"}, {**ROWS[1], "turns": turns}]
    export(rows, tmp_path / "set")
    assert datasets.load_from_disk(str(tmp_path / "set")).to_list() == [
        {**ROWS[0], "source": "here", "turns": None},
        {**ROWS[1], "source": None, "turns": turns},
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_a_run_exports_in_every_format(demo, tmp_path, format):
    """`run.export` knows them all."""
    assert demo.export(tmp_path / "out", format) == len(demo.dataset)
    assert (tmp_path / "out").exists()


def test_to_dataset_has_the_rows_of_the_run(demo):
    """`run.to_dataset()` is what the notebook goes on with."""
    assert demo.to_dataset().to_list() == demo.dataset


def test_the_card_of_a_demonstration_says_so(demo):
    """Nobody may take it for training data; counts are those of the run."""
    card = demo.card()
    assert "This is a demonstration" in card
    assert f"{len(demo.dataset)} rows of 20 tasks" in card
    assert f"| {next(iter(demo.rejections))} |" in card


@pytest.fixture
def own(demo, tmp_path):
    """A copy of the run, and what its files hold."""
    path = shutil.copytree(demo.path, tmp_path / "own")
    return path, {one.name: one.read_bytes() for one in path.iterdir() if one.is_file()}


@pytest.mark.parametrize("name", ["settings", "seeds", "against", "ledger", "tasks", "rejected", "dataset"])
@pytest.mark.parametrize("format", ["jsonl", "parquet", "datasets"])
def test_no_export_replaces_a_file_of_a_run(own, tmp_path, name, format):
    """`export runs/x -o runs/x/ledger.jsonl` destroyed every answer that had been paid for."""
    path, before = own
    file = path / (f"{name}.json" if name == "settings" else f"{name}.jsonl")
    (tmp_path / "link").symlink_to(file)
    run = si.load(path)
    for place in (file, path / ".." / "own" / file.name, tmp_path / "link"):
        with pytest.raises(si.SettingsError, match=r"is a file of the run .*choose another name"):
            run.export(place, format)
    assert {one.name: one.read_bytes() for one in path.iterdir() if one.is_file()} == before
    run.export(path / "export.jsonl")
    run.export(tmp_path / file.name)


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "datasets"])
def test_a_folder_is_no_place_for_a_file(tmp_path, format):
    """The words "Is a directory" said nothing about what to type; some formats ended in a traceback."""
    with pytest.raises(
        si.SettingsError, match=rf"is a folder, and the format {format} is one file; .* such as .*export\."
    ):
        export(ROWS, tmp_path, format)
    assert not list(tmp_path.iterdir())


def test_only_a_saved_data_set_is_replaced_by_one(own, tmp_path):
    """`-f datasets -o FOLDER` wrote among whatever the folder held, a run too."""
    import datasets

    path, before = own
    with pytest.raises(si.SettingsError, match="holds something else than a saved data set"):
        export(ROWS, path, "datasets")
    assert {one.name: one.read_bytes() for one in path.iterdir() if one.is_file()} == before
    (tmp_path / "empty").mkdir()
    for rows in (ROWS, ROWS[:1]):
        export(rows, tmp_path / "empty", "datasets", card=lambda: "# The card\n")
        assert datasets.load_from_disk(str(tmp_path / "empty")).to_list() == rows
    (tmp_path / "file").write_text("mine")
    with pytest.raises(si.SettingsError, match="cannot be written"):
        export(ROWS, tmp_path / "file", "datasets")
    assert (tmp_path / "file").read_text() == "mine"


def test_an_unknown_format_or_place_is_named(tmp_path):
    """With the formats that there are."""
    with pytest.raises(si.SettingsError, match="the formats are jsonl, alpaca"):
        export(ROWS, tmp_path / "x", "excel")
    (tmp_path / "file").write_text("")
    with pytest.raises(si.SettingsError, match="cannot be written"):
        export(ROWS, tmp_path / "file" / "below.jsonl")


def test_the_ending_of_the_path_says_the_format(tmp_path):
    """A .parquet file that holds JSON is refused by its next reader, far from here."""
    for name, kind in (
        ("a.json", "alpaca"),
        ("b.parquet", "parquet"),
        ("c", "datasets"),
        ("d.jsonl", "jsonl"),
        ("e.csv", "autotrain"),
    ):
        export(ROWS, tmp_path / "by_ending" / name)
        export(ROWS, tmp_path / "named" / name, kind)
    assert (tmp_path / "by_ending" / "a.json").read_bytes() == (tmp_path / "named" / "a.json").read_bytes()
    assert (tmp_path / "by_ending" / "b.parquet").read_bytes()[:4] == b"PAR1"
    assert (tmp_path / "by_ending" / "c" / "dataset_info.json").exists()
    assert lines(tmp_path / "by_ending" / "d.jsonl") == ROWS
    with pytest.raises(si.SettingsError, match="would mislead"):
        export(ROWS, tmp_path / "x.parquet", "alpaca")
    with pytest.raises(si.SettingsError, match="would mislead"):
        export(ROWS, tmp_path / "x.json", "parquet")
    with pytest.raises(si.SettingsError, match="would mislead"):
        export(ROWS, tmp_path / "x.csv", "jsonl")
    with pytest.raises(si.SettingsError, match="would mislead"):
        export(ROWS, tmp_path / "x.jsonl", "autotrain")


def test_exports_are_quiet(tmp_path, capfd):
    """The progress bars of `datasets` do not end up in a log."""
    export(ROWS, tmp_path / "set.parquet")
    export(ROWS, tmp_path / "set")
    assert capfd.readouterr() == ("", "")
