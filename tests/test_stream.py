"""Answers as they are written: what is shown of each stream, and what becomes of those that go wrong."""

from __future__ import annotations

import re
import socket
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread, Timer

import orjson
import pytest
from waiting import until

from selfinstruct.errors import EndpointFailed, LLMError, RequestRefused, SettingsError
from selfinstruct.llm.lessons import Settled
from selfinstruct.llm.stream import Growing
from selfinstruct.testing import FaultServer, server
from selfinstruct.train.endpoint import Endpoint

KEY = "sk-of-the-user-1234567890"
SENTENCE = "One two three four."
GROWN = ["One", "One two", "One two three", SENTENCE]


def growing_at(endpoint, *, patience=10.0, settled=None):
    request = endpoint.request("Say it.", {"temperature": 0.5, "max_tokens": 20})
    return endpoint.stream(request, patience=patience, settled=settled or Settled(), stop=Event())


def streamed(endpoint, **options):
    """The texts so far that were shown, and the error at the end."""
    shown = []
    try:
        shown.extend(growing_at(endpoint, **options))
    except (LLMError, SettingsError) as error:
        return shown, error
    return shown, None


@contextmanager
def writing(*parts, pause=0.0):
    """The address of a server that answers each request with these bytes, a pause behind each, and hangs up."""

    class Writer(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for part in parts:
                self.wfile.write(part)
                time.sleep(pause)

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Writer) as server:
        Thread(target=server.serve_forever, args=(0.05,)).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()


def event(said):
    return b"data: %s\n\n" % orjson.dumps(said)


def piece(text, finish=None):
    return event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]})


DONE = b"data: [DONE]\n\n"


def asked(answer=lambda _: SENTENCE, *, patience=10.0, timeout=600.0, api="chat", settled=None, **server):
    """What a client was shown by a server, with the error at the end, and the server."""
    with FaultServer(answer, **server) as served:
        return *streamed(
            Endpoint("m", served.base_url, api=api, timeout=timeout), patience=patience, settled=settled
        ), served


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_a_text_grows_word_by_word(api):
    """Both APIs; each text is all that there is so far."""
    shown, error, served = asked(api=api)
    assert (shown, error) == (GROWN, None)
    assert served.requests[0]["stream"] is True


def test_pieces_come_while_the_server_still_writes():
    """What arrives only at the end is no stream; and whoever has read enough does not wait for the rest."""
    with FaultServer(lambda _: SENTENCE, pace=3600.0) as served:
        growing = growing_at(Endpoint("m", served.base_url, api="completions"))
        assert next(growing) == "One"
        began = time.monotonic()
        growing.close()
        assert time.monotonic() - began < 5
        assert until(lambda: served.left == 1)


def whole(text):
    return {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("answer", "options"),
    [
        (lambda _: whole(SENTENCE), {}),
        (lambda _: SENTENCE, {"faults": lambda _: "unsupported:stream"}),
        (lambda _: SENTENCE, {"faults": lambda body: "400" if "stream" in body else None}),
        (lambda body: (501, {"error": "no"}) if "stream" in body else SENTENCE, {}),
        (lambda _: SENTENCE, {"faults": lambda body: "html" if "stream" in body else None}),
    ],
    ids=["plain JSON", "refused by name", "refused without a word", "501", "a page"],
)
def test_a_server_that_does_not_stream_answers_whole(answer, options):
    """Some ignore the word, some refuse it, each in its own way; what they answer without it is taken."""
    shown, error, served = asked(answer, **options)
    assert (shown, error) == ([SENTENCE], None)
    assert len(served.requests) <= 2


def test_that_a_server_does_not_stream_is_learned_once():
    """Each further question would be asked twice."""
    settled = Settled()
    asked(faults=lambda _: "unsupported:stream", settled=settled)
    shown, _, served = asked(faults=lambda _: "unsupported:stream", settled=settled)
    assert shown == [SENTENCE]
    assert served.counts == {"ok": 1}


