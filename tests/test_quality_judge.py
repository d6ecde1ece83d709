"""The judge: one request a row, every answer kept, none asked for twice, and odd answers counted."""

from __future__ import annotations

import json

import pytest
from filelock import FileLock

from selfinstruct.errors import EndpointFailed, RequestRefused, RunLocked, SettingsError
from selfinstruct.quality import lint
from selfinstruct.quality.judge import Opinion, read_opinion
from selfinstruct.testing import FakeLLM

ROWS = [
    {"id": "a", "instruction": "What is the capital of Norway?", "input": "", "output": "Oslo."},
    {"id": "b", "instruction": "What is the capital of Peru?", "input": "", "output": "Cusco."},
    {"id": "c", "instruction": "Make it better.", "input": "", "output": "Done."},
    {"id": "d", "instruction": "Name a book on moss.", "input": "", "output": "Moss and Mind, by Ada Lund."},
]
ANSWERS = {
    "Norway": "yes || Oslo is the capital.",
    "Peru": "no || wrong || The capital is Lima.",
    "better": "no || unclear || It does not say what.",
    "moss": "no || invented || There is no such book.",
}


def answer(request):
    return next(said for word, said in ANSWERS.items() if word in request.text)


def judged(tmp_path, llm, rows=ROWS, **options):
    return lint(rows, judge=llm, judge_ledger=tmp_path / "judged.jsonl", **options)


@pytest.mark.parametrize(
    ("text", "sound", "code"),
    [
        ("yes || It is fit.", True, None),
        ("Yes, it is fit.", True, None),
        ("**yes** || fine", True, None),
        ("no || wrong || The sum is off.", False, "SI901"),
        ("No. unclear: it lacks the text.", False, "SI902"),
        ("no||invented||There is no such source; the year is wrong, too.", False, "SI903"),
        ("no || It is off.", False, "SI901"),
        ("No.", False, "SI901"),
        ("<think>no or yes?</think>\nyes || fine", True, None),
        ("Here is my verdict:\nAnswer: no || unclear || why", False, "SI902"),
        ("否 || wrong || 答案不对。", False, "SI901"),
        ("是", True, None),
        ("Notable work; nothing to add.", None, None),
        ("", None, None),
        ("I am not sure about this.", None, None),
    ],
)
def test_an_answer_is_read_in_many_forms(text, sound, code):
    """Bars, commas, emphasis, reasoning, chatter and Chinese; a word that begins with "no" is no "no"."""
    said = read_opinion(text)
    assert (said.sound, said.code) == (sound, code)


def test_the_reason_of_a_no_is_kept_without_its_class():
    """It is what the finding shows."""
    assert read_opinion("no || wrong || The capital is Lima.") == Opinion(False, "SI901", "The capital is Lima.")


def test_a_row_the_judge_turns_down_is_a_finding_of_its_class(tmp_path):
    """Three classes, beside the findings of the rules."""
    report = judged(tmp_path, FakeLLM(answer))
    assert [(one.id, one.code) for one in report.findings] == [("b", "SI901"), ("c", "SI902"), ("d", "SI903")]
    assert "The capital is Lima." in report.findings[0].reason
    assert (report.judged, list(report.undecided)) == (4, [])


def test_one_request_a_row_holds_the_row_and_the_classes(tmp_path):
    """And only the classes that are selected."""
    llm = FakeLLM(answer)
    judged(tmp_path, llm, select="SI901,SI903")
    assert len(llm.requests) == len(ROWS)
    texts = [request.text for request in llm.requests]
    assert all("wrong or invented" in text and "unclear" not in text for text in texts)
    assert sorted(row["output"] in text for row in ROWS for text in texts).count(True) == len(ROWS)
    assert {request.stage for request in llm.requests} == {"judge"}


def test_an_answer_that_is_neither_yes_nor_no_counts_as_undecided_and_is_said(tmp_path):
    """As does a request that the server refuses."""

    def odd(request):
        if "moss" in request.text:
            raise RequestRefused("content policy")
        return "Perhaps." if "Norway" in request.text else answer(request)

    report = judged(tmp_path, FakeLLM(odd))
    assert list(report.undecided) == [1, 4]
    assert "(2 undecided)" in repr(report)


def test_a_second_call_repeats_no_request(tmp_path):
    """The answers are paid for; equal rows are asked about once."""
    judged(tmp_path, FakeLLM(answer), rows=[*ROWS, ROWS[1]])
    again = FakeLLM(answer)
    report = judged(tmp_path, again, rows=[*ROWS, ROWS[1]])
    assert again.requests == []
    assert report.counts["SI901"] == 2
    assert len((tmp_path / "judged.jsonl").read_text(encoding="utf-8").splitlines()) == len(ROWS)


def test_a_judge_that_fails_half_way_goes_on_where_it_was(tmp_path):
    """What was answered before the endpoint failed is not asked for again."""
    with pytest.raises(EndpointFailed, match="2 answers are kept"):
        judged(tmp_path, FakeLLM([ANSWERS["Norway"], ANSWERS["Peru"]]), concurrency=1)
    rest = FakeLLM(answer)
    report = judged(tmp_path, rest)
    assert len(rest.requests) == 2
    assert [one.code for one in report.findings] == ["SI901", "SI902", "SI903"]


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_a_ledger_cut_at_any_byte_ends_in_the_same_report(tmp_path, cut):
    """A killed process leaves a torn last line."""
    whole = judged(tmp_path, FakeLLM(answer), concurrency=1)
    path = tmp_path / "judged.jsonl"
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))])
    assert judged(tmp_path, FakeLLM(answer)) == whole


def test_transient_failures_are_tried_again(tmp_path):
    """Every third call fails, with more rows than requests in flight."""
    rows = [{**ROWS[n % 4], "id": n, "input": str(n)} for n in range(40)]
    report = judged(tmp_path, FakeLLM(answer, faults=0.3), rows=rows, concurrency=3)
    assert (report.judged, list(report.undecided)) == (40, [])
    assert len(report.findings) == 30


def test_a_model_of_the_users_is_theirs_to_close(tmp_path):
    """It may be asked again for something else."""

    class Closing(FakeLLM):
        closed = False

        async def close(self):
            self.closed = True

    llm = Closing(answer)
    judged(tmp_path, llm)
    assert not llm.closed


def test_two_judges_do_not_write_to_one_ledger(tmp_path):
    """The second gets a clear error."""
    with FileLock(tmp_path / "judged.jsonl.lock"), pytest.raises(RunLocked, match="another process"):
        judged(tmp_path, FakeLLM(answer))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"judge": "demo", "judge_ledger": "j.jsonl"}, "demo teacher"),
        ({"judge": FakeLLM([])}, "--judge-ledger FILE"),
        ({"judge": FakeLLM([]), "judge_ledger": "j.jsonl", "select": "SI2"}, "SI901"),
        ({"judge": FakeLLM([]), "judge_ledger": "j.jsonl", "concurrency": 0}, "1 or more"),
        ({"judge": "any", "judge_ledger": "j.jsonl"}, "OPENAI_API_KEY"),
    ],
)
def test_a_judge_that_cannot_be_is_an_error_before_any_request(options, said):
    """What is missing is said."""
    with pytest.raises(SettingsError, match=said):
        lint(ROWS, **options)


def test_the_ledger_tells_which_row_was_asked_about(tmp_path):
    """Readable with `head`."""
    judged(tmp_path, FakeLLM(answer), concurrency=1)
    first = json.loads((tmp_path / "judged.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["request"] == {"stage": "judge", "row": 1, "id": "a"}
    assert first["text"] == ANSWERS["Norway"]
