"""When one error ends the whole run."""

from __future__ import annotations

import asyncio

import pytest
from runs import executor
from scripted import Scripted, always, failing, jobs, overloaded, rate_limited, run, run_in_time, unreachable

from evalkit.errors import RequestError, RunStopped
from evalkit.records import Request

FATAL = ["authentication", "permission_denied", "not_found", "quota"]


@pytest.mark.parametrize("concurrency", [1, 4, 16])
@pytest.mark.parametrize("kind", FATAL)
def test_error_of_every_request_stops_the_run_at_the_first(kind: str, concurrency: int) -> None:
    model = Scripted(failing(RequestError(kind, "HTTP 4xx", fatal=True)))
    with pytest.raises(RunStopped, match=f"at sample s0: {kind}: HTTP 4xx") as caught:
        run(model, 1000, executor(concurrency))
    assert model.sent <= concurrency
    assert caught.value.exit_code == 5


def test_nothing_is_sent_by_those_who_wait_when_the_run_stops() -> None:
    """Sixty-four want a slot, half of them have one: no further one is used after the first 401."""
    model = Scripted(always(RequestError("authentication", "HTTP 401", fatal=True), seconds=0.1))
    with pytest.raises(RunStopped):
        run_in_time(model, jobs(1000), concurrency=64)
    assert model.sent == 32


def test_dead_server_stops_the_run_after_a_few_attempts() -> None:
    model = Scripted(always(unreachable()))
    with pytest.raises(RunStopped, match="5 attempts in a row reached no server: connection: nothing"):
        run_in_time(model, jobs(1000), concurrency=16)
    assert model.sent <= 16


def test_single_sample_and_a_dead_server_end_soon() -> None:
    model = Scripted(always(unreachable()))
    with pytest.raises(RunStopped):
        run_in_time(model, jobs(1))
    assert model.sent == 5


def test_server_that_starts_late_is_waited_for() -> None:
    model = Scripted(failing(unreachable(), unreachable()))
    [outcome] = run_in_time(model, jobs(1))
    assert outcome.response is not None


def test_server_that_restarts_is_waited_for() -> None:
    """Away from the 5th to the 45th second."""

    async def send(request: Request) -> bytes:
        await asyncio.sleep(0.1)
        if 5 < asyncio.get_running_loop().time() < 45:
            raise unreachable()
        return b"ok"

    outcomes = run_in_time(Scripted(send), jobs(1_000), concurrency=8)
    assert all(one.response is not None for one in outcomes)


def test_server_that_went_away_for_good_stops_the_run() -> None:
    async def send(request: Request) -> bytes:
        await asyncio.sleep(0.1)
        if asyncio.get_running_loop().time() > 5:
            raise unreachable()
        return b"ok"

    model = Scripted(send)
    with pytest.raises(RunStopped, match=r"attempts in a row over \d+ s reached no server"):
        run_in_time(model, jobs(100_000), concurrency=8)
    assert model.sent < 600


@pytest.mark.parametrize("error", [overloaded(), rate_limited(), RequestError("timeout", "", retryable=True)])
def test_server_that_answers_with_errors_is_there(error: RequestError) -> None:
    """Every sample gets its Failure; nothing says that the next would fail alike."""
    outcomes = run_in_time(Scripted(always(error)), jobs(50), concurrency=8)
    assert [one.failure and one.failure.kind for one in outcomes] == [error.kind] * 50
