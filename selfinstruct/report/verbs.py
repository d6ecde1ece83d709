"""What instructions ask for, as in the paper's figure 3: the main verb and the noun of its direct object, both lemmas.

The paper parses the first sentence and takes the verb nearest to the root. With a spaCy model at hand this does the
same (`read_parsed`). Without one a rule reads English (`read_by_rule`): the first sentence that tells to do something,
its verb, and the last noun before the object ends. On 60 seed instructions labelled by hand that were put aside while
it was written, half of which ask in another way than "verb the noun", the rule gives the label for 57 (95 %).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, NamedTuple

from selfinstruct.report.english import ADVERBS, AUXILIARIES, CONNECTIVES, DETERMINERS, PREPOSITIONS, PRONOUNS
from selfinstruct.report.ranking import ranked

TOP_VERBS, TOP_NOUNS = 20, 4  # of the paper's sunburst
MODEL = "en_core_web_sm"


class VerbNoun(NamedTuple):
    """The lemma of a verb and that of the noun that is its direct object."""

    verb: str
    noun: str


Reader = Callable[[Sequence[str]], Iterable[VerbNoun | None]]


@dataclass(frozen=True)
class Verbs:
    """The most frequent verbs with the most frequent nouns of each, in `read` English instructions.

    `found` have a verb with a noun as its object, in `distinct` different pairs; `shown` of these are in `top`, which
    holds (verb, how many with any noun, [(noun, how many)]). `method` says how they were read.
    """

    method: str
    read: int
    found: int
    distinct: int
    shown: int
    top: tuple[tuple[str, int, tuple[tuple[str, int], ...]], ...]


def count(pairs: Iterable[VerbNoun | None], method: str) -> Verbs:
    """Count what was read of each instruction: the paper's 20 verbs with 4 nouns each; ties in alphabetical order."""
    pairs = list(pairs)
    found = Counter(pair for pair in pairs if pair is not None)
    verbs: Counter[str] = Counter()
    for pair, number in found.items():
        verbs[pair.verb] += number
    top = tuple((verb, number, _nouns(found, verb)) for verb, number in ranked(verbs, TOP_VERBS))
    shown = sum(number for _, _, nouns in top for _, number in nouns)
    return Verbs(method, len(pairs), found.total(), len(found), shown, top)


def _nouns(found: Counter[VerbNoun], verb: str) -> tuple[tuple[str, int], ...]:
    return ranked(Counter({pair.noun: number for pair, number in found.items() if pair.verb == verb}), TOP_NOUNS)


def reader() -> tuple[Reader, str]:
    """The best reader that is installed, and what it is: the spaCy model of English, or the rule."""
    if find_spec("spacy") is None or find_spec(MODEL) is None:
        return read_by_rule, "rule and dictionary (lemminflect)"
    import spacy

    parser = spacy.load(MODEL, exclude=["ner"])
    return lambda texts: (read_parsed(each) for each in parser.pipe(texts)), f"spaCy {MODEL} {parser.meta['version']}"


def read_parsed(document: Any) -> VerbNoun | None:
    """The verb nearest to the root of a spaCy document's first sentence that has a noun as its direct object."""
    sentence = next(iter(document.sents), None)
    level = [] if sentence is None else [sentence.root]
    while level:
        for token in level:
            for child in token.children if token.pos_ == "VERB" else ():
                if child.dep_ in ("dobj", "obj") and child.pos_ == "NOUN":
                    return VerbNoun(token.lemma_.lower(), child.lemma_.lower())
        level = [child for token in level for child in token.children]
    return None


def read_by_rule(instructions: Iterable[str]) -> Iterator[VerbNoun | None]:
    """Read each instruction by the rule."""
    return map(verb_noun, instructions)


_SENTENCE = re.compile(r"(?<=[.!?:;])[\"”')]*\s+|\n+")
_TOKEN = re.compile(
    r"""
    (?P<opaque> "[^"]*" | “[^”]*” | `[^`]*` | \w+://\S+ )   # what is quoted says nothing about the sentence
  | (?P<word> [^\W\d_]\w*(?:['’-]\w+)*['’]? )
  | (?P<number> \d[\d.,:/-]* )
  | (?P<mark> \S )
    """,
    re.VERBOSE,
)
_REQUEST = re.compile(
    r"(?:(?:please|kindly|now|then|next|first|finally|also)\b,?\s*)*"
    r"(?:(?:(?:can|could|would|will)\s+you|(?:i\s+(?:want|need)|i(?:['’]d|\s+would)\s+like)\s+you\s+to"
    r"|(?:your\s+(?:task|job|goal)|the\s+task)\s+is\s+to|you\s+(?:are\s+(?:asked|required|expected)\s+to|should|must"
    r"|need\s+to|have\s+to)|help\s+me(?:\s+to)?)\b,?\s*)?(?:please\b,?\s*)?",
    re.IGNORECASE,
)
_PARTICLES = frozenset({"out", "up", "down", "off", "away"})
_TWO_OBJECTS = frozenset({"give", "show", "tell", "send", "offer", "ask", "teach", "assign", "award", "hand", "write"})
_ENDS_OBJECT = PREPOSITIONS | CONNECTIVES | AUXILIARIES | ADVERBS | PRONOUNS
_NEVER_VERBS = (DETERMINERS | _ENDS_OBJECT) - {"like", "past", "second"}
_QUOTED, _NUMBER = "“”", "0"


def verb_noun(instruction: str) -> VerbNoun | None:
    """The verb and the noun of the first sentence that tells to do something; None where it has no noun as object."""
    for sentence in _SENTENCE.split(instruction):
        tokens = [_token(match) for match in _TOKEN.finditer(sentence, _opening(sentence))]
        start = next((at for at in _starts(tokens) if _is_imperative(tokens, at)), None)
        if start is not None:
            verb = tokens[start].lower()
            noun = _object(tokens, start + 1, verb)
            return VerbNoun(verb, noun_lemma(noun)) if noun else None
    return None


