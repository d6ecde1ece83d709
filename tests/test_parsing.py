"""What answers look like in practice, and what must be read from them."""

import re
import time
from collections import Counter
from functools import partial
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from selfinstruct.parsing import Parsed, input_first, numbered_list, output_first, split_thinking, verdict, whole_tasks
from selfinstruct.tasks import Candidate, Dropped, Instance

POEM, SORT, TEA = "Write a poem.", "Sort the words.", "How is tea made?"


def instructions(text, first=9, **options):
    return [item.instruction for item in numbered_list(text, first, **options).items]


def rules(parsed: Parsed):
    return [piece.rule for piece in parsed.dropped]


def pairs(parsed: Parsed):
    return [(one.input, one.output) for one in parsed.items]


# --- Lists ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "marks",
    [
        ("9. ", "10. ", "11. "),
        ("1. ", "2. ", "3. "),
        ("997. ", "998. ", "999. "),
        ("9) ", "10) ", "11) "),
        ("(9) ", "(10) ", "(11) "),
        ("[9] ", "[10] ", "[11] "),
        ("9: ", "10: ", "11: "),
        ("9 . ", "10 . ", "11 . "),
        ("9.) ", "10.) ", "11.) "),
        ("9.", "10.", "11."),
        (" 9. ", "10. ", "11. "),
        ("９．", "１０．", "１１．"),
        ("９）", "１０）", "１１）"),
        ("（９）", "（１０）", "（１１）"),
        ("9、", "10、", "11、"),
        ("٩. ", "١٠. ", "١١. "),
        ("Task 9: ", "Task 10: ", "Task 11: "),
        ("Task 9. ", "Task 10. ", "Task 11. "),
        ("Task #9: ", "Task #10: ", "Task #11: "),
        ("Task 9 - ", "Task 10 - ", "Task 11 - "),
        ("Task 9\n", "Task 10\n", "Task 11\n"),
        ("task 9: ", "TASK 10: ", "Task 11: "),
        ("Instruction 9: ", "Instruction 10: ", "Instruction 11: "),
        ("任务9：", "任务10：", "任务11："),
        ("タスク 9：", "タスク 10：", "タスク 11："),
        ("작업 9: ", "작업 10: ", "작업 11: "),
        ("**9.** ", "**10.** ", "**11.** "),
        ("**9**. ", "**10**. ", "**11**. "),
        ("**Task 9:** ", "**Task 10:** ", "**Task 11:** "),
        ("**Task 9**: ", "**Task 10**: ", "**Task 11**: "),
        ("### 9. ", "### 10. ", "### 11. "),
        ("### Task 9\n", "### Task 10\n", "### Task 11\n"),
        ("> 9. ", "> 10. ", "> 11. "),
        ("9 - ", "10 - ", "11 - "),
        ("- ", "- ", "- "),
        ("* ", "* ", "* "),
        ("• ", "• ", "• "),
        ("1. ", "1. ", "1. "),
        ("9. ", "9. ", "12. "),
        ("3. ", "2. ", "1. "),
        ("9. ", "10) ", "Task 11: "),
        ("9. ", "10 ", "11. "),
    ],
)
@pytest.mark.parametrize("gap", ["\n", "\n\n", "\r\n", "\n \n"])
def test_any_numbering_is_read(marks, gap):
    """However items are marked and parted, all of them come out, in their order and as they were written."""
    text = gap.join(mark + item for mark, item in zip(marks, (POEM, SORT, TEA), strict=True))
    parsed = numbered_list(text, 9)
    assert [item.instruction for item in parsed.items] == [POEM, SORT, TEA]
    assert not parsed.dropped


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" Write a poem.\n10. Sort the words.\n11. How is tea made?", [POEM, SORT, TEA]),
        (" Write a poem.\n2. Sort the words.\n3. How is tea made?", [POEM, SORT, TEA]),
        (" Write a poem.", [POEM]),
        ("Write a poem.\nSort the words.\nHow is tea made?", [POEM, SORT, TEA]),
        ("Write a poem.\n\nSort the words.\n\nHow is tea made?", [POEM, SORT, TEA]),
        ("9. **Write a poem.**\n10. __Sort__ the words.", [POEM, "__Sort__ the words."]),
        ("**9. Write a poem.**\n**10. Sort the words.**", [POEM, SORT]),
        ("9. **Poetry:** write a poem.\n**10. Order:** sort.", ["Poetry: write a poem.", "Order: sort."]),
        ("9. Write\n   a\tpoem.\n10. Sort the\nwords.", [POEM, SORT]),
        ("```\n9. Write a poem.\n10. Sort the words.\n```", [POEM, SORT]),
        ("```markdown\n9. Write a poem.\n10. Sort the words.", [POEM, SORT]),
        (
            "9. Write a poem.\n10. In what year was it?\n2016. Was it not?",
            [POEM, "In what year was it? 2016. Was it not?"],
        ),
        ("9. Explain what happened in 2016. Use dates.", ["Explain what happened in 2016. Use dates."]),
        ("9. Add the numbers:\n3.5 and 16.25", ["Add the numbers: 3.5 and 16.25"]),
        ("9. what does NASA do for iOS?", ["What does NASA do for iOS?"]),
        ("9. Put in order:\n   1. boil\n   2. pour\n10. Sort the words.", ["Put in order: 1. boil 2. pour", SORT]),
        ("9. Put in order:\n1. boil\n2. pour\n10. Sort the words.", ["Put in order: 1. boil 2. pour", SORT]),
        ("9. Put in order:\n- boil\n- pour\n10. Sort the words.", ["Put in order: - boil - pour", SORT]),
        ("- Put in order:\n  1. boil\n  2. pour\n- Sort the words.", ["Put in order: 1. boil 2. pour", SORT]),
        ("9. Write a poem. 10. Sort the words. 11. How is tea made?", [POEM, SORT, TEA]),
        ("9. Write a poem. 10. Sort the words.\n11. How is tea made?", [POEM, SORT, TEA]),
        ("9. Name\n10 ways to cook\n10. Sort the words.", ["Name 10 ways to cook", SORT]),
        (
            "9. What is 2**3 + 4**2?\n10. Explain *args and **kwargs.",
            ["What is 2**3 + 4**2?", "Explain *args and **kwargs."],
        ),
        ("9. What does __init__ do?\n10. Define __str__", ["What does __init__ do?", "Define __str__"]),
        ("9. 请用**中文**写一首诗。\n10. 将句子翻译成英文。", ["请用中文写一首诗。", "将句子翻译成英文。"]),
        (
            "9. Say what it prints:\n```python\nprint(1)\n```\n10. Sort the words.",
            ["Say what it prints: ```python print(1) ```", SORT],
        ),
        ("Answer both:\n- who is it?\n- what is it?", ["Answer both: - who is it? - what is it?"]),
        ("- Write a poem.\n- Sort the words.", [POEM, SORT]),
        ("", []),
        ("\n \n", []),
    ],
)
def test_lists_of_many_shapes(text, expected):
    """Missing first numbers, bold, several lines, steps inside items, years, and separators that were forgotten."""
    parsed = numbered_list(text, 9)
    assert [item.instruction for item in parsed.items] == expected
    assert not parsed.dropped


