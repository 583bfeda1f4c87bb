"""The generation task from the command line: constraints, IFEval's columns, references, recorded outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import Commands, asking, write_lines

from evalkit.search_path import shipped

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

NAMES = ("prompt_strict", "instruction_strict", "prompt_loose", "instruction_loose")


def asked(body: Mapping[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def scores(evalkit: Commands) -> list[float]:
    metrics = evalkit.report()["metrics"]
    return [metrics[name]["value"] for name in NAMES]


def test_right_and_wrong_answers_to_the_embedded_benchmark(evalkit: Commands, server: FakeOpenAI) -> None:
    """Of the first six, with 2, 1, 2, 2, 1 and 1 constraints, by place: the reference; the reference with a
    line of talk before it; four sentences; the reference with talk; nothing of it; the reference. Strictly
    1, 3 and 6 follow all (the talk of 2 is a sentence more), 6 of 9 constraints; loosely 2 and 4 too.
    """
    lines = (shipped("benchmarks") / "generation" / "data.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines[:6]]

    def answer(body: Mapping[str, Any]) -> str:
        place = next(place for place, row in enumerate(rows) if row["prompt"] == asked(body))
        reference = str(rows[place]["reference"])
        return {1: f"Sure, here you go.\n{reference}", 3: f"A list.\n{reference}", 4: "Dig a hole."}.get(
            place, reference
        )

    server.settings.answer = answer
    ran = evalkit(*asking(server, "task=generation", "dataset.limit=6", "resamples=10"))
    assert ran.code == 0, ran.err
    assert [len(row["constraints"]) for row in rows] == [2, 1, 2, 2, 1, 1]
    assert scores(evalkit) == pytest.approx([3 / 6, 6 / 9, 5 / 6, 8 / 9])
    assert "follows 1 of 2; lines: 5, exactly 4" in evalkit("show", "latest", "generation-004").out
    assert evalkit("verify", "latest").code == 0


def test_references_are_scored_where_asked_for(evalkit: Commands, server: FakeOpenAI) -> None:
    lines = (shipped("benchmarks") / "generation" / "data.jsonl").read_text("utf-8").splitlines()
    by_prompt = {row["prompt"]: row["reference"] for row in map(json.loads, lines)}
    server.settings.answer = lambda body: by_prompt[asked(body)]
    ran = evalkit(*asking(server, "task=generation", "metrics=[constraints,rouge,chrf]", "resamples=10"))
    assert ran.code == 0, ran.err
    metrics = evalkit.report()["metrics"]
    assert scores(evalkit) == [1.0] * 4
    assert (metrics["rougeL"]["value"], metrics["chrf"]["value"]) == (1.0, 100.0)


def test_trials_are_averaged(evalkit: Commands, server: FakeOpenAI) -> None:
    row = {
        "id": "a",
        "prompt": "Say hi.",
        "constraints": [{"type": "words", "max": 1}, {"type": "no_commas"}],
    }
    path = write_lines(evalkit.folder / "data.jsonl", row)
    server.settings.answer = lambda _: ["Hi", "Hi there, you"]
    ran = evalkit(
        *asking(server, "task=generation", "dataset=jsonl", f"dataset.path={path}"),
        *("dataset.input.prompt=prompt", "model.params.n=2", "resamples=10"),
    )
    assert ran.code == 0, ran.err
    assert scores(evalkit) == [0.5] * 4


def test_ifevals_columns_need_no_mapping(evalkit: Commands, server: FakeOpenAI) -> None:
    rows = [
        {"key": 7, "prompt": "No commas, and end with: Bye.", "instruction_id_list": ["punctuation:no_comma",
         "startend:end_checker"], "kwargs": [{"end_phrase": None}, {"end_phrase": "Bye."}]},
        {"key": 8, "prompt": "Two bullet points.",
         "instruction_id_list": ["detectable_format:number_bullet_lists"], "kwargs": [{"num_bullets": 2}]},
    ]  # fmt: skip
    path = write_lines(evalkit.folder / "data.jsonl", *rows)
    server.settings.answer = lambda body: "* a\n* b" if "bullet" in asked(body) else "Well, bye."
    ran = evalkit(
        *asking(
            server, "task=generation", "dataset=ifeval", "dataset._target_=evalkit.datasets.files.JsonLines"
        ),
        *(f"dataset.path={path}", "dataset.split=null", "dataset.revision=null", "resamples=10"),
    )
    assert ran.code == 0, ran.err
    assert scores(evalkit) == pytest.approx([0.5, 2 / 3, 0.5, 2 / 3])


def test_a_misspelt_constraint_ends_the_run_before_anything_is_sent(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    row = {"id": "a", "prompt": "Say hi.", "constraints": [{"type": "wrods", "max": 1}]}
    path = write_lines(evalkit.folder / "data.jsonl", row)
    ran = evalkit(
        *asking(
            server, "task=generation", "dataset=jsonl", f"dataset.path={path}", "dataset.input.prompt=prompt"
        )
    )
    assert 'constraints: sample "a": no constraint "wrods"' in ran.error
    assert server.count == 0


@pytest.mark.shared
def test_recorded_open_ended_answers_are_ordered_as_their_makers_are(
    evalkit: Commands, shared_data: Path
) -> None:
    """ROUGE-L against the human references: text-davinci-003 above -001."""
    found = {}
    for system in ("text-davinci-003", "text-davinci-001"):
        ran = evalkit(
            *("run", "task=generation", "dataset=jsonl"),
            f"dataset.path={shared_data / 'open_ended_self_instruct.jsonl'}",
            *("dataset.input.prompt=prompt", "dataset.target=reference", "metrics=[rouge]", "model=recorded"),
            f"model.path={shared_data / 'recorded_self_instruct_outputs.jsonl'}",
            *(f"model.output=outputs.{system}", "resamples=10"),
        )
        assert ran.code == 0, ran.err
        found[system] = evalkit.report()["metrics"]["rougeL"]["value"]
    assert found["text-davinci-003"] > found["text-davinci-001"]
