"""Pictures for a card: the charts of `report` as files of their own, which need no page around them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from selfinstruct.report.figures import lengths_chart, sunburst

if TYPE_CHECKING:
    from selfinstruct.report.statistics import Statistics

TEMPLATES = Path(__file__).parent / "templates"


def pictures(statistics: Statistics) -> dict[str, bytes]:
    """SVG files by name: lengths of instructions and outputs, and verbs with their nouns where some were read."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    profile, found = statistics.profile, {}
    for name, lengths in (("instruction", profile.instruction), ("output", profile.output)):
        if lengths.texts:
            chart = lengths_chart(lengths, None, "")
            text = environment.get_template("chart.svg.j2").render(chart=chart, title=f"Words of an {name}")
            found[f"{name}-lengths.svg"] = text.encode()
    if slices := sunburst(profile.verbs):
        found["verbs.svg"] = environment.get_template("verbs.svg.j2").render(slices=slices).encode()
    return found
