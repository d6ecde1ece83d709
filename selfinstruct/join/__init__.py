"""Every pair of a whole set of texts at or above a ROUGE-L threshold, and what to keep of the set.

The decisions are those of `selfinstruct.similarity.RougeIndex` fed with the texts one by one. That index answers at
once for a pool that grows; this join takes a set that is there already and is some twenty times faster.

    documents.py    texts -> numbers of words
    groups.py       documents that share a key -> pairs that pass the bounds
    candidates.py   documents -> pairs that may be similar
    finder.py       all documents -> similar pairs, at once or block by block
    decisions.py    pairs -> what is kept, and for the rest the partner that it fell to
    windows.py      documents -> rows that may have words in a row in common
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial

from selfinstruct.join.decisions import Join, Shape, decide
from selfinstruct.join.documents import read_documents
from selfinstruct.join.finder import Finder
from selfinstruct.text import Tokenizer, words

__all__ = ["Join", "join"]


def join(
    texts: Sequence[str],
    threshold: float = 0.7,
    tokenizer: Tokenizer = words,
    *,
    against: Sequence[str] = (),
    all_pairs: bool = False,
    workers: int = 2,
) -> Join:
    """Find the similar pairs of all texts, and keep in file order what is not similar to anything kept before.

    A text is dropped when its ROUGE-L F with an earlier kept text, or with one of the protected texts `against`, is at
    or above `threshold`, the decimal that it prints as. Texts without words are like nothing and are kept.

    A set that is full of duplicates is compared block by block with what was kept of it, which takes less time and
    memory and decides the same. `all_pairs` compares it all the same with all of itself, so that `Join.rethreshold`
    has the pairs that it needs.

    Raises:
        ValueError: the threshold is out of range.

    >>> result = join(["Sort a list of numbers.", "Name a river.", "Sort the list of numbers!"])
    >>> result.kept.tolist(), result.partner.tolist(), result.scores.tolist()
    ([True, True, False], [-1, -1, 0], [0.0, 0.0, 0.8])
    """
    limit = Fraction(str(threshold))
    if not 0 < limit <= 1:
        raise ValueError(f"threshold lies above 0 and up to 1, not {threshold}")
    again = partial(join, texts, tokenizer=tokenizer, against=against, all_pairs=all_pairs, workers=workers)
    with ThreadPoolExecutor(workers) as pool:
        documents = read_documents([*against, *texts], tokenizer, pool)
        shape = Shape.of(documents, len(against))
        finder = Finder(documents, shape, limit / 2, pool)
        pairs, complete = (finder.all(), True) if all_pairs else finder.needed()
    return decide(pairs, shape, threshold, complete=complete, again=again)
