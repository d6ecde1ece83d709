"""Exact ROUGE-L nearest neighbour over a growing pool, without comparing with all of it.

ROUGE-L F is `2 * LCS / (m + n)` on the words of two texts (Lin 2004, section 3). At a threshold t a pair of m and n
words is too similar exactly when its longest common subsequence has at least `ceil(t * (m + n) / 2)` words. That
number, call it alpha, leaves at most `m - alpha` and `n - alpha` words unmatched, the slack of the one text and of the
other. Four bounds follow, and none of them loses a pair:

- *Length.* A slack below 0 cannot be. Postings are kept by length, and only lengths that leave slack are visited.
- *Prefix filter.* Order the words of each text from rare to common. The rarest word of any common subsequence of
  alpha words has alpha - 1 others at or after it in both orders, so at most the slack of each text stands before it.
  Only words at such places are indexed and looked up, and their postings are kept by place. Any order does that is
  the same for all texts and never changes: here a word that was first added later counts as rarer.
- *Signature.* A set of 120 bits, each word sets one of them: a bit that only one text has is at least one unmatched
  word of that text, so two signatures differ in no more bits than both slacks together.
- *Best so far.* Whatever wins in the end scores at least what was found before, so that score takes the place of the
  threshold; an equal score still passes, for the lowest position wins. Lengths near m come first: they hold the best.

What is left, about eight pairs a query at a pool of 50,000, is decided by a bit-parallel LCS in rapidfuzz.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

from selfinstruct.text import Tokenizer, words

BITS = 120
REPEATED = -1
LAST = 15  # later places are kept together, so that long texts do not take memory by the square of their length
NOWHERE: list[int] = []  # one list for all places without texts: a list for each takes more memory than all else


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
        self._texts: list[str | list[str | int]] = []
        self._signatures: list[int] = []
        # length of the text -> word -> its place in rare-to-common order -> positions of texts
        self._postings: dict[int, dict[int, list[list[int]]]] = {}
        self._partners: dict[int, list[int]] = {}  # emptied whenever the lengths in the postings change

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, text: str) -> None:
        """Put a text at the next position."""
        ids = self._encode(text, learn=True)
        position, n = len(self._texts), len(ids)
        self._texts.append(_spelled(ids))
        self._signatures.append(_signature(ids))
        if n and n not in self._postings:
            self._postings[n] = {}
            self._partners.clear()
        # The shortest partner that can reach the threshold leaves the most slack.
        slack = n - self._alpha(self._shortest_partner(n), n)
        for place, word in enumerate(_rarest_first(ids)[: slack + 1]):
            if word != REPEATED:
                _post(self._postings[n].setdefault(word, []), min(place, LAST), position)

    def nearest(self, text: str) -> Neighbour | None:
        """The best match at or above the threshold, the lowest position on ties, or None."""
        return self._search(text, first=False)

    def has_near(self, text: str) -> bool:
        """Whether any text is at or above the threshold; stops at the first."""
        return self._search(text, first=True) is not None

    def _encode(self, text: str, *, learn: bool) -> list[int]:
        """Number the words as they are first added; those that never were come after all others."""
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

    def _partner_lengths(self, m: int) -> list[int]:
        """The lengths of texts that can reach the threshold with m words, nearest first."""
        lengths = self._partners.get(m)
        if lengths is None:
            lengths = [n for n in self._postings if self._alpha(m, n) <= min(m, n)]
            lengths.sort(key=lambda n: abs(n - m))
            self._partners[m] = lengths
        return lengths

    def _search(self, text: str, *, first: bool) -> Neighbour | None:
        ids = self._encode(text, learn=False)
        m, asked, signature, order = len(ids), _spelled(ids), _signature(ids), _rarest_first(ids)
        # The score to reach is 2 * lcs / both: the threshold, then that of the best match so far.
        best, lcs, both = len(self._texts), self._half.numerator, self._half.denominator
        for n in self._partner_lengths(m):
            alpha = -(-lcs * (m + n) // both)
            for position in self._alike(order, signature, n, m - alpha, n - alpha):
                found = LCSseq.similarity(asked, self._texts[position], score_cutoff=alpha)
                if found >= alpha and (found * both > lcs * (m + n) or position < best):
                    best, lcs, both, alpha = position, found, m + n, found
                    if first:
                        return Neighbour(best, 2 * lcs / both)
        return None if best == len(self._texts) else Neighbour(best, 2 * lcs / both)

    def _alike(self, order: list[int], signature: int, n: int, slack_m: int, slack_n: int) -> Iterator[int]:
        """The texts of n words that pass the bounds, each once."""
        if slack_m < 0 or slack_n < 0:
            return
        postings, signatures, slack = self._postings[n], self._signatures, slack_m + slack_n
        seen: set[int] = set()
        for word in order[: slack_m + 1]:
            for positions in postings.get(word, ())[: slack_n + 1]:
                for position in positions:
                    if (signature ^ signatures[position]).bit_count() <= slack and position not in seen:
                        seen.add(position)
                        yield position


def _post(places: list[list[int]], place: int, position: int) -> None:
    places += [NOWHERE] * (place + 1 - len(places))
    places[place] = places[place] or []
    places[place].append(position)


def _rarest_first(ids: list[int]) -> list[int]:
    """The words from rare to common, a word that occurs more than once only at its first place."""
    order = sorted(ids, reverse=True)
    for place in range(len(order) - 1, 0, -1):
        if order[place] == order[place - 1]:
            order[place] = REPEATED
    return order


def _signature(ids: list[int]) -> int:
    bits = 0
    for number in ids:
        bits |= 1 << number % BITS
    return bits


def _spelled(ids: list[int]) -> str | list[str | int]:
    """A character for each word, which is compared twice as fast as a list, as far as there are characters."""
    if max(ids, default=0) <= sys.maxunicode:
        return "".join(map(chr, ids))
    return [chr(number) if number <= sys.maxunicode else number for number in ids]
