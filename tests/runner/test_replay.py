"""Replaying: no key, no network, and a miss that says what is absent."""

from __future__ import annotations

import pytest
from collecting import run
from fake_openai import FakeOpenAI
from runs import KEY_ENV, executor, model_at, numbered, texts

from evalkit.cache.base import Mode
from evalkit.cache.sqlite import SqliteCache
from evalkit.errors import ReplayMiss
from evalkit.runner import collect


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
