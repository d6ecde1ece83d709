"""The slots that many skills share, and how numbers, dates and words are written and read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from fractions import Fraction
from functools import cache

from selfinstruct.llm.demo import sentences, words
from selfinstruct.llm.demo.grammar import Draw, Given, Made, Pair, Phrasing, Skill, Slot, capitalised


def wholes(low: int, high: int, step: int = 1) -> Made:
    """Whole numbers from `low` to `high` in steps."""
    return Made(lambda draw: str(low + step * draw.whole(0, (high - low) // step)), r"\d+")


def joined(first: tuple[str, ...], second: tuple[str, ...]) -> Made:
    """A member of the first bank, which brings the article, before one of the second."""
    return Made(lambda draw: f"{draw.pick(first)} {draw.pick(second)}", r"an? [^,.:;?!]+?")


def _composed(*patterns: str) -> Made:
    """Whole sentences, themselves phrasings of the shared slots; what they say plays no part in the answer."""

    def make(draw: Draw) -> str:
        return draw.pick(_phrasings(patterns)).fill(draw)

    return Made(make, ".+")


@cache
def _phrasings(patterns: tuple[str, ...]) -> tuple[Phrasing, ...]:
    return tuple(Phrasing(text, SHARED) for text in patterns)


def lists_of(choices: tuple[str, ...], low: int, high: int) -> Made:
    """Some of the choices, separated by commas."""
    return Made(lambda draw: ", ".join(draw.sample(choices, draw.whole(low, high))), r"[^,.:;?!]+?(?:, [^,.:;?!]+?)+")


def number_rows(low: int, high: int, smallest: int, largest: int) -> Made:
    """Rows of `low` to `high` whole numbers, separated by commas."""

    def make(draw: Draw) -> str:
        return ", ".join(str(draw.whole(smallest, largest)) for _ in range(draw.whole(low, high)))

    return Made(make, r"\d+(?:, \d+)+")


def prices(low: int, high: int) -> Made:
    """Dollars and cents from `low` to `high` cents, in steps of five cents."""
    return Made(lambda draw: write_money(draw.whole(low // 5, high // 5) * 5), r"\d+\.\d\d")


def clocks(earliest: int, latest: int) -> Made:
    """Times of the day between two full hours, in steps of five minutes."""
    return Made(lambda draw: write_clock(draw.whole(earliest * 12, latest * 12 - 1) * 5), r"\d\d:\d\d")


def _sentence(draw: Draw) -> str:
    verb = draw.pick(list(words.PAST_VERBS.values()))
    return capitalised(f"{draw.pick(words.SUBJECTS)} {verb} {draw.pick(words.OBJECTS)} {draw.pick(words.SPOTS)}.")


def dates(first_year: int) -> Made:
    """Days of the eleven years from `first_year` on."""
    first = date(first_year, 1, 1)
    return Made(lambda draw: write_day(first + timedelta(days=draw.whole(0, 4_000))), r"\d+ [A-Z][a-z]+ \d{4}")


def write_day(day: date) -> str:
    """As in 3 May 2030."""
    return f"{day.day} {words.MONTHS[day.month - 1]} {day.year}"


def read_day(text: str) -> date:
    """What `write_day` wrote."""
    day, month, year = text.split()
    return date(int(year), words.MONTHS.index(month) + 1, int(day))


def weekday(day: date) -> str:
    """Its English name."""
    return words.WEEKDAYS[day.weekday()]


def write_money(cents: int) -> str:
    """Cents as dollars, as in 4.05."""
    return f"{cents // 100}.{cents % 100:02d}"


def read_money(text: str) -> int:
    """Dollars as cents."""
    return int(text.replace(".", ""))


def write_clock(minutes: int) -> str:
    """Minutes since midnight as in 09:05, on the next day if need be."""
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def read_clock(text: str) -> int:
    """Minutes since midnight."""
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def rounded(value: Fraction, places: int) -> str:
    """Decimal notation, halves rounded away from zero."""
    scaled = int(abs(value) * 10**places + Fraction(1, 2))
    digits = str(scaled).rjust(places + 1, "0")
    sign = "-" if value < 0 and scaled else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else sign + digits


def read_numbers(text: str) -> list[int]:
    """The numbers of a row."""
    return [int(number) for number in text.split(", ")]


def read_labels(text: str) -> list[str]:
    """The labels of a list like "a, b or c"."""
    return re.split(r", | or ", text)


def counted(plural: str, count: int) -> str:
    """With thousands set off by commas."""
    return f"{count:,} {plural}"


SHARED: dict[str, Slot] = {
    "name": words.NAMES,
    "town": words.TOWNS,
    "person": joined(words.TEMPERS, words.ROLES),
    "firm": joined(words.FIRM_KINDS, words.FIRMS),
    "shop": joined(words.FIRM_KINDS, words.SHOPS),
    "when": words.WHEN,
    "goods": words.GOODS,
    "groups": words.GROUPS,
    "event": words.EVENTS,
    "venue": words.VENUES,
    "guests": words.GUESTS,
    "note": sentences.NOTES,
    "ask": words.ASKS,
    "trouble": sentences.TROUBLES,
    "remedy": words.REMEDIES,
    "customers": words.CUSTOMERS,
    "deed": sentences.DEEDS,
    "purpose": words.PURPOSES,
    "audience": words.AUDIENCES,
    "occasion": words.OCCASIONS,
    "feedback": words.FEEDBACK,
    "few": wholes(2, 12),
    "some": wholes(13, 96),
    "many": wholes(101, 999),
    "price": prices(40, 995),
    "clock": clocks(6, 20),
    "hours": wholes(2, 9),
    "quarter": wholes(5, 55, 5),
    "date": dates(2012),
    "coming": dates(2028),
    "sentence": Made(_sentence, r'[^"]+'),
    "words": lists_of(words.WORDS, 5, 8),
    "yesno": ("yes or no",),
    "truth": ("true or false", "right or wrong", "correct or incorrect"),
    "setting": _composed(
        "{^person} in {town} prepares {event} {venue}.",
        "{name} has started a new job at {firm} in {town}.",
        "{^guests} meet {venue}, and {person} leads the group.",
        "{^event} {venue} is only a week away, and {name} from {town} is in charge.",
        "{name} and {person} sort out the papers of {firm} {when}.",
        "{^firm} in {town} is in a hurry, because {trouble}.",
        "{^person} would like to save time {when} and asks {name}.",
        "{name} {deed} last week and now has a request for {person}.",
        "Imagine that you work for {firm} in {town} and sit next to {person}.",
        "{^person} writes to you {when}, because {trouble}.",
        "{name} lives in {town} with {person} and often helps {guests}.",
        "{name} is in charge of {firm} {when} and does what was left undone.",
    ),
    "use": _composed(
        "{^person} in {town} needs the answer for {event}.",
        "{name} will read your answer to {guests} {when}.",
        "The answer is for {firm}, where {name} waits for it {when}.",
        "{^person} asks on behalf of {guests} in {town}.",
        "This is the third task on a sheet that {name} made for {event} {venue}.",
        "Keep your answer short, since {person} reads it {when}.",
        "{name} and {person} disagree about it, so be exact.",
        "Nobody at {firm} in {town} was sure {when}.",
        "{name} would like to show the answer to {person} {venue}.",
        "Remember that {guests} will see it at {event} {venue}.",
        "{name}, {person} from {town}, needs nothing else.",
        "It will be checked {when} by {person} and discussed {venue}.",
    ),
}


def pick_row(rows: Mapping[str, str], draw: Draw) -> Pair:
    """One row of a table of two columns."""
    return draw.pick(list(rows.items()))


def verdict(given: Given, holds: bool) -> str:
    """The label for yes or no in the words that the instruction asks for."""
    return read_labels(given.get("yesno") or given["truth"])[0 if holds else 1]


def third_person(verb: str) -> str:
    """The simple present with he, she or it."""
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(("sh", "ch", "s")) else "s")


Writer = Callable[[Given, Draw], Pair]


def skill(
    name: str, *phrasings: str, weight: int = 3, classification: bool = False, **slots: Slot
) -> Callable[[Writer], Skill]:
    """Turn the function that writes a pair into the skill; `slots` are its own, beside or instead of the shared."""
    known = {**SHARED, **slots}
    patterns = tuple(Phrasing(text, known) for text in phrasings)
    return lambda write: Skill(name, patterns, write, classification, weight)
