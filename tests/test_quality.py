"""Lint and fix: what each rule finds and lets pass, what a repair does, and how rules are chosen."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

import selfinstruct
from selfinstruct.errors import SettingsError
from selfinstruct.quality import RULES, detect_keys, fix, fix_file, lint, mask_keys
from selfinstruct.quality.fixing import MOST_REPAIRS
from selfinstruct.records import open_records

# Made up here, and put together here, so that no scanner of repositories takes them for real.
KEYS = {
    "«hub key»": "hf_" + "QxTmWzRkLpVbNcYdGfHjSaEuIoPqRtVwXz",
    "«cloud key»": "AKIA" + "QZ7WERTYUIOPLKJH",
    "«database»": "postgres://mira:" + "h7Gq2vLs" + "@db.fjordpost.no/orders",
}


def _cases():
    text = (Path(__file__).parent / "quality" / "cases.jsonl").read_text(encoding="utf-8")
    for mark, key in KEYS.items():
        text = text.replace(mark, key)
    return [json.loads(line) for line in text.splitlines()]


CASES = _cases()
CHECKED = [code for code, rule in RULES.items() if rule.check is not None]


def row(instruction="Name a river.", input="", output="The Elbe."):
    return {"instruction": instruction, "input": input, "output": output}


def codes(*rows, **options):
    return [one.code for one in lint(rows, **options).findings]


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case['code']}-{case['language']}-{case['instruction'][:24]}"
)
def test_a_rule_finds_its_defect_and_nothing_in_a_near_miss(case):
    """Each positive has its own code and no other; a near miss has none at all, of any rule."""
    expected = {case["code"], *([case["also"]] if "also" in case else [])} if case["flawed"] else set()
    assert set(codes(case)) == expected


def test_each_rule_has_three_positives_and_three_near_misses_in_two_languages():
    """A rule without cases would be a rule that nobody has tried."""
    counts = Counter((case["code"], case["language"], case["flawed"]) for case in CASES)
    missing = [
        (code, language, flawed)
        for code in CHECKED
        for language in ("en", "zh")
        for flawed in (True, False)
        if counts[code, language, flawed] < 3
    ]
    assert missing == []


def test_fixing_twice_equals_fixing_once():
    """All cases together: the second time there is nothing to repair and nothing to drop."""
    once = fix(CASES)
    twice = fix(once.rows)
    assert once.changes
    assert once.dropped
    assert twice.rows == once.rows
    assert (twice.changes, twice.dropped) == ([], [])


def test_what_fix_leaves_alone_is_the_same_object():
    """Rows without a repair are not even copied, and a near miss is never touched."""
    near = [case for case in CASES if not case["flawed"]]
    assert all(new is old for new, old in zip(fix(near).rows, near, strict=True))


def test_every_finding_said_to_be_fixable_is_gone_after_fix():
    """The mark [*] is a promise."""
    promised = [one for one in lint(CASES).findings if one.fixable]
    left = {(one.row, one.code) for one in fix(CASES).left.findings}
    assert promised
    assert not left & {(one.row, one.code) for one in promised}


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=200))
def test_fix_is_idempotent_on_any_text(instruction, input, output):
    """A repair may bring the next one to light, so they go on until none is left."""
    once = fix([row(instruction, input, output)])
    again = fix(once.rows)
    assert again.rows == once.rows
    assert len(once.changes) < MOST_REPAIRS


MARKS = (
    "<think>",
    "</think>",
    "</s>",
    "\\n",
    "&amp;",
    "### Response:",
    "\r",
    "\x00",
    "Ã©",
    "<noinput>",
    "A b.",
    "\n",
    " ",
)


@given(
    st.lists(st.sampled_from(MARKS), max_size=8).map("".join), st.lists(st.sampled_from(MARKS), max_size=8).map("".join)
)
def test_fix_is_idempotent_on_any_mixture_of_marks(input, output):
    """The same for texts that are nothing but what the rules look for, in any order."""
    once = fix([row("Say it.", input, output)])
    assert fix(once.rows).rows == once.rows


@pytest.mark.parametrize(
    ("output", "repaired"),
    [
        ("The Ebro.</s></s>", "The Ebro."),
        ("<s> The Ebro.<|im_end|>\n", "The Ebro."),
        ("<think>It is in Spain.</think>\n\nThe Ebro.", "The Ebro."),
        ("### Response:\nThe Ebro.", "The Ebro."),
        ("First.\\n\\nSecond.", "First.\n\nSecond."),
        ('She said \\"no\\".', 'She said "no".'),
        ("Hansel &amp;amp; Gretel", "Hansel & Gretel"),
        ("red\r\nblue\rgreen\x00", "red\nblue\ngreen"),
        ("itâ\x80\x99s", "it's"),
        ("itâ€™s a cafÃ©", "it's a café"),
        ("\x1b[1mThe Ebro\x1b[0m", "The Ebro"),
        ("The holly.\n\n5. Instruction: Name one more.\nOutput: The birch.", "The holly."),
    ],
)
def test_a_repair_gives_what_the_text_was_meant_to_be(output, repaired):
    """Each repair by an example; typographic quotes may come out straight or curly."""
    fixed = fix([row(output=output)]).rows[0]["output"]
    assert fixed.replace("’", "'") == repaired


@pytest.mark.parametrize(
    "output", ["<think>It is in", "The <|endoftext|> middle", "Mondovi\ufffd", "Write to ola.brekke74@gmail.com."]
)
def test_what_is_not_certain_is_reported_and_left(output):
    """No repair on a guess: a thought without an end, a token between words, a lost sign, an address."""
    rows = [row(output=output)]
    assert not lint(rows).findings[0].fixable
    assert fix(rows).rows == rows


def test_a_dropped_row_is_kept_with_its_finding():
    """Nothing disappears without a reason."""
    fixed = fix([row(), row(output=" ")])
    assert fixed.rows == [row()]
    assert [(one.row.number, one.finding.code) for one in fixed.dropped] == [(2, "SI201")]
    assert repr(fixed) == "Fixed(repaired 0, dropped 1; 0 findings are left)"


def test_a_change_says_before_and_after():
    """What a reviewer needs to see."""
    (change,) = fix([row(input="N/A")]).changes
    assert (change.row, change.code, change.field, change.before, change.after) == (1, "SI101", "input", "N/A", "")


def test_a_task_with_instances_is_looked_at_instance_by_instance():
    """The shape of Self-Instruct: ids as in dataset.jsonl; an instance falls alone, the task with its last one."""
    task = {
        "id": "t1",
        "instruction": "Name it.",
        "instances": [{"input": "No input", "output": "An oak."}, {"input": "x", "output": ""}],
    }
    assert [(one.row, one.id, one.code) for one in lint([task]).findings] == [
        (1, "t1.0", "SI101"),
        (1, "t1.1", "SI201"),
    ]
    assert fix([task]).rows == [{**task, "instances": [{"input": "", "output": "An oak."}]}]
    assert fix([{**task, "instances": task["instances"][1:]}]).rows == []


def test_groups_codes_and_names_choose_rules():
    """`--select` and `--ignore` of a linter, in any case."""
    flawed = row(input="<noinput>", output="")
    assert codes(flawed) == ["SI101", "SI201"]
    assert codes(flawed, select="si2") == ["SI201"]
    assert codes(flawed, select=["empty-output,no-input"]) == ["SI101", "SI201"]
    assert codes(flawed, ignore="SI1") == ["SI201"]
    assert fix([flawed], select="SI1").rows == [row(output="")]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"select": "SI210"}, "did you mean SI20"),
        ({"ignore": "refusals"}, "did you mean refusal"),
        ({"select": "SI2", "ignore": "SI"}, "nothing would be checked"),
        ({"select": "SI901"}, "--judge MODEL"),
    ],
)
def test_a_choice_that_means_nothing_is_an_error_that_helps(options, said):
    """A misspelt code would otherwise pass everything."""
    with pytest.raises(SettingsError, match=said):
        lint([row()], **options)


def test_every_rule_explains_itself():
    """Code, name and one sentence; --rules prints them."""
    assert all(rule.explanation.endswith(".") and rule.name and len(code) == 5 for code, rule in RULES.items())
    assert len({rule.name for rule in RULES.values()}) == len(RULES)


def test_the_report_counts_and_shows_a_few():
    """In a notebook: a short line, and a table of the first findings with their text escaped."""
    report = lint([row(input="<noinput>"), row(output=""), row()])
    assert repr(report) == "LintReport(2 of 3 rows have a flaw: SI101 no-input 1, SI201 empty-output 1)"
    assert report.counts == {"SI101": 1, "SI201": 1}
    assert (report.fixable, report.to_dict()["flawed"]) == (2, 2)
    assert "&lt;noinput&gt;" in report._repr_html_()
    assert str(report.findings[0]) == "row 1: SI101 [*] no-input: input says that there is no input: <noinput>"


def test_a_long_report_shows_ten():
    """A notebook page of fifty thousand findings would stop the browser."""
    html = lint([row(output="")] * 30)._repr_html_()
    assert html.count("SI201") == 11, "ten rows and the head"
    assert "and 20 more" in html


def test_an_excerpt_holds_no_control_characters():
    """A terminal would obey them."""
    (finding,) = lint([row(output="red\x1b[31m alert\x07")]).findings
    assert str(finding).isprintable()


def test_secrets_are_named_and_never_shown():
    """In no finding of any rule, also where the secret stands in another rule's excerpt."""
    for key in KEYS.values():
        text = f"Say {key} as a"
        report = lint([row("Say the key as a line of text.", output=f"Say the key as a line of text. {text}")])
        assert {"SI503", "SI206"} <= set(report.counts)
        assert key not in json.dumps(report.to_dict())
        assert key not in mask_keys(text)


