"""Lists, letters and the calendar."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

from selfinstruct.llm.demo import words
from selfinstruct.llm.demo.grammar import Draw, Given, Made, Pair
from selfinstruct.llm.demo.slots import number_rows, read_day, read_numbers, skill, weekday, write_day


@skill(
    "sorting numbers",
    "Put the numbers of {customers} that {person} noted {when} in {order} order: {row}.",
    "{name} from {firm} needs these door numbers in {order} order: {row}.",
    "List {row} in {order} order. {^person} in {town} wants the numbers separated by commas.",
    order=("ascending", "descending"),
    row=number_rows(6, 10, 3, 299),
)
def _sorting_numbers(given: Given, draw: Draw) -> Pair:
    row = sorted(read_numbers(given["row"]), reverse=given["order"] == "descending")
    return "", ", ".join(map(str, row))


_ORDERS: dict[str, tuple[Callable[[str], str | int], bool]] = {
    "alphabetically": (str, False),
    "in reverse alphabetical order": (str, True),
    "from the shortest to the longest": (len, False),
    "by the last letter": (lambda word: word[-1], False),
}


@skill(
    "sorting words",
    "Arrange these word cards of {person} {order}, and leave ties as they stand: {words}.",
    "{name} sorts vocabulary {order} {when} (ties keep their order). What becomes of {words}?",
    "How would {firm} list {words} if it had to print them {order}, ties in the given order?",
    order=tuple(_ORDERS),
)
def _sorting_words(given: Given, draw: Draw) -> Pair:
    key, reverse = _ORDERS[given["order"]]
    return "", ", ".join(sorted(given["words"].split(", "), key=key, reverse=reverse))


def _repeating(draw: Draw) -> str:
    once = draw.sample(words.WORDS, draw.whole(4, 6))
    return ", ".join(draw.shuffled(once + draw.sample(once, 2)))


@skill(
    "removing repeats",
    "{^person} typed some words twice: {row}. Give the list without repeats, in the order of first appearance.",
    "Strike out every repeat from the list of {name} in {town}: {row}.",
    "Which different words occur in {row}, and how many are there? {^firm} prints each only once.",
    row=Made(_repeating, r"[a-z]+(?:, [a-z]+)+"),
)
def _removing_repeats(given: Given, draw: Draw) -> Pair:
    once = list(dict.fromkeys(given["row"].split(", ")))
    return "", ", ".join(once) + (f" ({len(once)} words)" if "firm" in given else "")


@skill(
    "picking from a list",
    "From the words {words}, copy only those that {test}, for a game by {person}.",
    "{^when}, {name} reads out {words}. Which of them {test}? Write none if there is none.",
    "Count how many words on this list from {firm} {test}, and name them: {words}.",
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
    "String together the first letters of the words": lambda text: "".join(word[0] for word in text.split()),
    "Replace every e with an asterisk": lambda text: text.replace("e", "*"),
    "Capitalise every letter": str.upper,
    "Leave out every vowel": lambda text: " ".join(re.sub("[aeiouAEIOU]", "", text).split()),
    "Put a hyphen for every space": lambda text: text.replace(" ", "-"),
}


@skill(
    "letters and words",
    '{work} in the sentence "{sentence}"',
    '{name} wrote in the diary {when}: "{sentence}" {work} in that entry.',
    'A puzzle from {town}: "{sentence}" {work} in this line.',
    '{^person} dictates: "{sentence}" {work} in the dictation.',
    work=tuple(_TEXT_WORK),
    weight=5,
)
def _letters(given: Given, draw: Draw) -> Pair:
    return "", _TEXT_WORK[given["work"]](given["sentence"])


@skill(
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


@skill(
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
    day = read_day(given.get("date") or given["coming"]) + (-days if "event" in given else days)
    return "", f"{write_day(day)}, a {weekday(day)}" if "firm" in given else write_day(day)


@skill(
    "weekday",
    "On which day of the week does {coming} fall? {name} from {town} plans {event} {venue}.",
    "{name}, {person}, {deed} on {date}. Which weekday was that?",
    "{setting} Name the weekday of {coming}, and of the day {few} days after it.",
)
def _weekday_of(given: Given, draw: Draw) -> Pair:
    day = read_day(given.get("date") or given["coming"])
    if "few" in given:
        later = day + timedelta(days=int(given["few"]))
        return "", f"{given['coming']} is a {weekday(day)}, and {given['few']} days later it is a {weekday(later)}."
    return "", weekday(day)


@skill(
    "days between",
    "How many days lie between {date}, when {name} {deed}, and {date2}, when {name2} {deed2}?",
    "{name} {deed} on {date}, {name2} on {date2}. Who was first, and by how many days?",
    "Compute the number of days between {coming} and {coming2} for {firm}. {use}",
)
def _days_between(given: Given, draw: Draw) -> Pair:
    key = "date" if "date" in given else "coming"
    first, second = read_day(given[key]), read_day(given[key + "2"])
    days = abs((second - first).days)
    if "name2" not in given or "deed2" in given:
        return "", f"{days} days"
    if not days:
        return "", "Neither: it was the same day."
    return "", f"{given['name' if first < second else 'name2']} was first, by {days} days."


SKILLS = (
    _sorting_numbers,
    _sorting_words,
    _removing_repeats,
    _picking,
    _letters,
    _counting,
    _date_arithmetic,
    _weekday_of,
    _days_between,
)
