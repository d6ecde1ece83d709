"""Talking with models: what they remember, what they are told, and how it looks on a pipe and at a terminal."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from threading import Barrier

import pytest

pytest.importorskip("torch")

from adapters import adapter, peft_is_behind
from click.testing import CliRunner

from selfinstruct.commands.chat import command
from selfinstruct.errors import EndpointFailed, SettingsError
from selfinstruct.testing import FaultServer
from selfinstruct.train import terminal
from selfinstruct.train.answer import Decoding
from selfinstruct.train.chat import Chat, EndOfChatError
from selfinstruct.train.endpoint import Endpoint, named_endpoint
from selfinstruct.train.named import Means, labels, name_models, open_models
from selfinstruct.train.speakers import Anew, Exchange

pytestmark = peft_is_behind

GREEDY = Decoding(max_new_tokens=12)


class Parrot:
    """A speaker that says what it was told, and how much was said before."""

    elsewhere = False

    def __init__(self, name="parrot", pieces=3):
        self.name, self.pieces, self.closed, self.seeds = name, pieces, False, []

    def notes(self, system):
        return [f"{self.name}: squawks"]

    def reply(self, talk, decoding):
        self.seeds.append(decoding.seed)
        try:
            for _ in range(self.pieces):
                yield f"{talk.question} {len(talk.before)}{talk.system} "
        finally:
            self.closed = True


class Patient(Parrot):
    """A speaker that goes on until it is stopped."""

    def reply(self, talk, decoding):
        try:
            yield f"{talk.question} {len(talk.before)} "
            talk.stop.wait(30)
        finally:
            self.closed = True


class Mute(Parrot):
    """A speaker whose endpoint is gone."""

    def reply(self, talk, decoding):
        raise EndpointFailed("gone")
        yield


@pytest.fixture(scope="module")
def tuned(tiny_llama, tmp_path_factory):
    """The folder of an adapter on it."""
    return str(adapter(tmp_path_factory.mktemp("adapters") / "tuned", tiny_llama))


def said(chat, question):
    *_, told = chat.ask(question)
    return [one.shown for one in told]


def test_each_speaker_remembers_its_own_answers():
    """Two models in one talk must not read each other's answers as their own."""
    chat = Chat([Parrot("a", 1), Parrot("b", 2)], GREEDY)
    assert said(chat, "one") == ["one 0", "one 0 one 0"]
    assert said(chat, "two") == ["two 1", "two 1 two 1"]
    assert chat.said[1] == (Exchange("one", "one 0 one 0"), Exchange("two", "two 1 two 1"))
    assert chat.speakers[0].seeds == [0, 1]  # a repeated question is drawn anew


def test_a_speaker_that_fails_leaves_the_others_alone():
    """An endpoint that is down is told of in its place, is not remembered, and does not end the chat."""
    chat = Chat([Mute("down"), Parrot("up", 1)], GREEDY)
    assert said(chat, "hello") == ["[no answer: gone]", "hello 0"]
    assert chat.said == [(), (Exchange("hello", "hello 0"),)]


def test_an_answer_that_was_stopped_is_remembered_as_far_as_it_came():
    """The next question may be about what stands on the screen."""
    parrot = Patient()
    chat = Chat([parrot], GREEDY)
    asking = chat.ask("go on")
    next(asking)
    asking.close()
    assert parrot.closed
    assert chat.said == [(Exchange("go on", "go on 0"),)]
    assert not chat.stop.is_set(), "the next question is to be answered"


def test_what_broke_off_is_shown_with_its_reason_and_remembered_without():
    """The model must not read a message of ours as its own words."""

    class Torn(Parrot):
        def reply(self, talk, decoding):
            yield "Half an "
            raise EndpointFailed("gone")

    chat = Chat([Torn("torn")], GREEDY)
    assert said(chat, "hello") == ["Half an\n\n[broken off: gone]"]
    assert chat.said == [(Exchange("hello", "Half an"),)]


