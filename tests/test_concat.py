"""Sets put together: every row tells where it came from, and near-duplicates fall as they do in `dedup`."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import selfinstruct as si
from selfinstruct.cli import cli
from selfinstruct.concat import concat
from selfinstruct.dedup import dedup
from selfinstruct.dedup_files import dedup_files
from selfinstruct.errors import SettingsError
from selfinstruct.export import export
from selfinstruct.export.readers import read_set

ROWS = [
    {"id": "b0-0.0", "instruction": "Sort a list of numbers.", "input": "3, 1", "output": "1, 3"},
    {"id": "b0-1.0", "instruction": "Name a river in France.", "input": "", "output": "The Loire."},
]
OTHERS = [
    {"id": "b0-0.0", "instruction": "Sort the list of numbers!", "input": "2, 1", "output": "1, 2"},
    {"id": "b0-2.0", "instruction": "Translate to German.", "input": "Good morning", "output": "Guten Morgen"},
]


@pytest.fixture
def sets(tmp_path):
    export(ROWS, tmp_path / "a.jsonl")
    export(OTHERS, tmp_path / "b.json", "sharegpt")
    return [tmp_path / "a.jsonl", tmp_path / "b.json"]


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_rows_of_any_format_stand_one_after_the_other(sets, tmp_path):
    """With the name of their file, and an id of their own."""
    made = concat(sets, tmp_path / "all.jsonl")
    rows = lines(tmp_path / "all.jsonl")
    assert [(row["id"], row["source"]) for row in rows] == [
        ("b0-0.0", "a.jsonl"),
        ("b0-1.0", "a.jsonl"),
        ("b.json/b0-0.0", "b.json"),
        ("b0-2.0", "b.json"),
    ]
    assert [row["output"] for row in rows] == [row["output"] for row in (*ROWS, *OTHERS)]
    assert (dict(made.rows), made.kept, made.dropped) == ({"a.jsonl": 2, "b.json": 2}, 4, 0)


def test_a_source_that_a_row_has_stays(sets, tmp_path):
    """A set of sets still says where its rows began; ids that are taken twice go on with a number."""
    concat(sets, tmp_path / "all.jsonl")
    concat([tmp_path / "all.jsonl", sets[0], tmp_path / "all.jsonl"], tmp_path / "more.jsonl")
    rows = lines(tmp_path / "more.jsonl")
    assert [row["source"] for row in rows[:6]] == ["a.jsonl", "a.jsonl", "b.json", "b.json", "a.jsonl", "a.jsonl"]
    assert len({row["id"] for row in rows}) == len(rows) == 10


def test_runs_are_called_by_their_names_and_files_of_one_name_by_their_paths(tmp_path):
    """ "dataset.jsonl" and "train.jsonl" would say nothing."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "settings.json").write_text("{}")
        for file in ("dataset.jsonl", "train.jsonl"):
            export(ROWS, tmp_path / name / "x.jsonl")
            (tmp_path / name / "x.jsonl").rename(tmp_path / name / file)
    made = concat([tmp_path / "one", tmp_path / "two"], tmp_path / "all.jsonl")
    assert list(made.rows) == ["one", "two"]
    paths = [tmp_path / name / "train.jsonl" for name in ("one", "two")]
    assert list(concat(paths, tmp_path / "all.jsonl").rows) == list(map(str, paths))
    assert list(concat([paths[0], paths[0]], tmp_path / "all.jsonl").rows) == [str(paths[0]), f"{paths[0]}~2"]


def test_near_duplicates_fall_as_in_dedup(tmp_path):
    """The same rows are kept as by `selfinstruct dedup` of the whole, at any threshold."""
    run = si.generate(tmp_path / "run", model="demo", num_tasks=40, progress=False)
    changed = [{**row, "instruction": row["instruction"].replace("the", "a")} for row in run.dataset]
    export(changed, tmp_path / "b.json")
    both = [tmp_path / "run", tmp_path / "b.json"]
    concat(both, tmp_path / "all.jsonl")
    for threshold in (0.4, 0.7, 0.95):
        made = concat(both, tmp_path / "kept.jsonl", dedup=True, max_rouge=threshold)
        other = dedup(tmp_path / "all.jsonl", max_rouge=threshold)
        assert lines(tmp_path / "kept.jsonl") == other.kept
        assert made.dropped == len(other.dropped) > 0


