"""Money: every try counts before it is sent, and a cap is never passed, whatever the server and the clock do."""

from __future__ import annotations

import asyncio
import contextlib
import json
from random import Random

import pytest
from teacher import complete as scripted

from selfinstruct import Completion, Message, Request, SettingsError, TransientFailure, Usage, generate, load
from selfinstruct.ledger import Entry, Ledger, Recorded
from selfinstruct.llm.budget import Budget, Metered
from selfinstruct.llm.limits import Slots, Stopped
from selfinstruct.llm.openai import OpenAIClient
from selfinstruct.llm.prices import Price, Prices, known_price, prices_of
from selfinstruct.settings import STAGES, Settings
from selfinstruct.tally import Sum, Tally
from selfinstruct.testing import FakeLLM, FaultServer

PRICE = Price(2e-6, 8e-6, 1e-6, "test")
PRICES = Prices(dict.fromkeys(STAGES, PRICE))
RATES = {"price_in": 2.0, "price_out": 8.0}


class Billing:
    """A model at a provider that bills everything that it works on, whether or not the answer arrives."""

    model = "billing"

    def __init__(self, seed, faults=0.3, usage=True):
        self.random, self.faults, self.usage = Random(seed), faults, usage
        self.worked = Sum()

    @property
    def billed(self):
        return PRICE.of(self.worked)

    async def complete(self, request):
        draw = self.random.random()
        await asyncio.sleep(self.random.random() * 0.003)
        if draw < self.faults / 3:
            raise TransientFailure("HTTP 429", limited=True)
        # Tokens are fewer than bytes, and an answer may be as long as its limit.
        used = Usage(
            int(len(request.text.encode()) * (0.2 + 0.8 * self.random.random())),
            int(request.sampling["max_tokens"] * self.random.random()),
        )
        self.worked += Sum(prompt_tokens=used.prompt_tokens, completion_tokens=used.completion_tokens)
        if draw < self.faults:
            raise TransientFailure("the connection broke", billed=True)
        answer = scripted(request)
        known = self.usage and self.random.random() < 0.9
        return Completion(answer.text, "stop", used if known else None, "billing")


def grown(path, llm, *, num_tasks=40, **options):
    return generate(path, llm=llm, num_tasks=num_tasks, progress=False, give_up=1e6, **RATES, **options)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_the_cap_is_never_passed_in_200_schedules_of_faults_and_latencies(tmp_path, block, monkeypatch):
    """What the provider bills stays below the cap, over all sittings of a run, and most of the cap can be used."""
    monkeypatch.setattr("selfinstruct.llm.limits.Slots.pause", _at_once)
    for seed in range(20 * block, 20 * block + 20):
        random = Random(f"budget {seed}")
        llm = Billing(seed, faults=0.6 * random.random(), usage=random.random() < 0.8)
        cap = 0.02 + 0.15 * random.random()
        path = tmp_path / str(seed)
        for share in (0.5, 1.0):
            run = grown(path, llm, num_tasks=12, max_cost=cap * share, concurrency=1 + int(random.random() * 40))
            assert llm.billed <= run.spent.cost + 1e-12, seed  # floats are added in another order
            assert run.spent.cost <= cap * share, seed
            assert run.stopped in (None, "budget"), seed


async def _at_once(slots, _seconds):
    if slots.closed.is_set():
        raise Stopped
    await asyncio.sleep(0)


def test_a_run_at_its_cap_goes_on_with_a_larger_one(tmp_path):
    """Exit 3, everything kept, and the end is that of a run without a cap."""
    run = grown(tmp_path / "capped", FakeLLM(scripted), max_cost=0.07)
    assert run.stopped == "budget"
    assert run.exit_status == 3
    assert 0.04 < run.spent.cost <= 0.07
    assert 0 < len(run.tasks) < 40
    done = grown(tmp_path / "capped", FakeLLM(scripted), max_cost=100)
    assert done.stopped is None
    grown(tmp_path / "free", FakeLLM(scripted))
    for name in ("tasks.jsonl", "rejected.jsonl", "dataset.jsonl"):
        assert (tmp_path / "capped" / name).read_bytes() == (tmp_path / "free" / name).read_bytes()


def test_tokens_can_be_capped_without_a_price(tmp_path):
    """A local server has no price, and somebody else has a quota of tokens."""
    run = generate(tmp_path / "run", llm=FakeLLM(scripted), num_tasks=40, progress=False, max_tokens_total=30_000)
    assert run.stopped == "budget"
    assert run.spent.cost is None
    assert 10_000 < run.spent.prompt_tokens + run.spent.completion_tokens <= 30_000


