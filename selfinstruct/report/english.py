"""English words that carry grammar, not content: what the rule for verbs and nouns steps over, and topics leave out."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DETERMINERS = _words(
    "a an the this that these those each every any some all both no another either neither such enough several many "
    "much more most few fewer less my your his her its our their whose one two three four five six seven eight nine "
    "ten eleven twelve dozen first second third last next following given"
)
PRONOUNS = _words(
    "i me you he him she it we us they them mine yours ours theirs myself yourself himself herself itself ourselves "
    "themselves something anything everything nothing someone anyone everyone nobody somebody"
)
PREPOSITIONS = _words(
    "about above across after against along among around as at before behind below beneath beside besides between "
    "beyond but by despite down during except for from in inside into like near of off on onto out outside over past "
    "per since than through throughout till to toward towards under until up upon via with within without"
)
CONNECTIVES = _words(
    "and or nor so yet if unless because although though while whereas when whenever where wherever whether once that "
    "who whom which what why how there here then thus hence therefore"
)
AUXILIARIES = _words(
    "be am is are was were been being do does did done have has had having can could may might must shall should will "
    "would ought isn't aren't wasn't weren't don't doesn't didn't can't couldn't won't wouldn't shouldn't"
)
ADVERBS = _words(
    "not only also just very too again twice together separately well please now always never still even ever often "
    "else instead yes ok"
)
FUNCTION_WORDS = DETERMINERS | PRONOUNS | PREPOSITIONS | CONNECTIVES | AUXILIARIES | ADVERBS
