"""Several answers from one request (`n`): each is a trial of its own, paid for once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import Commands, asking, evalkit, server, write_lines
from fake_openai import FakeOpenAI, Reply
from runs import KEY, KEY_ENV, executor, model_at, numbered

from evalkit.cache.base import Mode
from evalkit.cache.sqlite import SqliteCache
from evalkit.runner import Collected, collect

__all__ = ["evalkit", "server"]
N = 3
DATA = (
    "task=sentiment",
    "prompt=sentiment_text",
    "dataset=jsonl",
    "dataset.path=d.jsonl",
    "metrics=[accuracy]",
)
FIELDS = ("dataset.input.text=text", "dataset.target=label")


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch, evalkit: Commands) -> None:
    monkeypatch.setenv(KEY_ENV, KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def different(body: dict[str, Any]) -> Sequence[Reply]:
    """As many answers as were asked for, each another text."""
    text = body["messages"][-1]["content"]
    return [Reply(f"{text}/{number}") for number in range(body.get("n", 1))]


def asked(
    server: FakeOpenAI, cache: SqliteCache | None = None, *, trials: int = N, samples: int = 2
) -> Collected:
    model = model_at(server, params={"n": N})
    return collect(numbered(samples), model, executor(), cache, mode=Mode.RW, trials=trials)


def test_every_choice_is_a_trial_in_order() -> None:
    with FakeOpenAI(different) as server:
        found = asked(server).outcomes
        assert server.count == 2
    texts = [one.response.text for one in found if one.response is not None]
    assert texts == [f"question {sample}/{choice}" for sample in range(2) for choice in range(N)]
    assert [(one.sample_id, one.trial) for one in found] == [("s0", 0), ("s0", 1), ("s0", 2)] + [
        ("s1", trial) for trial in range(N)
    ]


def test_tokens_are_told_once_for_the_whole_request() -> None:
    with FakeOpenAI(different) as server:
        found = asked(server, samples=1).outcomes
    usages = [one.response.usage for one in found if one.response is not None]
    assert usages[0] is not None
    assert usages[0].completion > 0
    assert usages[1:] == [None, None]


def test_choices_come_back_from_the_cache_and_more_trials_ask_only_for_the_new(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path / "cache.sqlite")
    with FakeOpenAI(different) as server:
        first = asked(server, cache).outcomes
        again = asked(server, cache).outcomes
        assert server.count == 2
        more = asked(server, cache, trials=2 * N).outcomes
        assert server.count == 4
    cache.close()
    assert [one.response for one in again] == [one.response for one in first]
    assert all(one.cached for one in again)
    assert [one.trial for one in more] == [*range(2 * N)] * 2
    assert [one.cached for one in more] == ([True] * N + [False] * N) * 2


def test_samples_that_ask_the_same_share_all_choices() -> None:
    task = numbered(1)
    twin = replace(task.dataset.samples[0], id="twin")
    task = replace(task, dataset=replace(task.dataset, samples=(*task.dataset.samples, twin)))
    with FakeOpenAI(different) as server:
        model = model_at(server, params={"n": N})
        found = collect(task, model, executor(), None, mode=Mode.OFF, trials=2 * N).outcomes
        assert server.count == 2
    texts = {
        name: [one.response.text for one in found if one.sample_id == name and one.response is not None]
        for name in ("s0", "twin")
    }
    assert len(texts["s0"]) == 2 * N
    assert texts["s0"] == texts["twin"]


def test_a_missing_choice_is_asked_for_again() -> None:
    tries: list[int] = []

    def short(body: dict[str, Any]) -> Sequence[Reply]:
        tries.append(1)
        return different({**body, "n": 2 if len(tries) == 1 else N})

    def raw(body: dict[str, Any]) -> Reply:
        answers = [
            {"index": place, "finish_reason": "stop", "message": {"role": "assistant", "content": one.text}}
            for place, one in enumerate(short(body))
        ]
        return Reply(raw_body=json.dumps({"model": "m", "choices": answers[::-1]}).encode())

    with FakeOpenAI(raw) as server:
        found = asked(server, samples=1).outcomes
        assert server.count == 2
    # The second body's choices came in reverse order; each says its index.
    texts = [one.response.text for one in found if one.response is not None]
    assert texts == [f"question 0/{choice}" for choice in range(N)]


def test_a_withheld_choice_fails_alone_and_is_not_asked_again(tmp_path: Path) -> None:
    def filtered(body: dict[str, Any]) -> Sequence[Reply]:
        return [Reply("fine"), Reply("", finish_reason="content_filter"), Reply("good")]

    cache = SqliteCache(tmp_path / "cache.sqlite")
    with FakeOpenAI(filtered) as server:
        first = asked(server, cache, samples=1).outcomes
        again = asked(server, cache, samples=1).outcomes
        assert server.count == 1
    cache.close()
    for found in (first, again):
        assert [one.response.text if one.response else None for one in found] == ["fine", None, "good"]
        assert found[1].failure is not None
        assert (found[1].failure.kind, found[1].failure.trial) == ("content_filter", 1)


def labels(body: dict[str, Any]) -> Sequence[Reply]:
    return [Reply("positive" if number % 2 == 0 else "negative") for number in range(body.get("n", 1))]


def test_n_alone_gives_as_many_trials(evalkit: Commands) -> None:
    write_lines(evalkit.folder / "d.jsonl", *({"text": f"t{one}", "label": "positive"} for one in range(4)))
    with FakeOpenAI(labels) as server:
        assert evalkit(*asking(server, *DATA, *FIELDS, "model.params.n=2")).code == 0
        assert server.count == 4
        report = evalkit.report()
        assert report["counts"]["requests"] == 8
        assert report["metrics"]["accuracy"]["value"] == 0.5
        assert report["metrics"]["accuracy"]["n"] == 4
        assert [line["trial"] for line in evalkit.samples()] == [0, 1] * 4

        assert evalkit(*asking(server, *DATA, *FIELDS, "model.params.n=2", "trials=4")).code == 0
        assert server.count == 8
        assert evalkit.report()["counts"]["cached"] == 8


def test_a_baseline_of_several_choices_is_scored_again_from_the_cache(evalkit: Commands) -> None:
    write_lines(evalkit.folder / "d.jsonl", *({"text": f"t{one}", "label": "positive"} for one in range(4)))
    words = [*DATA, *FIELDS, "model.params.n=2", "task.postprocess=[strip]"]
    with FakeOpenAI(labels) as server:
        assert evalkit(*asking(server, *words)).code == 0
        assert evalkit("accept", "latest", "--reason", "start").code == 0
        assert evalkit(*asking(server, *words, "metrics.accuracy.ignore_case=true")).code == 0
        found = evalkit("compare", "main")
    assert "it was scored again as the candidate's" in found.out
    assert "2/2" in found.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("model.params.n=2", "trials=3"), "trials=3 is no multiple of model.params.n=2"),
        (("model.params.n=0",), "model.params.n=0: must be at least 1"),
    ],
)
def test_a_misfit_is_refused_before_anything_is_sent(
    evalkit: Commands, server: FakeOpenAI, words: Sequence[str], told: str
) -> None:
    write_lines(evalkit.folder / "d.jsonl", {"text": "t", "label": "positive"})
    assert told in evalkit(*asking(server, *DATA, *FIELDS, *words)).error
    assert server.count == 0


def test_the_embedded_model_answers_one_at_a_time(evalkit: Commands) -> None:
    assert "set trials=2" in evalkit("run", "model.params.n=2").error
