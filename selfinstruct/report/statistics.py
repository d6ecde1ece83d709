"""Everything that a report says of a set, computed from its rows: pure functions from material to `Statistics`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from selfinstruct.languages import UNSURE, languages
from selfinstruct.report import novelty
from selfinstruct.report.funnel import Cost, Growth, Step, cost, growth, steps
from selfinstruct.report.lexical import Lengths, Variety, describe
from selfinstruct.report.material import Material
from selfinstruct.report.novelty import Nearest, Similarity
from selfinstruct.report.ranking import ranked
from selfinstruct.report.topics import Topics, topics
from selfinstruct.report.verbs import VerbNoun, Verbs, count, reader

NEAR = 0.7  # the paper's threshold, from which two instructions are near-duplicates


@dataclass(frozen=True)
class Counts:
    """The paper's Table 1. `classification` is None where the set does not tell."""

    instructions: int
    classification: int | None
    rows: int
    with_input: int
    without_input: int
    without_row: int


@dataclass(frozen=True)
class Profile:
    """What is said of a set by itself; lengths of inputs are those of the rows that have one."""

    name: str
    demonstration: bool
    counts: Counts
    instruction: Lengths
    input: Lengths
    output: Lengths
    instruction_variety: Variety
    output_variety: Variety
    languages: tuple[tuple[str, int], ...]
    verbs: Verbs


@dataclass(frozen=True)
class Statistics:
    """The figures of a report.

    `to_reference` has the ROUGE-L of each instruction to the nearest one of the reference set (for a run, its seeds),
    `from_reference` that of each instruction of the reference to the nearest one of this set, `to_others` that of each
    instruction to the nearest other one of this set. `near_duplicates` is the number of instructions that `dedup` would
    drop. `funnel`, `growth` and `cost` are there for runs.
    """

    profile: Profile
    reference: Profile | None
    to_reference: Similarity | None
    from_reference: Similarity | None
    to_others: Similarity | None
    near_duplicates: int
    topics: Topics
    funnel: tuple[Step, ...] | None = None
    growth: Growth | None = None
    cost: Cost | None = None

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON values."""
        row = asdict(self)
        if self.growth:
            row["growth"]["verdict"] = self.growth.verdict
        return row


@dataclass(frozen=True)
class Details:
    """What was found for each task: its language, verb and noun, topic, and nearest text of the reference."""

    languages: Sequence[str]
    verbs: Sequence[VerbNoun | None]
    topics: Sequence[int]
    nearest: Nearest | None


def measure(material: Material, reference: Material | None, *, pairs: int, seed: int) -> tuple[Statistics, Details]:
    """Compute all figures. At most `pairs` pairs are compared for each similarity, those of a random sample."""
    from selfinstruct.join import join

    texts = material.instructions
    profile, spoken, verbs = _profile(material)
    groups, topic = topics(texts, seed)
    statistics = Statistics(
        profile=profile,
        reference=_profile(reference)[0] if reference else None,
        to_reference=None,
        from_reference=None,
        to_others=novelty.summarise(novelty.nearest_other(texts, pairs=pairs, seed=seed), len(texts), len(texts) - 1),
        near_duplicates=int((~join(texts, NEAR).kept).sum()),
        topics=groups,
    )
    found = None
    if reference:
        others = reference.instructions
        found = novelty.nearest(texts, others, pairs=pairs, seed=seed)
        back = novelty.nearest(others, texts, pairs=pairs, seed=seed)
        statistics = replace(
            statistics,
            to_reference=novelty.summarise(found, len(texts), len(others)),
            from_reference=novelty.summarise(back, len(others), len(texts)),
        )
    if run := material.run:
        statistics = replace(statistics, funnel=steps(run), growth=growth(run), cost=cost(run))
    return statistics, Details(spoken, verbs, topic, found)


def _profile(material: Material) -> tuple[Profile, list[str], list[VerbNoun | None]]:
    instruction, variety = describe(material.instructions)
    given = [row.instance.input for row in material.rows if row.instance.input]
    output, output_variety = describe(row.instance.output for row in material.rows)
    spoken = languages(_sample_of_text(material))
    verbs, method = _verbs(material.instructions, spoken)
    profile = Profile(
        name=material.name,
        demonstration=material.is_demo,
        counts=_counts(material, len(given)),
        instruction=instruction,
        input=describe(given)[0],
        output=output,
        instruction_variety=variety,
        output_variety=output_variety,
        languages=ranked(Counter(spoken)),
        verbs=count((verb for verb, language in zip(verbs, spoken, strict=True) if _is_read(language)), method),
    )
    return profile, spoken, verbs


def _counts(material: Material, with_input: int) -> Counts:
    classification = sum(task.is_classification for task in material.tasks)
    return Counts(
        instructions=len(material.tasks),
        classification=classification if material.classified else None,
        rows=len(material.rows),
        with_input=with_input,
        without_input=len(material.rows) - with_input,
        without_row=sum(not task.instances for task in material.tasks),
    )


def _sample_of_text(material: Material) -> list[str]:
    """What the language of each task is told from: its instruction with its first example."""
    return ["\n".join([task.instruction, *(one.text for one in task.instances[:1])])[:2000] for task in material.tasks]


def _is_read(language: str) -> bool:
    """Whether verbs are looked for: in English, and where the language is not sure."""
    return language in ("en", UNSURE)


def _verbs(instructions: Sequence[str], spoken: Sequence[str]) -> tuple[list[VerbNoun | None], str]:
    read, method = reader()
    texts = [text if _is_read(language) else "" for text, language in zip(instructions, spoken, strict=True)]
    return list(read(texts)), method