@pytest.mark.parametrize("at", range(30, 80, 7))
def test_a_secret_that_an_excerpt_cuts_through_is_hidden_whole(at):
    """Half a key is a secret, too, and no pattern knows it."""
    key = KEYS["«hub key»"]
    echo = f"{'Say the words. ' * 6}"[:at] + f" {key} and more words to follow."
    for one in lint([row(echo, output=echo + " Yes."), row(output=f"Use {key[:-1]} {key} the")]).findings:
        assert key[:12] not in str(one)
        assert key[-8:] not in str(one)


def test_the_lines_of_a_private_key_are_hidden():
    """Its first line is what gives it away, the others are the secret."""
    text = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7bq\n-----END RSA PRIVATE KEY-----\nThe end."
    (one,) = lint([row(output=text)], select="SI503").findings
    assert "MIIE" not in str(one)
    assert mask_keys(text).endswith("The end.")


def test_detect_keys_names_kinds():
    """What the upload to the Hub asks before it sends anything."""
    text = "\n".join(KEYS.values())
    assert detect_keys(text) == ["AWS Access Key", "Basic Auth Credentials", "Hugging Face Token"]
    assert detect_keys("-----BEGIN RSA PRIVATE KEY-----\nMIIE") == ["Private Key"]
    assert detect_keys("sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx and hf_... and AKIAIOSFODNN7EXAMPLE") == []


