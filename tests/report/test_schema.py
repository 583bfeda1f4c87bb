"""The published schemas describe what evalkit really writes, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Commands, asking, write_lines
from fake_openai import FakeOpenAI, Fault, FaultPlan
from jsonschema import Draft202012Validator

from evalkit.errors import UsageError
from evalkit.report import schema
from evalkit.report.base import SCHEMA_VERSION

ROWS = [
    {
        "id": f"r{n}",
        "text": f"text {n}",
        "label": ("positive", "negative")[n % 2],
        "lang": ("de", "fr")[n % 3 % 2],
    }
    for n in range(12)
]
DATA = ("dataset=jsonl", "dataset.path=rows.jsonl", "dataset.input.text=text", "dataset.target=label")


def check(name: str, value: Any) -> None:
    error = next(Draft202012Validator(schema.load(name)).iter_errors(value), None)
    assert error is None, f"{name}: {error.json_path}: {error.message}"


def check_run(folder: Path) -> list[dict[str, Any]]:
    check("report", json.loads((folder / "report.json").read_text("utf-8")))
    lines = [json.loads(line) for line in (folder / "samples.jsonl").read_text("utf-8").splitlines()]
    assert lines
    for line in lines:
        check("samples", line)
    return lines


@pytest.fixture
def project(evalkit: Commands) -> Commands:
    write_lines(evalkit.folder / "rows.jsonl", *ROWS)
    return evalkit


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("trials=3", "model.params.temperature=0.7"),
        ("fewshot.k=2", "fewshot.path=rows.jsonl", "dataset.limit=6"),
        ("fewshot.k=2", "fewshot.path=rows.jsonl", "dataset.limit=6", "fewshot.form=inline"),
        ("slices=[lang]", "metrics=[accuracy,f1,rouge,bleu,chrf]"),
        ("dataset.where='lang == \"de\"'", "dataset.group=lang"),
        ("model.params.n=2", "model.params.logprobs=true"),
    ],
    ids=["plain", "trials", "few-shot", "few-shot inline", "slices", "filtered", "choices"],
)
def test_runs_are_as_published(project: Commands, server: FakeOpenAI, words: tuple[str, ...]) -> None:
    ran = project(*asking(server, *DATA, "resamples=20", *words))
    assert ran.code == 0, ran.err
    check_run(project.last_run())


def test_failed_and_unreadable_answers_are_as_published(project: Commands) -> None:
    faults = FaultPlan.matching("text 3", Fault.named("content_filter"), always=True)
    with FakeOpenAI(answer="I cannot say", faults=faults) as server:
        assert project(*asking(server, *DATA, "resamples=20", "prompt=sentiment_text")).code == 5
    lines = check_run(project.last_run())
    assert sum("failure" in line for line in lines) == 1
    assert sum("unparsed" in line for line in lines) == 11


def test_recorded_and_rescored_runs_are_as_published(project: Commands) -> None:
    recorded = ("model=recorded", "model.path=rows.jsonl", "model.output=label", "resamples=20")
    assert project("run", *DATA, *recorded).code == 0
    check_run(project.last_run())
    assert project("score", "latest", "metrics=[token_f1]").code == 0
    assert project.report()["parent"] is not None
    check_run(project.last_run())


def test_baselines_and_comparisons_are_as_published(project: Commands, server: FakeOpenAI) -> None:
    words = (*DATA, "resamples=20", "trials=2")
    assert project(*asking(server, *words)).code == 0
    assert project("accept", "latest", "--reason", "first").code == 0
    folder = project.folder / "results" / "baselines" / "main"
    check("baseline-manifest", json.loads((folder / "manifest.json").read_text("utf-8")))
    for path in folder.glob("*/measurements.json"):
        check("baseline-measurements", json.loads(path.read_text("utf-8")))
    (statistics,) = folder.glob("*/statistics.jsonl")
    for line in statistics.read_text("utf-8").splitlines():
        check("baseline-statistics", json.loads(line))
    with FakeOpenAI(answer="negative") as other:
        changed = ("prompt=sentiment_text", "slices=[lang]")
        assert project(*asking(other, *words, *changed)).code == 0
    found = json.loads(project("compare", "main", "latest", "--json").out)
    assert found["cases"][0]["metrics"]
    check("comparison", found)
    check("comparison", json.loads(project("gate", "--json").out)["comparison"])


def test_a_case_that_cannot_be_compared_is_as_published(project: Commands, server: FakeOpenAI) -> None:
    assert project(*asking(server, *DATA, "resamples=20")).code == 0
    assert project("accept", "latest", "--reason", "first").code == 0
    write_lines(project.folder / "rows.jsonl", *({**row, "text": f"other {row['id']}"} for row in ROWS))
    assert project(*asking(server, *DATA, "resamples=20")).code == 0
    ran = project("compare", "main", "latest", "--json")
    assert ran.code == 4
    check("comparison", json.loads(ran.out))


def test_the_schema_is_strict_enough_to_notice(project: Commands) -> None:
    recorded = ("model=recorded", "model.path=rows.jsonl", "model.output=label", "resamples=20")
    assert project("run", *DATA, *recorded).code == 0
    report = project.report()
    validator = Draft202012Validator(schema.load("report"))
    for part in ("metrics", "counts", "usage", "seeds", "schema_version"):
        without = {name: value for name, value in report.items() if name != part}
        assert not validator.is_valid(without), part
    assert not validator.is_valid({**report, "scores": {}})
    assert not validator.is_valid({**report, "created": 3})
    assert not validator.is_valid({**report, "usage": {**report["usage"], "tokens": 1}})


def nodes(node: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field's own schema: of properties, of free names, of elements."""
    if not isinstance(node, dict):
        return
    for name, one in (*node.get("properties", {}).items(), *node.get("$defs", {}).items()):
        yield f"{path}.{name}", one
        yield from nodes(one, f"{path}.{name}")
    for word in ("additionalProperties", "items"):
        one = node.get(word)
        if isinstance(one, dict):
            yield f"{path}.{word}", one
            yield from nodes(one, f"{path}.{word}")


@pytest.mark.parametrize("name", schema.names())
def test_every_field_is_described(name: str) -> None:
    loaded = schema.load(name)
    Draft202012Validator.check_schema(loaded)
    assert loaded["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert loaded["description"]
    for path, one in nodes(loaded, name):
        assert one.get("description") or "$ref" in one, path


def test_the_report_schema_is_of_the_version_that_is_written() -> None:
    assert schema.load("report")["properties"]["schema_version"]["const"] == SCHEMA_VERSION


def test_an_unknown_schema_is_refused_by_name() -> None:
    with pytest.raises(
        UsageError, match=r'no schema "reports" \(did you mean "report"\?\); there are baseline-'
    ):
        schema.load("reports")
