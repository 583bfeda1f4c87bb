"""`evalkit history`: runs are published as files of their own, and what changed over time is marked."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from commands import Commands, asking, write_lines
from contrast import contrast
from fake_openai import FakeOpenAI, Fault, FaultPlan
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt
from report.renderers.test_hostile import HOSTILE

from evalkit.report import history_view, schema
from evalkit.report.renderers import svg

GOLDEN = Path(__file__).parent / "golden"
ROWS = [{"id": f"r{n}", "text": f"text {n}", "label": ("positive", "negative")[n % 2]} for n in range(6)]
RUN = (
    *("run", "dataset=jsonl", "dataset.path=rows.jsonl", "dataset.input.text=text", "dataset.target=label"),
    *("model=recorded", "model.path=rows.jsonl", "model.output=label", "resamples=20"),
)


def entry(day: int, value: float, **changes: Any) -> dict[str, Any]:
    """A published run, as `evalkit history add` writes one."""
    made: dict[str, Any] = {
        "schema_version": 1,
        "run_id": f"202601{day:02}-030405-abcdef",
        "created": f"2026-01-{day:02}T03:04:05+00:00",
        "task": "sentiment",
        "dataset": {"name": "sentiment", "fingerprint": "f" * 64, "n": 60},
        "model": {
            "asked": "gpt-4o",
            "served": {"gpt-4o-2024-08-06": 60},
            "system_fingerprint": {"fp_1": 60},
            "params": {"temperature": 0.0},
        },
        "prompt_sha256": "a" * 64,
        "metrics": {
            "accuracy": {
                "value": value,
                "low": round(value - 0.05, 3),
                "high": round(value + 0.05, 3),
                "confidence": 0.95,
                "n": 60,
                "n_failed": 0,
                "key": "case:mixed",
                "signature": "case:mixed",
                "higher_is_better": True,
                "maximum": 1.0,
            }
        },
        "requests": 60,
        "failed": 0,
        "unparsed": 0,
        "cost_usd": 0.01,
        "latency_p50": 0.4,
        "git": {"sha": "b" * 40, "dirty": False},
        "evalkit": "0.1.0",
    }
    return made | changes


def publish(folder: Path, *entries: dict[str, Any]) -> None:
    for one in entries:
        path = folder / "results" / "history" / one["task"] / f"{one['created'][:10]}-{one['run_id']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(one), "utf-8")


def marks(evalkit: Commands) -> list[list[str]]:
    (series,) = json.loads(evalkit("history", "--json").out)
    return [point["marks"] for point in series["points"]]


def test_a_run_is_published_as_one_file_the_same_twice(evalkit: Commands) -> None:
    write_lines(evalkit.folder / "rows.jsonl", *ROWS)
    assert evalkit(*RUN).code == 0
    ran = evalkit("history", "add", "latest")
    report = evalkit.report()
    path = Path(f"results/history/sentiment/{report['created'][:10]}-{report['run_id']}.json")
    assert ran.out == f"published: {path} (commit it)\n"
    text = path.read_text("utf-8")
    data = json.loads(text)
    Draft202012Validator(schema.load("history")).validate(data)
    assert data["metrics"]["accuracy"]["value"] == 1.0
    assert "text 1" not in text  # no texts in what is committed
    assert evalkit("history", "add", report["run_id"]).code == 0
    assert path.read_text("utf-8") == text
    out = evalkit("history").out
    assert re.search(r"sentiment +rows +recorded:label +accuracy +\S+ +100\.0", out)
    assert "f1[negative]" not in out
    assert "f1[negative]" in evalkit("history", "--metric", "f1[negative]").out


def test_every_run_of_a_suite_is_published(evalkit: Commands) -> None:
    write_lines(evalkit.folder / "rows.jsonl", *ROWS)
    assert evalkit("run", "-m", *RUN[1:], "seed=1,2").code == 0
    assert len(evalkit("history", "add").out.splitlines()) == 2


def test_the_made_up_entries_of_these_tests_are_as_published() -> None:
    Draft202012Validator(schema.load("history")).validate(entry(1, 0.5))


def test_a_run_with_failures_is_refused_unless_told(evalkit: Commands) -> None:
    write_lines(evalkit.folder / "rows.jsonl", *ROWS)
    faults = FaultPlan.matching("text 3", Fault.named("content_filter"), always=True)
    with FakeOpenAI(faults=faults) as server:
        words = (
            "dataset=jsonl",
            "dataset.path=rows.jsonl",
            "dataset.input.text=text",
            "dataset.target=label",
        )
        evalkit(*asking(server, *words, "resamples=20"))
    assert "1 of 6 requests failed; run again to ask for them" in evalkit("history", "add").error
    assert evalkit("history", "add", "--allow-failures").code == 0


def test_a_change_of_what_is_measured_or_by_whom_is_marked(evalkit: Commands) -> None:
    first = entry(1, 0.8)
    served = {**first["model"], "served": {"gpt-4o-2024-11-20": 60}}
    fingerprint = {**served, "system_fingerprint": {"fp_2": 60}}
    metric = {"accuracy": {**first["metrics"]["accuracy"], "key": "case:lc"}}
    publish(
        evalkit.folder,
        first,
        entry(2, 0.8),
        entry(3, 0.8, model=served),
        entry(4, 0.8, model=fingerprint),
        entry(5, 0.8, model=fingerprint, dataset={**first["dataset"], "fingerprint": "e" * 64}),
        entry(6, 0.8, prompt_sha256="c" * 64, metrics=metric),
    )
    found = marks(evalkit)
    assert found[:5] == [
        [],
        [],
        ["served model gpt-4o-2024-08-06 -> gpt-4o-2024-11-20"],
        ["system fingerprint fp_1 -> fp_2"],
        ["data changed"],
    ]
    assert found[5][2:] == ["data changed", "prompt changed", "metric changed"]
    assert "served model gpt-4o-2024-08-06 -> gpt-4o-2024-11-20" in evalkit("history").out


def test_a_change_of_level_is_marked_and_noise_is_not(evalkit: Commands) -> None:
    noise = [0.80, 0.81, 0.79, 0.80, 0.80, 0.80, 0.79, 0.81]
    publish(evalkit.folder, *(entry(day, value) for day, value in enumerate(noise, 1)))
    assert marks(evalkit) == [[]] * 8
    publish(evalkit.folder, *(entry(day, value - 0.1) for day, value in enumerate(noise, 9)))
    found = marks(evalkit)
    assert [place for place, one in enumerate(found) if one] == [8]
    assert found[8][0].startswith("level 80.0 -> 70.0 (p = 0.0")
    assert "at most 5% false alarms a series" in evalkit("history").out


def test_series_are_chosen_by_task_metric_and_model(evalkit: Commands) -> None:
    other = {**entry(1, 0.5)["model"], "asked": "gpt-4.1"}
    publish(evalkit.folder, entry(1, 0.8), entry(2, 0.7, task="qa"), entry(3, 0.6, model=other))

    def chosen(*words: str) -> list[tuple[str, str]]:
        found = json.loads(evalkit("history", "--json", *words).out)
        return [(one["task"], one["model"]) for one in found]

    assert len(chosen()) == 3
    assert chosen("--task", "qa") == [("qa", "gpt-4o")]
    assert chosen("--model", "gpt-4.1") == [("sentiment", "gpt-4.1")]
    assert chosen("--metric", "bleu") == []
    assert "nothing of that was published" in evalkit("history", "--metric", "bleu").error


def test_the_chart_holds_every_point_and_is_the_same_every_time(evalkit: Commands) -> None:
    other = {**entry(1, 0.5)["model"], "asked": "<b>gpt & co</b>", "served": {"x": 1}}
    levels = [entry(day, 0.8 if day < 8 else 0.6) for day in range(1, 15)]
    publish(evalkit.folder, *levels, entry(20, 0.5, model=other))
    assert evalkit("history", "--format", "svg", "-o", "chart.svg").code == 0
    text = (evalkit.folder / "chart.svg").read_text("utf-8")
    assert evalkit("history", "--format", "svg").out == text
    root = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}circle")) == 1 + 1  # the other model's point, and its legend
    assert len(root.findall(f"{space}polygon")) == 14 + 1
    assert sum(one.get("class") == "edge" for one in root.findall(f"{space}line")) == 1
    assert "<b>gpt & co</b>: 50.0 on 2026-01-20" in [one.text for one in root.findall(f"{space}text")]
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_every_model_has_a_look_of_its_own(evalkit: Commands) -> None:
    """By dashes and the form of points alone four, with their colours sixteen."""
    told = {name: value for name, value in entry(1, 0.5)["model"].items() if name != "asked"}
    models = [entry(n, 0.5, model={**told, "asked": f"model-{n:02}"}) for n in range(1, 17)]
    publish(evalkit.folder, *models)
    root = ET.fromstring(evalkit("history", "--format", "svg").out)
    drawn = [one for one in root.iter() if one.tag.endswith(("circle", "polygon"))]
    points, legend = drawn[::2], drawn[1::2]
    looks = [(one.tag, one.get("class"), one.get("points")) for one in points]
    assert looks == [(one.tag, one.get("class"), one.get("points")) for one in legend]
    assert len(set(looks)) == 16
    for first in range(0, 16, 4):
        assert len({(one[0], one[2]) for one in looks[first : first + 4]}) == 4


@pytest.mark.parametrize(("scheme", "card"), [("light", "#ffffff"), ("dark", "#0d1117")])
def test_lines_and_points_stand_out_from_their_card(scheme: str, card: str) -> None:
    """WCAG 2.2, 1.4.11 asks for 3 to 1; the texts' 4.5 is kept here too."""
    found = []
    for style in (history_view.STYLE, svg.STYLE):
        light, _, dark = style.partition("@media (prefers-color-scheme:dark){")
        rules = light if scheme == "light" else dark
        found += re.findall(r"\.(?:bar|dot)[\w.]*\{(?:stroke|fill):(#\w{6})\}", rules)
    assert len(found) == 8
    assert {colour: contrast(colour, card) for colour in found if contrast(colour, card) < 4.5} == {}


