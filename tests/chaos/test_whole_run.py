"""Faults of all kinds at once, and those that end a run."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from collecting import RETRYABLE
from fake_openai import FakeOpenAI, Fault, FaultPlan
from faulty_runs import CACHE, Asked, ask, requests, samples, stopped

from evalkit import run
from evalkit.cache.verification import verify
from evalkit.errors import RunStopped

if TYPE_CHECKING:
    from commands import Commands, Ran

N = 60
NAMES = [f"s{number}" for number in range(N)]
# Names of what differs between two runs of the same: times, and where an answer came from.
TIMES = {"latency", "cached", "cost"}
FATAL = {
    "401": ("authentication", "check the API key in the variable that model.api_key_env names"),
    "402": ("quota", "check the account's plan and billing"),
    "403": ("permission_denied", "check what this API key may use"),
    "404": ("not_found", "check model.name and model.base_url"),
    "insufficient_quota": ("quota", "check the account's plan and billing"),
}


def lines(asked: Asked) -> list[dict[str, Any]]:
    return [{key: value for key, value in one.items() if key not in TIMES} for one in asked.samples.values()]


def stop(ran: Ran) -> str:
    """The one line that ends a stopped run."""
    assert ran.code == 5
    assert ran.err.count("evalkit: ") == 1, ran.err
    assert "Traceback" not in ran.err
    return ran.err.splitlines()[-1].removeprefix("evalkit: ")


@pytest.mark.parametrize("seed", range(3))
def test_run_through_faults_ends_as_one_without(seed: int, evalkit: Commands) -> None:
    """Half of the samples meet two of all the faults there are, drawn from a seed, and are then answered."""
    samples(NAMES)
    with FakeOpenAI() as server:
        clean = ask(evalkit, server, "cache=off")
        retry_soon = [
            Fault.status(status, headers=headers)
            for status in (429, 503)
            for headers in ({"retry-after": "0"}, {"retry-after-ms": "20"})
        ]
        server.settings.faults = FaultPlan.seeded(
            seed, 0.5, [*RETRYABLE, *retry_soon, "stall:9", "slow_body:20"], only_first_attempts=2
        )
        server.reset()
        asked = ask(evalkit, server, "executor.concurrency=30", "executor.attempts=10")
        assert lines(asked) == lines(clean)
        assert asked.report["metrics"] == clean.report["metrics"]
        assert asked.report["usage"] == clean.report["usage"]
        assert asked.ran.code == clean.ran.code == 0
        assert server.count - N > N / 3
        assert asked.kept == set(NAMES)
        assert verify(CACHE, lambda _: None).clean
        assert not ask(evalkit, server).requests


@pytest.mark.parametrize("name", FATAL)
def test_error_that_every_request_would_meet_ends_the_run_in_one_line(name: str, evalkit: Commands) -> None:
    samples(NAMES)
    with FakeOpenAI(faults=FaultPlan.always(Fault.named(name))) as server:
        ran = stopped(evalkit, server, "executor.concurrency=4")
        assert 1 <= server.count <= 4
        assert set(requests(server).values()) == {1}
    kind, remedy = FATAL[name]
    assert re.match(rf"the run stopped at sample s\d+: {kind}: HTTP 4", stop(ran))
    assert remedy in stop(ran)
    assert not list(Path("results").rglob("report.json"))


def test_python_is_told_the_same(evalkit: Commands) -> None:
    samples(["a"])
    with FakeOpenAI(faults=FaultPlan.always(Fault.status(401))) as server:
        words = ("task=qa", "dataset=jsonl", "dataset.path=samples.jsonl", "dataset.input.question=question")
        with pytest.raises(RunStopped, match="authentication: HTTP 401"):
            run(*words, "dataset.target=target", "model=openai", f"model.base_url={server.base_url}")


def test_quota_that_ends_half_way_costs_nothing_twice(evalkit: Commands) -> None:
    samples(NAMES)
    with FakeOpenAI(
        "yes", faults=lambda index, _: Fault.insufficient_quota() if index >= 30 else None
    ) as server:
        ran = stopped(evalkit, server, "executor.concurrency=4")
        assert (ran.code, "at sample" in ran.err) == (5, True)
        first = requests(server)
        assert 30 < first.total() <= 34
        server.settings.faults = ()
        again = ask(evalkit, server)
        answered = [one for one in server.requests if one.status == 200]
    assert again.ran.code == 0
    # Whatever reached the disk before the stop is not asked again; four were in flight.
    assert N - 30 <= again.requests.total() <= N - 30 + 4
    assert len(answered) <= N + 4
    assert again.kept == set(NAMES)


def test_nobody_at_the_address_ends_the_run_after_one_attempt(evalkit: Commands) -> None:
    samples(NAMES)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with FakeOpenAI() as server:
            ran = stopped(evalkit, server, f"model.base_url={url}")
            assert server.count == 0
    assert f"nothing listens at {url}; start the server, or check model.base_url" in stop(ran)


def test_host_that_does_not_exist_ends_the_run(evalkit: Commands) -> None:
    samples(NAMES)
    with FakeOpenAI() as server:
        ran = stopped(evalkit, server, "model.base_url=http://nowhere.invalid/v1", "executor.attempts=10")
    assert re.search(r"\d+ attempts in a row reached no server: connection", stop(ran))


def test_answer_that_comes_too_late_is_nobodys(evalkit: Commands) -> None:
    """Each first attempt would be answered in its second second. On a connection used further, that answer
    would be taken for the next question's."""
    samples(NAMES[:5])
    with FakeOpenAI() as server:
        clean = ask(evalkit, server, "cache=off", "executor.concurrency=1")
        server.settings.faults = FaultPlan.attempts(Fault.stall(1.5))
        server.reset()
        asked = ask(evalkit, server, "executor.concurrency=1", "model.timeout=1")
        assert [one.fault for one in server.requests] == ["stall", None] * 5
    assert lines(asked) == lines(clean)
    assert asked.report["usage"] == clean.report["usage"]
    assert asked.report["timing"]["sending"]["failed_attempts"] == {"timeout": 5}
    assert asked.kept == set(NAMES[:5])


def test_server_that_asks_to_wait_longer_than_the_run_lasts_fails_at_once(evalkit: Commands) -> None:
    """Nobody sleeps an hour for a run that may last half of one."""
    samples(["a", "b"])
    with FakeOpenAI(faults=FaultPlan.always(Fault.status(429, retry_after=3600))) as server:
        asked = ask(evalkit, server, "executor.run_deadline=1800")
        assert server.count <= 2
    assert asked.ran.code == 5
    assert {kind for kind, _ in asked.failures.values()} == {"rate_limited"}
    messages = " ".join(one["failure"]["message"] for one in asked.samples.values())
    assert "the server asks to wait 3600 s" in messages
    assert "executor.run_deadline" in messages
