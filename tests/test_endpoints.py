"""Several endpoints as one: shares, failing over, and who is asked next."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest

from selfinstruct import EndpointFailed, Message, Request, TransientFailure
from selfinstruct.llm.endpoints import LONGEST_REST, Endpoint, Endpoints
from selfinstruct.llm.limits import Slots, Stopped
from selfinstruct.llm.openai import OpenAIClient
from selfinstruct.llm.pace import Pace
from selfinstruct.llm.retry import Retrying
from selfinstruct.llm.wire import Reply
from selfinstruct.testing import FaultServer

GOOD = Reply(200, b"{}", {})


class Scripted:
    """A transport that takes some time and replies from a function."""

    def __init__(self, reply=lambda: GOOD, latency=0.0):
        self.reply, self.latency, self.posts = reply, latency, 0

    async def post(self, path, body):
        self.posts += 1
        await asyncio.sleep(self.latency)
        return self.reply()

    async def close(self):
        pass


def failing():
    raise TransientFailure("reset")


def endpoints(*transports, most=1000, **options):
    ends = [Endpoint(f"host{i}", one, Pace(most)) for i, one in enumerate(transports)]
    return Endpoints(ends, **options)


async def ask(group, times):
    """So many requests, one after the other; who answered."""
    names = []
    for _ in range(times):
        end, _ = await group.post("/x", {}, 0.0)
        group.answered(end, 0.0, {})
        names.append(end.host)
    return names


def test_equal_endpoints_take_turns():
    """A row of servers is one endpoint."""
    assert asyncio.run(ask(endpoints(Scripted(), Scripted(), Scripted()), 6)) == ["host0", "host1", "host2"] * 2


def test_a_slow_endpoint_gets_less():
    """The one with the smaller share of its limit in use is asked, so work goes where it gets done."""
    fast, slow = Scripted(latency=0.002), Scripted(latency=0.04)
    group = endpoints(fast, slow)

    async def main():
        await ask(group, 2)
        await asyncio.gather(*(ask(group, 20) for _ in range(16)))

    asyncio.run(main())
    assert fast.posts > 2 * slow.posts > 0


def test_an_endpoint_that_fails_rests_while_others_work():
    """Three failures in a row, then longer and longer rests, up to a minute."""
    now = 0.0
    bad, good = Scripted(failing), Scripted()
    group = endpoints(bad, good, clock=lambda: now)

    async def main():
        nonlocal now
        failures = 0
        for _ in range(400):
            now += 1.0
            try:
                await ask(group, 1)
            except TransientFailure:
                failures += 1
        return failures

    failures = asyncio.run(main())
    assert 3 + 6 <= failures <= 3 + 6 + 400 / LONGEST_REST + 2


def test_an_endpoint_that_fails_among_others_is_named_once(caplog):
    """A run with one of two servers gone finished without a word of it."""
    bad, good = Scripted(failing), Scripted()
    group = endpoints(bad, good)

    async def main():
        for _ in range(20):
            with contextlib.suppress(TransientFailure):
                await ask(group, 1)

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert [record.getMessage() for record in caplog.records] == [
        "host0 fails again and again; the other endpoints are asked meanwhile"
    ]


def test_one_endpoint_never_rests():
    """Its patience is kept by `Retrying`; a rest would only stand in the way."""
    bad = Scripted(failing)
    group = endpoints(bad)

    async def main():
        for _ in range(10):
            with pytest.raises(TransientFailure):
                await ask(group, 1)

    asyncio.run(main())
    assert bad.posts == 10


def test_room_is_one_until_somebody_answers_and_then_all_that_the_endpoints_stand():
    """The first request of a run goes alone; what comes of it is told to the slots."""
    rooms = []
    group = endpoints(Scripted(), Scripted(), most=10, on_room=rooms.append)
    asyncio.run(ask(group, 2))
    assert rooms == [1, 11, 20]


def test_nobody_is_lost_while_waiting_for_room():
    """Cancelled waiters pass their turn on."""
    group = endpoints(Scripted(latency=0.001), most=2)

    async def main():
        jobs = [asyncio.create_task(ask(group, 1)) for _ in range(40)]
        await asyncio.sleep(0.002)
        for job in jobs[1::3]:
            job.cancel()
        done = await asyncio.wait_for(asyncio.gather(*jobs, return_exceptions=True), 5)
        return sum(isinstance(one, list) for one in done)

    assert asyncio.run(main()) >= 26
    assert group.ends[0].pace.in_flight == 0


@pytest.mark.parametrize("kind", ["401", "404", "quota"])
def test_an_endpoint_that_cannot_be_used_is_left_and_the_run_goes_on(kind, monkeypatch, caplog):
    """One of two keys is used up; nothing is lost, and a line says which."""
    request = Request("m", (Message("user", "Say hello."),))
    with FaultServer(lambda _: "from good") as good, FaultServer(lambda _: "", faults=[kind] * 50) as bad:

        async def main():
            client = OpenAIClient([bad.base_url, good.base_url])
            patient = Retrying(client, Slots(1))
            try:
                return [(await patient.complete(request)).text for _ in range(4)]
            finally:
                await client.close()

        with caplog.at_level(logging.WARNING):
            assert asyncio.run(main()) == ["from good"] * 4
    assert len(bad.requests) == 1
    assert f"The run goes on with the other {good.base_url.split('/')[2]}." in caplog.text


def test_the_last_endpoint_that_fails_ends_the_run_with_its_reason():
    """Both keys are wrong: the message is the one that a single endpoint gives."""
    request = Request("m", (Message("user", "Say hello."),))
    with FaultServer(lambda _: "", faults=["401"] * 9) as one, FaultServer(lambda _: "", faults=["401"] * 9) as other:

        async def main():
            client = OpenAIClient([one.base_url, other.base_url])
            try:
                await Retrying(client, Slots(1)).complete(request)
            finally:
                await client.close()

        with pytest.raises(EndpointFailed, match="the key is refused"):
            asyncio.run(main())


def test_requests_under_way_at_an_endpoint_that_is_left_are_asked_elsewhere():
    """The second of two refusals of one key ended the run, though the other key was good."""
    group = endpoints(Scripted(), Scripted())
    left, _ = group.ends
    for _ in range(3):
        assert isinstance(group.leave(left, EndpointFailed("quota")), TransientFailure)
    assert [end.host for end in group.ends] == ["host1"]
    assert group.missed(left, 30.0) is None, "the other one need not wait for it"
    assert isinstance(group.leave(group.ends[0], EndpointFailed("quota")), EndpointFailed)


def test_a_burst_of_failures_is_one_rest_and_not_ten():
    """Thirty requests that were under way when a server hiccuped sent it to rest for a minute."""
    now = 0.0
    group = endpoints(Scripted(), Scripted(), clock=lambda: now)
    end = group.ends[0]
    for _ in range(30):
        group.missed(end)
    assert end.rests_until == 1.0
    now = 1.5
    for _ in range(30):
        group.missed(end)
    assert end.rests_until == 1.5 + 2.0


def test_whoever_waits_for_room_is_not_sent_once_the_run_is_stopping():
    """Ctrl-C ended the waits of `Slots`, and the queue behind the endpoint was sent all the same."""
    slots = Slots(8)
    server = Scripted(latency=0.01)
    group = endpoints(server, most=1, pause=slots.pause)

    async def main():
        jobs = [asyncio.create_task(ask(group, 1)) for _ in range(4)]
        await asyncio.sleep(0.001)
        slots.close()
        return await asyncio.wait_for(asyncio.gather(*jobs, return_exceptions=True), 5)

    found = asyncio.run(main())
    assert server.posts == 1
    assert [type(one) for one in found] == [list, Stopped, Stopped, Stopped]
    assert group.ends[0].pace.in_flight == 0


def test_a_pause_that_one_endpoint_asks_for_is_not_kept_by_the_others():
    """A request waited for the minute that one key was out of breath, while the other had nothing to do."""
    request = Request("m", (Message("user", "Say hello."),))
    with (
        FaultServer(lambda _: "from good") as good,
        FaultServer(lambda _: "", faults=["429"] * 50, retry_after=30) as bad,
    ):

        async def main():
            client = OpenAIClient([bad.base_url, good.base_url])
            patient = Retrying(client, Slots(1))
            try:
                return [(await patient.complete(request)).text for _ in range(8)]
            finally:
                await client.close()

        assert asyncio.run(asyncio.wait_for(main(), 10)) == ["from good"] * 8
    assert len(bad.requests) == 1


def test_a_pause_that_all_endpoints_ask_for_is_kept():
    """The last one awake has nobody to send a request to."""
    now = 0.0
    group = endpoints(Scripted(), Scripted(), clock=lambda: now)
    one, other = group.ends
    assert group.missed(one, 20.0) is None
    assert group.missed(other, 30.0) == 30.0
    assert (one.rests_until, other.rests_until) == (20.0, 30.0)
    assert group.missed(one, 7200.0) == 7200.0
    assert one.rests_until == LONGEST_REST
