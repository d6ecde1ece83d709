"""Prompt templates: the packaged Jinja files, replaced one by one by a folder of the user's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from selfinstruct.errors import SettingsError

TEMPLATES = Path(__file__).parent / "methods" / "templates"

# What the expressions of a template can raise: {{ 1 / 0 }}, {{ tasks + 1 }}, {{ "%d" % "x" }}, ...
FLAWS = (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Prompts:
    """Renders the templates of one run.

    `texts` maps file names to template texts; it is what settings.json keeps, so that a resumed run asks with the
    words that it began with. `api` is "chat" or "completions": for a base model, `NAME.completions.j2` is preferred
    to `NAME.j2` where it stands. The filter `json` writes a value as JSON on one line. Templates run sandboxed, because
    a run directory may come from somebody else.
    """

    def __init__(self, texts: Mapping[str, str], api: str) -> None:
        self.texts, self.api = dict(texts), api
        self._environment = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        self._environment.filters["json"] = _json
        self._compiled = {}
        for name, text in self.texts.items():
            try:
                self._compiled[name] = self._environment.from_string(text)
            except TemplateError as error:
                line = getattr(error, "lineno", "?")
                raise SettingsError(f"template {name}, line {line}: {error}") from error

    def render(self, name: str, **variables: Any) -> str:
        """Fill in the template `name` ("classify", without suffix) and strip trailing whitespace.

        Raises:
            SettingsError: the template uses a variable that it is not given, or an expression in it fails.
        """
        file_name = template_name(name, self.api, self.texts)
        try:
            return self._compiled[file_name].render(api=self.api, **variables).rstrip()
        except FLAWS as error:
            known = ", ".join(sorted({*variables, "api"}))
            cause = str(error) if isinstance(error, TemplateError) else f"{type(error).__name__}: {error}"
            raise SettingsError(f"template {file_name}: {cause}; its variables are {known}") from error


def _json(value: Any) -> str:
    """JSON for readers: Jinja's own `tojson` writes an apostrophe and many a script as codes."""
    return json.dumps(value, ensure_ascii=False)


def template_name(name: str, api: str, available: Iterable[str]) -> str:
    """The file that serves the template `name` for this API."""
    special = f"{name}.completions.j2"
    return special if api == "completions" and special in available else f"{name}.j2"


def load_templates(names: Iterable[str], api: str, folder: str | Path | None = None) -> dict[str, str]:
    """Read the templates that a run needs: {file name: text}, the user's file where the folder has one.

    Raises:
        SettingsError: the folder does not exist, or holds a template that nothing reads (a misspelt name) or that is
            no UTF-8 text.
    """
    packaged = {path.name: path for path in TEMPLATES.glob("*.j2")}
    own: dict[str, Path] = {}
    if folder is not None:
        if not Path(folder).is_dir():
            raise SettingsError(f"{folder}: no such folder; --prompts takes a folder of Jinja files (.j2)")
        own = {path.name: path for path in Path(folder).glob("*.j2")}
        readable = set(packaged) | {f"{path.removesuffix('.j2')}.completions.j2" for path in packaged}
        for stray in sorted(set(own) - readable):
            raise SettingsError(f"{own[stray]}: no template has this name; the names are {', '.join(sorted(packaged))}")
    texts = {}
    for name in names:
        # The user's NAME.j2 outranks our NAME.completions.j2: it was written for this run.
        source = own if template_name(name, api, own) in own else packaged
        file_name = template_name(name, api, source)
        texts[file_name] = _text(source[file_name])
    return texts


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 (at byte {error.start}); save the template as UTF-8") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
