"""The values that travel through the program, and reading tasks from the shapes that people have."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import jsonlines
import orjson

from selfinstruct.errors import SeedsError
from selfinstruct.text import collapse


@dataclass(frozen=True)
class Instance:
    """One example of a task: an input, empty where the instruction needs none, and its output."""

    input: str
    output: str

    @property
    def text(self) -> str:
        """Input and output as one text."""
        return f"{self.input}\n{self.output}".strip()


@dataclass(frozen=True)
class Similar:
    """Another task and the ROUGE-L F to it."""

    id: str
    score: float


@dataclass(frozen=True)
class Task:
    """An instruction with its instances, and where it came from.

    Seeds have no `request`. Generated tasks carry the index of the request and the position in its answer that they
    were read from, and the method and model that wrote them; on request (`neighbours`) also the most similar members
    that the pool had when they joined it, and the mean ROUGE-L F to all of these.
    """

    id: str
    instruction: str
    instances: tuple[Instance, ...] = ()
    is_classification: bool = False
    request: int | None = None
    position: int | None = None
    method: str | None = None
    model: str | None = None
    most_similar: tuple[Similar, ...] | None = None
    mean_similarity: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The task as a row of tasks.jsonl; the similarities stand there where they were asked for."""
        row = {
            "id": self.id,
            "instruction": self.instruction,
            "is_classification": self.is_classification,
            "instances": [{"input": one.input, "output": one.output} for one in self.instances],
            "request": self.request,
            "position": self.position,
            "method": self.method,
            "model": self.model,
        }
        if self.most_similar is not None:
            row["most_similar"] = [{"id": one.id, "score": one.score} for one in self.most_similar]
            row["mean_similarity"] = self.mean_similarity
        return row

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Task:
        """Read a row of tasks.jsonl back."""
        values = dict(row)
        values["instances"] = tuple(Instance(one["input"], one["output"]) for one in row["instances"])
        if row.get("most_similar") is not None:
            values["most_similar"] = tuple(Similar(one["id"], one["score"]) for one in row["most_similar"])
        return cls(**values)


@dataclass(frozen=True)
class Candidate:
    """A task as an answer proposed it, before any filter has seen it."""

    instruction: str
    instances: tuple[Instance, ...] = ()
    is_classification: bool = False

    @property
    def text(self) -> str:
        """All that was proposed, as one text."""
        return "\n".join([self.instruction, *(one.text for one in self.instances)])


@dataclass(frozen=True)
class Verdict:
    """Why something was turned down: the rule, and the evidence that a reader can check.

    `score` is what the rule measured, `neighbour` the id of the task that it was measured against, and `detail` says
    the rest in words.
    """

    rule: str
    score: float | None = None
    neighbour: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Dropped:
    """A piece of a model's answer that became nothing, and the rule that says why."""

    text: str
    rule: str
    detail: str | None = None


@dataclass(frozen=True)
class Rejected:
    """A row of rejected.jsonl: what was paid for and not used, with its reason."""

    id: str
    stage: str
    rule: str
    text: str
    score: float | None = None
    neighbour: str | None = None
    detail: str | None = None

    @property
    def reason(self) -> str:
        """The rule and its evidence in one line, such as "rouge 0.83 with 'Sort a list of numbers.'"."""
        parts = [self.rule]
        if self.score is not None:
            parts.append(f"{self.score:.2f}")
        if self.neighbour is not None:
            parts.append(f"with {self.detail!r}" if self.detail else f"with {self.neighbour}")
        elif self.detail:
            parts.append(f"({self.detail})")
        return " ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """The rejection as a row of rejected.jsonl."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Rejected:
        """Read a row of rejected.jsonl back."""
        return cls(**row)


PACKAGED_SEEDS = ("en", "zh")


def packaged_seeds(language: str = "en") -> Path:
    """The path of the seed tasks that come with the package, in English ("en") or Chinese ("zh")."""
    package = Path(__file__).parent
    for folder in (package / "seeds", package.parent / "seeds"):
        path = folder / f"{language}.jsonl"
        if path.is_file():
            return path
    raise SeedsError(f"no packaged seeds for the language {language!r}: there are {', '.join(PACKAGED_SEEDS)}")


def read_seeds(path: str | Path) -> list[Task]:
    """Read tasks from JSON lines or a JSON array, in the Self-Instruct or the Alpaca shape.

    Self-Instruct: `{"id", "instruction", "instances": [{"input", "output"}], "is_classification"}`.
    Alpaca: `{"instruction", "input", "output"}`. Only the instruction is required; rows without an id are numbered.
    An id such as "b7-0", which a generated task may have, becomes "seed/b7-0". Half a surrogate pair becomes "?".

    Raises:
        SeedsError: the file is missing, is not JSON, or a row is no task; the message gives file and row.
    """
    path = Path(path)
    return _tasks(_rows(path), str(path))


