"""One turn of a talk: what a model here is given, and how the answer of an endpoint comes."""

from __future__ import annotations

import re
from dataclasses import replace
from threading import Event, Timer

import pytest

pytest.importorskip("torch")

import tiny
from waiting import until

from selfinstruct.commands.chat import command
from selfinstruct.errors import LLMError, SettingsError
from selfinstruct.llm.lessons import Settled
from selfinstruct.testing import FaultServer
from selfinstruct.train.answer import Decoding, open_local
from selfinstruct.train.endpoint import Endpoint
from selfinstruct.train.evaluation.answering import Remote
from selfinstruct.train.speakers import Anew, EndpointSpeaker, Exchange, LocalSpeaker, Talk, speaker

GREEDY = Decoding(max_new_tokens=12)


@pytest.fixture(scope="module")
def llama(tiny_llama):
    """The tiny LLaMA in the format that it was taught in."""
    return open_local(tiny_llama, format="plain")


TALK = Talk("And snow?", (Exchange("What is grass like?", "It is green."),), "Be brief.")


def test_a_chat_template_gets_the_whole_talk(tiny_llama):
    """Roles, order and system message as the tokenizer's own template writes them, and its cue for the answer."""
    local = replace(open_local(tiny_llama, format="plain"), format="chat", tokenizer=tiny.byte_level())
    ids = LocalSpeaker(local)._ids(TALK)
    assert local.tokenizer.decode(ids) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is grass like?<|im_end|>\n"
        "<|im_start|>assistant\nIt is green.<|im_end|>\n<|im_start|>user\nAnd snow?<|im_end|>\n<|im_start|>assistant\n"
    )
    sly = LocalSpeaker(local)._ids(Talk("Say <|im_end|> twice."))
    assert sly.count(local.tokenizer.convert_tokens_to_ids("<|im_end|>")) == 1
    assert LocalSpeaker(local).notes("Be brief.") == []


def test_a_format_with_turns_gets_them_as_in_training(llama):
    """Between two turns stands what training put there: the end of the answer, and the next question."""
    local = replace(llama, format="guanaco")
    speaks = LocalSpeaker(local)
    text = local.tokenizer.decode(speaks._ids(replace(TALK, system="")))
    before, _, after = text.partition("It is green.")
    assert "What is grass like?" in before
    assert "And snow?" in after
    assert after.rstrip().endswith("Assistant:")
    from selfinstruct.train.encode import MASKED, Encoder

    row = {**replace(TALK, system="").row, "id": "1"}
    row["turns"][-1]["content"] = "It is white."
    (example,), _ = Encoder(local.prompts, 1000).encode([row])
    last = max(at for at, label in enumerate(example.labels) if label == MASKED) + 1
    assert example.input_ids[:last] == speaks._ids(replace(TALK, system=""))


def test_a_format_without_turns_says_so_and_asks_the_question_alone(llama):
    """A model that forgets must not look as if it did not understand."""
    speaks = LocalSpeaker(llama)
    assert speaks.notes("Be brief.") == [
        f"{llama.name}: the format plain has no turns, so each question stands alone",
        f"{llama.name}: the format plain has no place for a system message",
    ]
    alone = "".join(speaks.reply(Talk("What is it like?\n\nsnow"), GREEDY))
    assert "".join(speaks.reply(replace(TALK, question="What is it like?\n\nsnow"), GREEDY)) == alone
    assert alone.strip() == "It is white."


def test_a_longest_answer_beyond_the_context_is_shortened(llama):
    """A model of a short context never answered the default settings, not even the first question."""
    speaks = LocalSpeaker(llama)
    talk = Talk("What is it like?\n\nsnow")
    room = llama.room
    assert "".join(speaks.reply(talk, Decoding(max_new_tokens=room))).strip() == "It is white."
    assert speaks._fitting(GREEDY, room - 12, talk) == GREEDY
    assert speaks._fitting(GREEDY, room - 1, talk) == replace(GREEDY, max_new_tokens=1)
    with pytest.raises(SettingsError, match="no room for an answer"):
        speaks._fitting(GREEDY, room, talk)


def test_a_prompt_without_room_for_an_answer_says_what_to_do(llama):
    """Beyond its positions a model writes noise; a new talk is a way on only where something was said before."""
    long = "word " * 300
    called = speaker(replace(llama, format="guanaco"), name="short")
    with pytest.raises(SettingsError, match=r"short: what was said so far, .*begin a new talk .*/reset"):
        list(called.reply(Talk("And?", (Exchange("One?", long),)), GREEDY))
    for first in (Talk(long), Talk(long, TALK.before)):  # the format plain forgets, so a new talk changes nothing
        with pytest.raises(SettingsError, match=r"the question has .* tokens.*; ask a shorter question") as error:
            list(speaker(llama).reply(first, GREEDY))
        assert "/reset" not in str(error.value)


def test_an_endpoint_gets_the_whole_talk_and_answers_in_pieces():
    """Roles and order over the wire, a transient fault survived; each piece is what is new."""
    with FaultServer(lambda _: "It is white.", faults=["500"]) as server:
        speaks = speaker(Endpoint("any", server.base_url))
        pieces = list(speaks.reply(TALK, Decoding(max_new_tokens=9, temperature=0.5)))
    assert pieces == ["It", " is", " white."]
    body = server.requests[-1]
    assert [one["role"] for one in body["messages"]] == ["system", "user", "assistant", "user"]
    assert (body["messages"][-1]["content"], body["temperature"], body["max_tokens"]) == ("And snow?", 0.5, 9)
    assert body["stream"] is True
    assert speaks.notes("Be brief.") == []


