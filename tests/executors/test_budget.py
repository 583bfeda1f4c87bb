"""An executor with a budget: nothing is sent that it does not cover, and nothing it covers is left out."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import Kept, Scripted, always, failing, in_time, jobs, overloaded, rate_limited, run_in_time
from virtual_time import clock, run_virtually

from evalkit.errors import RequestError
from evalkit.records import Outcome, Request, Usage

WORST = 10


class Tokens:
    """A budget of tokens whose worst case is ten a request."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.spent = self.reserved = 0
        self.settled: list[Usage | None] = []

    def reserve(self, request: Request) -> bool:
        if self.spent + self.reserved + WORST > self.total:
            return False
        self.reserved += WORST
        return True

    def settle(self, request: Request, usage: Usage | None) -> None:
        self.reserved -= WORST
        self.spent += WORST if usage is None else usage.prompt + usage.completion
        self.settled.append(usage)


def kinds(outcomes: list[Outcome]) -> list[tuple[str, int]]:
    return [(one.failure.kind, one.failure.attempts) for one in outcomes if one.failure is not None]


@given(total=st.integers(0, 400), concurrency=st.integers(1, 20), used=st.integers(1, WORST))
@settings(max_examples=40, deadline=None)
def test_all_that_is_covered_is_asked_and_no_more(total: int, concurrency: int, used: int) -> None:
    """The last request is sent when ten tokens are left, however many others had reserved theirs."""
    budget = Tokens(total)
    model = Scripted(always(f"ok:{used}".encode(), seconds=1.0))
    outcomes = run_in_time(model, jobs(50), concurrency=concurrency, budget=budget)
    covered = min(50, max(0, (total - WORST) // used + 1))
    assert model.sent == covered
    assert budget.spent == covered * used <= total
    assert kinds(outcomes) == [("over_budget", 0)] * (50 - covered)
    assert len(outcomes) == 50


def test_what_is_not_covered_does_not_wait_for_the_rate_limit() -> None:
    """A thousand samples at one a second, three of them paid for: over after three seconds."""

    async def main() -> tuple[list[Outcome], float]:
        stream = in_time(Tokens(30), rpm=60).run(iter(jobs(1_000)), Scripted(always(b"ok:10")), Kept())
        return [one async for one in stream], clock()

    outcomes, seconds = run_virtually(main())
    assert len(kinds(outcomes)) == 997
    assert seconds <= 4


@pytest.mark.parametrize(
    ("error", "charged"),
    [
        (overloaded(), False),
        (rate_limited(), False),
        (RequestError("timeout", "no answer", retryable=True, charged=True), True),
    ],
)
def test_attempt_that_may_have_been_charged_counts_at_its_worst(
    error: RequestError, *, charged: bool
) -> None:
    budget = Tokens(1000)
    run_in_time(Scripted(failing(error)), jobs(1), budget=budget)
    first, second = budget.settled
    assert first == (None if charged else Usage())
    assert second is None  # an answer without usage
    assert budget.reserved == 0


def test_torn_body_may_have_been_charged() -> None:
    budget = Tokens(1000)
    run_in_time(Scripted(always(b"torn")), jobs(1), budget=budget, attempts=3)
    assert budget.settled == [None] * 3


def test_retries_are_paid_from_the_budget_too() -> None:
    """Timed out twice at ten tokens each, and a third attempt is not covered."""
    budget = Tokens(25)
    model = Scripted(always(RequestError("timeout", "no answer", retryable=True, charged=True)))
    [outcome] = run_in_time(model, jobs(1), budget=budget)
    assert kinds([outcome]) == [("over_budget", 2)]
    assert (model.sent, budget.spent) == (2, 20)


def test_interrupted_attempts_count_at_their_worst() -> None:
    """Four are in flight when the run is cancelled: the server may answer them, and charge for it."""
    budget = Tokens(1000)
    model = Scripted(always(b"ok", seconds=3600.0))

    async def interrupted() -> None:
        async for _ in in_time(budget, concurrency=4).run(iter(jobs(100)), model, Kept()):
            raise AssertionError("nothing is answered")

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(interrupted(), 60.0)

    run_virtually(main())
    assert (budget.settled, budget.reserved) == ([None] * 4, 0)


def test_defect_in_a_model_leaves_nothing_reserved() -> None:
    async def send(request: Request) -> bytes:
        raise ZeroDivisionError

    budget = Tokens(1000)
    with pytest.raises(ZeroDivisionError):
        run_in_time(Scripted(send), jobs(10), budget=budget)
    assert budget.reserved == 0