def test_what_turns_out_to_be_thought_is_neither_kept_nor_remembered(capsys):
    """Some servers tell only at the end of a thought that it was one: a terminal shows it already, a pipe never."""

    class Thinker(Parrot):
        def reply(self, talk, decoding):
            yield "Hm, let me see."
            talk.stop.wait(0.2)  # it is shown by then
            yield Anew("Yes")
            yield ", it is."

    chat = Chat([Thinker("a")], GREEDY)
    assert said(chat, "hello") == ["Yes, it is."]
    assert chat.said == [(Exchange("hello", "Yes, it is."),)]
    terminal._below(chat, ["a"], "hello")
    assert capsys.readouterr().out == "Yes, it is.\n"
    assert terminal._news("Hm", "Yes") == "\n(that was thought; the answer:)\nYes"


def test_models_elsewhere_answer_at_once_and_models_here_take_turns():
    """Two endpoints need not wait for one another; two models on one processor would only slow each other down."""
    both, order = Barrier(2), []

    class Elsewhere(Parrot):
        elsewhere = True

        def reply(self, talk, decoding):
            both.wait(20)
            yield "met"

    class Here(Parrot):
        def reply(self, talk, decoding):
            order.append((self.name, "begins"))
            yield "here"
            order.append((self.name, "ends"))

    chat = Chat([Here("a"), Elsewhere("b"), Here("c"), Elsewhere("d")], GREEDY)
    assert said(chat, "hello") == ["here", "met", "here", "met"]
    assert order == [("a", "begins"), ("a", "ends"), ("c", "begins"), ("c", "ends")]


def test_commands_change_the_talk():
    """What is set is in force for the next question; a value that cannot be is told of and changes nothing."""
    chat = Chat([Parrot("a", 1)], GREEDY)
    said(chat, "one")
    assert "be kind" in chat.command("/system be kind")
    assert said(chat, "two") == ["two 0be kind"]
    assert chat.command("/temperature 0.5") == "temperature 0.5"
    assert chat.command("/max-new-tokens 7") == "answers of up to 7 tokens"
    assert (chat.decoding.temperature, chat.decoding.max_new_tokens) == (0.5, 7)
    no_numbers = "/max-new-tokens inf", "/max-new-tokens nan", "/max-new-tokens 1.9", "/temperature nan"
    for wrong in ("/temperature hot", "/temperature 9", "/max-new-tokens 0", "/sing", *no_numbers):
        with pytest.raises(SettingsError):
            chat.command(wrong)
    assert (chat.decoding.temperature, chat.decoding.max_new_tokens) == (0.5, 7)
    chat.command("/reset")
    assert said(chat, "three") == ["three 0be kind"]
    with pytest.raises(EndOfChatError):
        chat.command("/quit")


def test_names_stand_for_models(tiny_llama, tuned):
    """NAME@URL is an endpoint, a name with --base-url too, "base" the adapter's own base, anything else is local."""
    assert named_endpoint("a/b") is None
    assert named_endpoint("me@work") is None
    assert named_endpoint("gpt@http://localhost:1/v1") == Endpoint("gpt", "http://localhost:1/v1")
    named = name_models(tuned, ["base", "gpt@https://host/v1"], Means(api_key_env="KEY"))
    assert list(named) == [str(tiny_llama), "gpt", tuned]
    assert named["gpt"].api_key_env == "KEY"
    assert name_models("gpt", [], Means(base_url="http://localhost:1/v1"))["gpt"].base_url == "http://localhost:1/v1"
    for wrong in ("gpt@http://", "@http://host/v1", "gpt@http://me:secret@host/v1"):
        with pytest.raises(SettingsError):
            named_endpoint(wrong)
    assert labels([str(tiny_llama), "gpt", tuned]) == {str(tiny_llama): "llama", "gpt": "gpt", tuned: "tuned"}


def test_the_base_of_any_adapter_is_known(tmp_path):
    """Adapters of our own kinds name their base, too, though they cannot be switched off."""
    (tmp_path / "selfinstruct_adapter.json").write_text('{"base_model_name_or_path": "owner/base"}')
    assert list(name_models(str(tmp_path), ["base"], Means())) == ["owner/base", str(tmp_path)]


@pytest.mark.parametrize("means", [Means(), Means(base_url="http://localhost:1/v1")], ids=["folder", "endpoint"])
def test_only_an_adapter_has_a_base(means, tmp_path):
    """A model named base was looked for; and of an endpoint's model with a slash in its name, on the Hub."""
    with pytest.raises(SettingsError, match="is no adapter with a base; name the model to compare it with"):
        name_models(str(tmp_path) if means.base_url is None else "owner/name", ["base"], means)


