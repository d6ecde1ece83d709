"""Classification by what a text says."""

from __future__ import annotations

import re

from selfinstruct.llm.demo import sentences, words
from selfinstruct.llm.demo.grammar import Draw, Given, Made, Pair, capitalised
from selfinstruct.llm.demo.slots import lists_of, pick_row, read_labels, skill, third_person, verdict


@skill(
    "sentiment",
    "{^firm} in {town} collects {feedback} {when}. Say whether the one given is {moods}.",
    "Is the tone of this remark {moods}? {^person} sorts {feedback} from {guests}.",
    "Label the opinion of {guests} about {event} as {moods}.",
    classification=True,
    moods=("positive, negative or mixed", "happy, unhappy or torn", "praise, blame or both", "good, bad or in between"),
)
def _sentiment(given: Given, draw: Draw) -> Pair:
    good, bad, mixed = read_labels(given["moods"])
    first, second = draw.pick(sentences.PRAISE), draw.pick(sentences.BLAME)
    praise, blame = (
        f"{capitalised(one)}, and {two}."
        for one, two in (draw.sample(sentences.PRAISE, 2), draw.sample(sentences.BLAME, 2))
    )
    both = f"{capitalised(first)}, but {second}."
    return draw.pick(((praise, good), (blame, bad), (both, mixed)))


@skill(
    "language",
    "{setting} Which language is the sentence in: {languages}?",
    "{^firm} in {town} gets {feedback} from abroad {when}. Name the language of the sample ({languages}) for {name}.",
    "Which of these languages, {languages}, did {guests} use in the sentence? {use}",
    classification=True,
    languages=(
        "French, Spanish, German or Italian",
        "German, Italian, Spanish or French",
        "Italian, French or Spanish",
    ),
)
def _language(given: Given, draw: Draw) -> Pair:
    language = draw.pick(read_labels(given["languages"]))
    return draw.pick(sentences.LANGUAGES[language]), language


@skill(
    "true statement",
    "{^person} tells {guests} {when}: {statement}. Is that {yesno}?",
    'Decide for the quiz of {name} in {town} whether "{statement}" is {yesno}.',
    "{statement}, claims {person} at {event}. Reply with {yesno}.",
    "Check a line from the almanac of {firm}: {statement}. One label only, {yesno}.",
    classification=True,
    statement=sentences.TRUE_FACTS + sentences.FALSE_FACTS,
    yesno=("true or false", "right or wrong", "correct or incorrect", "fact or error"),
)
def _true_statement(given: Given, draw: Draw) -> Pair:
    return "", verdict(given, given["statement"] in sentences.TRUE_FACTS)


@skill(
    "fact check",
    "{^person} in {town} read a statement {when}. Is it {yesno}?",
    "{name} collects claims for {event} {venue}. Mark the one below as {yesno}.",
    "{setting} There is some nonsense in the almanac. Say if this line is {yesno}.",
    classification=True,
    yesno=("true or false", "right or wrong", "correct or incorrect", "fact or error"),
    weight=2,
)
def _fact_check(given: Given, draw: Draw) -> Pair:
    holds = draw.chance(0.5)
    return f"{draw.pick(sentences.TRUE_FACTS if holds else sentences.FALSE_FACTS)}.", verdict(given, holds)


@skill(
    "fact or opinion",
    "{^person} in {town} underlined a sentence {when}. Does it express {kinds}?",
    "{name} teaches {guests} {venue} to read newspapers. Is the example {kinds}?",
    "{setting} Sort the remark that was overheard: {kinds}.",
    "Tell whether the line is {kinds}. {use}",
    classification=True,
    kinds=("a fact or an opinion", "something one can check or a matter of taste", "knowledge or judgement"),
)
def _fact_or_opinion(given: Given, draw: Draw) -> Pair:
    fact, opinion = (re.sub("^an? ", "", label) for label in given["kinds"].split(" or "))
    return draw.pick(((f"{draw.pick(sentences.TRUE_FACTS)}.", fact), (f"{draw.pick(sentences.OPINIONS)}.", opinion)))


def _ended(text: str) -> str:
    """With a question mark after a question, or else a full stop."""
    return f"{text}{'?' if text.startswith(('Can ', 'Could ', 'When ')) else '.'}"


@skill(
    "urgency",
    "Rate how urgent the message to {firm} in {town} is: {levels}. {^person} reads it {when}.",
    "{name} sorts messages from tenants in {town} {when}. Which level does this one get, {levels}? {use}",
    "{setting} Triage the request that has just come in: {levels}?",
    classification=True,
    levels=("high, medium or low", "red, amber or green", "critical, ordinary or minor", "urgent, normal or no hurry"),
)
def _urgency(given: Given, draw: Draw) -> Pair:
    level = draw.whole(0, 2)
    return _ended(draw.pick(sentences.URGENCY[("high", "medium", "low")[level]])), read_labels(given["levels"])[level]


