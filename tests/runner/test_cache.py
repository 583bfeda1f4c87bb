"""The cache in front of the executor: what is kept, and what comes back."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import zstandard
from collecting import bare, kept, run
from fake_openai import FakeOpenAI, Reply, ToolCall
from runs import KEY, executor, failure_kinds, model_at, numbered, texts

from evalkit.asking import jobs_of
from evalkit.cache.base import Entry, Mode
from evalkit.cache.sqlite import SqliteCache
from evalkit.errors import ReplayMiss
from evalkit.records import Response
from evalkit.runner import collect


def test_trials_are_asked_and_kept_apart(cache: SqliteCache) -> None:
    with FakeOpenAI() as server:
        run(server, numbered(5), cache, trials=3)
        assert (server.count, kept(cache)) == (15, 15)
        collected = run(server, numbered(5), cache, trials=4)
        assert server.count == 20
    assert [one.cached for one in collected.outcomes] == [True, True, True, False] * 5


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


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"choices": null}', b'{"choices": [{"message": {}}]}'])
def test_entry_that_is_no_answer_is_asked_again(body: bytes, cache: SqliteCache) -> None:
    """Kept by an older, laxer version, or by a hand that edited the file."""
    with FakeOpenAI(answer="Paris") as server:
        [job] = jobs_of(numbered(1), model_at(server), 1)
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