def test_a_budget_needs_a_price(tmp_path):
    """Unknown is said and is not zero; no folder is left behind."""
    with pytest.raises(
        SettingsError, match=r"--max-cost needs a known price.*instructions.*--price-in and --price-out"
    ):
        generate(tmp_path / "run", llm=FakeLLM(scripted), max_cost=1)
    assert not (tmp_path / "run").exists()


def test_a_budget_needs_a_token_limit(tmp_path):
    """Without one there is no worst case."""
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        metered = Metered(FakeLLM(["x"]), ledger, Budget(PRICES, max_cost=1))
        with pytest.raises(SettingsError, match="a budget needs a token limit"):
            asyncio.run(metered.complete(Request("m", prompt="x")))


def request(text="Say hello.", index=0):
    return Request("m", (Message("user", text),), sampling={"max_tokens": 10}, index=index)


def kinds(path):
    return [(row["kind"], row["text"], row["usage"]) for row in map(json.loads, path.read_text().splitlines())]


def asked(path, llm, *, capped=True, times=1):
    with Ledger(path) as ledger:
        budget = Budget(PRICES, max_cost=1.0 if capped else None)
        recorded = Recorded(Metered(llm, ledger, budget), ledger)

        async def main():
            for index in range(times):
                with contextlib.suppress(TransientFailure):
                    await recorded.complete(request(index=index))

        asyncio.run(main())
        return ledger.tally.total


def test_a_try_is_written_down_before_it_is_sent(tmp_path):
    """A process that is killed while it waits has counted what it may have spent."""
    path = tmp_path / "ledger.jsonl"

    def answer(_):
        assert kinds(path) == [("attempt", "", {"prompt_tokens": 10, "completion_tokens": 10})]
        return Completion("Hello.", usage=Usage(3, 2))

    total = asked(path, FakeLLM(answer))
    assert (total.prompt_tokens, total.completion_tokens, total.attempts, total.bound) == (3, 2, 0, 5)
    with Ledger(path, writable=False) as ledger:
        assert ledger.tally.total == total, "the same when it is read again"


@pytest.mark.parametrize(
    ("outcome", "bound"),
    [
        (TransientFailure("HTTP 429", limited=True), 0),
        (TransientFailure("timeout", billed=True), 20),
        (Completion("Hello."), 20),
    ],
)
def test_tries_without_usage_count_at_their_worst(tmp_path, outcome, bound):
    """But for those that the server has turned away."""
    total = asked(tmp_path / "ledger.jsonl", FakeLLM([outcome]))
    assert total.bound == bound
    assert total.attempts == 1


def test_without_a_budget_only_what_may_have_been_billed_leaves_a_line(tmp_path):
    """Two lines for each request would be a price that nobody asked for."""
    path = tmp_path / "ledger.jsonl"
    asked(
        path,
        FakeLLM([Completion("a", usage=Usage(1, 1)), TransientFailure("HTTP 429", limited=True)]),
        capped=False,
        times=2,
    )
    assert [kind for kind, _, _ in kinds(path)] == ["answer"]
    asked(path, FakeLLM([TransientFailure("timeout", billed=True)]), capped=False, times=2)
    assert kinds(path)[-1] == ("attempt", "timeout", {"prompt_tokens": 10, "completion_tokens": 10})


def test_a_cancelled_try_may_have_been_billed(tmp_path):
    """The second Ctrl-C leaves a line for each request in flight."""
    path = tmp_path / "ledger.jsonl"

    async def main(ledger):
        metered = Metered(FakeLLM(["x"], latency=60), ledger, Budget(PRICES))
        task = asyncio.create_task(metered.complete(request()))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with Ledger(path) as ledger:
        asyncio.run(main(ledger))
    assert kinds(path) == [
        ("attempt", "CancelledError while it was under way", {"prompt_tokens": 10, "completion_tokens": 10})
    ]


