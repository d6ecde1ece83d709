"""The client against a server that misbehaves: each fault ends in the right error, with a cause and a way on."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from dataclasses import replace
from email.utils import formatdate
from random import Random

import pytest
from server_run import DERIVED, SEEDS, teacher, write_templates

from selfinstruct import (
    EndpointFailed,
    Message,
    Request,
    RequestRefused,
    SettingsError,
    TransientFailure,
    Usage,
    generate,
)
from selfinstruct.directory import RunDirectory
from selfinstruct.llm.limits import Slots
from selfinstruct.llm.openai import REASONING_ROOM, OpenAIClient, Settled
from selfinstruct.llm.retry import Retrying
from selfinstruct.testing import TRANSIENT, FaultServer

KEY = "sk-of-the-user-1234567890"


def ask(text="Say hello.", *, optional=(), stage="instructions", **sampling):
    return Request("m", (Message("user", text),), sampling=sampling, optional=frozenset(optional), stage=stage)


def exchange(server, *requests, timeout=5.0, **options):
    """What the requests end in, asked one after the other."""

    async def main():
        client = OpenAIClient([server.base_url], timeout=timeout, **options)
        found = []
        for request in requests:
            try:
                found.append(await client.complete(request))
            except Exception as error:  # noqa: BLE001 - whatever it is, the tests look at its type
                found.append(error)
        await client.close()
        return found

    return asyncio.run(main())


def failing(kind, *requests, retry_after=None, **options):
    with FaultServer(lambda _: "Hello.", faults=[kind], retry_after=retry_after) as server:
        return exchange(server, *requests or [ask()], **options)[0], server.base_url.split("/")[2]


def test_an_answer_comes_with_its_usage_and_model():
    """The plain case, for chat and for base models."""
    with FaultServer(lambda _: "Hello there.") as server:
        chat, base = exchange(server, ask(), Request("m", prompt="Once upon", sampling={"stop": ["\n"]}))
    assert (chat.text, chat.finish_reason, chat.usage, chat.model) == ("Hello there.", "stop", Usage(2, 3), "m")
    assert base.text == "Hello there."
    assert server.requests[0] == {"model": "m", "messages": [{"role": "user", "content": "Say hello."}]}
    assert server.requests[1] == {"model": "m", "prompt": "Once upon", "stop": ["\n"]}


# What a server can do wrong ------------------------------------------------------------------------------------------

TABLE = [
    ("429", TransientFailure, "HTTP 429: Rate limit reached"),
    ("500", TransientFailure, "HTTP 500: The server had an error"),
    ("503", TransientFailure, "HTTP 503: The engine is currently overloaded"),
    ("408", TransientFailure, "HTTP 408"),
    ("close", TransientFailure, "Server disconnected"),
    ("reset", TransientFailure, "cannot get an answer from"),
    ("cut_body", TransientFailure, "Not enough data"),
    ("truncated_json", TransientFailure, "malformed answer from"),
    ("html", TransientFailure, "HTTP 200 without an answer in it: <html>"),
    ("error_200", TransientFailure, "HTTP 200 without an answer in it: .*upstream provider failed"),
    ("empty_choices", TransientFailure, "HTTP 200 without an answer in it"),
    ("hang", TransientFailure, r"no complete answer within 0\.3 s \(--timeout\)"),
    ("drip", TransientFailure, r"no complete answer within 0\.3 s \(--timeout\)"),
    ("context_length", RequestRefused, "too long for m .*maximum context length"),
    ("content_policy", RequestRefused, "HTTP 400: .*safety system"),
    ("quota", EndpointFailed, "quota of the key is used up .*HTTP 429.*Top it up"),
    ("401", EndpointFailed, "the key is refused .*HTTP 401.*--api-key-env names"),
    ("404", EndpointFailed, "no model 'm', or no such API .*Check --model, --base-url"),
    ("400", EndpointFailed, "the request is refused .*HTTP 400"),
]


@pytest.mark.parametrize(("kind", "error", "words"), TABLE, ids=[row[0] for row in TABLE])
def test_each_fault_is_one_of_the_errors_of_the_seam(kind, error, words):
    """The failure table: nothing leaks out of the SDK, and the message names the host and the cause."""
    found, host = failing(kind, timeout=0.3)
    assert type(found) is error
    assert re.search(words, str(found)), found
    assert host in str(found)
    assert "\n" not in str(found)
    assert getattr(found, "limited", False) == (kind == "429")


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("3", 3, 3),
        ("0.5", 0.5, 0.5),
        ("250ms", 0.25, 0.25),
        ("0", 0, 0),
        ("in 3000 s", 2900, 3000),
        ("in -3000 s", 0, 0),
    ],
)
def test_the_wait_that_the_server_asks_for_is_read(header, low, high):
    """Seconds, milliseconds, and dates, of which the past ones mean now; made at import, a date grew old before its test."""
    if header.startswith("in "):
        header = formatdate(time.time() + int(header.split()[1]), usegmt=True)
    found, _ = failing("429", retry_after=header)
    assert low <= found.retry_after <= high


@pytest.mark.parametrize("header", [None, "soon", "Thu, 99 Foo 10000 99:99:99 GMT"])
def test_a_wait_that_nobody_can_read_is_none(header):
    """A strange header must not hide the failure behind it."""
    found, _ = failing("503", retry_after=header)
    assert isinstance(found, TransientFailure)
    assert found.retry_after is None


def test_a_refused_connection_is_no_timeout():
    """aiohttp's transport calls it a timeout, and the user waited for a server that was not there."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    async def main():
        client = OpenAIClient([f"http://127.0.0.1:{port}/v1"])
        try:
            await client.complete(ask())
        finally:
            await client.close()

    with pytest.raises(TransientFailure, match=rf"cannot get an answer from 127.0.0.1:{port}: Cannot connect"):
        asyncio.run(main())


