"""Many requests asked at once outside of a run: nothing paid for is lost, and nothing is asked twice."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from selfinstruct.asking import ask_all, endpoint
from selfinstruct.errors import EndpointFailed, RequestRefused
from selfinstruct.ledger import Ledger
from selfinstruct.llm import Completion, Message, Request
from selfinstruct.llm.limits import Slots
from selfinstruct.testing import FakeLLM, FaultServer


def requests(number):
    return [Request("any", (Message("user", f"number {n}"),), stage="answer") for n in range(number)]


def ask(path, llm, number, concurrency=4, **options):
    with Ledger(path) as ledger:
        return ask_all(llm, requests(number), ledger, Slots(concurrency), **{"give_up": 1.0, "close": True, **options})


def test_answers_come_in_the_order_of_the_requests(tmp_path):
    """Whatever order they arrive in; a refusal for good stands in its place, also when it is read again."""

    def answer(request):
        if "3" in request.text:
            raise RequestRefused("content policy")
        return request.text.upper()

    latency = {0: 0.02, 1: 0.0}
    llm = FakeLLM(answer, latency=lambda request: latency[int(request.text[-1]) % 2])
    for model in (llm, FakeLLM([])):
        told = []
        found = ask(tmp_path / "answers.jsonl", model, 6, tell=lambda told=told: told.append(1))
        assert [getattr(one, "text", "refused") for one in found] == [
            *("NUMBER 0", "NUMBER 1", "NUMBER 2", "refused", "NUMBER 4", "NUMBER 5")
        ]
        assert len(told) == 6


def test_no_request_is_nothing_to_ask(tmp_path):
    """An empty set is no error."""
    assert ask(tmp_path / "answers.jsonl", FakeLLM([]), 0) == []


def test_an_answer_in_flight_is_kept_when_the_endpoint_fails(tmp_path):
    """It is paid for: the failure of one request does not throw away what the others are about to get."""

    def answer(request):
        if "0" in request.text:
            raise EndpointFailed("gone")
        return "late"

    llm = FakeLLM(answer, latency=lambda request: 0.0 if "0" in request.text else 0.1)
    with pytest.raises(EndpointFailed, match="gone"):
        ask(tmp_path / "answers.jsonl", llm, 2, concurrency=2)
    with Ledger(tmp_path / "answers.jsonl", writable=False) as ledger:
        assert len(ledger) == 1


def test_what_never_answers_is_not_waited_for_without_end(tmp_path):
    """A model says how long a stop waits for it; then the connection is given up, and closed."""

    class Hanging(FakeLLM):
        patience = 0.05
        closed = False

        async def close(self):
            self.closed = True

    def answer(_):
        raise EndpointFailed("gone")

    llm = Hanging(answer, latency=lambda request: 0.0 if "0" in request.text else 60.0)
    with pytest.raises(EndpointFailed, match="gone"):
        ask(tmp_path / "answers.jsonl", llm, 2, concurrency=2)
    assert llm.closed


def test_a_signal_lets_nothing_new_start_and_keeps_what_was_under_way(tmp_path):
    """Ctrl-C once: the answers in flight are in the ledger, and the next call goes on behind them."""

    class Signalling:
        async def complete(self, request):
            if "1" in request.text:
                signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(0.5)
            return Completion("answer")

    with pytest.raises(KeyboardInterrupt):
        ask(tmp_path / "answers.jsonl", Signalling(), 6, concurrency=2)
    with Ledger(tmp_path / "answers.jsonl", writable=False) as ledger:
        assert len(ledger) == 2
    rest = FakeLLM(lambda _: "answer")
    assert len(ask(tmp_path / "answers.jsonl", rest, 6)) == 6
    assert len(rest.requests) == 4


def test_requests_in_flight_follow_what_the_endpoint_stands(tmp_path):
    """The client finds out how many it takes, as in a run; before, all were sent at once, whatever it said."""
    busy, most = [0], [0]
    lock = threading.Lock()

    def answer(_):
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        threading.Event().wait(0.02)
        with lock:
            busy[0] -= 1
        return "yes"

    with FaultServer(answer) as server, Ledger(tmp_path / "answers.jsonl") as ledger:
        slots = Slots(64)
        llm = endpoint([server.base_url], [], slots, timeout=5)
        assert slots.permits < 64, "it begins with few"
        assert len(ask_all(llm, requests(8), ledger, slots, give_up=5, close=True)) == 8
    assert most[0] < 8
