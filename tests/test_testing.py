"""The fakes that are shipped: they do what they say, and leave nothing behind."""

from __future__ import annotations

import asyncio
import doctest
import http.client
import json
import threading
import time
from urllib.parse import urlsplit

import aiohttp
import pytest

from selfinstruct import LLM, Completion, EndpointFailed, Message, Request, RequestRefused, TransientFailure, Usage
from selfinstruct.testing import FATAL, KINDS, TRANSIENT, FakeLLM, FaultServer, in_order, model, server


def ask(text):
    return Request("m", (Message("user", text),))


def outcomes(llm, *requests):
    async def main():
        return await asyncio.gather(*map(llm.complete, requests), return_exceptions=True)

    return asyncio.run(main())


def post(server, body=None, path="/chat/completions", **headers):
    """Status and body of one exchange; None where there was no whole answer."""
    address = urlsplit(server.base_url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=0.5)
    try:
        text = json.dumps(body or {"model": "m", "messages": [{"role": "user", "content": "Hello?"}]})
        connection.request("POST", address.path + path, text, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None, None
    finally:
        connection.close()


def test_the_examples_of_the_docstrings_run():
    """They are the manual."""
    names = {"asyncio": asyncio, "Request": Request}
    found = [doctest.testmod(module, extraglobs=names) for module in (model, server)]
    assert sum(one.attempted for one in found) >= 8
    assert sum(one.failed for one in found) == 0


# FakeLLM --------------------------------------------------------------------------------------------------------------


def test_a_function_of_the_request_is_a_model():
    """A text gets usage; a completion passes as it is; an error is raised; all requests are kept."""

    def answer(request):
        if request.text == "refuse":
            raise RequestRefused("policy")
        return Completion("cut", "length") if request.text == "cut" else "12345678"

    llm = FakeLLM(answer, model="mine")
    assert isinstance(llm, LLM)
    text, completion, error = outcomes(llm, ask("four"), ask("cut"), ask("refuse"))
    assert text == Completion("12345678", "stop", Usage(1, 2), "mine")
    assert completion == Completion("cut", "length")
    assert isinstance(error, RequestRefused)
    assert [request.text for request in llm.requests] == ["four", "cut", "refuse"]


def test_answers_are_given_in_order_and_end():
    """A model that is asked more often than its test expected says so in one line."""
    llm = FakeLLM(["one", TransientFailure("reset"), Completion("three")])
    found = outcomes(llm, *map(ask, "abcd"))
    assert (found[0].text, found[2].text) == ("one", "three")
    assert isinstance(found[1], TransientFailure)
    assert isinstance(found[3], EndpointFailed)


def test_faults_are_the_same_in_every_run_and_drawn_anew_for_every_try():
    """A request that fails once must be able to succeed at the next try."""

    def pattern(seed):
        found = outcomes(FakeLLM(lambda _: "fine", faults=0.3, seed=seed), *[ask("same")] * 200)
        return [isinstance(one, TransientFailure) for one in found]

    assert pattern(1) == pattern(1) != pattern(2)
    assert 40 <= sum(pattern(1)) <= 80


def test_a_fault_uses_up_no_answer():
    """The list holds the answers that arrive."""
    found = outcomes(FakeLLM(["one", "two"], faults=0.5, seed=3), *[ask("same")] * 4)
    assert [one.text for one in found if isinstance(one, Completion)] == ["one", "two"]


@pytest.mark.parametrize("latency", [0.02, lambda request: 0.02 * len(request.text)])
def test_latency_is_a_number_or_a_function(latency):
    """Answers overtake one another when it differs."""
    began = time.perf_counter()
    outcomes(FakeLLM(lambda _: "fine", latency=latency), ask("a"))
    assert 0.015 < time.perf_counter() - began < 1


# FaultServer ------------------------------------------------------------------------------------------------------------


def test_an_answer_has_the_shape_of_openais():
    """Chat, base model and the list of models; usage at four characters a token."""
    with FaultServer(lambda _: "12345678", models=["m"]) as server:
        chat = json.loads(post(server)[1])
        base = json.loads(post(server, {"model": "m", "prompt": "Once upon a time"}, "/completions")[1])
        address = urlsplit(server.base_url)
        connection = http.client.HTTPConnection(address.hostname, address.port)
        connection.request("GET", "/v1/models")
        models = json.loads(connection.getresponse().read())
        connection.close()
    assert chat["choices"][0]["message"] == {"role": "assistant", "content": "12345678"}
    assert chat["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert base["choices"][0]["text"] == "12345678"
    assert base["usage"]["prompt_tokens"] == 4
    assert [one["id"] for one in models["data"]] == ["m"]
    assert server.base_url.endswith("/v1")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("hang", "drip")])
