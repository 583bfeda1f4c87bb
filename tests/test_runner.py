"""From a task to its outcomes: cache, executor, client and a real HTTP server together."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard
from fake_openai import FakeOpenAI, Fault, FaultPlan, Reply, ToolCall
from runs import KEY, KEY_ENV, Waits, executor, failure_kinds, model_at, numbered, task_of, texts

from evalkit.cache.base import Entry, Mode
from evalkit.cache.sqlite import SqliteCache
from evalkit.client.api import ApiModel
from evalkit.client.base import Reply as Answer
from evalkit.client.chat import ChatCompletions
from evalkit.errors import CacheError, ModelError, ReplayMiss, RunStopped
from evalkit.records import Outcome, Request, Response
from evalkit.runner import Collected, Progress, collect, jobs_of
from evalkit.task import Task

STATUSES = ["408", "409", "429", "500", "502", "503", "529"]
WIRE = ["drop_before", "drop_in_body", "garbage_wire"]
BODIES = ["truncated_json", "html_200", "empty_200", "error_200", "garbage_bytes", "invalid_utf8"]
SHAPES = ["choices_null", "no_choices", "missing_message"]
RETRYABLE = [*STATUSES, *WIRE, *BODIES, *SHAPES]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENV, KEY)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[SqliteCache]:
    opened = SqliteCache(tmp_path / "cache.sqlite")
    yield opened
    opened.close()


def run(
    server: FakeOpenAI,
    task: Task,
    cache: SqliteCache | None = None,
    *,
    mode: Mode = Mode.RW,
    trials: int = 1,
    listen: Callable[[Progress], None] = lambda _: None,
    concurrency: int = 8,
    attempts: int = 5,
) -> Collected:
    chosen = executor(concurrency, attempts)
    model = model_at(server, connections=concurrency)
    return collect(task, model, chosen, cache, mode=mode, trials=trials, listen=listen)


def kept(cache: SqliteCache) -> int:
    with sqlite3.connect(cache.path) as file:
        [(count,)] = file.execute("SELECT count(*) FROM entries").fetchall()
    file.close()
    return int(count)


def bare(outcome: Outcome) -> Outcome:
    """What must come back from the cache: everything but the flag."""
    return replace(outcome, cached=False)


# Order and completeness


def test_outcomes_stand_in_dataset_order_trials_together() -> None:
    rng = random.Random(1)
    with FakeOpenAI(latency=lambda _: rng.random() / 100) as server:
        collected = run(server, numbered(20), trials=2)
    places = [(outcome.sample_id, outcome.trial) for outcome in collected.outcomes]
    assert places == [(f"s{number}", trial) for number in range(20) for trial in range(2)]
    assert set(collected.prompt_hashes) == {f"s{number}" for number in range(20)}


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


def test_wrong_key_is_not_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeOpenAI(api_key="sk-another") as server, pytest.raises(RunStopped) as caught:
        run(server, numbered(3))
    assert KEY[8:-4] not in str(caught.value)
    assert "model.api_key_env" in str(caught.value)


# Concurrency


def test_as_many_requests_as_allowed_are_in_flight_and_no_more() -> None:
    with FakeOpenAI() as server:
        with server.hold():
            thread = threading.Thread(target=run, args=(server, numbered(300)), kwargs={"concurrency": 100})
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


def test_equal_samples_fail_together_under_their_own_names() -> None:
    with FakeOpenAI(faults=FaultPlan.always(Fault.status(422))) as server:
        collected = run(server, task_of(["same", "same"]))
        assert server.count == 1
    assert [one.failure and one.failure.sample_id for one in collected.outcomes] == ["s0", "s1"]
    assert not any(one.cached for one in collected.outcomes)


def test_trials_are_asked_and_kept_apart(cache: SqliteCache) -> None:
    with FakeOpenAI() as server:
        run(server, numbered(5), cache, trials=3)
        assert (server.count, kept(cache)) == (15, 15)
        collected = run(server, numbered(5), cache, trials=4)
        assert server.count == 20
    assert [one.cached for one in collected.outcomes] == [True, True, True, False] * 5


# Cache


ANSWERS: dict[str, Reply] = {
    "text": Reply("Paris", system_fingerprint="fp_1", logprobs=[("Par", -0.1), ("is", -0.2)]),
    "empty": Reply(""),
    "cut off": Reply("Par", finish_reason="length"),
    "nothing but thought": Reply(
        raw_body=b'{"choices":[{"message":{"content":null},"finish_reason":"length"}]}'
    ),
    "refusal": Reply(None, refusal="I cannot help with that."),
    "tool call": Reply(None, tool_calls=[ToolCall("find", {"city": "Paris"})]),
    "filtered": Reply("Pa", finish_reason="content_filter"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_was_paid_for_comes_back_as_what_it_was(name: str, cache: SqliteCache) -> None:
    with FakeOpenAI(answer=ANSWERS[name]) as server:
        first = run(server, numbered(1), cache)
        again = run(server, numbered(1), cache)
        assert server.count == 1
    assert [one.cached for one in (*first.outcomes, *again.outcomes)] == [False, True]
    assert [bare(one) for one in again.outcomes] == [bare(one) for one in first.outcomes]
    assert failure_kinds(again) == ["content_filter" if name == "filtered" else None]


def test_second_run_asks_nothing_and_a_third_only_for_what_is_new(cache: SqliteCache) -> None:
    with FakeOpenAI() as server:
        first = run(server, numbered(10), cache)
        assert texts(run(server, numbered(10), cache)) == texts(first)
        assert server.count == 10
        run(server, numbered(13), cache)
        assert server.count == 13


def test_refresh_asks_again_and_keeps_the_new_answer(cache: SqliteCache) -> None:
    with FakeOpenAI(answer="old") as server:
        run(server, numbered(3), cache)
        server.settings.answer = "new"
        assert texts(run(server, numbered(3), cache, mode=Mode.REFRESH)) == ["new"] * 3
        assert texts(run(server, numbered(3), cache)) == ["new"] * 3
        assert server.count == 6


def test_off_neither_looks_nor_keeps(cache: SqliteCache) -> None:
    with FakeOpenAI() as server:
        run(server, numbered(3), cache)
        run(server, numbered(3), cache, mode=Mode.OFF)
        assert server.count == 6
        run(server, numbered(5), cache, mode=Mode.OFF)
    assert kept(cache) == 3


def test_replay_needs_no_key_and_no_server(cache: SqliteCache, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeOpenAI() as server:
        url = server.base_url
        first = texts(run(server, numbered(5), cache))
    monkeypatch.delenv(KEY_ENV)
    again = collect(numbered(5), model_at(url), executor(), cache, mode=Mode.REPLAY)
    assert texts(again) == first
    assert all(outcome.cached for outcome in again.outcomes)


def test_replay_miss_counts_and_names_what_is_absent(cache: SqliteCache) -> None:
    with FakeOpenAI() as server:
        run(server, numbered(3), cache)
        with pytest.raises(
            ReplayMiss, match=r"7 of the answers .*s3 \([0-9a-f]{12}\).* and 2 more"
        ) as caught:
            run(server, numbered(10), cache, mode=Mode.REPLAY)
        assert server.count == 3
    assert "s8" not in str(caught.value)


def test_replay_without_a_cache_is_a_miss() -> None:
    with FakeOpenAI() as server:
        with pytest.raises(ReplayMiss):
            run(server, numbered(1), None, mode=Mode.REPLAY)
        assert server.count == 0


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"choices": null}', b'{"choices": [{"message": {}}]}'])
def test_entry_that_is_no_answer_is_asked_again(body: bytes, cache: SqliteCache) -> None:
    """Kept by an older, laxer version, or by a hand that edited the file."""
    with FakeOpenAI(answer="Paris") as server:
        [job], _ = jobs_of(numbered(1), model_at(server), 1)
        asyncio.run(cache.put(job.request, Entry(body, 1.0)))
        with pytest.raises(ReplayMiss):
            run(server, numbered(1), cache, mode=Mode.REPLAY)
        collected = run(server, numbered(1), cache)
        assert (texts(collected), server.count) == (["Paris"], 1)
        assert texts(run(server, numbered(1), cache, mode=Mode.REPLAY)) == ["Paris"]


def test_cached_answers_keep_the_latency_first_measured(cache: SqliteCache) -> None:
    with FakeOpenAI(latency=0.05) as server:
        first = run(server, numbered(1), cache)
        again = run(server, numbered(1), cache)
    for collected in (first, again):
        response = collected.outcomes[0].response
        assert isinstance(response, Response)
        assert response.latency is not None
        assert response.latency >= 0.05
    assert again.outcomes[0].response == first.outcomes[0].response


def test_another_prompt_model_parameter_or_server_is_another_entry(cache: SqliteCache) -> None:
    def ask(server: FakeOpenAI, **params: Any) -> None:
        collect(numbered(1), model_at(server, params=params), executor(), cache, mode=Mode.RW)

    with FakeOpenAI() as server, FakeOpenAI() as other:
        for params in ({}, {"temperature": 0.0}, {"temperature": 0.5}, {"max_tokens": 5}, {"seed": 1}):
            for _ in range(2):
                ask(server, **params)
        ask(other)
        assert (server.count, other.count) == (5, 1)


def test_key_is_nowhere_in_the_cache_s_files(tmp_path: Path, cache: SqliteCache) -> None:
    answers = iter([f"the key is {KEY}", "plain"])
    with FakeOpenAI(answer=lambda _: next(answers)) as server:
        url = server.base_url.replace("//", "//me:hunter2-hunter2@") + "?api-key=tok-0123456789abcdef"
        collect(numbered(2), model_at(url), executor(1), cache, mode=Mode.RW)
    secrets = [KEY.encode(), b"hunter2", b"tok-0123456789abcdef"]
    with sqlite3.connect(cache.path) as file:
        rows = file.execute("SELECT request, body FROM entries").fetchall()
    file.close()
    unpack = zstandard.ZstdDecompressor().decompress
    contents = [unpack(packed) for row in rows for packed in row]
    contents += [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(rows) == 2
    assert not [secret for secret in secrets for content in contents if secret in content]


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


# Progress and ends


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


def test_error_in_the_listener_ends_what_is_in_flight(cache: SqliteCache) -> None:
    """What still runs must end before the model is let go: a late worker would open it anew."""

    def listen(progress: Progress) -> None:
        if progress.done == 3:
            raise ZeroDivisionError

    with FakeOpenAI(latency=lambda index: 0.0 if index < 3 else 3600.0) as server:
        with pytest.raises(ZeroDivisionError):
            run(server, numbered(50), cache, listen=listen, concurrency=4)
        server.wait(in_flight=0)
        assert server.count <= 3 + 4
    assert kept(cache) == 3


class Watched(ApiModel):
    """A model that knows how many of its requests still run when it is let go."""

    running = 0
    left: int | None = None

    async def send(self, request: Request) -> Answer:
        self.running += 1
        try:
            return await super().send(request)
        finally:
            self.running -= 1

    async def close(self) -> None:
        self.left = self.running
        await super().close()


def test_nothing_runs_any_more_when_the_model_is_let_go() -> None:
    def listen(progress: Progress) -> None:
        raise ZeroDivisionError

    with FakeOpenAI(latency=lambda index: 0.0 if index < 1 else 3600.0) as server:
        model = Watched(ChatCompletions(), name="gpt-4o", base_url=server.base_url, api_key_env=None)
        with pytest.raises(ZeroDivisionError):
            collect(numbered(50), model, executor(4), None, mode=Mode.OFF, listen=listen)
    assert (model.left, model.running) == (0, 0)


def test_missing_key_stops_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, cache: SqliteCache
) -> None:
    monkeypatch.delenv(KEY_ENV)
    model = model_at("https://api.openai.com/v1")
    with pytest.raises(ModelError, match=KEY_ENV):
        collect(numbered(50), model, executor(), cache, mode=Mode.RW)
    assert kept(cache) == 0


def test_one_model_can_be_collected_from_twice() -> None:
    with FakeOpenAI() as server:
        model = model_at(server)
        for _ in range(3):
            collect(numbered(20), model, executor(16), None, mode=Mode.OFF)
        assert server.count == 60


def test_runs_where_an_event_loop_runs_already_as_in_a_notebook(cache: SqliteCache) -> None:
    async def cell() -> Collected:
        return run(server, numbered(20), cache)

    with FakeOpenAI() as server:
        assert failure_kinds(asyncio.run(cell())) == [None] * 20
        assert all(outcome.cached for outcome in asyncio.run(cell()).outcomes)
        with pytest.raises(ReplayMiss):
            asyncio.run(replay())


async def replay() -> None:
    collect(numbered(1), model_at("http://host/v1"), executor(), None, mode=Mode.REPLAY)


def test_error_reaches_a_notebook_too() -> None:
    async def cell() -> None:
        run(server, numbered(20))

    with FakeOpenAI(faults=FaultPlan.always(Fault.status(401))) as server, pytest.raises(RunStopped):
        asyncio.run(cell())


def test_requests_to_send_are_said_first_and_equal_ones_once(cache: SqliteCache) -> None:
    said: list[str] = []
    with FakeOpenAI() as server:
        run(server, task_of(["a"]), cache)
        task = task_of(["a", "b", "b", "c"])
        collect(task, model_at(server), executor(), cache, mode=Mode.RW, say=said.append)
        assert server.count == 3
    assert said == ["echo: 2 requests to send, 1 answers are in the cache"]


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


def test_prompt_of_three_megabytes_is_asked(cache: SqliteCache) -> None:
    with FakeOpenAI(answer="ok") as server:
        assert texts(run(server, task_of(["x" * 3_000_000, "short"]), cache)) == ["ok", "ok"]


# Killed and interrupted: a process of its own

SCRIPT = """
import asyncio, os, signal, sys
from runs import executor, model_at, numbered
from evalkit.cache.base import Mode
from evalkit.cache.sqlite import SqliteCache
from evalkit.runner import collect

