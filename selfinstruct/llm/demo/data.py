"""Getting data out of sentences, and into shape."""

from __future__ import annotations

import json

from selfinstruct.llm.demo import words
from selfinstruct.llm.demo.grammar import Draw, Given, Made, Pair, draw_value
from selfinstruct.llm.demo.slots import SHARED, skill, write_money


def _order(draw: Draw) -> dict[str, str]:
    return {
        "name": f"{draw.pick(words.NAMES)} {draw.pick(words.SURNAMES)}",
        "item": draw.pick(words.GOODS),
        "quantity": str(draw.whole(2, 40)),
        "town": draw.pick(words.TOWNS),
        "date": draw_value(SHARED["date"], draw),
        "price": f"${write_money(draw.whole(300, 9_000))}",
    }


def _order_sentence(order: Given, draw: Draw) -> str:
    return draw.pick(
        (
            "On {date}, {name} from {town} ordered {quantity} {item} for {price}.",
            "{name} ({town}) wants {quantity} {item}; {price} was paid on {date}.",
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


@skill(
    "extraction",
    "{^firm} receives orders by email. Take {wanted} out of the message, and nothing else. {use}",
    "Read the delivery note and copy {wanted} and {wanted2}, separated by a semicolon. {use}",
    "{setting} From the order note, take {wanted} and {wanted2}, with a semicolon between them.",
    "{name} in {town} keeps records for {person} {when}. Find {wanted}, {wanted2} and {wanted3} in the entry, "
    "one per line.",
    wanted=tuple(_WANTED),
    weight=4,
)
def _extraction(given: Given, draw: Draw) -> Pair:
    order = _order(draw)
    found = [order[_WANTED[given[key]]] for key in ("wanted", "wanted2", "wanted3") if key in given]
    return _order_sentence(order, draw), ("\n" if len(found) == 3 else "; ").join(found)


_FIELD_LIST = Made(lambda draw: ", ".join(draw.sample(_FIELDS, draw.whole(3, 4))), r"[a-z]+(?:, [a-z]+)+")


@skill(
    "JSON",
    "{setting} Turn the order note into a JSON object with the keys {fields}, all values as strings.",
    "Write the sentence as JSON with string values and the keys {fields}. {use}",
    "One line of JSON, please, made of this entry: keys {fields}, values as text. {use}",
    fields=_FIELD_LIST,
)
def _json(given: Given, draw: Draw) -> Pair:
    order = _order(draw)
    return _order_sentence(order, draw), json.dumps({key: order[key] for key in given["fields"].split(", ")})


@skill(
    "table row",
    "Write the order as {shape} with the fields {fields}. {use}",
    "{setting} Turn the note into {shape}, with {fields} in this order.",
    "{name} in {town} wants {shape} made of the message, with the fields {fields}, for {person}.",
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


@skill(
    "guest list",
    "List the people in the message about {event}, in alphabetical order of their surnames. {use}",
    "{setting} How many people does the note mention, and who are they?",
)
def _guest_list(given: Given, draw: Draw) -> Pair:
    firsts, lasts = draw.sample(words.NAMES, 4), draw.sample(words.SURNAMES, 4)
    people = [f"{first} {last}" for first, last in zip(firsts, lasts, strict=True)][: draw.whole(3, 4)]
    text = f"{people[0]} will arrive early, {people[1]} brings the drinks, and {people[2]} asks for a ride."
    if len(people) == 4:
        text += f" {people[3]} cannot come."
    if "setting" in given:
        return text, f"{len(people)}: {', '.join(people)}"
    return text, "\n".join(sorted(people, key=lambda person: person.split()[1]))


SKILLS = (
    _extraction,
    _json,
    _table,
    _guest_list,
)
