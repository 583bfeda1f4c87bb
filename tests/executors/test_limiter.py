"""Rate limits in virtual time: kept, used, shared, and learned."""

from __future__ import annotations

import asyncio
import bisect
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest
from fake_openai import RateLimits
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import Kept, Scripted, in_time, jobs, rate_limited, run_in_time
from virtual_time import clock, run_virtually

from evalkit.client.base import Reply
from evalkit.executors.base import Job
from evalkit.executors.limiter import Limiters, RateLimiter, Reservation
from evalkit.executors.sending import estimate
from evalkit.records import Outcome, Request

Sent = list[tuple[float, int]]
"""When a request was sent, and what it counted."""


def most_in(sent: Sent, seconds: float) -> int:
    """The largest sum in any window of this length, its end not included."""
    times, sums = [at for at, _ in sent], [0]
    for _, amount in sent:
        sums.append(sums[-1] + amount)
    # A float's rounding must not take two sends 60 s apart for closer ones.
    ends = (bisect.bisect_left(times, at + seconds - 1e-6) for at in times)
    return max((sums[end] - sums[start] for start, end in enumerate(ends)), default=0)


def answering(sent: Sent, latency: Callable[[], float], used: int | None = None) -> Scripted:
    """A model that notes when it is asked; each answer reports `used` tokens."""

    async def send(request: Request) -> bytes:
        sent.append((clock(), 1 if used is None else used))
        await asyncio.sleep(latency())
        return b"ok" if used is None else f"ok:{used}".encode()

    return Scripted(send)


def test_600_requests_a_minute_over_three_minutes() -> None:
    """No 60 s above the limit by more than 2%, no second above twice its share, 95% of the limit used."""
    sent: Sent = []
    rng = random.Random(7)
    model = answering(sent, lambda: rng.uniform(0.2, 2.0))
    run_in_time(model, jobs(3_000), concurrency=64, rpm=600)
    first = [one for one in sent if one[0] < 180]
    assert most_in(sent, 60) <= 600 * 1.02
    assert most_in(sent, 1) <= 20
    assert len(first) >= 0.95 * 1_800


def test_requests_go_in_the_order_in_which_they_came() -> None:
    asked: list[int] = []

    async def send(request: Request) -> bytes:
        asked.append(request.body["id"])
        await asyncio.sleep(random.Random(len(asked)).random())
        return b"ok"

    run_in_time(Scripted(send), jobs(200), concurrency=16, rpm=60, adaptive=False)
    assert asked == list(range(200))


@pytest.mark.parametrize("rpm", [1, 3, 7, 60])
def test_small_limits_hold_exactly(rpm: int) -> None:
    sent: Sent = []
    run_in_time(answering(sent, lambda: 0.1), jobs(5 * rpm), concurrency=16, rpm=rpm)
    assert most_in(sent, 60) == rpm
    assert sent[-1][0] <= 5 * 60


def test_tokens_are_reserved_by_estimate_and_used_to_the_full() -> None:
    """1,000 answer tokens allowed, 50 used: the limit is spent on what is used, and still holds."""
    sent: Sent = []
    asked = jobs(1_500, max_tokens=1_000)
    reserved = estimate(asked[0].request)
    assert reserved >= 1_000
    run_in_time(answering(sent, lambda: 1.0, used=150), asked, concurrency=64, tpm=30_000)
    assert most_in(sent, 60) <= 30_000
    # The first minute goes more slowly: it is not known yet that answers are short. Later the three or four
    # that are in flight hold a tenth of the minute's tokens, as they could all use what they may.
    later = [amount for at, amount in sent if 60 <= at < 240]
    assert sum(later) >= 0.85 * 90_000


