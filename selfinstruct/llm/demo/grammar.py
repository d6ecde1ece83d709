"""How a skill asks: sentence patterns with slots, filled at random and read back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import TypeVar

T = TypeVar("T")
Given = Mapping[str, str]
Pair = tuple[str, str]


class Draw:
    """Draws that are the same under every version of Python: all come from `Random.random()`."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed).random

    def fraction(self) -> float:
        """A number from 0 up to, but not including, 1."""
        return self._random()

    def chance(self, probability: float) -> bool:
        """True as often as the probability says."""
        return self._random() < probability

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self._random() * (high - low + 1))

    def pick(self, choices: Sequence[T]) -> T:
        """One member, each as likely as any other."""
        return choices[int(self._random() * len(choices))]

    def sample(self, choices: Sequence[T], count: int) -> list[T]:
        """`count` different members in random order."""
        rest = list(choices)
        return [rest.pop(int(self._random() * len(rest))) for _ in range(count)]

    def shuffled(self, choices: Sequence[T]) -> list[T]:
        """All members in random order."""
        return self.sample(choices, len(choices))


@dataclass(frozen=True)
class Made:
    """A slot whose values are composed instead of listed; `pattern` matches what `make` writes."""

    make: Callable[[Draw], str]
    pattern: str


Slot = tuple[str, ...] | Made

_PLACE = re.compile(r"\{(\^?)([a-z]+)(\d*)\}")


@dataclass(frozen=True)
class Phrasing:
    """One sentence pattern of a skill: `{town}` is a slot, `{town2}` another draw from it, `{^town}` capitalised."""

    text: str
    slots: Mapping[str, Slot]

    @cached_property
    def parts(self) -> tuple[list[str], list[tuple[str, bool, Slot]]]:
        """The fixed texts, and between them the places: key, whether capitalised, slot."""
        pieces = _PLACE.split(self.text)
        keys = zip(pieces[1::4], pieces[2::4], pieces[3::4], strict=True)
        return pieces[::4], [(name + digit, mark == "^", self.slots[name]) for mark, name, digit in keys]

    @cached_property
    def anchor(self) -> str:
        """The longest fixed text, a cheap test before the pattern is tried."""
        return max(self.parts[0], key=len)

    def fill(self, draw: Draw) -> str:
        """Draw a value for each place; a key that stands twice is drawn once."""
        fixed, places = self.parts
        written, values = [fixed[0]], dict[str, str]()
        for text, (key, capital, slot) in zip(fixed[1:], places, strict=True):
            if key not in values:
                values[key] = _unused_value(slot, draw, values)
            written += [capitalised(values[key]) if capital else values[key], text]
        return "".join(written)

    def read(self, instruction: str) -> Given | None:
        """The values that `fill` drew for this instruction, or None where it did not write it."""
        start = self.parts[0][0]
        if self.anchor not in instruction or not instruction.startswith(start):
            return None
        return self._read_from(instruction, len(start), 0, {})

    def _read_from(self, text: str, position: int, place: int, given: Given) -> Given | None:
        fixed, places = self.parts
        if place == len(places):
            return given if position == len(text) else None
        key, capital, slot = places[place]
        follows = fixed[place + 1]
        for value in _readings(given.get(key, slot), text, position, follows, capital):
            end = position + len(value) + len(follows)
            rest = self._read_from(text, end, place + 1, {**given, key: value})
            if rest is not None:
                return rest
        return None


def _unused_value(slot: Slot, draw: Draw, values: Given) -> str:
    value = draw_value(slot, draw)
    while value in values.values() and isinstance(slot, tuple):
        value = draw_value(slot, draw)
    return value


def _readings(slot: Slot | str, text: str, position: int, follows: str, capital: bool) -> Iterator[str]:
    """The values of the slot with which the text may go on at `position` before the fixed text that follows."""
    if isinstance(slot, Made):
        end = text.find(follows, position + 1) if follows else len(text)
        while end != -1:
            value = text[position:end]
            value = value[0].lower() + value[1:] if capital else value
            if re.fullmatch(slot.pattern, value):
                yield value
            end = text.find(follows, end + 1) if follows else -1
        return
    for value in (slot,) if isinstance(slot, str) else slot:
        written = capitalised(value) if capital else value
        if text.startswith(written, position) and text.startswith(follows, position + len(written)):
            yield value


@dataclass(frozen=True)
class Skill:
    """A kind of task: the ways to ask for it, and a function that writes one correct (input, output) pair.

    `weight` is how often it is proposed: more where its slots can be combined in more ways.
    """

    name: str
    phrasings: tuple[Phrasing, ...]
    write: Callable[[Given, Draw], Pair]
    is_classification: bool = False
    weight: int = 3

    def propose(self, draw: Draw) -> str:
        """A new instruction."""
        return draw.pick(self.phrasings).fill(draw)

    def recognise(self, instruction: str) -> Given | None:
        """The parameters of an instruction that this skill wrote, or None for any other."""
        readings = (phrasing.read(instruction) for phrasing in self.phrasings)
        return next((given for given in readings if given is not None), None)

    def instances(self, given: Given, draw: Draw) -> list[Pair]:
        """One pair with an empty input where the instruction says it all, otherwise one to three different ones."""
        found: dict[str, str] = {}
        for _ in range(draw.whole(1, 4)):
            found.setdefault(*self.write(given, draw))
        return list(found.items())[:3]


def draw_value(slot: Slot, draw: Draw) -> str:
    """One value of the slot."""
    return slot.make(draw) if isinstance(slot, Made) else draw.pick(slot)


def capitalised(text: str) -> str:
    """With a capital first letter and the rest as it is."""
    return text[:1].upper() + text[1:]