@pytest.mark.parametrize(
    "opening",
    [
        "Sure! Here are 8 new tasks:\n\n",
        "Here are the tasks:\n",
        "Below is the list.\n\n",
        "The following tasks go on from the list:\n",
        "好的，以下是新的任务：\n\n",
        "<think>1. Think of poems.\n2. Sort them.</think>\n",
        "Let me think of tasks.\n1. Poems?\n</think>\n\n",
        "<thinking>\nHm.\n</thinking>\n\n## New tasks\n\n",
        "Certainly!\n\n```\n",
        "Here’s a list:\n~~~text\n",
    ],
)
@pytest.mark.parametrize(
    "closing",
    [
        "",
        "\n\nLet me know if you would like more!",
        "\nI hope these help.",
        "\n\nThis list covers writing, sorting and cooking.",
        "\n\n---\n\nFeel free to ask for more.",
        "\n\n希望这些任务对您有帮助！",
    ],
)
def test_words_to_the_reader_are_dropped(opening, closing):
    """Chatter and reasoning around a list become dropped pieces, and every item stays as it is."""
    text = f"{opening}9. {POEM}\n10. {SORT}\n11. {TEA}"
    text += "\n```" * ("```\n" in opening) + "\n~~~" * ("~~~" in opening) + closing
    parsed = numbered_list(text, 9)
    assert [item.instruction for item in parsed.items] == [POEM, SORT, TEA]
    assert set(rules(parsed)) <= {"chatter", "thinking"}
    assert parsed.dropped


