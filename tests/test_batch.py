"""Batch jobs: nothing is paid for twice, whatever the server does and whenever the process dies."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import teacher
from batch_server import BatchServer, Plan, answer_row, error_row, unreached_row

from selfinstruct.errors import EndpointFailed, RequestRefused, RunError, SettingsError
from selfinstruct.ledger import Ledger, Recorded
from selfinstruct.llm import Message, Request, Usage
from selfinstruct.llm.batch import BatchClient
from selfinstruct.llm.jobs import Journal, custom_id
from selfinstruct.testing import FakeLLM

DERIVED = ("tasks.jsonl", "rejected.jsonl", "dataset.jsonl")
FAST = {"quiet": 0.05, "poll": (0.01, 0.05), "settling": 0.0, "give_up": 5.0}


def shout(body):
    return (body["messages"][0]["content"] if "messages" in body else body["prompt"]).upper()


def ask(*texts, model="m", **more):
    return [Request(model, (Message("user", text),), **more) for text in texts]


def collect(server, folder, requests, *, known=True, **options):
    """What each request comes to, an answer or an error; `known` requests need no live one of their kind."""

    async def main():
        client = BatchClient([server.base_url], journal=Path(folder) / "batches.jsonl", **{**FAST, **options})
        if known:
            for request in requests:
                client.answered(request)
        try:
            return await asyncio.gather(*map(client.complete, requests), return_exceptions=True)
        finally:
            await client.close()

    return asyncio.run(main())


def texts(found):
    return [one.text for one in found]


def sizes(server):
    return [len(job) for job in server.jobs]


WORDS = [f"word {number}" for number in range(8)]
SHOUTED = [word.upper() for word in WORDS]


# 1) The plain case ---------------------------------------------------------------------------------------------------


def test_requests_become_one_job_and_get_their_answers(tmp_path):
    """Text, finish reason, usage and model arrive as from a live request."""
    with BatchServer(shout) as server:
        found = collect(server, tmp_path, ask(*WORDS, sampling={"temperature": 0.5}))
    assert texts(found) == SHOUTED
    assert (found[0].finish_reason, found[0].usage, found[0].model) == ("stop", Usage(39, 6, batched=1), "m")
    assert sizes(server) == [8]
    assert server.live == []
    assert server.jobs[0][0]["body"] == {
        "model": "m",
        "messages": [{"role": "user", "content": "word 0"}],
        "temperature": 0.5,
    }


def test_the_first_request_of_each_kind_is_asked_live(tmp_path):
    """A wrong key or a refused parameter shows at once, and not after a day; its answer counts."""
    requests = ask("a", "b", "c") + ask("d", "e", stage="classify")
    with BatchServer(shout) as server:
        assert texts(collect(server, tmp_path, requests, known=False)) == list("ABCDE")
    assert [body["messages"][0]["content"] for body in server.live] == ["a", "d"]
    assert sizes(server) == [3]
    assert set(server.paid.values()) == {1}


def test_models_and_apis_get_jobs_of_their_own(tmp_path):
    """A job has one model and one API; the server asserts it."""
    requests = ask("a", "b") + ask("c", model="other") + [Request("m", prompt="d")]
    with BatchServer(shout) as server:
        assert texts(collect(server, tmp_path, requests)) == list("ABCD")
    assert sorted((job[0]["body"]["model"], job[0]["url"], len(job)) for job in server.jobs) == [
        ("m", "/v1/chat/completions", 2),
        ("m", "/v1/completions", 1),
        ("other", "/v1/chat/completions", 1),
    ]


def test_a_job_holds_no_more_than_the_server_takes(tmp_path):
    """Both limits, in requests and in bytes of the file."""
    with BatchServer(shout) as server:
        assert texts(collect(server, tmp_path / "..", ask(*WORDS), most_requests=3)) == SHOUTED
        assert sizes(server) == [3, 3, 2]
    line = len(json.dumps(server.jobs[0][0], separators=(",", ":"))) + 1
    with BatchServer(shout) as server:
        assert texts(collect(server, tmp_path, ask(*WORDS), most_bytes=5 * line)) == SHOUTED
        assert sizes(server) == [5, 3]


def test_a_handful_is_asked_live_where_that_is_wished(tmp_path):
    """The last requests of a run would take a day for each step; and a failure is the live one's, to be tried again."""
    with BatchServer(shout, trouble=lambda call, number: 503 if (call, number) == ("live", 1) else None) as server:
        found = collect(server, tmp_path, ask("a", "b", "c"), live_below=4)
        assert sorted(type(one).__name__ for one in found) == ["Completion", "Completion", "TransientFailure"]
        assert texts(collect(server, tmp_path, ask("d", "e", "f", "g"), live_below=4)) == list("DEFG")
    assert sizes(server) == [4]
    assert len(server.live) == 3


