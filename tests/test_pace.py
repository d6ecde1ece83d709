"""How fast an endpoint is asked: requests in flight, rates, and what its headers tell. The clock is a fake."""

from __future__ import annotations

import asyncio

import pytest

from selfinstruct.llm.pace import CUT, LONGEST_TOLD_SECONDS, START, Bucket, Pace, seconds


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def paced(most=64, **limits):
    clock = Clock()
    return Pace(most, clock=clock, **limits), clock


def answered(pace, times, headers=None):
    for _ in range(times):
        pace.in_flight = int(pace.limit)
        pace.answered(0.0, headers or {})
    pace.in_flight = 0


def test_the_first_request_goes_alone_and_the_second_ones_do_not():
    """A bad key costs one call, and a good one costs one round trip."""
    for most, start in ((10, 10), (40, START), (256, 128)):
        pace, _ = paced(most)
        assert pace.room
        pace.in_flight = 1
        assert not pace.room
        pace.answered(0.0, {})
        assert pace.limit == start


def test_requests_in_flight_double_until_the_first_refusal():
    """Each answer lets two go."""
    pace, _ = paced(most=1000)
    answered(pace, 1 + 500)
    assert pace.limit == 1000
    pace, _ = paced(most=64)
    answered(pace, 1 + START // 2)
    assert pace.limit == 1.5 * START


def test_one_cut_a_round_trip_and_slow_growth_after_it():
    """Of 64 refusals of one burst, 63 say what the first one said."""
    pace, clock = paced()
    answered(pace, 1 + START)
    sent = clock.now
    clock.now += 0.1
    for _ in range(64):
        pace.strained(sent)
    assert (pace.limit, pace.cuts) == (pytest.approx(64 * CUT), 1)
    pace.strained(clock.now)
    assert pace.cuts == 2
    before = pace.limit
    answered(pace, int(before))
    assert before + 0.9 < pace.limit < before + 1.1


def test_the_bounds_hold():
    """Never above the user's concurrency, never below one request."""
    pace, clock = paced(most=40)
    answered(pace, 200)
    assert pace.limit == 40
    for _ in range(50):
        clock.now += 1
        pace.strained(clock.now)
    assert pace.limit == 1
    assert pace.room


def test_what_was_not_tried_is_not_known_to_be_possible():
    """A slow start of the user's own is no proof that the server stands a hundred at once."""
    pace, _ = paced()
    answered(pace, 1)
    for _ in range(100):
        pace.in_flight = 2
        pace.answered(0.0, {})
    assert pace.limit == START


def test_requests_a_minute_are_spread_and_not_burst():
    """600 a minute are one each tenth of a second, from the first second on."""
    pace, clock = paced(rpm=600)
    waits = [pace.take(0) for _ in range(11)]
    assert waits == pytest.approx([0.1 * number for number in range(11)])
    clock.now += 5
    assert [pace.take(0) for _ in range(2)] == [0.0, pytest.approx(0.1)], "a pause saves up no burst"


def test_tokens_a_minute_count_what_was_used_in_the_end():
    """An answer is mostly shorter than its limit."""
    pace, _ = paced(tpm=60_000)
    assert pace.take(1100) == pytest.approx(1.0)
    pace.in_flight = 1
    pace.answered(1000.0, {})
    assert pace.take(100) == pytest.approx(0.1)


HEADERS = {
    "x-ratelimit-limit-requests": "600",
    "x-ratelimit-remaining-requests": "2",
    "x-ratelimit-reset-requests": "59.8s",
}


def test_the_servers_own_limits_are_kept_where_the_user_sets_none():
    """What was used comes back in the time that it tells: here ten a second."""
    pace, _ = paced()
    assert pace.take(0) == 0
    pace.told(HEADERS)
    assert [pace.take(0) for _ in range(4)] == pytest.approx([0, 0, 0.1, 0.2], abs=1e-3)
    own, _ = paced(rpm=60)
    own.told(HEADERS)
    assert own.take(0) == 0
    assert own.take(0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "broken",
    [
        {"x-ratelimit-remaining-requests": "2"},
        {**HEADERS, "x-ratelimit-remaining-requests": "many"},
        {**HEADERS, "x-ratelimit-reset-requests": "0s"},
        {**HEADERS, "x-ratelimit-reset-requests": "soon"},
        {**HEADERS, "x-ratelimit-remaining-requests": "900"},
    ],
)
def test_headers_that_say_nothing_change_nothing(broken):
    """Half a set, or nonsense, must not stop a run."""
    pace, _ = paced()
    pace.told(broken)
    assert [pace.take(0) for _ in range(5)] == [0] * 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1s", 1),
        ("6m0s", 360),
        ("1m6.5s", 66.5),
        ("250ms", 0.25),
        ("2h", 7200),
        ("1d", 86400),
        ("7", 7),
        ("x", None),
        (None, None),
    ],
)
def test_durations_as_servers_write_them(text, expected):
    """OpenAI and Groq write "1m6.5s", others seconds."""
    assert seconds(text) == expected


def test_a_bucket_that_never_refills_makes_nobody_wait_for_ever():
    """A rate of nothing is a header without sense."""
    assert Bucket(0.0, 0.0, 10.0, 0.0).take(5, 1.0) == 0.0


def requests_left(left, limit, reset):
    names = {"remaining": left, "limit": limit, "reset": reset}
    return {f"x-ratelimit-{name}-requests": str(value) for name, value in names.items()}


@pytest.mark.parametrize("free", [requests_left(100, 100, "1s"), requests_left(99, 100, "0s")])
def test_headers_that_say_that_all_is_free_end_an_earlier_pause(free):
    """A limit that was used up at the start of the hour slowed the run down for the rest of it."""
    pace, _ = paced()
    pace.told(requests_left(0, 100, "1h"))
    assert pace.take(0) > 30
    pace.told(free)
    assert pace.take(0) == 0


def test_the_word_of_a_header_holds_a_request_for_a_minute_at_the_most():
    """A limit of the day, or a Unix time in the place of a duration, must not stop a run in silence; then one asks."""
    for headers in (requests_left(0, 10, "6h"), requests_left(0, 10, "1764000000")):
        pace, _ = paced()
        pace.told(headers)
        assert [pace.take(0) for _ in range(3)] == [LONGEST_TOLD_SECONDS] * 3
    own, _ = paced(rpm=0.1)
    own.take(0)
    assert own.take(0) == pytest.approx(600), "the user's word is kept"


def test_requests_that_still_wait_are_not_forgotten_when_the_server_tells_what_is_left():
    """Each answer let one more go at once, beside all that waited for their turn."""
    pace, clock = paced()
    pace.told(requests_left(0, 60, "60s"))
    waits = []

    async def main():
        held = asyncio.Event()

        async def pause(seconds):
            waits.append(seconds)
            await held.wait()

        jobs = [asyncio.create_task(pace.turn(0.0, pause)) for _ in range(10)]
        await asyncio.sleep(0)
        clock.now += 1
        pace.told(requests_left(0, 60, "60s"))
        jobs.append(asyncio.create_task(pace.turn(0.0, pause)))
        await asyncio.sleep(0)
        held.set()
        jobs[0].cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    asyncio.run(main())
    assert waits[-1] == pytest.approx(11)
    pace.told(requests_left(0, 60, "60s"))
    assert pace.take(0) == pytest.approx(1), "nobody waits any more, the cancelled one included"
