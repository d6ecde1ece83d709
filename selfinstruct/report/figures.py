"""The geometry of the pictures: numbers in, paths and coordinates out; the template writes them as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, cos, floor, log10, pi, sin

from selfinstruct.report.funnel import Growth
from selfinstruct.report.lexical import Lengths
from selfinstruct.report.novelty import Similarity
from selfinstruct.report.verbs import Verbs

WIDTH, HEIGHT = 440, 220  # of a chart, in units of its view box
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 14, 40
MIDDLE = 320  # of the sunburst
RINGS = (70, 190, 310)
COLOURS = 10
WHOLE = 0.9995  # of a circle: an arc that ends where it begins is not drawn
READABLE = 0.028  # the smallest arc that has room for a word, in radians


@dataclass(frozen=True)
class Bar:
    """A bar of a chart: its box, what it stands for, and its series (0 or 1)."""

    x: float
    y: float
    width: float
    height: float
    says: str
    series: int = 0


@dataclass(frozen=True)
class Tick:
    """A label of an axis, and where it stands along it."""

    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """A line across the chart with a label: `at` is x where it stands upright, otherwise y."""

    at: float
    label: str
    upright: bool = True


@dataclass(frozen=True)
class Chart:
    """Bars over a horizontal axis, with a few lines."""

    bars: tuple[Bar, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    lines: tuple[Line, ...]
    unit: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    base: int = HEIGHT - BOTTOM
    right: int = WIDTH - RIGHT


@dataclass(frozen=True)
class Slice:
    """A slice of the sunburst: its outline, and where its word stands (`turn` in degrees), if there is room."""

    path: str
    verb: str
    noun: str | None
    number: int
    colour: int
    x: float
    y: float
    turn: float
    fits: bool

    @property
    def word(self) -> str:
        """What it says."""
        return self.noun or self.verb


def lengths_chart(lengths: Lengths, reference: Lengths | None, name: str) -> Chart:
    """How many texts have how many words."""
    edges = [place * lengths.step for place in range(len(lengths.histogram))]
    last = len(edges) - 1
    spans = [
        f"{edge} or more words" if place == last else f"{edge} to {edge + lengths.step - 1} words"
        for place, edge in enumerate(edges)
    ]
    top = len(edges) * lengths.step
    lines = [Line(_across(lengths.mean / top), f"mean {lengths.mean:.1f}")]
    if reference and reference.texts:
        lines.append(Line(_across(reference.mean / top), f"{name} {reference.mean:.1f}"))
    ticks = [
        Tick(_across(place / len(edges)), f"{edges[place]}{'+' if place == last else ''}") for place in (0, 5, 10, 15)
    ]
    return _histogram(lengths.histogram, spans, ticks, lines, "words")


def similarity_chart(found: Similarity) -> Chart:
    """How many instructions have which best ROUGE-L."""
    number = len(found.histogram)
    spans = [f"{place / number:.2f} to {(place + 1) / number:.2f}" for place in range(number)]
    ticks = [Tick(_across(place / 5), f"{place / 5:g}") for place in range(6)]
    return _histogram(found.histogram, spans, ticks, [Line(_across(found.mean), f"mean {found.mean:.3f}")], "ROUGE-L")


def growth_chart(growth: Growth) -> Chart:
    """New instructions and near-duplicates for each answer, over the requests."""
    number = len(growth.answers)
    rates = [
        (new / answers, similar / answers)
        for new, similar, answers in zip(growth.admitted, growth.similar, growth.answers, strict=True)
    ]
    highest, up = _scale(max(new + similar for new, similar in rates))
    width = (WIDTH - LEFT - RIGHT) / number
    bars = []
    for place, (new, similar) in enumerate(rates):
        start = place * growth.width
        span = f"requests {start + 1:,} to {start + growth.answers[place]:,}"
        said = f"{span}: {new:.2f} new instructions and {similar:.2f} near-duplicates an answer"
        low, high = _up(new / highest), _up((new + similar) / highest)
        x = LEFT + place * width
        bars.append(Bar(x, low, max(width - 1, 0.5), _up(0) - low, said))
        bars.append(Bar(x, high, max(width - 1, 0.5), low - high, said, 1))
    total = sum(growth.answers)
    across = [Tick(LEFT, "1"), Tick(_across(0.5), f"{total // 2:,}"), Tick(WIDTH - RIGHT, f"{total:,}")]
    lines = (Line(_up(growth.limit / highest), "", upright=False),) if growth.limit else ()
    return Chart(tuple(bars), tuple(across), up, lines, "requests")


def sunburst(verbs: Verbs) -> list[Slice]:
    """The most frequent verbs inside, their most frequent nouns outside, as large as the pairs that are shown."""
    slices: list[Slice] = []
    angle, total = 0.0, max(verbs.shown, 1)
    for place, (verb, _, nouns) in enumerate(verbs.top):
        shown = sum(number for _, number in nouns)
        slices.append(_slice(angle, shown / total, 0, verb, None, shown, place))
        for noun, number in nouns:
            slices.append(_slice(angle, number / total, 1, verb, noun, number, place))
            angle += number / total
    return slices


def _slice(start: float, share: float, ring: int, verb: str, noun: str | None, number: int, place: int) -> Slice:
    inner, outer = RINGS[ring], RINGS[ring + 1]
    begin, end = 2 * pi * start, 2 * pi * min(start + share, start + WHOLE)
    large = int(end - begin > pi)
    path = (
        f"M{_point(inner, begin)} L{_point(outer, begin)} A{outer},{outer} 0 {large} 1 {_point(outer, end)} "
        f"L{_point(inner, end)} A{inner},{inner} 0 {large} 0 {_point(inner, begin)} Z"
    )
    middle, radius = (begin + end) / 2, (inner + outer) / 2
    turn = middle * 180 / pi - 90
    x, y = MIDDLE + radius * sin(middle), MIDDLE - radius * cos(middle)
    fits = end - begin > READABLE * (1 if ring else 1.6)
    return Slice(
        path, verb, noun, number, place % COLOURS, round(x, 1), round(y, 1),
        round(turn - 180 if middle > pi else turn, 1), fits,
    )  # fmt: skip


def _point(radius: float, angle: float) -> str:
    return f"{MIDDLE + radius * sin(angle):.1f},{MIDDLE - radius * cos(angle):.1f}"


def _histogram(
    counts: Sequence[int], spans: Sequence[str], across: Sequence[Tick], lines: Sequence[Line], unit: str
) -> Chart:
    highest, up = _scale(max(counts))
    width = (WIDTH - LEFT - RIGHT) / len(counts)
    bars = tuple(
        Bar(
            LEFT + place * width,
            _up(number / highest),
            width - 1,
            _up(0) - _up(number / highest),
            f"{span}: {number:,}",
        )
        for place, (number, span) in enumerate(zip(counts, spans, strict=True))
    )
    return Chart(bars, tuple(across), up, tuple(line for line in lines if line.at <= WIDTH - RIGHT), unit)


def _scale(highest: float) -> tuple[float, tuple[Tick, ...]]:
    """A round number that nothing passes, and the labels up to it."""
    if highest <= 0:
        return 1.0, (Tick(_up(0), "0"),)
    unit = 10.0 ** floor(log10(highest))
    step = next(unit * part for part in (0.2, 0.5, 1, 2, 5) if highest / (unit * part) <= 5)
    most = ceil(highest / step - 1e-9)
    return most * step, tuple(Tick(_up(place / most), f"{place * step:,g}") for place in range(most + 1))


def _across(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _up(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP), 1)
