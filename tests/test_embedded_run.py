"""The whole way, on the real embedded model: three tasks, twice."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from evalkit.cli.main import main

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="the `local` extra is not installed"),
]

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "sentiment" / "data.jsonl"
TASKS = {
    "sentiment": {"accuracy", "f1_macro", "f1_micro"},
    "summarization": {"rouge1", "rouge2", "rougeL", "rougeLsum"},
    "translation": {"bleu", "chrf"},
}


def one_run(task: str, results: Path) -> tuple[dict[str, object], list[dict[str, object]]]:
    code = main(
        ["run", f"task={task}", "dataset.limit=4", "model.params.max_tokens=32", f"results_dir={results}"]
    )
    assert code == 0
    folder = next((results / "runs" / task).iterdir())
    report = json.loads((folder / "report.json").read_text("utf-8"))
    lines = [json.loads(line) for line in (folder / "samples.jsonl").read_text("utf-8").splitlines()]
    return report, lines


@pytest.mark.parametrize("task", TASKS)
def test_embedded_model_is_scored_and_a_second_run_asks_nothing(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    report, lines = one_run(task, tmp_path / "first")
    first_output = capsys.readouterr()
    again, lines_again = one_run(task, tmp_path / "second")

    assert report["counts"] == {  # every answer is real and fresh
        "requests": 4, "answered": 4, "failed": 0, "cached": 0,
        "unparsed": report["counts"]["unparsed"],  # type: ignore[index]
        "cut_off": report["counts"]["cut_off"],  # type: ignore[index]
        "refused": 0,
    }  # fmt: skip
    metrics = report["metrics"]
    assert isinstance(metrics, dict)
    assert metrics.keys() >= TASKS[task]
    assert all(one["low"] <= one["value"] <= one["high"] for one in metrics.values())
    assert all(name in first_output.out for name in TASKS[task])
    assert all(line["usage"]["completion"] > 0 for line in lines)  # type: ignore[index]

    assert again["counts"]["cached"] == 4  # type: ignore[index]
    assert again["metrics"] == metrics
    for line in lines_again:
        assert line.pop("cached") is True
    for line in lines:
        assert line.pop("cached") is False
    assert lines_again == lines


def test_regression_story_on_the_embedded_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every way that a pull request can end, on real answers of a real model."""
    monkeypatch.chdir(tmp_path)
    few = ["run", "dataset.limit=20"]
    runs = tmp_path / "results" / "runs" / "sentiment"
    assert main(few) == 0
    assert main(["gate"]) == 3
    assert main(["accept", "latest", "--reason", "the shipped prompt"]) == 0

    assert main([*few, "prompt.template='{{ text | trim }}'"]) == 0
    assert "0 requests sent, 20 answers from the cache" in capsys.readouterr().err
    assert main(["gate", "gate=noninferior"]) == 0  # the same requests, the same answers
    assert "the prompt changed" in capsys.readouterr().out

    # A harmless edit that asks everything again.
    assert main([*few, "prompt.template='Text: {{ text }}'"]) == 0
    assert "20 requests sent, 0 answers from the cache" in capsys.readouterr().err
    assert main(["gate"]) == 0
    assert "NO REGRESSION FOUND" in capsys.readouterr().out

    # The server refuses some requests: the long texts, repeated, do not fit into its context.
    long = "{% if text | length > 90 %}{{ text * 300 }}{% else %}{{ text }}{% endif %}"
    assert main([*few, f"prompt.template='{long}'"]) == 5
    refused = capsys.readouterr().err
    assert "context_length" in refused
    assert "9 answers are in the cache" in refused
    assert main(["gate"]) == 5
    assert "INVALID" in capsys.readouterr().out

    # Other data under the same ids: the answers are at hand, the comparison is refused.
    swapped = {"positive": "negative", "negative": "positive", "neutral": "neutral"}
    rows = [json.loads(line) for line in BENCHMARK.read_text("utf-8").splitlines()]
    lines = [json.dumps({**row, "label": swapped[row["label"]]}) + "\n" for row in rows]
    (tmp_path / "changed.jsonl").write_text("".join(lines), "utf-8")
    assert main([*few, "dataset.path=changed.jsonl"]) == 0
    assert "0 requests sent" in capsys.readouterr().err
    assert main(["gate"]) == 4
    assert "NOT COMPARABLE" in capsys.readouterr().out

    # Too few samples to rule a loss out.
    assert main(["run", "dataset.limit=4"]) == 0
    assert main(["accept", "latest", "--baseline", "few", "--reason", "four samples"]) == 0
    assert main(["run", "dataset.limit=4", "prompt.template='Text: {{ text }}'"]) == 0
    assert main(["gate", "--baseline", "few", "gate=noninferior"]) == 6
    assert "INCONCLUSIVE" in capsys.readouterr().out

    assert main([*few, "prompt=sentiment_text"]) == 0
    assert main(["gate"]) == 1
    assert "REGRESSED: sentiment accuracy fell" in capsys.readouterr().out
    first = min(runs.iterdir()).name
    assert main(["diff", first, "latest", "--flips"]) == 0
    assert "-neutral: the text only states facts" in capsys.readouterr().out
