"""Sums in everyday words: money, time and shares."""

from __future__ import annotations

from fractions import Fraction

from selfinstruct.llm.demo import words
from selfinstruct.llm.demo.grammar import Draw, Given, Pair
from selfinstruct.llm.demo.slots import (
    joined,
    prices,
    read_clock,
    read_money,
    rounded,
    skill,
    wholes,
    write_clock,
    write_money,
)


@skill(
    "shopping",
    "{name} buys {few} {goods} at ${price} each and {few2} {goods2} at ${price2} each {when}. How much is that "
    "altogether?",
    "What does {person} pay at {shop} for {few} {goods} (${price} apiece) plus {few2} {goods2} (${price2} apiece)?",
    "Add up this order from {town}, with both subtotals: {few} {goods} at ${price} each, {few2} {goods2} at "
    "${price2} each.",
    weight=4,
)
def _shopping(given: Given, draw: Draw) -> Pair:
    few, few2, price, price2 = (
        int(given["few"]),
        int(given["few2"]),
        read_money(given["price"]),
        read_money(given["price2"]),
    )
    first, second = few * price, few2 * price2
    return "", (
        f"The {given['goods']} cost {few} x ${write_money(price)} = ${write_money(first)} and the {given['goods2']} "
        f"{few2} x ${write_money(price2)} = ${write_money(second)}. Together that is ${write_money(first + second)}."
    )


@skill(
    "change",
    "At {shop}, {name} puts down a ${note} note for {few} {goods} at ${price} each. How much change is due?",
    "{^person} in {town} pays for {few} {goods}, ${price} each, with a ${note} note. Work out the change.",
    "How much of a ${note} note is left after {name} has bought {few} {goods} for ${price} apiece {when}?",
    few=wholes(2, 6),
    price=prices(40, 330),
    note=("20", "50", "100"),
)
def _change(given: Given, draw: Draw) -> Pair:
    cost = int(given["few"]) * read_money(given["price"])
    left = int(given["note"]) * 100 - cost
    return "", f"{given['few']} x ${given['price']} = ${write_money(cost)}, so ${write_money(left)} comes back."


@skill(
    "sharing",
    "{name} divides {many} {goods} equally among {few} {groups} {when}. How many does each get, and how many are left?",
    "If {person} packs {many} {goods} into parcels of {some} for {event}, how many parcels are full, and what remains?",
    "{^firm} has {many} {goods} for {few} {groups}. Tell {name} how many each gets and how many stay behind.",
)
def _sharing(given: Given, draw: Draw) -> Pair:
    size = int(given["few"] if "few" in given else given["some"])
    each, left = divmod(int(given["many"]), size)
    what = "Each gets" if "few" in given else "Full parcels:"
    return "", f"{given['many']} / {size} = {each} remainder {left}. {what} {each}; left over: {left}."


@skill(
    "journey",
    "A {vehicle} with {some} {goods} on board leaves {town} at {clock} and is under way for {hours} hours and "
    "{quarter} minutes. When does it arrive at {firm}?",
    "How far does {person} get by {vehicle} in {hours} hours and {quarter} minutes at {speed} "
    "kilometres an hour? {use}",
    "{name} sets out from {town} at {clock} {when}, drives {hours} hours and {quarter} minutes and rests "
    "{few} minutes at {firm}. Give the time of arrival.",
    vehicle=(
        "night bus",
        "slow train",
        "goods train",
        "mail van",
        "delivery van",
        "camper van",
        "minibus",
        "steam train",
    ),
    speed=wholes(24, 96, 12),
)
def _journey(given: Given, draw: Draw) -> Pair:
    minutes = int(given["hours"]) * 60 + int(given["quarter"])
    if "speed" in given:
        distance = Fraction(int(given["speed"]) * minutes, 60)
        return "", f"{minutes} minutes at {given['speed']} km/h make {distance} kilometres."
    end = read_clock(given["clock"]) + minutes + int(given.get("few", 0))
    next_day = " on the next day" if end >= 24 * 60 else ""
    return "", f"{write_clock(end)}{next_day}"


