"""`selfinstruct check`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson

from selfinstruct.commands.options import given, json_option, settings_options


@click.command("check")
@click.argument("run", type=click.Path(path_type=Path), required=False)
@settings_options
@json_option
def command(run: Path | None, as_json: bool, **options: Any) -> int:
    """Make one small call to see whether the key, the model and the endpoint work, and on which terms.

    Takes the options of generate, and those of RUN where one is given. RUN is not touched.

    \b
    Examples:
      selfinstruct check --model gpt-5-mini
      selfinstruct check --base-url http://localhost:8000/v1 --model NAME
    """
    from selfinstruct.check import check

    said: Any = given(options)
    found = check(run, **said)
    click.echo(orjson.dumps([asdict(one) for one in found]).decode() if as_json else "\n".join(map(str, found)))
    return 0