def test_a_server_that_speaks_no_http_is_a_transient_failure():
    """A bare aiohttp error came through the SDK and ended the run with a traceback."""

    async def main():
        async def babble(reader, writer):
            await reader.read(10)
            writer.write(b"220 mail.example.org ESMTP\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
            client = OpenAIClient([f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"])
            try:
                await client.complete(ask())
            finally:
                await client.close()

    with pytest.raises(TransientFailure, match="cannot get an answer"):
        asyncio.run(main())


@pytest.mark.parametrize(
    "body", [{}, {"choices": None}, {"choices": [{}]}, {"choices": ["x"]}, {"choices": [{"message": None}]}]
)
def test_a_200_with_anything_else_in_it_is_a_failure(body):
    """Proxies answer 200 with whatever they like; none of it may count as an empty answer."""
    with FaultServer(lambda _: body) as server:
        (found,) = exchange(server, ask())
    assert isinstance(found, TransientFailure)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": None}, ""),
        ({"content": None, "refusal": "I cannot do that."}, "I cannot do that."),
        ({"content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]}, "Hello"),
        ({"role": "assistant"}, ""),
    ],
)
def test_an_odd_message_is_still_an_answer(message, text):
    """It was paid for, so it is kept: null content, a refusal, content in parts; usage may be missing."""
    with FaultServer(lambda _: {"choices": [{"message": message, "finish_reason": "stop"}]}) as server:
        (found,) = exchange(server, ask())
    assert (found.text, found.usage) == (text, None)


def test_an_answer_cut_by_length_says_so():
    """The parsers drop the last item of such an answer."""
    assert failing("length")[0].finish_reason == "length"


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (402, {"message": "Insufficient Balance"}, EndpointFailed),
        (400, {"message": "x", "code": "billing_hard_limit_reached"}, EndpointFailed),
        (403, {"message": "Your input was flagged", "code": 403}, RequestRefused),
        (403, {"message": "Country not supported"}, EndpointFailed),
        (405, "Method Not Allowed", EndpointFailed),
        (413, None, RequestRefused),
        (429, {"message": "Request too large for m on tokens per min: Limit 10000, Requested 12000"}, RequestRefused),
        (500, {"message": "input length exceeds maximum context length"}, RequestRefused),
        (503, {"message": "the moderation service is overloaded"}, TransientFailure),
        (
            400,
            {
                "message": "'max_tokens' or 'max_completion_tokens' is too large: 9. This model's maximum context length is 8"
            },
            RequestRefused,
        ),
    ],
)
def test_refusals_in_the_words_of_other_servers(status, error, expected):
    """Seen at DeepSeek, OpenRouter, OpenAI's token limits, Ollama and vLLM."""
    with FaultServer(lambda _: (status, {"error": error})) as server:
        (found,) = exchange(server, ask(max_tokens=9), ask())[:1]
    assert type(found) is expected
    assert f"HTTP {status}" in str(found)


def test_a_400_before_the_first_success_stops_the_run_and_later_concerns_one_request():
    """A wrong setup is refused at once; a strange prompt in a run that works must not end it."""
    with FaultServer(lambda _: "Hello.", faults=["400", "ok", "400"]) as server:
        before, _, after = exchange(server, ask(), ask(), ask())
    assert isinstance(before, EndpointFailed)
    assert isinstance(after, RequestRefused)


def test_a_400_after_an_answer_of_an_earlier_session_concerns_one_request():
    """A new process has had no success yet, so one prompt that the server never takes ended each resume."""
    with FaultServer(lambda _: "Hello.", faults=lambda body: "400" if "Poison" in str(body) else None) as server:
        client = OpenAIClient([server.base_url])
        patient = Retrying(client, Slots(1))
        patient.answered(ask("Answered yesterday."))

        async def outcome(request):
            try:
                return await patient.complete(request)
            except (RequestRefused, EndpointFailed) as error:
                return error

        async def main():
            found = [await outcome(ask("Poison.")), await outcome(replace(ask("Poison."), model="other"))]
            await client.close()
            return found

        known, other = asyncio.run(main())
    assert isinstance(known, RequestRefused)
    assert isinstance(other, EndpointFailed), "what one model does says nothing about another"


# Keys and addresses ------------------------------------------------------------------------------------------------


def test_the_key_reaches_the_server_and_no_message(monkeypatch):
    """Servers echo keys, and messages end in ledgers, terminals and bug reports."""
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    echo = (400, {"error": {"message": f"unsupported: your key {KEY} and temperature, {'x' * 440} {KEY}"}})
    answers = iter(["Hello.", echo, (500, echo[1]), echo[1], echo])
    with FaultServer(lambda _: next(answers), api_key=KEY) as server:
        requests = [ask(), *[ask(temperature=0.5)] * 4]
        found = exchange(server, *requests, api_key_env=["MY_KEY"])
    assert found[0].text == "Hello."
    assert server.counts["401"] == 0
    assert [type(one) for one in found[1:]] == [SettingsError, TransientFailure, TransientFailure, SettingsError]
    assert all("***" in str(one) and KEY[:8] not in str(one) for one in found[1:])
    assert all(one.__suppress_context__ or one.__context__ is None for one in found[1:])


def test_a_key_that_is_needed_and_not_there_is_named(monkeypatch):
    """Without an address it is needed; a variable that the user named must be set in any case."""
    with pytest.raises(SettingsError, match=r"OPENAI_API_KEY is not set. Set it .*--model demo"):
        OpenAIClient()
    with pytest.raises(SettingsError, match="MY_KEY is not set"):
        OpenAIClient(["http://localhost:1/v1"], ["MY_KEY"])
    monkeypatch.setenv("MY_KEY", "sk-schlüssel-geheim")
    with pytest.raises(SettingsError, match="MY_KEY holds characters that no key has") as raised:
        OpenAIClient(["http://localhost:1/v1"], ["MY_KEY"])
    assert "geheim" not in str(raised.value)


def test_a_local_server_needs_no_key():
    """vLLM, Ollama and llama.cpp are asked without one."""
    with FaultServer(lambda _: "Hello.") as server:
        (found,) = exchange(server, ask())
    assert found.text == "Hello."


@pytest.mark.parametrize("address", ["localhost:8000/v1", "ftp://host/v1", "http://"])
def test_an_address_that_is_none_is_an_error_of_the_settings(monkeypatch, address):
    """OPENAI_BASE_URL does not pass the checks of the settings, and was retried for ten minutes."""
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(SettingsError, match="is no http"):
        OpenAIClient()


def test_endpoints_take_turns_with_their_own_keys(monkeypatch):
    """Two servers are one endpoint of twice the size."""
    monkeypatch.setenv("KEY_A", "key-of-a-1234")
    monkeypatch.setenv("KEY_B", "key-of-b-1234")
    with (
        FaultServer(lambda _: "a", api_key="key-of-a-1234") as a,
        FaultServer(lambda _: "b", api_key="key-of-b-1234") as b,
    ):

        async def main():
            client = OpenAIClient([a.base_url, b.base_url], ["KEY_A", "KEY_B"])
            texts = [(await client.complete(ask())).text for _ in range(6)]
            await client.close()
            return texts

        assert asyncio.run(main()) == ["a", "b"] * 3
    with pytest.raises(SettingsError, match="3 keys for 2 endpoints"):
        OpenAIClient([a.base_url, b.base_url], ["A", "B", "C"])


def test_a_closed_client_can_be_used_again():
    """A notebook makes one client and two runs; each run closes it at its end, in an event loop of its own."""
    with FaultServer(lambda _: "Hello.") as server:
        client = OpenAIClient([server.base_url])

        async def main():
            answer = await client.complete(ask())
            await client.close()
            await client.close()
            return answer.text

        assert [asyncio.run(main()), asyncio.run(main())] == ["Hello."] * 2


# What the server cannot take ------------------------------------------------------------------------------------------


def refusing(*parameters):
    """A server that refuses parameters, the first one first."""

    def fault(body):
        return next((f"unsupported:{name}" for name in parameters if name in body), None)

    return FaultServer(lambda _: "Hello.", faults=fault)


def notices(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "selfinstruct"]


def test_a_refused_default_is_dropped_with_one_notice(caplog):
    """Many requests are under way when the first is refused: one lesson, one notice, one change of settings.json."""
    settled, saved = Settled(), []
    request = ask(temperature=0.7, top_p=0.5, optional=["temperature"])

    async def main(server):
        client = OpenAIClient([server.base_url], settled=settled, on_settled=lambda: saved.append(1))
        found = await asyncio.gather(*(client.complete(request) for _ in range(16)))
        await client.close()
        return found

    with refusing("temperature") as server, caplog.at_level(logging.WARNING, "selfinstruct"):
        found = asyncio.run(main(server))
    assert [one.text for one in found] == ["Hello."] * 16
    assert settled.dropped == {"m": ["temperature=0.7"]}
    assert len(saved) == 1
    (notice,) = notices(caplog)
    assert notice.startswith("m refuses temperature=0.7; the run goes on without (Unsupported parameter: 'temperature'")
    assert server.requests[-1] == {"model": "m", "messages": server.requests[0]["messages"], "top_p": 0.5}


def test_what_was_learned_is_not_asked_again():
    """A resumed run sends what the answers in its ledger were given to."""
    settled = Settled(dropped={"m": ["temperature=0.7"]}, renamed=["m"])
    with refusing("temperature", "max_tokens") as server:
        request = ask(temperature=0.7, max_tokens=10, optional=["temperature"])
        (found,) = exchange(server, request, settled=settled)
    assert found.text == "Hello."
    assert server.counts == {"ok": 1}


def test_parameters_are_refused_one_after_another():
    """Each refusal names one; all are learned within one request."""
    sampling = {"presence_penalty": 1.5, "top_p": 0.5, "stop": ["\n\n"], "max_tokens": 100}
    with refusing(*sampling) as server:
        (found,) = exchange(server, ask(**sampling, optional=sampling))
    assert found.text == "Hello."
    assert set(server.requests[-1]) == {"model", "messages", "max_completion_tokens"}
    assert server.requests[-1]["max_completion_tokens"] == 100 + REASONING_ROOM


def test_a_refused_parameter_that_the_user_set_is_an_error_that_names_the_option():
    """Dropping it silently would make another data set than the one that was asked for."""
    for stage, option in (
        ("instructions", "--top-p"),
        ("classify", "--classify-top-p"),
        ("instances", "--instance-top-p"),
    ):
        with refusing("top_p") as server:
            (found,) = exchange(server, ask(top_p=0.5, temperature=0.7, optional=["temperature"], stage=stage))
        assert isinstance(found, SettingsError)
        assert f"m at {server.base_url.split('/')[2]} refuses {option}: Unsupported parameter" in str(found)
        assert "Leave the option out" in str(found)


@pytest.mark.parametrize(
    ("name", "stage", "option"),
    [
        ("seed", "classify", "--sampling-seed"),
        ("reasoning_effort", "instructions", "--reasoning-effort"),
        ("reasoning_effort", "instances", "--reasoning-effort (or --instance-reasoning-effort)"),
        ("top_k", "classify", "top_k of --extra-body"),
    ],
)
def test_the_option_that_is_named_is_the_one_that_was_typed(name, stage, option):
    """--seed is another option, and --top-k is none."""
    with refusing(name) as server:
        (found,) = exchange(server, ask(stage=stage, **{name: 5}))
    assert f"refuses {option}: Unsupported parameter" in str(found)


def test_a_reasoning_model_gets_room_to_think():
    """The 64 tokens of a verdict were used up by thoughts; a limit that the user set is the user's."""
    with FaultServer(lambda _: "Yes.") as server:
        exchange(
            server,
            ask(max_tokens=64, reasoning_effort="low", optional=["max_tokens"]),
            ask(max_tokens=64, reasoning_effort="low"),
        )
    assert [body["max_tokens"] for body in server.requests] == [64 + REASONING_ROOM, 64]


def test_a_value_refused_in_one_stage_is_not_dropped_in_another():
    """vLLM takes no top_p of 0, the default of verdicts; the 0.5 of the instructions must not depend on the order."""

    def answer(body):
        if body.get("top_p") == 0.0:
            return 400, {"message": "top_p must be in (0, 1], got 0.0.", "type": "BadRequestError", "code": 400}
        return "Hello."

    with FaultServer(answer) as server:
        verdict = ask(top_p=0.0, optional=["top_p"], stage="classify")
        found = exchange(server, verdict, ask(top_p=0.5, optional=["top_p"]), ask(top_p=0.5))
    assert [one.text for one in found] == ["Hello."] * 3
    assert [body.get("top_p") for body in server.requests] == [0.0, None, 0.5, 0.5]


def test_max_tokens_becomes_max_completion_tokens():
    """A default gets room for hidden reasoning; a number that the user set is sent as it is."""
    with refusing("max_tokens") as server:
        exchange(server, ask(max_tokens=100, optional=["max_tokens"]), ask(max_tokens=100))
    sent = [body.get("max_completion_tokens") for body in server.requests]
    assert sent == [None, 100 + REASONING_ROOM, 100]


def test_max_completion_tokens_can_be_refused_as_well():
    """The second refusal of a default was taken for one of an option that nobody had given."""
    with refusing("max_tokens", "max_completion_tokens") as server:
        (found,) = exchange(server, ask(max_tokens=100, optional=["max_tokens"]))
    assert found.text == "Hello."
    assert set(server.requests[-1]) == {"model", "messages"}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": "Model m does not support parameter presencePenalty."}),
        (400, {"error": {"message": "Unknown name 'presence_penalty'. Known: temperature, top_p.", "param": None}}),
        (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "presence_penalty"], "msg": "Extra inputs"}]}),
        (400, {"error": {"message": "Sorry.", "param": "presence_penalty"}}),
    ],
)
def test_other_servers_refuse_parameters_in_other_words(status, body):
    """Camel case, a list of what is allowed, pydantic's list of errors, a bare `param`: only the refused one goes."""
    with FaultServer(lambda sent: (status, body) if "presence_penalty" in sent else "Hello.") as server:
        sampling = {"temperature": 0.7, "top_p": 0.5, "presence_penalty": 1.5}
        (found,) = exchange(server, ask(**sampling, optional=sampling))
    assert found.text == "Hello."
    assert {"temperature", "top_p"} <= set(server.requests[-1])


