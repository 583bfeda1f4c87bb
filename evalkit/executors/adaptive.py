"""How many requests may be in flight: found by asking for more until the server says it is too much."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

START = 8  # requests in flight at first, where half of the most is less
POINTS = 200  # of the history that is kept


class Slots:
    """At most `limit` in flight, first come first served; TCP's way of finding the limit (RFC 5681).

    It starts with half of the maximum (at least 8) and grows by one with each answer until the first 429,
    then by one with each round of answers. A 429 halves it, once per window: those that were in flight
    already tell of the same crowd. Other errors say nothing about how much is too much. Not `adaptive`, it is
    the maximum all the time.
    """

    def __init__(self, maximum: int, *, adaptive: bool, seconds: Callable[[], float]) -> None:
        self._maximum = maximum
        self._limit = float(min(maximum, max(START, maximum // 2)) if adaptive else maximum)
        self._adaptive = adaptive
        self._threshold = float(maximum)
        self._seconds = seconds
        self._running = 0
        self._entered = 0
        self._recovered_at = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.cuts = 0
        self.history = [(0.0, int(self._limit))]

    async def enter(self) -> int:
        """Wait for a slot; return the number of this entry, for `limited`."""
        if self._waiting or self._running >= int(self._limit):
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():  # it had been given a slot
                    self.leave()
                raise
        else:
            self._running += 1
        self._entered += 1
        return self._entered

    def leave(self) -> None:
        """Give the slot back."""
        self._running -= 1
        self._call()

    def answered(self) -> None:
        """Grow, if all of the limit was used."""
        if self._limit >= self._maximum or self._running < int(self._limit):
            return
        step = 1.0 if self._limit < self._threshold else 1.0 / self._limit
        self._change(min(self._limit + step, float(self._maximum)))
        self._call()

    def limited(self, entry: int) -> None:
        """Halve, unless this entry was in flight already when it was last halved."""
        if not self._adaptive or entry <= self._recovered_at:
            return
        self._recovered_at = self._entered
        self.cuts += 1
        self._threshold = max(1.0, self._limit / 2)
        self._change(self._threshold)

    def _call(self) -> None:
        """Give free slots to those who wait, in their order."""
        while self._waiting and self._running < int(self._limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self._running += 1
                turn.set_result(None)

    def _change(self, limit: float) -> None:
        if int(limit) != int(self._limit):
            self.history.append((self._seconds(), int(limit)))
            if len(self.history) > POINTS:
                del self.history[1:-1:2]  # every other one; the first and the last stay
        self._limit = limit
