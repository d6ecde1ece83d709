"""Classification by what can be worked out."""

from __future__ import annotations

from selfinstruct.llm.demo import words
from selfinstruct.llm.demo.grammar import Draw, Given, Made, Pair, capitalised
from selfinstruct.llm.demo.slots import clocks, read_clock, read_day, read_labels, read_money, skill, verdict, wholes


@skill(
    "parity",
    "In {town} the even house numbers face the park. Does {name}, {person} at number {many}, live on that "
    "side? Answer {yesno}.",
    "{^firm} in {town} serves odd tickets first {when}. {name} holds number {many}: odd or even?",
    "{setting} There are {many} {goods} in stock. Is that an even number? Reply {yesno}.",
    classification=True,
)
def _parity(given: Given, draw: Draw) -> Pair:
    even = int(given["many"]) % 2 == 0
    return "", verdict(given, even) if "yesno" in given else ("even" if even else "odd")


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


@skill(
    "prime",
    "{^person} in {town} counted {many} {goods} {when}. Is that number prime or composite?",
    "Is it {truth} that {many} is a prime number? {use}",
    "{name}, {person}, can lay {many} {goods} out in a rectangle of several rows only if the number is not "
    "prime. Prime or composite?",
    classification=True,
)
def _prime(given: Given, draw: Draw) -> Pair:
    prime = _is_prime(int(given["many"]))
    return "", verdict(given, prime) if "truth" in given else ("prime" if prime else "composite")


@skill(
    "larger sum",
    "Which costs more, {few} {goods} at ${price} each or {few2} {goods2} at ${price2} each? Answer first, "
    "second or equal.",
    "{name} pays {few} times ${price} for {goods}, {name2} pays {few2} times ${price2} for {goods2}. Who pays "
    "less: first, second or neither?",
    classification=True,
    weight=4,
)
def _larger(given: Given, draw: Draw) -> Pair:
    first, second = (int(given[f"few{n}"]) * read_money(given[f"price{n}"]) for n in ("", "2"))
    if first == second:
        return "", "neither" if "name" in given else "equal"
    return "", "first" if (first > second) != ("name" in given) else "second"


@skill(
    "full boxes",
    "{^firm} packs {many} {goods} in boxes of {few} {when}. Will every box be full, {yesno}?",
    "Can {person} in {town} seat {many} {groups} at tables of {few} {venue} so that no chair stays empty? "
    "Answer {yesno}.",
    "{many} {goods}, {few} {groups}: is it {truth} that nothing is left over when {name} shares them {when}?",
    classification=True,
)
def _full_boxes(given: Given, draw: Draw) -> Pair:
    return "", verdict(given, int(given["many"]) % int(given["few"]) == 0)


@skill(
    "leap year",
    "{^person} in {town} looks up the year {year} for {event} {venue}. Is it {truth} that it is a leap year?",
    "Does February {year} have 28 or 29 days? {use}",
    "{setting} A calendar of {year} hangs on the wall. Is that a leap year, {yesno}?",
    classification=True,
    year=wholes(1796, 2204),
    weight=2,
)
def _leap_year(given: Given, draw: Draw) -> Pair:
    year = int(given["year"])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return "", verdict(given, leap) if {"yesno", "truth"} & given.keys() else ("29" if leap else "28")


@skill(
    "weekend",
    "Is {coming}, the day of {event} {venue}, a weekday or part of the weekend? {use}",
    "{name}, {person}, {deed} on {date}. Weekday or weekend?",
    "{^firm} in {town} closes on Saturdays and Sundays. Is it open on {coming} for {person}? Answer {yesno}.",
    classification=True,
)
def _weekend(given: Given, draw: Draw) -> Pair:
    weekend = read_day(given.get("date") or given["coming"]).weekday() >= 5
    return "", verdict(given, not weekend) if "yesno" in given else ("weekend" if weekend else "weekday")