def test_requests_that_use_more_than_estimated_slow_the_next_ones() -> None:
    sent: Sent = []
    model = answering(sent, lambda: 0.5, used=500)
    run_in_time(model, jobs(300), concurrency=4, tpm=30_000, tokens=lambda _: 100)
    # What is in flight is known too late: four requests at most.
    assert most_in(sent, 60) <= 30_000 + 4 * 500
    assert len(sent) / sent[-1][0] * 60 * 500 <= 1.1 * 30_000


def test_request_larger_than_a_minute_s_tokens_goes_alone() -> None:
    sent: Sent = []
    outcomes = run_in_time(answering(sent, lambda: 0.5), jobs(3), tpm=1_000, tokens=lambda _: 5_000)
    assert all(one.response is not None for one in outcomes)
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(sent)]
    assert min(gaps) >= 60


@dataclass
class Simulated:
    """A limiter driven by hand."""

    limiter: RateLimiter
    now: float = 0.0

    def reserve(self, tokens: int) -> Reservation:
        for _ in range(1_000_000):
            found = self.limiter.reserve(tokens, self.now)
            if isinstance(found, Reservation):
                return found
            assert found > 0
            self.now += found
        raise AssertionError("waits for ever")


@given(
    rpm=st.none() | st.integers(1, 2_000),
    tpm=st.none() | st.integers(100, 100_000),
    requests=st.lists(
        st.tuples(st.integers(1, 3_000), st.floats(0, 1), st.floats(0, 20)), min_size=1, max_size=120
    ),
)
@settings(max_examples=60, deadline=None)
def test_limits_hold_whatever_is_asked(
    rpm: int | None, tpm: int | None, requests: list[tuple[int, float, float]]
) -> None:
    """`requests`: tokens reserved, the share of them that is used, the pause before."""
    simulated = Simulated(RateLimiter(rpm, tpm))
    sent, used = [], []
    for reserved, share, pause in requests:
        simulated.now += pause
        reservation = simulated.reserve(reserved)
        sent.append((simulated.now, 1))
        used.append((simulated.now, int(reserved * share)))
        simulated.limiter.settle(reservation, int(reserved * share))
    if rpm is not None:
        assert most_in(sent, 60) <= rpm
        assert most_in(sent, 1) <= 2 * max(1.0, rpm / 60) + 1
    if tpm is not None:
        assert most_in(used, 60) <= max(tpm, *(amount for _, amount in used))


@given(
    rpm=st.integers(1, 3_000),
    starts=st.lists(st.floats(0, 100), min_size=1, max_size=300),
)
@settings(max_examples=40, deadline=None)
def test_nobody_waits_longer_than_the_limit_demands(rpm: int, starts: list[float]) -> None:
    """Whoever comes a second (or the limit's spacing) after the last one goes at once."""
    simulated = Simulated(RateLimiter(rpm))
    sent: Sent = []
    for start in sorted(starts):
        simulated.now = came = max(simulated.now, start)
        simulated.reserve(0)
        if not sent or came - sent[-1][0] >= max(1.0, 60 / rpm) + 1e-6:
            assert simulated.now == came
        sent.append((simulated.now, 1))


def test_pause_holds_everybody_and_ends() -> None:
    """One 429 with Retry-After: 30 at the second request: nothing is sent for 30 s, then all is answered."""
    sent: list[float] = []

    async def send(request: Request) -> bytes:
        sent.append(clock())
        await asyncio.sleep(0.1)
        if len(sent) == 2:
            raise rate_limited(30.0)
        return b"ok"

    outcomes = run_in_time(Scripted(send), jobs(100), concurrency=2, adaptive=False)
    assert all(one.response is not None for one in outcomes)
    paused = [(a, b) for a, b in pairwise(sent) if b - a >= 29]
    assert len(paused) == 1


def test_long_pause_is_told_once() -> None:
    said: list[str] = []
    seen = 0

    async def send(request: Request) -> bytes:
        nonlocal seen
        seen += 1
        await asyncio.sleep(0)
        if seen <= 8:
            raise rate_limited(120.0)
        return b"ok"

    run_in_time(Scripted(send), jobs(50), concurrency=8, say=said.append)
    assert said == ["scripted: rate limited, the server asks to wait 120 s"]


