"""The report as a few lines of text: the paper's Table 1 and the other figures, and what the page shows of them."""

from __future__ import annotations

from typing import NamedTuple

from selfinstruct.report.lexical import Variety
from selfinstruct.report.novelty import Similarity
from selfinstruct.report.statistics import NEAR, Profile, Statistics

PAPER = "Self-Instruct"


class Line(NamedTuple):
    """A line of Table 1: what it counts, in this set, in the reference where there is one, and in the paper's set."""

    label: str
    here: str
    reference: str
    paper: str


# Wang et al. 2023 (arXiv 2212.10560), Table 1; the paper counts words between spaces.
_PAPER = ("52,445", "11,584", "40,861", "82,439", "35,878", "15.9", "12.7", "18.9", "", "")
_LABELS = (
    "instructions",
    "classification",
    "not classification",
    "rows",
    "rows with empty input",
    "words in an instruction",
    "words in a non-empty input",
    "words in an output",
    "MATTR of instructions",
    "MATTR of outputs",
)


def table(statistics: Statistics) -> list[Line]:
    """The paper's Table 1 with two lines on lexical diversity; means of lengths."""
    reference = statistics.reference
    columns = zip(
        _LABELS,
        _column(statistics.profile),
        _column(reference) if reference else [""] * len(_LABELS),
        _PAPER,
        strict=True,
    )
    return [Line(*cells) for cells in columns]


def _column(profile: Profile) -> list[str]:
    counts = profile.counts
    told = counts.classification is not None
    return [
        f"{counts.instructions:,}",
        f"{counts.classification:,}" if counts.classification is not None else "not told",
        f"{counts.instructions - (counts.classification or 0):,}" if told else "not told",
        f"{counts.rows:,}",
        f"{counts.without_input:,}",
        f"{profile.instruction.mean:.1f}" if profile.instruction.texts else "-",
        f"{profile.input.mean:.1f}" if profile.input.texts else "-",
        f"{profile.output.mean:.1f}" if profile.output.texts else "-",
        _mattr(profile.instruction_variety),
        _mattr(profile.output_variety),
    ]


def _mattr(variety: Variety) -> str:
    return "-" if variety.mattr is None else f"{variety.mattr:.3f}"


def pair_share(statistics: Statistics) -> float:
    """The share of all instructions that the verbs and nouns of the sunburst cover (14 % in the paper)."""
    return statistics.profile.verbs.shown / max(1, statistics.profile.counts.instructions)


def summary(statistics: Statistics) -> str:
    """The figures as text."""
    profile = statistics.profile
    lines = [profile.name + (": a demonstration, not training data" if profile.demonstration else "")]
    lines += _table_lines(statistics)
    lines += ["", *_similarity_lines(statistics)]
    if verbs := profile.verbs.top:
        top = ", ".join(f"{verb} {nouns[0][0]} {nouns[0][1]:,}" for verb, _, nouns in verbs[:5])
        lines.append(
            f"verbs and nouns: {profile.verbs.found:,} of {profile.verbs.read:,} English instructions, "
            f"{profile.verbs.distinct:,} pairs; the first noun of the first verbs: {top} ({profile.verbs.method})"
        )
    elif profile.counts.instructions:
        lines.append("verbs and nouns: none found; they are read in English only")
    lines.append("languages: " + ", ".join(f"{name} {number:,}" for name, number in profile.languages[:6]))
    if groups := statistics.topics.groups:
        lines.append("largest groups by shared words: " + "; ".join(", ".join(group.words) for group in groups[:3]))
    if statistics.growth:
        lines.append(f"yield: {statistics.growth.verdict}")
    if cost := statistics.cost:
        money = "" if cost.money is None else f", ${cost.money:,.2f}"
        lines.append(
            f"spent: {cost.calls:,} calls, {cost.prompt_tokens:,} tokens in, {cost.completion_tokens:,} out, "
            f"{cost.busy:,.1f} s with a request under way{money}"
        )
    return "\n".join(lines)


def _table_lines(statistics: Statistics) -> list[str]:
    heads = Line("", "here", "reference" if statistics.reference else "", PAPER)
    rows = [heads, *table(statistics)]
    shown = [(row.label, row.here, *([row.reference] if statistics.reference else []), row.paper) for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return [
        f"  {label:<{widths[0]}}" + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        for label, *cells in shown
    ]


def _similarity_lines(statistics: Statistics) -> list[str]:
    lines = []
    if (there := statistics.to_reference) and (back := statistics.from_reference) and statistics.reference:
        name = statistics.reference.name
        lines += [
            f"reference: {name}",
            f"  best ROUGE-L of each instruction to it: {_said(there)}",
            f"  best ROUGE-L of each of its instructions to this set: {_said(back)}",
        ]
    if statistics.to_others:
        lines.append(f"best ROUGE-L of each instruction to another of this set: {_said(statistics.to_others)}")
    total = statistics.profile.counts.instructions
    lines.append(f"near-duplicates at ROUGE-L {NEAR:g} or above: {statistics.near_duplicates:,} of {total:,}")
    return lines


def _said(found: Similarity) -> str:
    sampled = f" (a random {found.measured:,} of {found.texts:,})" if found.measured < found.texts else ""
    return f"mean {found.mean:.3f}, {found.identical:,} identical{sampled}"