@skill(
    "budget",
    "{name} has ${some} and wants {few} {goods} at ${price} each from {shop}. Is that enough? Answer {yesno}.",
    "Is ${some} too little for {few} {goods}, ${price} apiece, and {few2} {goods2}, ${price2} apiece, as {person} "
    "fears? Reply {yesno}.",
    classification=True,
)
def _budget(given: Given, draw: Draw) -> Pair:
    cost = int(given["few"]) * read_money(given["price"])
    if "few2" not in given:
        return "", verdict(given, cost <= int(given["some"]) * 100)
    cost += int(given["few2"]) * read_money(given["price2"])
    return "", verdict(given, cost > int(given["some"]) * 100)


@skill(
    "on time",
    "{^person} leaves {town} at {clock} and travels {hours} hours and {quarter} minutes. {^event} begins at "
    "{start} on the same day. On time or late?",
    "{name} needs {hours} hours and {quarter} minutes for {chore}, starts at {clock} and must be {venue} by "
    "{start}. Say on time or late.",
    classification=True,
    clock=clocks(6, 12),
    hours=wholes(2, 6),
    start=clocks(11, 19),
    chore=words.CHORES,
)
def _on_time(given: Given, draw: Draw) -> Pair:
    arrival = read_clock(given["clock"]) + int(given["hours"]) * 60 + int(given["quarter"])
    return "", "on time" if arrival <= read_clock(given["start"]) else "late"


@skill(
    "triangle",
    "{^person} in {town} joins laths of {side}, {side2} and {side3} centimetres {venue}. Is the triangle "
    "equilateral, isosceles, scalene or impossible? {name} bets on one of them {when}.",
    "Equilateral, isosceles, scalene or impossible: which triangle has sides of {side}, {side2} and {side3} "
    "metres? {use}",
    "{setting} A sign with sides of {side}, {side2} and {side3} feet is wanted. Would that be an equilateral, "
    "isosceles, scalene or impossible triangle?",
    classification=True,
    side=wholes(3, 14),
)
def _triangle(given: Given, draw: Draw) -> Pair:
    short, middle, long = sorted(int(given[key]) for key in ("side", "side2", "side3"))
    if short + middle <= long:
        return "", "impossible"
    return "", {1: "equilateral", 2: "isosceles", 3: "scalene"}[len({short, middle, long})]


@skill(
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
    word, other = draw.sample(words.WORDS, 2)
    letters = draw.shuffled(word)
    if draw.chance(0.5):
        letters[0] = draw.pick(other)
    return f"{word} and {''.join(letters)}"


@skill(
    "anagram",
    "Do {pair} consist of the same letters? {^person} in {town} asks {guests} and wants to hear {yesno}.",
    "{name} mixed up the tiles of a word game. Is it {truth} that {pair} are anagrams? {use}",
    "{setting} Somebody spells {pair} with wooden letters. Are these anagrams, {yesno}?",
    classification=True,
    pair=Made(_letter_pair, "[a-z]+ and [a-z]+"),
)
def _anagram(given: Given, draw: Draw) -> Pair:
    first, second = given["pair"].split(" and ")
    return "", verdict(given, sorted(first) == sorted(second))


@skill(
    "kind of name",
    "Is the entry in the notebook of {person} in {town} the name of a {kinds}? It was written {when}.",
    "{setting} Does the keyword in the old register stand for a {kinds}?",
    "Classify the term as {kinds}. {use}",
    "{name} indexes the archive of {firm} in {town} {when}. Is this entry the name of a {kinds}?",
    classification=True,
    kinds=("person, town or product", "human being, place or object"),
)
def _kind_of_name(given: Given, draw: Draw) -> Pair:
    person, town, thing = read_labels(given["kinds"])
    full = f"{draw.pick(words.NAMES)} {draw.pick(words.SURNAMES)}"
    return draw.pick(((full, person), (draw.pick(words.TOWNS), town), (capitalised(draw.pick(words.GOODS)), thing)))


SKILLS = (
    _parity,
    _prime,
    _larger,
    _full_boxes,
    _leap_year,
    _weekend,
    _budget,
    _on_time,
    _triangle,
    _water,
    _anagram,
    _kind_of_name,
)
