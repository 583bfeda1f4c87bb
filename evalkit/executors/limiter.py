"""Requests and tokens per minute: what is sent is counted before it goes."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.executors.headers import Announced, announced

WINDOW = 60.0  # seconds that a limit is about
# Nothing is waited for longer without another look: an answer that used less gives back what it had reserved.
LOOK = 0.1
# Seconds' worth that may be sent at once. A server that announces its limits also says what remains.
BURST = 1.0
LEARNED_BURST = 30.0
SHORTEST = 0.001  # seconds; a float's rounding must not make a wait that moves no clock
SMOOTHING = 0.1  # weight of the newest answer in the share of reservations that is used


@dataclass(slots=True)
class Taken:
    """What one request took from a bucket, and when."""

    at: float
    amount: int
    paced: float
    counted: bool = True


class Bucket:
    """An allowance of `limit` a minute, spent evenly.

    Two rules hold. No 60 seconds hold more than the limit, reservations counted in full. And the pace: the
    bucket refills continuously and saves up `burst` seconds' worth (at least one request), so that any second
    holds at most burst + 1 times its share. The pace counts what reservations are expected to use, by the
    share that earlier ones used: a large `max_tokens` that is never reached does not slow a run down. It may
    go negative; the next request then waits.
    """

    def __init__(self, limit: int, burst: float = BURST) -> None:
        self.limit = limit
        self._saved = burst
        self._level = math.inf  # full at the first look
        self._updated = 0.0
        self._window: deque[Taken] = deque()
        self._sum = 0
        self._share = 1.0

    def wait(self, amount: int, now: float) -> float:
        """Seconds until this amount may be asked for again; 0 when it may be taken."""
        self._advance(now)
        wait = 0.0
        # More than a whole minute's allowance goes alone: no waiting would make it fit.
        if self._window and self._sum + amount > self.limit:
            wait = max(SHORTEST, self._window[0].at + WINDOW - now)
        short = min(amount * self._share, self._burst) - self._level
        return max(wait, SHORTEST, short / self._rate) if short > 1e-9 else wait  # noqa: PLR2004 - rounding

    def take(self, amount: int, now: float) -> Taken:
        """Spend it; the caller has waited."""
        self._advance(now)
        taken = Taken(now, amount, amount * self._share)
        self._level -= taken.paced
        self._sum += amount
        self._window.append(taken)
        return taken

    def settle(self, taken: Taken, used: int) -> None:
        """Replace what was reserved by what was used."""
        if taken.counted:
            self._sum += used - taken.amount
        self._level = min(self._burst, self._level + taken.paced - used)
        if used and taken.amount:
            self._share += SMOOTHING * (min(1.0, used / taken.amount) - self._share)
        taken.amount, taken.paced = used, used

    def cap(self, remaining: float) -> None:
        """Believe a server that counts less than we do: others use its allowance too."""
        self._level = min(self._level, remaining)

    @property
    def _rate(self) -> float:
        return self.limit / WINDOW

    @property
    def _burst(self) -> float:
        return max(1.0, self._rate * self._saved)

    def _advance(self, now: float) -> None:
        self._level = min(self._burst, self._level + (now - self._updated) * self._rate)
        self._updated = now
        while self._window and now - self._window[0].at >= WINDOW:
            old = self._window.popleft()
            old.counted = False
            self._sum -= old.amount


@dataclass(slots=True)
class Reservation:
    """What a request took from each limit that was known when it was sent."""

    requests: Taken | None = None
    tokens: Taken | None = None


class RateLimiter:
    """The limits of one model on one server, set by the user or learned from the server's headers.

    Times are seconds of the caller's monotonic clock. Runs in several threads may share one.
    """

    def __init__(self, rpm: int | None = None, tpm: int | None = None) -> None:
        self._lock = threading.Lock()
        self._buckets = {"requests": _bucket(rpm), "tokens": _bucket(tpm)}
        self._fixed = {"requests": rpm is not None, "tokens": tpm is not None}
        self._paused_until = -math.inf

    @property
    def idle(self) -> bool:
        """Whether nothing is known that a request would have to wait for."""
        return self._buckets["requests"] is None is self._buckets["tokens"] and self._paused_until < 0

    @property
    def counts_tokens(self) -> bool:
        """Whether reservations need a number of tokens."""
        return self._buckets["tokens"] is not None

    @property
    def limits(self) -> dict[str, int]:
        """Requests (`rpm`) and tokens (`tpm`) per minute, as far as known."""
        names = {"rpm": "requests", "tpm": "tokens"}
        found = {short: self._buckets[name] for short, name in names.items()}
        return {short: bucket.limit for short, bucket in found.items() if bucket is not None}

    def reserve(self, tokens: int, now: float) -> Reservation | float:
        """Take one request and its tokens; or return the seconds after which to ask again."""
        with self._lock:
            if now < self._paused_until:
                return max(SHORTEST, self._paused_until - now)
            self._paused_until = -math.inf
            asked = {"requests": 1, "tokens": tokens}
            known = {name: bucket for name, bucket in self._buckets.items() if bucket is not None}
            wait = max((bucket.wait(asked[name], now) for name, bucket in known.items()), default=0.0)
            if wait > 0:
                return min(wait, LOOK)
            return Reservation(**{name: bucket.take(asked[name], now) for name, bucket in known.items()})

    def settle(self, reservation: Reservation, tokens: int) -> None:
        """Say how many tokens it used. A request that failed was a request all the same."""
        with self._lock:
            bucket = self._buckets["tokens"]
            if bucket is not None and reservation.tokens is not None:
                bucket.settle(reservation.tokens, tokens)

    def pause(self, seconds: float, now: float) -> None:
        """Send nothing for so long: the server asks for it."""
        with self._lock:
            self._paused_until = max(self._paused_until, now + seconds)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take over the limits that a server announces, where the user has set none."""
        for name, fixed in self._fixed.items():
            if not fixed and (found := announced(headers, name)) is not None:
                with self._lock:
                    self._believe(name, found)

    def _believe(self, name: str, found: Announced) -> None:
        bucket = self._buckets[name]
        if bucket is None:
            # A day's allowance may be spent in an hour: only a minute's limit gives a pace.
            if not found.per_minute:
                return
            bucket = self._buckets[name] = Bucket(found.limit, LEARNED_BURST)
        elif found.per_minute:
            bucket.limit = found.limit
        if found.remaining is not None:
            bucket.cap(found.remaining)


def _bucket(limit: int | None) -> Bucket | None:
    return None if limit is None else Bucket(limit)


class Limiters:
    """One limiter for each server, model and setting: runs of one process keep to the limits together."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, int | None, int | None], RateLimiter] = {}

    def get(self, server: str, model: str, rpm: int | None, tpm: int | None) -> RateLimiter:
        """Return the limiter that all runs with these limits share."""
        return self._known.setdefault((server, model, rpm, tpm), RateLimiter(rpm, tpm))


SHARED = Limiters()