@pytest.mark.parametrize(
    "text", ["I'm sorry, but I can't help with that.", "I’m sorry.", "As an AI, I cannot.", "抱歉，我无法完成。"]
)
def test_a_refusal_is_no_task(text):
    """A model that declines has proposed nothing."""
    assert numbered_list(text, 9) == Parsed([], [Dropped(text, "chatter")])


def test_thinking_that_never_ends_takes_all():
    """An answer that is cut while the model still reasons holds no task."""
    assert numbered_list("<think>Maybe:\n9. Write a poem", 9, cut=True).items == []


def test_a_prompt_that_is_repeated_adds_no_words_to_an_item():
    """The end of an echoed prompt must not be glued to the example before it."""
    text = "You are building tasks.\n\nThese are in it:\n1. Old one.\n2. Old two.\n\nWrite 8 new tasks.\nNumber them.\n\n3. Write a poem."
    parsed = numbered_list(text, 3)
    assert [item.instruction for item in parsed.items] == ["Old one.", "Old two.", POEM]
    assert [piece.text for piece in parsed.dropped if piece.rule == "echo"] == ["Write 8 new tasks.\nNumber them."]


@pytest.mark.parametrize(
    ("text", "kept", "cut"),
    [
        ("9. Write a poem.\n10. Sort the words.\n11. How is", [POEM, SORT], "How is"),
        ("9. Write a poem.\n10. Sort the words.\n11.", [POEM, SORT], "11."),
        (" Write a po", [], "Write a po"),
        ("9. Write a poem.\n\nLet me kn", [], "Write a poem. Let me kn"),
    ],
)
def test_a_cut_answer_loses_its_last_item_only(text, kept, cut):
    """The original dropped the whole answer; only what the limit may have cut goes."""
    parsed = numbered_list(text, 9, cut=True)
    assert [item.instruction for item in parsed.items] == kept
    assert [(piece.text, piece.rule) for piece in parsed.dropped] == [(cut, "cut")]


def test_an_empty_item_does_not_take_its_neighbours():
    """A number with nothing behind it is dropped by name."""
    parsed = numbered_list("9. Write a poem.\n10.\n11. **\n12. Sort the words.", 9)
    assert [item.instruction for item in parsed.items] == [POEM, SORT]
    assert [(piece.text, piece.rule) for piece in parsed.dropped] == [("10.", "empty_item"), ("11. **", "empty_item")]


# --- Verdicts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes", True), ("yes", True), ("YES.", True), (" Yes\n", True), ("**Yes**", True), ('"Yes"', True), ("- Yes", True),
        ("Yes\n\nTask: Write a poem.\nClassification: No", True), ("Yes, because the labels are fixed.", True),
        ("Yes.Task: next", True), ("`Yes`", True), ("Classification: Yes", True), ("**Classification:** Yes", True),
        ("The answer is yes.", True), ("The answer would be: Yes", True), ("This is a classification task.", True),
        ("It is a binary classification task.", True), ("I would say yes.", True), ("Is it a classification? Yes!", True),
        ("是的。", True), ("是", True), ("这是一个分类任务。", True), ("答案：是", True), ("はい、そうです。", True), ("네.", True),
        ("ＹＥＳ", True), ("Ja.", True), ("Sí, lo es.", True), ("Да.", True), ("True", True),
        ("<think>No, no.\nNo?</think>Yes", True), ("No? hm</think>\n\nYes", True),
        ("No", False), ("no.", False), ("NO!", False), ("No, it asks for a text.", False), ("No\nNo\nNo", False),
        ("Answer: **No**", False), ("The classification is: No.", False), ("This is not a classification task.", False),
        ("It isn’t a classification task.", False), ("Not a classification task.", False), ("I'd say no.", False),
        ("No\n\nTask: Sort.\nClassification: Yes", False), ("不是。", False), ("否", False), ("这不是分类任务。", False),
        ("いいえ", False), ("아니요, 분류 작업이 아닙니다.", False), ("Nein", False), ("Non.", False), ("Нет", False), ("False.", False),
        ("Task: A?\nClassification: Yes\n\nTask: B\nClassification: No", False),
        ("", None), ("  \n", None), ("...", None), ("Maybe", None), ("Not sure.", None), ("No idea.", None), ("N/A", None),
        ("I cannot tell.", None), ("Nothing here", None), ("Yesterday", None), ("Notes: none", None),
        ("There is no context that would help me", None), ("It could be yes, or no.", None), ("Si la tarea pide", None),
        ("<think>Yes it is", None), ("是否", None), ("Northern", None),
    ],
)  # fmt: skip
def test_verdicts(text, expected):
    """Yes and no in all the dresses they come in, and None where a second question is needed."""
    assert verdict(text) is expected


