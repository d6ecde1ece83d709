"""The chat in a browser, asked through the client that Gradio itself ships; web_scenario.py serves and asks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

pytest.importorskip("torch")
pytest.importorskip("gradio")

from adapters import adapter, peft_is_behind

from selfinstruct.commands.chat import command
from selfinstruct.errors import SettingsError
from selfinstruct.train import web
from selfinstruct.train.answer import Decoding
from selfinstruct.train.chat import BROKEN_OFF

pytestmark = peft_is_behind


@pytest.fixture(scope="module")
def seen(tiny_llama, tmp_path_factory):
    """What a client saw of three pages."""
    tuned = adapter(tmp_path_factory.mktemp("adapters") / "tuned", tiny_llama)
    words = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("web_scenario.py")), str(tuned)]
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}  # of the helpers of tests
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **paths})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_two_models_answer_in_two_panels(seen):
    """Base and adapter on one model, over HTTP, piece by piece, at an address of this machine alone."""
    models = seen["models"]
    assert models["url"].startswith("http://127.0.0.1:")
    assert models["cleared"] == ""
    assert models["one_model"]
    for asked, (role, told) in models["panels"]:
        assert asked == ["user", "What is it like?"]
        assert role == "assistant"
        assert told
    assert models["steps"] >= 2


def test_the_settings_and_the_panels_reach_the_models(seen):
    """Each visitor's panels are the memory: what they hold is what the model is told was said."""
    first, second, other = seen["echo"]["panels"]
    assert first[-1] == ["assistant", "0 be kind one 0.5 7"]
    assert second[-1] == ["assistant", "1  two 0 9"]
    assert len(second) == 4
    assert other == [["user", "three"], ["assistant", "0  three 0 9"]]


def test_stopping_in_the_browser_stops_the_model(seen):
    """A pressed Stop must not leave the model writing for nobody; what it wrote stays."""
    assert seen["slow"] == {"begun": True, "closed": True, "kept": True}


def test_two_endpoints_stream_side_by_side(seen):
    """Each panel grows at its own speed; one that breaks off says so at once, and the other goes on."""
    ends = seen["endpoints"]
    steady, torn = zip(*ends["grown"], strict=True)
    broken = f"Half{BROKEN_OFF}"
    assert len(set(steady)) > 3
    assert (steady[-1], torn[-1][: len(broken)]) == ("One two three four five.", broken)
    assert any(told.startswith(broken) and text != steady[-1] for text, told in ends["grown"])
    assert ends["memory"] == ["go", "Half", "on"], "a message of ours is no word of the model"


def test_the_stop_button_closes_the_connection_to_an_endpoint(seen):
    """A server that is not read goes on to write, at somebody's cost."""
    assert seen["endpoints"]["begun"]
    assert seen["endpoints"]["closed"]


def test_thousands_of_pieces_are_a_handful_of_pictures():
    """A page that is drawn for every token falls behind a fast model."""

    class Fast:
        name, elsewhere = "fast", True

        def reply(self, talk, decoding):
            for number in range(5000):
                yield f"{number} "

    pictures = list(web.answers([Fast()], Decoding(), "", "go", [[]], Event()))
    assert len(pictures) < 200
    assert pictures[-1][0][-1]["content"].endswith(" 4999")


def test_the_page_asks_for_nothing_elsewhere(seen):
    """No fonts, scripts or counters of other hosts: it works without the internet, and tells nobody."""
    assert seen["echo"]["elsewhere"] == []
    assert "system-ui" in seen["echo"]["theme"]
    assert "http" not in seen["echo"]["theme"].replace("http://www.w3.org", "")


def test_an_empty_question_asks_nobody():
    """Enter in an empty box changes nothing."""
    panel = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert list(web.answers([], Decoding(), "", "  ", [panel], Event())) == [[panel]]


def test_a_failure_in_a_panel_is_not_taken_for_an_answer():
    """What stands in the place of an answer that never came is not told to the model as its own words."""
    panel = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "[no answer: gone]"},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": [{"type": "text", "text": "c"}]},
    ]

    class Counts:
        name, elsewhere = "counts", False

        def reply(self, talk, decoding):
            yield " ".join(one.told for one in talk.before)

    *_, (shown,) = web.answers([Counts()], Decoding(), "", "d", [panel], Event())
    assert shown[-1] == {"role": "assistant", "content": "c"}


def test_a_port_in_use_is_told_of_before_a_model_is_opened():
    """The models were loaded first, and the message was "output: None"."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        words = ["no/such/model", "--web", "--port", str(port)]
        with pytest.raises(SettingsError, match=f"port {port} is in use; leave --port out for a free one"):
            command.main(words, standalone_mode=False)
    web.look_at_port("127.0.0.1", port)
    with pytest.raises(SettingsError, match=r"no page can be served at 192\.0\.2\.1"):
        web.look_at_port("192.0.2.1", port)


def test_panels_stack_where_they_would_be_narrow(seen):
    """On a telephone two columns of six letters a line cannot be read."""
    assert seen["models"]["widths"] == [web.PANEL] * 2
    assert 400 / 2 < web.PANEL < 1200 / 2


def test_without_gradio_the_line_to_type_is_said(monkeypatch):
    """A missing extra is no ImportError."""
    monkeypatch.setattr("selfinstruct.train.extras.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"pip install 'selfinstruct\[web\]'"):
        web.page([], [], Decoding())