def test_a_budget_waits_for_what_is_in_flight_before_it_says_no(tmp_path):
    """The worst case of one request is many times what it costs; when it has come, there is room for the next."""
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        cap = PRICE.of(Sum(uncertain_prompt_tokens=10, uncertain_completion_tokens=10)) * 2.5
        stopped = []
        llm = FakeLLM(lambda _: Completion("x", usage=Usage(2, 1)), latency=0.01)
        slots = Slots(8)
        metered = Metered(llm, ledger, Budget(PRICES, max_cost=cap), lambda: stopped.append(1), slots.closed.is_set)
        recorded = Recorded(metered, ledger)

        async def main():
            return await asyncio.gather(
                *(recorded.complete(request(index=i)) for i in range(50)), return_exceptions=True
            )

        found = asyncio.run(main())
        good = [one for one in found if isinstance(one, Completion)]
        assert len(good) > 10, "one at a time, the cap is good for this many"
        assert all(isinstance(one, Completion | Stopped) for one in found)
        assert stopped
        assert PRICES.cost(ledger.tally) <= cap


def test_lines_about_to_be_sent_count_until_the_next_line_of_their_key():
    """In any order of keys; a second try of one key is another attempt."""
    tally = Tally()

    def add(key, kind, text="", usage=None):
        tally.add(Entry(key, "d", kind, {"stage": "classify"}, text, usage=usage))

    worst, used = {"prompt_tokens": 10, "completion_tokens": 10}, {"prompt_tokens": 1, "completion_tokens": 2}
    add("a", "attempt", usage=worst)
    add("b", "attempt", usage=worst)
    assert tally.total.bound == 40
    add("a", "attempt", "timeout", worst)
    add("a", "attempt", usage=worst)
    assert (tally.total.bound, tally.total.attempts) == (60, 3)
    add("b", "answer", "yes", used)
    add("a", "failed", "policy")
    assert (tally.total.bound, tally.total.attempts) == (23, 1)
    assert (tally.total.calls, tally.total.failed) == (1, 1)


# Prices ----------------------------------------------------------------------------------------------------------------


def test_known_models_have_a_price_and_others_have_none():
    """A local server that calls its model as OpenAI does costs nobody knows what."""
    price = known_price("gpt-5-mini")
    assert price is not None
    assert 0 < price.cached < price.input < price.output
    assert "genai-prices" in price.source
    assert known_price("gpt-5-mini", "http://localhost:8000/v1") is None
    assert known_price("no-such-model") is None
    assert known_price("hf:some/model") is None
    assert known_price("demo").input == 0


def test_the_users_word_beats_what_is_known():
    """A contract of their own."""
    prices = prices_of(Settings(model="gpt-5-mini", price_in=1.0, price_out=2.0))
    assert prices.stages["instances"] == Price(1e-6, 2e-6, 1e-6, "--price-in and --price-out")


def test_each_stage_has_the_price_of_its_model():
    """A cheap model for the verdicts."""
    prices = prices_of(Settings(model="gpt-5", classify_model="gpt-5-nano", instance_model="unheard-of"))
    assert prices.stages["classify"].input < prices.stages["instructions"].input
    assert prices.unknown == ("instances",)


def test_a_cost_without_a_price_is_unknown_and_one_without_tokens_is_not():
    """Zero would be a lie; a stage that was never asked costs nothing."""
    tally = Tally()
    prices = Prices({"instructions": PRICE, "classify": None, "instances": None})
    assert prices.cost(tally) == 0
    tally.add(
        Entry(
            "a",
            "d",
            "answer",
            {"stage": "instructions"},
            usage={"prompt_tokens": 1000, "completion_tokens": 100, "cached_tokens": 400},
        )
    )
    assert prices.cost(tally) == pytest.approx(600 * 2e-6 + 400 * 1e-6 + 100 * 8e-6)
    tally.add(Entry("b", "d", "answer", {"stage": "classify"}, usage={"prompt_tokens": 1, "completion_tokens": 1}))
    assert prices.cost(tally) is None


def test_batch_jobs_cost_half():
    """Live and batch may follow one another in a run, so each answer says how it came."""
    tally = Tally()
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "cached_tokens": 400}
    tally.add(Entry("a", "d", "answer", {"stage": "classify"}, usage=usage))
    live = PRICES.cost(tally)
    assert live == pytest.approx(600 * 2e-6 + 400 * 1e-6 + 100 * 8e-6)
    tally.add(Entry("b", "d", "answer", {"stage": "classify"}, usage={**usage, "batched": 1}))
    assert PRICES.cost(tally) == pytest.approx(1.5 * live)


def test_the_run_shows_its_cost(tmp_path):
    """In the repr and to `status` in another process."""
    run = grown(tmp_path / "run", FakeLLM(scripted))
    assert f"${run.spent.cost:.2f}" in repr(run)
    assert load(tmp_path / "run").spent == run.spent


