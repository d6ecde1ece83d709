"""Templates: how a row becomes a prompt and the answer behind it, in the fields of alpaca-lora's template files.

A template file is JSON with `prompt_input`, `prompt_no_input`, `response_split` and `description`. A prompt shows
`{instruction}` and `{input}`, as alpaca-lora has it, or is a Jinja template of `instruction`, `input` and `system`.
These fields are ours and may be left out:

- `completion`: what follows the prompt, by default `{output}` alone; a space between them belongs here.
- `begin` and `end`: what stands before a whole text and behind each answer, such as `<s>` and `</s>`.
- `next_prompt`: how a conversation goes on, with `{instruction}`. Without it a text ends with the first answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import product
from pathlib import Path
from string import Formatter
from typing import Any

import orjson
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from selfinstruct.errors import SettingsError
from selfinstruct.export.formats.rows import EXTRAS, Row, conversation, exchanges
from selfinstruct.prompts import FLAWS

TEMPLATES = Path(__file__).parents[1] / "templates"
VARIABLES = ("instruction", "input", "system", "output")

_JINJA = re.compile(r"\{%|\{\{[^}]*\b(?:instruction|input|system|output)\b")
_MARK = re.compile("\0(.*?)\0")
_ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)

Rendered = Callable[[Mapping[str, str]], str]


@dataclass(frozen=True)
class Template:
    """One way of writing rows as texts; the module says what the fields are.

    >>> made = Template("short", "Q: {instruction} {input}\\nA:", "Q: {instruction}\\nA:", "A:", completion=" {output}")
    >>> made.text({"instruction": "Name a river.", "input": "", "output": "The Rhine."})
    'Q: Name a river.\\nA: The Rhine.'

    Raises:
        SettingsError: a text cannot be rendered, or does not show what it should.
    """

    name: str
    prompt_input: str
    prompt_no_input: str
    response_split: str
    description: str = ""
    completion: str = "{output}"
    begin: str = ""
    end: str = ""
    next_prompt: str = ""

    def __post_init__(self) -> None:
        shown = {
            "prompt_input": ("instruction", "input"),
            "prompt_no_input": ("instruction",),
            "completion": ("output",),
        }
        if self.next_prompt:
            shown["next_prompt"] = ("instruction",)
        for field, names in shown.items():
            marked = self._renderers[field](_marked(VARIABLES))
            for name in names:
                if f"\0{name}\0" not in marked:
                    raise SettingsError(f"template {self.name}: {field} does not show {{{name}}}")
            if field.startswith("prompt") and (not self.response_split or self.response_split not in marked):
                raise SettingsError(
                    f"template {self.name}: response_split ({self.response_split!r}) does not stand in {field}"
                )

    @property
    def holds(self) -> tuple[str, ...]:
        """Which parts of a conversation it writes besides the first exchange."""
        shown = {"system": "\0system\0" in self._renderers["prompt_no_input"](_marked(VARIABLES))}
        return tuple(name for name in EXTRAS if {**shown, "turns": bool(self.next_prompt)}[name])

    def prompt(self, row: Row) -> str:
        """The text in front of the answer, without a token that begins a text."""
        given = row.get("input") or ""
        values = {"instruction": row["instruction"], "input": given, "system": row.get("system") or ""}
        return self._renderers["prompt_input" if given else "prompt_no_input"](values)

    def answer(self, row: Row) -> str:
        """What follows the prompt, without a token that ends an answer."""
        return self._renderers["completion"]({"output": row["output"]})

    def messages(self, row: Row) -> list[dict[str, str]]:
        """The row as chat messages, for tokenizers that bring a template of their own."""
        return conversation(row)

    def text(self, row: Row) -> str:
        """The whole text: prompt and answer, and further turns where the template has them."""
        parts = [self.begin, self.prompt(row), self.answer(row), self.end]
        if self.next_prompt:
            for asked, told in exchanges(row):
                parts += [
                    self._renderers["next_prompt"]({"instruction": asked}),
                    self.answer({"output": told}),
                    self.end,
                ]
        return "".join(parts)

    def response(self, text: str) -> str:
        """What a model wrote behind a prompt: the part after the first `response_split`, without white space around."""
        return text.partition(self.response_split)[2].strip()

    def read(self, text: str) -> dict[str, Any] | None:
        """The row of a whole text, or None where the template does not write any row so.

        An output may hold any text. An instruction or input that holds the marks of the template is cut at them.
        """
        found = [(match.end(), -literal, match) for literal, form in self._forms if (match := form.match(text))]
        for _, _, match in sorted(found, key=lambda one: one[:2]):
            row: dict[str, Any] = {"instruction": "", "input": "", **match.groupdict()}
            outputs, asked = self._turns(text[match.end() :])
            row["output"], turns = outputs[0], zip(asked, outputs[1:], strict=True)
            row["turns"] = [
                {"role": role, "content": content}
                for exchange in turns
                for role, content in zip(("user", "assistant"), exchange, strict=True)
            ]
            row = {name: value for name, value in row.items() if value or name in ("instruction", "input", "output")}
            if self.text(row) == text:
                return row
        return None

    def _turns(self, rest: str) -> tuple[list[str], list[str]]:
        """The outputs in what follows the first prompt, and what was asked between them."""
        before, after = self._around_output
        rest = rest.removeprefix(before).removesuffix(after + self.end)
        if self._between is None:
            return [rest], []
        pieces = self._between.split(rest)
        return pieces[::2], pieces[1::2]

    @cached_property
    def _renderers(self) -> dict[str, Rendered]:
        texts = {
            "prompt_input": self.prompt_input,
            "prompt_no_input": self.prompt_no_input,
            "completion": self.completion,
            "next_prompt": self.next_prompt,
        }
        return {field: _renderer(text, f"template {self.name}: {field}") for field, text in texts.items()}

    @cached_property
    def _around_output(self) -> tuple[str, str]:
        before, after = self.answer({"output": "\0"}).split("\0")
        return before, after

    @cached_property
    def _forms(self) -> list[tuple[int, re.Pattern[str]]]:
        """The forms that a prompt can have, and how much literal text is in each."""
        forms: dict[str, None] = {}
        for given, system in product((True, False), repeat=2):
            names = [name for name, there in (("instruction", True), ("input", given), ("system", system)) if there]
            forms[self.begin + self.prompt(_marked(names))] = None
        return [(len(_MARK.sub("", form)), re.compile(_pattern(form), re.DOTALL)) for form in forms]

    @cached_property
    def _between(self) -> re.Pattern[str] | None:
        if not self.next_prompt:
            return None
        before, after = self._around_output
        asked = self._renderers["next_prompt"](_marked(["instruction"]))
        pattern = re.escape(after + self.end) + _pattern(asked, named=False) + re.escape(before)
        return re.compile(pattern, re.DOTALL)


def _marked(names: Any) -> dict[str, str]:
    return {name: f"\0{name}\0" for name in names}


def _pattern(form: str, *, named: bool = True) -> str:
    """The expression of a rendered text whose values are marks; each is as short as it can be."""
    seen: set[str] = set()
    parts = []
    for at, part in enumerate(_MARK.split(form)):
        if not at % 2:
            parts.append(re.escape(part))
        elif part in seen:
            parts.append(f"(?P={part})")
        else:
            seen.add(part)
            parts.append(f"(?P<{part}>.*?)" if named else "(.*?)")
    return "".join(parts)


def _renderer(text: str, where: str) -> Rendered:
    if not _JINJA.search(text):
        return _filled(text, where)
    try:
        template = _ENVIRONMENT.from_string(text)
    except TemplateError as error:
        raise SettingsError(f"{where}: {error}") from error

    def render(values: Mapping[str, str]) -> str:
        try:
            return template.render(values)
        except FLAWS as error:
            raise SettingsError(f"{where}: {error}; its variables are {', '.join(values)}") from error

    return render


def _filled(text: str, where: str) -> Rendered:
    """A text with names in braces, which are doubled where they stand for themselves."""
    try:
        parts = [(literal, name) for literal, name, _, _ in Formatter().parse(text)]
    except ValueError as error:
        raise SettingsError(f"{where}: {error}; a brace that stands for itself is doubled") from error
    for _, name in parts:
        if name is not None and name not in VARIABLES:
            raise SettingsError(f"{where}: {{{name}}} is not known; its fields are {', '.join(VARIABLES)}")
    return lambda values: "".join(literal + (values[name] if name else "") for literal, name in parts)


def packaged() -> Iterator[str]:
    """The names of the templates that come with the package."""
    return (path.stem for path in sorted(TEMPLATES.glob("*.json")))


def template(name: str | Path) -> Template:
    """The template of this name, or of a file in alpaca-lora's shape, or the only one in a folder.

    Raises:
        SettingsError: there is none, or it cannot be used.
    """
    return _read(template_file(name))


def template_file(name: str | Path) -> Path:
    """The file of the template of this name, the file itself, or the only one in a folder.

    Raises:
        SettingsError: there is none.
    """
    if str(name) in packaged():
        return TEMPLATES / f"{name}.json"
    path = _only_one(Path(name)) if Path(name).is_dir() else Path(name)
    if not path.is_file():
        raise SettingsError(f"there is no template {str(name)!r}; name a file (.json), or {', '.join(packaged())}")
    return path


def _only_one(folder: Path) -> Path:
    files = sorted(folder.glob("*.json"))
    if len(files) != 1:
        listed = ", ".join(one.name for one in files) or "none"
        raise SettingsError(f"{folder}: a template is one file, and this folder holds {listed}; name the file")
    return files[0]


def _read(path: Path) -> Template:
    try:
        held = orjson.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: cannot be read as a template ({error})") from error
    if not isinstance(held, dict) or not all(isinstance(value, str) for value in held.values()):
        raise SettingsError(f"{path}: a template is a JSON object of texts")
    known = {field.name for field in fields(Template)} - {"name"}
    missing = {"prompt_input", "prompt_no_input", "response_split"} - held.keys()
    if missing or held.keys() - known:
        said = f"no {min(missing)!r}" if missing else f"{min(held.keys() - known)!r} is no field"
        raise SettingsError(f"{path}: {said}; the fields are {', '.join(sorted(known))}")
    return Template(path.stem, **held)
