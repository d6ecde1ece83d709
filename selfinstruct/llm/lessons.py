"""What the refusals of a server teach: which parameters it does not take, and what it said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import openai

TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum context|string_above_max_length|reduce the length|"
    r"(prompt|input|request) (is )?too (long|large)|too many (input )?tokens",
    re.IGNORECASE,
)
_NO_SUCH_PARAMETER = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|not permitted|not allowed|unexpected|extra (?:inputs|fields)|"
    r"only the default|invalid|must be|out of range|deprecated",
    re.IGNORECASE,
)


@dataclass
class Settled:
    """What the first answers taught about a server, by model; kept in settings.json so that a resumed run asks alike.

    `dropped` names refused parameters that nobody had asked for, numbers with the value that was refused ("top_p=0.0"),
    because another stage may use one that is taken. `renamed` says that max_tokens is called max_completion_tokens.
    """

    dropped: dict[str, list[str]] = field(default_factory=dict)
    renamed: list[str] = field(default_factory=list)


def lesson(name: str, value: Any) -> str:
    """What is remembered of a refused parameter: a number may be refused for its value, anything else for its name."""
    return f"{name}={value}" if isinstance(value, int | float) else name


def refused_parameter(sent: Mapping[str, Any], error: openai.APIStatusError) -> str | None:
    """The parameter that the server says it cannot take, of those that were sent."""
    message = message_of(error)
    if error.status_code not in (400, 422) or TOO_LONG.search(message):
        return None
    named = field_of(error, "param")
    if named in sent:
        return named
    if not _NO_SUCH_PARAMETER.search(message):
        return None
    # Some servers write them in camel case, and name the ones that they do take after the one that they do not.
    found = {
        name: match.start()
        for name in sent
        if (match := re.search(rf"(?<![a-z_]){name.replace('_', '_?')}(?![a-z_])", message, re.IGNORECASE))
    }
    return min(found, key=lambda name: found[name], default=None)


def message_of(error: openai.APIStatusError) -> str:
    body = error.body
    found = body.get("message") or body.get("detail") if isinstance(body, dict) else body
    return str(found or error.message)


def field_of(error: openai.APIStatusError, name: str) -> str:
    value = error.body.get(name) if isinstance(error.body, dict) else None
    return value if isinstance(value, str) else ""
