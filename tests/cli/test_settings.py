"""Comparing settings: sweeps, studies, and the one table that they end in."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from commands import Commands, asking, write, write_lines
from fake_openai import FakeOpenAI, Reply

LABELS = ("positive", "negative", "neutral")
N = 60
STUDIES = {
    "sentiment_temperature": (6, {"model", "temperature"}, 4),
    "summarization_prompts": (3, {"prompt"}, 1),
    "qa_models": (2, {"model"}, 1),
}


def answer(body: dict[str, Any]) -> Reply:
    """Right on every sample; with temperature 1.0 wrong on a third of them, with 0.7 on a tenth."""
    number = int(re.findall(r"sample (\d+)", body["messages"][-1]["content"])[-1])
    wrong = {1.0: number % 3 == 0, 0.7: number % 10 == 0}.get(body["temperature"], False)
    return Reply(LABELS[(number + wrong) % 3])


@pytest.fixture
def data(evalkit: Commands) -> list[str]:
    rows = ({"id": f"s{one}", "text": f"sample {one}", "label": LABELS[one % 3]} for one in range(N))
    write_lines(evalkit.folder / "d.jsonl", *rows)
    return [
        *("task=sentiment", "dataset=jsonl", "dataset.path=d.jsonl", "dataset.input.text=text"),
        *("dataset.target=label", "metrics=[accuracy,f1]", "resamples=50"),
    ]


def suites(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "results" / "suites").glob("*.json"))


def test_twelve_runs_end_in_one_table_and_cost_nothing_the_second_time(
    evalkit: Commands, data: list[str]
) -> None:
    write(evalkit.folder / "configs/prompt/mine.yaml", "# Mine\nname: mine\ntemplate: 'Say: {{ text }}'\n")
    words = ["-m", *data, "model.params.temperature=0,0.7,1", "prompt=sentiment_text,mine"]
    with FakeOpenAI(answer) as server:
        both = [*asking(server, *words, name="gpt-4o,gpt-4.1")]
        first = evalkit.process(*both)
        assert first.code == 0, first.err
        assert server.count == 12 * N
        second = evalkit.process(*both)
        assert server.count == 12 * N
    runs = list((evalkit.folder / "results" / "runs" / "sentiment").iterdir())
    assert len(runs) == 24
    header, *rows, note = first.out.splitlines()
    assert header.split()[:6] == ["#", "name", "temperature", "prompt", "accuracy", "f1_macro"]
    assert len(rows) == 12
    found = [row.split() for row in rows]
    accuracies = {(row[2], row[4]) for row in found}
    assert accuracies == {("0", "100.0*"), ("0.7", "90.0"), ("1", "66.7")}
    assert "* best of its column" in note
    without_ids = re.compile(r"\d{8}-\d{6}-\w+")
    assert without_ids.sub("", second.out) == without_ids.sub("", first.out)


def test_rows_against_a_row_of_reference(evalkit: Commands, data: list[str]) -> None:
    with FakeOpenAI(answer) as server:
        assert evalkit.process(*asking(server, "-m", *data, "model.params.temperature=0,0.7,1")).code == 0
    (suite,) = suites(evalkit.folder)
    shown = evalkit("table", suite, "--against", "1")
    _, reference, warm, hot, note = shown.out.splitlines()
    assert "(p" not in reference
    assert re.search(r"90\.0 \[.*?\] -10\.0 \(p = 0\.0\d\d\)", warm)
    assert re.search(r"66\.7 \[.*?\] -33\.3 \(p < 0\.001\)", hot)
    assert "Holm over the table" in note
    rows = json.loads(evalkit("table", suite, "--against", "1", "--json").out)
    assert "against" not in rows[0]
    found = rows[1]["against"]["accuracy"]
    assert found["points"] == pytest.approx(-10.0)
    assert found["p"] == pytest.approx(
        2**-6
    )  # McNemar's mid-p, 6 broken and 0 fixed: 2^-5 less the point's own 2^-6
    assert found["p_adjusted"] >= found["p"]
    run_id = rows[2]["run_id"]
    assert "+33.3 (p < 0.001)" in evalkit("table", suite, "--against", run_id).out
    assert rows[2]["settings"] == {"temperature": "1"}


def test_failed_jobs_have_a_number_and_are_said(evalkit: Commands, data: list[str]) -> None:
    with FakeOpenAI(answer) as server:
        ran = evalkit.process(*asking(server, "-m", *data, "trials=0,1,2"))
    assert ran.code == 2
    (suite,) = suites(evalkit.folder)
    shown = evalkit("table", suite)
    assert [row.split()[:2] for row in shown.out.splitlines()[1:3]] == [["2", "1"], ["3", "2"]]
    assert "\n#1 trials=0: trials=0: must be at least 1" in ran.err
    assert "failed: #1 trials=0: trials=0: must be at least 1" in shown.err
    assert "that job failed" in evalkit("table", suite, "--against", "1").error
    assert "write a row's number" in evalkit("table", suite, "--against", "9").error
    assert json.loads(evalkit("table", suite, "--json").out)[0]["error"].startswith("trials=0")


def test_a_sweep_over_tasks_has_a_table_for_each(evalkit: Commands, server: FakeOpenAI) -> None:
    words = ["-m", "task=sentiment,qa", "model.params.temperature=0,1", "dataset.limit=3", "resamples=20"]
    ran = evalkit.process(*asking(server, *words))
    assert ran.code == 0, ran.err
    first, second = ran.out.split("\n\n")
    assert "accuracy" in first
    assert "exact_match" not in first
    assert "sentiment on sentiment" in first
    assert "exact_match" in second
    assert len(second.splitlines()) == 4


def test_tasks_of_one_row_each_share_one_table(evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit.process(*asking(server, "-m", "task=sentiment,qa", "dataset.limit=3", "resamples=20"))
    header, *rows, _ = ran.out.splitlines()
    assert header.split()[:4] == ["task", "dataset", "model", "metric"]
    assert [row.split()[0] for row in rows if not row.startswith(" ")] == ["sentiment", "qa"]


@pytest.mark.parametrize("study", STUDIES)
def test_a_shipped_study_runs_whole_by_its_name(evalkit: Commands, study: str, server: FakeOpenAI) -> None:
    jobs, axes, trials = STUDIES[study]
    environment = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-study-0123456789abcdef"}
    ran = evalkit.process(
        "run", f"experiment={study}", "dataset.limit=2", "resamples=10", env={**os.environ, **environment}
    )
    assert ran.code == 0, ran.err
    (name,) = suites(evalkit.folder)
    assert name.startswith(study)
    rows = json.loads(evalkit("table", name, "--json").out)
    assert len(rows) == jobs
    assert all(row["settings"].keys() == axes for row in rows)
    assert all(row["counts"]["requests"] == 2 * trials for row in rows)


def test_the_command_line_replaces_an_axis_of_a_study(evalkit: Commands, server: FakeOpenAI) -> None:
    write(
        evalkit.folder / "configs/experiment/mine.yaml",
        "# @package _global_\n# Mine\nsuite: mine\nsweep:\n  model.params.temperature: [0, 1]\n"
        "  prompt.system: ['a, b', \"it's\", null]\n",
    )
    ran = evalkit.process(*asking(server, "experiment=mine", "dataset.limit=2", "resamples=10"))
    assert ran.code == 0, ran.err
    assert len(ran.out.splitlines()) == 1 + 6 + 1
    prompts = {str(one.body["messages"][0]["content"]) for one in server.requests}
    assert {"a, b", "it's"} < prompts
    ran = evalkit.process(
        *asking(server, "experiment=mine", "dataset.limit=2", "resamples=10", "-m", "prompt.system=x,y")
    )
    assert ran.code == 0, ran.err
    assert len(ran.out.splitlines()) == 1 + 4 + 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sweep: {model: gpt-4o}", "sweep.model: must be a list"),
        ("sweep: {trials: []}", "sweep.trials: must be"),
    ],
)
def test_a_bad_study_is_one_clear_line(evalkit: Commands, text: str, told: str) -> None:
    write(evalkit.folder / "configs/experiment/bad.yaml", f"# @package _global_\n# Bad\n{text}\n")
    assert told in evalkit("run", "experiment=bad").error
