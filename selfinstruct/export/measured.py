"""What a card says of the rows themselves: the figures of `report`, what `lint` still finds, and pictures of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from selfinstruct.errors import SettingsError

if TYPE_CHECKING:
    from selfinstruct.report.lexical import Lengths
    from selfinstruct.report.novelty import Similarity
    from selfinstruct.report.statistics import Statistics
    from selfinstruct.run import Run

SPOKEN = 0.05  # the share of the tasks from which a language is one of the set; below it is mostly a mistake
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Sentences on the rows, their languages as ISO codes, findings of `lint` by rule (None: no check), and pictures.

    Pictures are SVG files by their names.
    """

    sentences: Sequence[str] = ()
    languages: Sequence[str] = ()
    findings: Mapping[str, int] | None = None
    pictures: Mapping[str, bytes] = field(default_factory=dict)


def measure(path: Path, run: Run | None = None) -> Measured:
    """Measure the rows of a Parquet file, and the run that they are of; of another shape than tasks nothing is said."""
    from selfinstruct.export.pictures import pictures
    from selfinstruct.quality import RULES, lint
    from selfinstruct.report import report

    try:
        statistics = report(path if run is None else run).statistics
        found = lint(path).counts
    except SettingsError:  # the file can be read, so this is what both say of rows without instructions
        return Measured()
    return Measured(
        sentences=list(_sentences(statistics)),
        languages=_languages(statistics),
        findings={f"{code} {RULES[code].name}": number for code, number in found.most_common()},
        pictures=pictures(statistics),
    )


def _sentences(statistics: Statistics) -> Iterator[str]:
    profile = statistics.profile
    for name, lengths in (("instruction", profile.instruction), ("input", profile.input), ("output", profile.output)):
        if lengths.texts:
            yield _length(name, lengths)
    total = sum(number for _, number in profile.languages)
    shares = ", ".join(f"{code} {number / total:.0%}" for code, number in profile.languages[:SHOWN])
    yield f"Languages of the tasks, as py3langid tells them (?: not sure): {shares}."
    if profile.verbs.top:
        pairs = sorted(
            ((number, f"{verb} {noun}") for verb, _, nouns in profile.verbs.top for noun, number in nouns),
            key=lambda pair: (-pair[0], pair[1]),
        )
        most = ", ".join(f"{words} ({number:,})" for number, words in pairs[:SHOWN])
        yield (
            f"{profile.verbs.found:,} of {profile.verbs.read:,} English instructions have a verb with an object; the "
            f"most frequent: {most}."
        )
    if statistics.to_reference:
        yield f"Best ROUGE-L of an instruction to a seed: {_similarity(statistics.to_reference)}."
    if statistics.to_others:
        yield f"Best ROUGE-L of an instruction to another one: {_similarity(statistics.to_others)}."


def _length(name: str, lengths: Lengths) -> str:
    different = "different " if name == "instruction" else ""
    return (
        f"{lengths.texts:,} {different}{name}s, of {lengths.mean:.1f} words in the mean (median {lengths.median:.0f}, "
        f"nine in ten up to {lengths.p90:.0f}, the longest {lengths.longest:,})."
    )


def _similarity(found: Similarity) -> str:
    sampled = f", measured on a random {found.measured:,} of them" if found.measured < found.texts else ""
    return f"{found.mean:.2f} in the mean, {found.identical:,} identical{sampled}"


def _languages(statistics: Statistics) -> list[str]:
    from selfinstruct.languages import UNSURE

    spoken = statistics.profile.languages
    total = sum(number for _, number in spoken)
    return [code for code, number in spoken if code != UNSURE and number >= SPOKEN * total]