def test_a_try_of_a_killed_process_and_the_one_that_follows_both_count(tmp_path):
    """The provider may have worked on the first one; its line was taken for the beginning of the second."""
    path = tmp_path / "ledger.jsonl"
    with Ledger(path) as ledger:
        one = request()
        Metered(FakeLLM([]), ledger, Budget(PRICES, max_cost=1.0))._write(one, Usage(10, 10), "")
    for capped in (True, False):
        copy = tmp_path / f"{capped}.jsonl"
        copy.write_bytes(path.read_bytes())
        total = asked(copy, FakeLLM([Completion("Hello.", usage=Usage(3, 2))]), capped=capped)
        assert (total.bound, total.attempts, total.calls) == (25, 1, 1)


def test_a_question_that_only_looks_for_a_sign_of_life_is_counted(tmp_path):
    """Its answer is in the ledger already, so that nobody writes down what it used."""
    for capped in (True, False):
        path = tmp_path / f"{capped}.jsonl"
        asked(path, FakeLLM([Completion("Hello.", usage=Usage(3, 2))]), capped=capped)
        with Ledger(path) as ledger:
            metered = Metered(FakeLLM(["", ""]), ledger, Budget(PRICES, max_cost=1.0 if capped else None))
            metered.llm = FakeLLM(lambda _: Completion("Hello.", usage=Usage(3, 1)))
            for _ in range(2):
                asyncio.run(metered.complete(request()))
            assert ledger.tally.total.bound == 5 + 4 + 4


def test_a_try_that_waits_for_the_budget_is_not_sent_once_the_run_is_stopping(tmp_path):
    """What came back in the last moment left room, and one more call went out after Ctrl-C."""
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        slots = Slots(8)
        llm = FakeLLM(lambda _: Completion("x", usage=Usage(2, 1)), latency=0.01)
        metered = Metered(llm, ledger, Budget(PRICES, max_tokens=25), stopping=slots.closed.is_set)
        recorded = Recorded(metered, ledger)

        async def main():
            jobs = [asyncio.create_task(recorded.complete(request(index=index))) for index in range(2)]
            await asyncio.sleep(0.001)
            slots.close()
            return await asyncio.gather(*jobs, return_exceptions=True)

        first, second = asyncio.run(main())
    assert first.text == "x"
    assert isinstance(second, Stopped)
    assert len(llm.requests) == 1


def test_no_limit_is_left_out_where_there_is_a_budget():
    """The server refuses the limit; asked without it in the same breath, its answer could cost anything."""
    asked_for = Request("m", (Message("user", "x"),), sampling={"max_tokens": 10}, optional=frozenset({"max_tokens"}))
    refusal = 400, {"error": {"message": "Unsupported parameter: max_tokens"}}

    async def outcome(server, bounded):
        client = OpenAIClient([server.base_url], bounded=bounded)
        try:
            return await client.complete(asked_for)
        finally:
            await client.close()

    with FaultServer(lambda body: refusal if "max_tokens" in body else "Hello.") as server:
        assert asyncio.run(outcome(server, bounded=False)).text == "Hello."
        with pytest.raises(SettingsError, match="takes no token limit, so no budget can be kept"):
            asyncio.run(outcome(server, bounded=True))
    assert len(server.requests) == 3


def test_the_worst_case_knows_tools_and_several_candidates():
    """What stands in --extra-body is read and paid for, too."""
    client = OpenAIClient(["http://localhost:1/v1"])
    plain = Request("m", prompt="x", sampling={"max_tokens": 10})
    more = Request("m", prompt="x", sampling={"max_tokens": 10, "best_of": 3, "tools": [{"name": "y" * 100}]})
    before, after = client.worst_case(plain), client.worst_case(more)
    assert after.prompt_tokens > before.prompt_tokens + 100
    assert after.completion_tokens == 3 * before.completion_tokens


def test_a_night_between_two_sittings_is_no_slow_answer():
    """After a resume `status` said that a run of minutes would take weeks."""
    tally = Tally()
    for number, received in enumerate([0.0, 1.0, 2.0, 40_000.0, 40_001.0, 40_002.0]):
        times = {"sent": received - 0.5, "received": received}
        tally.add(Entry(str(number), "d", "answer", {"stage": "classify"}, times=times))
    assert tally.rate == pytest.approx(1.0)
