"""Pairs of documents that may be similar: a superset of the similar ones, without looking at most of the others.

The bounds are those of `selfinstruct.similarity`: prefix, length, displacement and signature. There they are applied
to one text at a time; here documents that share a key are compared all at once, see `groups`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from fractions import Fraction
from functools import partial
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from selfinstruct.join.documents import CHUNK, Documents, Ints, Mask, SmallInts, offsets, ranges, runs
from selfinstruct.join.groups import JOB, Sides, pairs_within

Signatures = npt.NDArray[np.uint64]

RARE = 60  # postings up to which one word is the key; beyond, it is two words
PREFIX = 56  # words of a prefix up to which two words can be the key: they make PREFIX^2 / 2 keys

REPEATED = -1  # the place of a word that stands at several
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class Entries(NamedTuple):
    """What documents are looked up by: the first place of each rare word, document by document, rarest first."""

    token: SmallInts
    doc: SmallInts
    rest: SmallInts  # words of the document from this one on, rarest first
    at: SmallInts  # the place in the text, or REPEATED


class Members:
    """The documents to compare, renumbered by length, with what bounds their similarity."""

    def __init__(self, documents: Documents, rows: Ints, half: Fraction) -> None:
        lengths = documents.lengths[rows].astype(np.int64)
        self.p, self.q = simplest(half, 2 * int(lengths.max(initial=1)))
        # The shortest partner that can reach the threshold asks for the fewest common words.
        fewest = -(-self.p * (lengths + -(-self.p * lengths // (self.q - self.p))) // self.q)
        able = np.flatnonzero(documents.sizes[rows] >= fewest)
        able = able[np.argsort(lengths[able], kind="stable")]
        self.documents = documents
        self.rows = rows[able]
        self.lengths = lengths[able]
        self.sizes = documents.sizes[self.rows].astype(np.int64)
        self.fewest = fewest[able]
        self.scaled = self.p * self.lengths
        largest = self.q * int(self.lengths.max(initial=1))
        self.dtype = next(each for each in (np.int16, np.int32, np.int64) if largest < np.iinfo(each).max)

    def __len__(self) -> int:
        return len(self.rows)


def simplest(half: Fraction, most: int) -> tuple[int, int]:
    """The smallest fraction at or above `half` with a denominator up to `most`.

    For whole numbers, L >= half * s and L >= simplest * s are the same for all s up to `most`: no L / s lies between.
    """
    if half.denominator > most:
        half = min(Fraction(-(-half.numerator * s // half.denominator), s) for s in range(1, most + 1))
    return half.numerator, half.denominator


class Crowded(Exception):
    """More pairs may be similar than the caller wants to have at once."""


class Wanted(NamedTuple):
    """Which pairs are wanted: all but those of old members, or only those `across`, of an old one and a new one."""

    old: Mask  # (members,)
    across: bool = False
    most: float = math.inf  # pairs; beyond, it is `Crowded`

    def among(self, x: SmallInts, y: SmallInts) -> Mask:
        """Which of some pairs are wanted."""
        old_x, old_y = self.old[x], self.old[y]
        return old_x != old_y if self.across else ~(old_x & old_y)


def likely_pairs(members: Members, wanted: Wanted, pool: Executor) -> Ints:
    """All wanted pairs that may be similar, each once, as `a << 32 | b` with members a < b.

    Raises:
        Crowded: there are more than the caller wants.
    """
    # 1) The rare words and signatures of each document.
    parts = list(pool.map(partial(_read, members), runs(members.sizes, CHUNK)))
    if not parts:
        return np.empty(0, np.int64)
    entries = Entries(*map(np.concatenate, zip(*(part[0] for part in parts), strict=True)))
    search = _Search(members, wanted, entries, np.concatenate([part[1] for part in parts]))
    del parts
    # 2) For each word the documents that have it, shortest first; from them the pairs, job by job.
    found = list(pool.map(lambda job: job(), search.jobs()))
    # 3) Each pair once.
    return unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def unique(values: Ints) -> Ints:
    """The different values in order. Sorts in place."""
    values.sort()
    return values[np.flatnonzero(np.diff(values, prepend=-1))]


def _width(largest: int) -> int:
    return int(largest).bit_length()


def _check_widths(*widths: int) -> None:
    """Packed numbers must fit into 63 bits: beyond, words and documents would be taken for others without a sign."""
    if sum(widths) > 63:
        raise OverflowError(f"cannot pack numbers of {' + '.join(map(str, widths))} bits into 63")


def _read(members: Members, part: slice) -> tuple[Entries, Signatures]:
    """Entries and signatures of the members in `part`."""
    documents = members.documents
    sizes = members.sizes[part]
    starts = offsets(sizes)
    tokens = documents.tokens[ranges(documents.starts[members.rows[part]], sizes)]
    # 1) One sort puts the words of each document from rare to common.
    of_doc = np.repeat(np.arange(len(sizes)), sizes)
    places = np.arange(len(tokens)) - starts[of_doc]
    rank_bits, place_bits = _width(documents.vocabulary), _width(int(sizes.max()))
    _check_widths(_width(len(sizes)), rank_bits, place_bits)
    packed = ((of_doc << rank_bits | (documents.vocabulary - tokens)) << place_bits) | places
    packed.sort()
    # 2) The first of each word within the prefix; as second word of a key, one place beyond.
    words = packed >> place_bits
    rest = members.sizes[part][of_doc] - places
    changes = np.diff(words, prepend=-1, append=-1) != 0
    chosen = np.flatnonzero(changes[:-1] & (rest >= members.fewest[part][of_doc] - 1))
    at = np.where(changes[1:][chosen], packed[chosen] & ((1 << place_bits) - 1), REPEATED)
    token = documents.vocabulary - (words[chosen] & ((1 << rank_bits) - 1))
    entries = (token, of_doc[chosen] + part.start, rest[chosen], at)
    return Entries(*(each.astype(np.int32) for each in entries)), _signatures(tokens, starts[:-1])


def _signatures(tokens: SmallInts, starts: Ints) -> Signatures:
    """(documents, 5): a set of hashed words in 64 bits, and one in 256 bits."""
    hashed = (tokens.astype(np.uint64) + np.uint64(1)) * _SPREAD
    bits = np.uint64(1) << (hashed >> np.uint64(58))
    word = (hashed >> np.uint64(50)) & np.uint64(3)
    columns = [bits] + [np.where(word == each, bits, np.uint64(0)) for each in range(4)]
    return np.stack([np.bitwise_or.reduceat(column, starts) for column in columns], axis=1)


class _Search:
    """The entries by word, cut into jobs."""

    def __init__(self, members: Members, wanted: Wanted, entries: Entries, signatures: Signatures) -> None:
        self._members, self._wanted, self._entries = members, wanted, entries
        self._count, self._counting = 0, Lock()
        self._short, self._long = signatures[:, 0].copy(), signatures[:, 1:].copy()
        # Words beyond the different bits of a document: they may be common, whatever the bits say.
        self._hidden = members.sizes - np.bitwise_count(self._short)
        self._hidden_long = members.sizes - np.bitwise_count(self._long).sum(axis=1, dtype=np.int64)
        self._ends = np.cumsum(np.bincount(entries.doc, minlength=len(members)))  # of each document's entries
        # Two words as a key: not for long documents, which have too many, and not where one common word is enough.
        self._wide = members.lengths - members.fewest >= PREFIX
        shortest_wide = int(members.lengths[self._wide].min(initial=np.iinfo(np.int32).max))
        self._needs_single = (members.lengths * (members.q - members.p) >= members.p * shortest_wide) | (
            members.scaled + members.p <= members.q
        )

    def jobs(self) -> Iterator[Callable[[], Ints]]:
        """Steps of about equal work, each giving some pairs; together they give all."""
        # 1) Entries of the prefixes sorted by word; within a word in order of length, as members are.
        entries = self._entries
        indexed = np.flatnonzero(entries.rest >= self._members.fewest[entries.doc])
        entry_bits = _width(len(entries.token))
        _check_widths(_width(self._members.documents.vocabulary), entry_bits)
        packed = entries.token[indexed].astype(np.int64) << entry_bits | indexed
        packed.sort()
        words = packed >> entry_bits
        starts = np.flatnonzero(np.diff(words, prepend=-1))
        counts = np.diff(starts, append=len(words))
        postings = packed & ((1 << entry_bits) - 1)
        # 2) Words that stand alone give nothing; rare ones are keys; common ones are keys with a second word.
        rare = np.flatnonzero((counts > 1) & (counts <= RARE))
        for part in runs(counts[rare], JOB):
            yield partial(self._by_word, postings, starts[rare[part]], counts[rare[part]])
        common = np.flatnonzero(counts > RARE)
        weights = np.add.reduceat(self._seconds(postings), starts)[common] if len(common) else common
        for part in runs(weights, JOB):
            yield partial(self._by_two_words, postings, starts[common[part]], counts[common[part]])
        single = self._needs_single[entries.doc[postings]]
        for part in runs(counts[common], JOB) if single.any() else ():
            yield partial(self._by_exception, postings, single, starts[common[part]], counts[common[part]])

    def _seconds(self, chosen: Ints) -> Ints:
        """How many entries follow in the same document."""
        return self._ends[self._entries.doc[chosen]] - chosen - 1

    def _by_word(self, postings: Ints, starts: Ints, counts: Ints) -> Ints:
        """Pairs that share a word in their prefixes."""
        return self._compare(self._at(postings[ranges(starts, counts)]), counts)

    def _by_exception(self, postings: Ints, single: Mask, starts: Ints, counts: Ints) -> Ints:
        """Of the pairs that share a common word those that two words may not find."""
        places = ranges(starts, counts)
        eligible = single[places]
        counts = np.bincount(np.repeat(np.arange(len(counts)), counts)[eligible], minlength=len(counts))
        pairs: Ints = self._compare(self._at(postings[places[eligible]]), counts)
        a, b = pairs >> 32, pairs & 0xFFFFFFFF
        members = self._members
        single_word: Mask = members.scaled[a] + members.scaled[b] <= members.q
        chosen: Ints = pairs[self._wide[a] | self._wide[b] | single_word]
        return chosen

    def _by_two_words(self, postings: Ints, starts: Ints, counts: Ints) -> Ints:
        """Pairs that share the two rarest words of a common subsequence, in the same order."""
        entries = self._entries
        # 1) Each word of these documents with each rare word after it, and with itself where it is repeated.
        first = postings[ranges(starts, counts)]
        group = np.repeat(np.arange(len(counts)), counts)
        narrow = ~self._wide[entries.doc[first]]
        first, group = first[narrow], group[narrow]
        followers = self._seconds(first)
        twin = entries.at[first] == REPEATED
        key_first = np.repeat(first, followers + twin)
        second = ranges(first + 1 - twin, followers + twin)
        is_twin = second == key_first
        at, other_at = entries.at[key_first], entries.at[second]
        either = ((at == REPEATED) | (other_at == REPEATED)) & ~is_twin
        # 2) Sorted by group, second word, order of the two in the text.
        index_bits, token_bits = _width(len(second)), _width(self._members.documents.vocabulary)
        _check_widths(_width(len(counts)), token_bits, 1, index_bits)
        key = (np.repeat(group, followers + twin) << token_bits | entries.token[second]) << 1
        index = np.arange(len(second))
        packed = (key | (at < other_at) & ~either) << index_bits | index
        packed = np.concatenate([packed, (key[either] | 1) << index_bits | index[either]])
        packed.sort()
        # 3) Keys of one document alone give nothing.
        firsts = np.flatnonzero(np.diff(packed >> index_bits, prepend=-1))
        sizes = np.diff(firsts, append=len(packed))
        shared = sizes > 1
        chosen = packed[ranges(firsts[shared], sizes[shared])] & ((1 << index_bits) - 1)
        rest = entries.rest[second] + ~is_twin
        pairs = Entries(entries.token[second], entries.doc[second], rest, at)
        return self._compare(Entries(*(column[chosen] for column in pairs)), sizes[shared])

    def _at(self, chosen: Ints) -> Entries:
        return Entries(*(column[chosen] for column in self._entries))

    def _compare(self, entries: Entries, counts: Ints) -> Ints:
        """Pairs within groups of `counts` entries in a row, by the bounds and signatures."""
        old = None
        if self._wanted.across:
            entries, counts = self._mixed(entries, counts)
            old = self._wanted.old[entries.doc]
        sides = self._sides(entries)
        short = self._short[entries.doc]
        asked = sides.asked
        needed = (asked - self._members.q * self._hidden[entries.doc]).astype(asked.dtype)
        q = asked.dtype.type(self._members.q)
        found = [np.empty(0, np.int64)]
        for a, b in pairs_within(sides, counts, old):
            common = np.bitwise_count(short[a] & short[b])
            likely = np.flatnonzero(common * q >= needed[a] + asked[b])
            found.append(self._sift(entries.doc[a[likely]], entries.doc[b[likely]]))
            if sum(map(len, found)) > 2 * len(found[0]) + CHUNK:
                found = [unique(np.concatenate(found))]
                self._check(len(found[0]))
        pairs = unique(np.concatenate(found))
        with self._counting:
            self._count += len(pairs)
        self._check(0)
        return pairs

    def _mixed(self, entries: Entries, counts: Ints) -> tuple[Entries, Ints]:
        """The groups that have both old and new members."""
        number_old = np.diff(offsets(self._wanted.old[entries.doc].view(np.int8))[offsets(counts)])
        mixed = (number_old > 0) & (number_old < counts)
        chosen = ranges(offsets(counts)[:-1][mixed], counts[mixed])
        return Entries(*(column[chosen] for column in entries)), counts[mixed]

    def _check(self, more: int) -> None:
        if self._count + more > self._wanted.most:
            raise Crowded

    def _sides(self, entries: Entries) -> Sides:
        """What each entry may spare and asks for, multiplied by q; see `groups`."""
        members = self._members
        asked = members.scaled[entries.doc]
        before = members.q * entries.at.astype(np.int64)
        after = members.q * members.sizes[entries.doc] - before
        free = entries.at == REPEATED
        limits = np.iinfo(members.dtype)
        return Sides(
            asked.astype(members.dtype),
            (members.q * entries.rest.astype(np.int64) - asked).astype(members.dtype),
            np.where(free, limits.max, after - asked).astype(members.dtype),
            np.where(free, limits.min, asked - before).astype(members.dtype),
        )

    def _sift(self, x: SmallInts, y: SmallInts) -> Ints:
        """Of pairs of documents those that are not both old and whose signatures can reach the threshold."""
        members = self._members
        common = np.bitwise_count(self._long[x] & self._long[y]).sum(axis=1, dtype=np.int64)
        common += np.minimum(self._hidden_long[x], self._hidden_long[y])
        likely = (members.q * common >= members.scaled[x] + members.scaled[y]) & self._wanted.among(x, y)
        x, y = x[likely], y[likely]
        pairs: Ints = np.minimum(x, y).astype(np.int64) << 32 | np.maximum(x, y)
        return pairs