def test_names_are_short_plain_and_unlike_for_unlike_requests():
    """Servers take letters, digits, - and _, at most 64 of them; an index alone would mix up changed requests."""
    one, changed = ask("a", "b", index=7)
    by_content = ask("a", stage="instances")[0]
    names = [custom_id(request) for request in (one, changed, by_content)]
    assert names == [
        f"instructions-7-{one.digest}",
        f"instructions-7-{changed.digest}",
        f"instances-{by_content.digest}",
    ]
    assert all(len(name) <= 64 for name in names)


# 2) What comes back --------------------------------------------------------------------------------------------------


def test_results_in_another_order_doubled_or_unknown(tmp_path):
    """Rows are matched by their id, the first of two counts, and rows that nobody asked for are passed over."""

    def rows(asked, answered):
        found = [answered(one) for one in reversed(asked)]
        late = answer_row(asked[0], {"choices": [{"message": {"content": "late"}}]})
        return [answer_row({"custom_id": "stranger"}, {}), *found, late], []

    with BatchServer(shout, [Plan(rows=rows)]) as server:
        assert texts(collect(server, tmp_path, ask(*WORDS))) == SHOUTED
    assert sizes(server) == [8]


@pytest.mark.parametrize("mark", ["\u2028", "\x85", "\x1c", "\r", "\n", "\U0001f600"])
def test_marks_that_line_readers_split_at_stay_in_a_text(tmp_path, mark):
    """JSON may hold U+2028 and its like as they are; httpx's iter_lines would tear such a row in two."""
    with BatchServer(lambda _: f"one{mark}two") as server:
        assert texts(collect(server, tmp_path, ask("a", "b"))) == [f"one{mark}two"] * 2
    assert sizes(server) == [2]


def test_output_and_error_file_of_one_job(tmp_path):
    """Refusals become errors of the seam, what may pass is asked again, and an answer counts more than an error."""

    def rows(asked, answered):
        errors = [
            error_row(asked[1], 400, "Rejected by our safety system", "content_policy_violation"),
            error_row(asked[2], 429, "Rate limit reached"),
            error_row(asked[3], 500, "The server had an error"),
            error_row(asked[4], 400, "maximum context length is 4096 tokens", "context_length_exceeded"),
            error_row(asked[5], 500, "but it has an answer, too"),
            answer_row(asked[6], {}, status=0),
            answer_row(asked[7], {"choices": []}),
        ]
        return [answered(asked[0]), answered(asked[5])], errors

    with BatchServer(shout, [Plan(rows=rows)]) as server:
        found = collect(server, tmp_path, ask(*WORDS))
    assert isinstance(found[1], RequestRefused)
    assert "safety system" in str(found[1])
    assert isinstance(found[4], RequestRefused)
    assert "too long" in str(found[4])
    answered = [number for number in range(8) if number not in (1, 4)]
    assert [found[number].text for number in answered] == [SHOUTED[number] for number in answered]
    assert [[row["body"]["messages"][0]["content"] for row in job] for job in server.jobs[1:]] == [
        ["word 2", "word 3", "word 6", "word 7"]
    ]


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_only_the_rest_of_an_expired_job_is_submitted_again(tmp_path, status):
    """Curator once asked all of it again; what an expired job did answer is paid for."""

    def rows(asked, answered):
        return [answered(one) for one in asked[:5]], [unreached_row(one, f"batch_{status}") for one in asked[5:]]

    with BatchServer(shout, [Plan(status=status, rows=rows)]) as server:
        assert texts(collect(server, tmp_path, ask(*WORDS))) == SHOUTED
    assert sizes(server) == [8, 3]
    assert set(server.paid.values()) == {1}


