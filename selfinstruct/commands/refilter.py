"""`selfinstruct refilter`."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

import selfinstruct
from selfinstruct.commands.options import json_option, run_argument


@click.command("refilter")
@run_argument
@click.option("--max-rouge", required=True, type=float, help="The other threshold.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the tasks, rejections and rows.")
@json_option
def command(run: Path, max_rouge: float, output: Path | None, as_json: bool) -> int:
    """Decide again on the recorded answers of RUN with another threshold; no call, and RUN stays as it is.

    \b
    Example:
      selfinstruct refilter runs/demo --max-rouge 0.5 -o runs/demo-strict
    """
    from selfinstruct.directory import RunDirectory

    before = selfinstruct.load(run)
    after = before.refilter(max_rouge=max_rouge)
    if output is not None:
        directory = RunDirectory(output)
        directory.check_free()
        with directory.locked():
            directory.write_derived(after.tasks, after.rejected)
    missing = after.rejections["not_asked"]
    facts = {"before": len(before.tasks), "after": len(after.tasks), "rows": len(after.dataset), "not_asked": missing}
    if as_json:
        click.echo(orjson.dumps(facts).decode())
        return 0
    click.echo(f"{len(before.tasks):,} tasks at {before.settings.max_rouge:g}, {len(after.tasks):,} at {max_rouge:g}")
    if missing:
        click.echo(
            f"{missing:,} other instructions would be admitted now; they have no instances yet, which would take about "
            f"{2 * missing:,} calls"
        )
    return 0
