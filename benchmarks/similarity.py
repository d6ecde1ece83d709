"""How long one candidate takes against a pool, and a whole set against itself, by five ways to compute ROUGE-L.

    python benchmarks/similarity.py
    python benchmarks/similarity.py --sizes 1000 10000 50000 --data ../shared/data --plot similarity.svg

1) rouge_score:  `scorer.score(candidate, other)` for every other text, as the Self-Instruct code does
2) Alpaca:       `_score_lcs` on texts that were tokenised once
3) rapidfuzz:    `process.extractOne` over all, its fastest way to ask for the best match
4) RougeIndex:   ours, one candidate at a time
5) join:         ours, a whole set at once, from texts to decisions; its time is given for each text

1) and 2) are timed on pairs drawn at random and extrapolated to the pool, since they would take days; 3) is timed on
few queries. Times are those of the processor, not of the clock, unless it says so: other programs disturb them less.
Every way is checked against the others as it goes. Without --data the texts are made up from the packaged seeds.
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from math import log
from pathlib import Path
from random import Random
from typing import Any

from rapidfuzz import process
from rapidfuzz.distance import Indel, LCSseq

from selfinstruct.similarity import RougeIndex
from selfinstruct.text import rouge_words

SEEDS = Path(__file__).parents[1] / "seeds"
THRESHOLD = 0.7
CHILD = """
import json, resource, sys, time
from selfinstruct.join import join
texts = json.load(sys.stdin)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
wall, cpu = time.perf_counter(), time.process_time()
result = join(texts, workers=int(sys.argv[1]))
spent = dict(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps(dict(spent, kept=int(result.kept.sum()), peak=peak / 1024, grown=(peak - before) * 1024)))
"""


# --- texts


def strings(value: Any) -> Iterator[str]:
    """All strings of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from strings(each)


def sentences(folder: Path) -> list[str]:
    """The different sentences of four words and more (as rouge_score sees them) in the JSONL files of a folder."""
    found: dict[str, None] = {}
    for path in sorted(folder.rglob("*.jsonl")):
        for line in path.open(encoding="utf-8"):
            for text in strings(json.loads(line)):
                parts = (part.strip() for part in re.split(r"(?<=[.?!])\s+|\n+", text))
                found.update(dict.fromkeys(part for part in parts if len(rouge_words(part)) >= 4))
    return list(found)


def invented(base: list[str], count: int, draw: Random) -> list[str]:
    """Sentences of words that the base has, as often as it has them, and of new words, few of them frequent."""
    known = [word for text in base for word in text.split()]
    syllables = ["ka", "lo", "mir", "ten", "su", "vra", "del", "o", "pin", "ag", "est", "um"]
    new = ["".join(draw.choices(syllables, k=draw.randint(2, 4))) for _ in range(20_000)]
    lengths = [max(4, min(140, round(draw.lognormvariate(2.5, 0.55)))) for _ in range(count)]
    return [
        " ".join(draw.choice(known) if draw.random() < 0.7 else new[int(20_000 * draw.random() ** 3)] for _ in range(n))
        for n in lengths
    ]


def crossed(base: list[str], count: int, draw: Random) -> list[str]:
    """The base and, up to `count`, heads of 35-65 % of one text with tails of another, 10 % of the words exchanged."""
    tokens = [text.split() for text in base]
    frequent = [word for text in tokens for word in text]
    made = base[:count]
    while len(made) < count:
        head, tail = draw.choice(tokens), draw.choice(tokens)
        mixed = head[: max(1, round(len(head) * draw.uniform(0.35, 0.65)))]
        mixed = mixed + tail[round(len(tail) * draw.uniform(0.35, 0.65)) :]
        made.append(" ".join(draw.choice(frequent) if draw.random() < 0.1 else word for word in mixed))
    return made


def texts_and_probes(folder: Path | None, count: int) -> tuple[list[str], list[str]]:
    """`count` texts and 300 more to ask for: unseen ones, and members with one word exchanged."""
    draw = Random(0)
    base = sentences(folder) if folder else sentences(SEEDS)
    if not folder:
        base += invented(base, 30_000, draw)
    draw.shuffle(base)
    unseen, base = base[:200], base[200:]
    texts = crossed(base, count, draw)
    edited = [" ".join([*text.split()[:-1], "otherwise"]) for text in texts[:100]]
    return texts, [*unseen, *edited]


# --- what is measured