def test_an_expired_job_without_any_file(tmp_path):
    """No answer at all, and no file that says so."""
    with BatchServer(shout, [Plan(status="expired", rows=lambda *_: ([], []))]) as server:
        assert texts(collect(server, tmp_path, ask("a", "b"))) == ["A", "B"]
    assert sizes(server) == [2, 2]


def test_rows_that_are_missing_are_asked_again(tmp_path, caplog):
    """A completed job with fewer rows than requests; its own count says so, too."""

    def rows(asked, answered):
        return [answered(one) for one in asked[::2]], []

    with BatchServer(shout, [Plan(rows=rows)]) as server:
        assert texts(collect(server, tmp_path, ask(*WORDS))) == SHOUTED
    assert sizes(server) == [8, 4]
    assert "without an answer: 4 of 8 requests" in caplog.text


def test_a_file_that_breaks_off_is_read_again(tmp_path):
    """A connection that ends within the file costs no request; the rows before the break were given out."""
    with BatchServer(shout, trouble=lambda call, number: "drop" if call == "half" and number < 2 else None) as server:
        assert texts(collect(server, tmp_path, ask(*WORDS))) == SHOUTED
    assert server.calls["content"] == 3
    assert sizes(server) == [8]


def test_a_file_that_stays_damaged_loses_only_the_torn_row(tmp_path, caplog):
    """Read three times, and then taken as it is."""

    def rows(asked, answered):
        whole = [answered(one) for one in asked]
        return [*whole[:-1], json.dumps(whole[-1]).encode()[:40]], []

    with BatchServer(shout, [Plan(rows=rows)]) as server:
        assert texts(collect(server, tmp_path, ask(*WORDS))) == SHOUTED
    assert sizes(server) == [8, 1]
    assert "damaged or short: 7 lines of 8" in caplog.text


def test_a_request_that_fails_alone_in_job_after_job_stops_the_run(tmp_path):
    """It must not go round for ever; alone in the later jobs, nothing tells a poison prompt from a broken server."""

    def rows(asked, answered):
        good = [one for one in asked if "poison" not in str(one)]
        return [answered(one) for one in good], [error_row(one, 500, "broken") for one in asked if one not in good]

    with BatchServer(shout, [Plan(rows=rows) for _ in range(9)]) as server:
        found = collect(server, tmp_path, ask("a", "poison"))
    assert found[0].text == "A"
    assert isinstance(found[1], EndpointFailed)
    assert "no answer in 4 batch jobs: " in str(found[1])
    assert sizes(server) == [2, 1, 1, 1]


def test_a_request_that_fails_in_job_after_job_while_others_are_answered_is_refused(tmp_path):
    """Where the last job answers others, the request is at fault and recorded as such."""

    def rows(asked, answered):
        errors = [error_row(one, 500, "broken") for one in asked if "poison" in str(one) or len(server.jobs) < 4]
        failed = [row["custom_id"] for row in errors]
        return [answered(one) for one in asked if one["custom_id"] not in failed], errors

    with BatchServer(shout, [Plan(rows=rows) for _ in range(9)]) as server:
        found = collect(server, tmp_path, ask("a", "poison"))
    assert found[0].text == "A"
    assert isinstance(found[1], RequestRefused)
    assert "failed in 4 batch jobs that answered other requests: " in str(found[1])


def test_a_used_up_quota_in_a_row_stops_the_run(tmp_path):
    """As for a live request: nothing is recorded as failed, and the rest is not asked again."""

    def rows(asked, answered):
        return [], [error_row(one, 429, "You exceeded your current quota", "insufficient_quota") for one in asked]

    with BatchServer(shout, [Plan(rows=rows)]) as server:
        found = collect(server, tmp_path, ask("a", "b"))
    assert all(isinstance(one, EndpointFailed) for one in found)
    assert "quota of the key is used up" in str(found[0])
    assert sizes(server) == [2]


# 3) What the server refuses ------------------------------------------------------------------------------------------