def test_base_and_adapter_are_opened_once(tiny_llama, tuned):
    """Side by side they take the memory of one model, and speak the format of the tuned one."""
    base, own = open_models(name_models(tuned, [str(tiny_llama)], Means()), Means())
    assert base.model is own.model
    assert base.turn is own.turn
    assert (base.adapted, own.adapted) == (False, True)
    assert base.format == own.format == "plain"


def test_a_pipe_gives_an_answer_for_each_line(tuned, tiny_llama):
    """Questions and commands on stdin, answers alone on stdout, the rest on stderr; /quit ends."""
    words = [tuned, "--compare", "base", "--temperature", "0", "--max-new-tokens", "12"]
    lines = "What is it like?\n\n/temperature 7\n/reset\n/quit\nWhat is it like?\n"
    done = CliRunner().invoke(command, words, input=lines, standalone_mode=False)
    assert done.return_value == 0, done.exception
    names = [line for line in done.stdout.splitlines() if line.startswith("[")]
    assert names == ["[tuned]", "[llama]"]
    assert "It is" in done.stdout
    assert "--temperature lies between 0 and 2" in done.stderr
    as_json = CliRunner().invoke(command, [*words, "--json"], input="What is it like?\n", standalone_mode=False)
    answers = json.loads(as_json.stdout)["answers"]
    assert list(answers) == ["tuned", "llama"]
    assert answers["llama"].startswith("It is")
    assert "errors" not in json.loads(as_json.stdout)
    notes = [line for line in done.stderr.splitlines() if "stands alone" in line]
    assert [line.partition(":")[0] for line in notes] == ["tuned", "llama"], "labels, not paths"


def test_a_question_without_an_answer_fails_on_a_pipe(monkeypatch, capsys):
    """Scripts took our message for the model's words, and exit status 0 for success."""

    class Torn(Parrot):
        def reply(self, talk, decoding):
            yield "Half an "
            raise EndpointFailed("gone")

    def piped(*speakers, as_json=False):
        monkeypatch.setattr(sys, "stdin", io.StringIO("one\ntwo\n"))
        status = terminal.run(Chat(speakers, GREEDY), [one.name for one in speakers], as_json=as_json)
        return status, capsys.readouterr().out.splitlines()

    status, lines = piped(Mute("a"), Parrot("b", 1), Torn("c"), as_json=True)
    assert status == 0
    assert json.loads(lines[0]) == {
        "question": "one",
        "answers": {"a": None, "b": "one 0", "c": "Half an"},
        "errors": {"a": "gone", "c": "gone"},
    }
    assert piped(Mute("a"), as_json=True)[0] == EndpointFailed.exit_status
    assert piped(Mute("a")) == (EndpointFailed.exit_status, ["[no answer: gone]"] * 2)
    assert piped(Parrot("a", 0))[0] == 0, "a model that says nothing has answered"


def test_a_long_question_on_a_pipe_exits_like_a_wrong_setting(tuned):
    """The whole command: the status of the error, and the short label in its message."""
    words = [tuned, "--temperature", "0", "--json"]
    done = CliRunner().invoke(command, words, input="What is it like?\n" + "word " * 300, standalone_mode=False)
    answered, refused = map(json.loads, done.stdout.splitlines())
    assert answered["answers"]["tuned"].startswith("It is")
    assert refused["answers"] == {"tuned": None}
    assert refused["errors"]["tuned"].startswith("tuned: the question has ")
    assert done.return_value == SettingsError.exit_status


def test_a_pipe_to_endpoints():
    """Answers in the order of the models, whichever is first; a base model is asked in the format that is named."""
    words = "--compare", "b@{0}", "--api", "completions", "--format", "plain"
    with FaultServer(lambda body: f"I am {body['model']}.", pace=lambda body: 0.3 * (body["model"] == "a")) as server:
        given = [f"a@{server.base_url}", *(word.format(server.base_url) for word in words)]
        done = CliRunner().invoke(command, given, input="Who?\n", standalone_mode=False)
    assert done.stdout == "[a]\nI am a.\n\n[b]\nI am b.\n"
    assert done.stderr.count("each question stands alone") == 2
    assert {body["prompt"] for body in server.requests} == {"Who?\n"}


