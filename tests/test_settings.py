"""One source of settings: keyword arguments, options and settings.json agree, and wrong values are named."""

from __future__ import annotations

import json
import math
import typing
from dataclasses import fields
from pathlib import Path

import click
import numpy as np
import orjson
import pytest

from selfinstruct import Settings, SettingsError
from selfinstruct.commands.generate import command
from selfinstruct.settings import Options, scope_of

NAMES = [field.name for field in fields(Settings)]


def test_arguments_options_and_file_have_the_same_names():
    """A setting is declared once; the typed keyword arguments, the command line and the file follow it."""
    parameters = {one.name: one for one in command.params if isinstance(one, click.Option)}
    assert [name for name in NAMES if name not in parameters] == []
    assert sorted(set(parameters) - set(NAMES)) == ["dry_run", "quiet"]
    assert list(typing.get_type_hints(Options)) == NAMES
    assert list(Settings().to_dict()) == NAMES


def test_no_option_has_a_default_of_its_own():
    """What is not given is not given: the run's own settings, or those of `Settings`, count."""
    for option in command.params:
        if option.name in NAMES:
            assert option.default in (None, False), option.name
            assert option.help, option.name


def test_option_names_are_setting_names():
    """--num-tasks is num_tasks; only --from, a reserved word of Python, is called from_run."""
    for option in command.params:
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
        "num_tasks", "base_url", "api_key_env", "classify_base_url", "classify_api_key_env", "instance_base_url",
        "instance_api_key_env", "backend", "batch", "concurrency", "rpm", "tpm", "max_cost", "max_tokens_total",
        "price_in", "price_out", "saturation", "saturation_window", "neighbours", "timeout", "deadline", "give_up",
    }  # fmt: skip
    downstream = {name for name in NAMES if scope_of(name) == "downstream"}
    stages = {name for name in NAMES if name.startswith(("classify_", "instance_"))}
    assert downstream == stages - free | {"max_instances"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_tasks": 0}, "num_tasks lies between 1 and"),
        ({"num_tasks": "many"}, "num_tasks is a number, not 'many'"),
        ({"num_tasks": 2.5}, "num_tasks is a whole number, not 2.5"),
        ({"num_tasks": 3.0}, "num_tasks is a whole number, not 3.0"),
        ({"num_tasks": None}, "num_tasks is a number, not None"),
        ({"concurrency": True}, "concurrency is a number, not True"),
        ({"max_tokens": np.float64(9)}, "max_tokens is a whole number"),
        ({"seed": "42"}, "seed is a number, not '42'"),
        ({"seed": 2**64}, "seed lies between"),
        ({"max_rouge": 1.5}, "max_rouge lies between"),
        ({"keywords": 5}, "keywords is a text or a list of texts, not 5"),
        ({"against": [b"test.jsonl"]}, "against is a text or a list of texts"),
        ({"base_url": None}, "base_url is a text or a list of texts, not None"),
        ({"temperature": -1}, "temperature lies between 0 and 2"),
        ({"api": "soap"}, 'api is "chat" or "completions"'),
        ({"tokenizer": "bpe"}, "tokenizer is one of words, rouge"),
        ({"min_words": 9, "max_words": 3}, r"min_words \(9\) is above max_words \(3\)"),
        ({"base_url": "localhost:8000"}, "is no http"),
        ({"base_url": "https://me:secret@host/v1"}, "holds a password or key"),
        ({"base_url": "https://host/v1?api_key=1"}, "holds a password or key"),
        ({"instance_base_url": "https://host/v1?token=1"}, "holds a password or key"),
        ({"backend": "curl"}, 'backend is "aiohttp" or "sdk"'),
        ({"response_format": "xml"}, 'response_format is "text" or "json"'),
        ({"extra_body": "top_k=3"}, "extra_body is a JSON object such as"),
        ({"extra_body": "[1]"}, "extra_body is a JSON object such as"),
        ({"extra_body": {"model": "other"}}, "extra_body cannot hold 'model'"),
        ({"extra_body": {"max_completion_tokens": 5}}, "extra_body cannot hold 'max_completion_tokens'"),
        ({"extra_body": {"api_key": "x"}}, "extra_body holds 'api_key'; settings are written to disk"),
        ({"price_in": 1.0}, "price_in and price_out belong together"),
        ({"max_cost": -1}, "max_cost lies between 0 and"),
    ],
)
def test_a_wrong_value_is_named(given, message):
    """What is wrong, and what it may be; a password is not repeated."""
    with pytest.raises(SettingsError, match=message) as caught:
        Settings(**given)
    assert "secret" not in str(caught.value)


NUMBERS = [field.name for field in fields(Settings) if field.type.removesuffix(" | None") in ("int", "float")]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_is_nan_or_infinite(name, value):
    """NaN is neither below nor above a bound, and a run with an infinite target never ends."""
    with pytest.raises(SettingsError, match=f"{name} (is a whole number|lies between)"):
        Settings(**{name: value})


def test_numbers_of_numpy_become_those_of_python():
    """A loop over `np.arange` is how a notebook tries settings; settings.json could not be written with them."""
    settings = Settings(
        num_tasks=np.int64(5),
        seed=np.uint8(7),
        temperature=np.float32(0.5),
        top_p=np.float64(0.5),
        max_rouge=np.int32(1),
    )
    assert orjson.dumps(settings.to_dict())
    kinds = [type(getattr(settings, name)) for name in ("num_tasks", "seed", "temperature", "top_p", "max_rouge")]
    assert kinds == [int, int, float, float, int]
    assert settings == Settings(num_tasks=5, seed=7, temperature=0.5, top_p=0.5, max_rouge=1)


def test_a_whole_number_for_a_float_stays_one():
    """1 and 1.0 are different bytes in a request, so with a conversion a run of temperature=1 could not be resumed."""
    assert type(Settings(temperature=1).temperature) is int


@pytest.mark.parametrize("name", ["base_url", "api_key_env", "keywords", "banned_starts", "against"])
def test_texts_are_given_alone_or_in_any_sequence_and_kept_as_texts(name):
    """A Path in `against=` ended the run when settings.json was written."""
    text = "http://host/v1" if name == "base_url" else "some/words"
    others = [Path("some/words")] if name != "base_url" else []
    for one in [text, *others]:
        for given in (one, [one], (one,), iter([one])):
            settings = Settings(**{name: given})
            assert getattr(settings, name) == (text,)
            assert Settings(**json.loads(orjson.dumps(settings.to_dict()))) == settings


@pytest.mark.parametrize("name", ["keywords", "banned_starts"])
def test_the_help_says_how_a_rule_is_turned_off(name):
    """An option that is not given means the default, so there has to be a way to say none."""
    (field,) = (field for field in fields(Settings) if field.name == name)
    assert "'' turns it off" in field.metadata["help"]


def test_one_url_may_be_given_as_a_string():
    """`base_url="http://..."` is what a notebook user types."""
    assert Settings(base_url="http://localhost:8000/v1").base_url == ("http://localhost:8000/v1",)