def tasks_from(rows: Iterable[Any], called: str = "seed") -> list[Task]:
    """The same from rows in memory: tasks, mappings, a `datasets.Dataset` or a data frame of pandas.

    `called` is what messages call a row.

    Raises:
        SeedsError: a row is no task.
    """
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):
        rows = [
            {name: value for name, value in row.items() if not _is_missing(value)} for row in rows.to_dict("records")
        ]
    if not isinstance(rows, Iterable):
        raise SeedsError(f"seeds are a file or several tasks, not {type(rows).__name__}")
    named = ((f"{called} {n}", vars(row) if isinstance(row, Task) else row) for n, row in enumerate(rows, 1))
    return _tasks(named, "seeds")


def _is_missing(value: Any) -> bool:
    """Whether it is what pandas writes into an empty cell: NaN, or NA, which has no truth value."""
    return (isinstance(value, float) and isnan(value)) or type(value).__name__ == "NAType"


def _tasks(rows: Iterable[tuple[str, Any]], source: str) -> list[Task]:
    tasks: list[Task] = []
    seen: set[str] = set()
    for where, row in rows:
        task = _read_task(row, where, f"seed_{len(tasks)}")
        if task.id in seen:
            raise SeedsError(f"{where}: the id {task.id!r} stands twice; give each task an id of its own, or none")
        seen.add(task.id)
        tasks.append(task)
    if not tasks:
        raise SeedsError(source + ': no task in it; a row is at least {"instruction": "..."}')
    return tasks


def _rows(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise SeedsError(f"{path}: cannot be read ({error.strerror}); give a .json or .jsonl file of tasks") from error
    if content.lstrip().startswith(b"["):
        try:
            rows = _parsed(content)
        except ValueError as error:
            raise SeedsError(f"{path}: not a JSON array: {error}") from error
        yield from ((f"{path}, item {number}", row) for number, row in enumerate(rows, 1))
        return
    try:
        lines = jsonlines.Reader(io.BytesIO(content), loads=_parsed).iter(skip_empty=True)
        yield from ((f"{path}, row {number}", row) for number, row in enumerate(lines, 1))
    except jsonlines.InvalidLineError as error:
        raise SeedsError(f"{path}, line {error.lineno}: not JSON: {error}") from error


_HALF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_GENERATED_ID = re.compile(r"b[0-9]+-")


def _parsed(content: str | bytes) -> Any:
    """The JSON value; orjson takes no half of a surrogate pair, which texts that were cut by length may end in."""
    try:
        return orjson.loads(content)
    except ValueError:
        text = content if isinstance(content, str) else content.decode("utf-8")
        if _HALF_A_PAIR.search(text):
            return json.loads(text)
        raise


def _writable(text: str) -> str:
    """The text with each half of a surrogate pair, which no UTF-8 file holds, as a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _seed_id(given: Any, default: str) -> str:
    """The id as text; one that a generated task may have is renamed, because both stand in one pool."""
    name = default if given is None else _writable(str(given))
    return f"seed/{name}" if _GENERATED_ID.match(name) else name


def _read_task(row: Any, where: str, default_id: str) -> Task:
    if not isinstance(row, Mapping):
        raise SeedsError(f"{where}: a task is a JSON object, this is {type(row).__name__}")
    instruction = row.get("instruction")
    if not isinstance(instruction, str) or not instruction.strip():
        raise SeedsError(f'{where}: no "instruction"; its fields are {", ".join(row) or "none"}')
    instances = row.get("instances")
    if instances is None:
        instances = [{"input": row.get("input"), "output": row["output"]}] if row.get("output") else []
    try:
        read = tuple(_read_instances(instances))
    except (AttributeError, TypeError, KeyError) as error:
        shape = '{"input": "...", "output": "..."}'
        raise SeedsError(f'{where}: "instances" is a list of {shape} ({error!r})') from error
    return Task(
        id=_seed_id(row.get("id"), default_id),
        instruction=collapse(_writable(instruction)),
        instances=read,
        is_classification=row.get("is_classification") is True,
    )


def _read_instances(instances: Iterable[Mapping[str, Any] | Instance]) -> Iterator[Instance]:
    for each in instances:
        one = vars(each) if isinstance(each, Instance) else each
        given, output = one.get("input") or "", one["output"]
        if not isinstance(given, str) or not isinstance(output, str):
            raise TypeError("input and output are texts")
        yield Instance("" if given.strip().casefold() in NO_INPUT else _writable(given), _writable(output))


NO_INPUT = frozenset({"<noinput>", "<no input>", "noinput", "no input"})
