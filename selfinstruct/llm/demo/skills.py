"""All that the demo teacher can do."""

from __future__ import annotations

from functools import cache

from selfinstruct.llm.demo import (
    classification,
    code,
    data,
    lists,
    measures,
    rewriting,
    sums,
    verdicts,
    writing,
)
from selfinstruct.llm.demo.grammar import Given, Skill

# The order decides which skill a draw hits, so a new one changes the demo runs that somebody wants to resume.
SKILLS: tuple[Skill, ...] = (
    *sums.SKILLS,
    *measures.SKILLS,
    *lists.SKILLS,
    *data.SKILLS,
    *code.SKILLS,
    *rewriting.SKILLS,
    *writing.SKILLS,
    *classification.SKILLS,
    *verdicts.SKILLS,
)


@cache
def wheel(classification_only: bool) -> tuple[Skill, ...]:
    """The skills to draw from, each as often as its weight says."""
    chosen = [one for one in SKILLS if one.is_classification or not classification_only]
    return tuple(one for one in chosen for _ in range(one.weight))


def recognise(instruction: str) -> tuple[Skill, Given] | None:
    """The skill that wrote this instruction, and its parameters."""
    for one in SKILLS:
        given = one.recognise(instruction)
        if given is not None:
            return one, given
    return None
