"""The teacher: which skill answers a request, and what goes wrong on purpose."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from selfinstruct.llm import Completion, Request, Stage, Usage
from selfinstruct.llm.demo import words
from selfinstruct.llm.demo.grammar import Draw, Pair, Skill
from selfinstruct.llm.demo.skills import recognise, wheel

CHARACTERS_PER_TOKEN = 4

Flaw = TypeVar("Flaw")


class DemoTeacher:
    """A language model made of sentence patterns; its answer is a function of the request's digest and nothing else.

    It writes instructions, says which of them are classification tasks, and gives correct examples of its own ones.
    What it does not recognise gets a placeholder. It errs as models do, so that a demonstration shows what the
    filters are for. The rates:

    - an instruction (7 %): too short, needs more than text ("Draw a picture of ..."), "Write a program to ...",
      starts with punctuation, or repeats an example of the prompt with a small edit;
    - an answer with instructions (about 8 %): a chatty first or last line, wrong numbers;
    - a verdict (8 %): "yes.", "No, because ...", or no verdict at all;
    - an answer with instances (at most 9 %): an empty output, an output equal to its input or ending in a colon,
      one input with two outputs, one example twice (three of the five need an input to go wrong with);
    - an answer of several lines (3 %): cut off, with the finish reason "length".

    A request with a JSON schema is answered in JSON, without the flaws that JSON has no place for: chatty lines, wrong
    numbers, and verdicts in other words. A `max_tokens` of the request is kept to, at four characters a token, which is
    also how `usage` is estimated.
    """

    model = "demo"

    async def complete(self, request: Request) -> Completion:
        """Answer at once."""
        draw = Draw(request.digest)
        text = (_ANSWERS if request.response_format is None else _JSON_ANSWERS)[request.stage](request, draw)
        whole = text
        if request.stage != "classify" and draw.chance(0.03):
            text = text[: draw.whole(len(text) * 6 // 10, len(text) * 9 // 10)]
        text = text[: _most_tokens(request) * CHARACTERS_PER_TOKEN]
        usage = Usage(len(request.text) // CHARACTERS_PER_TOKEN, len(text) // CHARACTERS_PER_TOKEN)
        return Completion(text, "stop" if text == whole else "length", usage, self.model)


def _most_tokens(request: Request) -> int:
    sampling = request.sampling
    return int(sampling.get("max_completion_tokens") or sampling.get("max_tokens") or 1_000_000)


# 1) New instructions.

_ALPACA_TASK = re.compile(r"^\d+\. Instruction:", re.MULTILINE)
_EXAMPLE = re.compile(r"^\d+\. (?:Instruction: )?(\S.+)$", re.MULTILINE)
_CLASSIFICATION_ONLY = ("collection of classification tasks", "list of different classification tasks")


def _write_instructions(request: Request, draw: Draw) -> str:
    text = request.text
    first, count = int(request.about["first"]), int(request.about["count"])
    skills = _skills(text)
    alpaca = _ALPACA_TASK.search(text) is not None
    if draw.chance(0.03):
        first = draw.pick((1, first + 1, first + 10))
    items = [_item(number, skills, text, alpaca, draw) for number in range(first, first + count)]
    answer = "\n".join(items)
    if draw.chance(0.02):
        answer += f"\n\n{draw.pick(_CLOSINGS)}"
    if request.prompt is not None:
        return _continued(answer, alpaca)
    return f"{draw.pick(_GREETINGS)}\n\n{answer}" if draw.chance(0.03) else answer


def _skills(prompt: str) -> Sequence[Skill]:
    return wheel(any(phrase in prompt for phrase in _CLASSIFICATION_ONLY))


_GREETINGS = ("Sure! Here are the new tasks:", "Certainly, here is the continued list.", "Of course! Here you are:")
_CLOSINGS = ("Let me know if you would like more of them!", "I hope that these tasks are useful.")


def _item(number: int, skills: Sequence[Skill], prompt: str, alpaca: bool, draw: Draw) -> str:
    if not alpaca:
        return f"{number}. {_instruction(skills, prompt, draw)}"
    instruction, given, output = _whole_task(skills, prompt, draw)
    return (
        f"###\n{number}. Instruction: {instruction}\n"
        f"{number}. Input:\n{given or '<noinput>'}\n{number}. Output:\n{output}"
    )


def _instruction(skills: Sequence[Skill], prompt: str, draw: Draw) -> str:
    skill = draw.pick(skills)
    return _flawed_instruction(skill.propose(draw), prompt, draw)


def _whole_task(skills: Sequence[Skill], prompt: str, draw: Draw) -> tuple[str, str, str]:
    skill = draw.pick(skills)
    instruction = skill.propose(draw)
    given, output = _flawed_pairs(_correct_pairs(instruction, draw)[:1], draw)[0]
    return _flawed_instruction(instruction, prompt, draw), given, output


def _continued(answer: str, alpaca: bool) -> str:
    """The answer without its beginning, which a base model finds at the end of its prompt."""
    return answer.partition("Instruction:" if alpaca else ".")[2]


def _flawed_instruction(instruction: str, prompt: str, draw: Draw) -> str:
    flaw = _flaw(_INSTRUCTION_FLAWS, draw)
    return flaw(instruction, prompt, draw) if flaw else instruction


def _too_short(instruction: str, prompt: str, draw: Draw) -> str:
    return draw.pick(("Tell a joke.", "Continue the list.", "Sort them.", "Be creative.", "Write more.", "Say why."))


def _needs_more_than_text(instruction: str, prompt: str, draw: Draw) -> str:
    thing, place = draw.pick(words.OBJECTS), draw.pick(words.TOWNS)
    return draw.pick(
        (
            f"Draw a picture of {thing} for the cover of a travel guide to {place}.",
            f"Open the file about {place} and read out what it says about {thing}.",
            f"Mark the way to the station on this map of {place}.",
            f"Describe the image of {thing} that hangs in the town hall of {place}.",
        )
    )


def _wants_a_program(instruction: str, prompt: str, draw: Draw) -> str:
    return f"Write a program to keep track of {draw.pick(words.GOODS)} in a shop in {draw.pick(words.TOWNS)}."


def _starts_with_punctuation(instruction: str, prompt: str, draw: Draw) -> str:
    return draw.pick(("... ", "(Easy) ", "* ", ": ")) + instruction


def _near_duplicate(instruction: str, prompt: str, draw: Draw) -> str:
    examples = _EXAMPLE.findall(prompt)
    if not examples:
        return instruction
    return draw.pick(("{} Keep it brief.", "Please note: {}", "{} Thank you.")).format(draw.pick(examples))


_INSTRUCTION_FLAWS: tuple[tuple[float, Callable[[str, str, Draw], str]], ...] = (
    (0.01, _too_short),
    (0.015, _needs_more_than_text),
    (0.01, _wants_a_program),
    (0.01, _starts_with_punctuation),
    (0.025, _near_duplicate),
)


def _flaw(flaws: Sequence[tuple[float, Flaw]], draw: Draw) -> Flaw | None:
    """One of the flaws at its rate, mostly none."""
    at = draw.fraction()
    for rate, flaw in flaws:
        if at < rate:
            return flaw
        at -= rate
    return None


# 2) Classification or not.

_ASKS_FOR_A_LABEL = re.compile(
    r"\b(classif(y|ied)|categor(y|ies|i[sz]e)|label|true or false|yes or no|positive or negative|spam|sentiment"
    r"|odd one out|does not belong|(is|are|does) .* or |(decide|determine|say|tell|identify) .*(if|whether)"
    r"|which (type|kind|class) of|rate how)\b",
    re.IGNORECASE,
)

_VERDICT_FLAWS = (
    (0.03, "{lower}."),
    (0.03, "{verdict}, because {reason}."),
    (0.02, "That depends on how one looks at it."),
)
_REASONS = {
    "Yes": "the answer is one label out of a few",
    "No": "many different answers would be correct",
}


def _write_verdict(request: Request, draw: Draw) -> str:
    verdict = "Yes" if _is_classification(request) else "No"
    pattern = _flaw(_VERDICT_FLAWS, draw) or "{verdict}"
    answer = pattern.format(verdict=verdict, lower=verdict.lower(), reason=_REASONS[verdict])
    return answer if request.prompt is None else f" {answer}"


def _is_classification(request: Request) -> bool:
    instruction = str(request.about["instruction"])
    known = recognise(instruction)
    return known[0].is_classification if known else _ASKS_FOR_A_LABEL.search(instruction) is not None


# 3) Instances.


def _write_instances(request: Request, draw: Draw) -> str:
    pairs = _pairs(request, draw)
    label_first = "Class label:" in request.text
    answer = "\n".join(_label_first(pairs) if label_first else _input_first(pairs))
    return answer if request.prompt is None else f"\n{answer}"


def _pairs(request: Request, draw: Draw) -> list[Pair]:
    return _flawed_pairs(_correct_pairs(str(request.about["instruction"]), draw), draw)


_PLACEHOLDER = '(The demo teacher knows only its own tasks. A real model would answer this one: "{}")'


def _correct_pairs(instruction: str, draw: Draw) -> list[Pair]:
    known = recognise(instruction)
    if known is None:
        return [("", _PLACEHOLDER.format(instruction))]
    skill, given = known
    return skill.instances(given, draw)


def _input_first(pairs: Sequence[Pair]) -> Iterator[str]:
    for number, (given, output) in enumerate(pairs, 1):
        if given:
            yield f"Example {number}\nInput: {given}"
        yield f"Output: {output}"


def _label_first(pairs: Sequence[Pair]) -> Iterator[str]:
    for given, label in pairs:
        yield f"Class label: {label}"
        if given:
            yield f"Input: {given}"


def _flawed_pairs(pairs: list[Pair], draw: Draw) -> list[Pair]:
    flaw = _flaw(_INSTANCE_FLAWS, draw)
    return flaw(pairs) if flaw else pairs


def _empty_output(pairs: list[Pair]) -> list[Pair]:
    return [*pairs[:-1], (pairs[-1][0], "")]


def _output_is_input(pairs: list[Pair]) -> list[Pair]:
    given, output = pairs[-1]
    return [*pairs[:-1], (given, given or output)]


def _ends_in_colon(pairs: list[Pair]) -> list[Pair]:
    return [*pairs[:-1], (pairs[-1][0], "Here is what I found:")]


def _two_outputs(pairs: list[Pair]) -> list[Pair]:
    given = pairs[0][0]
    return [*pairs, (given, "It could be something else.")] if given else pairs


def _repeated(pairs: list[Pair]) -> list[Pair]:
    return [*pairs, pairs[0]] if pairs[0][0] else pairs


_INSTANCE_FLAWS: tuple[tuple[float, Callable[[list[Pair]], list[Pair]]], ...] = (
    (0.015, _empty_output),
    (0.02, _output_is_input),
    (0.015, _ends_in_colon),
    (0.02, _two_outputs),
    (0.02, _repeated),
)

_ANSWERS: Mapping[Stage, Callable[[Request, Draw], str]] = {
    "instructions": _write_instructions,
    "classify": _write_verdict,
    "instances": _write_instances,
}

# 4) The same as JSON.


def _instructions_as_json(request: Request, draw: Draw) -> str:
    skills, numbers = _skills(request.text), range(int(request.about["count"]))
    if "tasks" not in _wanted(request):
        return _json({"instructions": [_instruction(skills, request.text, draw) for _ in numbers]})
    names = ("instruction", "input", "output")
    tasks = [_whole_task(skills, request.text, draw) for _ in numbers]
    return _json({"tasks": [dict(zip(names, task, strict=True)) for task in tasks]})


def _verdict_as_json(request: Request, draw: Draw) -> str:
    return _json({"is_classification": _is_classification(request)})


def _instances_as_json(request: Request, draw: Draw) -> str:
    pairs = _pairs(request, draw)
    if "label" in _wanted(request)["examples"]["items"]["properties"]:
        return _json({"examples": [{"label": label, "input": given} for given, label in pairs]})
    return _json({"examples": [{"input": given, "output": output} for given, output in pairs]})


def _wanted(request: Request) -> Mapping[str, Any]:
    """The properties of the schema."""
    assert request.response_format is not None
    properties: Mapping[str, Any] = request.response_format["json_schema"]["schema"]["properties"]
    return properties


def _json(answer: Mapping[str, Any]) -> str:
    return json.dumps(answer, ensure_ascii=False)


_JSON_ANSWERS: Mapping[Stage, Callable[[Request, Draw], str]] = {
    "instructions": _instructions_as_json,
    "classify": _verdict_as_json,
    "instances": _instances_as_json,
}
