"""What several commands share: options made from the settings, and which of them were given."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import click

from selfinstruct.settings import Settings

run_argument = click.argument("run", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")


def _option(field: Field[Any], owner: type) -> Callable[[Any], Any]:
    """The command-line option of one setting."""
    kind = typing.get_type_hints(owner)[field.name]
    inner = [one for one in typing.get_args(kind) if one is not type(None)]
    repeated = tuple in [typing.get_origin(one) for one in (kind, *inner)]
    choices = inner if inner and all(isinstance(one, str) for one in inner) else None
    names = [field.metadata.get("option", "--" + field.name.replace("_", "-")), field.name]
    if "short" in field.metadata:
        names.insert(0, field.metadata["short"])
    keywords: dict[str, Any] = {"help": field.metadata["help"], "default": None}
    if kind is bool:
        keywords["is_flag"] = True
        if field.metadata["scope"] == "free":  # a resumed run may turn it off again
            names[0] += f"/--no-{names[0].removeprefix('--')}"
    elif choices:
        keywords["type"] = click.Choice(choices)
    elif not repeated:
        single = inner[0] if inner else kind
        keywords["type"] = single if single in (int, float) else str
    if repeated:
        keywords["multiple"] = True
        keywords["help"] += " Repeatable."
    if field.default not in (None, (), 0):
        keywords["help"] = f"{keywords['help']} (default {field.default})"
    return click.option(*names, **keywords)


def options_of(owner: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of a class of settings, in the order of its fields."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for field in reversed(fields(owner)):
            command = _option(field, owner)(command)
        return command

    return add


settings_options = options_of(Settings)


def stem_of(source: str) -> str:
    """The beginning of a file name, from what names a set: a file without its ending, a folder, or a Hub id."""
    path = Path(source).resolve()
    name = path.stem if path.is_file() else path.name if path.is_dir() else source
    return re.sub(r"[^\w.-]+", "-", name).strip("-") or "set"


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that stand on the command line: the others come from the run, or are defaults."""
    source = click.get_current_context().get_parameter_source
    return {
        name: value for name, value in options.items() if source(name) not in (click.core.ParameterSource.DEFAULT, None)
    }
