"""A scripted model for the tests of the loop: readable, a pure function of the request, and with flaws."""

from __future__ import annotations

from random import Random

from selfinstruct import Completion, Request, Usage

VERBS = [
    "Explain",
    "Describe",
    "List",
    "Compare",
    "Rewrite",
    "Summarize",
    "Name",
    "Plan",
    "Sort",
    "Translate",
    "Invent",
    "Correct",
]
THINGS = [
    "rivers",
    "kettles",
    "trains",
    "poems",
    "bridges",
    "apples",
    "clocks",
    "gardens",
    "letters",
    "winters",
    "stones",
    "markets",
    "violins",
]
WAYS = [
    "briefly",
    "kindly",
    "twice",
    "backwards",
    "tonight",
    "indoors",
    "together",
    "slowly",
    "outdoors",
    "daily",
    "honestly",
    "loudly",
]
PLACES = ["Oslo", "Lima", "Accra", "Hanoi", "Quito", "Dakar", "Kyoto", "Perth", "Turin", "Izmir", "Cusco", "Malmo"]


def instruction(random: Random) -> str:
    """One of some twenty thousand instructions, mostly unlike one another."""
    verb, thing, way, place = (words[int(random.random() * len(words))] for words in (VERBS, THINGS, WAYS, PLACES))
    return f"{verb} {thing} {way} for {1 + int(random.random() * 90)} people near {place}"


def answer(request: Request) -> str:
    """What the scripted model says; the same request always gets the same answer."""
    random = Random(request.digest)
    if request.stage == "instructions":
        first = request.about["first"]
        lines = [f"{first + i}. {instruction(random)}" for i in range(7)]
        lines[int(random.random() * 7)] = f"{first}. Draw a picture of a horse near the sea"
        return "\n".join(lines)
    if request.stage == "classify":
        return ("No", "No, it is not.", "yes", "No", "That depends", "No")[int(random.random() * 6)]
    if "Class label:" in request.text:
        return "Class label: warm\nInput: The kettle sings.\nClass label: cold\nInput: The river froze."
    if random.random() < 0.1:
        return "I cannot help with that."
    return f"Example 1\nInput: {instruction(random)}\nOutput: Done.\nExample 2\nInput: x\nOutput: y"


def complete(request: Request) -> Completion:
    """The answer with usage."""
    text = answer(request)
    return Completion(text, "stop", Usage(len(request.text) // 4, len(text) // 4), "scripted")
