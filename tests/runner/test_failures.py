"""What becomes of requests that fail: answers all the same, counted failures, or a stopped run."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest
from collecting import RETRYABLE, kept, run
from fake_openai import FakeOpenAI, Fault, FaultPlan, Occasion, RateLimits
from runs import KEY, KEY_ENV, Waits, executor, failure_kinds, model_at, numbered, text, texts

from evalkit.cache.base import Mode
from evalkit.cache.sqlite import SqliteCache
from evalkit.errors import CacheError, ModelError, RunStopped
from evalkit.runner import Collected, Progress, collect


@pytest.mark.parametrize("seed", range(3))
def test_faults_do_not_change_the_answers(seed: int, cache: SqliteCache) -> None:
    task = numbered(60)
    with FakeOpenAI() as server:
        clean = texts(run(server, task))
    plan = FaultPlan.seeded(seed, 0.6, RETRYABLE, only_first_attempts=4)
    with FakeOpenAI(faults=plan) as server:
        assert texts(run(server, task, cache)) == clean
        assert server.count > 60
    assert kept(cache) == 60


@pytest.mark.parametrize("name", RETRYABLE)
def test_lasting_fault_is_a_failure_never_an_empty_answer_and_never_kept(
    name: str, cache: SqliteCache
) -> None:
    plan = FaultPlan.matching("question 1", Fault.named(name), always=True)
    with FakeOpenAI(faults=plan) as server:
        collected = run(server, numbered(3), cache, attempts=3)
        assert [kind is None for kind in failure_kinds(collected)] == [True, False, True]
        failure = collected.outcomes[1].failure
        assert failure is not None
        assert (failure.sample_id, failure.trial, failure.attempts) == ("s1", 0, 3)
        assert server.count == 5
        assert kept(cache) == 2

        server.settings.faults = ()
        server.reset()
        assert failure_kinds(run(server, numbered(3), cache)) == [None] * 3
        assert server.count == 1


@pytest.mark.parametrize(
    "fault",
    [Fault.context_length_exceeded(), Fault.content_filter(), Fault.status(422)],
    ids=lambda f: f.kind,
)
def test_refused_request_costs_one_attempt_and_only_its_sample(fault: Fault, cache: SqliteCache) -> None:
    with FakeOpenAI(faults=FaultPlan.matching("question 1", fault, always=True)) as server:
        collected = run(server, numbered(3), cache)
        assert [kind is None for kind in failure_kinds(collected)] == [True, False, True]
        assert server.count == 3
    assert kept(cache) == 2


FATAL = [Fault.status(401), Fault.status(403), Fault.status(404), Fault.insufficient_quota()]


@pytest.mark.parametrize("fault", FATAL, ids=lambda fault: fault.kind)
def test_fatal_error_stops_the_run_after_what_was_in_flight(fault: Fault) -> None:
    with FakeOpenAI(faults=FaultPlan.always(fault)) as server:
        with pytest.raises(RunStopped, match="HTTP 4"):
            run(server, numbered(300), concurrency=8)
        assert server.count <= 8


def test_quota_that_ends_half_way_keeps_what_was_paid_for(cache: SqliteCache) -> None:
    with FakeOpenAI(faults=lambda index, _: Fault.insufficient_quota() if index >= 100 else None) as server:
        with pytest.raises(RunStopped, match="quota"):
            run(server, numbered(300), cache, concurrency=4)
        first = server.count
        assert 100 < first <= 104
        assert 96 <= kept(cache) <= 100
        before = kept(cache)
        server.settings.faults = ()
        run(server, numbered(300), cache)
        # An answer whose waiter was cancelled may reach the disk after it was counted: kept all the same.
        assert 300 - 100 <= server.count - first <= 300 - before


def test_slow_first_answer_is_dropped_and_the_second_counts_once(cache: SqliteCache) -> None:
    """The first attempt times out; what the server does with it afterwards is nobody's outcome."""
    seen: list[Progress] = []
    with FakeOpenAI(faults=FaultPlan.attempts(Fault.stall())) as server:
        model = model_at(server, timeout=0.3)
        collected = collect(numbered(5), model, executor(), cache, mode=Mode.RW, listen=seen.append)
        assert server.count == 10
    answers = [one.response for one in collected.outcomes if one.response is not None]
    assert len(answers) == len(collected.outcomes) == kept(cache) == seen[-1].done == 5
    assert seen[-1].completion_tokens == sum(one.usage.completion for one in answers if one.usage)
    assert collected.timing["attempts"] == 10
    assert collected.timing["failed_attempts"] == {"timeout": 5}