def test_each_kind_is_played_once_and_counted(kind):
    """A script plays its kinds in order, and all is well afterwards."""
    statuses = {"quota": 429, "context_length": 400, "content_policy": 400}
    with FaultServer(lambda _: "fine", faults=[kind]) as server:
        status, body = post(server)
        assert post(server)[0] == 200
    assert server.counts == ({"ok": 2} if kind == "ok" else {kind: 1, "ok": 1})
    if kind.isdigit() or kind in statuses:
        assert status == statuses.get(kind) or status == int(kind)
        assert json.loads(body)["error"]["message"]
    elif kind in ("reset", "close", "cut_body"):
        assert status is None
    else:
        assert status == 200


@pytest.mark.parametrize("kind", ["hang", "drip"])
def test_a_server_that_does_not_end_stops_at_once(kind):
    """The end of the block does not wait for what hangs, and no thread is left."""
    with FaultServer(lambda _: "fine", faults=[kind]) as server:
        address = urlsplit(server.base_url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=5)
        connection.request("POST", "/v1/completions", json.dumps({"prompt": "a"}))
        while not server.counts:
            time.sleep(0.001)
        began = time.perf_counter()
    assert time.perf_counter() - began < 1
    connection.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "fault-server"]


def test_a_share_of_faults_is_drawn_from_the_seed():
    """The same seed plays the same faults in the order of arrival, evenly from the kinds."""

    def played(seed):
        with FaultServer(lambda _: "fine", faults=0.5, kinds=["500", "503"], seed=seed) as server:
            return [post(server)[0] for _ in range(60)]

    first = played(1)
    assert first == played(1) != played(2)
    assert {200, 500, 503} == set(first)
    assert 15 <= first.count(200) <= 45


def test_a_function_chooses_the_fault_of_a_request():
    """One prompt can be poisoned; a parameter is refused as long as it is sent."""
    with FaultServer(lambda _: "fine", faults=lambda _: "unsupported:top_p") as server:
        refused = json.loads(post(server, {"prompt": "a", "top_p": 1}, "/completions")[1])["error"]
        assert post(server, {"prompt": "a"}, "/completions")[0] == 200
    assert refused["message"] == "Unsupported parameter: 'top_p' is not supported with this model."
    assert (refused["param"], refused["code"]) == ("top_p", "unsupported_parameter")
    assert server.counts == {"unsupported:top_p": 1, "ok": 1}
    assert [body["prompt"] for body in server.requests] == ["a", "a"]


def test_a_misspelt_kind_is_an_error():
    """Also in the place of a list, where each of its letters would be a kind."""
    for faults in (["5OO"], "429"):
        with pytest.raises(ValueError, match="there is no fault"):
            FaultServer(lambda _: "fine", faults=faults)
    with (
        pytest.raises(ValueError, match="there is no fault 'typo'"),
        FaultServer(in_order([]), faults=lambda _: "typo") as server,
    ):
        assert post(server)[0] is None


def test_an_error_in_the_answer_function_reaches_the_test():
    """The client sees a refusal; the block raises what went wrong."""
    found = []
    with pytest.raises(ZeroDivisionError), FaultServer(lambda _: 1 / 0) as server:
        found.append(post(server))
    ((status, body),) = found
    assert (status, b"ZeroDivisionError" in body) == (400, True)


def test_texts_in_order_and_whole_responses():
    """`in_order` serves a list; a mapping is sent as it is, and a status can be put before it."""
    with FaultServer(in_order(["one", {"any": "thing"}, (418, {"error": "teapot"})])) as server:
        assert json.loads(post(server)[1])["choices"][0]["message"]["content"] == "one"
        assert post(server) == (200, b'{"any":"thing"}')
        assert post(server) == (418, b'{"error":"teapot"}')


