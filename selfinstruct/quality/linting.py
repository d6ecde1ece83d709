"""`lint`: every rule on every row."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from selfinstruct.errors import SettingsError
from selfinstruct.llm import LLM
from selfinstruct.quality.judge import Judge
from selfinstruct.quality.report import Finding, LintReport
from selfinstruct.quality.rules import Row, Rule, chosen
from selfinstruct.quality.sets import blocks, examples
from selfinstruct.records import Source, open_records


def lint(
    source: Source,
    *,
    select: str | Iterable[str] | None = None,
    ignore: str | Iterable[str] | None = None,
    judge: str | LLM | None = None,
    judge_ledger: str | os.PathLike[str] | None = None,
    base_url: str | Sequence[str] = (),
    api_key_env: str | Sequence[str] = (),
    concurrency: int = 32,
) -> LintReport:
    """Look for known defects in a run, a file, a data set of the Hub, or rows, and say where and why.

    Rows have the columns instruction, input and output, or instruction and instances (Self-Instruct's tasks, where
    each instance is looked at). `select` and `ignore` take codes ("SI201"), groups ("SI2") and names ("refusal").
    `judge` names a model, or is one, that decides the classes 9xx, which no rule can: one request a row, each answer
    in the file `judge_ledger`, so that a second call repeats no request and a killed one goes on.

    Raises:
        SettingsError: the set cannot be read, a code is unknown, or the judge has no ledger.
        EndpointFailed: the judge's endpoint gave no answer any more; what was answered is kept.

    Example:
        >>> rows = [{"instruction": "Add 2 and 3.", "input": "<noinput>", "output": "2 + 3 = 6"}]
        >>> lint(rows).counts
        Counter({'SI101': 1, 'SI301': 1})
    """
    rules = chosen(select, ignore)
    court = None
    if judge is not None:
        court = Judge.of(judge, judge_ledger, rules, base_url, api_key_env, concurrency)
    elif select is not None and all(rule.check is None for rule in rules):
        raise SettingsError(f"{rules[0].code} is decided by a language model; name one with judge (--judge MODEL)")
    findings: list[Finding] = []
    held: list[Row] = []
    number = 0
    for row in _rows(source):
        number += 1
        findings += findings_of(row, rules)
        if court is not None:
            held.append(row)
    if court is None:
        return LintReport(findings, number)
    judged, undecided = court.decide(held)
    findings = sorted([*findings, *judged], key=lambda one: one.row)
    return LintReport(findings, number, len(held), undecided)


def findings_of(row: Row, rules: Iterable[Rule]) -> list[Finding]:
    """What the rules find in one row."""
    return [
        Finding.of(row, rule, flaw)
        for rule in rules
        if rule.check is not None and (flaw := rule.check(row)) is not None
    ]


def _rows(source: Source) -> Iterator[Row]:
    records = open_records(source)
    for start, _, rows in blocks(records):
        for number, row in enumerate(rows, start):
            yield from examples(row, number, records.name)