TABLE = [
    ("context_length", RequestRefused, "too long for m .*maximum context length"),
    ("content_policy", RequestRefused, "HTTP 400: .*safety system"),
    ("quota", EndpointFailed, "quota of the key is used up .*HTTP 429.*Top it up"),
    ("401", EndpointFailed, "the key is refused .*HTTP 401.*--api-key-env names"),
    ("404", EndpointFailed, "no model 'm', or no such API .*Check --model, --base-url"),
    ("400", EndpointFailed, "the request is refused .*HTTP 400"),
]


@pytest.mark.parametrize(("kind", "error", "words"), TABLE, ids=[row[0] for row in TABLE])
def test_refusals_say_what_they_say_to_a_whole_request(kind, error, words):
    """One way to tell of a wrong key, whatever asked."""
    shown, found, _ = asked(faults=lambda _: kind)
    assert shown == []
    assert type(found) is error
    assert re.search(words, str(found)), found


@pytest.mark.parametrize("kind", ["429", "500", "503", "408", "close", "error_200", "empty_choices"])
def test_what_another_try_mends_is_tried_again_before_the_first_piece(kind):
    """As long as nothing is shown, nobody reads anything twice."""
    shown, error, served = asked(faults=[kind], retry_after=0)
    assert (shown, error) == (GROWN, None)
    assert served.counts == {kind: 1, "ok": 1}


@pytest.mark.parametrize(
    ("answer", "options", "words"),
    [
        (lambda _: ["Half", {"error": {"message": "gone away", "code": 503}}], {}, "HTTP 503: gone away"),
        (lambda _: ["Half", {"choices": "?"}], {}, "an event that cannot be read"),
        (lambda _: ["Half", " of a", " rather", " long", " text"], {"faults": ["truncated_json"]}, "the stream ended"),
        (lambda _: ["Half", {"choices": [{"delta": {"content": 7}}]}], {}, "an event that cannot be read"),
    ],
    ids=["an error", "nonsense", "its end is missing", "a number"],
)
def test_a_stream_that_breaks_off_says_why_and_is_not_begun_again(answer, options, words):
    """What was shown stays; the rest is not asked for."""
    shown, error, served = asked(answer, **options)
    assert shown[0] == "Half"
    assert re.search(words, str(error)), error
    assert len(served.requests) == 1


@pytest.mark.parametrize("finish", [None, ""])
@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        (lambda finish: [piece("Yes", finish), piece(".", finish)], ["Yes", "Yes."]),
        (lambda finish: [piece("", finish)], []),
        (lambda _: [event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}})], []),
    ],
    ids=["a text", "an empty one", "its usage alone"],
)
def test_the_mark_of_the_end_is_an_end(parts, shown, finish):
    """Some servers never say why an answer ended; without reason and mark it was cut."""
    with writing(*parts(finish), DONE) as url:
        assert streamed(Endpoint("m", url), patience=1.0) == (shown, None)
    with writing(*parts(finish)) as url:
        shown_of_cut, error = streamed(Endpoint("m", url), patience=0.1)
    assert shown_of_cut == shown
    assert "the stream ended before the answer did" in str(error)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b'event: error\ndata: {"message": "no memory", "code": 503}\n\n', "HTTP 503: no memory"),
        (b'event: error\ndata: {"error": {"message": "no memory"}}\n\n', "HTTP 500: no memory"),
        (b"event: error\ndata: no memory\n\n", "HTTP 500: no memory"),
        (event({"object": "error", "message": "no memory", "code": 503}), "HTTP 503: no memory"),
        (event({"error": "no memory"}), "HTTP 500: no memory"),
    ],
    ids=["its name", "its name and shape", "its name and a text", "its kind", "a text"],
)
def test_a_failure_is_told_in_the_words_of_the_server(said, words):
    """Servers tell of an error amid an answer in many shapes; that the stream ended is the least of it."""
    with writing(piece("Half"), said, DONE) as url:
        shown, error = streamed(Endpoint("m", url))
    assert shown == ["Half"]
    assert str(error).endswith(words)


