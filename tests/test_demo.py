"""The offline teacher: what it says is repeatable, readable by the parsers, mostly right, and wrong on purpose."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from rapidfuzz import process
from rapidfuzz.distance import Indel

from selfinstruct.llm import LLM, Completion, Message, Request
from selfinstruct.llm.demo import DemoTeacher
from selfinstruct.llm.demo.grammar import Draw, Skill
from selfinstruct.llm.demo.skills import SKILLS, recognise, wheel
from selfinstruct.text import words

SHOWN = "Explain to a neighbour how a tide table is read."
NEEDS_MORE_THAN_TEXT = re.compile(
    r"\b(images?|graphs?|pictures?|files?|maps?|draw|plot|go to|videos?|audio|music)\b", re.IGNORECASE
)


def ask(request: Request) -> Completion:
    return asyncio.run(DemoTeacher().complete(request))


def ask_all(requests: list[Request]) -> list[Completion]:
    async def answers() -> list[Completion]:
        teacher = DemoTeacher()
        return [await teacher.complete(request) for request in requests]

    return asyncio.run(answers())


def request(text: str, *, base: bool = False, **labels: Any) -> Request:
    if base:
        return Request("demo", prompt=text, **labels)
    return Request("demo", (Message("user", text),), **labels)


def instructions_request(number: int, kind: str = "tasks", count: int = 8) -> Request:
    text = f"A large and varied collection of {kind}, number {number}.\n1. {SHOWN}\n2. Sort some words."
    return request(text, about={"first": 3, "count": count})


def instances_request(instruction: str, *, label_first: bool = False, number: int = 0) -> Request:
    layout = "Class label: yes\nInput: It is." if label_first else "Input: this\nOutput: that"
    text = f"({number}) {layout}\n\nTask: {instruction}"
    return request(text, stage="instances", about={"instruction": instruction})


def verdict_request(instruction: str, number: int = 0) -> Request:
    return request(f"({number}) Task: {instruction}", stage="classify", about={"instruction": instruction})


def numbered(text: str) -> list[str]:
    return re.findall(r"^\d+\. (.+)$", text, re.MULTILINE)


def drawn_instructions(count: int, kind: str = "tasks") -> list[str]:
    requests = [instructions_request(number, kind) for number in range(count // 8 + count // 100 + 2)]
    return [one for answer in ask_all(requests) for one in numbered(answer.text)][:count]


def own_tasks(skill: Skill) -> Iterator[str]:
    for phrasing in skill.phrasings:
        for seed in range(25):
            yield phrasing.fill(Draw(f"{skill.name} {seed}"))


def output_of(instruction: str) -> str:
    known = recognise(instruction)
    assert known is not None, instruction
    skill, given = known
    return skill.instances(given, Draw("any"))[0][1]


def test_it_fits_the_seam() -> None:
    """The teacher can stand wherever a language model is asked for."""
    assert isinstance(DemoTeacher(), LLM)


def test_equal_requests_get_equal_answers_in_any_order() -> None:
    """Concurrency and resuming must not change what the demo says."""
    requests = [instructions_request(number) for number in range(20)]
    assert ask_all(requests) == ask_all(requests[::-1])[::-1]


def test_another_request_gets_another_answer() -> None:
    """The answer depends on the whole request, not only on the stage."""
    assert ask(instructions_request(1)).text != ask(instructions_request(2)).text


def test_an_answer_is_the_same_in_every_version_of_python() -> None:
    """Golden text: a change here changes every demo run that somebody wants to resume."""
    draw = Draw("golden")
    drawn = (draw.whole(1, 1000), draw.pick("abcdefgh"), draw.sample(range(10), 3))
    assert drawn == GOLDEN_DRAWS


GOLDEN_DRAWS = (812, "d", [2, 0, 4])


def test_the_list_goes_on_with_the_numbers_that_were_asked_for() -> None:
    """The parser relies on a numbered list, one instruction a line."""
    right = 0
    for number in range(100):
        found = re.findall(r"^(\d+)\. \S", ask(instructions_request(number, count=5)).text, re.MULTILINE)
        right += found == ["3", "4", "5", "6", "7"]
    assert right > 85


def test_a_base_model_goes_on_after_the_number_in_its_prompt() -> None:
    """Completions prompts end with the first number, so the answer must not repeat it."""
    prompt = f"A long list of different tasks:\n1. {SHOWN}\n2."
    text = ask(request(prompt, base=True, about={"first": 2, "count": 3})).text
    assert re.match(r" [A-Z0-9\"]", text)
    assert re.findall(r"^(\d+)\. ", text, re.MULTILINE) == ["3", "4"]


@pytest.mark.parametrize("base", [False, True])
def test_alpaca_prompts_get_whole_tasks(base: bool) -> None:
    """The alpaca method reads instruction, input and output from one answer."""
    shown = f"###\n1. Instruction: {SHOWN}\n1. Input:\n<noinput>\n1. Output:\nLook at the hour.\n###\n"
    prompt = shown + ("2. Instruction:" if base else "Now write tasks 2 to 4.")
    text = ask(request(prompt, base=base, about={"first": 2, "count": 3})).text
    whole = f"###\n2. Instruction:{text}" if base else text
    layout = r"###\n(\d+)\. Instruction: (.+)\n\1\. Input:\n((?:.|\n)+?)\n\1\. Output:\n((?:.|\n)+?)(?=\n###|\Z)"
    tasks = re.findall(layout, whole)
    assert [number for number, *_ in tasks] == ["2", "3", "4"]


@pytest.mark.parametrize("kind", ["classification tasks", "tasks"])
def test_classification_prompts_get_classification_tasks_only(kind: str) -> None:
    """The loop asks for classification tasks alone with such seeds, as the paper does."""
    known = [recognise(one) for one in drawn_instructions(400, kind)]
    labels = [skill.is_classification for skill, _ in filter(None, known)]
    assert len(labels) > 340
    assert all(labels) == (kind == "classification tasks")


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.name)
def test_a_skill_knows_its_own_tasks_again(skill: Skill) -> None:
    """Verdicts and instances come in later requests, which hold nothing but the instruction."""
    for instruction in own_tasks(skill):
        known = recognise(instruction)
        assert known is not None, instruction
        assert known[0] is skill, instruction


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.name)
def test_own_tasks_pass_the_filters(skill: Skill) -> None:
    """What is wrong in a demo run is wrong on purpose, never by an unlucky draw."""
    for instruction in own_tasks(skill):
        assert 5 <= len(words(instruction)) <= 45, instruction
        assert not NEEDS_MORE_THAN_TEXT.search(instruction), instruction
        assert instruction[0].isupper() or instruction[0].isdigit() or instruction[0] == '"', instruction


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.name)
def test_own_instances_pass_the_filters(skill: Skill) -> None:
    """Outputs are there, differ from their inputs, and no input stands twice."""
    for number, instruction in enumerate(own_tasks(skill)):
        known = recognise(instruction)
        assert known is not None
        pairs = skill.instances(known[1], Draw(str(number)))
        assert 1 <= len(pairs) <= 3
        assert len({given for given, _ in pairs}) == len(pairs)
        for given, output in pairs:
            assert output.strip() == output, instruction
            assert output, instruction
            assert output != given, instruction
            assert not output.endswith(":"), instruction


def test_there_are_enough_skills_of_both_kinds() -> None:
    """A demonstration needs variety: at least 40 skills, 14 of them classification."""
    assert len(SKILLS) >= 40
    assert len({skill.name for skill in wheel(True)}) >= 14
    assert len({skill.name for skill in SKILLS}) == len(SKILLS)


def by_name(name: str) -> Skill:
    return next(skill for skill in SKILLS if skill.name == name)


def numbers_in(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]


def test_shopping_totals_are_right() -> None:
    """The sum is checked with floats read from the text, not with the skill's own cents."""
    for instruction in own_tasks(by_name("shopping")):
        few, price, few2, price2 = numbers_in(instruction)
        assert output_of(instruction).endswith(f"${few * price + few2 * price2:.2f}.")