def processor_seconds(call: Callable[[], Any], repeats: int = 1) -> float:
    """The least processor time of some calls."""
    best = float("inf")
    for _ in range(repeats):
        started = time.process_time()
        call()
        best = min(best, time.process_time() - started)
    return best


def seconds_a_pair(texts: list[str], pairs: int = 400) -> tuple[float, float]:
    """What rouge_score and Alpaca spend on a pair, drawn at random; checks their LCS against rapidfuzz."""
    from rouge_score import rouge_scorer

    draw = Random(1)
    chosen = [(draw.choice(texts), draw.choice(texts)) for _ in range(pairs)]
    tokenised = [(rouge_words(a), rouge_words(b)) for a, b in chosen]
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    for (a, b), (x, y) in zip(chosen, tokenised, strict=True):
        theirs = scorer.score(a, b)["rougeL"].fmeasure
        assert abs(theirs - (2 * LCSseq.similarity(x, y) / (len(x) + len(y)) if x and y else 0)) < 1e-9
    scored = processor_seconds(lambda: [scorer.score(a, b) for a, b in chosen], 3)
    alpaca = processor_seconds(lambda: [rouge_scorer._score_lcs(x, y) for x, y in tokenised], 3)  # noqa: SLF001
    return scored / pairs, alpaca / pairs


class Characters:
    """Texts with a character for each word, which is what rapidfuzz compares fastest."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        found = []
        for word in rouge_words(text):
            number = len(self._of)
            found.append(self._of.setdefault(word, chr(number + (number >= 0xD800) * 0x800)))
        return "".join(found)


def at_size(texts: list[str], probes: list[str], a_pair: tuple[float, float], *, index: bool, workers: int) -> dict:
    """Seconds a candidate by each way against all of `texts`, and the join of them."""
    row = {"size": len(texts), "rouge_score": a_pair[0] * len(texts), "alpaca": a_pair[1] * len(texts)}
    # 1) rapidfuzz, for a few probes from unseen to known.
    characters = Characters()
    pool = [characters(text) for text in texts]
    few = probes[:: max(1, len(probes) * len(texts) // 1_000_000)]
    asked = [characters(text) for text in few]
    cutoff = float(THRESHOLD) - 1e-9
    best = [process.extractOne(text, pool, scorer=Indel.normalized_similarity, score_cutoff=cutoff) for text in asked]
    row["extractOne"] = processor_seconds(
        lambda: [
            process.extractOne(each, pool, scorer=Indel.normalized_similarity, score_cutoff=cutoff) for each in asked
        ]
    ) / len(asked)
    # 2) The index.
    if index:
        gc.collect()
        before = resident()
        ours = RougeIndex(THRESHOLD, rouge_words)
        row["add"] = processor_seconds(lambda: [ours.add(text) for text in texts]) / len(texts)
        row["index_bytes"] = (resident() - before) / len(texts)
        row["RougeIndex"] = processor_seconds(lambda: [ours.nearest(text) for text in probes], 3) / len(probes)
        for text, theirs in zip(few, best, strict=True):
            mine = ours.nearest(text)
            assert abs((mine.score if mine else 0) - (theirs[1] if theirs else 0)) < 1e-9, text
    # 3) The join.
    command = [sys.executable, "-c", CHILD, str(workers)]
    child = json.loads(
        subprocess.run(command, input=json.dumps(texts), text=True, capture_output=True, check=True).stdout
    )
    row |= {f"join_{name}": value for name, value in child.items()} | {"join": child["cpu"] / len(texts)}
    return row


def resident() -> int:
    """Bytes that this process holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def stream(texts: list[str]) -> tuple[float, int]:
    """Seconds for a pool that begins empty and takes what is not too similar, and how many it takes.

    Checks the decisions of the join.
    """
    from selfinstruct.join import join

    index, kept = RougeIndex(THRESHOLD), []

    def feed() -> None:
        for text in texts:
            kept.append(not index.has_near(text))
            if kept[-1]:
                index.add(text)

    seconds = processor_seconds(feed)
    assert join(texts, THRESHOLD).kept.tolist() == kept
    return seconds, sum(kept)


# --- what is printed

WAYS = {
    "rouge_score": "rouge_score*",
    "alpaca": "Alpaca*",
    "extractOne": "extractOne",
    "RougeIndex": "RougeIndex",
    "join": "join",
}


