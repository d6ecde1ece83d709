"""Several endpoints or keys as one: each gets what it manages, and one that fails is passed over."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from selfinstruct.errors import EndpointFailed, TransientFailure
from selfinstruct.llm.pace import Pace
from selfinstruct.llm.wire import Reply, Transport

logger = logging.getLogger("selfinstruct")

RESTS_AFTER = 3
LONGEST_REST = 60.0


@dataclass
class Endpoint:
    """One address with one key. `misses` counts failures in a row; it rests until `rests_until`."""

    host: str
    transport: Transport
    pace: Pace
    misses: int = 0
    rests_until: float = 0.0
    answers: int = 0


class Endpoints:
    """Chooses who is asked next: among those with room, the one with the smallest share of its limit in use.

    An endpoint that fails three times in a row while there are others rests for a second, then two, up to a minute; one
    that asks for a pause rests for it. One that cannot be used at all (a wrong key, a used-up quota) is left, until the
    last one fails with its reason.

    Args:
        ends: the endpoints.
        on_room: called with the number of requests that may be in flight, when it changes.
        pause: sleeps; raises where the run is stopping.
    """

    def __init__(
        self,
        ends: list[Endpoint],
        on_room: Callable[[int], None] = lambda _: None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ends, self._on_room, self._pause, self._clock = list(ends), on_room, pause, clock
        self._transports = [end.transport for end in ends]
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._told = 0
        self._turn = 0
        self.tell_room()

    @property
    def room(self) -> int:
        """How many requests may be in flight: one, until one has been answered."""
        proven = any(end.answers for end in self.ends)
        return sum(int(end.pace.limit) for end in self.ends) if proven else 1

    async def post(self, path: str, body: Mapping[str, Any], tokens: float) -> tuple[Endpoint, Reply]:
        """Ask whoever's turn it is, as soon as limits allow; `tokens` is what the request may use.

        Raises:
            TransientFailure: there was no whole reply.
        """
        end = await self._chosen()
        try:
            await end.pace.turn(tokens, self._pause)
            sent = self._clock()
            reply = await end.transport.post(path, body)
        except TransientFailure as failure:
            if failure.slow:
                end.pace.strained(sent)
                self.tell_room()
            self.missed(end)
            raise
        finally:
            end.pace.in_flight -= 1
            self._next()
        if reply.status in (429, 503, 529):
            end.pace.told(reply.headers)
            end.pace.strained(sent)
            self.tell_room()
        return end, reply

    def answered(self, end: Endpoint, spare_tokens: float, headers: Mapping[str, str]) -> None:
        """Note a good answer."""
        room = int(end.pace.limit) if end.answers else 0
        end.misses, end.answers = 0, end.answers + 1
        end.pace.answered(spare_tokens, headers)
        if int(end.pace.limit) != room:
            self.tell_room()
            self._next()

    def missed(self, end: Endpoint, asked: float | None = None) -> float | None:
        """Note a failure that another try may mend; how long this one has to wait, of the seconds that were asked for.

        Another endpoint need not wait. What fails while this one rests was mostly sent before, and is no news.
        """
        if self.ends == [end]:
            return asked
        now = self._clock()
        if end.rests_until <= now:
            end.misses += 1
            if end.misses == RESTS_AFTER:
                logger.warning("%s fails again and again; the other endpoints are asked meanwhile", end.host)
            if end.misses >= RESTS_AFTER:
                end.rests_until = now + min(LONGEST_REST, 2.0 ** (end.misses - RESTS_AFTER))
        end.rests_until = max(end.rests_until, now + min(LONGEST_REST, asked or 0.0))
        return None if any(other.rests_until <= now for other in self.ends if other is not end) else asked

    def leave(self, end: Endpoint, why: EndpointFailed) -> Exception:
        """Ask this endpoint no more; the error to raise: of the one request, or of all where none is left."""
        if self.ends == [end]:
            return why
        if end in self.ends:  # others of its requests were under way when the first one brought the news
            self.ends.remove(end)
            others = ", ".join(sorted({other.host for other in self.ends}))
            logger.warning("%s\nThe run goes on with the other %s.", why, others)
            self.tell_room()
            self._next()
        return TransientFailure(str(why))

    def tell_room(self) -> None:
        """Say how many requests may be in flight, if that is news."""
        if (room := self.room) != self._told:
            self._told = room
            self._on_room(room)

    async def close(self) -> None:
        """Close the connections."""
        for transport in self._transports:
            await transport.close()

    async def _chosen(self) -> Endpoint:
        """An endpoint with a place for one more, which is taken."""
        while (end := self._free()) is None:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
                await self._pause(0)
            except BaseException:
                self._next()  # it may have been this one's turn
                raise
        end.pace.in_flight += 1
        return end

    def _free(self) -> Endpoint | None:
        if len(self.ends) == 1:
            return self.ends[0] if self.ends[0].pace.room else None
        now = self._clock()
        awake = [end for end in self.ends if end.rests_until <= now] or [
            min(self.ends, key=lambda end: end.rests_until)
        ]
        first = self._turn % len(awake)
        turns, self._turn = awake[first:] + awake[:first], self._turn + 1
        return min(
            (end for end in turns if end.pace.room),
            key=lambda end: end.pace.in_flight / end.pace.limit,
            default=None,
        )

    def _next(self) -> None:
        """Wake those for whom there is room now."""
        if not self._waiting:
            return
        free = sum(max(0, int(end.pace.limit) - end.pace.in_flight) for end in self.ends)
        while self._waiting and free > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1