def test_a_server_that_refuses_on_and_on_is_left():
    """A server that calls every value invalid would be asked for ever."""
    with FaultServer(
        lambda _: "Hello.", faults=lambda body: f"unsupported:{max(body)}" if len(body) > 2 else "400"
    ) as server:
        (found,) = exchange(server, ask(zz=1, zy=2, optional=["zz", "zy"]))
    assert isinstance(found, EndpointFailed)
    assert len(server.requests) == 3


# Whole runs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def grow(tmp_path):
    """A small run against a server."""
    prompts = write_templates(tmp_path)

    def grow(server, name="run", **options):
        settings = {"num_tasks": 10, "model": "m", "give_up": 30.0, "prompts": prompts, "seeds": SEEDS, **options}
        return generate(tmp_path / name, base_url=server.base_url, progress=False, **settings)

    return grow


def test_faults_latency_and_concurrency_change_no_byte(tmp_path, grow):
    """The promise of the design: the same answers give the same files, whatever the server does in between."""
    found = {}
    for concurrency in (1, 8, 64):
        for faults in (0.0, 0.3):
            name, random = f"{concurrency}-{faults}", Random(concurrency)
            with FaultServer(
                teacher, faults=faults, retry_after="5ms", latency=lambda _, random=random: random.random() * 0.005
            ) as server:
                run = grow(server, name, concurrency=concurrency)
            assert run.stopped is None
            assert bool(sum(server.counts[kind] for kind in TRANSIENT)) == bool(faults)
            assert server.peak <= concurrency
            found[name] = [(tmp_path / name / file).read_bytes() for file in DERIVED]
    assert all(files == found["1-0.0"] for files in found.values())
    assert all(len(file.splitlines()) >= 3 for file in found["1-0.0"])