def test_an_endpoint_is_asked_as_the_adapter_beside_it(tuned):
    """A base model that gets prompts in another format than the tuned one shows what the format does."""
    with FaultServer(lambda _: "It is white.") as server:
        given = [tuned, "--compare", f"b@{server.base_url}", "--api", "completions", "--max-new-tokens", "12"]
        CliRunner().invoke(command, given, input="Who?\n", standalone_mode=False, catch_exceptions=False)
    assert [body["prompt"] for body in server.requests] == ["Who?\n"]


def test_columns_hold_all_answers(monkeypatch, capsys):
    """At a terminal the answers stand beside each other, with no mark-up read out of them."""
    monkeypatch.setenv("COLUMNS", "60")
    terminal._beside(Chat([Parrot("left", 1), Mute("right")], GREEDY), ["left", "right"], "[bold]hi")
    out = capsys.readouterr().out
    assert any("left" in line and "right" in line for line in out.splitlines())
    assert "[bold]hi 0" in out
    assert "[no answer: gone]" in out


def test_ctrl_c_ends_an_answer_and_not_the_chat(monkeypatch, capsys):
    """The first Ctrl-C stops the model that is writing; the next question is read."""

    class Interrupted(Parrot):
        def reply(self, talk, decoding):
            yield "half an "
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", io.StringIO("one\ntwo\n"))
    chat = Chat([Interrupted("a")], GREEDY)
    terminal.run(chat, ["a"])
    assert capsys.readouterr().out == "half an (stopped)\nhalf an (stopped)\n"
    assert chat.said == [(Exchange("one", "half an"), Exchange("two", "half an"))]


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a matter of POSIX")
def test_at_a_real_terminal_two_models_stand_side_by_side(tuned):
    """The whole command at a pseudo-terminal: a prompt, columns, /quit; a failure that was seen is no exit status."""
    pexpect = pytest.importorskip("pexpect")
    program = "from selfinstruct.commands.chat import command; command()"
    words = ["-W", "ignore", "-c", program, tuned, "--compare", "base", "--max-new-tokens", "12"]
    child = pexpect.spawn(sys.executable, words, dimensions=(40, 100), encoding="utf-8", timeout=120)
    child.expect("tuned and llama")
    child.expect("> ")
    child.sendline("What is it like?")
    child.expect("tuned.*llama.*It is")
    child.expect("> ")
    child.sendline("word " * 300)
    child.expect(r"\[no answer: tuned")
    child.expect("\n> ")
    child.sendline("/quit")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a matter of POSIX")
def test_ctrl_c_closes_the_connection_to_an_endpoint():
    """The whole command at a pseudo-terminal: words as they come, Ctrl-C, and the next question."""
    pexpect = pytest.importorskip("pexpect")
    program = "from selfinstruct.commands.chat import command; command()"
    with FaultServer(lambda _: "One two.", pace=lambda _: 3.0 if len(server.requests) == 1 else 0.0) as server:
        words = ["-W", "ignore", "-c", program, f"any@{server.base_url}"]
        child = pexpect.spawn(sys.executable, words, dimensions=(40, 100), encoding="utf-8", timeout=120)
        child.expect("> ")
        child.sendline("Count!")
        child.expect("One")
        child.sendintr()
        child.expect(r"\(stopped\)")
        child.expect("> ")
        assert server.left == 1
        child.sendline("Again!")
        child.expect("One two.")
        child.expect("> ")
        child.sendline("/quit")
        child.expect(pexpect.EOF)
        child.close()
    assert [one["content"] for one in server.requests[-1]["messages"]] == ["Count!", "One", "Again!"]


def test_a_missing_package_is_one_line(tmp_path):
    """Without the extra the command says what to type."""
    program = (
        "import sys; sys.modules['gradio'] = None\n"
        "from importlib import util; found = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'gradio' else found(name, *more)\n"
        "import selfinstruct.train.extras as extras; extras.find_spec = util.find_spec\n"
        "from selfinstruct.commands.chat import command\n"
        "command.main(['nothing', '--web'], standalone_mode=False)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "pip install 'selfinstruct[web]'" in done.stderr.splitlines()[-1]