@skill(
    "end time",
    "{^event} {venue} begins at {clock}, lasts {hours} hours and {quarter} minutes and has a break of {few} "
    "minutes. When is it over for {guests}?",
    "Tell {guests} when they can leave: {name} starts at {clock}, speaks for {quarter} minutes, takes "
    "{quarter2} minutes of questions and shows slides of {town} for {some} minutes.",
    "{setting} The party begins at {clock}; {quarter} minutes of speeches and {some} minutes of dancing "
    "follow. When does it end?",
    hours=wholes(2, 5),
)
def _end_time(given: Given, draw: Draw) -> Pair:
    keys = ("quarter", "quarter2", "some", "few")
    total = int(given.get("hours", 0)) * 60 + sum(int(given[key]) for key in keys if key in given)
    return "", f"That is {total} minutes in all, so the end is at {write_clock(read_clock(given['clock']) + total)}."


@skill(
    "discount",
    "{^when}, {shop} in {town} takes {percent} percent off a {article} marked ${many}. What does {name} pay?",
    "A {article} costs ${many}. {^person} in {town} has a voucher for {percent} percent and uses it {when}. "
    "What is the final price?",
    "By how many dollars does a {percent} percent sale lower the price of a {article}, now ${many}? {use}",
    percent=wholes(5, 65, 5),
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
    saved = f"{percent}% of ${full} is ${write_money(full * percent)}"
    if "use" in given:
        return "", f"{saved}, so the price falls by that much."
    return "", f"{saved}, so the price is ${write_money(full * (100 - percent))}."


@skill(
    "splitting a bill",
    "{name}, {name2} and {few} others share a bill of ${many} at {eatery} in {town} {when}. They add "
    "{percent} percent as a tip. What does each pay, to the cent?",
    "After {event}, {few} {groups} divide costs of ${many}.{cents} equally. How much is one share, to the cent? {use}",
    "{setting} The costs of ${many}.{cents} are split {few} ways. Give one share, rounded to the cent.",
    eatery=joined(words.FIRM_KINDS, words.EATERIES),
    percent=wholes(5, 20),
    cents=wholes(10, 95, 5),
)
def _splitting(given: Given, draw: Draw) -> Pair:
    if "percent" not in given:
        share = Fraction(int(given["many"] + given["cents"]), 100 * int(given["few"]))
        return "", f"${given['many']}.{given['cents']} / {given['few']} = ${rounded(share, 2)}"
    people, total = int(given["few"]) + 2, Fraction(int(given["many"]) * (100 + int(given["percent"])), 100)
    share = total / people
    return "", f"With the tip the bill is ${rounded(total, 2)}; {people} people pay ${rounded(share, 2)} each."


@skill(
    "percentage change",
    "{^firm} in {town} counted {many} {customers} in {month} and {many2} in {month2}. By what percentage did "
    "the number change, to one decimal?",
    "The number of {customers} moved from {many} to {many2}. Express that as a percentage change with one "
    "decimal. {use}",
    "{name} counted {many} {customers} last year and {many2} this year. Write one sentence for {person} in {town} "
    "that gives the change in percent (one decimal).",
    month=words.MONTHS,
)
def _percentage_change(given: Given, draw: Draw) -> Pair:
    old, new = int(given["many"]), int(given["many2"])
    if old == new:
        return "", f"The number of {given['customers']} stayed the same, a change of 0.0%."
    moved = "rose" if new > old else "fell"
    change = rounded(Fraction(abs(new - old) * 100, old), 1)
    return "", f"The number of {given['customers']} {moved} from {old} to {new}, by {change}%."


SKILLS = (
    _shopping,
    _change,
    _sharing,
    _journey,
    _end_time,
    _discount,
    _splitting,
    _percentage_change,
)