def test_discounts_are_right() -> None:
    """A percentage is taken off the price in the text."""
    for instruction in own_tasks(by_name("discount")):
        percent, full = sorted(numbers_in(instruction))
        assert f"${full * percent / 100:.2f}" in output_of(instruction)


def test_averages_are_right() -> None:
    """The mean of the row, rounded to one decimal."""
    checked = 0
    for instruction in own_tasks(by_name("statistics")):
        if "mean" in instruction:
            row = numbers_in(instruction)
            assert abs(float(output_of(instruction)) - sum(row) / len(row)) <= 0.05 + 1e-9
            checked += 1
    assert checked


def test_units_are_converted_with_the_right_factor() -> None:
    """Spot checks against known equivalents."""
    known = {"miles to kilometres": "160.93", "pounds to kilograms": "45.36", "feet to metres": "30.48"}
    for units, expected in known.items():
        instruction = f"Amara asks on market day: what do I get when I change 100 {units}? Round to two decimals."
        assert f"= {expected} " in output_of(instruction)


def test_later_dates_are_right() -> None:
    """Counting days is checked with the datetime module from the text alone."""
    months = [date(2000, month, 1).strftime("%B") for month in range(1, 13)]
    for instruction in own_tasks(by_name("date arithmetic")):
        found = re.search(r"(\d+) ([A-Z][a-z]+) (20\d\d)", instruction)
        assert found is not None
        start = date(int(found[3]), months.index(found[2]) + 1, int(found[1]))
        days = int(re.search(r"(\d+) days", instruction)[1])  # type: ignore[index]
        end = start + timedelta(days=-days if instruction.startswith("Count back") else days)
        assert output_of(instruction).startswith(f"{end.day} {months[end.month - 1]} {end.year}")