def test_a_refused_default_parameter_is_left_out(tmp_path):
    """Learned from the live request; and from a row, where an earlier sitting proved the kind with another server."""
    request = {"sampling": {"top_p": 0.0}, "optional": frozenset({"top_p"})}
    with BatchServer(shout, refuses="top_p") as server:
        assert texts(collect(server, tmp_path, ask("a", "b", "c", **request), known=False)) == list("ABC")
        assert len(server.live) == 2  # with and without
        assert sizes(server) == [2]
        assert texts(collect(server, tmp_path, ask("d", "e", **request))) == list("DE")
        assert sizes(server) == [2, 2, 2]
    assert "top_p" in server.jobs[1][0]["body"]
    assert "top_p" not in server.jobs[2][0]["body"]


def test_a_refused_parameter_of_the_user_is_an_error(tmp_path):
    """Nobody's choice is dropped in silence."""
    with BatchServer(shout, refuses="top_p") as server:
        found = collect(server, tmp_path, ask("a", "b", sampling={"top_p": 0.5}))
    assert all(isinstance(one, SettingsError) for one in found)
    assert "--top-p" in str(found[0])
    assert sizes(server) == [2]


REASONS = [{"code": "model_not_found", "line": 1, "message": "There is no model m.", "param": "body.model"}]


def test_a_job_that_fails_validation_stops_the_run_with_the_reasons(tmp_path):
    """And the next sitting submits it again: nothing of it was paid for, and a look at it would only fail again."""
    with BatchServer(shout, [Plan(status="failed", errors=REASONS)]) as server:
        found = collect(server, tmp_path, ask("a", "b"))
        assert all(isinstance(one, EndpointFailed) for one in found)
        assert "refused the batch job batch_0 (2 requests): line 1: There is no model m." in str(found[0])
        assert texts(collect(server, tmp_path, ask("a", "b"))) == ["A", "B"]
    assert sizes(server) == [2, 2]


def test_a_full_queue_means_smaller_jobs_later(tmp_path):
    """OpenAI limits the tokens that wait; such a job fails validation, costs nothing, and passes in parts."""
    full = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached", "line": None, "param": None}]
    plans = [Plan(status="failed", errors=full), Plan(status="failed", errors=full)]
    with BatchServer(shout, plans) as server:
        assert texts(collect(server, tmp_path, ask(*WORDS))) == SHOUTED
    assert sizes(server)[:3] == [8, 4, 4]
    assert set(server.paid.values()) == {1}


def test_a_request_too_large_for_the_queue_stops_the_run(tmp_path):
    """A job of one request that the queue never has room for."""
    full = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached", "line": None, "param": None}]
    with BatchServer(shout, [Plan(status="failed", errors=full) for _ in range(9)]) as server:
        found = collect(server, tmp_path, ask("a"))
    assert isinstance(found[0], EndpointFailed)
    assert sizes(server) == [1, 1, 1, 1]


def test_a_server_without_batches(tmp_path):
    """The message says how to go on."""
    with BatchServer(shout, trouble=lambda call, _: 404 if call == "upload" else None) as server:
        found = collect(server, tmp_path, ask("a"))
    assert isinstance(found[0], EndpointFailed)
    assert "--no-batch goes on live" in str(found[0])


def test_one_endpoint_and_one_key(tmp_path, monkeypatch):
    """A job belongs to one key; a missing key is the error that it is for live requests."""
    with pytest.raises(SettingsError, match="one --base-url"):
        BatchClient(["http://a:1/v1", "http://b:1/v1"], journal=tmp_path / "j")
    with pytest.raises(SettingsError, match="OPENAI_API_KEY is not set"):
        BatchClient(journal=tmp_path / "j")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-12345678")
    BatchClient(journal=tmp_path / "j")
    assert not (tmp_path / "j").exists()


# 4) Outages and deaths -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["upload", "create", "created", "retrieve", "content"])
@pytest.mark.parametrize("trouble", ["drop", 503, 429])
def test_trouble_at_a_call_costs_nothing(tmp_path, call, trouble):
    """ "created" is the treacherous one: the job is there, the reply is not, and a second try would pay twice."""
    with BatchServer(shout, trouble=lambda name, number: trouble if name == call and number < 2 else None) as server:
        assert texts(collect(server, tmp_path, ask(*WORDS))) == SHOUTED
    assert sizes(server) == [8]
    assert set(server.paid.values()) == {1}


