"""`selfinstruct estimate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson

from selfinstruct.commands.options import given, json_option, run_argument, settings_options


@click.command("estimate")
@run_argument
@settings_options
@click.option("--probe", default=10, show_default=True, help="Tasks to judge by.")
@click.option("--quiet", "-q", is_flag=True, help="No progress line.")
@json_option
def command(run: Path, probe: int, quiet: bool, as_json: bool, **options: Any) -> int:
    """Estimate calls, tokens, money and time of a run from its first few tasks.

    Takes the options of generate. The few calls that it makes are those that RUN begins with; they are kept in RUN, and
    generate goes on from there.

    \b
    Examples:
      selfinstruct estimate runs/first --model gpt-5-mini -n 10000
      selfinstruct generate runs/first --max-cost 5
    """
    from selfinstruct.estimate import estimate

    said: Any = given(options)
    found = estimate(run, probe=probe, progress=False if quiet else None, **said)
    click.echo(orjson.dumps(found.to_dict(), option=orjson.OPT_INDENT_2).decode() if as_json else str(found))
    return 0
