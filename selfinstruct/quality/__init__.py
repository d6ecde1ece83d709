"""Known defects of instruction data: found with a reason a row, and repaired where the repair is certain.

    rules.py      what a rule is, and the choice by codes
    inputs.py     1xx: the task itself
    outputs.py    2xx: answers that are none; endings.py, that break off or loop; language.py, in another language
    sums.py       3xx: sums that can be computed; units.py, conversions
    traces.py     4xx: what machinery left in the text
    personal.py   5xx: personal data and secrets; keys.py finds these
    judge.py      9xx: what a language model decides
    sets.py       from files, runs and rows to what the rules see, and back

The classes are those of AlpacaDataCleaned, and what its users met later.
"""

from __future__ import annotations

from selfinstruct.quality.fixing import Change, Fixed, Removed, fix, fix_file
from selfinstruct.quality.keys import detect_keys, mask_keys
from selfinstruct.quality.linting import lint
from selfinstruct.quality.report import Finding, LintReport
from selfinstruct.quality.rules import RULES, Flaw, Row, Rule

__all__ = [
    "RULES",
    "Change",
    "Finding",
    "Fixed",
    "Flaw",
    "LintReport",
    "Removed",
    "Row",
    "Rule",
    "detect_keys",
    "fix",
    "fix_file",
    "lint",
    "mask_keys",
]