@pytest.mark.parametrize("form", ["svg", "markdown", "json"])
def test_history_is_as_it_was_looked_at(evalkit: Commands, form: str) -> None:
    """GOLDEN=write pytest … writes them anew, to look at."""
    other = {**entry(1, 0.5)["model"], "asked": "gpt-4.1", "served": {"gpt-4.1-2025-04-14": 60}}
    levels = [entry(day, 0.8 if day < 8 else 0.6) for day in range(1, 15)]
    drifted = {**entry(1, 0.5)["model"], "served": {"gpt-4o-2024-11-20": 60}}
    publish(evalkit.folder, *levels, entry(18, 0.62, model=drifted), entry(20, 0.5, model=other))
    path = GOLDEN / f"history.{form}"
    made = evalkit("history", "--format", form).out
    if os.environ.get("GOLDEN") == "write":
        path.write_text(made, "utf-8")
    assert path.read_text("utf-8") == made


def test_report_history_is_the_same_command(evalkit: Commands) -> None:
    publish(evalkit.folder, entry(1, 0.8), entry(2, 0.7))
    wanted = ("--metric", "accuracy", "--json")
    assert evalkit("report", "--history", *wanted).out == evalkit("history", *wanted).out
    assert evalkit("report", *wanted[:2], "--history").code == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_of_models_stay_text(evalkit: Commands, text: str) -> None:
    model = {**entry(1, 0.5)["model"], "asked": text, "served": {text: 1}}
    publish(evalkit.folder, entry(1, 0.8, model=model), entry(2, 0.7, model={**model, "served": {"x": 1}}))
    root = ET.fromstring(evalkit("history", "--format", "svg").out)
    tags = {one.tag.partition("}")[2] for one in root.iter()}
    assert tags == {"svg", "title", "style", "rect", "text", "line", "polyline", "circle"}
    table = MarkdownIt("commonmark").enable("table").render(evalkit("history", "--format", "markdown").out)
    assert set(re.findall(r"<(\w+)[^>]*>", table)) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert not set("\x1b\u202e") & set(evalkit("history").out)