def test_keys_and_models_are_checked():
    """A wrong key and an unknown model are refused in OpenAI's words."""
    with FaultServer(lambda _: "fine", api_key="right", models=["m"]) as server:
        assert post(server, Authorization="Bearer wrong")[0] == 401
        assert post(server, {"model": "n", "prompt": "a"}, Authorization="Bearer right")[0] == 404
        assert post(server, Authorization="Bearer right")[0] == 200


def test_latency_and_the_most_requests_at_once():
    """`peak` shows whether a client keeps to its concurrency."""
    with FaultServer(lambda _: "fine", latency=lambda body: body["seconds"]) as server:

        async def main():
            body = {"prompt": "a", "seconds": 0.1}
            async with aiohttp.ClientSession() as session:

                async def one():
                    async with session.post(f"{server.base_url}/completions", json=body) as response:
                        return response.status

                return await asyncio.gather(*(one() for _ in range(7)))

        assert asyncio.run(main()) == [200] * 7
    assert server.peak == 7


def test_a_thousand_requests_a_second():
    """Loops with hundreds of requests in flight are tested against it; the bound is low because machines are shared."""
    with FaultServer(lambda _: "fine") as server:

        async def main():
            async with aiohttp.ClientSession() as session:

                async def ask_on():
                    for _ in range(50):
                        async with session.post(f"{server.base_url}/completions", json={"prompt": "a"}) as response:
                            await response.read()

                await asyncio.gather(*(ask_on() for _ in range(20)))

        began = time.perf_counter()
        asyncio.run(main())
        seconds = time.perf_counter() - began
    assert server.counts["ok"] == 1000
    assert seconds < 5


def test_the_kinds_are_told_apart():
    """What a share is drawn from by default is mended by another try, so that data sets come out the same."""
    assert not set(TRANSIENT) & set(FATAL)
    assert {*TRANSIENT, *FATAL} < set(KINDS)


def test_a_path_that_no_such_server_has_is_not_found():
    """A test of batch jobs against it went astray when it answered /files as if that were a chat."""
    from urllib.error import HTTPError
    from urllib.request import Request as Post
    from urllib.request import urlopen

    with FaultServer(lambda _: "x") as server, pytest.raises(HTTPError, match="404"):
        urlopen(Post(f"{server.base_url}/files", data=b"{}", method="POST"))
    assert server.requests == []


def events(content):
    lines = content.decode().split("\n\n")
    assert lines.pop() == ""
    return [line.removeprefix("data: ") for line in lines]


def test_an_answer_is_streamed_where_the_request_says_so():
    """Server-sent events in the shape of OpenAI's, both APIs, usage on request, [DONE] at the end."""
    ask = {"model": "m", "messages": [{"role": "user", "content": "a"}], "stream": True}
    with FaultServer(lambda _: "Hello there.") as server:
        *chunks, done = events(post(server, {**ask, "stream_options": {"include_usage": True}})[1])
        *plain, _ = events(post(server, {"model": "m", "prompt": "a", "stream": True}, "/completions")[1])
    first, *said, end, usage = map(json.loads, chunks)
    assert done == "[DONE]"
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [one["choices"][0]["delta"]["content"] for one in said] == ["Hello", " there."]
    assert (end["choices"][0]["delta"], end["choices"][0]["finish_reason"]) == ({}, "stop")
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 3)
    assert [json.loads(one)["choices"][0]["text"] for one in plain] == ["Hello", " there.", ""]


def test_pieces_of_an_answer_are_sent_as_they_are_given():
    """A list says how an answer is cut, and what else stands in its stream; asked whole, it is the text."""
    pieces = ["Hel", "lo", {"any": "thing"}]
    ask = {"messages": [{"role": "user", "content": "a"}]}
    with FaultServer(lambda _: pieces) as server:
        found = events(post(server, {**ask, "stream": True})[1])
        assert json.loads(post(server, ask)[1])["choices"][0]["message"]["content"] == "Hello"
    assert found[3] == '{"any":"thing"}'
    assert [json.loads(one)["choices"][0]["delta"]["content"] for one in found[1:3]] == ["Hel", "lo"]


def test_a_reader_who_leaves_a_stream_is_counted():
    """So a test sees that a client which was stopped has closed its connection."""
    with FaultServer(lambda _: "one two three", pace=3600) as server:
        assert post(server, {"prompt": "a", "stream": True}, "/completions")[0] is None  # its patience is shorter
        end = time.monotonic() + 10
        while not server.left and time.monotonic() < end:
            time.sleep(0.01)
        assert server.left == 1