def in_words(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for unit, size in (("s", 1), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:,.3g} {unit}" if seconds < 1000 else f"{seconds:,.0f} s"
    return f"{seconds / 1e-6:,.3g} us"


def table(header: list[str], rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def report(rows: list[dict]) -> None:
    """Print times, ratios, exponents and memory."""
    print("\nProcessor time for each candidate (* extrapolated from pairs)")
    print(
        table(
            ["pool", *WAYS.values()], [[f"{row['size']:,}", *(in_words(row.get(way)) for way in WAYS)] for row in rows]
        )
    )
    print("\nTimes as fast as rouge_score / Alpaca / extractOne")
    ours = [(row, way) for row in rows for way in ("RougeIndex", "join") if way in row]
    ratios = [
        [f"{row['size']:,}", way, *(f"{row[slow] / row[way]:,.0f}" for slow in ("rouge_score", "alpaca", "extractOne"))]
        for row, way in ours
    ]
    print(table(["pool", "", "rouge_score*", "Alpaca*", "extractOne"], ratios))
    print("\nGrowth: the exponent of the size from one row to the next, of the time for each candidate")
    growth = [
        [f"{a['size']:,} - {b['size']:,}", *(exponent(a, b, way) for way in ("extractOne", "RougeIndex", "join"))]
        for a, b in pairwise(rows)
    ]
    print(table(["pool", "extractOne", "RougeIndex", "join"], growth) if growth else "-")
    print("\nThe join of the whole set, from texts to decisions; memory")
    joins = [
        [
            f"{row['size']:,}", f"{row['join_wall']:.2f}", f"{row['join_cpu']:.2f}", f"{row['join_kept']:,}",
            f"{row['join_peak']:,.0f}", f"{row['join_grown'] / row['size']:,.0f}",
            f"{row['index_bytes']:,.0f}" if "index_bytes" in row else "-",
        ]
        for row in rows
    ]  # fmt: skip
    print(table(["texts", "wall s", "cpu s", "kept", "peak MB", "join bytes/text", "index bytes/text"], joins))


def exponent(a: dict, b: dict, way: str) -> str:
    return f"{log(b[way] / a[way]) / log(b['size'] / a['size']):.2f}" if way in a and way in b else "-"


def plot(rows: list[dict], path: Path) -> None:
    try:
        from matplotlib import pyplot as plt
    except ImportError:
        print("no plot: pip install matplotlib")
        return
    for way, label in WAYS.items():
        points = [(row["size"], row[way]) for row in rows if way in row]
        plt.loglog(*zip(*points, strict=True), marker="o", label=label.replace("*", " (extrapolated)"))
    plt.xlabel("texts")
    plt.ylabel("processor seconds for each candidate")
    plt.legend(loc="upper left", bbox_to_anchor=(1, 1))
    plt.grid(visible=True, alpha=0.3)
    plt.savefig(path, bbox_inches="tight")
    print(f"plotted in {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 50_000, 200_000, 1_000_000])
    parser.add_argument("--data", type=Path, help="a folder of JSONL files whose sentences are the texts")
    parser.add_argument(
        "--stream", type=int, default=52_000, help="candidates of the stream from an empty pool; 0: none"
    )
    parser.add_argument("--index-up-to", type=int, default=1_000_000, help="larger pools are not indexed one by one")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--plot", type=Path, help="a PNG or SVG file")
    arguments = parser.parse_args()
    texts, probes = texts_and_probes(arguments.data, max(*arguments.sizes, arguments.stream))
    a_pair = seconds_a_pair(texts)
    print(
        f"A pair: rouge_score {in_words(a_pair[0])}, Alpaca {in_words(a_pair[1])}; threshold {Fraction(str(THRESHOLD))}"
    )
    rows = []
    for size in sorted(arguments.sizes):
        index = size <= arguments.index_up_to
        rows.append(at_size(texts[:size], probes, a_pair, index=index, workers=arguments.workers))
        print(f"{size:,} measured", flush=True)
    report(rows)
    if arguments.stream:
        seconds, kept = stream(texts[: arguments.stream])
        count = arguments.stream
        pairs = (count - kept) * kept / 2 + kept * kept / 2  # half of the pool, on average, is there
        print(f"\nA stream of {count:,} from an empty pool: RougeIndex {seconds:.1f} s with tokenising, {kept:,} kept;")
        print(f"rouge_score* {in_words(pairs * a_pair[0])}, Alpaca* {in_words(pairs * a_pair[1])}")
    if arguments.plot:
        plot(rows, arguments.plot)


if __name__ == "__main__":
    main()
