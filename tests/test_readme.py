"""The README is true: its code runs, its output is what comes out, and its commands exist."""

from __future__ import annotations

import ast
import contextlib
import re
import shlex
from pathlib import Path

import pytest
from test_cli import run

import selfinstruct as si
from selfinstruct.cli import COMMANDS, cli

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def behind(mark):
    """The code block behind a comment such as <!-- first command -->."""
    return re.search(rf"<!-- {mark} -->\n```\w*\n(.*?)\n```", README, re.DOTALL)[1]


def test_the_first_command_prints_what_the_readme_shows(tmp_path, monkeypatch):
    """Its part behind the installation, run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    command = behind("first command").split("&&")[-1]
    words = shlex.split(command)
    assert words[0] == "selfinstruct"
    made = run(*words[1:])
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip() == behind("first output")


def shown(value):
    """A value as the README shows it: shortened by three dots."""
    return value if isinstance(value, str) else repr(value)


def test_the_first_example_gives_the_values_in_its_comments(tmp_path, monkeypatch):
    """Each line with a comment is evaluated and compared."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    compared = 0
    for line in behind("first example").splitlines():
        code, _, comment = (part.strip() for part in line.partition("  # "))
        with contextlib.suppress(SyntaxError):
            value = shown(eval(compile(ast.parse(code, mode="eval"), "README", "eval"), names))
            assert comment.endswith("...") and value.startswith(comment[:-3]) if "..." in comment else value == comment
            compared += 1
            continue
        exec(code, names)
    assert compared == 5


class FromReadme:
    """What the README's own model calls."""

    def __call__(self, text):
        if "Number them" in text:
            return "\n".join(f"{n}. Describe lamp number {n} of room {len(text) * n}" for n in range(9, 17))
        return "No" if "Classification:" in text else "Output: Bright."


# The block about tuning needs a model; tests/train/test_readme_block.py runs it with a small one.
PYTHON = [i for i, (kind, code) in enumerate(BLOCKS) if kind == "python" and "selfinstruct.train" not in code]


@pytest.mark.parametrize("number", PYTHON[1:])
def test_the_other_python_blocks_run(tmp_path, monkeypatch, number):
    """As they stand, with a small target."""
    monkeypatch.chdir(tmp_path)
    code = BLOCKS[number][1].replace("num_tasks=100", "num_tasks=3")
    exec(code, {"si": si, "my_generate": FromReadme()})
    assert any((tmp_path / "runs").iterdir())


def test_every_command_and_option_in_the_readme_exists():
    """A renamed option must not live on in the README."""
    commands = set(re.findall(r"selfinstruct ([a-z]+)", " ".join(code for kind, code in BLOCKS if kind == "sh")))
    assert commands <= set(COMMANDS)
    known = {
        option
        for name in COMMANDS
        for one in cli.get_command(None, name).params
        for option in (*one.opts, *one.secondary_opts)
    }
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    foreign = {"--quiet", "--editable", "--constraint", "--port", "--help", "--nproc-per-node"}
    assert used - known - foreign == set()


def test_every_module_stands_in_the_tree_of_the_readme():
    """A newcomer finds a stage without searching."""
    tree = README[README.index("## The source") :]
    package = Path(si.__file__).parent
    modules = [one.name for one in package.iterdir() if one.suffix == ".py" or (one / "__init__.py").exists()]
    missing = [name for name in modules if name.removesuffix(".py") not in tree and not name.startswith("_")]
    assert missing == []
