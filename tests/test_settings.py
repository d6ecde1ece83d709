"""One source of settings: keyword arguments, options and settings.json agree, and wrong values are named."""

from __future__ import annotations

import json
import typing
from dataclasses import fields

import click
import pytest

from selfinstruct import Settings, SettingsError
from selfinstruct.cli import cli
from selfinstruct.settings import Options, scope_of

NAMES = [field.name for field in fields(Settings)]


def test_arguments_options_and_file_have_the_same_names():
    """A setting is declared once; the typed keyword arguments, the command line and the file follow it."""
    parameters = {one.name: one for one in cli.commands["generate"].params if isinstance(one, click.Option)}
    assert [name for name in NAMES if name not in parameters] == []
    assert sorted(set(parameters) - set(NAMES)) == ["dry_run", "quiet"]
    assert list(typing.get_type_hints(Options)) == NAMES
    assert list(Settings().to_dict()) == NAMES


def test_no_option_has_a_default_of_its_own():
    """What is not given is not given: the run's own settings, or those of `Settings`, count."""
    for option in cli.commands["generate"].params:
        if option.name in NAMES:
            assert option.default in (None, False), option.name
            assert option.help, option.name


def test_option_names_are_setting_names():
    """--num-tasks is num_tasks; only --from, a reserved word of Python, is called from_run."""
    for option in cli.commands["generate"].params:
        if option.name in NAMES and option.name != "from_run":
            assert "--" + option.name.replace("_", "-") in option.opts


def test_settings_survive_the_file():
    """Written as JSON and read back they are equal, tuples included."""
    settings = Settings(model="m", base_url=["http://a/v1", "http://b/v1"], keywords=("draw",), temperature=0.3)
    assert Settings(**json.loads(json.dumps(settings.to_dict()))) == settings


def test_every_setting_says_whether_it_may_change():
    """The scopes of the design: how requests are sent is free, what they say is not."""
    free = {name for name in NAMES if scope_of(name) == "free"}
    assert free == {
        "num_tasks", "base_url", "api_key_env", "concurrency", "saturation", "saturation_window", "neighbours",
        "timeout", "give_up",
    }  # fmt: skip
    downstream = {name for name in NAMES if scope_of(name) == "downstream"}
    assert downstream == {name for name in NAMES if name.startswith(("classify_", "instance_"))} | {"max_instances"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_tasks": 0}, "num_tasks lies between 1 and"),
        ({"num_tasks": "many"}, "num_tasks is a number, not 'many'"),
        ({"max_rouge": 1.5}, "max_rouge lies between"),
        ({"temperature": -1}, "temperature lies between 0 and 2"),
        ({"api": "soap"}, 'api is "chat" or "completions"'),
        ({"tokenizer": "bpe"}, "tokenizer is one of words, rouge"),
        ({"min_words": 9, "max_words": 3}, r"min_words \(9\) is above max_words \(3\)"),
        ({"base_url": "localhost:8000"}, "is no http"),
        ({"base_url": "https://me:secret@host/v1"}, "holds a password or key"),
        ({"base_url": "https://host/v1?api_key=1"}, "holds a password or key"),
    ],
)
def test_a_wrong_value_is_named(given, message):
    """What is wrong, and what it may be; a password is not repeated."""
    with pytest.raises(SettingsError, match=message) as caught:
        Settings(**given)
    assert "secret" not in str(caught.value)


def test_one_url_may_be_given_as_a_string():
    """`base_url="http://..."` is what a notebook user types."""
    assert Settings(base_url="http://localhost:8000/v1").base_url == ("http://localhost:8000/v1",)