@pytest.mark.parametrize(
    ("options", "cause"),
    [({"api_key": "another key"}, "the key is refused"), ({"models": ["other"]}, "no model 'm'")],
)
def test_a_wrong_key_and_an_unknown_model_stop_a_run_at_once(tmp_path, grow, options, cause):
    """Nothing is retried or recorded, and the message speaks of no answers that are kept, for there are none."""
    with FaultServer(teacher, **options) as server:
        with pytest.raises(EndpointFailed, match=cause) as raised:
            grow(server, concurrency=4)
        assert len(server.requests) <= 4
    assert raised.value.exit_status == 4
    assert "are kept" not in str(raised.value)
    assert not RunDirectory(tmp_path / "run").has_answers, "tries that may have been billed stand there, no answer"


def test_a_used_up_quota_stops_a_run_that_goes_on_later(tmp_path, grow):
    """The answers before it are kept, none is recorded as failed, and the finished run is the uninterrupted one."""
    with FaultServer(teacher, faults=["ok"] * 9 + ["quota"]) as server:
        with pytest.raises(EndpointFailed, match="quota of the key is used up") as raised:
            grow(server, concurrency=1)
        assert re.search(r"\d+ answers are kept in .*; the same command goes on", str(raised.value))
        assert '"failed"' not in (tmp_path / "run" / "ledger.jsonl").read_text()
        grow(server, concurrency=1)
    with FaultServer(teacher) as server:
        grow(server, "straight", concurrency=1)
    for file in DERIVED:
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "straight" / file).read_bytes()


