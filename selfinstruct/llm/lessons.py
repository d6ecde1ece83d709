"""What the refusals of a server teach: which parameters it does not take, and what it said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from selfinstruct.llm.wire import Reply

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
# What servers say of a schema that they cannot follow: DeepSeek, vLLM, llama.cpp, Groq, Azure.
_OF_SCHEMA = re.compile(
    r"response.?format|json.?schema|structured.?output|grammar|guided.?(?:json|decoding)|outlines", re.IGNORECASE
)


@dataclass
class Settled:
    """What the first answers taught about a server, by model; kept in settings.json so that a resumed run asks alike.

    `dropped` names refused parameters that nobody had asked for, numbers with the value that was refused ("top_p=0.0"),
    because another stage may use one that is taken. `renamed` says that max_tokens is called max_completion_tokens.
    """

    dropped: dict[str, list[str]] = field(default_factory=dict)
    renamed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Refusal:
    """What a server says with a status that is none of success: its message, and `code`, `type` and `param` if any."""

    status: int
    message: str
    code: str = ""
    type: str = ""
    param: str = ""

    @classmethod
    def of(cls, reply: Reply) -> Refusal:
        """Read the body of the reply, whatever shape it has."""
        body = reply.json()
        error = body.get("error", body) if isinstance(body, dict) else body
        if not isinstance(error, dict):
            text = error if isinstance(error, str) else reply.body[:500].decode("utf-8", "replace")
            return cls(reply.status, text or "no message")
        message = error.get("message") or error.get("detail") or body
        names = (error.get(name) for name in ("code", "type", "param"))
        return cls(reply.status, str(message), *(name if isinstance(name, str) else "" for name in names))


def lesson(name: str, value: Any) -> str:
    """What is remembered of a refused parameter: a number may be refused for its value, anything else for its name."""
    return f"{name}={value}" if isinstance(value, int | float) else name


def refused_parameter(sent: Mapping[str, Any], refusal: Refusal) -> str | None:
    """The parameter that the server says it cannot take, of those that were sent."""
    if refusal.status not in (400, 422) or TOO_LONG.search(refusal.message):
        return None
    if refusal.param in sent:
        return refusal.param
    if "response_format" in sent and _OF_SCHEMA.search(refusal.message):
        return "response_format"
    if not _NO_SUCH_PARAMETER.search(refusal.message):
        return None
    # Some servers write them in camel case, and name the ones that they do take after the one that they do not.
    found = {
        name: match.start()
        for name in sent
        if (match := re.search(rf"(?<![a-z_]){name.replace('_', '_?')}(?![a-z_])", refusal.message, re.IGNORECASE))
    }
    return min(found, key=lambda name: found[name], default=None)