# --- Instances ------------------------------------------------------------------------------------------------------

RAINY, SUNNY = ("It rains.", "wet"), ("It shines.", "dry")


@pytest.mark.parametrize(
    "text",
    [
        "Example 1\nInput: It rains.\nOutput: wet\nExample 2\nInput: It shines.\nOutput: dry",
        "Example 1\nInput: It rains.\nOutput: wet\n\nExample 2\nInput: It shines.\nOutput: dry\n",
        "Example 1:\nInput: It rains.\nOutput: wet\nExample 2:\nInput: It shines.\nOutput: dry",
        "Example 1.\nInput:\nIt rains.\nOutput:\nwet\nExample 2.\nInput:\nIt shines.\nOutput:\ndry",
        "EXAMPLE 1\ninput: It rains.\noutput: wet\nEXAMPLE 2\ninput: It shines.\noutput: dry",
        "**Example 1**\n**Input:** It rains.\n**Output:** wet\n\n**Example 2**\n**Input:** It shines.\n**Output:** dry",
        "**Example 1:**\n**Input**: It rains.\n**Output**: wet\n**Example 2:**\n**Input**: It shines.\n**Output**: dry",
        "### Example 1\nInput: It rains.\nOutput: wet\n\n---\n\n### Example 2\nInput: It shines.\nOutput: dry",
        "Example 1: It rains.\nOutput: wet\nExample 2: It shines.\nOutput: dry",
        "Example 1: Input: It rains.\nOutput: wet\nExample 2: Input: It shines.\nOutput: dry",
        "Example 1\n- Input: It rains.\n- Output: wet\nExample 2\n- Input: It shines.\n- Output: dry",
        "Example 1\nIt rains.\nOutput: wet\nExample 2\nIt shines.\nOutput: dry",
        "Example\nInput: It rains.\nOutput: wet\nExample\nInput: It shines.\nOutput: dry",
        "Input: It rains.\nOutput: wet\nInput: It shines.\nOutput: dry",
        "Input 1: It rains.\nOutput 1: wet\nInput 2: It shines.\nOutput 2: dry",
        "Input: It rains.\nOutput: wet\nExample 2\nInput: It shines.\nOutput: dry",
        "Example 1\r\nInput: It rains.\r\nOutput: wet\r\nExample 2\r\nInput: It shines.\r\nOutput: dry",
        "示例 1\n输入：It rains.\n输出：wet\n示例 2\n输入：It shines.\n输出：dry",
        "例1\n入力：It rains.\n出力：wet\n例2\n入力：It shines.\n出力：dry",
        "예시 1\n입력: It rains.\n출력: wet\n예시 2\n입력: It shines.\n출력: dry",
        "Ｅxample".replace("Ｅ", "E") + " １\nInput： It rains.\nOutput： wet\nExample ２\nInput： It shines.\nOutput： dry",
        "```\nExample 1\nInput: It rains.\nOutput: wet\nExample 2\nInput: It shines.\nOutput: dry\n```",
        "<think>Example 1\nInput: a\nOutput: b</think>\nExample 1\nInput: It rains.\nOutput: wet\nExample 2\nInput: It shines.\nOutput: dry",
        "Sure! Here are the examples:\n\nExample 1\nInput: It rains.\nOutput: wet\nExample 2\nInput: It shines.\nOutput: dry\n\nLet me know if you need more examples.",
        "Task: Wet or dry?\nExample 1\nInput: It rains.\nOutput: wet\nExample 2\nInput: It shines.\nOutput: dry",
        "Example 1\nInput: It rains.\nOutput: wet\nExample 2\nInput: It shines.\nOutput: dry\n\nTask: Another.\nOutput: x",
    ],
)  # fmt: skip
def test_examples_in_any_layout(text):
    """Headings, marks, fences and neighbours differ; the two examples are the same."""
    assert pairs(input_first(text)) == [RAINY, SUNNY]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Output: Take a break.", [("", "Take a break.")]),
        ("Output: 1. Wash.\n2. Dry.", [("", "1. Wash.\n2. Dry.")]),
        ("Output: **Yes**, it is.", [("", "**Yes**, it is.")]),
        ("Example 1\nThe answer alone.", [("", "The answer alone.")]),
        ("Example 1\nInput: <noinput>\nOutput: hello", [("", "hello")]),
        ("Example 1\nInput: None.\nOutput: hello", [("", "hello")]),
        ("Output: red\nOutput: blue", [("", "red"), ("", "blue")]),
        ("Input: 1\nOutput: x = 1\nprint(x)\nOutput: 1", [("1", "x = 1\nprint(x)\nOutput: 1")]),
        ("Example 1\nSentence: a b\nTone: calm\nOutput: c", [("Sentence: a b\nTone: calm", "c")]),
        ("Example 1\nInput 1: a\nInput 2: b\nOutput: c", [("a\nInput 2: b", "c")]),
        # Words inside prose are no marks.
        ("Output: For example 1 kg is much.\nAn Example 2 is given.", [("", "For example 1 kg is much.\nAn Example 2 is given.")]),
        ("Output: Example sentences help.\nExample 3 shows it.", [("", "Example sentences help.\nExample 3 shows it.")]),
        ("Output: The Input of a program: text.\nInput devices are keys.", [("", "The Input of a program: text.\nInput devices are keys.")]),
        ("Input: my Output: not here\nOutput: done", [("my Output: not here", "done")]),
        ("Input: Output devices show things.\nOutput: true", [("Output devices show things.", "true")]),
        ("Output: Here you are.\nExample 1: a cat\nExample 2: a dog", [("", "Here you are.\nExample 1: a cat\nExample 2: a dog")]),
        ("Output: Dear Ana,\n\nLet me know if you need help.", [("", "Dear Ana,\n\nLet me know if you need help.")]),
        ("Output: My Task: is long.\nTask: rest", [("", "My Task: is long.\nTask: rest")]),
    ],
)  # fmt: skip
def test_examples_without_input_and_with_words_that_look_like_marks(text, expected):
    """Marks stand at the start of a line and are followed by a colon or the line's end; nothing else parts a text."""
    parsed = input_first(text)
    assert pairs(parsed) == expected
    assert not parsed.dropped