def test_markdown_has_a_row_for_each_point(evalkit: Commands) -> None:
    publish(evalkit.folder, entry(1, 0.8), entry(2, 0.7))
    out = evalkit("history", "--format", "markdown").out
    rows = [line for line in out.splitlines() if "accuracy" in line]
    assert len(rows) == 2
    assert "80.0" in rows[0]


BROKEN = [
    ("{", "damaged"),
    ("[]", "damaged"),
    ('{"schema_version": 1}', "damaged"),
    (
        '{"schema_version": 2}',
        "written by a newer evalkit (schema 2, this one reads up to 1); upgrade evalkit",
    ),
]


@pytest.mark.parametrize(("text", "said"), BROKEN, ids=[text for text, _ in BROKEN])
def test_a_damaged_file_is_named(evalkit: Commands, text: str, said: str) -> None:
    path = evalkit.folder / "results" / "history" / "sentiment" / "2026-01-01-x.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    error = evalkit("history").error
    assert f"results/history/sentiment/{path.name}: {said}" in error


def test_mistakes_say_what_to_do(evalkit: Commands) -> None:
    assert 'evalkit history has no "ad" (did you mean "add"?)' in evalkit("history", "ad").error
    assert "publish a run: evalkit history add RUN" in evalkit("history").error
    assert evalkit("history", "--json").out == "[]\n"
    publish(evalkit.folder, entry(1, 0.8))
    assert "-o needs --format" in evalkit("history", "-o", "x").error