@pytest.mark.parametrize("kind", ["GitHub Token", "OpenAI Token", "Slack Token", "JSON Web Token", "Anthropic Token"])
def test_keys_of_providers_are_known(kind):
    """Those that people paste most."""
    body = "Zk3Qw8Rt5Yb2Nc7Lf9Gh4Jm6Xp1Vs0Du3Ea"
    keys = {
        "GitHub Token": f"ghp_{body}Q",
        "OpenAI Token": f"sk-proj-{body}",
        "Slack Token": f"xoxb-{8 * '3'}7-" + body.lower(),
        "JSON Web Token": f"eyJ{body}.eyJ{body}.{body}",
        "Anthropic Token": f"sk-ant-api03-{body}",
    }
    assert kind in detect_keys(f"the key is {keys[kind]} here")
    assert keys[kind] not in mask_keys(f"the key is {keys[kind]} here")


@pytest.fixture
def flawed_file(tmp_path):
    path = tmp_path / "set.jsonl"
    rows = [{"id": 1, **row()}, {"id": 2, **row(input="<noinput>")}, {"id": 3, **row(output="")}]
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    return path


def test_a_set_may_be_a_path_rows_a_run_or_a_dataset(tmp_path, flawed_file):
    """Whatever somebody has in hand."""
    assert lint(flawed_file).counts == {"SI101": 1, "SI201": 1}
    assert lint(datasets.Dataset.from_list([row(output="")])).counts == {"SI201": 1}
    assert lint(iter([row(output="")])).counts == {"SI201": 1}
    run = selfinstruct.generate(tmp_path / "run", model="demo", num_tasks=5)
    assert lint(run).rows == lint(tmp_path / "run").rows == len(run.dataset)


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".parquet"])
def test_a_file_is_repaired_into_another(tmp_path, flawed_file, ending):
    """In every form; the numbers of the findings are those of the file that was read."""
    output = tmp_path / f"clean{ending}"
    fixed = fix_file(flawed_file, output)
    rows = [each for block in open_records(output).blocks() for each in block.rows()]
    assert rows == [{"id": 1, **row()}, {"id": 2, **row()}]
    assert (fixed.kept, len(fixed.changes), [one.row.number for one in fixed.dropped]) == (2, 1, [3])
    assert fix_file(output, tmp_path / f"again{ending}").changes == []