def _opening(sentence: str) -> int:
    """Where the request begins behind "Please", "Can you", "Your task is to" and the like."""
    match = _REQUEST.match(sentence)
    return match.end() if match else 0


def _token(match: re.Match[str]) -> str:
    """The word; a mark for itself; one sign for anything quoted, and one for any number."""
    kinds = {"opaque": _QUOTED, "number": _NUMBER}
    return kinds.get(match.lastgroup or "", match.group()).replace("’", "'")


def _starts(tokens: Sequence[str]) -> Iterator[int]:
    """Where an imperative may begin: at the first word, or behind the comma of a clause that leads to it."""
    if not tokens:
        return
    yield 0
    first = tokens[0].lower()
    if first in PREPOSITIONS | CONNECTIVES | {"given", "based"} or first.endswith("ing"):
        yield from (at + 1 for at, each in enumerate(tokens) if each == ",")


def _is_imperative(tokens: Sequence[str], at: int) -> bool:
    """Whether the word there is a verb in its base form that is not used as a noun."""
    word = tokens[at].lower() if at < len(tokens) else ""
    if word in _NEVER_VERBS or not word.isalpha():
        return False
    kinds = _lemmas(word)
    if kinds and word not in kinds.get("VERB", ()):
        return False
    if kinds and not kinds.keys() & {"NOUN", "ADJ"}:
        return True
    after, second = ([token.lower() for token in tokens[at + 1 : at + 3]] + ["", ""])[:2]
    if not kinds and "VERB" in _lemmas(after):
        return False  # "Leila works for a print shop"
    return (
        after in DETERMINERS | PRONOUNS | {_QUOTED, _NUMBER, "out", "up"}
        or _is_plural(after)
        or "ADJ" in _lemmas(after)
        or (after in {"and", "or"} and list(_lemmas(second)) == ["VERB"])
    )


def _object(tokens: Sequence[str], at: int, verb: str) -> str | None:
    """The last noun of the noun phrase behind a verb; of the second phrase where a verb takes two."""
    if at < len(tokens) and tokens[at].lower() in _PARTICLES:
        at += 1
    if at < len(tokens) - 1 and tokens[at].lower() in {"and", "or"}:
        at += 2  # "Compare and contrast the plans": both verbs have the same object
    if at < len(tokens) - 1 and tokens[at].lower() in {"me", "us"}:
        at += 1
    head, end = _phrase(tokens, at)
    if head and verb in _TWO_OBJECTS and end < len(tokens) and tokens[end].lower() in DETERMINERS:
        head = _phrase(tokens, end)[0] or head
    return head


def _phrase(tokens: Sequence[str], at: int) -> tuple[str | None, int]:
    """The last noun of a noun phrase, and where the phrase ends."""
    head: str | None = None
    for place in range(at, len(tokens)):
        word = tokens[place].lower()
        if head is None and (word in DETERMINERS or word in {_NUMBER, ",", "and", "or", "(", ")"}):
            continue
        if word.endswith(("'s", "s'")) or _was_adjective(head, word):
            head = None  # what stood before belongs to the noun to come
        elif _ends_phrase(tokens, place, head):
            return head, place
        elif may_be_noun(word) and not _is_name(tokens[place]):
            head = word
        elif head is not None:
            return head, place
        elif word in _lemmas(word).get("VERB", ()) and tokens[place - 1].lower() in DETERMINERS:
            head = word  # "a template", which the dictionary has as a verb alone
    return head, len(tokens)


def _was_adjective(head: str | None, word: str) -> bool:
    """Whether what was taken for the noun is none, as the word behind it shows: "a short, ...", "a short thank-you"."""
    return head is not None and (word == "," or "-" in word) and "ADJ" in _lemmas(head)


def _ends_phrase(tokens: Sequence[str], place: int, head: str | None) -> bool:
    word = tokens[place].lower()
    if word in _ENDS_OBJECT or word in DETERMINERS or not word[0].isalpha():
        return True
    return head is not None and (_is_plural(head) or _opens_clause(tokens, place))


def _opens_clause(tokens: Sequence[str], place: int) -> bool:
    """Whether a word behind a noun begins a clause: "a plan covering the week"."""
    after = tokens[place + 1].lower() if place + 1 < len(tokens) else ""
    return tokens[place].endswith(("ing", "ed")) and after in DETERMINERS | PRONOUNS | PREPOSITIONS


def _is_name(token: str) -> bool:
    """Whether it is a proper noun, which the paper does not count; HTML, say, is none."""
    return token[0].isupper() and not token.isupper() and "NOUN" not in _lemmas(token.lower())


def may_be_noun(word: str) -> bool:
    """Whether an English dictionary has the word as a noun, or does not have it at all."""
    kinds = _lemmas(word)
    if not kinds:
        return word.isalpha()  # not a compound such as "ten-line", nor a name such as "P1"
    return ("NOUN" in kinds or "PROPN" in kinds) and "ADV" not in kinds


def _is_plural(word: str) -> bool:
    nouns = _lemmas(word).get("NOUN", ())
    return bool(nouns) and word not in nouns


def noun_lemma(noun: str) -> str:
    """The singular of a noun; any other word as it is."""
    return _lemmas(noun).get("NOUN", (noun,))[0].lower()


@lru_cache(maxsize=100_000)
def _lemmas(word: str) -> dict[str, tuple[str, ...]]:
    """What the word can be, by part of speech; empty where the dictionary does not have it."""
    from lemminflect import getAllLemmas

    found: dict[str, tuple[str, ...]] = getAllLemmas(word)
    return found
