"""Exact ROUGE-L nearest neighbour over a growing pool, without comparing with all of it.

ROUGE-L F is `2 * LCS / (m + n)` on the words of two texts (Lin 2004, section 3). At a threshold t a pair of m and n
words is too similar exactly when its longest common subsequence has at least `ceil(t * (m + n) / 2)` words. That
number, call it alpha, is what makes the search cheap and keeps it exact:

- *Prefix filter.* Order the words of each text from rare to common. The rarest word of any common subsequence of
  alpha words has alpha - 1 others at or after it in both orders, so it stands among the first `m - alpha + 1` of one
  and the first `n - alpha + 1` of the other. Only those words are indexed and looked up.
- *Length.* Postings are kept by length, and lengths that cannot reach alpha are skipped.
- *Displacement.* Where the shared word stands at place a in one text and b in the other and is matched there, `b - a`
  words at least stay unmatched, so both shifts are bounded by the slack `n - alpha` and `m - alpha`.
- *Signature.* A 64-bit set of hashed words: each bit on one side only is at least one unmatched word.

What is left, a dozen pairs a query at a pool of 50,000, is decided by a bit-parallel LCS in integers.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

from selfinstruct.text import Tokenizer, words

REPEATED = -1


class Neighbour(NamedTuple):
    """The most similar text of an index: its position (0 is the first added) and its ROUGE-L F, 0 to 1."""

    position: int
    score: float


class RougeIndex:
    """Texts, and the nearest of them by ROUGE-L F wherever that is at or above `threshold`.

    The threshold is taken as the decimal that it prints as: 0.7 is 7/10, so a pair at exactly 7/10 is found. Empty
    texts (no words) are like nothing, themselves included.

    >>> index = RougeIndex(0.7)
    >>> index.add("Sort a list of numbers.")
    >>> index.nearest("Sort the list of numbers!")
    Neighbour(position=0, score=0.8)
    """

    def __init__(self, threshold: float = 0.7, tokenizer: Tokenizer = words) -> None:
        self.threshold = Fraction(str(threshold))
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold lies above 0 and up to 1, not {threshold}")
        self._half = self.threshold / 2
        self._tokenizer = tokenizer
        self._ids: dict[str, int] = {}
        self._texts: list[list[int]] = []
        self._signatures: list[int] = []
        # word -> length of the text -> (text, place in rare-to-common order, place in the text or REPEATED)
        self._postings: dict[int, dict[int, list[tuple[int, int, int]]]] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, text: str) -> None:
        """Put a text at the next position."""
        ids = self._encode(text, learn=True)
        position, n = len(self._texts), len(ids)
        self._texts.append(ids)
        self._signatures.append(_signature(ids))
        # The shortest partner that can reach the threshold asks for the fewest common words.
        fewest = self._alpha(self._shortest_partner(n), n)
        for place, word, at in _prefix(ids, n - fewest + 1):
            self._postings.setdefault(word, {}).setdefault(n, []).append((position, place, at))

    def nearest(self, text: str) -> Neighbour | None:
        """The best match at or above the threshold, the lowest position on ties, or None."""
        return self._search(text, first=False)

    def has_near(self, text: str) -> bool:
        """Whether any text is at or above the threshold; stops at the first."""
        return self._search(text, first=True) is not None

    def _encode(self, text: str, *, learn: bool) -> list[int]:
        """Number the words. A later number is a rarer word, near enough; an unseen word is rarer than all."""
        ids, unseen = self._ids, dict[str, int]()
        known = len(ids)
        encoded = []
        for word in self._tokenizer(text):
            number = ids.get(word)
            if number is None:
                number = unseen.setdefault(word, known + len(unseen))
            encoded.append(number)
        if learn:
            ids.update(unseen)
        return encoded

    def _alpha(self, m: int, n: int) -> int:
        return -(-self._half.numerator * (m + n) // self._half.denominator)

    def _shortest_partner(self, n: int) -> int:
        """The smallest m whose own words could reach the threshold with n: m >= alpha(m, n)."""
        t = self.threshold
        return -(-t.numerator * n // (2 * t.denominator - t.numerator))

    def _search(self, text: str, *, first: bool) -> Neighbour | None:
        ids = self._encode(text, learn=False)
        best, best_lcs, best_sum = -1, 0, 1
        for position, alpha in self._candidates(ids):
            other = self._texts[position]
            lcs, both = LCSseq.similarity(ids, other, score_cutoff=alpha), len(ids) + len(other)
            if lcs < alpha:
                continue
            ahead = lcs * best_sum - best_lcs * both
            if ahead > 0 or (ahead == 0 and position < best):
                best, best_lcs, best_sum = position, lcs, both
                if first:
                    break
        return None if best < 0 else Neighbour(best, 2 * best_lcs / best_sum)

    def _candidates(self, ids: list[int]) -> Iterator[tuple[int, int]]:
        """The texts that may reach the threshold, each with the common words that it needs."""
        m = len(ids)
        signature = _signature(ids)
        tried: set[int] = set()
        for place, word, at in _prefix(ids, m - self._alpha(self._shortest_partner(m), m) + 1):
            for n, postings in self._postings.get(word, {}).items():
                alpha = self._alpha(m, n)
                if alpha > m - place or alpha > n:
                    continue
                slack_m, slack_n = m - alpha, n - alpha
                for position, other_place, other_at in postings:
                    if other_place > slack_n or position in tried:
                        continue
                    if at >= 0 <= other_at and not -slack_m <= other_at - at <= slack_n:
                        continue
                    tried.add(position)
                    other = self._signatures[position]
                    if (signature & ~other).bit_count() <= slack_m and (other & ~signature).bit_count() <= slack_n:
                        yield position, alpha


def _prefix(ids: list[int], length: int) -> list[tuple[int, int, int]]:
    """The first `length` words, rarest first: (place in that order, word, place in the text or REPEATED).

    A word that occurs more than once is given once, at its first place in the order, and matches anywhere in the text.
    """
    order = sorted(ids, reverse=True)
    prefix = []
    previous = -1
    for place in range(min(length, len(order))):
        word = order[place]
        if word != previous:
            repeated = place + 1 < len(order) and order[place + 1] == word
            prefix.append((place, word, REPEATED if repeated else ids.index(word)))
            previous = word
    return prefix


def _signature(ids: list[int]) -> int:
    bits = 0
    for number in ids:
        bits |= 1 << (number * 0x9E3779B97F4A7C15 >> 58 & 63)
    return bits
