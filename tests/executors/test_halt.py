"""A run that is asked to send nothing more: what is in flight, what waits, what was never asked."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from scripted import Kept, Scripted, in_time, jobs, overloaded, rate_limited
from virtual_time import clock, run_virtually

from evalkit.errors import RequestError, RunStopped
from evalkit.executors.asyncio import AsyncioExecutor
from evalkit.executors.halt import Halt
from evalkit.records import Outcome, Request


class Slow:
    """Answers after `seconds`, the first `fast` requests at once."""

    def __init__(self, seconds: float, fast: int = 0) -> None:
        self.seconds, self.fast, self.sent = seconds, fast, 0

    async def __call__(self, request: Request) -> bytes:
        self.sent += 1
        await asyncio.sleep(0 if self.sent <= self.fast else self.seconds)
        return b"ok"


def halted(
    model: Scripted, n: int, chosen: AsyncioExecutor, after: float, kept: Kept | None = None
) -> tuple[list[Outcome], float]:
    """The outcomes of n jobs whose run is halted after so many seconds, and when it ended."""

    async def collect() -> tuple[list[Outcome], float]:
        halt = Halt()
        asyncio.get_running_loop().call_later(after, halt.ask)
        found = [one async for one in chosen.run(jobs(n), model, kept or Kept(), halt)]
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return found, clock()

    return run_virtually(collect())


def kinds(outcomes: list[Outcome]) -> Counter[tuple[str, int]]:
    """How many outcomes there are of each kind, with the attempts of failures."""
    return Counter(
        ("answer", 1) if one.failure is None else (one.failure.kind, one.failure.attempts) for one in outcomes
    )


def test_what_is_in_flight_is_awaited_and_nothing_else_is_sent() -> None:
    kept = Kept()
    model = Scripted(Slow(5.0))
    outcomes, ended = halted(model, 100, in_time(concurrency=8), after=7.0, kept=kept)
    assert kinds(outcomes) == {("answer", 1): 16, ("interrupted", 0): 84}
    assert (ended, model.sent, len(kept.bodies)) == (10.0, 16, 16)


def test_what_takes_longer_than_the_grace_is_given_up() -> None:
    outcomes, ended = halted(Scripted(Slow(3600.0, fast=4)), 20, in_time(concurrency=4, grace=3.0), after=1.0)
    assert kinds(outcomes) == {("answer", 1): 4, ("interrupted", 1): 4, ("interrupted", 0): 12}
    assert ended == 4.0


@pytest.mark.parametrize("error", [overloaded(retry_after=600), rate_limited(retry_after=600)])
def test_nobody_sleeps_on(error: RequestError) -> None:
    """All eight wait ten minutes, for another attempt or for the server's limit, when the run is halted."""

    async def send(request: Request) -> bytes:
        raise error

    outcomes, ended = halted(Scripted(send), 20, in_time(concurrency=8), after=5.0)
    assert ended == 5.0
    assert {one.failure.kind for one in outcomes if one.failure} == {"interrupted"}
    assert len(outcomes) == 20


def test_waiting_for_a_limit_ends_too() -> None:
    model = Scripted(Slow(0.1))
    outcomes, ended = halted(model, 500, in_time(concurrency=8, rpm=60), after=30.0)
    assert 30.0 <= ended < 30.2
    answered = kinds(outcomes)["answer", 1]
    assert answered == model.sent < 70
    assert kinds(outcomes)["interrupted", 0] == 500 - answered


def test_halt_heard_before_the_start_sends_nothing() -> None:
    async def collect() -> list[Outcome]:
        halt = Halt()
        with halt.heard(lambda: None):
            assert halt.ask()
        assert not halt.ask()
        return [one async for one in in_time().run(jobs(5), model, Kept(), halt)]

    model = Scripted(Slow(1.0))
    assert kinds(run_virtually(collect())) == {("interrupted", 0): 5}
    assert model.sent == 0


def test_nobody_listening_means_no() -> None:
    """So a signal handler knows that it must do something else."""
    halt = Halt()
    assert not halt.ask()
    assert not halt.asked


def test_fatal_error_lets_others_in_flight_be_answered() -> None:
    """They are paid for: the first of eight is refused after a second, the others are answered after four."""
    kept = Kept()

    async def send(request: Request) -> bytes:
        if request.body["id"] == 0:
            await asyncio.sleep(1.0)
            raise RequestError("quota", "HTTP 429: gone", fatal=True)
        await asyncio.sleep(4.0)
        return b"ok"

    outcomes: list[Outcome] = []

    async def collect() -> None:
        async for one in in_time(concurrency=8).run(jobs(50), Scripted(send), kept):
            outcomes.append(one)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(RunStopped, match="sample s0: quota: HTTP 429: gone"):
        run_virtually(collect())
    assert len(kept.bodies) == 7
    assert kinds(outcomes) == {("answer", 1): 7, ("stopped", 1): 1, ("stopped", 0): 42}
