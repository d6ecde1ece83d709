"""`selfinstruct lint`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from selfinstruct.commands.options import json_option, stem_of
from selfinstruct.errors import SettingsError

if TYPE_CHECKING:
    from selfinstruct.quality import Fixed, LintReport, Rule


@click.command("lint")
@click.argument("source", metavar="IN", required=False)
@click.option("--select", multiple=True, metavar="CODES", help="Only these codes, groups (SI2) or names. Repeatable.")
@click.option("--ignore", multiple=True, metavar="CODES", help="All but these. Repeatable.")
@click.option("--fix", "mend", is_flag=True, help="Repair what is certain, and write the set to --output.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File for the repaired set: .jsonl, .json, .parquet."
)
@click.option("--judge", metavar="MODEL", help="Let a model decide the codes 9xx: one request a row.")
@click.option(
    "--judge-ledger",
    type=click.Path(path_type=Path),
    help="File that keeps its answers, so that none is asked for twice (default: IN's name and .judge.jsonl).",
)
@click.option("--base-url", multiple=True, help="Of --judge: OpenAI-compatible endpoint. Repeatable.")
@click.option("--api-key-env", multiple=True, help="Of --judge: variable that holds the key. Repeatable.")
@click.option("--concurrency", default=32, show_default=True, help="Of --judge: requests in flight.")
@click.option("--rules", is_flag=True, help="List all rules and stop.")
@click.option("--explain", metavar="CODES", multiple=True, help="Say what a rule finds and what --fix does, and stop.")
@json_option
def command(
    source: str | None,
    mend: bool,
    output: Path | None,
    rules: bool,
    explain: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> int:
    """Look for known defects in IN, and say where and why: a line a finding.

    IN is a run, a .jsonl, .json, .parquet or .csv file, or a data set of the Hub (owner/name), with the columns
    instruction, input and output, or instruction and instances. IN is never changed: --fix writes what it repairs to
    -o, and drops rows without an output. Findings marked [*] are those that --fix repairs. Prose is never touched on a
    guess.

    Exit status: 0 nothing found, 1 something found (with --fix: something is left), 2 wrong usage, 4 the endpoint of
    --judge failed for good, 130 interrupted. After 4 and 130 the same command goes on and repeats no request.

    \b
    Examples:
      selfinstruct lint runs/demo
      selfinstruct lint all.jsonl --select SI2,SI301 --json
      selfinstruct lint all.jsonl --fix -o clean.jsonl --ignore SI5
      selfinstruct lint runs/first --judge gpt-5-mini --judge-ledger judged.jsonl
    """
    if rules or explain:
        _print_rules(explain, as_json)
        return 0
    if source is None:
        raise click.UsageError("IN is missing: name a run, a file or a data set of the Hub (--rules needs none)")
    fixed = _fixed(source, mend, output, **options)
    report = _linted(source, **options) if fixed is None else fixed.left
    if as_json:
        repaired = (
            {} if fixed is None else {"changes": [vars(one) for one in fixed.changes], "dropped": _dropped(fixed)}
        )
        click.echo(orjson.dumps({"source": source, **report.to_dict(), **repaired}).decode())
    else:
        _print(source, report, fixed, output)
    return 1 if report.findings else 0


def _linted(
    source: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    judge: str | None,
    judge_ledger: Path | None,
    **more: Any,
) -> LintReport:
    from selfinstruct.quality import lint

    if judge is None:
        _check_alone("--judge", judge_ledger=judge_ledger, base_url=more["base_url"], api_key_env=more["api_key_env"])
        return lint(source, select=select or None, ignore=ignore)
    ledger = judge_ledger or Path(f"{stem_of(source)}.judge.jsonl")
    click.echo(f"verdicts are kept in {ledger}", err=True)
    return lint(source, select=select or None, ignore=ignore, judge=judge, judge_ledger=ledger, **more)


def _fixed(
    source: str, mend: bool, output: Path | None, select: tuple[str, ...], ignore: tuple[str, ...], **more: Any
) -> Fixed | None:
    if not mend:
        _check_alone("--fix", output=output)
        return None
    if output is None:
        raise SettingsError(
            f"--fix never changes {source} itself: name a file for the repaired set, such as -o clean.jsonl"
        )
    if more["judge"] is not None:
        raise SettingsError("--fix repairs what is certain, and --judge decides the rest: run the one, then the other")
    from selfinstruct.quality import fix_file

    return fix_file(source, output, select=select or None, ignore=ignore)


def _check_alone(owner: str, **options: Any) -> None:
    """Options of another one would have no effect without it, which is an error."""
    for name, value in options.items():
        if value:
            raise SettingsError(
                f"--{name.replace('_', '-')} has no part in this without {owner}; add it, or leave both out"
            )


def _dropped(fixed: Fixed) -> list[dict[str, Any]]:
    return [vars(one.finding) for one in fixed.dropped]


def _print(source: str, report: LintReport, fixed: Fixed | None, output: Path | None) -> None:
    for one in report.findings:
        click.echo(f"{source}: {one}")
    if fixed is not None:
        click.echo(f"{output}: {fixed.kept:,} rows; {fixed.counted}")
    what = ", ".join(f"{code} {report.names[code]} {number:,}" for code, number in report.counts.most_common())
    state = "still have a flaw" if fixed is not None else "have a flaw"
    click.echo(f"{report.flawed:,} of {report.rows:,} rows {state}{f': {what}' if what else ''}")
    if report.undecided:
        click.echo(f"{len(report.undecided):,} rows are undecided: the judge said neither yes nor no")
    if fixed is None and report.fixable:
        click.echo(f"{report.fixable:,} findings can be repaired: --fix -o FILE")


def _print_rules(explain: tuple[str, ...], as_json: bool) -> None:
    from selfinstruct.quality.rules import chosen

    listed = chosen(explain or None, None)
    if as_json:
        keys = ("code", "name", "explanation", "repair")
        click.echo(orjson.dumps([{key: getattr(rule, key) for key in keys} for rule in listed]).decode())
        return
    for rule in listed:
        click.echo(_explained(rule))


def _explained(rule: Rule) -> str:
    repair = f" [*] --fix {rule.repair}." if rule.repair else ""
    return f"{rule.code} {rule.name}: {rule.explanation}{repair}"
