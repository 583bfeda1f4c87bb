"""Metrics in a unit of their own, from the command line to every place that prints a value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from commands import Commands, asking, evalkit, server, write_lines
from fake_openai import Reply
from jsonschema import Draft202012Validator
from reports import aggregate

from evalkit.report import schema
from evalkit.report.renderers.badge import score
from evalkit.report.table import moved, shown

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

__all__ = ["evalkit", "server"]

METRICS = "metrics=[accuracy,latency,cost_usd,perplexity]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0.8123, "0.812"), (12.34, "12.3"), (1234.5, "1234"), (0.000312, "0.000312"), (0.0, "0")),
        *((-0.512, "-0.512"), (float("nan"), "-")),
    ],
)
def test_a_value_in_its_own_unit_has_three_significant_digits(value: float, text: str) -> None:
    assert shown(value, 100.0, "s") == text


def test_differences_have_a_sign_and_scores_are_out_of_100() -> None:
    assert (moved(0.0123, 100.0, "s"), moved(0.0123, 1.0)) == ("+0.0123", "+1.2")
    assert (shown(0.873, 1.0), shown(34.21, 100.0)) == ("87.3", "34.2")


def test_a_badge_shows_seconds_as_they_are() -> None:
    one = aggregate("latency_p50", 0.812, low=0.7, high=1.2, maximum=100.0, unit="s")
    assert score(one) == "0.812 [0.700, 1.20]"


ROWS = [{"id": f"r{n}", "text": f"text {n}", "label": ("positive", "negative")[n % 2]} for n in range(24)]
LOGPROBS = [("posi", -0.25), ("tive", -0.75)]


def run(evalkit: Commands, server: FakeOpenAI, *words: str) -> dict[str, Any]:
    """A run over ROWS with every answer "positive", of 30 prompt tokens (10 cached) and 2 of the answer."""
    usage = {"prompt_tokens": 30, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 10}}
    server.settings.answer = lambda _: Reply(text="positive", logprobs=LOGPROBS, usage=usage)
    ran = evalkit(
        *asking(server, "task=sentiment", "dataset=jsonl", f"dataset.path={evalkit.folder / 'rows.jsonl'}"),
        *("dataset.input.text=text", "dataset.target=label", "dataset.id=id", METRICS, "resamples=50"),
        *("model.params.logprobs=true", "model.stream=true", "model.prices.input=2.5"),
        *("model.prices.output=10.0", "model.prices.cached_input=1.25", "model.prices.model=gpt-4o", *words),
    )
    assert ran.code == 0, ran.err
    return evalkit.report()


@pytest.fixture
def rows(evalkit: Commands, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-5d1f")
    write_lines(evalkit.folder / "rows.jsonl", *ROWS)
    assert server.count == 0
    return evalkit.folder / "rows.jsonl"


def test_a_runs_figures_are_the_reports_own(evalkit: Commands, server: FakeOpenAI, rows: Path) -> None:
    report = run(evalkit, server)
    assert rows.is_file()
    found = {name: one["value"] for name, one in report["metrics"].items()}
    for name in ("latency_p50", "latency_p95", "time_to_first_token_p50"):
        assert found[name] == pytest.approx(report["timing"][name], abs=2e-6)
    each = (20 * 2.5 + 10 * 1.25 + 2 * 10.0) / 1e6
    assert found["cost_usd"] == pytest.approx(each)
    assert found["cost_usd_total"] == pytest.approx(24 * each) == pytest.approx(report["cost"]["usd"])
    assert found["perplexity"] == pytest.approx(np.exp(0.5))
    assert report["metrics"]["latency_p95"]["unit"] == report["families"]["latency"]["unit"] == "s"
    assert "unit" not in report["metrics"]["accuracy"]
    assert "unit" not in report["families"]["accuracy"]
    ran = evalkit("verify", "latest")
    assert ran.code == 0, ran.out + ran.err


def test_tables_pages_and_pictures_show_them_as_they_are(
    evalkit: Commands, server: FakeOpenAI, rows: Path
) -> None:
    run(evalkit, server)
    assert rows.is_file()
    table = evalkit("table", "latest").out
    assert "0.0000825" in table
    assert "1.65" in table
    assert "50.0" in table
    note = "as they are: latency_mean (s), latency_p50 (s), latency_p95 (s), time_to_first_token_p50 (s), "
    assert f"{note}cost_usd (USD), cost_usd_total (USD), perplexity" in table
    for form in ("markdown", "csv", "latex", "junit", "svg", "github"):
        ran = evalkit("report", "latest", "--format", form)
        assert ran.code == 0, ran.err
        if form != "csv":
            assert "0.0000825" in ran.out, form
    assert evalkit("report", "latest", "--format", "html").code == 0
    page = (evalkit.last_run() / "report.html").read_text("utf-8")
    assert "0.0000825" in page
    assert '"unit": "USD"' in page or '"unit":"USD"' in page
    shown_one = evalkit("show", "latest", "r1").out
    assert "30 prompt tokens (10 cached) and 2 of the answer: 8.25e-05 USD" in shown_one
    assert "2 tokens, the least likely 'tive' with probability 0.47" in shown_one
    assert evalkit("history", "add", "latest", "--allow-dirty").code == 0
    assert "0.0000825" in evalkit("history", "--metric", "cost_usd").out
    written = next((evalkit.folder / "results" / "history").rglob("*.json"))
    assert json.loads(written.read_text("utf-8"))["metrics"]["cost_usd"]["unit"] == "USD"


def test_a_slower_candidate_fails_the_gate_on_latency_alone(
    evalkit: Commands, server: FakeOpenAI, rows: Path
) -> None:
    run(evalkit, server)
    assert rows.is_file()
    assert evalkit("accept", "latest", "--reason", "first", "--allow-dirty").code == 0
    same = evalkit("gate", "latest")
    assert same.code == 0, same.out
    server.settings.latency = 2.0  # far beyond what a busy machine adds to either run
    run(evalkit, server, "prompt.system='Say which.'", "executor.concurrency=24")
    ran = evalkit("gate", "latest", "gate.metrics=[latency_p95]")
    assert ran.code == 1, ran.out
    assert re.search(r"latency_p95 rose by \d\S* s, from \d\S* to \d\S* \(interval \+\d\S* to", ran.out)
    assert re.search(r"worse beyond the margin of \d\S* s ", ran.out)
    assert "(accuracy)" in ran.out
    allowed = evalkit("gate", "latest", "gate.metrics=[latency_p95]", "gate.margins={latency_p95: 20}")
    assert allowed.code == 0, allowed.out
    assert "a loss beyond the margin of 20.0 s is ruled out" in allowed.out
    told = evalkit("compare", "main", "latest", "--json").out
    data: Mapping[str, Any] = json.loads(told)
    metrics = {one["metric"]: one for one in data["cases"][0]["metrics"]}
    assert (metrics["latency_p95"]["unit"], "unit" in metrics["accuracy"]) == ("s", False)
    assert metrics["cost_usd"]["verdict"] == "PASSED"
    assert evalkit("report", "latest", "--format", "html", "--against", "main").code == 0
    page = (evalkit.last_run() / "report.html").read_text("utf-8")
    assert re.search(r"difference \+\d\S* s, interval \+\d\S* to", page)
    manifest = json.loads((evalkit.folder / "results/baselines/main/manifest.json").read_text("utf-8"))
    for name, value in (
        ("report", evalkit.report()),
        ("comparison", data),
        ("baseline-manifest", manifest),
    ):
        assert not list(Draft202012Validator(schema.load(name)).iter_errors(value)), name


def test_what_was_not_streamed_has_no_time_to_the_first_token_anywhere(
    evalkit: Commands, server: FakeOpenAI, rows: Path
) -> None:
    run(evalkit, server, "model.stream=false")
    assert rows.is_file()
    assert evalkit.report()["metrics"]["time_to_first_token_p50"]["value"] is None
    first = evalkit.last_run().name
    run(evalkit, server, "model.stream=false", "prompt.system='Say which.'")
    ran = evalkit("compare", first, "latest")
    assert ran.code == 0, ran.err
    assert "without a value on one side or both: time_to_first_token_p50" in ran.out
    assert evalkit("report", "latest", "--format", "html", "--against", first).code == 0


def test_what_a_run_lacks_is_said_before_anything_is_sent(
    evalkit: Commands, server: FakeOpenAI, rows: Path
) -> None:
    asked = asking(
        *(server, "task=sentiment", "dataset=jsonl", f"dataset.path={rows}", "dataset.input.text=text"),
        "dataset.target=label",
        name="a-model",
    )
    assert "model.params.logprobs=true" in evalkit(*asked, "metrics=[perplexity]").error
    assert (
        "no prices are known for this model; set model.prices.input"
        in evalkit(*asked, "metrics=[cost_usd]").error
    )
    assert server.count == 0
