"""The ways to write tasks. A method is three things: what to ask, how to read the answer, what is still missing.

The engine knows no method. One of the user's own is any object with these attributes, or a plain function of
`(pool, random)` that returns the text of a prompt whose answer is a numbered list of instructions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol, runtime_checkable

from selfinstruct.errors import SettingsError
from selfinstruct.llm import Completion
from selfinstruct.parsing import Parsed, numbered_list
from selfinstruct.pool import PoolView
from selfinstruct.prompts import Prompts
from selfinstruct.settings import Settings
from selfinstruct.tasks import Candidate


@dataclass(frozen=True)
class Proposal:
    """A prompt for new tasks: its text, the ids of the tasks it shows, and the numbers that it asks for.

    `response_format` is the parameter of that name, where the answer is to be JSON of some schema.
    """

    prompt: str
    examples: tuple[str, ...] = ()
    first: int = 1
    count: int = 8
    stop: tuple[str, ...] = ()
    response_format: Mapping[str, Any] | None = None


@runtime_checkable
class Method(Protocol):
    """A way to write tasks.

    `sampling` holds the default parameters of its requests, `needs_instances` says whether its tasks are still to be
    classified and given instances, and `reads_pool` whether prompts depend on earlier answers. Without that, requests
    need not wait for one another.
    """

    @property
    def name(self) -> str: ...
    @property
    def sampling(self) -> Mapping[str, Any]: ...
    @property
    def needs_instances(self) -> bool: ...
    @property
    def reads_pool(self) -> bool: ...

    def propose(self, pool: PoolView, random: Random) -> Proposal:
        """The next prompt, a function of its arguments alone; draw with `random.random()` only."""
        ...

    def parse(self, completion: Completion, first: int) -> Parsed[Candidate]:
        """Read an answer; `first` is the number that its prompt asked it to begin with."""
        ...


@dataclass(frozen=True)
class FromFunction:
    """A method made from a function that writes a prompt."""

    write: Callable[[PoolView, Random], str]
    name: str = "custom"
    sampling: Mapping[str, Any] = field(default_factory=dict)
    needs_instances: bool = True
    reads_pool: bool = True

    def propose(self, pool: PoolView, random: Random) -> Proposal:
        """Call the function."""
        return Proposal(self.write(pool, random))

    def parse(self, completion: Completion, first: int) -> Parsed[Candidate]:
        """Read a list of instructions."""
        return numbered_list(completion.text, first, cut=completion.finish_reason == "length")


# Templates of the method itself; the instance stage has its own.
TEMPLATES: dict[str, tuple[str, ...]] = {"self-instruct": ("instructions",), "alpaca": ("alpaca",)}


def build_method(method: Any, settings: Settings, prompts: Prompts) -> Method:
    """The method that the settings name, or the user's own object or function.

    Raises:
        SettingsError: there is no method of this name, or the object is none; or JSON is asked of a base model.
    """
    from selfinstruct.methods.alpaca import Alpaca
    from selfinstruct.methods.self_instruct import SelfInstruct

    if settings.response_format == "json" and settings.api == "completions":
        raise SettingsError(
            "--response-format json goes with --api chat: a base model continues a text and keeps to no schema; "
            "leave one of the two options out"
        )
    if method == "self-instruct":
        return SelfInstruct.from_settings(settings, prompts)
    if method == "alpaca":
        return Alpaca.from_settings(settings, prompts)
    if isinstance(method, Method):
        return method
    if callable(method):
        return FromFunction(method, name=getattr(method, "__name__", "custom"))
    raise SettingsError(
        f"there is no method {method!r}; the methods are {', '.join(TEMPLATES)}, a function of (pool, random) that "
        "returns a prompt, or an object with propose and parse"
    )