def test_runs_on_one_server_keep_its_limit_together() -> None:
    """As two notebook cells do, or the jobs of a sweep."""
    sent: Sent = []
    shared = Limiters()

    async def one() -> list[Outcome]:
        chosen = in_time(concurrency=16, rpm=300, limiters=shared)
        stream = chosen.run(iter(jobs(400)), answering(sent, lambda: 0.5), Kept())
        return [outcome async for outcome in stream]

    async def both() -> None:
        first, second = await asyncio.gather(one(), one())
        assert len(first) == len(second) == 400

    run_virtually(both())
    sent.sort()
    assert most_in(sent, 60) <= 300
    assert sent[-1][0] <= 1.05 * 160


def limited_server(limits: RateLimits, sent: Sent) -> Scripted:
    """A model that enforces and announces limits as the fake API does."""

    async def send(request: Request) -> Reply:
        refusal = limits.admit(dict(request.body))
        sent.append((clock(), refusal is None))
        await asyncio.sleep(0.3)
        if refusal is not None:
            raise rate_limited(float(refusal.headers["retry-after-ms"]) / 1000)
        return Reply(b"ok", 0.3, limits.headers())

    return Scripted(send)


@pytest.mark.parametrize("concurrency", [16, 64])
def test_limits_are_learned_from_the_server(concurrency: int) -> None:
    """300 a minute, nobody told us: hardly anything is refused, and all of the allowance is used."""

    async def main() -> tuple[list[Outcome], Sent, object]:
        sent: Sent = []
        model = limited_server(RateLimits(rpm=300, burst=10.0, clock=clock), sent)
        chosen = in_time(concurrency=concurrency)
        outcomes = [one async for one in chosen.run(iter(jobs(1_200)), model, Kept())]
        return outcomes, sent, chosen.timing["limits"]

    outcomes, sent, limits = run_virtually(main())
    assert all(one.response is not None for one in outcomes)
    assert limits == {"rpm": 300}
    assert sum(not accepted for _, accepted in sent) <= 12
    assert sent[-1][0] <= 1.05 * 240


def test_day_s_allowance_gives_no_pace() -> None:
    """10,000 a day refill one in 8.64 s; they may be spent at once (OpenAI's lower tiers)."""
    limiter = RateLimiter()
    limiter.learn(
        {
            "x-ratelimit-limit-requests": "10000",
            "x-ratelimit-remaining-requests": "9999",
            "x-ratelimit-reset-requests": "8.64s",
            "x-ratelimit-limit-tokens": "200000",
            "x-ratelimit-remaining-tokens": "199980",
            "x-ratelimit-reset-tokens": "6ms",
        }
    )
    assert limiter.limits == {"tpm": 200_000}


def test_user_s_limits_win_over_the_server_s() -> None:
    limiter = RateLimiter(rpm=10)
    limiter.learn({"x-ratelimit-limit-requests": "5000", "x-ratelimit-limit-tokens": "1000"})
    assert limiter.limits == {"rpm": 10, "tpm": 1000}


def test_reservation_made_before_a_limit_was_known_settles() -> None:
    limiter = RateLimiter()
    reservation = limiter.reserve(100, 0.0)
    assert isinstance(reservation, Reservation)
    limiter.learn({"x-ratelimit-limit-tokens": "1000"})
    limiter.settle(reservation, 50)
    assert isinstance(limiter.reserve(100, 0.0), Reservation)


def test_estimate_covers_every_answer_asked_for() -> None:
    body = {"messages": [{"role": "user", "content": "x" * 300}], "max_tokens": 100}
    one, three = (Job("s", 0, Request("", "", {**body, "n": n})) for n in (1, 3))
    assert estimate(one.request) >= 100 + 300 / 8
    assert estimate(three.request) - estimate(one.request) == 200
