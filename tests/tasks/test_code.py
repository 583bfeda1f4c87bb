"""The code task from the command line: asked, recorded, and refused where code cannot be run safely."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import Commands, asking, write, write_lines
from sandboxed import need_sandbox

from evalkit.search_path import shipped

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

ROWS = [
    {"task_id": f"t{n}", "prompt": f"def f{n}(x):\n    '''Add {n}.'''\n", "entry_point": f"f{n}",
     "test": f"def check(candidate):\n    assert candidate(1) == {n + 1}\n"}
    for n in range(4)
]  # fmt: skip


def data(folder: Path) -> list[str]:
    return [
        *("task=code", "dataset=jsonl", f"dataset.path={write_lines(folder / 'data.jsonl', *ROWS)}"),
        *("dataset.id=task_id", "dataset.input.prompt=prompt", "resamples=10"),
    ]


def recorded(folder: Path, *outputs: str | None) -> list[str]:
    rows = [
        {"task_id": row["task_id"], "outputs": {"a": text}} for row, text in zip(ROWS, outputs, strict=True)
    ]
    path = write_lines(folder / "outputs.jsonl", *rows)
    return ["model=recorded", f"model.path={path}", "model.output=outputs.a"]


def asked(body: Mapping[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


RIGHT_HALF = (
    "    return x",  # a completion
    "```python\ndef f1(x):\n    return x + 1\n```",
    "def f2(x):\n    return x",
    "import os\nos._exit(0)",
)


def test_recorded_outputs_are_run_and_counted(evalkit: Commands) -> None:
    need_sandbox()
    ran = evalkit("run", *data(evalkit.folder), *recorded(evalkit.folder, *RIGHT_HALF))
    assert ran.code == 0, ran.err
    metrics = evalkit.report()["metrics"]
    assert list(metrics) == ["pass@1"]
    assert metrics["pass@1"]["value"] == 0.5
    assert [one["statistics"]["pass_at_k"] for one in evalkit.samples()] == [[1, 1], [1, 1], [0, 1], [0, 1]]


def test_show_says_which_assertion_failed(evalkit: Commands) -> None:
    need_sandbox()
    evalkit("run", *data(evalkit.folder), *recorded(evalkit.folder, *RIGHT_HALF))
    assert "did not pass: AssertionError (assert candidate(1) == 3)" in evalkit("show", "latest", "t2").out
    assert evalkit("verify", "latest").code == 0


def test_a_missing_output_is_a_failure_and_an_empty_one_is_wrong(evalkit: Commands) -> None:
    need_sandbox()
    outputs = (RIGHT_HALF[0], RIGHT_HALF[1], "", None)
    evalkit("run", *data(evalkit.folder), *recorded(evalkit.folder, *outputs), "max_failed=1")
    found = evalkit.report()["metrics"]["pass@1"]
    assert (found["value"], found["n"], found["n_failed"], found["n_unparsed"]) == (
        pytest.approx(2 / 3),
        3,
        1,
        1,
    )


def test_trials_give_pass_at_k(evalkit: Commands, server: FakeOpenAI) -> None:
    """Of four answers to each sample one is right: pass@1 1/4, pass@2 1 - C(3, 2) / C(4, 2) = 1/2."""
    need_sandbox()

    def answer(body: Mapping[str, Any]) -> list[str]:
        number = asked(body).partition("def f")[2].partition("(")[0]
        return [f"```python\nreturn x + {number}\n```", *["```python\nreturn -1\n```"] * 3]

    server.settings.answer = answer
    ran = evalkit(*asking(server, *data(evalkit.folder), "model.params.n=4", "metrics.pass_at_k.k=[1,2,4]"))
    assert ran.code == 0, ran.err
    values = {name: one["value"] for name, one in evalkit.report()["metrics"].items()}
    assert values == pytest.approx({"pass@1": 0.25, "pass@2": 0.5, "pass@4": 1.0})


def test_more_answers_than_trials_is_refused_before_anything_is_sent(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    ran = evalkit(*asking(server, *data(evalkit.folder), "metrics.pass_at_k.k=[1,10]", "trials=2"))
    assert "pass@10 needs 10 answers to each sample, and there are 2; set trials=10" in ran.error
    assert server.count == 0


def test_without_bubblewrap_nothing_is_sent(
    evalkit: Commands, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(evalkit.folder))
    ran = evalkit(*asking(server, "task=code", "dataset.limit=2"))
    assert "generated code runs in a sandbox, and bwrap is not here: install bubblewrap" in ran.error
    assert server.count == 0


def test_by_hand_code_runs_unprotected(evalkit: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_SANDBOX", "")
    monkeypatch.setenv("PATH", str(evalkit.folder))
    ran = evalkit("run", "sandbox=none", *data(evalkit.folder), *recorded(evalkit.folder, *RIGHT_HALF))
    assert ran.code == 0, ran.err
    found = evalkit.report()["metrics"]["pass@1"]
    assert (found["value"], "sandbox:none" in found["signature"]) == (0.5, True)


def test_a_file_cannot_ask_for_no_sandbox(evalkit: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_SANDBOX", "")
    write(
        evalkit.folder / "configs" / "experiment" / "loose.yaml",
        "# @package _global_\n# Asks for no sandbox\nsandbox: none\n",
    )
    ran = evalkit("run", *data(evalkit.folder), *recorded(evalkit.folder, *RIGHT_HALF), "experiment=loose")
    assert "sandbox=none runs a model's code unprotected, so no file can ask for it" in ran.error


def test_right_and_wrong_answers_to_the_embedded_benchmark(evalkit: Commands, server: FakeOpenAI) -> None:
    """Every second of the first ten answers is the solution, in the ways that models write it."""
    need_sandbox()
    lines = (shipped("benchmarks") / "code" / "data.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines[:10]]

    def answer(body: Mapping[str, Any]) -> str:
        place = next(place for place, row in enumerate(rows) if f"def {row['entry_point']}(" in asked(body))
        whole = rows[place]["prompt"] + rows[place]["canonical_solution"]
        if place % 2:
            return "```python\npass\n```"
        return whole if place % 4 else f"Here it is:\n\n```python\n{whole}```\nIt works."

    server.settings.answer = answer
    ran = evalkit(*asking(server, "task=code", "dataset.limit=10", "resamples=10"))
    assert ran.code == 0, ran.err
    assert evalkit.report()["metrics"]["pass@1"]["value"] == 0.5


@pytest.mark.shared
@pytest.mark.parametrize(
    ("system", "value"),
    [("gpt-4-1106-preview", 0.92), ("gpt-3.5-turbo-0613", 0.84), ("codellama", 0.65), ("starcoder", 0.51)],
)
def test_recorded_humaneval_from_the_command_line(
    system: str, value: float, evalkit: Commands, shared_data: Path
) -> None:
    need_sandbox()
    ran = evalkit(
        *("run", "task=code", "dataset=jsonl", f"dataset.path={shared_data / 'code_humaneval.jsonl'}"),
        *("dataset.id=task_id", "dataset.input.prompt=prompt", "dataset.target=canonical_solution"),
        *("model=recorded", f"model.path={shared_data / 'recorded_humaneval_outputs.jsonl'}"),
        *(f"model.output=outputs.{system}", "resamples=10"),
    )
    assert ran.code == 0, ran.err
    assert evalkit.report()["metrics"]["pass@1"]["value"] == pytest.approx(value)
