"""Retries, limits and endings of the asyncio executor, through collect() and real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from fake_openai import FakeOpenAI, Fault, FaultPlan

from evalkit.cache.base import Mode
from evalkit.cache.sqlite import SqliteCache
from evalkit.client.api import ApiModel
from evalkit.client.chat import ChatCompletions
from evalkit.datasets.base import Dataset
from evalkit.errors import ReplayMiss, RunStopped
from evalkit.executors.asyncio import AsyncioExecutor
from evalkit.postprocess import Pipeline
from evalkit.prompts import Prompt
from evalkit.records import Sample
from evalkit.runner import Collected, Progress, collect
from evalkit.task import Task

waited: list[float] = []


async def no_wait(seconds: float) -> None:
    """A clock that runs on its own: what would be waited is noted."""
    waited.append(seconds)
    await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    waited.clear()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")


def task(texts: Sequence[str]) -> Task:
    samples = tuple(Sample(f"s{number}", {"text": text}, "x") for number, text in enumerate(texts))
    return Task("t", Dataset("d", samples, "f"), Prompt("p", "{{ text }}"), Pipeline([]), {})


def ask(
    server: FakeOpenAI,
    texts: Sequence[str],
    cache: SqliteCache | None = None,
    *,
    mode: Mode = Mode.RW,
    concurrency: int = 8,
    attempts: int = 5,
    trials: int = 1,
    seen: list[Progress] | None = None,
) -> Collected:
    model = ApiModel(ChatCompletions(), name="gpt-4o", base_url=server.base_url, connections=concurrency)
    executor = AsyncioExecutor(concurrency, attempts, sleep=no_wait)
    listen = (lambda _: None) if seen is None else seen.append
    return collect(task(texts), model, executor, cache, mode=mode, trials=trials, listen=listen)


def answers(found: Collected) -> list[str | None]:
    return [one.response.text if one.response else None for one in found.outcomes]


TEXTS = [f"text {number}" for number in range(60)]


def test_faults_that_pass_leave_the_same_answers() -> None:
    kinds = [
        "429",
        "500",
        "503",
        "drop_before",
        "drop_in_body",
        "truncated_json",
        "html_200",
        "empty_200",
        "choices_null",
    ]
    with FakeOpenAI() as server:
        clean = answers(ask(server, TEXTS))
    with FakeOpenAI(faults=FaultPlan.seeded(3, 0.4, kinds, only_first_attempts=2)) as server:
        found = ask(server, TEXTS)
        assert server.count > len(TEXTS)
    assert answers(found) == clean
    assert None not in clean


def test_request_that_keeps_failing_is_a_counted_failure() -> None:
    with FakeOpenAI(faults=FaultPlan.matching("text 7", Fault.status(500), always=True)) as server:
        found = ask(server, TEXTS[:10], attempts=4)
        assert server.count == 9 + 4
    failure = found.outcomes[7].failure
    assert failure is not None
    assert (failure.kind, failure.attempts, failure.sample_id) == ("server_error", 4, "s7")
    assert all(one.response for place, one in enumerate(found.outcomes) if place != 7)


def test_waits_grow_and_heed_the_server() -> None:
    with FakeOpenAI(faults=FaultPlan.always(Fault.status(500))) as server:
        ask(server, TEXTS[:1], attempts=5)
    assert len(waited) == 4
    assert all(wait <= 0.5 * 2**place for place, wait in enumerate(waited))
    waited.clear()
    with FakeOpenAI(faults=[Fault.status(429, retry_after=9)]) as server:
        ask(server, TEXTS[:1])
    assert 9 <= waited[0] <= 9.5


@pytest.mark.parametrize("fault", [Fault.status(401), Fault.insufficient_quota(), Fault.status(404)])
def test_what_no_request_survives_stops_the_run_at_once(fault: Fault) -> None:
    with FakeOpenAI(faults=FaultPlan.always(fault), latency=0.01) as server:
        with pytest.raises(RunStopped, match="s"):
            ask(server, TEXTS, concurrency=4)
        assert server.count <= 8  # those in flight, and those that took their slots before it was known
    assert not waited


def test_bad_request_is_not_tried_again() -> None:
    with FakeOpenAI(faults=FaultPlan.always(Fault.context_length_exceeded())) as server:
        found = ask(server, TEXTS[:5])
        assert server.count == 5
    assert {one.failure.kind for one in found.outcomes if one.failure} == {"context_length"}


def test_concurrency_is_reached_and_not_exceeded() -> None:
    with FakeOpenAI(latency=0.02) as server:
        ask(server, TEXTS, concurrency=6)
        assert server.max_in_flight == 6


def test_equal_samples_are_asked_once_and_trials_apart(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path / "c.sqlite")
    with FakeOpenAI() as server:
        found = ask(server, ["same"] * 5 + ["other"], cache, trials=2)
        assert server.count == 4
        again = ask(server, ["same"] * 5 + ["other"], cache, trials=3)
        assert server.count == 6  # only the third trial is new
    assert len(found.outcomes) == 12
    assert len(again.outcomes) == 18
    assert [(one.sample_id, one.trial) for one in found.outcomes[:3]] == [("s0", 0), ("s0", 1), ("s1", 0)]
    cache.close()


def test_transient_failures_are_not_kept_and_final_ones_are(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path / "c.sqlite")
    plan = FaultPlan.matching("text 1", Fault.status(500), always=True)
    with FakeOpenAI(faults=plan) as server:
        ask(server, TEXTS[:3], cache, attempts=2)
        server.settings.faults = ()
        asked = server.count
        assert None not in answers(ask(server, TEXTS[:3], cache))
        assert server.count == asked + 1
    cache.close()


def test_withheld_answer_comes_back_from_the_cache_as_the_same_failure(tmp_path: Path) -> None:
    from fake_openai import Reply

    cache = SqliteCache(tmp_path / "c.sqlite")
    with FakeOpenAI(Reply("", finish_reason="content_filter")) as server:
        first = ask(server, ["x"], cache).outcomes[0]
        again = ask(server, ["x"], cache).outcomes[0]
        assert server.count == 1
    assert first.failure is not None
    assert again.failure is not None
    assert (first.failure.kind, again.failure.kind, again.cached) == (
        "content_filter",
        "content_filter",
        True,
    )
    cache.close()


def test_refresh_asks_again_and_replay_never(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path / "c.sqlite")
    with FakeOpenAI() as server:
        ask(server, TEXTS[:4], cache)
        ask(server, TEXTS[:4], cache, mode=Mode.REFRESH)
        assert server.count == 8
        ask(server, TEXTS[:4], cache, mode=Mode.REPLAY)
        with pytest.raises(ReplayMiss, match="2 of the answers"):
            ask(server, TEXTS[:6], cache, mode=Mode.REPLAY)
        assert server.count == 8
    cache.close()


def test_progress_counts_what_came_from_where(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path / "c.sqlite")
    seen: list[Progress] = []
    with FakeOpenAI(faults=FaultPlan.matching("text 5", Fault.status(400), always=True)) as server:
        ask(server, TEXTS[:3], cache)
        ask(server, TEXTS[:6], cache, seen=seen)
    last = seen[-1]
    assert (last.total, last.done, last.cached, last.failed) == (6, 6, 3, 1)
    assert last.completion_tokens > 0
    cache.close()