def test_2000_samples_with_30_percent_faults_end_as_without_them() -> None:
    """Each attempt meets a fault with probability 0.3, five samples always; all others are answered.

    An attempt succeeds with 0.7, so 1,995 samples take 2,850 requests, and five take ten each: 1.45 a sample.
    """
    kinds = [*RETRYABLE, "stall:3600", "429", "429"]
    hopeless = {f"s{number}" for number in range(0, 2_000, 400)}

    def fault(occasion: Occasion) -> Fault | None:
        draw = random.Random(f"{occasion.key}:{occasion.attempt}")
        number = occasion.body["messages"][0]["content"].rpartition(" ")[2]
        if f"s{number}" in hopeless or draw.random() < 0.3:
            return Fault.named(draw.choice(kinds))
        return None

    def ask(server: FakeOpenAI) -> Collected:
        model = model_at(server, timeout=0.5, connections=64)
        return collect(numbered(2_000), model, executor(64, attempts=10), None, mode=Mode.OFF)

    with FakeOpenAI(keep_bodies=False) as server:
        clean = texts(ask(server))
    with FakeOpenAI(faults=FaultPlan(fault), keep_bodies=False) as server:
        collected = ask(server)
        assert server.count <= 1.6 * 2_000
    failed = {one.sample_id: one.failure for one in collected.outcomes if one.failure is not None}
    assert set(failed) == hopeless
    assert {one.attempts for one in failed.values()} == {10}
    for outcome, expected in zip(collected.outcomes, clean, strict=True):
        assert outcome.failure is not None or text(outcome) == expected


def test_server_that_is_not_there_ends_the_run_at_once() -> None:
    """A name that no resolver knows, asked by a thousand samples."""
    with pytest.raises(RunStopped, match="5 attempts in a row reached no server"):
        collect(numbered(1_000), model_at("http://nowhere.invalid/v1"), executor(16), None, mode=Mode.OFF)


def test_announced_limits_reach_the_report() -> None:
    with FakeOpenAI(limits=RateLimits(rpm=60_000, tpm=6_000_000)) as server:
        assert run(server, numbered(20)).timing["limits"] == {"rpm": 60_000, "tpm": 6_000_000}


def test_wrong_key_is_not_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeOpenAI(api_key="sk-another") as server, pytest.raises(RunStopped) as caught:
        run(server, numbered(3))
    assert KEY[8:-4] not in str(caught.value)
    assert "model.api_key_env" in str(caught.value)


def test_cache_that_cannot_be_written_stops_the_run(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path / "sub" / "cache.sqlite", patience=0.05)
    holder = sqlite3.connect(cache.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with FakeOpenAI() as server:
        with pytest.raises(CacheError, match="another program holds"):
            run(server, numbered(300), cache, concurrency=4)
        assert server.count <= 8
    holder.close()
    cache.close()


def test_waits_of_a_limited_server_are_honoured() -> None:
    waits = Waits()
    limited = FaultPlan.attempts(
        Fault.status(429, retry_after=7), Fault.status(429, headers={"retry-after-ms": "90"})
    )
    with FakeOpenAI(faults=limited) as server:
        collect(numbered(1), model_at(server), executor(waits=waits), None, mode=Mode.OFF)
    long, short = waits.seconds
    assert 7 <= long <= 7.5
    assert 0.09 <= short <= 1.09


def test_missing_key_stops_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, cache: SqliteCache
) -> None:
    monkeypatch.delenv(KEY_ENV)
    model = model_at("https://api.openai.com/v1")
    with pytest.raises(ModelError, match=KEY_ENV):
        collect(numbered(50), model, executor(), cache, mode=Mode.RW)
    assert kept(cache) == 0
