"""How many requests are in flight, and whose turn is next."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

# How long a run that stops waits for what is in flight, unless its model says otherwise.
DRAIN_SECONDS = 60.0
# Instances first, then verdicts, then new instructions: what is begun is finished before more is begun.
RANKS = {"instances": 0, "classify": 1, "instructions": 2, "judge": 3, "answer": 3}


class Stopped(Exception):
    """No new call may start: the run is stopping."""


class Slots:
    """A number of permits, at the most `most`, given to the lowest rank first and in order within a rank.

    After `close`, whoever waits or comes gets `Stopped`; permits in use stay in use until they are released. `on_free`
    is called when a permit is given back and nobody waits for it.
    """

    def __init__(self, permits: int, on_free: Callable[[], None] = lambda: None) -> None:
        self._wanted = self._most = permits
        self.on_free = on_free
        self.in_use = 0
        self.closed = asyncio.Event()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    @property
    def permits(self) -> int:
        """How many may be in use."""
        return min(self._wanted, self._most)

    @property
    def most(self) -> int:
        """The bound of the permits, whatever `resize` says."""
        return self._most

    @most.setter
    def most(self, number: int) -> None:
        self._most = number
        self._hand_out()

    def take(self) -> bool:
        """Take a permit at once if one is free and nobody waits for it."""
        if self.closed.is_set() or self.in_use >= self.permits or self._first_waiting() is not None:
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
            if self.closed.is_set():
                raise Stopped
        except (asyncio.CancelledError, Stopped):
            # The permit may have been handed over in the same turn of the loop in which this task was cancelled.
            if future.done() and not future.cancelled() and future.exception() is None:
                self.release()
            raise

    def release(self) -> None:
        """Give a permit back."""
        self.in_use -= 1
        self._hand_out()

    def resize(self, permits: int) -> None:
        """Have another number of permits. Where there are fewer, those in use are missed until they come back."""
        self._wanted = permits
        self._hand_out()

    def close(self) -> None:
        """Let nobody start any more."""
        self.closed.set()
        while (future := self._first_waiting()) is not None:
            future.set_exception(Stopped())

    async def pause(self, seconds: float) -> None:
        """Sleep, but no longer than until the slots close.

        Raises:
            Stopped: the slots are closed.
        """
        if not self.closed.is_set():
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

    def _hand_out(self) -> None:
        while self.in_use < self.permits:
            future = self._first_waiting()
            if future is None:
                self.on_free()
                return
            self.in_use += 1
            future.set_result(None)

    def _first_waiting(self) -> asyncio.Future[None] | None:
        """Whose turn it is; those who were served or cancelled are forgotten here."""
        while self._waiting:
            future = self._waiting[0][2]
            if not future.done():
                return future
            heapq.heappop(self._waiting)
        return None
