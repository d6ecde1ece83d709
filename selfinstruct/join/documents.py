"""Texts as numbers: every word of every text, the most frequent word 0, tokenised in bulk with numpy."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from selfinstruct.text import Tokenizer, rouge_words, words

Ints = npt.NDArray[np.int64]
SmallInts = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

CHUNK = 1 << 19  # characters or words that one step of one worker holds, so that its arrays stay in the cache

# A word of up to twelve characters a-z and 0-9 is a number to base 37, below 2^63; other words get the numbers above.
_BASE = 37
_LONGEST = 12
_FIRST_FREE = _BASE**_LONGEST
_SHORT_WORD = re.compile(r"[a-z0-9]{1,12}")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_DIGIT = {character: 1 + at for at, character in enumerate(_ALPHABET)}
_CLASS = np.zeros(256, np.uint8)  # 0 for what stands between words
_CLASS[list(_ALPHABET.encode())] = _CLASS[list(_ALPHABET.upper().encode())] = np.arange(1, _BASE)
_NONE = np.empty(0, np.int32)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)

_SURROGATES = range(0xD800, 0xE000)
_CHARACTERS = 0x110000 - len(_SURROGATES)


@dataclass(frozen=True)
class Documents:
    """N texts as numbers of words. A larger number is a rarer word.

    A word that occurs once in all texts is in no common subsequence: it counts in `lengths` and is nowhere else.
    """

    tokens: SmallInts  # the numbers of all texts in a row
    starts: Ints  # (N,) where each text begins in `tokens`
    sizes: SmallInts  # (N,) how many numbers it has there
    lengths: SmallInts  # (N,) how many words it has
    strings: Sequence[Sequence[Hashable]]  # the same numbers as characters, for rapidfuzz
    firsts: Ints  # (N,) the first text that has the same words; a text without words is its own
    vocabulary: int  # how many numbers there are

    def __len__(self) -> int:
        return len(self.starts)


def read_documents(texts: Sequence[str], tokenizer: Tokenizer, pool: Executor) -> Documents:
    """Tokenise and number the words of all texts; the same words as `tokenizer` gives."""
    # 1) A code for every word, alike wherever the word occurs.
    coded = list(_codes(texts, tokenizer, pool))
    # 2) Numbers by frequency. Codes are let go chunk by chunk, as numbers take their place.
    vocabulary = _Vocabulary(coded, pool)
    coded.reverse()
    numbered = list(pool.map(vocabulary.number, (coded.pop() for _ in range(len(coded)))))
    # 3) All chunks together.
    sizes = np.concatenate([_NONE, *(each.sizes for each in numbered)])
    lengths = np.concatenate([_NONE, *(each.lengths for each in numbered)])
    strings = [string for each in numbered for string in each.strings]
    return Documents(
        tokens=np.concatenate([_NONE, *(each.tokens for each in numbered)]),
        starts=offsets(sizes)[:-1],
        sizes=sizes,
        lengths=lengths,
        strings=strings,
        firsts=_firsts(strings, ((sizes == lengths) & (lengths > 0)).tolist()),
        vocabulary=vocabulary.size,
    )


def offsets(sizes: npt.NDArray[np.integer]) -> Ints:
    """Where parts of these sizes begin in a row, and at last where the row ends."""
    ends = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=ends[1:])
    return ends


def ranges(starts: Ints, sizes: npt.NDArray[np.integer]) -> Ints:
    """The numbers from each start, as many as its size, one range after the other."""
    ends = np.cumsum(sizes, dtype=np.int64)
    steps = np.repeat(starts - (ends - sizes), sizes)
    steps += np.arange(len(steps))
    return steps


def runs(weights: npt.NDArray[np.integer], most: int) -> Iterator[slice]:
    """Split a row into slices of up to `most` in weight, of one member at least."""
    ends = np.cumsum(weights, dtype=np.int64)
    start, done = 0, 0
    while start < len(ends):
        stop = max(int(np.searchsorted(ends, done + most, side="right")), start + 1)
        yield slice(start, stop)
        start, done = stop, int(ends[stop - 1])


class _Coded(NamedTuple):
    """The words of some texts as codes."""

    codes: Ints
    lengths: SmallInts


class _Numbered(NamedTuple):
    """The words of some texts as numbers."""

    tokens: SmallInts
    sizes: SmallInts
    lengths: SmallInts
    strings: list[str] | list[tuple[int, ...]]


class _Codebook(dict[str, int]):
    """A code for each word: two words have the same code exactly when they are the same."""

    def __init__(self) -> None:
        self._next = _FIRST_FREE

    def __missing__(self, word: str) -> int:
        if _SHORT_WORD.fullmatch(word):
            code = 0
            for character in word:
                code = code * _BASE + _DIGIT[character]
        else:
            code, self._next = self._next, self._next + 1
        self[word] = code
        return code


def _codes(texts: Sequence[str], tokenizer: Tokenizer, pool: Executor) -> Iterator[_Coded]:
    """Code the texts chunk by chunk: plain ones by their bytes in the workers, others by the tokenizer here."""
    codebook = _Codebook()
    sizes = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    chunks = [list(texts[part]) for part in runs(sizes, CHUNK)]
    if tokenizer is not words and tokenizer is not rouge_words:
        for chunk in chunks:
            yield _code_each(map(tokenizer, chunk), codebook)
        return
    powers = _Powers(max(map(_characters, chunks), default=0))
    for chunk, (coded, long_words, at) in zip(chunks, pool.map(powers.code, chunks), strict=True):
        coded.codes[at] = [codebook[word] for word in long_words]
        yield coded if "".join(chunk).isascii() else _with_others(coded, chunk, tokenizer, codebook)


def _characters(chunk: Sequence[str]) -> int:
    return sum(map(len, chunk)) + len(chunk) + 1


def _code_each(tokenised: Iterable[list[str]], codebook: _Codebook) -> _Coded:
    lengths: list[int] = []
    codes: list[int] = []
    for tokens in tokenised:
        lengths.append(len(tokens))
        codes.extend(map(codebook.__getitem__, tokens))
    return _Coded(np.array(codes, np.int64), np.array(lengths, np.int32))


def _with_others(plain: _Coded, chunk: list[str], tokenizer: Tokenizer, codebook: _Codebook) -> _Coded:
    """Put the texts that are not ASCII, which `_Powers.code` took as empty, in their places."""
    is_other = np.fromiter((not text.isascii() for text in chunk), bool, len(chunk))
    other = _code_each((tokenizer(text) for text in chunk if not text.isascii()), codebook)
    lengths = plain.lengths.copy()
    lengths[is_other] = other.lengths
    codes = np.empty(lengths.sum(), np.int64)
    of_other = np.repeat(is_other, lengths)
    codes[of_other], codes[~of_other] = other.codes, plain.codes
    return _Coded(codes, lengths)


class _Powers:
    """Codes of ASCII words by sums from the left: with digits c at places i, the sum of c * 37^(end - 1 - i).

    37 has an inverse modulo 2^64, so the sum over a word is a difference of two sums over the text, and being below
    2^64 it is exact.
    """

    def __init__(self, most: int) -> None:
        self._powers = np.full(most + 1, _BASE, np.uint64)
        self._inverses = np.full(most + 1, pow(_BASE, -1, 1 << 64), np.uint64)
        for table in (self._powers, self._inverses):
            table[0] = 1
            np.multiply.accumulate(table, out=table)

    def code(self, chunk: Sequence[str]) -> tuple[_Coded, list[str], Ints]:
        """Code the ASCII texts of a chunk; also give the words too long for that, and their places."""
        texts = [text if text.isascii() else "" for text in chunk]
        joined = "\n" + "\n".join(texts) + "\n"
        # 1) Where words start and end.
        digits = _CLASS.take(np.frombuffer(joined.encode("ascii"), np.uint8))
        edges = np.flatnonzero(np.diff(digits != 0)) + 1
        starts, ends = edges[::2], edges[1::2]
        # 2) Their codes.
        sums = np.cumsum(digits * self._inverses[: len(digits)])
        codes = ((sums[ends - 1] - sums[starts - 1]) * self._powers[ends - 1]).view(np.int64)
        # 3) Which text they belong to, and which are too long.
        text_ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
        lengths = np.diff(np.searchsorted(starts, text_ends), prepend=0).astype(np.int32)
        too_long = np.flatnonzero(ends - starts > _LONGEST)
        lower = joined.lower()
        bounds = zip(starts[too_long].tolist(), ends[too_long].tolist(), strict=True)
        return _Coded(codes, lengths), [lower[start:end] for start, end in bounds], too_long


class _Vocabulary:
    """The numbers of all codes, by falling frequency; `size` of them occur more than once."""

    def __init__(self, coded: Sequence[_Coded], pool: Executor) -> None:
        counted = list(pool.map(_counts, (each.codes for each in coded)))
        codes = np.concatenate([_NONE.astype(np.int64), *(codes for codes, _ in counted)])
        self._codes, which = np.unique(codes, return_inverse=True)
        counts = np.bincount(which, np.concatenate([_NONE, *(count for _, count in counted)])).astype(np.int64)
        by_rank = np.argsort(-counts, kind="stable")
        self.size = int((counts > 1).sum())
        if len(by_rank) > np.iinfo(np.int32).max:
            raise OverflowError(f"{len(by_rank)} different words are more than 32 bits can number")
        self._ranked = self._codes[by_rank]
        self._ranks = np.empty(len(by_rank), np.int32)
        self._ranks[by_rank] = np.arange(len(by_rank), dtype=np.int32)
        # A table from hashed codes to numbers; where two meet, the more frequent has the place.
        self._shift = np.uint64(64 - max(10, (4 * len(by_rank)).bit_length()))
        self._table = np.zeros(1 << (64 - int(self._shift)), np.int32)
        self._table[self._slots(self._ranked[::-1])] = np.arange(len(by_rank) - 1, -1, -1, dtype=np.int32)

    def number(self, coded: _Coded) -> _Numbered:
        """Give codes their numbers and leave out the words that occur once."""
        if not len(coded.codes):
            return _Numbered(
                np.empty(0, np.int32), coded.lengths, coded.lengths, self._strings(coded.codes, coded.lengths)
            )
        # 1) The hashed place holds another code now and then: those are searched.
        numbers = self._table[self._slots(coded.codes)]
        missed = np.flatnonzero(self._ranked[numbers] != coded.codes)
        numbers[missed] = self._ranks[np.searchsorted(self._codes, coded.codes[missed])]
        # 2) What remains without the words that occur once.
        repeated = numbers < self.size
        tokens = numbers[repeated]
        sizes = np.diff(offsets(repeated.view(np.int8))[offsets(coded.lengths)]).astype(np.int32)
        return _Numbered(tokens, sizes, coded.lengths, self._strings(tokens, sizes))

    def _slots(self, codes: Ints) -> npt.NDArray[np.uint64]:
        slots: npt.NDArray[np.uint64] = (codes.view(np.uint64) * _SPREAD) >> self._shift
        return slots

    def _strings(self, tokens: npt.NDArray[np.integer], sizes: SmallInts) -> list[str] | list[tuple[int, ...]]:
        """A character for each number, or the numbers themselves where there are more than characters."""
        bounds = offsets(sizes).tolist()
        parts = pairwise(bounds)
        if self.size > _CHARACTERS:
            numbers = tokens.tolist()
            return [tuple(numbers[start:end]) for start, end in parts]
        characters = tokens + (tokens >= _SURROGATES.start) * len(_SURROGATES)
        string = characters.astype("<u4").tobytes().decode("utf-32-le")
        return [string[start:end] for start, end in parts]


def _counts(codes: Ints) -> tuple[Ints, Ints]:
    """The different codes and how often each occurs (np.unique takes a slower way to the same)."""
    ordered = np.sort(codes)
    firsts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    return ordered[firsts], np.diff(firsts, append=len(ordered))


def _firsts(strings: Sequence[Hashable], comparable: list[bool]) -> Ints:
    seen: dict[Hashable, int] = {}
    pairs = zip(strings, comparable, strict=True)
    firsts = (seen.setdefault(string, at) if able else at for at, (string, able) in enumerate(pairs))
    return np.fromiter(firsts, np.int64, len(strings))
