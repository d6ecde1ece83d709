"""Slots: never more than promised, in the right order, and balanced however a wait ends."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from selfinstruct.llm.limits import RANKS, Slots, Stopped


def free(slots):
    """How many permits can be taken at once; they are given back."""
    taken = 0
    while slots.take():
        taken += 1
    for _ in range(taken):
        slots.release()
    return taken


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_no_permit_is_lost_or_doubled(seed):
    """Workers take, wait, lend, and are cancelled at random; at most 3 work at once, and all 3 permits come back."""
    random, working, most = Random(seed), 0, 0

    async def worker(slots):
        nonlocal working, most
        if random.random() < 0.5 or not slots.take():
            await slots.acquire(int(random.random() * 3))
        try:
            while random.random() < 0.7:
                working += 1
                most = max(most, working)
                await asyncio.sleep(random.random() * 0.001)
                working -= 1
                if random.random() < 0.4:
                    await slots.lend(random.random() * 0.002, 1)
        except asyncio.CancelledError:
            working -= 1 if working else 0
            raise
        finally:
            slots.release()

    async def main():
        slots = Slots(3)
        jobs = [asyncio.create_task(worker(slots)) for _ in range(40)]
        for job in jobs[::3]:
            await asyncio.sleep(random.random() * 0.001)
            job.cancel()
        await asyncio.wait(jobs, timeout=5)
        assert all(job.done() for job in jobs)
        assert (slots.in_use, free(slots)) == (0, 3)

    asyncio.run(main())
    assert 0 < most <= 3


def test_a_permit_handed_to_a_cancelled_waiter_goes_to_the_next():
    """Release and cancellation in one turn of the loop: the permit was with the dead task, and everybody waited."""

    async def main():
        slots = Slots(1)
        assert slots.take()
        first, second = (asyncio.create_task(slots.acquire(0)) for _ in range(2))
        await asyncio.sleep(0)
        slots.release()
        first.cancel()
        await asyncio.wait_for(second, 1)
        assert first.cancelled()
        return slots.in_use

    assert asyncio.run(main()) == 1


def test_cancelled_waiters_do_not_hold_the_door():
    """A free permit can be taken at once although those who once waited for it are still in the queue."""

    async def main():
        slots = Slots(2)
        assert slots.take()
        assert slots.take()
        waiting = [asyncio.create_task(slots.acquire(0)) for _ in range(3)]
        await asyncio.sleep(0)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        slots.release()
        return slots.take()

    assert asyncio.run(main())


def test_nobody_jumps_the_queue():
    """A permit that comes free belongs to who waits; in order within a rank."""

    async def main():
        slots, served = Slots(1), []

        async def work(name, stage):
            await slots.acquire(RANKS[stage])
            served.append(name)
            slots.release()

        assert slots.take()
        jobs = [asyncio.create_task(work(name, "classify")) for name in "abc"]
        jobs.append(asyncio.create_task(work("first", "instances")))
        await asyncio.sleep(0)
        slots.release()
        assert not slots.take()
        await asyncio.gather(*jobs)
        return served

    assert asyncio.run(main()) == ["first", "a", "b", "c"]


def test_closing_stops_who_waits_and_who_comes():
    """After Ctrl-C no call starts, while those in flight keep their permits until they give them back."""

    async def main():
        slots = Slots(1)
        assert slots.take()
        waiting = [asyncio.create_task(slots.acquire(0)) for _ in range(3)]
        await asyncio.sleep(0)
        slots.close()
        slots.close()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in found] == [Stopped] * 3
        assert not slots.take()
        with pytest.raises(Stopped):
            await slots.acquire(0)
        assert slots.in_use == 1
        slots.release()
        return slots.in_use

    assert asyncio.run(main()) == 0


def test_closing_also_stops_who_was_just_served():
    """A permit that was handed over in the same turn as the close starts no call, and is not lost."""

    async def main():
        slots = Slots(1)
        assert slots.take()
        waiting = asyncio.create_task(slots.acquire(0))
        await asyncio.sleep(0)
        slots.release()
        slots.close()
        with pytest.raises(Stopped):
            await waiting
        return slots.in_use

    assert asyncio.run(main()) == 0


@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_a_pause_ends_when_the_slots_close(seconds):
    """Nobody sleeps out half a minute after Ctrl-C, and a pause of no length notices the close, too."""

    async def main():
        slots = Slots(1)
        asyncio.get_running_loop().call_later(0.01, slots.close)
        if not seconds:
            await slots.closed.wait()
        with pytest.raises(Stopped):
            await asyncio.wait_for(slots.pause(seconds), 5)
        return slots.closed.is_set()

    assert asyncio.run(main())


def test_a_lent_permit_serves_another_and_comes_back():
    """Who sleeps lets others work, and works on only when it has a permit again."""

    async def main():
        slots, events = Slots(1), []

        async def other():
            await slots.acquire(2)
            events.append("other works")
            await asyncio.sleep(0.01)
            events.append("other ends")
            slots.release()

        assert slots.take()
        job = asyncio.create_task(other())
        await slots.lend(0.001, 0)
        events.append("lender works")
        assert slots.in_use == 1
        slots.release()
        await job
        assert slots.in_use == 0
        return events

    assert asyncio.run(main()) == ["other works", "other ends", "lender works"]


@pytest.mark.parametrize("end", ["close", "cancel while asleep", "cancel while waiting"])
def test_a_lender_that_is_stopped_releases_as_always(end):
    """The `finally` around a call gives back a permit that was lent out at that moment; the sum must still be right."""

    async def main():
        slots = Slots(1)

        async def lender():
            await slots.acquire(0)
            try:
                await slots.lend(0.001 if end == "cancel while waiting" else 30, 0)
            finally:
                slots.release()

        job = asyncio.create_task(lender())
        await asyncio.sleep(0)
        await slots.acquire(1)
        await asyncio.sleep(0.01)
        if end == "close":
            slots.close()
        else:
            job.cancel()
        with pytest.raises((Stopped, asyncio.CancelledError)):
            await job
        assert slots.in_use == 1
        slots.release()
        return slots.in_use

    assert asyncio.run(main()) == 0


def test_a_permit_that_nobody_waits_for_is_announced():
    """The loop may start another request with a permit that was lent; it hears of no permit that found its taker."""

    async def main():
        calls = []
        slots = Slots(1, lambda: calls.append(slots.in_use))
        assert slots.take()
        waiting = asyncio.create_task(slots.acquire(0))
        await asyncio.sleep(0)
        slots.release()
        await waiting
        assert not calls
        slots.release()
        return calls

    assert asyncio.run(main()) == [0]
