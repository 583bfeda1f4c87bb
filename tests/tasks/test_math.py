"""The math task from the command line: asked, with targets as GSM8K has them, recorded, and few-shot."""

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

ROWS = [
    {
        "id": f"m{n}",
        "question": f"What is {n} plus 40?",
        "answer": f"{n} + 40 = <<{n}+40={n + 40}>>\n#### {n + 40}",
    }
    for n in range(4)
]


def asked(body: Mapping[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def data(folder: Path) -> list[str]:
    path = write_lines(folder / "data.jsonl", *ROWS)
    return [
        *("task=math", "dataset=jsonl", f"dataset.path={path}", "dataset.input.question=question"),
        *("dataset.target=answer", "resamples=10"),
    ]


def test_right_and_wrong_answers_to_the_embedded_benchmark(evalkit: Commands, server: FakeOpenAI) -> None:
    """Of twelve answers every fourth is wrong and every sixth has no number: 3 wrong, 2 unparsed, 1 both."""
    lines = (shipped("benchmarks") / "math" / "data.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines[:12]]
    forms = ("Step by step.\n#### {}", "So \\boxed{{{}}}.", "The answer is **{}**.", "2 + 3 = 5, so {}")

    def answer(body: Mapping[str, Any]) -> str:
        place = next(place for place, row in enumerate(rows) if row["question"] == asked(body))
        if place % 6 == 0:
            return "I cannot tell."
        return forms[place % 4].format("-1" if place % 4 == 0 else rows[place]["answer"])

    server.settings.answer = answer
    ran = evalkit(*asking(server, "task=math", "dataset.limit=12", "resamples=10"))
    assert ran.code == 0, ran.err
    found = evalkit.report()["metrics"]["numeric_match"]
    assert (found["value"], found["n_unparsed"]) == (pytest.approx(8 / 12), 2)


def test_targets_are_read_as_answers_are(evalkit: Commands, server: FakeOpenAI) -> None:
    server.settings.answer = lambda body: {"0": "40", "1": "A: 41.00", "2": "#### 43"}.get(
        asked(body)[8], "no"
    )
    ran = evalkit(*asking(server, *data(evalkit.folder)))
    assert ran.code == 0, ran.err
    assert evalkit.report()["metrics"]["numeric_match"]["value"] == 0.5
    shown = evalkit("show", "latest", "m2").out
    assert "read 43, target 42" in shown
    assert "no number (number: no number), target 43" in evalkit("show", "latest", "m3").out


def test_a_worked_solution_is_the_example_that_is_shown(evalkit: Commands, server: FakeOpenAI) -> None:
    shots = write_lines(
        evalkit.folder / "shots.jsonl", {"id": "x", "question": "1 + 1?", "answer": "1+1\n#### 2"}
    )
    server.settings.answer = lambda body: str(body["messages"][2]["content"])
    ran = evalkit(*asking(server, *data(evalkit.folder), "fewshot.k=1", f"fewshot.path={shots}"))
    assert ran.code == 0, ran.err
    assert {one["prediction"] for one in evalkit.samples()} == {"2"}


def test_answers_in_latex_are_asked_for_in_a_box(evalkit: Commands, server: FakeOpenAI) -> None:
    rows = [{"question": "a", "answer": r"\frac{1}{2}"}, {"question": "b", "answer": r"(1,\pi)"},
            {"question": "c", "answer": "x+1"}]  # fmt: skip
    path = write_lines(evalkit.folder / "latex.jsonl", *rows)
    answers = {"a": r"So \boxed{0.5}.", "b": r"\boxed{\left(1, \pi\right)}", "c": r"\boxed{1+x}"}
    server.settings.answer = lambda body: answers[asked(body)]
    ran = evalkit(
        *asking(
            server, "task=math", "dataset=jsonl", f"dataset.path={path}", "dataset.input.question=question"
        ),
        *(
            "dataset.target=answer",
            "dataset.metrics.numeric_match.symbolic=true",
            "prompt.variables.boxed=true",
        ),
        "resamples=10",
    )
    assert ran.code == 0, ran.err
    assert evalkit.report()["metrics"]["numeric_match"]["value"] == pytest.approx(2 / 3)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("system", "value"), [("175b_verification", 287 / 500), ("6b_finetuning", 124 / 500)]
)
def test_recorded_gsm8k_from_the_command_line(
    system: str, value: float, evalkit: Commands, shared_data: Path
) -> None:
    ran = evalkit(
        *("run", "task=math", "dataset=jsonl", f"dataset.path={shared_data / 'qa_math_gsm8k.jsonl'}"),
        *("dataset.input.question=question", "dataset.target=answer", "model=recorded"),
        *(f"model.path={shared_data / 'recorded_gsm8k_outputs.jsonl'}", f"model.output=outputs.{system}"),
        "resamples=10",
    )
    assert ran.code == 0, ran.err
    assert evalkit.report()["metrics"]["numeric_match"]["value"] == pytest.approx(value)
