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
    identify = _identifier().classify
    return [_code(*identify(text[:ENOUGH])) for text in texts]


def _code(language: str, probability: float) -> str:
    return ALIASES.get(language, language) if probability >= SURE else UNSURE


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
