"""How many requests are in flight: as many as the server takes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import Kept, Scripted, always, in_time, jobs, overloaded, rate_limited, run_in_time
from virtual_time import run_virtually

from evalkit.executors.adaptive import POINTS, START, Slots
from evalkit.executors.asyncio import AsyncioExecutor
from evalkit.records import Outcome, Request


def crowded(most: int | Callable[[], int]) -> Scripted:
    """A server that answers in about a second, and with 429 when more than `most` are in flight."""
    rng = random.Random(3)

    async def send(request: Request) -> bytes:
        allowed = most() if callable(most) else most
        if model.running > allowed:
            await asyncio.sleep(0.05)
            raise rate_limited()
        await asyncio.sleep(rng.uniform(0.5, 1.5))
        return b"ok"

    model = Scripted(send)
    return model


def ran(model: Scripted, n: int, chosen: AsyncioExecutor) -> list[Outcome]:
    return run_in_time(model, jobs(n), chosen)


def limits(chosen: AsyncioExecutor) -> list[int]:
    return [limit for _, limit in chosen.timing["concurrency"]]


def test_all_of_the_concurrency_is_used_where_nothing_is_refused() -> None:
    model, chosen = Scripted(always(b"ok", seconds=1.0)), in_time(concurrency=64)
    ran(model, 1_000, chosen)
    assert limits(chosen)[0] == 32
    assert max(limits(chosen)) == limits(chosen)[-1] == model.most == 64
    assert chosen.timing["concurrency_cuts"] == 0


def test_slow_start_reaches_the_maximum_in_a_few_rounds() -> None:
    """Doubled with each round of answers: 32, and 64 after a second; of a few, 8 and 12."""
    model, chosen = Scripted(always(b"ok", seconds=1.0)), in_time(concurrency=64)
    ran(model, 1_000, chosen)
    assert chosen.timing["concurrency"][-1] == [1.0, 64]
    few = in_time(concurrency=12)
    ran(Scripted(always(b"ok", seconds=1.0)), 100, few)
    assert (few.timing["concurrency"][0], few.timing["concurrency"][-1]) == ([0.0, START], [1.0, 12])


def test_limit_settles_near_what_the_server_takes() -> None:
    model, chosen = crowded(20), in_time(concurrency=128)
    outcomes = ran(model, 5_000, chosen)
    assert all(one.response is not None for one in outcomes)
    later = limits(chosen)[len(limits(chosen)) // 2 :]
    assert 10 <= min(later) <= max(later) <= 24
    assert model.sent <= 1.1 * 5_000


def test_concurrency_follows_a_server_that_takes_less_for_a_while() -> None:
    def most() -> int:
        return 5 if 30 < asyncio.get_running_loop().time() < 60 else 40

    chosen = in_time(concurrency=64)
    outcomes = ran(crowded(most), 4_000, chosen)
    assert all(one.response is not None for one in outcomes)
    history = chosen.timing["concurrency"]
    assert min(limit for seconds, limit in history if 30 < seconds < 60) <= 5
    assert max(limit for seconds, limit in history if seconds > 100) >= 30


@pytest.mark.parametrize("error", [overloaded(), overloaded(1.0)])
def test_server_errors_alone_never_cut(error: Exception) -> None:
    rng = random.Random(1)

    async def send(request: Request) -> bytes:
        await asyncio.sleep(1.0)
        if rng.random() < 0.5:
            raise error
        return b"ok"

    chosen = in_time(concurrency=32)
    ran(Scripted(send), 500, chosen)
    assert chosen.timing["concurrency_cuts"] == 0
    assert limits(chosen) == sorted(limits(chosen))
    assert limits(chosen)[-1] > 20


def test_not_adaptive_is_the_maximum_all_the_time() -> None:
    model, chosen = crowded(20), in_time(concurrency=64, adaptive=False)
    ran(model, 200, chosen)
    assert model.most == 64
    assert limits(chosen) == [64]


def slots(maximum: int) -> Slots:
    return Slots(maximum, adaptive=True, seconds=lambda: 0.0)


def test_one_crowd_cuts_once() -> None:
    """Eight are in flight and all are refused: halved once, and once more by the next crowd."""

    async def main() -> list[int]:
        chosen = slots(16)
        for _ in range(2):
            entries = [await chosen.enter() for _ in range(chosen.history[-1][1])]
            for entry in entries:
                chosen.limited(entry)
                chosen.leave()
        return [limit for _, limit in chosen.history]

    assert run_virtually(main()) == [8, 4, 2]


def test_growth_after_a_cut_is_one_a_round() -> None:
    async def main() -> list[int]:
        chosen = slots(16)
        chosen.limited(await chosen.enter())
        chosen.leave()
        seen = []
        for _ in range(4):
            limit = chosen.history[-1][1]
            for _ in range(limit):
                await chosen.enter()
            for _ in range(limit):
                chosen.answered()
                chosen.leave()
                await chosen.enter()
            for _ in range(limit):
                chosen.leave()
            seen.append(chosen.history[-1][1])
        return seen

    first, *rest = run_virtually(main())
    assert 4 <= first <= 5
    assert all(0 <= later - earlier <= 1 for earlier, later in zip([first, *rest], rest, strict=False))
    assert rest[-1] >= 6


@given(maximum=st.integers(1, 40), seed=st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_slots_are_never_overrun_and_never_lost(maximum: int, seed: int) -> None:
    """Answers, refusals and cancellations in any order: in the end all slots are free."""
    rng = random.Random(seed)

    running = 0

    async def one(chosen: Slots) -> None:
        nonlocal running
        entry = await chosen.enter()
        try:
            running += 1
            assert running <= maximum
            await asyncio.sleep(rng.random())
            chosen.limited(entry) if rng.random() < 0.2 else chosen.answered()
        finally:
            running -= 1
            chosen.leave()

    async def main() -> None:
        chosen = slots(maximum)
        tasks = [asyncio.create_task(one(chosen)) for _ in range(100)]
        for task in rng.sample(tasks, 30):
            await asyncio.sleep(rng.random() / 10)
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [one for one in found if isinstance(one, Exception)]
        await asyncio.wait_for(one(chosen), 60)

    run_virtually(main())
    assert running == 0


def test_history_stays_short() -> None:
    chosen = in_time(concurrency=256, attempts=1000)
    ran(crowded(100), 8_000, chosen)
    history = chosen.timing["concurrency"]
    assert len(history) <= POINTS
    assert [seconds for seconds, _ in history] == sorted(seconds for seconds, _ in history)
    assert history[0] == [0.0, 128]


def test_nothing_sent_nothing_told() -> None:
    async def nothing() -> AsyncioExecutor:
        chosen = in_time()
        assert not [one async for one in chosen.run(iter(()), Scripted(always(b"ok")), Kept())]
        return chosen

    assert run_virtually(nothing()).timing == {}
