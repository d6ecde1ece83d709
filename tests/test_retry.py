"""Patience: what is tried again, for how long, and what is given up. The clock and the waits are fakes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from itertools import pairwise

import pytest

from selfinstruct import EndpointFailed, Message, Request, RequestRefused, SettingsError, TransientFailure
from selfinstruct.llm.awake import AwakeClock
from selfinstruct.llm.limits import Slots, Stopped
from selfinstruct.llm.retry import BREAKER_REFUSALS, DISPROOFS, LENT_AFTER, POISONED_AFTER, PROOFS, Retrying, _Trouble
from selfinstruct.testing import FakeLLM, in_order


class QuickSlots(Slots):
    """Slots whose pauses only move a clock."""

    def __init__(self, permits=1):
        super().__init__(permits)
        self.now, self.waits = 0.0, []

    async def pause(self, seconds):
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)
        if self.closed.is_set():
            raise Stopped


def ask(text, stage="instructions"):
    return Request("m", (Message("user", text),), stage=stage)


def fails(*texts, failure=None):
    """A model that answers all but the requests with these texts."""

    def answer(request):
        if request.text in texts:
            raise failure or TransientFailure("HTTP 500")
        return "fine"

    return FakeLLM(answer)


def retrying(llm, permits=1, give_up=600.0):
    slots = QuickSlots(permits)
    return Retrying(llm, slots, give_up, clock=lambda: slots.now)


async def complete(patient, request):
    """One call as the loop makes it: with a slot."""
    await patient.slots.acquire(2)
    try:
        return (await patient.complete(request)).text
    finally:
        patient.slots.release()


def outcomes(patient, *requests):
    async def main():
        jobs = [asyncio.create_task(complete(patient, request)) for request in requests]
        return await asyncio.gather(*jobs, return_exceptions=True)

    found = asyncio.run(main())
    assert patient.slots.in_use == 0
    return found


def test_a_transient_failure_is_tried_again():
    """Most faults are gone at the next try."""
    patient = retrying(FakeLLM([TransientFailure("reset"), TransientFailure("HTTP 500"), "fine"]))
    assert outcomes(patient, ask("a")) == ["fine"]
    assert patient.retries == 2


@pytest.mark.parametrize("error", [RequestRefused("policy"), EndpointFailed("bad key"), SettingsError("--top-p")])
def test_no_other_error_is_tried_again(error):
    """What cannot get better is told at once."""
    patient = retrying(FakeLLM([error, "fine"]))
    assert outcomes(patient, ask("a")) == [error]
    assert len(patient.llm.requests) == 1


def test_waits_double_to_half_a_minute():
    """Random below 0.5, 1, 2, ... 30 seconds, so that many clients do not come back together."""
    patient = retrying(fails("a"))
    outcomes(patient, ask("a"))
    waits = patient.slots.waits
    assert len(waits) > 20
    assert all(wait <= min(30, 0.5 * 2**number) for number, wait in enumerate(waits))
    assert max(waits) > 15


def test_an_endpoint_without_any_success_has_failed():
    """After `give_up` seconds the run stops with the cause, and says which option sets them."""
    patient = retrying(fails("a"), give_up=60)
    (error,) = outcomes(patient, ask("a"))
    assert isinstance(error, EndpointFailed)
    assert str(error) == "no request succeeded for 60 s (--give-up); the last failure: HTTP 500"
    assert 60 <= patient.slots.now < 60 + 30


def test_a_success_of_another_request_keeps_the_endpoint_alive():
    """The patience is with the endpoint, not with the request: it starts anew at each success."""
    streak = [TransientFailure("busy", retry_after=1.0)] * 3
    patient = retrying(FakeLLM([*streak, "fine", *streak, "fine"]), give_up=4)
    assert outcomes(patient, ask("a"), ask("b")) == ["fine", "fine"]
    assert patient.slots.now > 4


def test_retry_after_is_honoured():
    """At least what the server asked for, a tenth more at the most, and never beyond `give_up`."""
    told = [TransientFailure("busy", retry_after=seconds, limited=True) for seconds in (7.0, 0.25, 3600.0)]
    times = []
    answer = in_order([*told, "fine"])
    patient = retrying(FakeLLM(lambda request: times.append(patient.slots.now) or answer(request)), give_up=100)
    assert outcomes(patient, ask("a")) == ["fine"]
    first, second, third = (later - earlier for earlier, later in pairwise(times))
    assert 7 <= first <= 7.7
    assert 0.25 <= second <= 0.275
    assert third == pytest.approx(100)


def test_a_pause_that_is_too_long_ends_when_others_are_answered():
    """A server that says "in an hour" and serves everybody else would cost the run that hour."""
    told = {"a": [TransientFailure("busy", retry_after=3600.0, limited=True)]}

    def answer(request):
        if told.get(request.text):
            raise told[request.text].pop()
        return "fine"

    patient = retrying(FakeLLM(answer), permits=2)
    assert outcomes(patient, *(ask(name) for name in "abcdefgh")) == ["fine"] * 8
    assert patient.slots.now < 10


def test_a_word_that_was_disproved_often_is_not_taken_any_more():
    """The last requests of a run have nobody left to disprove a wrong header, and waited for as long as it said."""
    patient = retrying(FakeLLM([TransientFailure("busy", retry_after=3600.0, limited=True), "fine"]))
    patient.disproved = DISPROOFS
    assert outcomes(patient, ask("a")) == ["fine"]
    assert patient.slots.now <= 0.5


def test_answers_to_requests_that_were_sent_before_disprove_no_pause():
    """They were on their way already when the server closed its door."""
    patient = retrying(FakeLLM(["fine"]))
    trouble = _Trouble(patient, ask("a"), TransientFailure("busy"), 0)
    with patient.watching(trouble) as number:
        trouble._sent_after = number
        for earlier in range(number):
            trouble.saw_answer(earlier)
        assert trouble._answers_to_others == 0
        trouble.saw_answer(number + 1)
    assert trouble._answers_to_others == 1


def test_a_request_that_takes_too_long_over_all_its_tries_is_refused_while_others_succeed():
    """The deadline of a request; without a success of another one it is the endpoint that is at fault."""
    patient = retrying(fails("slow", failure=TransientFailure("busy", limited=True)), permits=4)
    patient.deadline = 50.0
    found = outcomes(patient, ask("slow"), *(ask(f"good {number}") for number in range(40)))
    assert isinstance(found[0], RequestRefused)
    assert "(--deadline) while other requests succeeded: busy" in str(found[0])
    alone = retrying(fails("slow"), give_up=600)
    alone.deadline = 50.0
    assert isinstance(outcomes(alone, ask("slow"))[0], EndpointFailed)


def test_an_endpoint_whose_error_rate_says_that_it_is_gone_ends_the_run():
    """One answer in fifty keeps `give_up` waiting for ever, and brings nobody to an end."""
    number = 0

    def answer(request):
        nonlocal number
        number += 1
        if number % 50:
            raise TransientFailure("HTTP 502")
        return "fine"

    patient = retrying(FakeLLM(answer), permits=8)
    found = outcomes(patient, *(ask(f"{number}") for number in range(100)))
    failed = [one for one in found if isinstance(one, EndpointFailed)]
    assert failed
    assert "tries failed, so the endpoint is as good as gone; the last failure: HTTP 502" in str(failed[0])


def test_refusals_of_everybody_end_the_run_before_all_are_recorded():
    """A gateway that begins to refuse everything would spoil the ledger with failures for good."""

    def refuse(request):
        raise RequestRefused("blocked by the gateway")

    patient = retrying(FakeLLM(refuse))
    found = outcomes(patient, *(ask(f"{number}") for number in range(BREAKER_REFUSALS)))
    assert [type(one) for one in found] == [RequestRefused] * (BREAKER_REFUSALS - 1) + [EndpointFailed]
    assert "25 requests in a row were refused" in str(found[-1])


def test_a_machine_that_slept_has_not_been_patient():
    """A laptop closed for a night would give the endpoint up at the first failure of the morning."""
    clock = AwakeClock(iter([0.0, 5.0, 10.0, 8 * 3600.0, 8 * 3600.0 + 5]).__next__)
    assert [clock() for _ in range(4)] == [5, 10, 10 + 60, 10 + 60 + 5]


def test_retry_after_nothing_does_not_hammer():
    """`Retry-After: 0` is no licence for a busy loop: the usual waits hold."""
    patient = retrying(fails("a", failure=TransientFailure("busy", retry_after=0.0, limited=True)))
    outcomes(patient, ask("a"))
    assert len(patient.llm.requests) < 200


@pytest.mark.parametrize("permits", [1, 4])
def test_a_poisoned_request_is_refused_while_others_succeed(permits):
    """One prompt crashes the server each time. At concurrency 1 it lends its slot, so that others show who is at fault."""
    patient = retrying(fails("poison"), permits)
    found = outcomes(patient, ask("poison"), *(ask(f"good {number}") for number in range(40)))
    assert found[1:] == ["fine"] * 40
    assert isinstance(found[0], RequestRefused)
    tries = sum(request.text == "poison" for request in patient.llm.requests)
    assert POISONED_AFTER <= tries <= POISONED_AFTER + PROOFS
    assert str(found[0]) == f"failed {tries} times while other requests succeeded: HTTP 500"


def test_a_poisoned_request_that_is_the_last_of_a_run_is_told_by_one_that_was_answered():
    """With nobody left to ask, the endpoint looked dead, and every resume ended there."""
    patient = retrying(fails("poison"))
    assert outcomes(patient, ask("good")) == ["fine"]
    (error,) = outcomes(patient, ask("poison"))
    assert isinstance(error, RequestRefused)
    assert sum(request.text == "good" for request in patient.llm.requests) <= 1 + PROOFS


def test_an_answer_of_an_earlier_session_can_tell_a_poisoned_request():
    """A resumed run knows requests that were answered before it asks anything."""
    patient = retrying(fails("poison"))
    patient.answered(ask("good"))
    (error,) = outcomes(patient, ask("poison"))
    assert isinstance(error, RequestRefused)


def test_the_model_behind_is_told_of_earlier_answers_if_it_listens():
    """`answered` is optional: the client learns from it what works, and a model that has none, or another thing by that
    name, is left alone."""

    class Listening(FakeLLM):
        def answered(self, request):
            heard.append(request)

    heard = []
    listening, deaf = retrying(Listening(["fine"])), retrying(FakeLLM(["fine"]))
    counting = FakeLLM(["fine"])
    counting.answered = 3
    for patient in (listening, deaf, retrying(counting)):
        patient.answered(ask("good"))
        assert outcomes(patient, ask("a")) == ["fine"]
    assert heard == [ask("good")]


def test_an_endpoint_that_is_gone_refuses_nobody():
    """When what was answered before fails as well, nothing is recorded as failed, and a resume asks again."""
    patient = retrying(fails("good", "other"))
    patient.answered(ask("good"))
    (error,) = outcomes(patient, ask("other"))
    assert isinstance(error, EndpointFailed)


def test_failures_of_an_outage_prove_nothing():
    """All fail 20 times, then each fails once more while others succeed: nobody is poisoned, only unlucky."""
    tries = dict.fromkeys("abcdefgh", 0)

    def answer(request):
        tries[request.text] += 1
        down = tries[request.text] <= 20
        unlucky = tries[request.text] == 21 + "abcdefgh".index(request.text) % 2
        if down or unlucky:
            raise TransientFailure("HTTP 503")
        return "fine"

    patient = retrying(FakeLLM(answer), permits=8, give_up=1e6)
    assert outcomes(patient, *map(ask, "abcdefgh")) == ["fine"] * 8


def test_another_stage_that_succeeds_proves_nothing():
    """When all instance requests fail and verdicts do not, the endpoint is at fault, and no task is lost to it."""
    patient = retrying(fails("instances"), permits=2, give_up=1e6)

    async def main():
        job = asyncio.create_task(complete(patient, ask("instances", "instances")))
        for number in range(200):
            await complete(patient, ask(f"verdict {number}", "classify"))
        assert not job.done()
        patient.slots.close()
        return await asyncio.gather(job, return_exceptions=True)

    (error,) = asyncio.run(main())
    assert isinstance(error, Stopped)


def test_a_request_that_is_only_limited_is_no_poison_and_keeps_its_slot():
    """A 429 asks for fewer requests; lending the slot would send more. At 3 requests a minute one may fail often."""
    answers = [TransientFailure("HTTP 429", limited=True)] * (3 * POISONED_AFTER) + ["fine"]
    patient = retrying(FakeLLM(answers), give_up=1e6)
    patient.answered(ask("good"))
    held = []
    patient.slots.on_free = lambda: held.append(len(patient.llm.requests))
    assert outcomes(patient, ask("a")) == ["fine"]
    assert held == [len(answers)]


def test_a_failing_request_lends_its_slot_from_the_third_failure_on():
    """A hiccup keeps its place; a request in trouble makes room."""
    patient = retrying(FakeLLM([TransientFailure("reset")] * 4 + ["fine"]))
    lent = []
    patient.slots.on_free = lambda: lent.append(len(patient.llm.requests))
    assert outcomes(patient, ask("a")) == ["fine"]
    assert lent == [LENT_AFTER, LENT_AFTER + 1, 5]


def test_closing_the_slots_ends_a_wait_without_another_try():
    """Ctrl-C during half a minute of waiting: nothing more is sent, and nothing is recorded."""

    async def main():
        slots = Slots(1)
        patient = Retrying(fails("a", failure=TransientFailure("busy", retry_after=60.0)), slots)
        job = asyncio.create_task(complete(patient, ask("a")))
        await asyncio.sleep(0.01)
        slots.close()
        with pytest.raises(Stopped):
            await asyncio.wait_for(job, 1)
        return len(patient.llm.requests), slots.in_use

    assert asyncio.run(main()) == (1, 0)


def warnings_of(caplog, answers, give_up=600.0):
    with caplog.at_level(logging.WARNING, "selfinstruct"):
        patient = retrying(FakeLLM(answers), give_up=give_up)
        outcomes(patient, *(ask(str(number)) for number in range(sum(one == "fine" for one in answers))))
    return [record.getMessage() for record in caplog.records]


def test_a_failure_before_the_first_success_is_announced_once(caplog):
    """A typo in the port is seen at once, not after ten minutes of silence."""
    failures = [TransientFailure("cannot get an answer from 127.0.0.1:8001: refused")] * 5
    assert warnings_of(caplog, [*failures, "fine"]) == [
        "cannot get an answer from 127.0.0.1:8001: refused; retrying for up to 600 s without an answer"
    ]


def test_failures_now_and_then_are_no_news(caplog):
    """A server that fails at every second request would fill the screen."""
    assert warnings_of(caplog, ["fine", *[TransientFailure("reset"), "fine"] * 20]) == []


def test_an_endpoint_that_goes_away_is_announced_once(caplog):
    """After half a minute without an answer, and again only after it was back."""
    outage = [TransientFailure("busy", retry_after=20.0)] * 4
    found = warnings_of(caplog, ["fine", *outage, "fine", *outage, "fine"])
    assert found == ["busy; retrying for up to 600 s without an answer"] * 2


def test_many_requests_at_once_do_not_hide_that_the_endpoint_is_gone():
    """With hundreds in flight the last 200 tries are the last few seconds, and the breaker waited for a minute of them."""
    number = 0

    def answer(_):
        nonlocal number
        number += 1
        if number % 50:
            raise TransientFailure("HTTP 502")
        return "fine"

    patient = retrying(FakeLLM(answer))

    async def main():
        for second in range(1, 200):
            patient.slots.now = float(second)
            for _ in range(100):
                with contextlib.suppress(TransientFailure):
                    await patient.ask(ask("a"))

    with pytest.raises(EndpointFailed, match="as good as gone"):
        asyncio.run(main())
    assert 60 <= patient.slots.now <= 70