def test_lists_are_sorted() -> None:
    """Numbers are sorted as numbers, not as texts."""
    for instruction in own_tasks(by_name("sorting numbers")):
        row = [int(number) for number in re.findall(r"\d+", instruction)]
        assert numbers_in(output_of(instruction)) == sorted(row, reverse="descending" in instruction)


def test_primes_are_told_from_composites() -> None:
    """Every verdict is checked by trial division."""
    for instruction in own_tasks(by_name("prime")):
        number = int(re.search(r"\d+", instruction)[0])  # type: ignore[index]
        prime = all(number % divisor for divisor in range(2, number))
        assert (output_of(instruction) in {"prime", "true", "right", "correct"}) == prime


def test_the_odd_word_is_the_one_without_relatives() -> None:
    """A known list: four birds and a tool."""
    task = "Which of these words does not belong with the others: owl, robin, saw, heron, wren? "
    assert output_of(f"{task}A young vet asks first-time visitors on market day.") == "saw"


def test_python_answers_are_python_that_works() -> None:
    """The shortest check of the code bank: it compiles, and a sample function returns the right value."""
    for instruction in own_tasks(by_name("Python function")):
        compile(output_of(instruction), instruction, "exec")
    scope: dict[str, Any] = {}
    task = "removes repeats from a list and keeps the order; call it check_data."
    exec(output_of(f"Show Amara, a young vet, the shortest clear Python function that {task}"), scope)
    assert scope["check_data"]([2, 1, 2]) == [2, 1]


def test_regular_expressions_match_what_they_promise() -> None:
    """An instruction that gives an example in words ("such as A-10422") is answered by a pattern that matches it."""
    checked = 0
    for instruction in own_tasks(by_name("regular expression")):
        example = re.search(r"such as (\S+?)[.?]?(?= |$)", instruction)
        if example:
            assert re.fullmatch(output_of(instruction), example[1]), instruction
            checked += 1
    assert checked


def test_json_answers_are_json_with_the_wanted_keys() -> None:
    """The output parses and has the keys in the order that the instruction names them."""
    for instruction in own_tasks(by_name("JSON")):
        fields = "name|item|quantity|town|date|price"
        keys = re.search(rf"(?:{fields})(?:, (?:{fields})){{2,3}}", instruction)
        assert keys is not None, instruction
        assert list(json.loads(output_of(instruction))) == keys[0].split(", ")


def test_instances_with_inputs_are_numbered_examples() -> None:
    """The layout of input_first.j2."""
    instruction = "Turn the active sentence into the passive. Amara and a young vet disagree about it, so be exact."
    texts = [ask(instances_request(instruction, number=number)).text for number in range(30)]
    assert sum(bool(re.match(r"Example 1\nInput: .+\nOutput: .+ by .+", text)) for text in texts) > 24


def test_tasks_without_input_get_an_output_alone() -> None:
    """The layout of input_first.j2 for an instruction that says everything."""
    instruction = "Write the year 1924, in which Amara thinks a small bakery in Porto was founded, in Roman numerals. "
    instruction += "Amara and a young vet disagree about it, so be exact."
    texts = [ask(instances_request(instruction, number=number)).text for number in range(30)]
    assert texts.count("Output: MCMXXIV") > 24


def test_labels_come_first_where_the_prompt_asks_so() -> None:
    """The layout of output_first.j2."""
    instruction = "Say who takes care of this message: billing, delivery or repairs. A young vet asks on behalf of "
    instruction += "first-time visitors in Porto."
    texts = [ask(instances_request(instruction, label_first=True, number=number)).text for number in range(30)]
    pattern = re.compile(r"(Class label: (billing|delivery|repairs)\nInput: .+(\n|$))+")
    assert sum(bool(pattern.fullmatch(text)) for text in texts) > 22


def test_a_foreign_task_gets_a_placeholder() -> None:
    """Seeds and edited tasks must not stop the demo."""
    text = ask(instances_request(SHOWN)).text
    assert text.startswith("Output: ")
    assert SHOWN in text


def test_verdicts_are_right_for_own_tasks() -> None:
    """Every verdict that is one agrees with the skill."""
    for skill in SKILLS:
        instruction = next(own_tasks(skill))
        verdict = ask(verdict_request(instruction)).text.lower()
        assert verdict.startswith(("yes" if skill.is_classification else "no", "that depends"))


