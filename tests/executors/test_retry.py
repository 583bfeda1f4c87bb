"""Which failures are tried again, when, and for how long."""

from __future__ import annotations

import pickle
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import Waits, executor
from scripted import (
    Kept,
    Scripted,
    always,
    failing,
    in_time,
    jobs,
    overloaded,
    rate_limited,
    run,
    run_in_time,
)
from virtual_time import clock, run_virtually

from evalkit.errors import RequestError
from evalkit.executors.retry import FIRST_WAIT, LONGEST_WAIT, Again, RetryPolicy, ceiling
from evalkit.records import Outcome

SEEDS = st.integers(0, 2**32)
SECONDS = st.floats(0, 5_000)


def failure_of(outcome: Outcome) -> tuple[str, str, int]:
    assert outcome.failure is not None
    return outcome.failure.kind, outcome.failure.message, outcome.failure.attempts


def test_ten_attempts_are_made() -> None:
    model = Scripted(always(overloaded()))
    [outcome] = run_in_time(model, jobs(1))
    assert failure_of(outcome) == ("server_error", "HTTP 503", 10)
    assert model.sent == 10


def test_waits_stay_under_a_doubling_ceiling_and_are_spread() -> None:
    """Full jitter: uniform between nothing and 0.5, 1, 2, … s, at most 60 s (Brooker, AWS, 2015)."""
    waits = Waits()
    run(Scripted(failing(*[overloaded()] * 11)), 50, executor(1, attempts=12, waits=waits))
    rounds = list(zip(*[iter(waits.seconds)] * 11, strict=True))
    assert len(rounds) == 50
    for place, seconds in enumerate(zip(*rounds, strict=True)):
        most = min(60.0, 0.5 * 2**place)
        assert 0 <= min(seconds) < 0.2 * most
        assert 0.8 * most < max(seconds) <= most


def test_waits_repeat_with_the_seed() -> None:
    def schedule(seed: int) -> list[float]:
        waits = Waits()
        run(Scripted(failing(overloaded(), overloaded())), 5, executor(1, waits=waits, seed=seed))
        return waits.seconds

    assert schedule(3) == schedule(3) != schedule(4)


@pytest.mark.parametrize("wish", [0.0, 0.25, 7.0, 120.0, 7_200.0])
def test_server_s_wish_is_never_cut_short(wish: float) -> None:
    waits = Waits()
    run(Scripted(failing(overloaded(wish))), 20, executor(1, waits=waits))
    assert len(waits.seconds) == 20
    assert all(wish <= seconds <= wish + FIRST_WAIT for seconds in waits.seconds)


def test_wishes_do_not_use_up_the_deadline() -> None:
    """Two minutes, nine times: a server that says when to come back is waited for."""
    model = Scripted(failing(*[rate_limited(120.0)] * 9))
    [outcome] = run_in_time(model, jobs(1), deadline=60.0)
    assert outcome.response is not None
    assert model.sent == 10


def test_wish_beyond_the_run_is_a_failure_that_says_so() -> None:
    model = Scripted(failing(rate_limited(3600.0)))
    [outcome] = run_in_time(model, jobs(1), run_deadline=1800.0)
    assert failure_of(outcome) == (
        "rate_limited",
        "HTTP 429 (the server asks to wait 3600 s, longer than executor.run_deadline leaves)",
        1,
    )


def test_after_such_a_wish_nothing_further_is_sent() -> None:
    model = Scripted(always(rate_limited(3600.0)))
    outcomes = run_in_time(model, jobs(500), concurrency=4, run_deadline=1800.0)
    assert model.sent <= 4
    assert {failure_of(one)[0] for one in outcomes} == {"rate_limited"}
    assert sum(failure_of(one)[2] == 0 for one in outcomes) >= 496
    assert "not asked: the server asks to wait 3600 s more" in failure_of(outcomes[-1])[1]


def test_request_is_given_up_at_its_deadline() -> None:
    """Each attempt takes 100 s: the seventh begins at 600 s at the latest, an eighth does not."""
    timeout = RequestError("timeout", "no answer", retryable=True, charged=True)
    model = Scripted(always(timeout, seconds=100.0))
    [outcome] = run_in_time(model, jobs(1))
    kind, message, attempts = failure_of(outcome)
    assert (kind, attempts) in {("timeout", 6), ("timeout", 7)}
    assert message.startswith(("no answer (tried for 6", "no answer (tried for 7"))
    assert message.endswith("s, longer than executor.deadline=600)")


