"""The command line: `commands/` has a file for each command; here are their order and their exit status."""

from __future__ import annotations

import logging
import sys
from importlib import import_module

import click

import selfinstruct
from selfinstruct.errors import SelfInstructError

# In the order of the work; a command's module is loaded when it is needed, and holds it under the name `command`.
COMMANDS = {
    "generate": "generate",
    "estimate": "estimate",
    "check": "check",
    "status": "status",
    "export": "export",
    "import": "import_",
    "refilter": "refilter",
    "dedup": "dedup",
    "lint": "lint",
    "report": "report",
    "concat": "concat",
    "split": "split",
    "push": "push",
    "train": "train",
    "merge": "merge",
    "evaluate": "evaluate",
    "chat": "chat",
}


def main() -> None:
    """Run the command line: errors become one message and the exit status of `errors.py`."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        sys.exit(cli.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt) as error:
        said = str(error.__cause__ or error)
        click.echo(said or "stopped at once; the answers so far are kept, the same command goes on", err=True)
        sys.exit(130)
    except SelfInstructError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_status)
    except OSError as error:
        click.echo(f"Error: {error.filename or 'output'}: {error.strerror}", err=True)
        sys.exit(1)


class _Commands(click.Group):
    """The commands of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found = import_module(f"selfinstruct.commands.{COMMANDS[cmd_name]}").command
        assert isinstance(found, click.Command)
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(selfinstruct.__version__, prog_name="selfinstruct")
def cli() -> None:
    """Seeds in, a language model of your choice, a clean instruction-tuning data set out.

    \b
    Try it without a key or network:
      selfinstruct generate runs/demo --model demo --num-tasks 50
    """


if __name__ == "__main__":
    main()