@pytest.mark.parametrize("poison", ["Continue from 9:", "Verdict?", "Inputs:"])
def test_a_poisoned_prompt_at_concurrency_1_is_recorded_and_the_run_ends(grow, poison):
    """One prompt that crashes the server is a row among the rejections, and a resume does not ask it again."""
    asked = []

    def fault(body):
        prompt = body["messages"][0]["content"]
        if not prompt.startswith(poison):
            return None
        asked.append(prompt)
        second = next((one for one in asked if one != asked[0]), None)
        return "503" if prompt == second else None

    with FaultServer(teacher, faults=fault, retry_after="5ms") as server:
        run = grow(server, concurrency=1)
        assert run.stopped is None
        assert len(run.tasks) == 10
        (row,) = [row for row in run.rejected if row.detail and "while other requests succeeded" in row.detail]
        assert "HTTP 503" in row.detail
        poisoned = max(asked, key=asked.count)
        tries = asked.count(poisoned)
        assert tries >= 12
        assert grow(server).tasks == run.tasks
        assert asked.count(poisoned) == tries


def test_a_resume_whose_first_new_prompt_is_refused_goes_on(grow):
    """The refusal was taken for a wrong setup at each resume, so the run could never be finished."""
    with FaultServer(teacher) as server:
        grow(server, num_tasks=2, concurrency=1)
    with FaultServer(teacher, faults=["400"]) as server:
        run = grow(server, num_tasks=10, concurrency=1)
    assert server.counts["400"] == 1
    assert (run.stopped, len(run.tasks)) == (None, 10)
    assert sum("HTTP 400" in (row.detail or "") for row in run.rejected) == 1


