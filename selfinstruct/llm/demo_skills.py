"""What the demo teacher can do: each skill proposes instructions, knows its own again, and solves them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import cache, cached_property
from itertools import pairwise
from random import Random
from typing import TypeVar

from selfinstruct.llm import demo_words as bank

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
            written += [_capital(values[key]) if capital else values[key], text]
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
    value = _value(slot, draw)
    while value in values.values() and isinstance(slot, tuple):
        value = _value(slot, draw)
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
        written = _capital(value) if capital else value
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


SKILLS: list[Skill] = []


@cache
def wheel(classification: bool) -> tuple[Skill, ...]:
    """The skills to draw from, each as often as its weight says."""
    chosen = [one for one in SKILLS if one.is_classification or not classification]
    return tuple(one for one in chosen for _ in range(one.weight))


def recognise(instruction: str) -> tuple[Skill, Given] | None:
    """The skill that wrote this instruction, and its parameters."""
    for one in SKILLS:
        given = one.recognise(instruction)
        if given is not None:
            return one, given
    return None


Writer = Callable[[Given, Draw], Pair]


def _skill(
    name: str, *phrasings: str, weight: int = 3, classification: bool = False, **slots: Slot
) -> Callable[[Writer], Writer]:
    def register(write: Writer) -> Writer:
        known = {**SHARED, **slots}
        SKILLS.append(Skill(name, tuple(Phrasing(text, known) for text in phrasings), write, classification, weight))
        return write

    return register


# 1) Slots that many skills share.


def _value(slot: Slot, draw: Draw) -> str:
    return slot.make(draw) if isinstance(slot, Made) else draw.pick(slot)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _whole(low: int, high: int, step: int = 1) -> Made:
    return Made(lambda draw: str(low + step * draw.whole(0, (high - low) // step)), r"\d+")


def _joined(first: tuple[str, ...], second: tuple[str, ...]) -> Made:
    return Made(lambda draw: f"{draw.pick(first)} {draw.pick(second)}", r"an? [^,.:;?!]+?")


def _composed(*patterns: str) -> Made:
    """Whole sentences, themselves phrasings of the shared slots; what they say plays no part in the answer."""

    def make(draw: Draw) -> str:
        return draw.pick(_phrasings(patterns)).fill(draw)

    return Made(make, ".+")


@cache
def _phrasings(patterns: tuple[str, ...]) -> tuple[Phrasing, ...]:
    return tuple(Phrasing(text, SHARED) for text in patterns)


def _listed(choices: tuple[str, ...], low: int, high: int) -> Made:
    return Made(lambda draw: ", ".join(draw.sample(choices, draw.whole(low, high))), r"[^,.:;?!]+?(?:, [^,.:;?!]+?)+")


def _numbers(low: int, high: int, smallest: int, largest: int) -> Made:
    def make(draw: Draw) -> str:
        return ", ".join(str(draw.whole(smallest, largest)) for _ in range(draw.whole(low, high)))

    return Made(make, r"\d+(?:, \d+)+")


def _price(low: int, high: int) -> Made:
    return Made(lambda draw: _money(draw.whole(low // 5, high // 5) * 5), r"\d+\.\d\d")


def _clock(earliest: int, latest: int) -> Made:
    return Made(lambda draw: _time(draw.whole(earliest * 12, latest * 12 - 1) * 5), r"\d\d:\d\d")


def _sentence(draw: Draw) -> str:
    verb = draw.pick(list(bank.PAST_VERBS.values()))
    return _capital(f"{draw.pick(bank.SUBJECTS)} {verb} {draw.pick(bank.OBJECTS)} {draw.pick(bank.SPOTS)}.")


def _dates(first_year: int) -> Made:
    first = date(first_year, 1, 1)
    return Made(lambda draw: _day(first + timedelta(days=draw.whole(0, 4_000))), r"\d+ [A-Z][a-z]+ \d{4}")


def _day(day: date) -> str:
    return f"{day.day} {bank.MONTHS[day.month - 1]} {day.year}"


def _read_day(text: str) -> date:
    day, month, year = text.split()
    return date(int(year), bank.MONTHS.index(month) + 1, int(day))


def _weekday(day: date) -> str:
    return ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[day.weekday()]


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _cents(text: str) -> int:
    return int(text.replace(".", ""))


def _time(minutes: int) -> str:
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _rounded(value: Fraction, places: int) -> str:
    """Decimal notation, halves rounded away from zero."""
    scaled = int(abs(value) * 10**places + Fraction(1, 2))
    digits = str(scaled).rjust(places + 1, "0")
    sign = "-" if value < 0 and scaled else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else sign + digits


def _ints(text: str) -> list[int]:
    return [int(number) for number in text.split(", ")]


def _labels(text: str) -> list[str]:
    return re.split(r", | or ", text)


def _thing(plural: str, count: int) -> str:
    return f"{count:,} {plural}"


SHARED: dict[str, Slot] = {
    "name": bank.NAMES,
    "town": bank.TOWNS,
    "person": _joined(bank.TEMPERS, bank.ROLES),
    "firm": _joined(bank.FIRM_KINDS, bank.FIRMS),
    "when": bank.WHEN,
    "goods": bank.GOODS,
    "groups": bank.GROUPS,
    "event": bank.EVENTS,
    "venue": bank.VENUES,
    "guests": bank.GUESTS,
    "note": bank.NOTES,
    "ask": bank.ASKS,
    "trouble": bank.TROUBLES,
    "remedy": bank.REMEDIES,
    "customers": bank.CUSTOMERS,
    "deed": bank.DEEDS,
    "purpose": bank.PURPOSES,
    "audience": bank.AUDIENCES,
    "occasion": bank.OCCASIONS,
    "feedback": bank.FEEDBACK,
    "few": _whole(2, 12),
    "some": _whole(13, 96),
    "many": _whole(101, 999),
    "price": _price(40, 995),
    "clock": _clock(6, 20),
    "hours": _whole(2, 9),
    "quarter": _whole(5, 55, 5),
    "date": _dates(2012),
    "coming": _dates(2028),
    "sentence": Made(_sentence, r'[^"]+'),
    "words": _listed(bank.WORDS, 5, 8),
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
        "It is quiet at {firm} {when}, so {name} does what was left undone.",
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


def _row(rows: Mapping[str, str], draw: Draw) -> Pair:
    return draw.pick(list(rows.items()))


def _verdict(given: Given, holds: bool) -> str:
    return _labels(given.get("yesno") or given["truth"])[0 if holds else 1]


# 2) Word problems and other sums.


@_skill(
    "shopping",
    "{name} buys {few} {goods} at ${price} each and {few2} {goods2} at ${price2} each {when}. How much is that "
    "altogether?",
    "What does {person} pay at {firm} for {few} {goods} (${price} apiece) plus {few2} {goods2} (${price2} apiece)?",
    "Add up this order from {town}, with both subtotals: {few} {goods} at ${price} each, {few2} {goods2} at "
    "${price2} each.",
    weight=4,
)
def _shopping(given: Given, draw: Draw) -> Pair:
    few, few2, price, price2 = int(given["few"]), int(given["few2"]), _cents(given["price"]), _cents(given["price2"])
    first, second = few * price, few2 * price2
    return "", (
        f"The {given['goods']} cost {few} x ${_money(price)} = ${_money(first)} and the {given['goods2']} "
        f"{few2} x ${_money(price2)} = ${_money(second)}. Together that is ${_money(first + second)}."
    )


@_skill(
    "change",
    "At {firm}, {name} puts down a ${note} note for {few} {goods} at ${price} each. How much change is due?",
    "{^person} in {town} pays for {few} {goods}, ${price} each, with a ${note} note. Work out the change.",
    "How much of a ${note} note is left after {name} has bought {few} {goods} for ${price} apiece {when}?",
    few=_whole(2, 6),
    price=_price(40, 330),
    note=("20", "50", "100"),
)
def _change(given: Given, draw: Draw) -> Pair:
    cost = int(given["few"]) * _cents(given["price"])
    left = int(given["note"]) * 100 - cost
    return "", f"{given['few']} x ${given['price']} = ${_money(cost)}, so ${_money(left)} comes back."


@_skill(
    "sharing",
    "{name} divides {many} {goods} equally among {few} {groups} {when}. How many does each get, and how many are left?",
    "If {person} packs {many} {goods} into parcels of {some} for {event}, how many parcels are full, and what remains?",
    "{^firm} has {many} {goods} for {few} {groups}. Tell {name} how many each gets and how many stay behind.",
)
def _sharing(given: Given, draw: Draw) -> Pair:
    size = int(given["few"] if "few" in given else given["some"])
    each, left = divmod(int(given["many"]), size)
    what = "to each" if "few" in given else "full parcels"
    return "", f"{given['many']} / {size} = {each} remainder {left}: {each} {what}, and {left} left over."


@_skill(
    "journey",
    "A {vehicle} with {some} {goods} on board leaves {town} at {clock} and is under way for {hours} hours and "
    "{quarter} minutes. When does it arrive at {firm}?",
    "How far does {person} get by {vehicle} in {hours} hours and {quarter} minutes at {speed} "
    "kilometres an hour? {use}",
    "{name} sets out from {town} at {clock} {when}, drives {hours} hours and {quarter} minutes and rests "
    "{few} minutes at {firm}. Give the time of arrival.",
    vehicle=("night bus", "slow train", "ferry", "cargo barge", "delivery van", "camper van", "tram", "steam train"),
    speed=_whole(24, 96, 12),
)
def _journey(given: Given, draw: Draw) -> Pair:
    minutes = int(given["hours"]) * 60 + int(given["quarter"])
    if "speed" in given:
        distance = Fraction(int(given["speed"]) * minutes, 60)
        return "", f"{minutes} minutes at {given['speed']} km/h make {distance} kilometres."
    end = _minutes(given["clock"]) + minutes + int(given.get("few", 0))
    next_day = " on the next day" if end >= 24 * 60 else ""
    return "", f"{_time(end)}{next_day}"


@_skill(
    "end time",
    "{^event} {venue} opens at {clock}, lasts {hours} hours and {quarter} minutes and has a break of {few} "
    "minutes. When is it over for {guests}?",
    "Tell {guests} when they can leave: {name} starts at {clock}, speaks for {quarter} minutes, takes "
    "{quarter2} minutes of questions and shows slides of {town} for {some} minutes.",
    "{setting} The talk begins at {clock}; {quarter} minutes of speeches and {some} minutes of dancing "
    "follow. When does it end?",
)
def _end_time(given: Given, draw: Draw) -> Pair:
    keys = ("quarter", "quarter2", "some", "few")
    total = int(given.get("hours", 0)) * 60 + sum(int(given[key]) for key in keys if key in given)
    return "", f"That is {total} minutes in all, so the end is at {_time(_minutes(given['clock']) + total)}."


@_skill(
    "discount",
    "{^firm} in {town} takes {percent} percent off a {article} marked ${many}. What does {name} pay {when}?",
    "A {article} costs ${many}. {^person} in {town} has a voucher for {percent} percent and uses it {when}. "
    "What is the final price?",
    "By how many dollars does a {percent} percent sale lower the price of a {article}, now ${many}? {use}",
    percent=_whole(5, 65, 5),
    article=(
        "bookcase",
        "raincoat",
        "cello bow",
        "tent",
        "sewing machine",
        "winter coat",
        "rowing machine",
        "kiln",
        "sofa",
        "wheelbarrow",
    ),
)
def _discount(given: Given, draw: Draw) -> Pair:
    full, percent = int(given["many"]), int(given["percent"])
    saved = f"{percent}% of ${full} is ${_money(full * percent)}"
    if "use" in given:
        return "", f"{saved}, so the price falls by that much."
    return "", f"{saved}, so the price is ${_money(full * (100 - percent))}."


@_skill(
    "splitting a bill",
    "{name}, {name2} and {few} others share a bill of ${many} at {firm} in {town} {when}. They add a "
    "{percent} percent tip. What does each pay, to the cent?",
    "After {event}, {few} {groups} divide costs of ${many}.{cents} equally. How much is one share, to the cent? {use}",
    "{setting} The costs of ${many}.{cents} are split {few} ways. Give one share, rounded to the cent.",
    percent=_whole(5, 20),
    cents=_whole(10, 95, 5),
)
def _splitting(given: Given, draw: Draw) -> Pair:
    if "percent" not in given:
        share = Fraction(int(given["many"] + given["cents"]), 100 * int(given["few"]))
        return "", f"${given['many']}.{given['cents']} / {given['few']} = ${_rounded(share, 2)}"
    people, total = int(given["few"]) + 2, Fraction(int(given["many"]) * (100 + int(given["percent"])), 100)
    share = total / people
    return "", f"With the tip the bill is ${_rounded(total, 2)}; {people} people pay ${_rounded(share, 2)} each."


@_skill(
    "percentage change",
    "{^firm} in {town} counted {many} {customers} in {month} and {many2} in {month2}. By what percentage did "
    "the number change, to one decimal?",
    "The number of {customers} moved from {many} to {many2}. Express that as a percentage change with one "
    "decimal. {use}",
    "{name} saw {many} {customers} last year and {many2} this year. Write one sentence for {person} in {town} "
    "that gives the change in percent (one decimal).",
    month=bank.MONTHS,
)
def _percentage_change(given: Given, draw: Draw) -> Pair:
    old, new = int(given["many"]), int(given["many2"])
    if old == new:
        return "", f"The number of {given['customers']} stayed the same, a change of 0.0%."
    moved = "rose" if new > old else "fell"
    change = _rounded(Fraction(abs(new - old) * 100, old), 1)
    return "", f"The number of {given['customers']} {moved} from {old} to {new}, by {change}%."


UNITS: dict[str, Fraction] = {
    "pounds to kilograms": Fraction("0.45359237"),
    "ounces to grams": Fraction("28.349523125"),
    "miles to kilometres": Fraction("1.609344"),
    "feet to metres": Fraction("0.3048"),
    "inches to centimetres": Fraction("2.54"),
    "yards to metres": Fraction("0.9144"),
    "litres to millilitres": Fraction(1000),
    "hours to minutes": Fraction(60),
    "nautical miles to kilometres": Fraction("1.852"),
    "acres to square metres": Fraction("4046.8564224"),
    "days to hours": Fraction(24),
    "centimetres to inches": 1 / Fraction("2.54"),
    "kilometres to miles": 1 / Fraction("1.609344"),
    "kilograms to pounds": 1 / Fraction("0.45359237"),
}


@_skill(
    "units",
    "Convert {some}.{digit} {units} for {person} {purpose}, with two decimals.",
    "{name} asks {when}: what do I get when I change {many} {units}? Round to two decimals.",
    "Help {person} in {town} {purpose}: turn {some}.{digit} {units} (two decimals).",
    "From {units}, please: {some}, {many} and {few}, each with two decimals, for {person} at {firm}.",
    units=tuple(UNITS),
    digit=_whole(1, 9),
)
def _units(given: Given, draw: Draw) -> Pair:
    old, new = given["units"].split(" to ")
    amounts = [given[key] for key in ("some", "many", "few") if key in given]
    if "digit" in given:
        amounts = [f"{given['some']}.{given['digit']}"]
    results = (f"{one} {old} = {_rounded(Fraction(one) * UNITS[given['units']], 2)} {new}" for one in amounts)
    return "", "\n".join(results)


@_skill(
    "temperature",
    "The thermometer of {person} in {town} shows {degrees} degrees Fahrenheit {when}. What is that in "
    "Celsius, to one decimal?",
    "A recipe for {dish} wants an oven of {oven} degrees Celsius. Which Fahrenheit setting is right? {use}",
    "{setting} The kiln shows {degrees} degrees Fahrenheit. Give the temperature in Celsius with one decimal.",
    degrees=_whole(20, 110),
    oven=_whole(120, 250, 5),
    dish=bank.DISHES,
    weight=2,
)
def _temperature(given: Given, draw: Draw) -> Pair:
    if "degrees" in given:
        celsius = _rounded(Fraction((int(given["degrees"]) - 32) * 5, 9), 1)
        return "", f"({given['degrees']} - 32) x 5/9 = {celsius} degrees Celsius"
    return "", f"{given['oven']} x 9/5 + 32 = {int(given['oven']) * 9 // 5 + 32} degrees Fahrenheit"


@_skill(
    "statistics",
    "{^firm} noted these numbers of {customers}: {row}. What is their {measure}?",
    "Find the {measure} of {row}, which {person} in {town} wrote down {when}.",
    "{name} wants one number, the {measure}, out of this row of {customers}: {row}.",
    row=_numbers(5, 9, 3, 99),
    measure=("mean, to one decimal", "median", "range", "total", "largest value", "smallest value"),
    weight=4,
)
def _statistics(given: Given, draw: Draw) -> Pair:
    row, measure = sorted(_ints(given["row"])), given["measure"]
    half = len(row) // 2
    answers: dict[str, Callable[[], str]] = {
        "mean, to one decimal": lambda: _rounded(Fraction(sum(row), len(row)), 1),
        "median": lambda: str(row[half]) if len(row) % 2 else _rounded(Fraction(row[half - 1] + row[half], 2), 1),
        "range": lambda: f"{row[-1]} - {row[0]} = {row[-1] - row[0]}",
        "total": lambda: str(sum(row)),
        "largest value": lambda: str(row[-1]),
        "smallest value": lambda: str(row[0]),
    }
    return "", answers[measure]()


@_skill(
    "ages",
    "{name} is {some} years old and {name2}, {person} from {town}, is {few} years younger. How old will both "
    "be together in {few2} years?",
    "{setting} {few} years ago {name} was {some}. How old will {name} be in {few2} years?",
    "When {name} turned {some}, {name2} was {few} years older. What age will {name2} reach {few2} years after "
    "that? {use}",
    weight=2,
)
def _ages(given: Given, draw: Draw) -> Pair:
    few, few2, age = int(given["few"]), int(given["few2"]), int(given["some"])
    if "setting" in given:
        return "", f"{given['name']} is {age + few} now and will be {age + few + few2} then."
    if "person" in given:
        return "", f"{age + few2} + {age - few + few2} = {2 * age - few + 2 * few2} years"
    return "", f"{age} + {few} + {few2} = {age + few + few2} years"


@_skill(
    "area and fence",
    "{^person} wants to fence {plot} {venue}, {some} metres long and {few} metres wide. What does that cost "
    "at ${price} a metre?",
    "What is the area of {plot} that measures {some} by {few} metres, and how many {goods} does {name} need "
    "{when} at {few2} to the square metre?",
    "{name} lays out {plot} of {some} by {some2} metres. Give its perimeter and its area. {use}",
    plot=(
        "a vegetable bed",
        "a dog run",
        "a skating rink",
        "a playground",
        "a herb garden",
        "a paddock",
        "a dance floor",
        "a tent site",
    ),
)
def _area(given: Given, draw: Draw) -> Pair:
    length, width = int(given["some"]), int(given.get("few", given.get("some2", 0)))
    around, area = 2 * (length + width), length * width
    if "price" in given:
        cost = _money(around * _cents(given["price"]))
        return "", f"The fence is 2 x ({length} + {width}) = {around} metres long and costs ${cost}."
    if "goods" in given:
        return "", f"The area is {area} square metres, which takes {_thing(given['goods'], area * int(given['few2']))}."
    return "", f"The perimeter is {around} metres and the area {area:,} square metres."


@_skill(
    "simple interest",
    "{name} lends {person} in {town} ${many} {when} at {few} percent simple interest a year. How much is owed "
    "after {few2} years?",
    "How much simple interest do ${many} earn in {few2} years at {few} percent? {^person} in {town} saves for "
    "{event} {venue}.",
    weight=2,
)
def _interest(given: Given, draw: Draw) -> Pair:
    sum_, rate, years = int(given["many"]), int(given["few"]), int(given["few2"])
    interest = sum_ * rate * years
    gained = f"The interest is ${sum_} x {rate}% x {years} = ${_money(interest)}"
    return "", f"{gained}." if "event" in given else f"{gained}, so ${_money(sum_ * 100 + interest)} is owed."


@_skill(
    "scaling a recipe",
    "{^meal} for {few} people takes {many} grams of {ingredient} and {some} grams of {ingredient2}. How much of each "
    "does {person} need {when} for {fewer} people?",
    "{setting} {^meal} for {few} people takes {many} grams of {ingredient}. How many grams are needed for {fewer}, "
    "rounded?",
    "{name} from {town} cooks for {event}. If {few} portions need {many} grams of {ingredient}, what do {fewer} "
    "portions "
    "need, to the gram?",
    meal=bank.MEALS,
    ingredient=bank.INGREDIENTS,
    fewer=_whole(13, 40),
)
def _scaling(given: Given, draw: Draw) -> Pair:
    factor = Fraction(int(given["fewer"]), int(given["few"]))
    amounts = [f"{_rounded(int(given['many']) * factor, 0)} g of {given['ingredient']}"]
    if "ingredient2" in given:
        amounts.append(f"{_rounded(int(given['some']) * factor, 0)} g of {given['ingredient2']}")
    return "", f"About {' and '.join(amounts)}."


def _progression(draw: Draw) -> str:
    start, step = draw.whole(2, 40), draw.whole(2, 9)
    if draw.chance(0.3):
        return ", ".join(str(start * min(step, 4) ** place) for place in range(4))
    return ", ".join(str(start + step * place) for place in range(draw.whole(4, 6)))


@_skill(
    "next number",
    "{^person} labels {goods} with {row}, and so on. Which number comes next, and by what rule?",
    "Each evening {name} in {town} writes one number on the wall: {row}. Continue the sequence with one more "
    "number and say why.",
    "What follows {row} in the row of tickets that {firm} printed {when}?",
    row=Made(_progression, r"\d+(?:, \d+)+"),
)
def _next_number(given: Given, draw: Draw) -> Pair:
    row = _ints(given["row"])
    step = row[1] - row[0]
    if row[2] - row[1] == step:
        return "", f"{row[-1] + step}, because each number is {step} more than the one before."
    factor = row[1] // row[0]
    return "", f"{row[-1] * factor}, because each number is {factor} times the one before."


_ROMAN = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"),
    (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip


def _roman(number: int) -> str:
    written = ""
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        written += letters * count
    return written


@_skill(
    "Roman numerals",
    "{^person} finds {roman} carved above a door {venue} in {town} {when}. Which year is meant?",
    "Write the year {year}, in which {name} thinks {firm} in {town} was founded, in Roman numerals. {use}",
    "{setting} An old clock is dated {roman}. Write the year in ordinary digits.",
    roman=Made(lambda draw: _roman(draw.whole(1400, 1999)), "[MDCLXVI]+"),
    year=_whole(1400, 1999),
    weight=2,
)
def _roman_numerals(given: Given, draw: Draw) -> Pair:
    if "year" in given:
        return "", _roman(int(given["year"]))
    return "", next(str(year) for year in range(1400, 2000) if _roman(year) == given["roman"])


# 3) Lists, letters and the calendar.


@_skill(
    "sorting numbers",
    "Put the numbers of {customers} that {person} noted {when} in {order} order: {row}.",
    "{name} from {firm} needs these door numbers in {order} order: {row}.",
    "Which order, {order}, results for {row}? {^person} in {town} wants the numbers separated by commas.",
    order=("ascending", "descending"),
    row=_numbers(6, 10, 3, 299),
)
def _sorting_numbers(given: Given, draw: Draw) -> Pair:
    row = sorted(_ints(given["row"]), reverse=given["order"] == "descending")
    return "", ", ".join(map(str, row))


_ORDERS: dict[str, tuple[Callable[[str], str | int], bool]] = {
    "alphabetically": (str, False),
    "in reverse alphabetical order": (str, True),
    "from the shortest to the longest": (len, False),
    "by their last letter": (lambda word: word[-1], False),
}


@_skill(
    "sorting words",
    "Arrange these cards of {person} {order}, and leave ties as they stand: {words}.",
    "{name} sorts vocabulary {order} {when} (equal words keep their place). What comes of {words}?",
    "How would {firm} list {words} if it had to print them {order}, ties in the given order?",
    order=tuple(_ORDERS),
)
def _sorting_words(given: Given, draw: Draw) -> Pair:
    key, reverse = _ORDERS[given["order"]]
    return "", ", ".join(sorted(given["words"].split(", "), key=key, reverse=reverse))


def _repeating(draw: Draw) -> str:
    once = draw.sample(bank.WORDS, draw.whole(4, 6))
    return ", ".join(draw.shuffled(once + draw.sample(once, 2)))


@_skill(
    "removing repeats",
    "{^person} typed some words twice: {row}. Give the list without repeats, in the order of first appearance.",
    "Strike out everything that was said before from the list of {name} in {town}: {row}.",
    "Which different words stand in {row}, and how many are there? {^firm} prints each only once.",
    row=Made(_repeating, r"[a-z]+(?:, [a-z]+)+"),
)
def _removing_repeats(given: Given, draw: Draw) -> Pair:
    once = list(dict.fromkeys(given["row"].split(", ")))
    return "", ", ".join(once) + (f" ({len(once)} words)" if "firm" in given else "")


@_skill(
    "picking from a list",
    "From the words {words}, copy only those that {test}, for a game by {person}.",
    "{name} reads out {words} {when}. Which of them {test}? Write none if there is none.",
    "Count how many entries of this list from {firm} {test}, and name them: {words}.",
    test=(
        "contain the letter a",
        "have exactly six letters",
        "end in n",
        "start with a letter before m",
        "contain a double letter",
    ),
)
def _picking(given: Given, draw: Draw) -> Pair:
    tests: dict[str, Callable[[str], bool]] = {
        "contain the letter a": lambda word: "a" in word,
        "have exactly six letters": lambda word: len(word) == 6,
        "end in n": lambda word: word.endswith("n"),
        "start with a letter before m": lambda word: word[0] < "m",
        "contain a double letter": lambda word: any(a == b for a, b in pairwise(word)),
    }
    found = [word for word in given["words"].split(", ") if tests[given["test"]](word)]
    names = ", ".join(found) or "none"
    return "", f"{len(found)}: {names}" if "firm" in given else names


_TEXT_WORK: dict[str, Callable[[str], str]] = {
    "Count the words": lambda text: str(len(text.split())),
    "Count the vowels": lambda text: str(sum(letter in "aeiou" for letter in text.lower())),
    "Reverse the order of the words": lambda text: " ".join(reversed(text.rstrip(".").split())),
    "Give the longest word (the first, if several)": lambda text: max(re.findall(r"[\w']+", text), key=len),
    "Write the first letter of each word, without spaces,": lambda text: "".join(word[0] for word in text.split()),
    "Replace every e by an asterisk": lambda text: text.replace("e", "*"),
    "Set everything in capital letters": str.upper,
    "Leave out every vowel": lambda text: " ".join(re.sub("[aeiouAEIOU]", "", text).split()),
    "Put a hyphen for every space": lambda text: text.replace(" ", "-"),
}


@_skill(
    "letters and words",
    '{work} in the sentence "{sentence}"',
    '{work} for {name}, who wrote in the diary {when}: "{sentence}"',
    'A puzzle from {town}: "{sentence}" {work} in this line.',
    '{^person} dictates "{sentence}" What is the result of this step: {work}?',
    work=tuple(_TEXT_WORK),
    weight=5,
)
def _letters(given: Given, draw: Draw) -> Pair:
    return "", _TEXT_WORK[given["work"]](given["sentence"])


@_skill(
    "counting a letter",
    'In "{sentence}", how many times does the letter {letter} occur? {use}',
    '{name} bets {person} that "{sentence}" holds the letter {letter} more than three times. Count them and '
    "say who is right.",
    letter=tuple("aeinorst"),
)
def _counting(given: Given, draw: Draw) -> Pair:
    count = given["sentence"].lower().count(given["letter"])
    if "name" in given:
        return "", f"It occurs {count} times, so {given['name']} is {'right' if count > 3 else 'wrong'}."
    return "", str(count)


@_skill(
    "date arithmetic",
    "{name}, {person}, {deed} on {date}. What date was it {some} days later?",
    "{^person} in {town} must answer within {some} days of {coming}. What is the last possible day? {use}",
    "Count back {some} days from {coming}, when {event} takes place {venue}. On which date do the "
    "preparations for {guests} begin?",
    "The guarantee of {firm} in {town} runs {many} days from {coming}. When does it end, and on what day of the week?",
    weight=4,
)
def _date_arithmetic(given: Given, draw: Draw) -> Pair:
    days = timedelta(days=int(given.get("many", given.get("some", 0))))
    day = _read_day(given.get("date") or given["coming"]) + (-days if "event" in given else days)
    return "", f"{_day(day)}, a {_weekday(day)}" if "firm" in given else _day(day)


@_skill(
    "weekday",
    "On which day of the week does {coming} fall? {name} from {town} plans {event} {venue}.",
    "{name}, {person}, {deed} on {date}. Which weekday was that?",
    "{setting} Name the weekday of {coming}, and of the day {few} days after it.",
)
def _weekday_of(given: Given, draw: Draw) -> Pair:
    day = _read_day(given.get("date") or given["coming"])
    if "few" in given:
        later = day + timedelta(days=int(given["few"]))
        return "", f"{given['coming']} is a {_weekday(day)}, and {given['few']} days later it is a {_weekday(later)}."
    return "", _weekday(day)


@_skill(
    "days between",
    "How many days lie between {date}, when {name} {deed}, and {date2}, when {name2} {deed2}?",
    "{name} {deed} on {date}, {name2} on {date2}. Who was first, and by how many days?",
    "Compute the distance in days from {coming} to {coming2} for {firm}. {use}",
)
def _days_between(given: Given, draw: Draw) -> Pair:
    key = "date" if "date" in given else "coming"
    first, second = _read_day(given[key]), _read_day(given[key + "2"])
    days = abs((second - first).days)
    if "name2" not in given or "deed2" in given:
        return "", f"{days} days"
    if not days:
        return "", "Neither: it was the same day."
    return "", f"{given['name' if first < second else 'name2']} was first, by {days} days."


# 4) Getting data out of sentences, and into shape.


def _order(draw: Draw) -> dict[str, str]:
    return {
        "name": f"{draw.pick(bank.NAMES)} {draw.pick(bank.SURNAMES)}",
        "item": draw.pick(bank.GOODS),
        "quantity": str(draw.whole(2, 40)),
        "town": draw.pick(bank.TOWNS),
        "date": _value(SHARED["date"], draw),
        "price": f"${_money(draw.whole(300, 9_000))}",
    }


def _order_sentence(order: Given, draw: Draw) -> str:
    return draw.pick(
        (
            "On {date}, {name} from {town} ordered {quantity} {item} for {price}.",
            "{name} ({town}) wants {quantity} {item}; the {price} were paid on {date}.",
            "We sent {quantity} {item} to {name} in {town} on {date} and charged {price}.",
        )
    ).format(**order)


_FIELDS = ("name", "item", "quantity", "town", "date", "price")
_WANTED = {
    "the full name": "name",
    "the name of the town": "town",
    "the date": "date",
    "the amount of money": "price",
    "the kind of goods": "item",
    "the number of pieces": "quantity",
}


@_skill(
    "extraction",
    "{^firm} receives orders by email. Take {wanted} out of the message, and nothing else. {use}",
    "Read the delivery note and copy {wanted} and {wanted2}, separated by a semicolon. {use}",
    "{setting} From the order note, take {wanted} and {wanted2}, with a semicolon between them.",
    "{name} in {town} keeps records for {person} {when}. Find {wanted}, {wanted2} and {wanted3} in the entry, "
    "one a line.",
    wanted=tuple(_WANTED),
    weight=4,
)
def _extraction(given: Given, draw: Draw) -> Pair:
    order = _order(draw)
    found = [order[_WANTED[given[key]]] for key in ("wanted", "wanted2", "wanted3") if key in given]
    return _order_sentence(order, draw), ("\n" if len(found) == 3 else "; ").join(found)


_FIELD_LIST = Made(lambda draw: ", ".join(draw.sample(_FIELDS, draw.whole(3, 4))), r"[a-z]+(?:, [a-z]+)+")


@_skill(
    "JSON",
    "{setting} Turn the order note into a JSON object with the keys {fields}, all values as strings.",
    "Write the sentence as JSON with string values and the keys {fields}. {use}",
    "One line of JSON, please, made of this entry: keys {fields}, values as text. {use}",
    fields=_FIELD_LIST,
)
def _json(given: Given, draw: Draw) -> Pair:
    order = _order(draw)
    return _order_sentence(order, draw), json.dumps({key: order[key] for key in given["fields"].split(", ")})


@_skill(
    "table row",
    "Write the order as {shape} with the fields {fields}. {use}",
    "{setting} Turn the note into {shape}, with {fields} in this order.",
    "{name} in {town} wants {shape} out of the message, fields {fields}, for {person}.",
    fields=_FIELD_LIST,
    shape=("CSV with a header", "a Markdown table", "lines of the form key: value"),
)
def _table(given: Given, draw: Draw) -> Pair:
    order, keys = _order(draw), given["fields"].split(", ")
    sentence, row = _order_sentence(order, draw), [order[key] for key in keys]
    if given["shape"].startswith("CSV"):
        return sentence, f"{','.join(keys)}\n{','.join(row)}"
    if given["shape"] == "a Markdown table":
        lines = [keys, ["---"] * len(keys), row]
        return sentence, "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return sentence, "\n".join(f"{key}: {value}" for key, value in zip(keys, row, strict=True))


@_skill(
    "guest list",
    "List the people in the message about {event}, in alphabetical order of their surnames. {use}",
    "{setting} How many people does the note mention, and who are they?",
)
def _guest_list(given: Given, draw: Draw) -> Pair:
    firsts, lasts = draw.sample(bank.NAMES, 4), draw.sample(bank.SURNAMES, 4)
    people = [f"{first} {last}" for first, last in zip(firsts, lasts, strict=True)][: draw.whole(3, 4)]
    text = f"{people[0]} will arrive early, {people[1]} brings the drinks, and {people[2]} asks for a ride."
    if len(people) == 4:
        text += f" {people[3]} cannot come."
    if "setting" in given:
        return text, f"{len(people)}: {', '.join(people)}"
    return text, "\n".join(sorted(people, key=lambda person: person.split()[1]))


# 5) Code.

_PYTHON: dict[str, tuple[str, str]] = {
    "returns the even numbers of a list": ("numbers", "return [n for n in numbers if n % 2 == 0]"),
    "counts the vowels of a string": ("text", 'return sum(letter in "aeiou" for letter in text.lower())'),
    "says whether a string reads the same backwards": ("text", "return text == text[::-1]"),
    "returns the sum of the squares of a list": ("numbers", "return sum(n * n for n in numbers)"),
    "removes repeats from a list and keeps the order": ("items", "return list(dict.fromkeys(items))"),
    "returns the second largest of the different numbers in a list": (
        "numbers", "return sorted(set(numbers))[-2]"),
    "turns a list of names into one comma-separated string": ("names", 'return ", ".join(names)'),
    "counts how often each word of a text occurs": (
        "text",
        "counts = {}\n    for word in text.split():\n        counts[word] = counts.get(word, 0) + 1\n    return counts",
    ),
    "computes the factorial of a whole number": (
        "n", "result = 1\n    for factor in range(2, n + 1):\n        result *= factor\n    return result"),
    "says whether a year is a leap year": ("year", "return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)"),
    "returns the longest word of a sentence": ("sentence", "return max(sentence.split(), key=len)"),
    "turns degrees Fahrenheit into Celsius": ("degrees", "return (degrees - 32) * 5 / 9"),
    "returns the average of a list, or None if it is empty": (
        "numbers", "return sum(numbers) / len(numbers) if numbers else None"),
    "swaps the keys and values of a dictionary": (
        "mapping", "return {value: key for key, value in mapping.items()}"),
    "flattens a list of lists by one level": ("lists", "return [item for part in lists for item in part]"),
    "reverses the order of the words in a sentence": ("sentence", 'return " ".join(reversed(sentence.split()))'),
    "returns the common items of two lists": (
        "first, second", "return [item for item in first if item in second]"),
    "checks that all brackets of a string are balanced": (
        "text",
        "depth = 0\n    for letter in text:\n        depth += (letter == '(') - (letter == ')')\n"
        "        if depth < 0:\n            return False\n    return depth == 0",
    ),
}  # fmt: skip


@_skill(
    "Python function",
    "Write a Python function called {function}_{noun} that {does}. {use}",
    "{^firm} in {town} needs Python code: a function {function}_{noun} that {does}. Add a docstring for "
    "{name}, {person}.",
    "{setting} How would you define {function}_{noun} in Python, a function that {does}?",
    "Show {name}, {person}, the shortest clear Python function that {does}; call it {function}_{noun}.",
    function=bank.FUNCTION_VERBS,
    noun=("data", "entry", "values", "input", "record", "order", "notes", "batch"),
    does=tuple(_PYTHON),
)
def _python(given: Given, draw: Draw) -> Pair:
    parameters, body = _PYTHON[given["does"]]
    doc = f'    """{_capital(given["does"])}."""\n' if "firm" in given else ""
    return "", f"def {given['function']}_{given['noun']}({parameters}):\n{doc}    {body}"


_COLUMNS = ("name", "town", "price", "year", "quantity", "colour")


@_skill(
    "SQL query",
    "Write an SQL query that lists {column} and {column2} from the table {table} where {column3} is {test} "
    "{some}, {sorted} by {column4}. {name} needs it {when}.",
    "{^firm} in {town} keeps its stock in the table {table}. Which SQL statement counts the rows whose "
    "{column} is {test} {many}? {name} needs it {when}.",
    "{setting} Write SQL for the average {amount} of {table} in each {group}, only for groups with {size} {few} rows.",
    "{name}, {person}, needs SQL that sets {amount} to {some} in {table} where {group} is '{town}' and "
    "{column} is {test} {few}.",
    column=("price", "age", "quantity", "weight", "rating", "stock"),
    amount=("price", "quantity", "weight", "rating"),
    group=("town", "supplier", "region", "branch"),
    size=("more than", "fewer than", "at least", "at most"),
    table=("orders", "members", "bicycles", "rooms", "parcels", "seedlings", "bookings", "teapots", "courses", "boats"),
    test=("above", "below", "at least", "at most"),
    sorted=("sorted in ascending order", "sorted in descending order"),
)
def _sql(given: Given, draw: Draw) -> Pair:
    signs = {"above": ">", "below": "<", "more than": ">", "fewer than": "<", "at least": ">=", "at most": "<="}
    sign = signs[given["test" if "test" in given else "size"]]
    table = given["table"]
    if "sorted" in given:
        way = "DESC" if "descending" in given["sorted"] else "ASC"
        return "", (
            f"SELECT {given['column']}, {given['column2']} FROM {table} "
            f"WHERE {given['column3']} {sign} {given['some']} ORDER BY {given['column4']} {way};"
        )
    if "firm" in given:
        return "", f"SELECT COUNT(*) FROM {table} WHERE {given['column']} {sign} {given['many']};"
    amount, group = given["amount"], given["group"]
    if "size" in given:
        return "", f"SELECT {group}, AVG({amount}) FROM {table} GROUP BY {group} HAVING COUNT(*) {sign} {given['few']};"
    where = f"{group} = '{given['town']}' AND {given['column']} {sign} {given['few']}"
    return "", f"UPDATE {table} SET {amount} = {given['some']} WHERE {where};"


_REGEXES = {
    "a date such as 2026-03-14": r"\d{4}-\d{2}-\d{2}",
    "a clock time such as 17:45": r"([01]\d|2[0-3]):[0-5]\d",
    "a price in dollars such as $12.50": r"\$\d+\.\d{2}",
    "a German postcode of five digits": r"\d{5}",
    "a hexadecimal colour such as #a0ff3c": r"#[0-9a-fA-F]{6}",
    "a word that begins with a capital letter": r"[A-Z][a-z]*",
    "a whole number with an optional minus sign": r"-?\d+",
    "a simple email address": r"[\w.+-]+@[\w-]+\.[\w.-]+",
    "a number plate of two letters, a hyphen and three digits": r"[A-Z]{2}-\d{3}",
    "a Twitter-style tag such as #spring": r"#\w+",
    "an order number such as A-10422": r"[A-Z]-\d{5}",
    "a percentage such as 7.5%": r"\d+(\.\d+)?%",
}


@_skill(
    "regular expression",
    "{setting} Find a regular expression that matches {target}.",
    "{^firm} in {town} wants to search its notes {when} for {target}. Which regular expression does it?",
    "What regular expression checks that a whole text is exactly {target}? {use}",
    target=tuple(_REGEXES),
)
def _regex(given: Given, draw: Draw) -> Pair:
    pattern = _REGEXES[given["target"]]
    return "", f"^{pattern}$" if "use" in given else pattern


# 6) Rewriting.


@_skill(
    "politeness",
    "{^person} is about to send this line to {guests} {when}. Make it more polite without changing what it says.",
    "{name} works for {firm} in {town} and sounds too blunt. Rephrase the sentence courteously, for {guests}.",
    "{setting} How could the following be put more kindly? One sentence is enough.",
    "Soften this remark, which {name} heard {venue} in {town}, so that even {person} would not mind it.",
)
def _politeness(given: Given, draw: Draw) -> Pair:
    return _row(bank.POLITE, draw)


@_skill(
    "formal style",
    "Rewrite the message in a formal style, since {person} will send it to {guests} {when}.",
    "{setting} The draft below is too casual. Put it into formal language.",
    "Lift the tone of this note: it must be free of slang. {use}",
)
def _formal(given: Given, draw: Draw) -> Pair:
    return _row(bank.FORMAL, draw)


def _third_person(verb: str) -> str:
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(("sh", "ch", "s")) else "s")


@_skill(
    "change of tense",
    "Put the sentence into the {tense}. {use}",
    "{name} learns English in {town} with {person} {when}. Change the verb of the example to the {tense}.",
    "What does this line from a story about {event} {venue} look like in the {tense}? {^person} wants to know.",
    tense=("simple past", "simple present", "future with will"),
)
def _tense(given: Given, draw: Draw) -> Pair:
    verb, past = _row(bank.PAST_VERBS, draw)
    forms = {"simple past": past, "simple present": _third_person(verb), "future with will": f"will {verb}"}
    source = draw.pick([tense for tense in forms if tense != given["tense"]])
    subject, rest = _capital(draw.pick(bank.SUBJECTS)), f"{draw.pick(bank.OBJECTS)} {draw.pick(PLAIN_SPOTS)}."
    return f"{subject} {forms[source]} {rest}", f"{subject} {forms[given['tense']]} {rest}"


PLAIN_SPOTS = bank.SPOTS[:23]


@_skill(
    "active and passive",
    "Turn the active sentence into the passive. {use}",
    "{name} edits the newsletter of {firm} in {town} {when}. Rewrite the sentence with the object first, in "
    "the passive voice.",
    "{setting} What is the passive form of this sentence?",
)
def _passive(given: Given, draw: Draw) -> Pair:
    past = draw.pick(list(bank.PAST_VERBS.values()))
    subject, thing, spot = draw.pick(bank.SUBJECTS), draw.pick(bank.OBJECTS), draw.pick(PLAIN_SPOTS)
    participle = bank.PARTICIPLES.get(past, past)
    return (
        f"{_capital(subject)} {past} {thing} {spot}.",
        f"{_capital(thing)} was {participle} by {subject} {spot}.",
    )


@_skill(
    "correcting grammar",
    "{^person} in {town} wrote this sentence {when}. Correct the grammar and change as little as possible.",
    "{setting} Find the mistake in the homework and write the sentence correctly.",
    "Before {firm} in {town} prints it on a poster for {event} {venue}, repair the error in this line.",
    "What has to be changed to make this sentence good English? Give the whole sentence. {use}",
)
def _grammar(given: Given, draw: Draw) -> Pair:
    return _row(bank.ERRORS, draw)


@_skill(
    "summary",
    "Sum up the notice in one sentence for {guests}, as {person} in {town} would do {when}.",
    "{setting} There is room for only one line on the screen. Shorten the announcement to a single sentence.",
    "What is the gist of this message? Reply in one sentence. {use}",
    "Boil the paragraph down to its main point for {name}, {person}, who reads it {when} on a small phone.",
)
def _summary(given: Given, draw: Draw) -> Pair:
    event, venue, note = draw.pick(bank.EVENTS), draw.pick(bank.VENUES), draw.pick(bank.NOTES)
    ask, trouble, clock = draw.pick(bank.ASKS), draw.pick(bank.TROUBLES), _time(draw.whole(100, 240) * 5)
    day, new = draw.sample(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), 2)
    long = (
        f"As many of you know, we had planned {event} {venue} for {day}. Unfortunately {trouble}, and so we have to "
        f"move "
        f"it to {new} at {clock}. All tickets stay valid. Please note that {note}, and remember to {ask}."
    )
    return long, f"{_capital(event)} {venue} moves from {day} to {new} at {clock}, because {trouble}."


@_skill(
    "headline",
    "Find a headline of at most twelve words for the report that {person} sent from {town} {when}.",
    "{setting} The weekly paper prints the story below. Write a short headline in the present tense.",
    "What heading would suit this piece of news? {use}",
)
def _headline(given: Given, draw: Draw) -> Pair:
    verb, past = _row(bank.PAST_VERBS, draw)
    subject, thing, town = draw.pick(bank.SUBJECTS), draw.pick(bank.OBJECTS), draw.pick(bank.TOWNS)
    text = f"{_capital(subject)} {past} {thing} in {town} on Sunday. Nobody was hurt, but the police asked questions."
    short = (re.sub(r"^(the|a|an|my|our) ", "", words) for words in (subject, thing))
    who, what = short
    return text, f"{_capital(who)} {_third_person(verb)} {what} in {town}"


@_skill(
    "translation",
    "Translate the sentence into {language} for {person}, who is in {town} {when}.",
    "{^firm} greets visitors from abroad {when}. Put this line into {language}, so that {name} can read it to "
    "{guests}.",
    "{setting} How does one say the following in {language}?",
    language=tuple(bank.LANGUAGES),
)
def _translation(given: Given, draw: Draw) -> Pair:
    place = draw.whole(0, len(bank.PHRASES) - 1)
    return bank.PHRASES[place], bank.LANGUAGES[given["language"]][place]


# 7) Short texts that weave in what the instruction names.


@_skill(
    "invitation",
    "Write an invitation to {event} {venue} for {guests}. Mention that {note}, and ask them to {ask}.",
    "{^person} invites {guests} to {event}. Draft the card: it says that {note} and starts at {clock}.",
    "Could you word a friendly invitation from {name} in {town} to {event} {venue}? Guests should {ask}.",
    weight=5,
)
def _invitation(given: Given, draw: Draw) -> Pair:
    lines = [f"Dear {given.get('guests', 'friends')},", f"You are warmly invited to {given['event']}"]
    lines[1] += f" {given['venue']}" if "venue" in given else ""
    lines[1] += f", starting at {given['clock']}." if "clock" in given else "."
    if "note" in given:
        lines.append(f"Please note that {given['note']}.")
    if "ask" in given:
        lines.append(f"We kindly ask you to {given['ask']}.")
    lines.append(f"We look forward to seeing you!{' ' + given['name'] if 'name' in given else ''}")
    return "", "\n".join(lines)


@_skill(
    "thank-you note",
    "Write a short thank-you note from {name} to {person} for {favour}, and promise {touch} in return.",
    "{name} wants to thank {relative} for {favour} {when}. Compose three warm sentences that mention {touch}.",
    "How might {firm} thank {name} for {favour}? The note comes with {touch}.",
    favour=bank.FAVOURS,
    touch=bank.TOUCHES,
    relative=bank.RELATIVES,
    weight=4,
)
def _thanks(given: Given, draw: Draw) -> Pair:
    sender = _capital(given["firm"]) if "firm" in given else given["name"]
    opening = f"Dear {given['name']},\n" if "firm" in given else ""
    return "", (
        f"{opening}Thank you so much for {given['favour']}. It was a great help, and it will not be forgotten. "
        f"Please accept {given['touch']} as a small sign of our gratitude.\n{sender}"
    )


@_skill(
    "apology",
    "{^firm} must apologise to {guests} because {trouble}. Write the message and offer {remedy}.",
    "Draft an apology from {person} to {name}: {trouble} {when}. Suggest {remedy}.",
    "What should {firm} in {town} tell a customer whose day was spoilt because {trouble}? Offer {remedy} and stay "
    "brief.",
    weight=5,
)
def _apology(given: Given, draw: Draw) -> Pair:
    to = given.get("name") or given.get("guests", "customer")
    return "", (
        f"Dear {to},\nWe are very sorry: {given['trouble']}, and you had the inconvenience. "
        f"To make up for it, we would like to offer you {given['remedy']}. "
        "We have taken steps so that this does not happen again."
    )


@_skill(
    "product description",
    "Describe {product} for the catalogue of {firm} in two sentences; say that it {feature} and {feature2}.",
    "{^person} sells {product} that {feature}. Write an advertisement for {guests} that also says it {feature2}.",
    "Why should {guests} buy {product}? Persuade them in a short text; the product {feature} and {feature2}.",
    product=bank.PRODUCTS,
    feature=bank.FEATURES,
    weight=5,
)
def _product(given: Given, draw: Draw) -> Pair:
    name = re.sub("^an? ", "", given["product"])
    target = f" A good choice for {given['guests']}." if "guests" in given else ""
    return "", (
        f"Meet our {name}: it {given['feature']}, and it {given['feature2']}.{target} "
        "Try it once and you will not want to be without it."
    )


@_skill(
    "notice",
    "Write a notice to hang {venue} for {guests}: {trouble}, and {note}. Readers are asked to {ask}.",
    "{^firm} in {town} has to tell {guests} that {trouble}. Put up a sign that also asks people to {ask}.",
    "{name} needs a sign {venue} because {trouble}. It should inform {guests} that {note}.",
    weight=5,
)
def _notice(given: Given, draw: Draw) -> Pair:
    lines = ["NOTICE", f"Unfortunately {given['trouble']}."]
    if "note" in given:
        lines.append(f"Please note: {given['note']}.")
    if "ask" in given:
        lines.append(f"We kindly ask you to {given['ask']}.")
    return "", "\n".join([*lines, "Thank you for your understanding."])


@_skill(
    "out-of-office reply",
    "{^person} in {town} is away from {coming} for {few} days. Write the automatic reply, naming {name} as "
    "the contact and saying that {office}.",
    "Compose an out-of-office message for {name} of {firm} in {town}, back on {coming}. In the meantime, "
    "senders should {contact}.",
    "{name}, {person} in {town}, will not read any mail {when}. Draft the automatic answer: senders may "
    "{contact}, and {office}.",
    office=bank.OFFICE_NOTES,
    contact=bank.CONTACTS,
    weight=4,
)
def _out_of_office(given: Given, draw: Draw) -> Pair:
    thanks = "Thank you for your message."
    if "few" in given:
        last = _day(_read_day(given["coming"]) + timedelta(days=int(given["few"]) - 1))
        return "", (
            f"{thanks} I am away from {given['coming']} to {last}. In urgent cases please write to {given['name']}. "
            f"One more thing to know: {given['office']}."
        )
    if "office" in given:
        return "", (
            f"{thanks} I do not read any mail {given['when']}. You may {given['contact']}. "
            f"Please note that {given['office']}.\n{given['name']}"
        )
    return "", (
        f"{thanks} I am out of the office and will be back on {given['coming']}. "
        f"In the meantime, please {given['contact']}.\n{given['name']}"
    )


@_skill(
    "story opening",
    "Write the first two sentences of a {mood} story in which {person} finds {thing} {venue}.",
    "Begin a tale for {guests}, {mood} in tone: {name} arrives in {town} with {thing}, and {trouble}.",
    "{name}, {person}, receives {thing} {when}. How does the story begin? It should be {mood}.",
    mood=bank.MOODS,
    thing=bank.STORY_THINGS,
    weight=5,
)
def _story(given: Given, draw: Draw) -> Pair:
    who = given.get("name") or given["person"]
    place = given.get("venue") or (f"in {given['town']}" if "town" in given else given.get("when", ""))
    trouble = f"That was the day when {given['trouble']}. " if "trouble" in given else ""
    endings = {
        "funny": "It was the second most embarrassing thing of the week.",
        "mysterious": "Somebody, it seemed, had been expecting this for years.",
        "gentle": "For a while there was nothing to do but to sit down beside it and listen to the birds.",
        "melancholy": "It smelled of a summer that nobody else remembered.",
        "suspenseful": "Then the footsteps on the gravel stopped.",
        "hopeful": "Perhaps, after all, this was the beginning of something good.",
        "surreal": "The postman, who was a goose, merely shrugged.",
        "warm-hearted": "There was only one person to share such a find with, and she lived next door.",
    }
    return (
        "",
        f"It was {draw.pick(_HOURS)} when {who} came upon {given['thing']} {place}. {trouble}{endings[given['mood']]}",
    )


_HOURS = ("a quarter past four", "almost midnight", "still dark", "the hour before lunch", "too late to turn back")


@_skill(
    "slogan",
    "Invent a slogan for the {product}, which {feature}, so that it appeals to {guests}. {name} in {town} prints it.",
    "{^person} sells the {product}. Suggest a catchy line which says that it {feature}, to be printed {venue}.",
    product=tuple(re.sub("^an? ", "", one) for one in bank.PRODUCTS),
    feature=bank.FEATURES,
)
def _slogan(given: Given, draw: Draw) -> Pair:
    name = given["product"]
    return "", draw.pick(
        (
            f"The {name} that {given['feature']}: see it to believe it!",
            f"One {name}. It {given['feature']}. Enough said.",
        )
    )


@_skill(
    "job advertisement",
    "Draft a job advertisement: {firm} in {town} seeks a {job} with {quality} and offers {perk}.",
    "{name} runs {firm} and looks for a {job}. Write three lines that ask for {quality} and {quality2} and "
    "promise {perk}.",
    job=bank.JOBS,
    quality=bank.QUALITIES,
    perk=bank.PERKS,
)
def _job(given: Given, draw: Draw) -> Pair:
    wanted = given["quality"] + (f" and {given['quality2']}" if "quality2" in given else "")
    town = f" in {given['town']}" if "town" in given else ""
    return "", (
        f"{_capital(given['job'])} wanted\n{_capital(given['firm'])}{town} is looking for a {given['job']} with "
        f"{wanted}.\n"
        f"We offer {given['perk']} and look forward to your application."
    )


@_skill(
    "role-play reply",
    "You are {person} at {firm}. A customer {situation}. Reply in a {manner} way and offer {remedy}.",
    "Play the part of {person}: someone {situation} {when}. Answer in two sentences, {manner}.",
    "A guest of {firm} in {town} {situation}. What does {name} say, being {manner}, to end the matter with {remedy}?",
    situation=bank.SITUATIONS,
    manner=tuple(bank.MANNERS),
    weight=5,
)
def _role_play(given: Given, draw: Draw) -> Pair:
    opening = bank.MANNERS[given["manner"]]
    offer = f"I can offer you {given['remedy']}." if "remedy" in given else "Tell me what would help you most."
    return "", f'"{opening} {offer}"'


@_skill(
    "checklist",
    "Make a checklist of {few} points for {trip}, for {person} with {concern}.",
    "{name} from {town} prepares {trip} and has to reckon with {concern} and {concern2}. List {few} steps.",
    "What should {guests} think of before {trip}, given {concern}? Number {few} short points.",
    few=("five", "six"),
    trip=bank.TRIPS,
    concern=tuple(bank.CONCERNS),
    weight=4,
)
def _checklist(given: Given, draw: Draw) -> Pair:
    advice = bank.CONCERNS
    points = [advice[given[key]] for key in ("concern", "concern2") if key in given]
    general = (
        "Write down the dates, times and addresses",
        "Decide what can be left out",
        "Tell a friend about the plan",
        "Check the weather two days before",
        "Put keys, papers and some cash in one pocket",
    )
    points = [*general[: {"five": 5, "six": 6}[given["few"]] - len(points)], *points]
    if len(points) < (6 if given["few"] == "six" else 5):
        points.append("Keep the last evening free")
    return "", "\n".join(f"{number}. {point}" for number, point in enumerate(points, 1))


@_skill(
    "day plan",
    "Plan the morning of {person} from {clock}: {quarter} minutes for {chore}, {quarter2} minutes for {chore2}, "
    "then {chore3}.",
    "{name} begins at {clock} with {chore} ({quarter} minutes), goes on to {chore2} ({some} minutes) and ends with "
    "{chore3}. "
    "Write the timetable.",
    clock=_clock(6, 10),
    quarter=_whole(20, 55, 5),
    chore=bank.CHORES,
    weight=4,
)
def _day_plan(given: Given, draw: Draw) -> Pair:
    first = _minutes(given["clock"])
    second = first + int(given["quarter"])
    third = second + int(given["quarter2"] if "quarter2" in given else given["some"])
    chores = ((first, given["chore"]), (second, given["chore2"]), (third, given["chore3"]))
    return "", "\n".join(f"{_time(start)} {chore}" for start, chore in chores)


@_skill(
    "explanation",
    "Explain {why} to {audience}. {use}",
    "In two or three sentences and plain words, say {why}: {person} asked {when}.",
    "{name} has to tell {audience} {why}. What would be a good, short answer?",
    "{setting} Write a few lines {occasion} that explain {why}.",
    "{^firm} prints a fact on its paper bags. Tell {guests} {why}, without any jargon.",
    why=tuple(bank.FACTS),
)
def _explanation(given: Given, draw: Draw) -> Pair:
    return "", bank.FACTS[given["why"]]


_COMPARED = {f"{row[0]} and {row[1]}": row for row in bank.COMPARISONS}


@_skill(
    "comparison",
    "Compare {pair} for {person}, in two sentences with the main strength and weakness of each. {use}",
    "{name} in {town} hesitates between two things {when}. What speaks for each of them: {pair}?",
    "{setting} What should one know about the difference between {pair}?",
    pair=tuple(_COMPARED),
)
def _comparison(given: Given, draw: Draw) -> Pair:
    first, second, praise, praise2 = _COMPARED[given["pair"]]
    return "", f"{_capital(first)} {praise}. {_capital(second)} {praise2}."


@_skill(
    "interview questions",
    "Prepare three questions that {person} could put to {person2} {when}, one of them about {chore}.",
    "{name} interviews {person} in {town} {when}. Suggest three questions; one should touch on the day when {trouble}.",
    chore=bank.CHORES,
)
def _interview(given: Given, draw: Draw) -> Pair:
    own = f"What part does {given['chore']} play in your life?" if "chore" in given else ""
    own = own or f"What did you do on the day when {given['trouble']}?"
    role = given.get("person2", given["person"]).split(" ", 2)[2]
    return (
        "",
        f"1. What made you want to become a {role}?\n2. {own}\n3. What do people most often get wrong about your work?",
    )


@_skill(
    "gift idea",
    "Suggest a present under ${some} for {relative} who {hobby}, and say in a sentence why {name} should give "
    "it {when}.",
    "{^person} in {town} looks for a gift for {relative}, who {hobby} and {hobby2}. Name two ideas.",
    "{setting} What would be a good birthday present for {relative} who {hobby}? One idea and the reason, please.",
    relative=bank.RELATIVES,
    hobby=bank.HOBBIES,
)
def _gift(given: Given, draw: Draw) -> Pair:
    gift = _capital(bank.GIFTS[given["hobby"]])
    if "hobby2" in given:
        return "", f"1. {gift}\n2. {_capital(bank.GIFTS[given['hobby2']])}"
    return "", f"{gift}: it is useful at once for somebody who {given['hobby']}, and it costs little."


@_skill(
    "complaint",
    "Write a firm but polite complaint from {name} to {firm}: {fault}. Demand {remedy} by {coming}.",
    "{^person} was a customer of {firm} in {town}, but {fault}. Put the complaint into three sentences and ask for {remedy}.",
    fault=bank.FAULTS,
    weight=4,
)
def _complaint(given: Given, draw: Draw) -> Pair:
    until = f" by {given['coming']}" if "coming" in given else " within two weeks"
    return "", (
        f"I am writing to complain about your service: {given['fault']}. You will understand that this was not what I had "
        f"paid "
        f"for. I therefore ask you for {given['remedy']}{until}."
    )


# 8) Classification.


@_skill(
    "sentiment",
    "{^firm} in {town} collects {feedback} {when}. Say whether the one given is {moods}.",
    "Is the tone of this remark {moods}? {^person} sorts {feedback} from {guests}.",
    "Label the opinion of {guests} about {event} as {moods}.",
    classification=True,
    moods=("positive, negative or mixed", "happy, unhappy or torn", "praise, blame or both", "good, bad or in between"),
)
def _sentiment(given: Given, draw: Draw) -> Pair:
    good, bad, mixed = _labels(given["moods"])
    first, second = draw.pick(bank.PRAISE), draw.pick(bank.BLAME)
    praise, blame = (
        f"{_capital(one)}, and {two}." for one, two in (draw.sample(bank.PRAISE, 2), draw.sample(bank.BLAME, 2))
    )
    both = f"{_capital(first)}, but {second}."
    return draw.pick(((praise, good), (blame, bad), (both, mixed)))


@_skill(
    "language",
    "{setting} Which language is the sentence in: {languages}?",
    "{^firm} in {town} gets {feedback} from abroad {when}. Name the language of the sample ({languages}) for {name}.",
    "Which of these languages, {languages}, did {guests} speak? {use}",
    classification=True,
    languages=(
        "French, Spanish, German or Italian",
        "German, Italian, Spanish or French",
        "Italian, French or Spanish",
    ),
)
def _language(given: Given, draw: Draw) -> Pair:
    language = draw.pick(_labels(given["languages"]))
    return draw.pick(bank.LANGUAGES[language]), language


@_skill(
    "true statement",
    "{^person} tells {guests} {when}: {statement}. Is that {yesno}?",
    'Decide for the quiz of {name} in {town} whether "{statement}" is {yesno}.',
    "{statement}, claims {person} at {event}. Reply with {yesno}.",
    "Check a line from the almanac of {firm}: {statement}. One label only, {yesno}.",
    classification=True,
    statement=bank.TRUE_FACTS + bank.FALSE_FACTS,
    yesno=("true or false", "right or wrong", "correct or incorrect", "fact or error"),
)
def _true_statement(given: Given, draw: Draw) -> Pair:
    return "", _verdict(given, given["statement"] in bank.TRUE_FACTS)


@_skill(
    "fact check",
    "Is the statement that {person} read in {town} {when} {yesno}?",
    "{name} collects claims for {event} {venue}. Mark the one below as {yesno}.",
    "{setting} There is some nonsense in the almanac. Say if this line is {yesno}.",
    classification=True,
    yesno=("true or false", "right or wrong", "correct or incorrect", "fact or error"),
    weight=2,
)
def _fact_check(given: Given, draw: Draw) -> Pair:
    holds = draw.chance(0.5)
    return f"{draw.pick(bank.TRUE_FACTS if holds else bank.FALSE_FACTS)}.", _verdict(given, holds)


@_skill(
    "fact or opinion",
    "Does the sentence, which {person} in {town} underlined {when}, express {kinds}?",
    "{name} teaches {guests} {venue} to read newspapers. Is the example {kinds}?",
    "{setting} Sort the remark that was overheard: {kinds}.",
    "Tell whether the line is {kinds}. {use}",
    classification=True,
    kinds=("a fact or an opinion", "something one can check or a matter of taste", "knowledge or judgement"),
)
def _fact_or_opinion(given: Given, draw: Draw) -> Pair:
    fact, opinion = (re.sub("^an? ", "", label) for label in given["kinds"].split(" or "))
    return draw.pick(((f"{draw.pick(bank.TRUE_FACTS)}.", fact), (f"{draw.pick(bank.OPINIONS)}.", opinion)))


@_skill(
    "urgency",
    "Rate how urgent the message to {firm} in {town} is: {levels}. {^person} reads it {when}.",
    "{name} answers the {feedback} of tenants in {town}. Which level does this one get, {levels}? {use}",
    "{setting} Triage the request that has just come in: {levels}?",
    classification=True,
    levels=("high, medium or low", "red, amber or green", "critical, ordinary or minor", "urgent, normal or no hurry"),
)
def _urgency(given: Given, draw: Draw) -> Pair:
    level = draw.whole(0, 2)
    return f"{draw.pick(bank.URGENCY[('high', 'medium', 'low')[level]])}.", _labels(given["levels"])[level]


@_skill(
    "spam",
    "Is this email to {person} in {town} {kinds}? It came {when}.",
    "{setting} The inbox needs a filter. Classify the message as {kinds}.",
    "Should {name} trust the text that reached {guests} {when}? Answer {kinds}. {use}",
    classification=True,
    kinds=("spam or not spam", "junk or genuine", "unwanted or wanted", "suspicious or harmless"),
)
def _spam(given: Given, draw: Draw) -> Pair:
    spam, ham = given["kinds"].split(" or ")
    return draw.pick(((f"{draw.pick(bank.SPAM)}.", spam), (f"{draw.pick(bank.HAM)}.", ham)))


@_skill(
    "routing",
    "Which department of {firm} in {town} should answer: billing, delivery or repairs? {^person} opens the "
    "post {when}.",
    "{setting} Forward the note to billing, delivery or repairs.",
    "Say who takes care of this message: billing, delivery or repairs. {use}",
    classification=True,
)
def _routing(given: Given, draw: Draw) -> Pair:
    label = draw.pick(tuple(bank.DEPARTMENTS))
    return f"{draw.pick(bank.DEPARTMENTS[label])}.", label


@_skill(
    "intent",
    "{^firm} in {town} gets {feedback} from {guests} {when}. Is the example a question, a complaint, praise "
    "or a booking?",
    "What does the writer want: question, complaint, praise or booking? {use}",
    "{setting} Assign one of four labels (question, complaint, praise, booking) to the message.",
    classification=True,
)
def _intent(given: Given, draw: Draw) -> Pair:
    label = draw.pick(tuple(bank.INTENTS))
    return draw.pick(bank.INTENTS[label]), label


@_skill(
    "register",
    "Is the wording of the line that {person} in {town} sent to {guests} {when} {kinds}?",
    "{setting} Judge the style of the sentence that went out: {kinds}.",
    "Would you call this way of speaking {kinds}? {use}",
    classification=True,
    kinds=("formal or informal", "official or casual", "business-like or chatty"),
)
def _register(given: Given, draw: Draw) -> Pair:
    formal, informal = given["kinds"].split(" or ")
    casual, official = _row(bank.FORMAL, draw)
    return draw.pick(((official, formal), (casual, informal)))


@_skill(
    "tense of a sentence",
    "Does the sentence that {person} in {town} dictated {when} speak of {times}?",
    "For the grammar club of {guests} in {town}, {venue}: which time is meant, {times}?",
    "{setting} Put this line from a diary under {times}.",
    "Which of these does the sentence describe: {times}? {use}",
    classification=True,
    times=("the past, the present or the future", "yesterday, today or tomorrow", "what was, what is or what will be"),
)
def _tense_of(given: Given, draw: Draw) -> Pair:
    verb, past = _row(bank.PAST_VERBS, draw)
    forms = (past, _third_person(verb), f"will {verb}")
    label = draw.whole(0, 2)
    sentence = (
        f"{_capital(draw.pick(bank.SUBJECTS))} {forms[label]} {draw.pick(bank.OBJECTS)} {draw.pick(PLAIN_SPOTS)}."
    )
    return sentence, _labels(given["times"])[label].removeprefix("the ")


_CATEGORY_OF = {word: category for category, words in bank.CATEGORIES.items() for word in words}


def _odd_list(draw: Draw) -> str:
    main, other = draw.sample(tuple(bank.CATEGORIES), 2)
    return ", ".join(draw.shuffled([*draw.sample(bank.CATEGORIES[main], 4), draw.pick(bank.CATEGORIES[other])]))


@_skill(
    "odd one out",
    "Which of these words does not belong with the others: {row}? {^person} asks {guests} {when}.",
    "{name} from {town} reads out {row}. One of the words is the odd one out; name it. {use}",
    "{setting} Which word has to leave the quiz card, as the rest are of one kind: {row}?",
    classification=True,
    row=Made(_odd_list, r"[A-Za-z ]+?(?:, [A-Za-z ]+?)+"),
    weight=4,
)
def _odd_one_out(given: Given, draw: Draw) -> Pair:
    words = given["row"].split(", ")
    kinds = [_CATEGORY_OF.get(word, "") for word in words]
    return "", next((word for word, kind in zip(words, kinds, strict=True) if kinds.count(kind) == 1), words[0])


_GROUP_LIST = _listed(tuple(bank.CATEGORIES), 3, 4)


@_skill(
    "category",
    "Put the word into the right one of these groups: {kinds}. {^person} in {town} makes a card game for {guests}.",
    "{name} labels boxes for {firm} {when}: {kinds}. Which label fits the word?",
    "{setting} Is the given word an example of one of {kinds}? Name which.",
    classification=True,
    kinds=_GROUP_LIST,
)
def _category(given: Given, draw: Draw) -> Pair:
    kind = draw.pick(given["kinds"].split(", "))
    return draw.pick(bank.CATEGORIES.get(kind, (kind,))), kind


@_skill(
    "parity",
    "In {town} the even house numbers face the park. Does {name}, {person} at number {many}, live on that "
    "side? Answer {yesno}.",
    "{^firm} in {town} serves odd tickets first {when}. {name} holds number {many}: odd or even?",
    "{setting} There are {many} {goods} in stock. Is that an even number? Reply {yesno}.",
    classification=True,
)
def _parity(given: Given, draw: Draw) -> Pair:
    even = int(given["many"]) % 2 == 0
    return "", _verdict(given, even) if "yesno" in given else ("even" if even else "odd")


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


@_skill(
    "prime",
    "{^person} in {town} counted {many} {goods} {when}. Is that number prime or composite?",
    "Is it {truth} that {many} is a prime number? {use}",
    "{name}, {person}, can lay {many} {goods} out in a rectangle of several rows only if the number is not "
    "prime. Prime or composite?",
    classification=True,
)
def _prime(given: Given, draw: Draw) -> Pair:
    prime = _is_prime(int(given["many"]))
    return "", _verdict(given, prime) if "truth" in given else ("prime" if prime else "composite")


@_skill(
    "larger sum",
    "Which costs more, {few} {goods} at ${price} each or {few2} {goods2} at ${price2} each? Answer first, "
    "second or equal.",
    "{name} pays {few} times ${price} for {goods}, {name2} pays {few2} times ${price2} for {goods2}. Who pays "
    "less: first, second or neither?",
    classification=True,
    weight=4,
)
def _larger(given: Given, draw: Draw) -> Pair:
    first, second = (int(given[f"few{n}"]) * _cents(given[f"price{n}"]) for n in ("", "2"))
    if first == second:
        return "", "neither" if "name" in given else "equal"
    return "", "first" if (first > second) != ("name" in given) else "second"


@_skill(
    "full boxes",
    "{^firm} packs {many} {goods} in boxes of {few} {when}. Will every box be full, {yesno}?",
    "Can {person} in {town} seat {many} {groups} at tables of {few} {venue} so that no chair stays empty? "
    "Answer {yesno}.",
    "{many} {goods}, {few} {groups}: is it {truth} that nothing is left over when {name} shares them {when}?",
    classification=True,
)
def _full_boxes(given: Given, draw: Draw) -> Pair:
    return "", _verdict(given, int(given["many"]) % int(given["few"]) == 0)


@_skill(
    "leap year",
    "{^person} in {town} looks up the year {year} for {event} {venue}. Is it {truth} that it is a leap year?",
    "Does February {year} have 28 or 29 days? {use}",
    "{setting} An old calendar of {year} hangs on the wall. Was that a leap year, {yesno}?",
    classification=True,
    year=_whole(1796, 2204),
    weight=2,
)
def _leap_year(given: Given, draw: Draw) -> Pair:
    year = int(given["year"])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return "", _verdict(given, leap) if {"yesno", "truth"} & given.keys() else ("29" if leap else "28")


@_skill(
    "weekend",
    "Is {coming}, the day of {event} {venue}, a weekday or part of the weekend? {use}",
    "{name}, {person}, {deed} on {date}. Weekday or weekend?",
    "{^firm} in {town} closes on Saturdays and Sundays. Is it open on {coming} for {person}? Answer {yesno}.",
    classification=True,
)
def _weekend(given: Given, draw: Draw) -> Pair:
    weekend = _read_day(given.get("date") or given["coming"]).weekday() >= 5
    return "", _verdict(given, not weekend) if "yesno" in given else ("weekend" if weekend else "weekday")


@_skill(
    "budget",
    "{name} has ${some} and wants {few} {goods} at ${price} each from {firm}. Is that enough? Answer {yesno}.",
    "Are ${some} too little for {few} {goods}, ${price} apiece, and {few2} {goods2}, ${price2} apiece, as {person} "
    "fears? "
    "Reply {yesno}.",
    classification=True,
)
def _budget(given: Given, draw: Draw) -> Pair:
    cost = int(given["few"]) * _cents(given["price"])
    if "few2" not in given:
        return "", _verdict(given, cost <= int(given["some"]) * 100)
    cost += int(given["few2"]) * _cents(given["price2"])
    return "", _verdict(given, cost > int(given["some"]) * 100)


@_skill(
    "on time",
    "{^person} leaves {town} at {clock} and travels {hours} hours and {quarter} minutes. {^event} begins at "
    "{start} on the same day. On time or late?",
    "{name} needs {hours} hours and {quarter} minutes for {chore}, starts at {clock} and must be {venue} by "
    "{start}. Say on time or late.",
    classification=True,
    clock=_clock(6, 12),
    hours=_whole(2, 6),
    start=_clock(11, 19),
    chore=bank.CHORES,
)
def _on_time(given: Given, draw: Draw) -> Pair:
    arrival = _minutes(given["clock"]) + int(given["hours"]) * 60 + int(given["quarter"])
    return "", "on time" if arrival <= _minutes(given["start"]) else "late"


@_skill(
    "triangle",
    "{^person} in {town} joins laths of {side}, {side2} and {side3} centimetres {venue}. Is the triangle "
    "equilateral, isosceles, scalene or impossible? {name} bets on one of them {when}.",
    "Equilateral, isosceles, scalene or impossible: which triangle has sides of {side}, {side2} and {side3} "
    "metres? {use}",
    "{setting} A sign with sides of {side}, {side2} and {side3} feet is wanted. Would that be an equilateral, "
    "isosceles, scalene or impossible triangle?",
    classification=True,
    side=_whole(3, 14),
)
def _triangle(given: Given, draw: Draw) -> Pair:
    short, middle, long = sorted(int(given[key]) for key in ("side", "side2", "side3"))
    if short + middle <= long:
        return "", "impossible"
    return "", {1: "equilateral", 2: "isosceles", 3: "scalene"}[len({short, middle, long})]


@_skill(
    "state of water",
    "At sea level, {person} in {town} keeps water at {degrees} degrees Celsius {when}. Is it ice, liquid or steam?",
    "In what state is water at {degrees} degrees Celsius and normal pressure: ice, liquid or steam? {use}",
    "{setting} A pipe by the sea holds water at {degrees} degrees Celsius. Ice, liquid or steam?",
    classification=True,
    degrees=Made(lambda draw: str(draw.whole(-40, 160)), r"-?\d+"),
    weight=2,
)
def _water(given: Given, draw: Draw) -> Pair:
    degrees = int(given["degrees"])
    return "", "ice" if degrees <= 0 else "steam" if degrees >= 100 else "liquid"


def _letter_pair(draw: Draw) -> str:
    word, other = draw.sample(bank.WORDS, 2)
    letters = draw.shuffled(word)
    if draw.chance(0.5):
        letters[0] = draw.pick(other)
    return f"{word} and {''.join(letters)}"


@_skill(
    "anagram",
    "Do {pair} consist of the same letters? {^person} in {town} asks {guests} and wants to hear {yesno}.",
    "{name} mixed up the tiles of a word game. Is it {truth} that {pair} are anagrams? {use}",
    "{setting} Somebody spells {pair} with wooden letters. Are these anagrams, {yesno}?",
    classification=True,
    pair=Made(_letter_pair, "[a-z]+ and [a-z]+"),
)
def _anagram(given: Given, draw: Draw) -> Pair:
    first, second = given["pair"].split(" and ")
    return "", _verdict(given, sorted(first) == sorted(second))


@_skill(
    "kind of name",
    "Is the entry in the notebook of {person} in {town} the name of a {kinds}? It was written {when}.",
    "{setting} Does the keyword in the old register stand for a {kinds}?",
    "Classify the term as {kinds}. {use}",
    "{name} indexes the archive of {firm} in {town} {when}. Is this entry the name of a {kinds}?",
    classification=True,
    kinds=("person, town or product", "human being, place or object"),
)
def _kind_of_name(given: Given, draw: Draw) -> Pair:
    person, town, thing = _labels(given["kinds"])
    full = f"{draw.pick(bank.NAMES)} {draw.pick(bank.SURNAMES)}"
    return draw.pick(((full, person), (draw.pick(bank.TOWNS), town), (_capital(draw.pick(bank.GOODS)), thing)))
