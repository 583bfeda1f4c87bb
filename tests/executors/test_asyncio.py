"""The executor alone, on a scripted model: attempts, stops, and who is still running afterwards."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import Waits, executor
from scripted import Kept, Scripted, always, failing, jobs, overloaded, run

from evalkit.client.base import Reply
from evalkit.errors import CacheError, RequestError, RunStopped
from evalkit.records import Request, Response


@given(st.integers(0, 40), st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_every_job_has_exactly_one_outcome(n: int, concurrency: int) -> None:
    model = Scripted(failing())
    outcomes = run(model, n, executor(concurrency, adaptive=False))
    assert sorted(outcome.sample_id for outcome in outcomes) == sorted(job.sample_id for job in jobs(n))
    assert all(outcome.response and outcome.response.latency == 0.5 for outcome in outcomes)
    assert model.most <= concurrency
    assert model.most == min(n, concurrency)


def test_retryable_error_is_tried_again_until_it_answers() -> None:
    waits = Waits()
    model = Scripted(failing(overloaded(), overloaded()))
    [outcome] = run(model, 1, executor(attempts=3, waits=waits))
    assert outcome.response == Response("0", latency=0.5)
    assert (model.sent, len(waits.seconds)) == (3, 2)


def test_last_attempt_s_error_becomes_the_failure() -> None:
    waits = Waits()
    model = Scripted(failing(overloaded(), overloaded(), RequestError("timeout", "slow", retryable=True)))
    [outcome] = run(model, 1, executor(attempts=3, waits=waits))
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.message, outcome.failure.attempts) == ("timeout", "slow", 3)
    assert len(waits.seconds) == 2  # nothing waits after the last


def test_one_attempt_means_no_retry() -> None:
    model = Scripted(failing(overloaded()))
    [outcome] = run(model, 1, executor(attempts=1))
    assert outcome.failure is not None
    assert model.sent == 1


def test_final_error_is_not_tried_again() -> None:
    model = Scripted(failing(RequestError("bad_request", "HTTP 400")))
    [outcome] = run(model, 1)
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.attempts, model.sent) == ("bad_request", 1, 1)


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_fatal_error_stops_the_run_at_once(concurrency: int) -> None:
    model = Scripted(failing(RequestError("authentication", "HTTP 401: no", fatal=True)))
    with pytest.raises(RunStopped, match="authentication: HTTP 401: no"):
        run(model, 1000, executor(concurrency))
    assert model.sent <= concurrency


def test_fatal_error_in_the_middle_keeps_what_was_answered() -> None:
    async def send(request: Request) -> bytes:
        await asyncio.sleep(0)
        if request.body["id"] >= 100:
            raise RequestError("quota", "HTTP 429: gone", fatal=True)
        return b"ok"

    kept = Kept()
    model = Scripted(send)
    with pytest.raises(RunStopped, match="sample s10"):
        run(model, 1000, executor(4), kept)
    assert len(kept.bodies) == 100
    assert model.sent <= 100 + 4


def test_torn_body_is_tried_again_and_not_kept() -> None:
    kept = Kept()
    [outcome] = run(Scripted(always(b"torn")), 1, executor(attempts=3), kept)
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.attempts, kept.bodies) == ("bad_response", 3, [])


def test_withheld_answer_is_kept_as_what_it_is() -> None:
    kept = Kept()
    [outcome] = run(Scripted(always(b"filtered")), 1, None, kept)
    assert outcome.failure is not None
    assert (outcome.failure.kind, kept.bodies) == ("content_filter", [b"filtered"])


def test_slot_is_held_until_the_answer_is_durable() -> None:
    model = Scripted(always(b"ok"))
    open_ones = most = 0

    async def keep(request: Request, reply: Reply) -> None:
        nonlocal open_ones, most
        open_ones += 1
        most = max(most, open_ones + model.running)
        await asyncio.sleep(0)
        open_ones -= 1

    async def collect() -> None:
        assert len([one async for one in executor(3).run(jobs(50), model, keep)]) == 50

    asyncio.run(collect())
    assert most == 3


def test_cache_that_fails_stops_the_run() -> None:
    async def keep(request: Request, reply: Reply) -> None:
        raise CacheError("disk full")

    model = Scripted(always(b"ok"))

    async def collect() -> None:
        async for _ in executor(4).run(jobs(1000), model, keep):
            pass

    with pytest.raises(CacheError, match="disk full"):
        asyncio.run(collect())
    assert model.sent <= 4


def test_defect_in_a_model_is_raised_and_not_lost() -> None:
    async def send(request: Request) -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(Scripted(send), 10)


def test_request_cancelled_from_outside_ends_the_run_and_does_not_hang_it() -> None:
    async def send(request: Request) -> bytes:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run(Scripted(send), 10)


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_closing_the_stream_leaves_no_task_behind(taken: int) -> None:
    async def send(request: Request) -> bytes:
        if request.body["id"] >= 5:
            await asyncio.Event().wait()
        return b"ok"

    model = Scripted(send)

    async def collect() -> None:
        stream = executor(4).run(jobs(100), model, Kept())
        for _ in range(taken):
            await anext(stream)
        await stream.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(collect())
    assert model.running == 0


def test_cancelled_run_leaves_no_task_behind() -> None:
    full = asyncio.Event()

    async def send(request: Request) -> bytes:
        if model.running == 4:
            full.set()
        await asyncio.Event().wait()
        return b"never"

    model = Scripted(send)

    async def collect() -> None:
        async for _ in executor(4).run(jobs(100), model, Kept()):
            pass

    async def main() -> None:
        task = asyncio.create_task(collect())
        await full.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert (model.running, model.sent) == (0, 4)
