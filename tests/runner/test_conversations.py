"""Questions that follow on answers: fed back, cached turn by turn, and ended by a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from collecting import run
from fake_openai import FakeOpenAI, Fault, FaultPlan, Occasion
from runs import task_of

from evalkit.cache.base import Mode
from evalkit.cache.sqlite import SqliteCache
from evalkit.errors import PromptError, ReplayMiss
from evalkit.prompts import Prompt
from evalkit.records import Sample
from evalkit.task import Task
from evalkit.variations import Permute

TURNS = Prompt("talk", "{{ turn_number }}. {{ turn }}", turns="turns")


def talk(*conversations: list[Any], prompt: Prompt = TURNS) -> Task:
    samples = tuple(Sample(f"s{n}", {"turns": turns}) for n, turns in enumerate(conversations))
    task = task_of(["x"])
    return replace(task, prompt=prompt, dataset=replace(task.dataset, samples=samples))


def echo(body: Mapping[str, Any]) -> str:
    """Says how many messages it got, and the last."""
    return f"<{len(body['messages'])}: {body['messages'][-1]['content']}>"


@pytest.fixture
def cache(tmp_path: Path) -> SqliteCache:
    return SqliteCache(tmp_path / "cache.sqlite")


def test_replies_are_fed_back_and_conversations_may_differ_in_length() -> None:
    with FakeOpenAI(answer=echo) as server:
        collected = run(server, talk(["a", "b", "c"], ["d"]))
        bodies = [one.body["messages"] for one in server.requests]
    first, second = collected.outcomes
    said = [turn.response.text for turn in first.turns if turn.response is not None]
    assert said == ["<1: 1. a>", "<3: 2. b>", "<5: 3. c>"]
    assert [one["content"] for one in max(bodies, key=len)] == ["1. a", said[0], "2. b", said[1], "3. c"]
    assert [one["role"] for one in max(bodies, key=len)] == ["user", "assistant"] * 2 + ["user"]
    assert (second.turns, second.response is not None) == ((second,), True)
    assert server.count == 4


def test_a_turn_may_depend_on_the_last_reply() -> None:
    script = ["hello", {"if": "order number", "say": "It is 17.", "else": "Never mind."}, "Bye."]
    known = {"1. hello": "What is your Order Number?"}
    with FakeOpenAI(answer=lambda body: known.get(body["messages"][-1]["content"], "well")) as server:
        outcome = run(server, talk(script)).outcomes[0]
        last = server.requests[-1].body["messages"]
    assert [one["content"] for one in last if one["role"] == "user"] == [
        "1. hello",
        "2. It is 17.",
        "3. Bye.",
    ]
    assert len(outcome.turns) == 3


def test_a_turn_whose_case_says_nothing_is_passed_over() -> None:
    with FakeOpenAI(answer="no") as server:
        outcome = run(server, talk(["a", {"if": "yes", "say": "b"}, "c"], ["a", {"if": "yes", "say": "b"}]))
        talks = [len(one.turns) for one in outcome.outcomes]
    assert (talks, server.count) == ([2, 1], 2)  # equal first questions are asked once


@pytest.mark.parametrize(
    "turns", [[], [3], [{"say": "x"}], [{"if": "(", "say": "x"}], {"a": 1}, [{"if": "x"}]]
)
def test_what_is_no_script_is_refused_before_anything_is_sent(turns: Any) -> None:
    with FakeOpenAI() as server, pytest.raises(PromptError, match='prompt talk, sample "s0"'):
        run(server, talk(turns))
    assert server.count == 0


def test_a_failed_turn_ends_its_conversation_and_the_next_run_asks_for_the_rest(cache: SqliteCache) -> None:
    task = talk(["a", "b", "c"], ["d", "e"])

    def fault(occasion: Occasion) -> Fault | None:
        return Fault.status(400) if occasion.body["messages"][-1]["content"] == "2. b" else None

    with FakeOpenAI(answer=echo, faults=FaultPlan(fault)) as server:
        broken, whole = run(server, task, cache).outcomes
        assert (broken.failure is not None, len(broken.earlier), len(whole.turns)) == (True, 1, 2)
        assert server.count == 4
        server.settings.faults = ()
        again = run(server, task, cache)
        assert server.count == 6
    assert [turn.cached for turn in again.outcomes[0].turns] == [True, False, False]
    assert all(turn.cached for turn in again.outcomes[1].turns)
    assert again.paid_for


def test_replay_asks_nothing_and_misses_a_later_turn_by_name(cache: SqliteCache) -> None:
    with FakeOpenAI(answer=echo) as server:
        first = run(server, talk(["a", "b"]), cache)
        again = run(server, talk(["a", "b"]), cache, mode=Mode.REPLAY)
        assert [one.prompt_hash for one in again.outcomes] == [one.prompt_hash for one in first.outcomes]
        with pytest.raises(ReplayMiss, match="s0"):
            run(server, talk(["a", "other"]), cache, mode=Mode.REPLAY)
        assert server.count == 2


def test_trials_are_conversations_of_their_own() -> None:
    with FakeOpenAI() as server:  # answers differ by trial only through what was said before
        collected = run(server, talk(["a", "b"]), trials=2)
        assert server.count == 4
    assert [(one.trial, len(one.turns)) for one in collected.outcomes] == [(0, 2), (1, 2)]


def test_progress_counts_the_questions_that_follow() -> None:
    seen: list[tuple[int, int]] = []
    with FakeOpenAI(answer="x") as server:
        run(server, talk(["a", "b"], ["c"]), listen=lambda one: seen.append((one.done, one.total)))
    assert seen[-1] == (3, 3)


def test_each_trial_asks_another_order() -> None:
    prompt = Prompt("choices", "{{ choices | join(' ') }}")
    task = task_of(["x"])
    sample = Sample("s0", {"choices": ["a", "b", "c"]})
    task = replace(
        task,
        prompt=prompt,
        dataset=replace(task.dataset, samples=(sample,)),
        vary=Permute(field="choices"),
    )
    with FakeOpenAI(answer=lambda body: body["messages"][-1]["content"]) as server:
        collected = run(server, task, trials=4)
    texts = [one.response.text for one in collected.outcomes if one.response is not None]
    assert texts == ["a b c", "b c a", "c a b", "a b c"]
    assert task.asked(sample, 1).added["order"] == [1, 2, 0]
    assert task.asked(sample, 1).hash == sample.hash