def test_comments_keep_an_answer_alive():
    """A server that waits for another one says so in comments, which are none of the answer."""
    with writing(piece("Yes"), *[b": processing\n\n"] * 6, piece(".", "stop"), DONE, pause=0.2) as url:
        assert streamed(Endpoint("m", url), patience=0.6) == (["Yes", "Yes."], None)


def test_a_page_teaches_nothing():
    """A login page, or a stream of nothing, in the place of both answers does not say that a server cannot stream."""
    for part in (b"<html>Please log in.</html>", DONE):
        settled = Settled()
        with writing(part) as url:
            assert streamed(Endpoint("m", url), patience=0.1, settled=settled)[0] == []
        assert settled.dropped == {"m": []}


def test_an_answer_that_is_all_thought_says_how_to_go_on():
    """Where the tokens end before the answer begins, nothing would look like a broken model."""
    for pieces in ([thought("Hm"), thought(".")], ["<think>Hm", "."]):
        shown, error, served = asked(lambda _, pieces=pieces: pieces, faults=["length"])
        assert shown == []
        assert re.search("m was cut in its thoughts.*/max-tokens", str(error))
        assert len(served.requests) == 1
    assert asked(lambda _: ["<think>Hm.</think>", "Yes"], faults=["length"])[:2] == (["Yes"], None)


def test_a_server_that_dies_leaves_half_an_answer():
    """What was shown stays, with the reason why there is no more."""
    with FaultServer(lambda _: SENTENCE, pace=3600.0) as served:
        growing = growing_at(Endpoint("m", served.base_url, api="completions"))
        assert next(growing) == "One"
    with pytest.raises(LLMError, match=r"cannot get an answer from 127\.0\.0\.1"):
        next(growing)


@pytest.mark.parametrize(
    ("options", "before"),
    [({"faults": ["hang"], "timeout": 0.3}, []), ({"pace": 3600.0, "patience": 0.3}, ["One"])],
)
def test_a_server_that_says_nothing_more_is_left(options, before):
    """Before the first piece it may load a model for minutes; between two, that is another matter."""
    shown, error, served = asked(api="completions", **options)
    assert shown == before
    assert str(error) == f"nothing came from {served.base_url.split('/')[2]} for 0.3 s"
    assert len(served.requests) == 1


def thought(text):
    return {"choices": [{"index": 0, "delta": {"reasoning_content": text}}]}


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["<thi", "nk>Hm", ".</th", "ink>\n\n", "Yes", "."], ["Yes", "Yes."]),
        (["Hm.", "</think>", "\n", "Yes."], ["Hm.", "", "Yes."]),
        (["<think>Hm", ", and so on"], []),
        (["<", "b>bold</b>"], ["<b>bold</b>"]),
        ([thought("Hm"), thought("."), "Yes."], ["Yes."]),
        ([{"choices": [{"delta": {"content": [{"type": "text", "text": "Yes."}]}}]}], ["Yes."]),
        ([{"choices": [{"delta": {"refusal": "No."}}]}], ["No."]),
        (["", "Yes", None, "", ".", {"choices": []}, {"choices": [{}]}, {"choices": [], "usage": {}}], ["Yes", "Yes."]),
        (["  ", "Yes."], ["  Yes."]),
        (["日本", "語 ", "👩‍👩", "‍👧"], ["日本", "日本語 ", "日本語 👩‍👩", "日本語 👩‍👩‍👧"]),
    ],
    ids=[
        *("tags over pieces", "no first tag", "nothing but thought", "another tag", "thoughts apart"),
        *("parts", "a refusal", "empty ones", "blanks first", "scripts"),
    ],
)
def test_what_is_shown_of_the_pieces(pieces, shown):
    """Thoughts are none of the answer, as in an answer that comes whole; events without text are no news."""
    assert asked(lambda _: pieces)[:2] == (shown, None)