@pytest.mark.parametrize(
    ("instruction", "verdict"),
    [
        ("Classify the sentiment of the tweet.", "Yes"),
        ("Is it true or false that whales are fish?", "Yes"),
        ("Decide whether the email is about work.", "Yes"),
        (SHOWN, "No"),
        ("Write a poem about a lighthouse.", "No"),
    ],
)
def test_verdicts_on_foreign_tasks_are_sensible(instruction: str, verdict: str) -> None:
    """The guess goes by the words that ask for a label."""
    answers = [ask(verdict_request(instruction, number)).text for number in range(30)]
    assert answers.count(verdict) > 22


INSTRUCTION_FLAWS = {
    "too short": r"^\d+\. \S+ \S+( \S+)?\.$",
    "more than text": r"\b(picture|file|map|image)\b",
    "a program": r"\d\. Write a program to ",
    "punctuation first": r"^\d+\. [.(*:]",
    "near-duplicate": re.escape(SHOWN[8:]),
    "chatty first line": r"\A[A-Z].+\n\n\d",
    "closing line": r"\n\n[A-Z].+\.?!?\Z",
    "wrong numbers": r"\A(1|4|13)\. ",
}


@pytest.mark.parametrize("flaw", INSTRUCTION_FLAWS)
def test_each_flaw_of_instructions_occurs(flaw: str) -> None:
    """Within 400 answers a demonstration shows every kind of bad instruction, none of them often."""
    texts = [answer.text for answer in ask_all([instructions_request(number) for number in range(400)])]
    flawed = sum(len(re.findall(INSTRUCTION_FLAWS[flaw], text, re.MULTILINE)) for text in texts)
    assert 1 <= flawed < 160


def test_answers_are_cut_off_now_and_then() -> None:
    """The parser must meet a torn last item with the finish reason that servers give."""
    answers = ask_all([instructions_request(number) for number in range(400)])
    assert 1 <= sum(answer.finish_reason == "length" for answer in answers) < 40


VERDICT_FLAWS = {
    "small letters": r"(yes|no)\.",
    "with a reason": r"(Yes|No), because .+",
    "no verdict": r"That depends.+",
}


@pytest.mark.parametrize("flaw", VERDICT_FLAWS)
def test_each_flaw_of_verdicts_occurs(flaw: str) -> None:
    """Verdicts have to be read from more than a bare Yes or No."""
    answers = ask_all([verdict_request(SHOWN, number) for number in range(400)])
    assert 1 <= sum(bool(re.fullmatch(VERDICT_FLAWS[flaw], answer.text)) for answer in answers) < 40


INSTANCE_FLAWS = {
    "empty output": r"Output: (?=\n|\Z)",
    "output is input": r"Input: (.+)\nOutput: \1(\n|\Z)",
    "ends in a colon": r"Output: .+:\Z",
    "two outputs": r"Input: (.+)\nOutput: (.+)\n(.+\n)*Input: \1\nOutput: (?!\2)",
    "repeated example": r"Input: (.+)\nOutput: (.+)\n(.+\n)*Input: \1\nOutput: \2",
}


@pytest.mark.parametrize("flaw", INSTANCE_FLAWS)
def test_each_flaw_of_instances_occurs(flaw: str) -> None:
    """Within 400 answers the filters of the instance stage all have something to do."""
    instruction = "Turn the active sentence into the passive. Amara and a young vet disagree about it, so be exact."
    answers = ask_all([instances_request(instruction, number=number) for number in range(400)])
    assert 1 <= sum(bool(re.search(INSTANCE_FLAWS[flaw], answer.text)) for answer in answers) < 40


def test_flawed_instructions_stay_below_a_fifth() -> None:
    """A demonstration should mostly succeed."""
    drawn = drawn_instructions(2_000)
    assert sum(recognise(one) is None for one in drawn) < 0.2 * len(drawn)


def test_most_instructions_are_new_to_the_pool() -> None:
    """Of 3,000 candidates at least 70 % stay below ROUGE-L 0.7 to all admitted before (2 x LCS / both lengths)."""
    numbers: dict[str, int] = {}
    pool: list[list[int]] = []
    candidates = drawn_instructions(3_000)
    for candidate in candidates:
        coded = [numbers.setdefault(word, len(numbers)) for word in words(candidate)]
        if (
            process.extractOne(coded, pool, scorer=Indel.normalized_similarity, score_cutoff=0.7, processor=None)
            is None
        ):
            pool.append(coded)
    assert len(pool) >= 0.7 * len(candidates)


def test_max_tokens_is_kept_to() -> None:
    """A small limit cuts the answer and says so, as a server does."""
    whole = instructions_request(1)
    answer = ask(Request("demo", whole.messages, sampling={"max_tokens": 20}, about=whole.about))
    assert answer.finish_reason == "length"
    assert len(answer.text) == 80
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 20


def test_importing_the_teacher_loads_nothing_heavy() -> None:
    """`--model demo` works in a bare installation and starts at once."""
    code = "import sys, selfinstruct.llm.demo; print([m for m in ('openai', 'datasets', 'torch') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
