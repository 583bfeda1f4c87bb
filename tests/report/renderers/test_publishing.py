"""The commands that publish: report, table, compare and gate, over a real baseline in a real repository."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from commands import Commands, write, write_lines

N = 40
PROMPT = """# Mine
name: mine
system: |-
  Say what the writer feels.
  {line}
template: "{{{{ text }}}}"
"""


def outputs(folder: Path, wrong: int) -> str:
    rows = [
        {
            "id": f"s{n:02}",
            "text": f"text {n}",
            "label": "positive",
            "output": "negative" if n < wrong else "positive",
        }
        for n in range(N)
    ]
    return write_lines(folder / f"rows-{wrong}.jsonl", *rows)


def run(evalkit: Commands, wrong: int) -> str:
    path = outputs(evalkit.folder, wrong)
    ran = evalkit(
        "run", "task=sentiment", "dataset=jsonl", f"dataset.path={path}", "dataset.name=rows",
        "dataset.input.text=text", "dataset.target=label", "dataset.id=id", "model=recorded",
        f"model.path={path}", "model.output=output", "metrics=[accuracy]", "task.postprocess=[strip]",
        "resamples=200",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    return evalkit.last_run().name


@pytest.fixture
def gated(evalkit: Commands) -> tuple[Commands, str, str]:
    """A baseline without mistakes, and a run with twenty."""
    first = run(evalkit, 0)
    assert evalkit("accept", first, "--reason", "first", "--allow-dirty").code == 0
    return evalkit, first, run(evalkit, 20)


def test_report_prints_each_text_format_and_writes_files(evalkit: Commands) -> None:
    run(evalkit, 4)
    assert evalkit("report", "latest", "--format", "markdown").out.startswith("# sentiment: ")
    assert r"\begin{tabular}" in evalkit("report", "latest", "--format", "latex").out
    (row,) = csv.DictReader(io.StringIO(evalkit("report", "latest", "--format", "csv").out, newline=""))
    assert (row["metric"], row["score"], row["n"]) == ("accuracy", "0.9", "40")
    assert evalkit("report", "latest", "--format", "tsv").out.splitlines()[1].startswith("accuracy\t0.9\t")
    assert json.loads(evalkit("report", "latest", "--format", "json").out) == evalkit.report()
    assert ET.fromstring(evalkit("report", "latest", "--format", "junit").out).get("tests") == "2"
    written = evalkit("report", "latest", "--format", "badge", "-o", "badge.svg")
    assert written.out == "badge.svg\n"
    assert "sentiment accuracy: 90.0" in Path("badge.svg").read_text("utf-8")
    assert evalkit("report", "latest", "--format", "svg").out.startswith("<svg ")


def test_markdown_quotes_the_worst_samples_as_many_as_asked(evalkit: Commands) -> None:
    run(evalkit, 4)
    made = evalkit("report", "latest", "--format", "markdown", "--samples", "3").out
    assert [line[5:8] for line in made.splitlines() if line.startswith("### `")] == ["s00", "s01", "s02"]
    assert "### " not in evalkit("report", "latest", "--format", "markdown", "--samples", "0").out
    assert evalkit.last_run().joinpath("report.md").read_text("utf-8").count("### `s0") == 10
    assert "must not be negative" in evalkit("report", "latest", "--format", "junit", "--samples", "-1").error


def test_gate_annotates_and_appends_the_summary(
    gated: tuple[Commands, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    evalkit, _, _ = gated
    summary = write(evalkit.folder / "summary.md", "before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    ran = evalkit("gate", "--format", "github")
    assert ran.code == 1
    error, notice = ran.out.splitlines()
    assert error.startswith("::error title=sentiment-rows accuracy::REGRESSED: accuracy fell by 50.0 points")
    assert error.endswith("worst samples: s00, s01, s02")
    assert notice.startswith("::notice title=")
    before, heading, *_ = summary.read_text("utf-8").splitlines()
    assert (before, heading[:2]) == ("before", "# ")
    assert "| sentiment-rows | accuracy | 100.0 | 50.0 |" in summary.read_text("utf-8")


def test_summary_follows_the_annotations_outside_a_workflow(
    gated: tuple[Commands, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    evalkit, _, _ = gated
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert "\n# " in evalkit("gate", "--format", "github").out
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(evalkit.folder))
    assert "GITHUB_STEP_SUMMARY=" in evalkit("gate", "--format", "github").error


def test_gate_writes_junit_with_the_samples_that_lost(gated: tuple[Commands, str, str]) -> None:
    evalkit, _, _ = gated
    assert evalkit("gate", "--format", "junit", "-o", "gate.xml").code == 1
    root = ET.fromstring(Path("gate.xml").read_text("utf-8"))
    assert (root.get("tests"), root.get("failures")) == ("1", "1")
    (failure,) = root.iter("failure")
    assert "sample s00: accuracy 100.0 to 0.0" in (failure.text or "")
    assert "s20" not in (failure.text or "")
    badge = evalkit("gate", "--format", "badge").out
    assert ">sentiment accuracy<" in badge
    assert "· regressed" in badge


def test_two_runs_at_hand_are_quoted_with_both_outputs(gated: tuple[Commands, str, str]) -> None:
    evalkit, first, second = gated
    ran = evalkit("compare", first, second, "--format", "junit")
    assert ran.code == 0
    assert "baseline's output: positive\n  output: negative" in ran.out
    assert json.loads(evalkit("compare", first, second, "--format", "json").out)["cases"]


def test_two_runs_in_every_format_of_a_table(gated: tuple[Commands, str, str]) -> None:
    evalkit, first, second = gated
    assert "**100.0**" in evalkit("table", first, second, "--wide", "--format", "markdown").out
    assert r"\textbf{100.0}" in evalkit("table", first, second, "--wide", "--format", "latex").out
    assert "<strong>100.0</strong>" in evalkit("table", first, second, "--wide", "--format", "html").out
    rows = csv.DictReader(io.StringIO(evalkit("table", first, second, "--format", "csv").out, newline=""))
    assert [row["score"] for row in rows] == ["1", "0.5"]
    marked = evalkit("table", first, second, "--against", "1", "--format", "latex").out
    assert "50.0$^{**}$" in marked
    assert (
        evalkit("table", first, second, "--wide", "--sort=-accuracy").out.splitlines()[1].split()[3] == "50.0"
    )
    assert evalkit("table", first, second, "--format", "svg").out.startswith("<svg ")
    assert "with a cost" in evalkit("table", first, second, "--format", "svg-cost").error
    assert "--pivot" in evalkit("table", first, "--metric", "accuracy").error
    pivot = json.loads(evalkit("table", first, second, "--pivot", "run,metric", "--json").out)
    assert [row["accuracy"]["value"] for row in pivot[0]["rows"]] == [1.0, 0.5]


def test_a_table_keeps_the_columns_that_are_named_under_its_heading(gated: tuple[Commands, str, str]) -> None:
    evalkit, first, second = gated
    chosen = ("table", first, second, "--title", "Our scores", "--columns", "metric, score,task")
    assert evalkit(*chosen, "--format", "markdown").out.splitlines()[:4] == [
        "# Our scores",
        "",
        "| metric | score | task |",
        "| --- | --- | --- |",
    ]
    rows = json.loads(evalkit(*chosen, "--json").out)[0]["rows"]
    assert [list(row) for row in rows] == [["metric", "score", "task"]] * 2
    assert [line.split()[-1] for line in evalkit(*chosen).out.splitlines()[:3]] == [
        "task", "sentiment", "sentiment"
    ]  # fmt: skip
    wrong = evalkit("table", first, "--columns", "metrics")
    assert wrong.code == 2
    assert 'no such column (did you mean "metric"?); there are task, dataset' in wrong.error
