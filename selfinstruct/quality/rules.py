"""What a rule is: a code, a name, one sentence, and a function from a row to the flaw that it finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache, cached_property
from importlib import import_module
from typing import Any

from selfinstruct.errors import SettingsError
from selfinstruct.quality.keys import mask_keys

FIELDS = ("instruction", "input", "output")
EXCERPT = 80  # characters


@dataclass(frozen=True)
class Row:
    """One example as the rules see it; `number` counts the rows of its set from 1."""

    instruction: str
    input: str
    output: str
    number: int = 1
    id: str | None = None

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The texts with their names."""
        return tuple((name, getattr(self, name)) for name in FIELDS)

    @cached_property
    def asked(self) -> str:
        """The instruction in lower case."""
        return self.instruction.lower()

    @cached_property
    def answer(self) -> str:
        """The output in lower case, without space at its ends."""
        return self.output.strip().lower()


@dataclass(frozen=True)
class Flaw:
    """What is wrong with a field of a row.

    `instead` is the text that the field should have, where that is certain; `drop` says that nothing of the row can
    be saved.
    """

    field: str
    reason: str
    excerpt: str = ""
    instead: str | None = None
    drop: bool = False

    @property
    def fixable(self) -> bool:
        """Whether `fix` repairs it, or drops the row."""
        return self.drop or self.instead is not None

    def applied(self, row: Row) -> Row:
        """The row with the field repaired."""
        changed: dict[str, Any] = {} if self.instead is None else {self.field: self.instead}
        return replace(row, **changed)


@dataclass(frozen=True)
class Rule:
    """A rule that looks at one row at a time.

    `explanation` is one sentence; `repair` says in a few words what `fix` does about it, and is empty where it does
    nothing. Rules without a `check` are those that a language model decides.
    """

    code: str
    name: str
    explanation: str
    repair: str = ""
    check: Callable[[Row], Flaw | None] | None = None


_ENTERED: dict[str, Rule] = {}
_MODULES = ("inputs", "outputs", "endings", "language", "sums", "units", "traces", "personal", "judge")


@cache
def _loaded() -> dict[str, Rule]:
    for name in _MODULES:
        import_module(f"selfinstruct.quality.{name}")
    return dict(sorted(_ENTERED.items()))


class Rules(Mapping[str, Rule]):
    """Every rule by its code. Their modules are loaded at the first look: their expressions take a while to compile."""

    def __getitem__(self, code: str) -> Rule:
        return _loaded()[code]

    def __iter__(self) -> Iterator[str]:
        return iter(_loaded())

    def __len__(self) -> int:
        return len(_loaded())


RULES = Rules()


def enter_rule(entered: Rule) -> None:
    """Put a rule into the table."""
    _ENTERED[entered.code] = entered


def rule(
    code: str, name: str, explanation: str, repair: str = ""
) -> Callable[[Callable[[Row], Flaw | None]], Callable[[Row], Flaw | None]]:
    """Enter a function into the table of rules."""

    def enter(check: Callable[[Row], Flaw | None]) -> Callable[[Row], Flaw | None]:
        enter_rule(Rule(code, name, explanation, repair, check))
        return check

    return enter


def chosen(select: str | Iterable[str] | None, ignore: str | Iterable[str] | None) -> list[Rule]:
    """The rules that are selected and not ignored, by code. Codes, their beginnings ("SI2") and names will do.

    Raises:
        SettingsError: no rule has such a code, or none is left.
    """
    wanted = set(RULES) if select is None else set(_codes(select, "select"))
    left = wanted - set(_codes(ignore or (), "ignore"))
    if not left:
        raise SettingsError("every rule that is selected is ignored, so nothing would be checked; see --rules")
    return [RULES[code] for code in sorted(left)]


def _codes(given: str | Iterable[str], option: str) -> Iterator[str]:
    for text in [given] if isinstance(given, str) else given:
        for one in filter(None, re.split(r"[,\s]+", text)):
            yield from _meant(one, option)


def _meant(one: str, option: str) -> list[str]:
    found = [code for code, each in RULES.items() if code.startswith(one.upper()) or each.name == one.lower()]
    if not found:
        names = {each.lower(): each for code, known in RULES.items() for each in (code, known.name)}
        near = [names[name] for name in get_close_matches(one.lower(), names, n=3, cutoff=0.5)]
        hint = f"did you mean {' or '.join(near)}?" if near else "codes are SI and three digits, SI2 is a group;"
        raise SettingsError(f"{option}: no rule {one!r}; {hint} `selfinstruct lint --rules` lists them all")
    return found


def excerpt(text: str, start: int = 0, end: int | None = None) -> str:
    """The part of a text that shows a flaw, in one line, with secrets masked."""
    part = mask_keys(text, start, end)
    shown = " ".join("".join(each if each.isprintable() else " " for each in part).split())
    return shown if len(shown) <= EXCERPT else shown[: EXCERPT - 1] + "…"
