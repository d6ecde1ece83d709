"""Code: Python, SQL and regular expressions."""

from __future__ import annotations

from selfinstruct.llm.demo import words
from selfinstruct.llm.demo.grammar import Draw, Given, Pair, capitalised
from selfinstruct.llm.demo.slots import skill

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
        (
            "depth = 0\n    for letter in text:\n        depth += (letter == '(') - (letter == ')')\n"
            "        if depth < 0:\n            return False\n    return depth == 0"
        ),
    ),
}  # fmt: skip


@skill(
    "Python function",
    "Write a Python function called {function}_{noun} that {does}. {use}",
    "{^firm} in {town} needs Python code: a function {function}_{noun} that {does}. Add a docstring for "
    "{name}, {person}.",
    "{setting} How would you define {function}_{noun} in Python, a function that {does}?",
    "Show {name}, {person}, the shortest clear Python function that {does}; call it {function}_{noun}.",
    function=words.FUNCTION_VERBS,
    noun=("data", "entry", "values", "input", "record", "order", "notes", "batch"),
    does=tuple(_PYTHON),
)
def _python(given: Given, draw: Draw) -> Pair:
    parameters, body = _PYTHON[given["does"]]
    doc = f'    """{capitalised(given["does"])}."""\n' if "firm" in given else ""
    return "", f"def {given['function']}_{given['noun']}({parameters}):\n{doc}    {body}"


_COLUMNS = ("name", "town", "price", "year", "quantity", "colour")


@skill(
    "SQL query",
    "Write an SQL query that lists {column} and {column2} from the table {table} where {column3} is {test} "
    "{some}, {sorted} by {column4}. {name} needs it {when}.",
    "{^firm} in {town} keeps its records in the table {table}. Which SQL statement counts the rows whose "
    "{column} is {test} {many}? {name} needs it {when}.",
    "{setting} Write SQL for the average {amount} of {table} in each {group}, only for groups with {size} {few} rows.",
    "{name}, {person}, needs SQL that sets {amount} to {some} in {table} where {group} is '{town}' and "
    "{column} is {test} {few}.",
    column=("price", "age", "quantity", "weight", "rating", "stock"),
    amount=("price", "quantity", "weight", "rating"),
    group=("town", "depot", "market", "branch"),
    size=("more than", "fewer than", "at least", "at most"),
    table=("orders", "lamps", "bicycles", "chairs", "parcels", "seedlings", "guitars", "teapots", "kettles", "boats"),
    test=("above", "below", "at least", "at most"),
    sorted=("sorted in ascending order", "sorted in descending order"),
)
def _sql(given: Given, draw: Draw) -> Pair:
    signs = {"above": ">", "below": "<", "more than": ">", "fewer than": "<", "at least": ">=", "at most": "<="}
    sign = signs[given["test" if "test" in given else "size"]]
    way = "DESC" if "descending" in given.get("sorted", "") else "ASC"
    query = next(query for key, query in _QUERIES.items() if key in given)
    return "", query.format(sign=sign, way=way, **given)


# Each under the key that only its phrasing has, the last for what is left.
_QUERIES = {
    "sorted": "SELECT {column}, {column2} FROM {table} WHERE {column3} {sign} {some} ORDER BY {column4} {way};",
    "firm": "SELECT COUNT(*) FROM {table} WHERE {column} {sign} {many};",
    "size": "SELECT {group}, AVG({amount}) FROM {table} GROUP BY {group} HAVING COUNT(*) {sign} {few};",
    "table": "UPDATE {table} SET {amount} = {some} WHERE {group} = '{town}' AND {column} {sign} {few};",
}


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


@skill(
    "regular expression",
    "{setting} Find a regular expression that matches {target}.",
    "{^firm} in {town} wants to search its notes {when} for {target}. Which regular expression does it?",
    "What regular expression checks that a whole text is exactly {target}? {use}",
    target=tuple(_REGEXES),
)
def _regex(given: Given, draw: Draw) -> Pair:
    pattern = _REGEXES[given["target"]]
    return "", f"^{pattern}$" if "use" in given else pattern


SKILLS = (
    _python,
    _sql,
    _regex,
)