def test_a_job_is_found_on_a_later_page_of_the_list(tmp_path):
    """The list comes newest first and in pages, two jobs each here; younger jobs of others stand before ours."""
    with BatchServer(
        shout, trouble=lambda name, number: "drop" if (name, number) == ("created", 0) else None
    ) as server:
        retried = server._troubled

        async def others_first(request, call):
            if call == "list" and not server.calls["list"]:
                for number in range(5):
                    server._batches[f"other_{number}"] = {
                        "row": {**server._batches["batch_0"]["row"], **OTHERS, "id": f"other_{number}"}
                    }
            return await retried(request, call)

        server._troubled = others_first
        assert texts(collect(server, tmp_path, ask(*WORDS))) == SHOUTED
        assert server.calls["list"] == 3
    assert sizes(server) == [8]


OTHERS = {"input_file_id": "file-of-others", "metadata": None}


def test_a_server_that_lists_no_jobs(tmp_path):
    """Not every gateway does; a lost reply then costs the job twice, and no more than that."""

    def trouble(call, number):
        return 404 if call == "list" else "drop" if (call, number) == ("created", 0) else None

    with BatchServer(shout, trouble=trouble) as server:
        assert texts(collect(server, tmp_path, ask("a", "b"))) == ["A", "B"]
    assert sizes(server) == [2, 2]


def test_an_outage_that_lasts_ends_the_run_and_the_job_goes_on(tmp_path):
    """The error is of the endpoint, so that the run can be resumed; the job is collected then."""
    with BatchServer(
        shout, trouble=lambda name, number: 503 if name == "retrieve" and number < 1000 else None
    ) as server:
        found = collect(server, tmp_path, ask(*WORDS), give_up=0.2)
        assert all(isinstance(one, EndpointFailed) for one in found)
        assert "no contact for 0.2 s; the last failure: " in str(found[0])
        server._trouble = lambda *_: None
        assert texts(collect(server, tmp_path, ask(*WORDS))) == SHOUTED
    assert sizes(server) == [8]
    assert set(server.paid.values()) == {1}


