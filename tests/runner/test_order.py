"""Which outcomes a run brings, and in which order."""

from __future__ import annotations

import random
import threading

import pytest
from collecting import run
from fake_openai import FakeOpenAI, Fault, FaultPlan
from runs import executor, model_at, numbered, task_of, texts

from evalkit.cache.base import Mode
from evalkit.cache.sqlite import SqliteCache
from evalkit.runner import Progress, collect


def test_outcomes_stand_in_dataset_order_trials_together() -> None:
    rng = random.Random(1)
    with FakeOpenAI(latency=lambda _: rng.random() / 100) as server:
        collected = run(server, numbered(20), trials=2)
    places = [(outcome.sample_id, outcome.trial) for outcome in collected.outcomes]
    assert places == [(f"s{number}", trial) for number in range(20) for trial in range(2)]
    assert len({outcome.prompt_hash for outcome in collected.outcomes}) == 20


def test_as_many_requests_as_allowed_are_in_flight_and_no_more() -> None:
    with FakeOpenAI() as server:
        with server.hold():
            thread = threading.Thread(
                target=run, args=(server, numbered(300)), kwargs={"concurrency": 100, "adaptive": False}
            )
            thread.start()
            server.wait(in_flight=100)
        thread.join(30)
        assert (server.count, server.max_in_flight) == (300, 100)


def test_equal_samples_are_asked_once_and_each_has_its_outcome() -> None:
    seen: list[Progress] = []
    with FakeOpenAI() as server:
        collected = run(server, task_of(["same", "other", "same", "same"]), listen=seen.append)
        assert server.count == 2
    first, other, *twins = collected.outcomes
    assert first.response == twins[0].response == twins[1].response != other.response
    assert [outcome.sample_id for outcome in collected.outcomes] == ["s0", "s1", "s2", "s3"]
    # A twin was not paid for: it counts as cached, and its tokens once.
    assert [outcome.cached for outcome in collected.outcomes] == [False, False, True, True]
    usages = [one.response.usage for one in (first, other) if one.response and one.response.usage]
    assert seen[-1].prompt_tokens == sum(usage.prompt for usage in usages)
    assert (seen[-1].total, seen[-1].done, seen[-1].cached, seen[-1].failed) == (4, 4, 2, 0)


@pytest.mark.parametrize("warm", [[], ["b", "c"]])
def test_tokens_are_those_of_the_answers_each_counted_once(warm: list[str], cache: SqliteCache) -> None:
    """Whether an answer is asked for here, was there, or is that of an equal sample."""
    with FakeOpenAI() as server:
        if warm:
            run(server, task_of(warm), cache)
        collected = run(server, task_of(["a", "b", "a", "b", "c"]), cache)
    by_key = {one.request_key: one for one in reversed(collected.outcomes)}
    assert len(by_key) == 3
    once = [(one.response.usage, one.cached) for one in by_key.values() if one.response]
    for fresh in (False, True):
        wanted = [usage for usage, cached in once if usage and not (fresh and cached)]
        found = collected.totals.tokens.total(fresh=fresh)
        assert found.prompt == sum(usage.prompt for usage in wanted)
        assert found.completion == sum(usage.completion for usage in wanted)
    assert collected.totals.tokens.total().prompt
    assert collected.totals.counts == {
        "requests": 5,
        "answered": 5,
        "failed": 0,
        "cached": 4 if warm else 2,
        "cut_off": 0,
        "refused": 0,
    }


def test_equal_samples_fail_together_under_their_own_names() -> None:
    with FakeOpenAI(faults=FaultPlan.always(Fault.status(422))) as server:
        collected = run(server, task_of(["same", "same"]))
        assert server.count == 1
    assert [one.failure and one.failure.sample_id for one in collected.outcomes] == ["s0", "s1"]
    assert not any(one.cached for one in collected.outcomes)


def test_progress_tells_every_outcome(cache: SqliteCache) -> None:
    with FakeOpenAI(faults=FaultPlan.matching("question 5", Fault.status(422), always=True)) as server:
        run(server, numbered(3), cache)
        seen: list[Progress] = []
        collected = run(server, numbered(8), cache, listen=seen.append)
    assert [progress.done for progress in seen] == list(range(1, 9))
    last = seen[-1]
    assert (last.total, last.done, last.cached, last.failed) == (8, 8, 3, 1)
    fresh = [one.response for one in collected.outcomes if one.response and not one.cached]
    assert last.completion_tokens == sum(one.usage.completion for one in fresh if one.usage)


def test_requests_to_send_are_said_first_and_equal_ones_once(cache: SqliteCache) -> None:
    said: list[str] = []
    with FakeOpenAI() as server:
        run(server, task_of(["a"]), cache)
        task = task_of(["a", "b", "b", "c"])
        collect(task, model_at(server), executor(), cache, mode=Mode.RW, say=said.append)
        assert server.count == 3
    assert said == ["echo: 2 requests to send, 1 answers are in the cache"]


def test_prompt_of_three_megabytes_is_asked(cache: SqliteCache) -> None:
    with FakeOpenAI(answer="ok") as server:
        assert texts(run(server, task_of(["x" * 3_000_000, "short"]), cache)) == ["ok", "ok"]
