"""How many requests are in flight, and whose turn is next."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

# Instances first, then verdicts, then new instructions: what is begun is finished before more is begun.
RANKS = {"instances": 0, "classify": 1, "instructions": 2}


class Stopped(Exception):  # noqa: N818 - it is no error: the run was asked to stop
    """No new call may start: the run is stopping."""


class Slots:
    """A number of permits, given to the lowest rank first and in order within a rank.

    After `close`, whoever waits or comes gets `Stopped`; permits in use stay in use until they are released.
    """

    def __init__(self, permits: int) -> None:
        self.permits = permits
        self.in_use = 0
        self.closed = asyncio.Event()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    def take(self) -> bool:
        """Take a permit at once if one is free and nobody waits for it."""
        if self.closed.is_set() or self._waiting or self.in_use >= self.permits:
            return False
        self.in_use += 1
        return True

    async def acquire(self, rank: int) -> None:
        """Wait for a permit.

        Raises:
            Stopped: the slots are closed.
        """
        if self.closed.is_set():
            raise Stopped
        if self.take():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._order), future))
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.release()
            raise

    def release(self) -> None:
        """Give a permit back."""
        self.in_use -= 1
        while self._waiting and self.in_use < self.permits:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                self.in_use += 1
                future.set_result(None)

    def close(self) -> None:
        """Let nobody start any more."""
        self.closed.set()
        while self._waiting:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_exception(Stopped())

    async def pause(self, seconds: float) -> None:
        """Sleep, but no longer than until the slots close.

        Raises:
            Stopped: the slots are closed.
        """
        try:
            await asyncio.wait_for(self.closed.wait(), seconds)
        except asyncio.TimeoutError:
            return
        raise Stopped

    async def lend(self, seconds: float, rank: int) -> None:
        """Give the own permit to others while sleeping, and wait for one again.

        Raises:
            Stopped: the slots are closed. The permit counts as held, so that its holder can release it as always.
        """
        self.release()
        try:
            await self.pause(seconds)
            await self.acquire(rank)
        except BaseException:
            self.in_use += 1
            raise