MOMENTS = ["upload", "create", "created", "retrieve", "content", "half"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_that_dies_at_any_call_pays_nothing_twice(tmp_path, moment):
    """What is on disk at the moment of each call is all that the next process has; it finds or makes the one job."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()

    def die(name, _):
        if name == moment and not after.exists():
            shutil.copytree(before, after)
            raise asyncio.CancelledError  # this call is never answered

    with BatchServer(shout, trouble=die) as server:
        requests = ask(*WORDS)

        async def first():
            client = BatchClient([server.base_url], journal=before / "batches.jsonl", **FAST)
            for request in requests:
                client.answered(request)
            tasks = [asyncio.ensure_future(client.complete(request)) for request in requests]
            while not after.exists():  # noqa: ASYNC110 - it happens in another thread
                await asyncio.sleep(0.005)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.close()

        asyncio.run(first())
        assert texts(collect(server, after, requests)) == SHOUTED
    assert sizes(server) == [8]
    assert set(server.paid.values()) == {1}


def test_the_journal_can_be_cut_at_any_byte(tmp_path):
    """Each cut is a moment in which the process may have died: the next one collects, and no answer is paid twice."""
    with BatchServer(shout) as server:
        collect(server, tmp_path, ask("a", "b"))
        journal = (tmp_path / "batches.jsonl").read_bytes()
        first = journal.index(b"\n") + 1
        for cut in range(len(journal)):
            (tmp_path / "cut.jsonl").write_bytes(journal[:cut])
            job = Journal(tmp_path / "cut.jsonl").of(custom_id(ask("a")[0]))
            assert (job is not None) == (cut >= first)
            assert (tmp_path / "cut.jsonl").read_bytes() == journal[: journal.rfind(b"\n", 0, cut) + 1]
        for cut in (first, journal.index(b"\n", first) + 1, len(journal)):
            (tmp_path / "batches.jsonl").write_bytes(journal[:cut])
            assert texts(collect(server, tmp_path, ask("a", "b"))) == ["A", "B"]
    assert sizes(server) == [2]


@pytest.mark.parametrize("line", [b"{}", b"no JSON", b'{"v":1,"token":"unknown","batch":"b"}', b'{"v":2}', b"[]"])
def test_a_damaged_journal_is_an_error_with_its_line(tmp_path, line):
    """To go on as if nothing were under way would pay for it again."""
    (tmp_path / "j").write_bytes(line + b"\n")
    with pytest.raises(RunError, match=r"j, line 1: not what was written there"):
        Journal(tmp_path / "j")


def test_a_job_at_another_host_is_asked_again_and_said(tmp_path, caplog):
    """The endpoint of a run may change; the new one knows nothing of the old one's jobs."""
    with BatchServer(shout, [Plan(looks=10**6)]) as one, BatchServer(shout) as other:

        async def leave():
            client = BatchClient([one.base_url], journal=tmp_path / "batches.jsonl", **FAST)
            client.answered(ask("a")[0])
            task = asyncio.ensure_future(client.complete(ask("a")[0]))
            while not one.calls["retrieve"]:  # noqa: ASYNC110 - it happens in another thread
                await asyncio.sleep(0.01)
            task.cancel()
            await client.close()

        asyncio.run(leave())
        assert "1 requests are under way at 127.0.0.1" in caplog.text
        assert "in batch_0: they go on there, and the same command collects them" in caplog.text
        assert texts(collect(other, tmp_path, ask("a"))) == ["A"]
    assert "they are asked and paid for again" in caplog.text


def test_a_job_that_the_server_has_forgotten_is_asked_again(tmp_path, caplog):
    """Results are kept for a month."""
    journal = Journal(tmp_path / "batches.jsonl")
    with BatchServer(shout) as server:
        job = journal.plan(
            server.base_url[7:-3], "/v1/chat/completions", "m", [custom_id(one) for one in ask("a", "b")]
        )
        journal.uploaded(job, "file-of-old")
        journal.created(job, "batch_of_old")
        assert texts(collect(server, tmp_path, ask("a", "b"))) == ["A", "B"]
    assert "batch job batch_of_old is gone, its requests are asked again" in caplog.text


def test_results_that_the_server_has_thrown_away_are_asked_again(tmp_path, caplog):
    """The job is known for longer than its files are kept."""
    with BatchServer(shout, trouble=lambda call, number: 404 if (call, number) == ("content", 0) else None) as server:
        assert texts(collect(server, tmp_path, ask("a", "b"))) == ["A", "B"]
    assert sizes(server) == [2, 2]
    assert "the results are gone" in caplog.text


def test_the_same_request_twice_is_asked_once(tmp_path):
    """In the queue, under way, and after its answer has come."""
    with BatchServer(shout, [Plan(looks=3)]) as server:

        async def main():
            client = BatchClient([server.base_url], journal=tmp_path / "batches.jsonl", **FAST)
            (request,) = ask("a")
            client.answered(request)
            queued = [asyncio.ensure_future(client.complete(request)) for _ in range(2)]
            while not server.calls["retrieve"]:  # noqa: ASYNC110 - it happens in another thread
                await asyncio.sleep(0.01)
            found = await asyncio.gather(*queued, client.complete(request))
            found.append(await client.complete(request))
            await client.close()
            return found

        assert texts(asyncio.run(main())) == ["A"] * 4
    assert sizes(server) == [1]
    assert set(server.paid.values()) == {1}


def test_what_is_cancelled_before_it_is_submitted_costs_nothing(tmp_path):
    """Ctrl-C within the quiet period."""

    async def main():
        client = BatchClient([server.base_url], journal=tmp_path / "batches.jsonl", **FAST)
        for request in ask("a", "b"):
            client.answered(request)
        tasks = [asyncio.ensure_future(client.complete(request)) for request in ask("a", "b")]
        await asyncio.sleep(0.01)
        tasks[0].cancel()
        assert (await tasks[1]).text == "B"
        await client.close()

    with BatchServer(shout) as server:
        asyncio.run(main())
    assert sizes(server) == [1]


def test_the_journal_says_what_the_ledger_does_not_have_yet(tmp_path):
    """So that a live sitting can warn that these requests are paid for at the server already."""
    requests = [*ask("a", "b"), *ask("c", index=3)]
    with BatchServer(shout) as server:
        collect(server, tmp_path, requests)
    journal = Journal(tmp_path / "batches.jsonl")
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        assert journal.unanswered(ledger) == 3
        recorded = Recorded(FakeLLM(lambda _: "x"), ledger)
        asyncio.run(recorded.complete(requests[0]))
        asyncio.run(recorded.complete(requests[2]))
        asyncio.run(recorded.complete(replace(requests[0], model="live only")))
        assert journal.unanswered(ledger) == 1


# 5) A whole run ------------------------------------------------------------------------------------------------------


def teach(body):
    """The scripted teacher behind an endpoint: stage and numbers are what the prompt says."""
    text = body["messages"][0]["content"]
    first = re.search(r"Number them (\d+) to", text)
    stage = "instructions" if first else "classify" if text.endswith("Classification:") else "instances"
    sampling = {name: value for name, value in body.items() if name not in ("model", "messages")}
    about = {"first": int(first[1])} if first else {}
    return teacher.answer(Request(body["model"], (Message("user", text),), sampling=sampling, stage=stage, about=about))


PROGRAM = """
import asyncio, sys
from pathlib import Path
import selfinstruct as si
from selfinstruct.llm.batch import BatchClient
from selfinstruct.llm.openai import OpenAIClient

path, url, tasks, way = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]

async def main():
    if way == "batch":
        client = BatchClient([url], journal=path / "batches.jsonl", quiet=0.05, poll=(0.01, 0.05), settling=0.0)
    else:
        client = OpenAIClient([url])
    try:
        options = {"num_tasks": tasks, "concurrency": 50_000 if way == "batch" else 8, "progress": False}
        return await si.agenerate(path, llm=client, model="m", **options)
    finally:
        await client.close()

if __name__ == "__main__":
    print(asyncio.run(main()).stopped)
"""


@pytest.fixture
def program(tmp_path):
    """Runs a sitting in a process of its own, and gives its process."""
    script = tmp_path / "sitting.py"
    script.write_text(PROGRAM)
    started = []

    def start(path, server, way, tasks=60):
        command = [sys.executable, str(script), str(path), server.base_url, str(tasks), way]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def finished(process):
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "None\n"), err


