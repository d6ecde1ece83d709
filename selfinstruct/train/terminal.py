"""A chat at a terminal, side by side where there are several models; and on a pipe, a question a line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click
import orjson

from selfinstruct.errors import SettingsError
from selfinstruct.train.chat import Chat, EndOfChatError, Told

if TYPE_CHECKING:
    from rich.table import Table


def run(chat: Chat, names: list[str], *, as_json: bool = False) -> int:
    """Read questions and commands until there are no more, and show the answers.

    Returns the exit status: 0 at a terminal, where a person sees what failed; on a pipe that of the first failure where
    a question got no answer from any model.
    """
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if at_terminal:
        click.echo(f"{' and '.join(names)}. /help shows the commands, Ctrl-C stops an answer, Ctrl-D ends.")
    for note in chat.notes:
        click.echo(note, err=True)
    in_columns = at_terminal and len(names) > 1 and find_spec("rich") is not None
    show = _as_json if as_json else _beside if in_columns else _below
    status = 0
    for line in _lines(at_terminal=at_terminal):
        if not line.startswith("/"):
            failed = _failed(show(chat, names, line))
            status = status or failed
            continue
        try:
            click.echo(chat.command(line), err=True)
        except SettingsError as error:
            click.echo(str(error), err=True)
        except EndOfChatError:
            break
    return 0 if at_terminal else status


def _failed(told: Sequence[Told]) -> int:
    """The exit status of a question: 0 where any model has answered it."""
    failures = [one.failure for one in told if one.failure and one.answer is None]
    return failures[0].exit_status if failures and len(failures) == len(told) else 0


def _lines(*, at_terminal: bool) -> Iterator[str]:
    """The lines of a person or of a pipe; empty ones are passed over."""
    if not at_terminal:
        yield from (line.strip() for line in sys.stdin if line.strip())
        return
    import readline  # noqa: F401 - gives input() a history and an editor

    while True:
        try:
            line = input("> ")
        except EOFError:
            click.echo()
            return
        except KeyboardInterrupt:
            click.echo("\n(Ctrl-D or /quit ends)")
            continue
        if line.strip():
            yield line.rstrip()


def _below(chat: Chat, names: list[str], question: str) -> Sequence[Told]:
    """One answer after the other, under the names of their models where there are several.

    A person sees them as they are written; a file or a pipe gets what is final, without thoughts that were taken back.
    """
    place, begun, written, text = 0, False, "", ""
    watched = sys.stdout.isatty()
    told: Sequence[Told] = ()
    with closing(chat.ask(question)) as steps:
        try:
            for told in steps:
                while place < len(names):
                    if not begun and len(names) > 1:
                        click.echo(f"{chr(10) if place else ''}[{names[place]}]")
                    begun, text = True, told[place].shown
                    if watched or told[place].over:
                        click.echo(_news(written, text), nl=False)
                        written = text
                    if not told[place].over:
                        break
                    place, begun, written, text = place + 1, False, "", ""
                    if place < len(names):
                        click.echo()
        except KeyboardInterrupt:
            click.echo(f"{_news(written, text)} (stopped)", nl=False)
    click.echo()
    return told


def _news(written: str, text: str) -> str:
    """What is to be written behind what stands there already."""
    return text[len(written) :] if text.startswith(written) else f"\n(that was thought; the answer:)\n{text}"


def _as_json(chat: Chat, names: list[str], question: str) -> Sequence[Told]:
    *_, told = chat.ask(question)
    called = dict(zip(names, told, strict=True))
    line: dict[str, Any] = {"question": question, "answers": {name: one.answer for name, one in called.items()}}
    if errors := {name: str(one.failure) for name, one in called.items() if one.failure}:
        line["errors"] = errors
    click.echo(orjson.dumps(line).decode())
    return told


def _beside(chat: Chat, names: list[str], question: str) -> Sequence[Told]:
    """All answers in columns, which grow as they are written."""
    from rich.console import Console
    from rich.live import Live

    console, stopped = Console(), False
    told: tuple[Told, ...] = (Told(),) * len(names)
    live = Live(console=console, transient=True, vertical_overflow="ellipsis")
    with closing(chat.ask(question)) as steps, live:
        try:
            for told in steps:
                live.update(_columns(names, told))
        except KeyboardInterrupt:
            stopped = True
    console.print(_columns(names, told))
    if stopped:
        click.echo("(stopped)", err=True)
    return told


def _columns(names: Iterable[str], told: Iterable[Told]) -> Table:
    from rich import table as tables
    from rich.text import Text

    table = tables.Table(expand=True, show_lines=False)
    for name in names:
        table.add_column(Text(name), ratio=1, overflow="fold")
    table.add_row(*(Text(one.shown) for one in told))
    return table
