"""Whole tasks, as Alpaca asks for them."""

from __future__ import annotations

import re

from selfinstruct.parsing.common import Parsed, behind, clean, dropped_text, instruction_of, parted, without_rules
from selfinstruct.parsing.instances import INPUT, OUTPUT, about_examples, field_mark, instance_of
from selfinstruct.tasks import Candidate, Dropped

_INSTRUCTION = field_mark(r"(?:Task[ \t]*)?(?:Instruction|指令|指示|지시|지시문)")


def whole_tasks(text: str, *, continues: bool = False, cut: bool = False) -> Parsed[Candidate]:
    """Read "Instruction / Input / Output" tasks into candidates with one instance each.

    Tasks are told apart by their "Instruction:" marks, not by separators or numbers, so a wrong number or a missing
    "###" neither drops nor merges what follows. `continues` says that the prompt ended with such a mark (base models).
    """
    body, before, after = clean(text, _INSTRUCTION)
    if continues and not _INSTRUCTION.match(body.lstrip("\n")):
        body = "Instruction: " + body.lstrip()
    body, closing = about_examples(body)
    marks = list(_INSTRUCTION.finditer(body))
    lead = without_rules(body[: marks[0].start()] if marks else body)
    before += dropped_text(lead, *(("chatter",) if marks else ("malformed", "no instruction in it")))
    tasks = [_task(without_rules(piece), mark) for mark, piece in zip(marks, behind(marks, body), strict=True)]
    return parted([*before, *tasks, *closing, *after], cut=cut)


def _task(block: str, mark: re.Match[str]) -> Candidate | Dropped:
    output = OUTPUT.search(block)
    if not block:
        return Dropped(mark.group().strip(), "empty_item")
    if output is None:
        return Dropped(block, "malformed", "no output in it")
    given = INPUT.search(block, 0, output.start())
    instruction = instruction_of(block[: (given or output).start()])
    if not instruction:
        return Dropped(block, "malformed", "no instruction in it")
    instance = instance_of(block[given.end() : output.start()] if given else "", block[output.end() :])
    return Candidate(instruction, (instance,))