@skill(
    "spam",
    "{^person} in {town} got this email {when}. Is it {kinds}?",
    "{setting} The inbox needs a filter. Classify the message as {kinds}.",
    "Should {name} trust the text that reached {guests} {when}? Answer {kinds}. {use}",
    classification=True,
    kinds=("spam or not spam", "junk or genuine", "unwanted or wanted", "suspicious or harmless"),
)
def _spam(given: Given, draw: Draw) -> Pair:
    spam, ham = given["kinds"].split(" or ")
    return draw.pick(((f"{draw.pick(sentences.SPAM)}.", spam), (_ended(draw.pick(sentences.HAM)), ham)))


@skill(
    "routing",
    "Which department of {firm} in {town} should answer: billing, delivery or repairs? {^person} opens the "
    "post {when}.",
    "{setting} Forward the note to billing, delivery or repairs.",
    "Say who takes care of this message: billing, delivery or repairs. {use}",
    classification=True,
)
def _routing(given: Given, draw: Draw) -> Pair:
    label = draw.pick(tuple(sentences.DEPARTMENTS))
    return _ended(draw.pick(sentences.DEPARTMENTS[label])), label


@skill(
    "intent",
    "{^firm} in {town} gets {feedback} from {guests} {when}. Is the example a question, a complaint, praise "
    "or a booking?",
    "What does the writer want: question, complaint, praise or booking? {use}",
    "{setting} Assign one of four labels (question, complaint, praise, booking) to the message.",
    classification=True,
)
def _intent(given: Given, draw: Draw) -> Pair:
    label = draw.pick(tuple(sentences.INTENTS))
    return draw.pick(sentences.INTENTS[label]), label


@skill(
    "register",
    "{^person} in {town} sent a line to {guests} {when}. Is its wording {kinds}?",
    "{setting} Judge the style of the sentence that went out: {kinds}.",
    "Would you call this way of speaking {kinds}? {use}",
    classification=True,
    kinds=("formal or informal", "official or casual", "business-like or chatty"),
)
def _register(given: Given, draw: Draw) -> Pair:
    formal, informal = given["kinds"].split(" or ")
    casual, official = pick_row(sentences.FORMAL, draw)
    return draw.pick(((official, formal), (casual, informal)))


@skill(
    "tense of a sentence",
    "Does the sentence that {person} in {town} dictated {when} speak of {times}?",
    "For the grammar club of {guests} in {town}, {venue}: which time is meant, {times}?",
    "{setting} Put this line from a diary under {times}.",
    "Which of these does the sentence describe: {times}? {use}",
    classification=True,
    times=("the past, the present or the future", "yesterday, today or tomorrow", "what was, what is or what will be"),
)
def _tense_of(given: Given, draw: Draw) -> Pair:
    verb, past = pick_row(words.PAST_VERBS, draw)
    forms = (past, third_person(verb), f"will {verb}")
    label = draw.whole(0, 2)
    subject, thing, spot = draw.pick(words.SUBJECTS), draw.pick(words.OBJECTS), draw.pick(words.PLAIN_SPOTS)
    return f"{capitalised(subject)} {forms[label]} {thing} {spot}.", read_labels(given["times"])[label].removeprefix(
        "the "
    )


_CATEGORY_OF = {word: category for category, words in words.CATEGORIES.items() for word in words}


def _odd_list(draw: Draw) -> str:
    main, other = draw.sample(tuple(words.CATEGORIES), 2)
    return ", ".join(draw.shuffled([*draw.sample(words.CATEGORIES[main], 4), draw.pick(words.CATEGORIES[other])]))


@skill(
    "odd one out",
    "Which of these words does not belong with the others: {row}? {^person} asks {guests} {when}.",
    "{name} from {town} reads out {row}. One of the words is the odd one out; name it. {use}",
    "{setting} Which word has to leave the quiz card, as the rest are of one kind: {row}?",
    classification=True,
    row=Made(_odd_list, r"[A-Za-z ]+?(?:, [A-Za-z ]+?)+"),
    weight=4,
)
def _odd_one_out(given: Given, draw: Draw) -> Pair:
    row = given["row"].split(", ")
    kinds = [_CATEGORY_OF.get(word, "") for word in row]
    return "", next((word for word, kind in zip(row, kinds, strict=True) if kinds.count(kind) == 1), row[0])


_GROUP_LIST = lists_of(tuple(words.CATEGORIES), 3, 4)


@skill(
    "category",
    "Put the word into the right one of these groups: {kinds}. {^person} in {town} makes a card game for {guests}.",
    "{name} labels boxes for {firm} {when}: {kinds}. Which label fits the word?",
    "{setting} To which of these groups does the given word belong: {kinds}?",
    classification=True,
    kinds=_GROUP_LIST,
)
def _category(given: Given, draw: Draw) -> Pair:
    kind = draw.pick(given["kinds"].split(", "))
    return draw.pick(words.CATEGORIES.get(kind, (kind,))), kind


SKILLS = (
    _sentiment,
    _language,
    _true_statement,
    _fact_check,
    _fact_or_opinion,
    _urgency,
    _spam,
    _routing,
    _intent,
    _register,
    _tense_of,
    _odd_one_out,
    _category,
)