def test_a_letter_may_be_cut_by_the_network(monkeypatch):
    """Bytes come one by one; no half of a letter is shown."""
    monkeypatch.setattr(server, "DRIP_SECONDS", 0.0002)
    shown, error, _ = asked(lambda _: ["Grüße ", "日本 ", "🧙‍♂️"], faults=["drip"])
    assert (shown, error) == (["Grüße ", "Grüße 日本 ", "Grüße 日本 🧙‍♂️"], None)


def test_a_letter_may_be_cut_by_json():
    """Servers that count in UTF-16 part the two escapes of a smiley; alone they can be neither shown nor sent."""
    growing, shown = Growing(), []
    for piece in ("Hi \ud83d", "\ude00!", "\ude00", "\ud83d"):
        growing.take({"choices": [{"delta": {"content": piece}}]})
        shown.append(growing.visible())
    assert shown == ["Hi ", "Hi 😀!", "Hi 😀!\ufffd", "Hi 😀!\ufffd"]


def test_a_parameter_that_the_server_refuses_is_left_out():
    """None of those of a chat is worth no answer; also where the server calls one by another name."""
    shown, error, served = asked(faults=lambda _: "unsupported:temperature")
    assert (shown, error) == (GROWN, None)
    assert "temperature" not in served.requests[-1]
    shown, error, served = asked(faults=lambda _: "unsupported:max_tokens")
    assert (shown, error) == (GROWN, None)
    assert served.requests[-1]["max_completion_tokens"] > 20


def test_keys_and_addresses_come_from_the_environment(monkeypatch, caplog):
    """As everywhere: a named variable, OPENAI_BASE_URL, no key for a local server; and no key in a message."""
    monkeypatch.setenv("MY_KEY", KEY)
    with FaultServer(lambda _: ["Half", {"error": {"message": f"bad {KEY}"}}], api_key=KEY) as served:
        shown, error = streamed(Endpoint("m", served.base_url, api_key_env="MY_KEY"))
        assert (shown, str(error)) == (["Half"], f"{served.base_url.split('/')[2]}, HTTP 500: bad ***")
        monkeypatch.setenv("OPENAI_BASE_URL", served.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        assert streamed(Endpoint("m"))[0] == ["Half"]
        monkeypatch.delenv("OPENAI_API_KEY")
        assert "the key is refused" in str(streamed(Endpoint("m"))[1])
    with pytest.raises(SettingsError, match="MY_OTHER_KEY is not set"):
        raise streamed(Endpoint("m", served.base_url, api_key_env="MY_OTHER_KEY"))[1]
    assert KEY not in caplog.text


def test_an_answer_that_is_empty_shows_nothing():
    """No piece, no error: what a server says with null."""
    assert asked(faults=["null_content"])[:2] == ([], None)


def test_a_server_that_is_not_there_is_asked_until_patience_ends():
    """It may still be loading its model; then the reason is told, in the words of every other request."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host = f"127.0.0.1:{taken.getsockname()[1]}"
    began = time.monotonic()
    shown, error = streamed(Endpoint("m", f"http://{host}/v1"), patience=0.2)
    assert (shown, type(error)) == ([], EndpointFailed)
    assert f"cannot get an answer from {host}: Cannot connect to host" in str(error)
    assert time.monotonic() - began < 10


def test_a_wait_before_another_try_can_be_stopped():
    """Half a minute of patience with a server is none with the person who said stop."""
    stop = Event()
    with FaultServer(lambda _: SENTENCE, faults=lambda _: "503", retry_after=3600) as served:
        end = Endpoint("m", served.base_url)
        Timer(0.3, stop.set).start()
        began = time.monotonic()
        assert list(end.stream(end.request("Say it.", {}), patience=3600, settled=Settled(), stop=stop)) == []
        assert time.monotonic() - began < 5
    assert len(served.requests) == 1
