"""Measures, statistics and sequences of numbers."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from selfinstruct.llm.demo import words
from selfinstruct.llm.demo.grammar import Draw, Given, Made, Pair
from selfinstruct.llm.demo.slots import (
    counted,
    number_rows,
    read_money,
    read_numbers,
    rounded,
    skill,
    wholes,
    write_money,
)

_UNITS: dict[str, Fraction] = {
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


@skill(
    "units",
    "Convert {some}.{digit} {units} for {person} {purpose}, with two decimals.",
    "{name} asks {when}: what do I get when I change {many} {units}? Round to two decimals.",
    "Help {person} in {town} {purpose}: turn {some}.{digit} {units} (two decimals).",
    "Convert {some}, {many} and {few} from {units}, each with two decimals, for {person} at {firm}.",
    units=tuple(_UNITS),
    digit=wholes(1, 9),
)
def _units(given: Given, draw: Draw) -> Pair:
    old, new = given["units"].split(" to ")
    amounts = [given[key] for key in ("some", "many", "few") if key in given]
    if "digit" in given:
        amounts = [f"{given['some']}.{given['digit']}"]
    results = (f"{one} {old} = {rounded(Fraction(one) * _UNITS[given['units']], 2)} {new}" for one in amounts)
    return "", "\n".join(results)


@skill(
    "temperature",
    "The thermometer of {person} in {town} shows {degrees} degrees Fahrenheit {when}. What is that in "
    "Celsius, to one decimal?",
    "A recipe for {dish} needs an oven at {oven} degrees Celsius. Which Fahrenheit setting is right? {use}",
    "{setting} The thermometer in the cellar shows {degrees} degrees Fahrenheit. Give the temperature "
    "in Celsius with one decimal.",
    degrees=wholes(20, 110),
    oven=wholes(120, 250, 5),
    dish=words.DISHES,
    weight=2,
)
def _temperature(given: Given, draw: Draw) -> Pair:
    if "degrees" in given:
        celsius = rounded(Fraction((int(given["degrees"]) - 32) * 5, 9), 1)
        return "", f"({given['degrees']} - 32) x 5/9 = {celsius} degrees Celsius"
    return "", f"{given['oven']} x 9/5 + 32 = {int(given['oven']) * 9 // 5 + 32} degrees Fahrenheit"


@skill(
    "statistics",
    "{^firm} noted these daily numbers of {customers}: {row}. What is their {measure}?",
    "Find the {measure} of {row}, which {person} in {town} wrote down {when}.",
    "{name} wants one number, the {measure}, from these daily counts of {customers}: {row}.",
    row=number_rows(5, 9, 3, 99),
    measure=("mean, to one decimal", "median", "range", "total", "largest value", "smallest value"),
    weight=4,
)
def _statistics(given: Given, draw: Draw) -> Pair:
    row, measure = sorted(read_numbers(given["row"])), given["measure"]
    half = len(row) // 2
    answers: dict[str, Callable[[], str]] = {
        "mean, to one decimal": lambda: rounded(Fraction(sum(row), len(row)), 1),
        "median": lambda: str(row[half]) if len(row) % 2 else rounded(Fraction(row[half - 1] + row[half], 2), 1),
        "range": lambda: f"{row[-1]} - {row[0]} = {row[-1] - row[0]}",
        "total": lambda: str(sum(row)),
        "largest value": lambda: str(row[-1]),
        "smallest value": lambda: str(row[0]),
    }
    return "", answers[measure]()


@skill(
    "ages",
    "{name} is {some} years old and {name2}, {person} from {town}, is {few} years younger. How old will both "
    "be together in {few2} years?",
    "{setting} {few} years ago {name} was {some}. How old will {name} be in {few2} years?",
    "When {name} turned {some}, {name2} was {few} years older. What age will {name2} reach {few2} years after "
    "that? {use}",
    some=wholes(34, 88),
    weight=2,
)
def _ages(given: Given, draw: Draw) -> Pair:
    few, few2, age = int(given["few"]), int(given["few2"]), int(given["some"])
    if "setting" in given:
        return "", f"{given['name']} is {age + few} now and will be {age + few + few2} then."
    if "person" in given:
        return "", f"{age + few2} + {age - few + few2} = {2 * age - few + 2 * few2} years"
    return "", f"{age} + {few} + {few2} = {age + few + few2} years"


@skill(
    "area and fence",
    "{^person} wants to fence {plot} in {town}, {some} metres long and {few} metres wide. What does that cost "
    "at ${price} a metre?",
    "What is the area of {plot} that measures {some} by {few} metres, and how many {filling} does {name} need "
    "{when} at {few2} to the square metre?",
    "{name} lays out {plot} of {some} by {some2} metres. Give its perimeter and its area. {use}",
    filling=("tulip bulbs", "seedlings", "strawberry plants", "lavender plants", "cobbles", "paving stones"),
    plot=(
        "a vegetable bed",
        "a dog run",
        "an orchard",
        "a playground",
        "a herb garden",
        "a paddock",
        "a chicken yard",
        "a tent site",
    ),
)
def _area(given: Given, draw: Draw) -> Pair:
    length, width = int(given["some"]), int(given.get("few", given.get("some2", 0)))
    around, area = 2 * (length + width), length * width
    if "price" in given:
        cost = write_money(around * read_money(given["price"]))
        return "", f"The fence is 2 x ({length} + {width}) = {around} metres long and costs ${cost}."
    if "filling" in given:
        return (
            "",
            f"The area is {area} square metres, which takes {counted(given['filling'], area * int(given['few2']))}.",
        )
    return "", f"The perimeter is {around} metres and the area {area:,} square metres."


@skill(
    "simple interest",
    "{^when}, {name} lends {person} in {town} ${many} at {few} percent simple interest a year. How much is owed "
    "after {few2} years?",
    "How much simple interest does ${many} earn in {few2} years at {few} percent? {^person} in {town} saves for "
    "{event} {venue}.",
    weight=2,
)
def _interest(given: Given, draw: Draw) -> Pair:
    sum_, rate, years = int(given["many"]), int(given["few"]), int(given["few2"])
    interest = sum_ * rate * years
    gained = f"The interest is ${sum_} x {rate}% x {years} = ${write_money(interest)}"
    return "", f"{gained}." if "event" in given else f"{gained}, so ${write_money(sum_ * 100 + interest)} is owed."


@skill(
    "scaling a recipe",
    "{^meal} for {few} people takes {many} grams of {ingredient} and {some} grams of {ingredient2}. How much of each "
    "does {person} need {when} for {fewer} people?",
    "{setting} {^meal} for {few} people takes {many} grams of {ingredient}. How many grams are needed for {fewer}, "
    "rounded?",
    "{name} from {town} cooks for {event}. If {few} portions need {many} grams of {ingredient}, what do {fewer} "
    "portions need, to the gram?",
    meal=words.MEALS,
    ingredient=words.INGREDIENTS,
    fewer=wholes(13, 40),
)
def _scaling(given: Given, draw: Draw) -> Pair:
    factor = Fraction(int(given["fewer"]), int(given["few"]))
    amounts = [f"{rounded(int(given['many']) * factor, 0)} g of {given['ingredient']}"]
    if "ingredient2" in given:
        amounts.append(f"{rounded(int(given['some']) * factor, 0)} g of {given['ingredient2']}")
    return "", f"About {' and '.join(amounts)}."


def _progression(draw: Draw) -> str:
    start, step = draw.whole(2, 40), draw.whole(2, 9)
    if draw.chance(0.3):
        return ", ".join(str(start * min(step, 4) ** place) for place in range(4))
    return ", ".join(str(start + step * place) for place in range(draw.whole(4, 6)))


@skill(
    "next number",
    "{^person} labels {goods} with {row}, and so on. Which number comes next, and by what rule?",
    "Each evening {name} in {town} writes one number on the wall: {row}. Continue the sequence with one more "
    "number and say why.",
    "What follows {row} on the tickets that {firm} printed {when}?",
    row=Made(_progression, r"\d+(?:, \d+)+"),
)
def _next_number(given: Given, draw: Draw) -> Pair:
    row = read_numbers(given["row"])
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


@skill(
    "Roman numerals",
    "{^person} finds {roman} carved above a door {venue} in {town} {when}. Which year is meant?",
    "Write the year {year}, in which {name} thinks {firm} in {town} was founded, in Roman numerals. {use}",
    "{setting} An old clock is dated {roman}. Write the year in ordinary digits.",
    roman=Made(lambda draw: _roman(draw.whole(1400, 1999)), "[MDCLXVI]+"),
    year=wholes(1400, 1999),
    weight=2,
)
def _roman_numerals(given: Given, draw: Draw) -> Pair:
    if "year" in given:
        return "", _roman(int(given["year"]))
    return "", next(str(year) for year in range(1400, 2000) if _roman(year) == given["roman"])


SKILLS = (
    _units,
    _temperature,
    _statistics,
    _ages,
    _area,
    _interest,
    _scaling,
    _next_number,
    _roman_numerals,
)