def test_an_endpoint_that_never_answers_is_given_up_and_nothing_is_recorded(tmp_path, grow, caplog):
    """Exit 4 after `give_up`, with one line of warning at the first failure."""
    with (
        FaultServer(teacher, faults=1.0, kinds=["500"]) as server,
        pytest.raises(EndpointFailed, match=r"no request succeeded for 0.3 s \(--give-up\); .*HTTP 500"),
    ):
        grow(server, give_up=0.3)
    assert not RunDirectory(tmp_path / "run").has_answers, "tries that may have been billed stand there, no answer"
    assert sum("retrying for up to 0.3 s" in notice for notice in notices(caplog)) == 1


def test_a_403_among_answers_is_no_wrong_key():
    """A firewall before the server dislikes one prompt: the run ended there, and so did every resume."""
    blocked = 403, {"error": {"message": "blocked"}}
    with FaultServer(lambda body: blocked if "DROP TABLE" in str(body) else "Hello.") as server:
        first, second = exchange(server, ask(), ask("DROP TABLE users"))
        (alone,) = exchange(server, ask("DROP TABLE users"))
    assert first.text == "Hello."
    assert type(second) is TransientFailure
    assert type(alone) is EndpointFailed


def test_a_run_finds_out_how_many_requests_a_server_stands(tmp_path):
    """It refuses all but six at once and says no more than that: nothing is lost, and few are refused."""
    prompts = write_templates(tmp_path)
    with FaultServer(teacher, latency=0.02, faults=lambda _: "429" if server._under_way > 6 else None) as server:
        run = generate(
            tmp_path / "run", base_url=server.base_url, model="m", num_tasks=30, seeds=SEEDS, prompts=prompts,
            concurrency=64, progress=False,
        )  # fmt: skip
    assert run.stopped is None
    assert run.spent.failed == 0
    assert server.counts["ok"] == run.spent.calls > 70
    assert 0 < server.counts["429"] < server.counts["ok"] / 2
    with FaultServer(teacher) as calm:
        generate(
            tmp_path / "calm", base_url=calm.base_url, model="m", num_tasks=30, seeds=SEEDS, prompts=prompts,
            progress=False,
        )  # fmt: skip
    for name in DERIVED:
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()


@pytest.mark.parametrize(("kind", "billed"), [("429", False), ("408", True), ("500", True), ("hang", True)])
def test_a_try_that_may_have_been_worked_on_may_be_billed(kind, billed):
    """A budget takes the worst for granted, but not of requests that were turned away."""
    found, _ = failing(kind, timeout=0.3)
    assert found.billed is billed