def test_dropped_rows_are_kept_with_their_partners(sets, tmp_path):
    """By the names of the sets and the numbers of their rows there."""
    made = concat(sets, tmp_path / "kept.jsonl", dedup=True, rejected=tmp_path / "dropped.jsonl")
    assert (made.kept, made.dropped) == (3, 1)
    (row,) = lines(tmp_path / "dropped.jsonl")
    assert row == {
        **lines(tmp_path / "dropped.jsonl")[0],
        "id": "b.json/b0-0.0",
        "duplicate_row": 1,
        "duplicate_score": 0.8,
        "duplicate_of": "Sort a list of numbers.",
        "duplicate_of_file": "a.jsonl",
        "duplicate_of_row": 1,
    }
    again = dedup_files(tmp_path / "kept.jsonl", tmp_path / "x.jsonl")
    assert again.dropped == 0


@pytest.mark.parametrize("ending", [".json", ".jsonl", ".parquet"])
def test_columns_of_all_sets_stand_in_every_form(sets, tmp_path, ending):
    """Also those that one set has and another does not, such as later turns."""
    chat = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user", "assistant")]
    (tmp_path / "c.jsonl").write_text(json.dumps({"messages": chat}))
    concat([*sets, tmp_path / "c.jsonl"], tmp_path / f"all{ending}", dedup=True, rejected=tmp_path / f"no{ending}")
    rows = list(read_set(tmp_path / f"all{ending}").rows())
    assert [row.get("system") for row in rows] == [None, None, None, "system"]
    assert [turn["role"] for turn in rows[-1]["turns"]] == ["user", "assistant"]
    assert len(list(read_set(tmp_path / f"no{ending}").rows())) == 1


def test_what_cannot_be_read_is_counted(sets, tmp_path):
    """By its set, and in what is printed."""
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"instruction": "a", "output": 1}\n{"instruction": "b", "output": "c"}\n')
    made = concat([sets[0], broken], tmp_path / "all.jsonl")
    assert dict(made.unreadable) == {"broken.jsonl": 1}
    assert "1 records of broken.jsonl could not be read" in str(made)


def test_wrong_use_is_told(sets, tmp_path):
    """One set in the place of a list, an output that is read, a file for nothing."""
    with pytest.raises(SettingsError, match="takes a list of sets"):
        concat(str(sets[0]), tmp_path / "all.jsonl")
    with pytest.raises(SettingsError, match="is read here"):
        concat(sets, sets[0])
    with pytest.raises(SettingsError, match="nothing is dropped without dedup"):
        concat(sets, tmp_path / "all.jsonl", rejected=tmp_path / "no.jsonl")
    with pytest.raises(SettingsError, match="max_rouge lies above 0"):
        concat(sets, tmp_path / "all.jsonl", dedup=True, max_rouge=2)
    assert lines(sets[0]) == ROWS


def test_the_command_prints_counts(sets, tmp_path):
    """For people and for scripts."""
    arguments = ["concat", *map(str, sets), "-o", str(tmp_path / "all.jsonl"), "--dedup"]
    said = CliRunner().invoke(cli, arguments, standalone_mode=False).stdout
    assert "3 rows: 2 of a.jsonl, 2 of b.json" in said
    assert "1 dropped as similar to an earlier row (exact, ROUGE-L below 0.7)" in said
    facts = json.loads(CliRunner().invoke(cli, [*arguments, "--json"], standalone_mode=False).stdout)
    assert facts == {"rows": {"a.jsonl": 2, "b.json": 2}, "kept": 3, "dropped": 1, "unreadable": {}}
