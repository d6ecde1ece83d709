"""`selfinstruct generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import selfinstruct
from selfinstruct.commands.options import given, run_argument, settings_options
from selfinstruct.commands.status import summary


@click.command("generate")
@run_argument
@settings_options
@click.option(
    "--dry-run", is_flag=True, help="Print the first prompts and an estimate of calls and tokens; make no call."
)
@click.option("--quiet", "-q", is_flag=True, help="No progress line.")
def command(run: Path, dry_run: bool, quiet: bool, **options: Any) -> int:
    """Grow a data set from seed tasks into the directory RUN, or go on with the run that is there.

    The same command resumes a run that was stopped or killed; options that are not given come from the run.

    \b
    Examples:
      selfinstruct generate runs/demo --model demo -n 50
      selfinstruct generate runs/first --model gpt-5-mini -n 1000
      selfinstruct generate runs/local --base-url http://localhost:8000/v1 --model NAME

    \b
    Exit status: 0 target reached, 1 run unusable, 2 wrong usage, 3 stopped early (saturated,
    or at its budget),
    4 endpoint failed, 130 interrupted, 143 terminated. After 4, 130 and 143 the same command goes on.
    """
    said: Any = given(options)
    if dry_run:
        from selfinstruct.preview import preview

        click.echo(str(preview(run, **said)))
        return 0
    made = selfinstruct.generate(run, progress=False if quiet else None, **said)
    click.echo(summary(made))
    return made.exit_status