def test_run_ends_at_its_deadline() -> None:
    """A hundred answers a second: after 30 s nothing is sent, and every sample has its outcome."""
    model = Scripted(always(b"ok", seconds=0.1))
    outcomes = run_in_time(model, jobs(5_000), concurrency=10, adaptive=False, run_deadline=30.0)
    answered = [one for one in outcomes if one.response is not None]
    assert len(answered) == model.sent
    assert 2_990 <= model.sent <= 3_010
    assert len(outcomes) == 5_000
    told = {failure_of(one) for one in outcomes if one.response is None}
    assert told == {("deadline", "not asked within executor.run_deadline=30 s; run again to go on", 0)}


def test_run_s_deadline_does_not_wait_for_the_rate_limit() -> None:
    """A thousand samples at one a second, ten seconds of time."""

    async def main() -> tuple[list[Outcome], float]:
        stream = in_time(rpm=60, run_deadline=10.0).run(iter(jobs(1_000)), Scripted(always(b"ok")), Kept())
        return [one async for one in stream], clock()

    outcomes, seconds = run_virtually(main())
    assert {one.failure.kind for one in outcomes if one.failure is not None} == {"deadline"}
    assert 10 <= sum(one.response is not None for one in outcomes) <= 11
    assert seconds <= 10.2


@pytest.mark.parametrize("kind", ["bad_request", "context_length", "content_filter"])
def test_error_that_waiting_does_not_cure_is_final(kind: str) -> None:
    model = Scripted(always(RequestError(kind, "no")))
    [outcome] = run_in_time(model, jobs(1))
    assert failure_of(outcome) == (kind, "no", 1)


@given(st.integers(1, 1_000_000))
def test_ceiling_doubles_up_to_a_minute(attempt: int) -> None:
    assert ceiling(attempt) == (FIRST_WAIT * 2 ** (attempt - 1) if attempt <= 7 else LONGEST_WAIT)


@given(
    attempts=st.integers(1, 30),
    deadline=st.floats(0.1, 1_000),
    run_deadline=st.floats(0.1, 20_000),
    steps=st.lists(st.tuples(st.floats(0, 130), st.none() | SECONDS), min_size=1, max_size=40),
    seed=SEEDS,
)
def test_schedule_keeps_to_attempts_deadline_and_run(
    attempts: int, deadline: float, run_deadline: float, steps: list[tuple[float, float | None]], seed: int
) -> None:
    """Whatever attempts take and servers ask for: no wait too short, no attempt too many or too late."""
    policy, rng = RetryPolicy(attempts, deadline), random.Random(seed)
    now = spent = 0.0
    begun = 0
    for took, wish in steps:
        assert now < run_deadline
        assert spent <= deadline + 1e-6
        begun += 1
        now += took
        spent += took
        again = policy.decide(overloaded(wish), begun, spent=spent, left=run_deadline - now, rng=rng)
        if isinstance(again, str):
            assert begun == attempts or spent >= deadline or (wish or 0) + LONGEST_WAIT >= run_deadline - now
            break
        assert again.wish == (wish or 0)
        assert 0 <= again.pause <= ceiling(begun)
        now += again.seconds
        spent += again.pause
    assert begun <= attempts


@given(SEEDS)
def test_last_attempt_before_the_deadline_is_not_lost(seed: int) -> None:
    again = RetryPolicy(10, 600.0).decide(overloaded(), 9, spent=599.0, left=1e9, rng=random.Random(seed))
    assert isinstance(again, Again)
    assert again.seconds <= 1.0


def test_request_error_keeps_its_fields_when_pickled() -> None:
    """Executors in other processes send them home."""
    error = RequestError("rate_limited", message="HTTP 429", retryable=True, retry_after=7.0, charged=True)
    told = pickle.loads(pickle.dumps(error))
    assert vars(told) == vars(error)
    assert str(told) == "rate_limited: HTTP 429"
