"""The report as one HTML file: no server, no network, every text of the set escaped or kept as data.

Rows travel as compressed JSON inside the page and are unpacked by the browser. A content security policy lets nothing
run but the page's own script, whatever the texts hold.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import jinja2
import orjson
from markupsafe import Markup

from selfinstruct.pool import sample
from selfinstruct.report import figures
from selfinstruct.report.material import Material
from selfinstruct.report.novelty import Nearest
from selfinstruct.report.review import Review
from selfinstruct.report.statistics import Details, Statistics
from selfinstruct.report.summary import PAPER, pair_share, table

CHUNK = 4000  # rows that the browser unpacks at a time
_JSON_IN_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@dataclass(frozen=True)
class Contents:
    """What a page shows: the figures, and the rows that can be looked at."""

    statistics: Statistics
    details: Details
    material: Material
    reference: Material | None
    reviews: Sequence[Review] = ()


def render(contents: Contents, *, rows: int | None = None, seed: int = 0) -> str:
    """The page, with all rows or a random sample of so many of each kind."""
    material, statistics = contents.material, contents.statistics
    kept = _chosen(len(material.rows), rows, seed)
    rejected = material.run.rejected if material.run else []
    kept_rejected = _chosen(len(rejected), rows, seed)
    script, style = _asset("report.js"), _asset("report.css")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            s=statistics,
            paper=PAPER,
            table=table(statistics),
            charts=_charts(statistics),
            slices=figures.sunburst(statistics.profile.verbs),
            pair_share=pair_share(statistics),
            reviews=contents.reviews,
            names=_name(statistics),
            shown={"rows": len(kept), "all_rows": len(material.rows), "rejected": len(kept_rejected)},
            all_rejected=len(rejected),
            facts=_embedded(_facts(contents)),
            row_chunks=list(_packed(_rows(contents, kept))),
            rejected_chunks=list(_packed([list(vars(rejected[place]).values()) for place in kept_rejected])),
            script=Markup(script),  # noqa: S704 - our own file, as it stands in the package
            style=Markup(style),  # noqa: S704 - the same
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def framed(page: str, height: int = 760) -> str:
    """A page inside a notebook: a frame of its own, which cannot touch the notebook."""
    held = page.replace("&", "&amp;").replace('"', "&quot;")
    return (
        f'<iframe sandbox="allow-scripts" title="selfinstruct report" style="width:100%;height:{height}px;border:0" '
        f'srcdoc="{held}"></iframe>'
    )


def _charts(statistics: Statistics) -> dict[str, figures.Chart]:
    profile, reference = statistics.profile, statistics.reference
    charts = {
        f"length_{name}": figures.lengths_chart(
            getattr(profile, name), getattr(reference, name) if reference else None, "reference"
        )
        for name in ("instruction", "input", "output")
        if getattr(profile, name).texts
    }
    for name in ("to_reference", "to_others"):
        if found := getattr(statistics, name):
            charts[name] = figures.similarity_chart(found)
    if statistics.growth:
        charts["growth"] = figures.growth_chart(statistics.growth)
    return charts


def _name(statistics: Statistics) -> dict[str, str | None]:
    return {"set": statistics.profile.name, "reference": statistics.reference.name if statistics.reference else None}


def _chosen(number: int, most: int | None, seed: int) -> list[int]:
    """All positions, or a random sample of them in their order."""
    if most is None or number <= most:
        return list(range(number))
    return sorted(sample(range(number), most, Random(seed)))


def _facts(contents: Contents) -> dict[str, Any]:
    """What rows refer to by number: the topics, and the texts of the reference that are nearest to something."""
    near = contents.details.nearest
    used = sorted(set(near.partners)) if near else []
    tasks = contents.reference.tasks if contents.reference else []
    return {
        "topics": [", ".join(group.words) for group in contents.statistics.topics.groups],
        "reference": {place: [tasks[place].id, tasks[place].instruction] for place in used},
        "classified": contents.material.classified,
    }


def _rows(contents: Contents, places: Sequence[int]) -> list[list[Any]]:
    """Rows as the script reads them; ROW_FIELDS in report.js names the columns."""
    material, details = contents.material, contents.details
    near = dict(zip(details.nearest.asked, _pairs(details.nearest), strict=True)) if details.nearest else {}
    found = []
    for place in places:
        row = material.rows[place]
        task, verb = material.tasks[row.task], details.verbs[row.task]
        partner, score = near.get(row.task, (None, None))
        found.append(
            [
                row.id,
                task.instruction,
                row.instance.input,
                row.instance.output,
                int(task.is_classification) if material.classified else None,
                details.languages[row.task],
                details.topics[row.task],
                verb.verb if verb else None,
                verb.noun if verb else None,
                score,
                partner,
                task.request,
                task.method,
                task.model,
            ]
        )
    return found


def _pairs(near: Nearest) -> Iterator[tuple[int, float]]:
    return ((partner, round(score, 4)) for partner, score in zip(near.partners, near.scores, strict=True))


def _packed(rows: Sequence[Any]) -> Iterator[str]:
    """JSON of some rows at a time, gzip, base64. The time stamp is left out: equal rows give equal pages."""
    for start in range(0, len(rows), CHUNK):
        content = gzip.compress(orjson.dumps(rows[start : start + CHUNK]), compresslevel=6, mtime=0)
        yield base64.b64encode(content).decode()


def _embedded(value: Any) -> Markup:
    """JSON that ends no script element: what HTML could take for markup is escaped as JSON allows."""
    text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    for character, escape in _JSON_IN_HTML.items():
        text = text.replace(character, escape)
    return Markup(text)  # noqa: S704 - nothing is left in it that HTML reads


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("selfinstruct.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["n"] = lambda number: f"{number:,}"
    environment.filters["pct"] = lambda share: f"{100 * share:.1f} %"
    return environment


def _asset(name: str) -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]