# A shell's background job, as CI may be one, is started with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
url, path, n, concurrency = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
cache = SqliteCache(path)

def run():
    collect(numbered(n), model_at(url), executor(concurrency), cache, mode=Mode.RW)

async def cell():
    run()

try:
    if "notebook" in sys.argv:  # its loop leaves interrupts to Python
        asyncio.new_event_loop().run_until_complete(cell())
    else:
        run()
except KeyboardInterrupt:
    cache.close()
    sys.stderr.flush()
    os._exit(130)  # the notebook's own loop stays open
cache.close()
"""
N, ANSWERED, CONCURRENCY = 60, 25, 6


def started(server: FakeOpenAI, path: Path, *more: str) -> subprocess.Popen[str]:
    """A run whose first requests are answered, and whose next ones stay in flight."""
    server.settings.latency = lambda index: 0.0 if index < ANSWERED else 3600.0
    process = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            SCRIPT,
            server.base_url,
            str(path),
            str(N),
            str(CONCURRENCY),
            *more,
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        stderr=subprocess.PIPE,
        text=True,
    )
    server.wait(received=ANSWERED + CONCURRENCY, in_flight=CONCURRENCY, timeout=30)
    return process


@pytest.mark.parametrize(
    ("how", "code", "where"),
    [
        (signal.SIGKILL, -signal.SIGKILL, "shell"),
        (signal.SIGINT, 130, "shell"),
        (signal.SIGINT, 130, "notebook"),
    ],
)
def test_ended_run_goes_on_and_asks_only_for_what_was_in_flight(
    how: signal.Signals, code: int, where: str, tmp_path: Path
) -> None:
    path = tmp_path / "cache.sqlite"
    with FakeOpenAI() as server:
        process = started(server, path, where)
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
        assert (process.returncode, said) == (code, "")
        server.wait(in_flight=0)

        server.settings.latency = 0.0
        cache = SqliteCache(path)
        assert kept(cache) == ANSWERED
        collected = run(server, numbered(N), cache)
        cache.close()
        assert server.count == N + CONCURRENCY
    assert failure_kinds(collected) == [None] * N
    assert sum(outcome.cached for outcome in collected.outcomes) == ANSWERED


@pytest.mark.parametrize("seed", range(3))
def test_run_killed_at_any_moment_loses_at_most_what_was_in_flight(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with FakeOpenAI(latency=0.002) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, server.base_url, str(path), "500", str(CONCURRENCY)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        )
        server.wait(received=random.Random(seed).randrange(20, 400), timeout=30)
        process.kill()
        process.wait(30)
        server.wait(in_flight=0)
        server.settings.latency = 0.0
        cache = SqliteCache(path)
        collected = run(server, numbered(500), cache)
        cache.close()
        assert server.count <= 500 + CONCURRENCY
    assert failure_kinds(collected) == [None] * 500
