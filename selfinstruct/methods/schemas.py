"""The JSON that each stage asks for with `--response-format json`, as the `response_format` of a request.

The names of the fields are those that the prompts show and that `selfinstruct.parsing.structured` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel


@cache
def response_format(stage: str) -> Mapping[str, Any]:
    """The parameter for "instructions", "tasks", "verdict", "input_first" or "output_first".

    The schema keeps OpenAI's strict rules: every field is required and no other is allowed. It has neither references
    nor titles, because servers differ in what they know, and because it is part of a request's digest, which must not
    change with a version of pydantic.
    """
    schema = _models()[stage].model_json_schema()
    plain = _plain(schema, schema.get("$defs", {}))
    return {"type": "json_schema", "json_schema": {"name": stage, "strict": True, "schema": plain}}


def _models() -> dict[str, type[BaseModel]]:
    from pydantic import BaseModel, ConfigDict

    class Answer(BaseModel):
        model_config = ConfigDict(extra="forbid")

    class Instructions(Answer):
        instructions: list[str]

    class WholeTask(Answer):
        instruction: str
        input: str
        output: str

    class Tasks(Answer):
        tasks: list[WholeTask]

    class Verdict(Answer):
        is_classification: bool

    class InputFirst(Answer):
        input: str
        output: str

    class InputsFirst(Answer):
        examples: list[InputFirst]

    class OutputFirst(Answer):
        label: str
        input: str

    class OutputsFirst(Answer):
        examples: list[OutputFirst]

    return {
        "instructions": Instructions,
        "tasks": Tasks,
        "verdict": Verdict,
        "input_first": InputsFirst,
        "output_first": OutputsFirst,
    }


_KEYWORDS = ("type", "items", "required", "additionalProperties")


def _plain(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its definitions where they are referred to, and only the keywords that these models need."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    plain = {name: schema[name] for name in _KEYWORDS if name in schema}
    if "items" in plain:
        plain["items"] = _plain(plain["items"], definitions)
    if "properties" in schema:
        plain["properties"] = {name: _plain(one, definitions) for name, one in schema["properties"].items()}
    return plain
