"""Rewriting: tone, tense, grammar, length and language."""

from __future__ import annotations

import re

from selfinstruct.llm.demo import sentences, words
from selfinstruct.llm.demo.grammar import Draw, Given, Pair, capitalised
from selfinstruct.llm.demo.slots import pick_row, skill, third_person, write_clock


@skill(
    "politeness",
    "{^person} is about to send this line to {guests} {when}. Make it more polite without changing what it says.",
    "{name} works for {firm} in {town} and sounds too blunt. Rephrase the sentence courteously, for {guests}.",
    "{setting} How could the following be put more kindly? One sentence is enough.",
    "Soften this remark, which {name} heard {venue} in {town}, so that even {person} would not mind it.",
)
def _politeness(given: Given, draw: Draw) -> Pair:
    return pick_row(sentences.POLITE, draw)


@skill(
    "formal style",
    "Rewrite the message in a formal style, since {person} will send it to {guests} {when}.",
    "{setting} The draft below is too casual. Put it into formal language.",
    "Lift the tone of this note: it must be free of slang. {use}",
)
def _formal(given: Given, draw: Draw) -> Pair:
    return pick_row(sentences.FORMAL, draw)


@skill(
    "change of tense",
    "Put the sentence into the {tense}. {use}",
    "{name} learns English in {town} with {person} {when}. Change the verb of the example to the {tense}.",
    "What does this line from a story about {event} {venue} look like in the {tense}? {^person} wants to know.",
    tense=("simple past", "simple present", "future with will"),
)
def _tense(given: Given, draw: Draw) -> Pair:
    verb, past = pick_row(words.PAST_VERBS, draw)
    forms = {"simple past": past, "simple present": third_person(verb), "future with will": f"will {verb}"}
    source = draw.pick([tense for tense in forms if tense != given["tense"]])
    subject, rest = (
        capitalised(draw.pick(words.SUBJECTS)),
        f"{draw.pick(words.OBJECTS)} {draw.pick(words.PLAIN_SPOTS)}.",
    )
    return f"{subject} {forms[source]} {rest}", f"{subject} {forms[given['tense']]} {rest}"


@skill(
    "active and passive",
    "Turn the active sentence into the passive. {use}",
    "{name} edits the newsletter of {firm} in {town} {when}. Rewrite the sentence with the object first, in "
    "the passive voice.",
    "{setting} What is the passive form of this sentence?",
)
def _passive(given: Given, draw: Draw) -> Pair:
    past = draw.pick(list(words.PAST_VERBS.values()))
    subject, thing, spot = draw.pick(words.SUBJECTS), draw.pick(words.OBJECTS), draw.pick(words.PLAIN_SPOTS)
    participle = words.PARTICIPLES.get(past, past)
    return (
        f"{capitalised(subject)} {past} {thing} {spot}.",
        f"{capitalised(thing)} was {participle} by {subject} {spot}.",
    )


@skill(
    "correcting grammar",
    "{^person} in {town} wrote this sentence {when}. Correct the grammar and change as little as possible.",
    "{setting} Find the mistake in the homework and write the sentence correctly.",
    "Before {firm} in {town} prints it on a poster for {event} {venue}, repair the error in this line.",
    "What has to be changed to make this sentence good English? Give the whole sentence. {use}",
)
def _grammar(given: Given, draw: Draw) -> Pair:
    return pick_row(sentences.ERRORS, draw)


@skill(
    "summary",
    "Sum up the notice in one sentence for {guests}, as {person} in {town} would do {when}.",
    "{setting} There is room for only one line on the screen. Shorten the announcement to a single sentence.",
    "What is the gist of this message? Reply in one sentence. {use}",
    "Boil the paragraph down to its main point for {name}, {person}, who reads it {when} on a small phone.",
)
def _summary(given: Given, draw: Draw) -> Pair:
    event, venue, note = draw.pick(words.EVENTS), draw.pick(words.VENUES), draw.pick(sentences.NOTES)
    ask, trouble, clock = draw.pick(words.ASKS), draw.pick(sentences.TROUBLES), write_clock(draw.whole(100, 240) * 5)
    day, new = draw.sample(words.WEEKDAYS, 2)
    long = (
        f"As many of you know, we had planned {event} {venue} for {day}. Unfortunately {trouble}, and so we have to "
        f"move it to {new} at {clock}. All tickets stay valid. Please note that {note}, and remember to {ask}."
    )
    return long, f"{capitalised(event)} {venue} moves from {day} to {new} at {clock}, because {trouble}."


@skill(
    "headline",
    "Find a headline of at most twelve words for the report that {person} sent from {town} {when}.",
    "{setting} The weekly paper prints the story below. Write a short headline in the present tense.",
    "What heading would suit this piece of news? {use}",
)
def _headline(given: Given, draw: Draw) -> Pair:
    verb, past = pick_row(words.PAST_VERBS, draw)
    subject, thing, town = draw.pick(words.SUBJECTS), draw.pick(words.OBJECTS), draw.pick(words.TOWNS)
    text = (
        f"{capitalised(subject)} {past} {thing} in {town} on Sunday. Nobody was hurt, but the police asked questions."
    )
    short = (re.sub(r"^(the|a|an|my|our) ", "", name) for name in (subject, thing))
    who, what = short
    return text, f"{capitalised(who)} {third_person(verb)} {what} in {town}"


@skill(
    "translation",
    "Translate the sentence into {language} for {person}, who visits {town} {when}.",
    "{^firm} greets visitors from abroad {when}. Put this line into {language}, so that {name} can read it to "
    "{guests}.",
    "{setting} How does one say the following in {language}?",
    language=tuple(sentences.LANGUAGES),
)
def _translation(given: Given, draw: Draw) -> Pair:
    place = draw.whole(0, len(sentences.PHRASES) - 1)
    return sentences.PHRASES[place], sentences.LANGUAGES[given["language"]][place]


SKILLS = (
    _politeness,
    _formal,
    _tense,
    _passive,
    _grammar,
    _summary,
    _headline,
    _translation,
)