def kill_when(process, condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.communicate()


def derived(path):
    return [(path / name).read_bytes() for name in DERIVED]


def test_a_run_in_jobs_killed_and_gone_on_with_is_the_live_run(tmp_path, program):
    """The promise of the design, with jobs: kill -9 anywhere, go on, byte for byte the same, and nothing paid twice."""
    with BatchServer(teach) as server:
        finished(program(tmp_path / "live", server, "live"))
    with BatchServer(teach, [Plan(looks=3) for _ in range(100)]) as server:
        for jobs in (1, 3, 6):
            process = program(tmp_path / "jobs", server, "batch")
            kill_when(process, lambda jobs=jobs: len(server.jobs) >= jobs and server.calls["retrieve"] % 3 == 1)
        finished(program(tmp_path / "jobs", server, "batch"))
    assert derived(tmp_path / "jobs") == derived(tmp_path / "live")
    assert len(server.live) < 15, "the first of each kind, in each sitting that has no answer of it yet"
    in_jobs = [row["custom_id"] for job in server.jobs for row in job]
    assert len(in_jobs) == len(set(in_jobs)) > 100


def test_live_and_jobs_follow_one_another_in_a_run(tmp_path, program):
    """The keys in the ledger are the same: a batch sitting, killed, then a live one, then a batch one to a larger N."""
    with BatchServer(teach) as server:
        finished(program(tmp_path / "live", server, "live", 80))
        process = program(tmp_path / "mixed", server, "batch", 80)
        kill_when(process, lambda: len(server.jobs) >= 4)
        finished(program(tmp_path / "mixed", server, "live", 50))
        finished(program(tmp_path / "mixed", server, "batch", 80))
    assert derived(tmp_path / "mixed") == derived(tmp_path / "live")
    assert len(server.jobs) >= 5