@pytest.mark.parametrize(
    ("text", "kept", "dropped"),
    [
        ("Just some words.", [], ["malformed"]),
        ("", [], []),
        ("Example 1\n\nExample 2\nInput: It rains.\nOutput: wet", [RAINY], ["empty_item"]),
        ("Example 1\nInput: It rains.", [], ["malformed"]),
        ("Input: It rains.\nOutput: wet\nInput: It shines.", [RAINY], ["malformed"]),
        ("A word on the task.\nExample 1\nInput: It rains.\nOutput: wet", [RAINY], ["chatter"]),
        ("It depends on much.\n\nTask: Other.\nExample 1\nInput: a\nOutput: b", [], ["malformed"]),
    ],
)
def test_what_is_no_example_is_dropped_by_name(text, kept, dropped):
    """An input without an output is no instance, and another task's examples are not taken for this one's."""
    parsed = input_first(text)
    assert (pairs(parsed), rules(parsed)) == (kept, dropped)


@pytest.mark.parametrize(
    "text",
    [
        "Class label: wet\nInput: It rains.\nClass label: dry\nInput: It shines.",
        "Class label: wet\nIt rains.\nClass label: dry\nIt shines.",
        "Class label: wet\nInput: It rains.\n\nClass label: dry\nInput: It shines.\n",
        "Class Label:\nwet\nInput: It rains.\nClass Label:\ndry\nInput: It shines.",
        "**Class label:** wet\n**Input:** It rains.\n\n**Class label:** dry\n**Input:** It shines.",
        "1. Class label: wet\nInput: It rains.\n2. Class label: dry\nInput: It shines.",
        "Class label 1: wet\nInput 1: It rains.\nClass label 2: dry\nInput 2: It shines.",
        "Example 1\nClass label: wet\nInput: It rains.\nExample 2\nClass label: dry\nInput: It shines.",
        "Example 1\nInput: It rains.\nClass label: wet\n\nExample 2\nInput: It shines.\nClass label: dry",
        "Example 1\nInput: It rains.\nOutput: wet\nExample 2\nInput: It shines.\nOutput: dry",
        "Label: wet\nInput: It rains.\nLabel: dry\nInput: It shines.",
        "类别标签：wet\n输入：It rains.\n类别标签：dry\n输入：It shines.",
        "Class label: wet\r\nInput: It rains.\r\nClass label: dry\r\nInput: It shines.",
        "Sure! Here are the examples:\n\nClass label: wet\nInput: It rains.\nClass label: dry\nInput: It shines.",
        "Class label: wet\nInput: It rains.\nClass label: dry\nInput: It shines.\n\nTask: Other\nClass label: x\nInput: y",
        "Task: Wet or dry?\nClass label: wet\nInput: It rains.\nClass label: dry\nInput: It shines.",
    ],
)  # fmt: skip
def test_labelled_examples_in_any_layout(text):
    """Labels first or inputs first, the same two examples are read, each label with its own input."""
    assert pairs(output_first(text)) == [RAINY, SUNNY]


