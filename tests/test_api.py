"""The Python interface, as a notebook uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fake_openai import FakeOpenAI

import evalkit


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-api-0123456789")
    rows = [{"id": str(n), "text": f"<b>text {n}</b>", "label": "positive"} for n in range(100)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [
        *("task=sentiment", "prompt=sentiment_text", "dataset=jsonl", "dataset.path=data.jsonl"),
        *("dataset.input.text=text", "dataset.target=label", "metrics=[accuracy]", "model=openai"),
        "model.name='<script>alert(1)</script>'",
    ]


def test_run_compare_accept_gate(settings: list[str]) -> None:
    with FakeOpenAI("positive") as server:
        good = evalkit.run(*settings, f"model.base_url={server.base_url}")
    with FakeOpenAI("negative") as server:
        bad = evalkit.run(*settings, f"model.base_url={server.base_url}")
    assert good.metrics["accuracy"].value == 1.0
    assert evalkit.load_report(good.run_id) == good

    found = evalkit.compare(good, bad)
    (metric,) = found.cases[0].metrics
    assert metric.effect is not None
    assert (metric.effect.difference, str(metric.verdict)) == (-1.0, "REGRESSED")

    evalkit.accept(good.run_id, "first", allow_dirty=True)
    assert evalkit.gate(good.run_id).result.code == 0
    assert evalkit.gate(bad.run_id).result.code == 1
    assert evalkit.gate(bad.run_id, "gate.margins={accuracy: 1.0}").result.code == 0


def test_notebook_shows_tables_and_runs_nothing(settings: list[str]) -> None:
    with FakeOpenAI("positive") as server:
        report = evalkit.run(*settings, f"model.base_url={server.base_url}")
    shown = report._repr_html_() + evalkit.compare(report, report)._repr_html_()
    assert "<table " in shown
    assert "100.0" in shown
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_import_costs_nothing() -> None:
    code = "import sys, evalkit; assert not {'numpy', 'hydra', 'openai', 'evalkit.api'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nope"):
        evalkit.nope  # noqa: B018
