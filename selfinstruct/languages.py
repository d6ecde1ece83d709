"""The language of texts, as far as it can be told from them alone."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

UNSURE = "?"
SURE = 0.5  # the probability from which an answer is taken
ENOUGH = 300  # characters that are looked at
ALIASES = {"wuu": "zh"}  # Wu is written in the same characters, and short Chinese texts are taken for it


def languages(texts: Iterable[str]) -> list[str]:
    """The ISO 639 code of each text's language, or "?" where py3langid is not sure (a probability below 0.5)."""
    return [code if probability >= SURE else UNSURE for code, probability in (identify(one[:ENOUGH]) for one in texts)]


def identify(text: str) -> tuple[str, float]:
    """The ISO 639 code of a text's likeliest language, and how probable it is (0 to 1)."""
    code, probability = _identifier().classify(text)
    return ALIASES.get(code, code), float(probability)


@cache
def _identifier() -> Any:
    """py3langid with probabilities, loaded once: it takes half a second."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