def test_labels_without_and_with_several_inputs():
    """A label alone is an instance without input; two inputs under one label are two instances."""
    assert pairs(output_first("Class label: no")) == [("", "no")]
    assert pairs(output_first("Class label: wet\nInput: It rains.\nInput: It pours.")) == [RAINY, ("It pours.", "wet")]
    assert pairs(output_first("Class label:\nInput: It rains.")) == [("It rains.", "")]
    assert pairs(output_first("Class label: box\nLabel: fragile\nSize: big")) == [("Label: fragile\nSize: big", "box")]
    assert rules(output_first("wet, I think")) == ["malformed"]


@pytest.mark.parametrize(
    ("read", "text", "kept"),
    [
        (input_first, "Example 1\nInput: It rains.\nOutput: wet\nExample 2\nInput: It shines.\nOutput: d", [RAINY]),
        (input_first, "Example 1\nInput: It rains.\nOutput: wet\nExample 2\nInput: It shi", [RAINY]),
        (input_first, "Example 1\nInput: It rains.\nOutput: wet\nExample 2", [RAINY]),
        (input_first, "Input: It rains.\nOutput: wet\nInput: It sh", [RAINY]),
        (input_first, "Output: It rai", []),
        (input_first, "Input: It rains.\nOutput: wet\n\nTask: Another one.\nOutput: x", [RAINY]),
        (output_first, "Class label: wet\nInput: It rains.\nClass label: dry\nInput: It shi", [RAINY]),
    ],
)
def test_cut_instances_lose_the_last_one_only(read, text, kept):
    """What the limit may have cut goes, be it an example or a half of one."""
    parsed = read(text, cut=True)
    assert pairs(parsed) == kept
    assert rules(parsed)[-1] == "cut"


# --- Whole tasks ----------------------------------------------------------------------------------------------------

SHORT = "###\n4. Instruction: Add.\n4. Input:\n1 and 2\n4. Output:\n3\n###\n5. Instruction: Greet.\n5. Input:\n<noinput>\n5. Output:\nHi"
TASKS = [Candidate("Add.", (Instance("1 and 2", "3"),)), Candidate("Greet.", (Instance("", "Hi"),))]


@pytest.mark.parametrize(
    "text",
    [
        SHORT,
        SHORT.replace("###", "##"),
        SHORT.replace("###\n", ""),
        SHORT.replace("###", "---"),
        SHORT.replace("###", ""),
        SHORT.replace("###\n5.", "### Task 5\n7."),
        SHORT.replace("###\n5.", "### 5.\n7."),
        SHORT.replace("5. ", "4. "),
        SHORT.replace("5. Input", "9. Input"),
        SHORT.replace("5. ", ""),
        SHORT.replace("Instruction:", "**Instruction:**").replace("Output:", "**Output:**"),
        SHORT.replace(":\n", ": "),
        SHORT.replace("\n", "\r\n"),
        SHORT.replace("Instruction:", "指令：").replace("Input:", "输入：").replace("Output:", "输出："),
        SHORT + "\n###",
        SHORT + "\n###\n6. Instruction:",
        SHORT.replace("<noinput>", "<NoInput>"),
        SHORT.replace("5. Input:\n<noinput>\n", ""),
        SHORT.replace("<noinput>", ""),
        f"```\n{SHORT}\n```",
        f"Sure! Here are the tasks:\n\n{SHORT}\n\nThese tasks cover much ground.",
        f"<think>\n###\n1. Instruction: no</think>\n{SHORT}",
    ],
)  # fmt: skip
def test_whole_tasks_survive_bad_separators(text):
    """The original lost all that follows one bad separator, and merged two tasks at "##"."""
    assert whole_tasks(text).items == TASKS


