"""What `evalkit list tasks` says of each task: its data, metrics and endpoints."""

from __future__ import annotations

import json

import pytest
from commands import Commands, write, write_lines

from evalkit.search_path import shipped

TASKS = sorted(one.stem for one in (shipped("configs") / "task").glob("*.yaml"))


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_metrics_and_a_benchmark_of_at_least_thirty_samples(
    task: str, evalkit: Commands
) -> None:
    found = {one["name"]: one for one in json.loads(evalkit("list", "tasks", "--json").out)}[task]
    assert found["metrics"]
    if not task.startswith("judge"):  # a judge's samples are another run's
        assert found["samples"] >= 30
    assert set(found["endpoints"]) <= {"chat", "completions", "responses"}
    assert found["endpoints"]


def test_a_task_is_one_line_in_a_pipe(evalkit: Commands) -> None:
    lines = evalkit("list", "tasks").out.splitlines()
    assert len(lines) == len(TASKS)
    [code] = [line for line in lines if line.startswith("  code ")]
    assert code.endswith("dataset code (40 samples); pass_at_k; chat, completions, responses]")


def test_ones_own_task_says_what_its_file_says(evalkit: Commands) -> None:
    folder = evalkit.folder / "configs"
    write(
        folder / "task" / "mine.yaml",
        "# @package _global_\n# Mine\n# Endpoints: chat\n"
        "defaults:\n  - override /dataset: own\n  - override /metrics: rouge\n",
    )
    data = write_lines(evalkit.folder / "own.jsonl", {"text": "a"})
    write(folder / "dataset" / "own.yaml", f"_target_: evalkit.datasets.files.JsonLines\npath: {data}\n")
    [mine] = [line for line in evalkit("list", "tasks").out.splitlines() if line.startswith("  mine ")]
    assert mine.endswith("Mine (configs/task/mine.yaml) [dataset own; rouge; chat]")


def test_a_filter_of_the_dataset_counts(evalkit: Commands) -> None:
    folder = evalkit.folder / "configs"
    write(folder / "task" / "mine.yaml", "# Mine\ndefaults:\n  - override /dataset: own\n")
    write(
        folder / "dataset" / "own.yaml",
        "_target_: evalkit.datasets.files.JsonLines\npath: benchmark:sentiment\nwhere: language == 'zh'\n",
    )
    found = {one["name"]: one for one in json.loads(evalkit("list", "tasks", "--json").out)}["mine"]
    rows = (shipped("benchmarks") / "sentiment" / "data.jsonl").read_text("utf-8").splitlines()
    assert found["samples"] == sum(json.loads(row)["language"] == "zh" for row in rows) > 0


def test_a_file_that_is_no_yaml_is_listed_all_the_same(evalkit: Commands) -> None:
    write(evalkit.folder / "configs" / "task" / "broken.yaml", "# Broken\ndefaults: [\n")
    assert "Broken" in evalkit("list", "tasks").out