def test_a_row_without_repair_is_written_as_it_was_read(tmp_path):
    """Spacing and the order of columns of JSON lines are the owner's."""
    path, output = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    path.write_text('{"output":"The Elbe.",   "instruction":"Name a river.","input":null}\n', encoding="utf-8")
    fix_file(path, output)
    assert output.read_bytes() == path.read_bytes()


def test_the_source_is_never_written_over(tmp_path, flawed_file):
    """Neither the file that is read nor anything inside of a run."""
    with pytest.raises(SettingsError, match="written over"):
        fix_file(flawed_file, flawed_file)
    selfinstruct.generate(tmp_path / "run", model="demo", num_tasks=3)
    with pytest.raises(SettingsError, match="lies in a run"):
        fix_file(tmp_path / "run", tmp_path / "run" / "clean.jsonl")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"prompt": "a", "answer": "b"}], "these are prompt, answer"),
        (["text"], "this is str"),
        ([{"instruction": 3, "input": "", "output": ""}], "row 1: instruction holds int, not text"),
        ([{"instruction": "a", "instances": "b"}], "row 1: instances holds str, not a list"),
        ([row(), {"instruction": "a"}], "row 2"),
        (7, "not int"),
    ],
)
def test_rows_of_another_shape_are_an_error_that_names_row_and_columns(rows, said):
    """No KeyError."""
    with pytest.raises(SettingsError, match=said):
        lint(rows)


def test_a_line_that_is_no_json_is_an_error(tmp_path):
    """It names the file and the line."""
    path = tmp_path / "bad.jsonl"
    path.write_text('{"instruction": "a", "output": "b"}\n{"instr\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"bad\.jsonl, line 2: not JSON"):
        lint(path)


def test_a_task_without_instances_is_passed_over():
    """Null stands there in a column of Parquet that some rows lack; it was a TypeError."""
    rows = [{"instruction": "Name a river.", "instances": held} for held in (None, [])]
    assert lint(rows).rows == 0
    assert fix(rows).rows == rows


def test_instances_are_counted_on_both_sides():
    """Of a task with three, two with a flaw were told as "1 of 3 rows"."""
    held = [{"input": "", "output": text} for text in ("", "", "The Po.")]
    report = lint([{"instruction": "Name a river.", "instances": held}])
    assert (report.flawed, report.rows) == (2, 3)


def test_our_own_seeds_are_clean():
    """They are texts that people wrote with care, so whatever is found there is a false alarm."""
    for language in ("en", "zh"):
        report = lint(selfinstruct.tasks.packaged_seeds(language))
        assert list(map(str, report.findings)) == []
        assert report.rows >= 70


def test_the_demo_teacher_is_clean(tmp_path):
    """Hundreds of sums, conversions, lists and letters of another origin."""
    run = selfinstruct.generate(tmp_path / "run", model="demo", num_tasks=200)
    assert list(map(str, lint(run).findings)) == []