def test_base_models_go_on_behind_the_first_mark():
    """A prompt that ends with "Instruction:" is answered without it."""
    text = SHORT.removeprefix("###\n4. Instruction:")
    assert whole_tasks(text, continues=True).items == TASKS
    assert whole_tasks(SHORT, continues=True).items == TASKS


def test_broken_whole_tasks_are_dropped_one_by_one():
    """A task without output, an empty one and a cut one go, and their neighbours stay."""
    parsed = whole_tasks(
        f"4. Instruction: No output here.\n4. Input: x\n{SHORT}\n6. Instruction:\n7. Instruction: Cu", cut=True
    )
    assert parsed.items == TASKS
    assert rules(parsed) == ["malformed", "empty_item", "cut"]
    assert rules(whole_tasks("Nothing of use.")) == ["malformed"]
    assert rules(whole_tasks("Instruction:\nOutput: no instruction")) == ["malformed"]


# --- Laws -----------------------------------------------------------------------------------------------------------

WORDS = st.lists(
    st.sampled_from(
        [
            "alpha",
            "Beta",
            "γάμμα",
            "дельта",
            "将",
            "句子",
            "정렬",
            "हिन्दी",
            "مرحبا",
            "NASA",
            "2016",
            "3.5",
            "e-mail",
            "don't",
            "(so)",
            "said,",
            "x=1",
            "¿Qué?",
        ]
    ),
    min_size=1,
    max_size=8,
).map(lambda some: "Say " + " ".join(some) + ".")
LINES = st.lists(WORDS, min_size=1, max_size=3).map("\n".join)
INSTANCES = st.lists(st.builds(Instance, st.one_of(st.just(""), LINES), LINES), min_size=1, max_size=5)
WITH_INPUT = st.lists(st.builds(Instance, LINES, LINES), min_size=1, max_size=5)


@given(
    st.lists(WORDS, min_size=1, max_size=12),
    st.integers(1, 980),
    st.sampled_from(["{}. {}", "{}) {}", "Task {}: {}", "**{}.** {}"]),
)
def test_a_rendered_list_is_read_back(items, first, form):
    """Lists: parse(render(x)) == x."""
    text = "\n".join(form.format(number, item) for number, item in enumerate(items, first))
    assert numbered_list(text, first) == Parsed([Candidate(item) for item in items])


@given(WITH_INPUT)
def test_rendered_instances_are_read_back(instances):
    """Instances: parse(render(x)) == x."""
    blocks = [f"Example {n}\nInput: {one.input}\nOutput: {one.output}" for n, one in enumerate(instances, 1)]
    assert input_first("\n".join(blocks)) == Parsed(instances)


@given(st.lists(LINES.map(lambda output: Instance("", output)), min_size=1, max_size=4))
def test_rendered_outputs_are_read_back(instances):
    """Instances without input: parse(render(x)) == x."""
    assert input_first("\n".join(f"Output: {one.output}" for one in instances)) == Parsed(instances)


@given(st.lists(st.builds(Instance, st.one_of(st.just(""), LINES), WORDS), min_size=1, max_size=5))
def test_rendered_labels_are_read_back(instances):
    """Classification instances: parse(render(x)) == x."""
    blocks = [f"Class label: {one.output}" + (f"\nInput: {one.input}" if one.input else "") for one in instances]
    assert output_first("\n".join(blocks)) == Parsed(instances)


