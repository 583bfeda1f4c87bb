"""Conversations from the command line: fed back, checked turn by turn, interrupted, planned and shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import Commands, asking, write_lines
from fake_openai import Fault, FaultPlan, Occasion

from evalkit.search_path import data_path

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

QUICK = ("resamples=10",)
TALKS: list[dict[str, Any]] = [
    {"id": "a", "turns": ["I am Nora.", "Who am I?"], "checks": [None, {"contains_all": ["Nora"]}]},
    {"id": "b", "turns": ["Two and two?", "Twice that?"], "checks": [{"number": 4}, {"number": 8}]},
    {"id": "c", "turns": ["Say yes.", "Again.", "Once more."], "checks": [None, None, {"equals_any": "yes"}]},
]
KNOWN = {"Who am I?": "You are Nora.", "Two and two?": "It is 4", "Twice that?": "9", "Once more.": "Yes."}
"""Three of four checked replies are right, two of three conversations."""


def asked(body: Mapping[str, Any]) -> list[str]:
    return [str(one["content"]) for one in body["messages"] if one["role"] == "user"]


def known(body: Mapping[str, Any]) -> str:
    return KNOWN.get(asked(body)[-1], "Fine.")


def talks(folder: Path, *rows: Mapping[str, Any]) -> list[str]:
    path = write_lines(folder / "talks.jsonl", *(dict(row) for row in rows or TALKS))
    return [
        *("task=chat", "dataset=jsonl", f"dataset.path={path}", "dataset.input.turns=turns"),
        *("dataset.target=checks", *QUICK),
    ]


def scores(evalkit: Commands) -> dict[str, float]:
    return {name: one["value"] for name, one in evalkit.report()["metrics"].items()}


def embedded() -> list[dict[str, Any]]:
    path = data_path("benchmark:chat")
    assert path is not None
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def test_right_and_wrong_replies_to_the_embedded_benchmark(evalkit: Commands, server: FakeOpenAI) -> None:
    """Every second conversation gets its references; the others evade, and fail in each checked turn."""
    rows = embedded()
    by_first = {row["turns"][0]: (place, row) for place, row in enumerate(rows)}
    assert len(by_first) == len(rows) >= 32

    def answer(body: Mapping[str, Any]) -> str:
        said = asked(body)
        place, row = by_first[said[0]]
        check = row["checks"][len(said) - 1]
        return "Well, hm." if place % 2 or check is None else check["reference"]

    server.settings.answer = answer
    ran = evalkit(*asking(server, "task=chat", *QUICK))
    assert ran.code == 0, ran.err
    checked = [sum(check is not None for check in row["checks"]) for row in rows]
    found = scores(evalkit)
    assert found["conversation_accuracy"] == 0.5
    assert found["turn_accuracy"] == pytest.approx(sum(checked[::2]) / sum(checked))
    assert server.count == len({json.dumps(one.body) for one in server.requests})


def test_replies_are_fed_back_and_scored_by_turn(evalkit: Commands, server: FakeOpenAI) -> None:
    server.settings.answer = known
    ran = evalkit(*asking(server, *talks(evalkit.folder)))
    assert ran.code == 0, ran.err
    assert scores(evalkit) == pytest.approx(
        {
            "turn_accuracy": 3 / 4,
            "conversation_accuracy": 2 / 3,
            "turn_accuracy@1": 1.0,
            "turn_accuracy@2": 0.5,
            "turn_accuracy@3": 1.0,
        }
    )
    assert server.count == 7
    last = max((one.body["messages"] for one in server.requests), key=len)
    assert [one["role"] for one in last] == ["system", *["user", "assistant"] * 2, "user"]
    report = evalkit.report()
    assert (report["counts"]["requests"], report["counts"]["failed"]) == (7, 0)
    assert [len(one.get("turns", ())) for one in evalkit.samples()] == [1, 1, 2]
    assert evalkit("verify", "latest").code == 0


def test_a_failed_turn_is_one_failure_and_the_next_run_asks_for_what_is_missing(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    def fault(occasion: Occasion) -> Fault | None:
        return Fault.status(400) if asked(occasion.body)[-1] == "Twice that?" else None

    server.settings.answer, server.settings.faults = known, FaultPlan(fault)
    words = asking(server, *talks(evalkit.folder), "max_failed=1")
    assert evalkit(*words).code == 0
    report = evalkit.report()
    counts = report["counts"]
    assert (counts["requests"], counts["answered"], counts["failed"]) == (7, 6, 1)
    assert report["metrics"]["conversation_accuracy"]["n_failed"] == 1
    (failed,) = (one for one in evalkit.samples() if "failure" in one)
    assert (failed["id"], [one["output"] for one in failed["turns"]]) == ("b", ["It is 4"])
    shown = evalkit("show", "latest", "b").out
    assert "It is 4" in shown
    assert "Twice that?" in shown
    assert evalkit("verify", "latest").code == 0
    server.settings.faults = ()
    before = server.count
    assert evalkit(*words).code == 0
    assert server.count == before + 1
    assert evalkit.report()["counts"]["cached"] == 6
    assert evalkit(*words, "cache=replay").code == 0
    assert server.count == before + 1


def test_trials_are_conversations_of_their_own(evalkit: Commands, server: FakeOpenAI) -> None:
    """The first conversation to be asked is right, the second wrong, whatever their order."""
    seen: list[str] = []

    def answer(body: Mapping[str, Any]) -> str:
        if len(asked(body)) == 1:
            seen.append("")
            return f"I am number {len(seen)}"
        return "Nora" if "number 1" in str(body["messages"]) else "Lena"

    server.settings.answer = answer
    words = asking(server, *talks(evalkit.folder, TALKS[0]), "trials=2", "executor.concurrency=1")
    assert evalkit(*words, "model.params.temperature=1").code == 0
    assert server.count == 4
    assert scores(evalkit)["turn_accuracy"] == 0.5
    assert evalkit("verify", "latest").code == 0


def test_recorded_conversations_are_scored_and_shown(evalkit: Commands) -> None:
    path = write_lines(
        evalkit.folder / "outputs.jsonl",
        {"id": "a", "said": ["Hi", "Nora"]},
        {"id": "b", "said": ["4", "9"]},
        {"id": "c", "said": ["a", "b", "no"]},
    )
    recorded = ("model=recorded", f"model.path={path}", "model.output=said")
    ran = evalkit("run", *talks(evalkit.folder), *recorded)
    assert ran.code == 0, ran.err
    assert scores(evalkit)["turn_accuracy"] == 0.5
    shown = evalkit("show", "latest", "c").out
    assert "--- user, turn 2\nAgain.\n\n--- reply, turn 2\nb" in shown
    assert evalkit("verify", "latest").code == 0


def test_references_by_turn(evalkit: Commands, server: FakeOpenAI) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "turns": ["One?", "Two?"], "checks": ["one", "two"]},
        {"id": "b", "turns": ["Three?", "Four?"], "checks": None},
        {"id": "c", "turns": ["Five?", "Six?"], "checks": [None, ["six", "half a dozen"]]},
    ]
    server.settings.answer = lambda body: {"One?": "one", "Two?": "three", "Six?": "half a dozen"}.get(
        asked(body)[-1], "x"
    )
    ran = evalkit(*asking(server, *talks(evalkit.folder, *rows), "metrics=[turns]"))
    assert ran.code == 0, ran.err
    assert scores(evalkit) == {"rougeL@1": 1.0, "rougeL@2": 0.5, "rougeL@mean": 0.75}
    assert evalkit("verify", "latest").code == 0


def test_two_runs_are_compared_and_their_replies_set_side_by_side(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    words = asking(server, *talks(evalkit.folder))
    server.settings.answer = known
    evalkit(*words)
    old = evalkit.last_run()
    server.settings.answer = lambda body: "It is 5" if asked(body)[-1] == "Two and two?" else known(body)
    evalkit(*words, "cache=off")
    told = evalkit("compare", str(old), "latest", "--json")
    assert told.code == 0, told.err
    assert "turn_accuracy" in told.out
    shown = evalkit("diff", str(old), "latest").out
    assert "1 samples differ" in shown
    assert "turn 1: It is [-4-]{+5+}" in shown.replace("candidate: ", "")
    rescored = evalkit("score", "latest", "metrics.turn_checks.turns=1")
    assert rescored.code == 0, rescored.err
    assert list(evalkit.report()["metrics"]) == ["turn_accuracy", "conversation_accuracy", "turn_accuracy@1"]


def test_a_plan_says_that_later_turns_depend_on_answers(evalkit: Commands, server: FakeOpenAI) -> None:
    words = asking(server, *talks(evalkit.folder))[1:]
    first = evalkit("plan", *words)
    assert first.code == 0, first.err
    assert "7: 0 in the cache, 7 to send, 4 of them later turns that depend on answers" in first.out
    assert server.count == 0
    server.settings.answer = known
    evalkit("run", *words)
    assert "7: 7 in the cache, 0 to send" in evalkit("plan", *words).out
    counts = json.loads(evalkit("plan", *words, "cache=off", "--json").out)["plans"][0]["counts"]
    assert counts == {"requests": 7, "cached": 0, "to_send": 7, "later": 4}


def test_a_list_that_is_shorter_than_the_turns_is_told_before_anything_is_sent(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    row = {"id": "a", "turns": ["x", "y"], "checks": [{"number": 1}, None, None]}
    ran = evalkit(*asking(server, *talks(evalkit.folder, row)))
    assert 'sample "a" has 2 turns, and its target is a list of 3' in ran.error
    assert server.count == 0


@pytest.mark.shared
def test_mt_bench_by_one_command(evalkit: Commands, server: FakeOpenAI, shared_data: Path) -> None:
    """80 conversations, 160 requests; each second one holds the first question's reply."""
    server.settings.answer = lambda body: f"Reply to {hash(asked(body)[0])}, turn {len(asked(body))}"
    ran = evalkit(
        *asking(
            server,
            *("task=chat", "dataset=jsonl", f"dataset.path={shared_data / 'open_ended_mt_bench.jsonl'}"),
            *("dataset.input.turns=turns", "dataset.target=reference_gpt4", "metrics=[turns]", *QUICK),
        )
    )
    assert ran.code == 0, ran.err
    assert server.count == 160
    lines = (shared_data / "open_ended_mt_bench.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    second = {tuple(asked(one.body)): one.body for one in server.requests if len(asked(one.body)) == 2}
    assert set(second) == {tuple(row["turns"]) for row in rows}
    for (first, _), body in second.items():
        assert body["messages"][2] == {"role": "assistant", "content": f"Reply to {hash(first)}, turn 1"}
    assert evalkit.report()["metrics"]["rougeL@mean"]["n"] == 80
    assert evalkit("verify", "latest").code == 0


@pytest.mark.shared
def test_dialogues_with_a_given_history_by_one_command(
    evalkit: Commands, server: FakeOpenAI, shared_data: Path
) -> None:
    path = shared_data / "dialogue_sgd.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()][:40]
    replies = {json.dumps(row["messages"]): row["reference"] for row in rows}

    def answer(body: Mapping[str, Any]) -> str:
        return str(replies[json.dumps(body["messages"][1:])])

    server.settings.answer = answer
    ran = evalkit(
        *asking(
            server,
            *("task=chat", "prompt=dialogue", "dataset=jsonl", f"dataset.path={path}", "dataset.limit=40"),
            *("dataset.input.messages=messages", "dataset.target=reference", "metrics=[rouge,chrf]", *QUICK),
        )
    )
    assert ran.code == 0, ran.err
    found = scores(evalkit)
    assert (found["rougeL"], found["chrf"]) == pytest.approx((1.0, 100.0))
    assert server.count == len(replies)
