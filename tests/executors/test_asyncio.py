"""The executor alone, on a scripted model: attempts, waits, stops, and who is still running afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import Waits, executor

from evalkit.client.base import Prices, Reply
from evalkit.errors import CacheError, RequestError, RunStopped
from evalkit.executors.asyncio import FIRST_WAIT, LONGEST_WAIT, LONGEST_WISH, AsyncioExecutor
from evalkit.executors.base import Job
from evalkit.records import Message, Outcome, Request, Response, Sample

Send = Callable[[Request], Awaitable[bytes]]


class Scripted:
    """A model whose answers are the test's."""

    name = "scripted"
    needs_prompt = True
    cacheable = True
    prices: Prices | None = None
    identity = "scripted"
    settings: Mapping[str, Any] = {}

    def __init__(self, send: Send) -> None:
        self._send = send
        self.sent = 0
        self.running = 0
        self.most = 0

    def check(self, samples: Sequence[Sample]) -> None:
        pass

    def request(
        self, sample: Sample, messages: Sequence[Message], answer_schema: Mapping[str, Any] | None, trial: int
    ) -> Request:
        return Request("scripted", "none", {"id": sample.id}, trial)

    def parse(self, request: Request, body: bytes) -> Response:
        if body == b"filtered":
            raise RequestError("content_filter", "withheld")
        if body == b"torn":
            raise RequestError("bad_response", "torn", retryable=True)
        return Response(body.decode())

    async def send(self, request: Request) -> Reply:
        self.sent += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return Reply(await self._send(request), 0.5)
        finally:
            self.running -= 1

    async def close(self) -> None:
        pass


def jobs(n: int) -> list[Job]:
    return [Job(f"s{number}", 0, Request("scripted", "none", {"id": number})) for number in range(n)]


def failing(*errors: RequestError | None) -> Send:
    """Each request meets these errors on its first, second, … attempt (None: an answer), then answers."""
    attempts: dict[str, int] = {}

    async def send(request: Request) -> bytes:
        attempt = attempts[request.key] = attempts.get(request.key, 0) + 1
        await asyncio.sleep(0)
        error = errors[attempt - 1] if attempt <= len(errors) else None
        if error is not None:
            raise error
        return str(request.body["id"]).encode()

    return send


def always(body: bytes) -> Send:
    async def send(request: Request) -> bytes:
        await asyncio.sleep(0)
        return body

    return send


def overloaded(retry_after: float | None = None) -> RequestError:
    return RequestError("server_error", "HTTP 503", retryable=True, retry_after=retry_after)


class Kept:
    """Remembers what was made durable."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, request: Request, reply: Reply) -> None:
        await asyncio.sleep(0)
        self.bodies.append(reply.body)


def run(
    model: Scripted, n: int, chosen: AsyncioExecutor | None = None, keep: Kept | None = None
) -> list[Outcome]:
    async def collect() -> list[Outcome]:
        stream = (chosen or executor()).run(iter(jobs(n)), model, keep or Kept())
        outcomes = [outcome async for outcome in stream]
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return outcomes

    return asyncio.run(collect())


@given(st.integers(0, 40), st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_every_job_has_exactly_one_outcome(n: int, concurrency: int) -> None:
    model = Scripted(failing())
    outcomes = run(model, n, executor(concurrency))
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


def test_waits_stay_under_a_doubling_ceiling_and_are_spread() -> None:
    """Full jitter: uniform between nothing and 0.5, 1, 2, … s, at most 60 s (Brooker, AWS, 2015)."""
    waits = Waits()
    run(Scripted(failing(*[overloaded()] * 11)), 50, executor(1, attempts=12, waits=waits))
    rounds = list(zip(*[iter(waits.seconds)] * 11, strict=True))
    assert len(rounds) == 50
    for place, seconds in enumerate(zip(*rounds, strict=True)):
        ceiling = min(LONGEST_WAIT, FIRST_WAIT * 2**place)
        assert 0 <= min(seconds) < 0.2 * ceiling
        assert 0.8 * ceiling < max(seconds) <= ceiling


def test_waits_repeat_with_the_seed() -> None:
    def schedule(seed: int) -> list[float]:
        waits = Waits()
        run(Scripted(failing(overloaded(), overloaded())), 5, AsyncioExecutor(1, 5, seed, waits))
        return waits.seconds

    assert schedule(3) == schedule(3) != schedule(4)


@pytest.mark.parametrize("wish", [0.0, 0.25, 7.0, LONGEST_WISH])
def test_server_s_wish_is_never_cut_short(wish: float) -> None:
    waits = Waits()
    run(Scripted(failing(overloaded(wish))), 20, executor(1, waits=waits))
    assert len(waits.seconds) == 20
    assert all(wish <= seconds <= wish + FIRST_WAIT for seconds in waits.seconds)


def test_wish_of_an_hour_is_a_failure_that_says_so() -> None:
    """A run must not hang for a day's quota; the official client gives up above 120 s too."""
    waits = Waits()
    model = Scripted(failing(RequestError("rate_limited", "HTTP 429", retryable=True, retry_after=3600)))
    [outcome] = run(model, 1, executor(waits=waits))
    assert outcome.failure is not None
    assert outcome.failure.message == "HTTP 429 (the server asks to wait 3600 s)"
    assert (model.sent, waits.seconds) == (1, [])


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