@given(
    st.lists(
        st.builds(
            lambda words, one: Candidate(words, (one,)),
            WORDS,
            st.builds(Instance, st.one_of(st.just(""), LINES), LINES),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_rendered_tasks_are_read_back(tasks):
    """Whole tasks: parse(render(x)) == x."""
    text = "".join(
        f"###\n{n}. Instruction: {task.instruction}\n{n}. Input:\n{task.instances[0].input or '<noinput>'}\n"
        f"{n}. Output:\n{task.instances[0].output}\n"
        for n, task in enumerate(tasks, 4)
    )
    assert whole_tasks(text) == Parsed(tasks)


FRAGMENTS = st.sampled_from(
    ["9. ", "10. ", "11) ", "1. ", "2. ", "- ", "Task 3: ", "Task: ", "**", "```\n", "```python\n", "<think>", "</think>", "Example 1", "Example 2: ",
     "Example", "Input: ", "Output: ", "Output: ", "Class label: ", "Label: ", "Instruction: ", "5. Instruction: ", "###", "---", "Sure! ",
     "Let me know of examples", "\n", "\n", "\n", "\n\n", "  ", "\r\n", "<noinput>", ":", "2016. ", "１２．"]
)  # fmt: skip
MARKERS = frozenset(
    [
        "task",
        "example",
        "examples",
        "input",
        "output",
        "class",
        "label",
        "instruction",
        "think",
        "python",
        "noinput",
        "instance",
    ]
)


def letters(text):
    """The words of a text that are no part of a mark."""
    return Counter(word for word in re.findall(r"[^\W\d_]+", text.lower()) if word not in MARKERS)


@given(
    st.lists(
        st.one_of(FRAGMENTS, st.integers(0, 99).map(lambda n: "w" + chr(97 + n // 10) + chr(97 + n % 10) + " ")),
        max_size=40,
    ),
    st.sampled_from([numbered_list, input_first, output_first, whole_tasks]),
    st.booleans(),
)
@example(["Input: ", "wa", "\n", "Output: ", "wb", "\n", "Input: ", "wc"], input_first, False)
@example(["Task: ", "wa", "\n", "Output: ", "wb"], input_first, False)
@example(["Class label: ", "wa", "\n", "Input: ", "wb", "\n", "Input: ", "wc"], output_first, False)
def test_no_word_of_an_answer_is_lost(fragments, read, cut):
    """Whatever an answer holds, all its words come back in items or in dropped pieces."""
    text = "".join(fragments)
    parsed = read(text, 9, cut=cut) if read is numbered_list else read(text, cut=cut)
    found = Counter()
    for item in parsed.items:
        instances = item.instances if isinstance(item, Candidate) else [item]
        found += letters(
            " ".join([getattr(item, "instruction", ""), *(f"{one.input} {one.output}" for one in instances)])
        )
    for piece in parsed.dropped:
        found += letters(piece.text)
    assert letters(text) - found == Counter()
    assert all(
        piece.rule in {"thinking", "chatter", "echo", "cut", "empty_item", "malformed"} for piece in parsed.dropped
    )


@given(st.text(alphabet="yesnoYN .\n*:Task是否不", max_size=30))
def test_any_text_gets_a_verdict(text):
    """No text raises, and a verdict is True, False or None."""
    assert verdict(text) in {True, False, None}


def test_thinking_is_parted_from_the_answer():
    """Closed, repeated, nested, unopened and unclosed blocks; a mark inside prose is prose."""
    assert split_thinking("<think>a</think>b") == ("b", "<think>a</think>")
    assert split_thinking("<think>a</think>b<think>c</think>d")[0] == "b\nd"
    assert split_thinking("<think>a<think>b</think>c</think>d")[0] == "d"
    assert split_thinking("a</think>b") == ("b", "a</think>")
    assert split_thinking("b\n<think>a") == ("b", "<think>a")
    assert split_thinking("What does <think> do?") == ("What does <think> do?", "")


@pytest.mark.parametrize(
    "piece",
    [" ", "\t", "\n", " \n", "1", "1. ", "1.\n", "1. a\n", "9. a. ", "#", "# ", "###\n", "###\n\n", "---\n", "*", "**", "** ", "**a ", "**a\n", "_", "__a ",
     "- ", "- a\n", "`", "```\n", "```\na\n", "<think>", "\n<think>", "</think>", "<think></think>", "a<think>", "Task ", "Task", "Task 1", "Task:\n\n", "Task: a\n\n",
     "Example ", "Example 1\n", "Example 1: a\n", "Example\n", "Input:", "Input: a\n", "Input: a\nOutput: b\n", "Output: b\n", "Output:", "Output **", "Class label: a\n",
     "Class ", "Instruction: a\n", "Instruction: a\nOutput: b\n", "answer ", "answer:", "answer is ", "classification ", "is a classification ", "yes no ", "Sure! \n\n", "a. ", "(", "（",
     "\n\nNote example", "\r", "1. a\n1. b\n2. c\n"],
)  # fmt: skip
def test_no_text_takes_long(piece):
    """An expression that backtracks would take minutes for 100 KB of any of these."""
    readers = (partial(numbered_list, first=9), input_first, output_first, whole_tasks, verdict)
    for size, openings in ((100_000, [""]), (5_000, ["Task", "Example", "Output: ", "9. Task 9"])):
        for opening, read in product(openings, readers):
            began = time.perf_counter()
            read(opening + piece * (size // len(piece)) + "x")
            assert time.perf_counter() - began < 1