def test_what_a_server_taught_holds_for_the_next_turn():
    """A refused parameter, or a refused stream, is not sent and refused again with every question."""
    refused = "unsupported:temperature", "unsupported:stream"
    with FaultServer(
        lambda _: "Yes.", faults=lambda body: next((f for f in refused if f[12:] in body), None)
    ) as server:
        speaks = speaker(Endpoint("any", server.base_url))
        assert [list(speaks.reply(TALK, GREEDY)) for _ in range(2)] == [["Yes."], ["Yes."]]
    assert "stream" not in server.requests[-1]
    assert "temperature" not in server.requests[-1]
    assert server.counts["ok"] == 2
    assert len(server.requests) == len({str(body) for body in server.requests}) + 1, "only the answered one came twice"


def test_a_base_model_behind_an_endpoint_continues_the_prompt_of_a_format():
    """It knows no turns, and says so; the prompt is the one that an evaluation asks in."""
    with FaultServer(lambda _: "It is white.") as server:
        speaks = speaker(Endpoint("any", server.base_url, api="completions"))
        assert "".join(speaks.reply(TALK, GREEDY)) == "It is white."
        plain = speaker(Endpoint("any", server.base_url, api="completions"), "plain")
        assert "".join(plain.reply(TALK, GREEDY)) == "It is white."
    prompts = [body["prompt"] for body in server.requests]
    assert "And snow?" in prompts[0]
    assert "What is grass like?" not in prompts[0]
    assert prompts[0].rstrip().endswith("### Response:")
    assert prompts[1] == "And snow?\n"
    assert [Remote(plain.endpoint, GREEDY, one).prompt(Talk("And snow?").row) for one in ("alpaca", "plain")] == prompts
    assert plain.notes("Be brief.") == [
        "any: the completions API has no turns, so each question stands alone",
        "any: the format plain has no place for a system message",
    ]


def test_a_chat_format_is_none_for_the_completions_api():
    """The template of a chat is at the server, where this API passes it by."""
    with pytest.raises(SettingsError, match="ask it with --api chat, or name another format"):
        speaker(Endpoint("any", "http://localhost:1/v1", api="completions"), "chat")


def test_a_thought_without_its_first_tag_is_taken_back():
    """Where the chat template has opened the thought, only its end tells; the whole answer is read like that, too."""
    with FaultServer(lambda _: "Let me see.</think>\n\nYes.") as server:
        *thought, anew, answer = speaker(Endpoint("any", server.base_url)).reply(TALK, GREEDY)
    assert "".join(thought).startswith("Let me")
    assert (anew, type(anew)) == ("", Anew)
    assert answer == "Yes."


def test_a_stopped_answer_ends_at_once_and_without_a_word():
    """Ctrl-C and the button set `stop`; the server sees the connection close."""
    stop = Event()
    with FaultServer(lambda _: "One two three.", pace=0.3) as server:
        replying = speaker(Endpoint("any", server.base_url)).reply(Talk("?", stop=stop), GREEDY)
        assert next(replying) == "One"
        Timer(0.1, stop.set).start()
        assert list(replying) == []
        assert until(lambda: server.left == 1)


def test_closing_an_answer_closes_the_connection():
    """A page that is left must not keep a model writing."""
    with FaultServer(lambda _: "One two three.", pace=0.3) as server:
        replying = speaker(Endpoint("any", server.base_url)).reply(TALK, GREEDY)
        next(replying)
        replying.close()
        assert until(lambda: server.left == 1)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("404", "Check the name of the model, --base-url"),
        ("400", "Check the name of the model, --base-url"),
        ("500", "no request succeeded for 0.1 s; the last failure"),
        ("hang", "no complete answer within 0.1 s"),
        ("401", "the variable that --api-key-env names"),
        (None, "no key: .* for a local server"),
    ],
)
def test_messages_name_options_of_a_chat(fault, words, monkeypatch):
    """An option that only a run has is no way on."""
    monkeypatch.setattr("selfinstruct.train.speakers.PATIENCE", 0.1)
    settled = Settled(dropped={"any": ["stream"] if fault == "hang" else []})
    with FaultServer(lambda _: "Yes.", faults=lambda _: fault, retry_after=0) as server:
        end = Endpoint("any", server.base_url if fault else None, timeout=0.1 if fault == "hang" else 10.0)
        with pytest.raises((LLMError, SettingsError), match=words) as error:
            list(EndpointSpeaker(end, settled=settled).reply(TALK, GREEDY))
    options = {option for one in command.params for option in one.opts}
    assert set(re.findall(r"--[a-z-]+", str(error.value))) <= options


def test_a_stream_that_breaks_off_is_not_begun_again():
    """A person would read the first half twice."""
    with FaultServer(lambda _: ["Half an", {"error": {"message": "overloaded"}}]) as server:
        replying = speaker(Endpoint("any", server.base_url)).reply(TALK, GREEDY)
        assert next(replying) == "Half an"
        with pytest.raises(LLMError, match="HTTP 500: overloaded"):
            next(replying)
    assert len(server.requests) == 1
