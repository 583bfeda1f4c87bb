"""The extraction task from the command line: each sample's schema is sent, shown and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest
from commands import Commands, asking, write_lines

from evalkit.search_path import shipped

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI


def rows(count: int) -> list[dict[str, Any]]:
    lines = (shipped("benchmarks") / "extraction" / "data.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines[:count]]


def asked(body: Mapping[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def test_right_and_wrong_answers_to_the_embedded_benchmark(evalkit: Commands, server: FakeOpenAI) -> None:
    """Four answers: right; right in a fence, with one field more; no JSON; one value wrong, of a wrong type.

    Leaves wanted 11, 5, 6 and 7 (null is none), predicted 11, 6, 0 and 7, right 11, 5, 0 and 6.
    """
    known = rows(4)
    wanted = [11, 5, 6, 7]

    def answer(body: Mapping[str, Any]) -> str:
        place = next(place for place, row in enumerate(known) if asked(body).endswith(row["text"]))
        target = dict(known[place]["target"])
        if place == 1:
            return f"Here you are:\n```json\n{json.dumps(target | {'organiser': 'city'})}\n```"
        if place == 2:
            return "The parcel goes to Hamburg."
        return json.dumps(target | {"rating": "two"} if place == 3 else target)

    server.settings.answer = answer
    ran = evalkit(*asking(server, "task=extraction", "dataset.limit=4", "resamples=10"))
    assert ran.code == 0, ran.err
    found = {name: one["value"] for name, one in evalkit.report()["metrics"].items()}
    statistics = [one["statistics"]["fields"][:3] for one in evalkit.samples()]
    assert statistics == [[11, 11, 11], [5, 6, 5], [0, 0, 6], [6, 7, 7]]
    right, predicted, total = 22, 24, sum(wanted)
    assert found == pytest.approx(
        {
            "fields_f1": 2 * right / (predicted + total),
            "fields_precision": right / predicted,
            "fields_recall": right / total,
            "object_match": 1 / 4,
            "json_valid": 3 / 4,
            "schema_valid": 1 / 4,
        }
    )
    assert "lacks rating: 3; has rating: 'two'; schema: $.rating: \"two\" is no integer or null" in (
        evalkit("show", "latest", known[3]["id"]).out
    )
    assert evalkit("verify", "latest").code == 0


def test_each_samples_schema_is_sent_and_shown(evalkit: Commands, server: FakeOpenAI) -> None:
    known = rows(3)
    seen: list[tuple[Any, str]] = []

    def answer(body: Mapping[str, Any]) -> str:
        seen.append((body["response_format"]["json_schema"]["schema"], asked(body)))
        return "{}"

    server.settings.answer = answer
    ran = evalkit(*asking(server, "task=extraction", "dataset.limit=3", "resamples=10"))
    assert ran.code == 0, ran.err
    for row in known:
        (text,) = (text for schema, text in seen if schema == row["schema"])
        assert json.dumps(row["schema"], ensure_ascii=False) in text
        assert row["text"] in text
    assert "required" in str(evalkit("show", "latest", known[0]["id"]).out)


def test_a_fixed_schema_stands_in_the_settings(evalkit: Commands, server: FakeOpenAI) -> None:
    path = write_lines(evalkit.folder / "data.jsonl", {"id": "a", "text": "Ann is 7.", "person": {"age": 7}})
    schema = (
        "{type: object, properties: {age: {type: integer}}, required: [age], additionalProperties: false}"
    )
    server.settings.answer = lambda _: '{"age": 7}'
    ran = evalkit(
        *asking(
            server, "task=extraction", "dataset=jsonl", f"dataset.path={path}", "dataset.input.text=text"
        ),
        *("dataset.target=person", f"prompt.answer_schema={schema}", f"metrics.fields.schema={schema}"),
        "resamples=10",
    )
    assert ran.code == 0, ran.err
    metrics = evalkit.report()["metrics"]
    assert {one["value"] for one in metrics.values()} == {1.0}
    assert len(metrics) == 6


def test_a_sample_without_a_schema_is_named_before_anything_is_sent(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    path = write_lines(evalkit.folder / "data.jsonl", {"id": "a", "text": "Ann is 7.", "person": {"age": 7}})
    ran = evalkit(
        *asking(
            server, "task=extraction", "dataset=jsonl", f"dataset.path={path}", "dataset.input.text=text"
        ),
        "dataset.target=person",
    )
    assert 'fields: sample "a" has no column "schema" with a JSON schema' in ran.error
    assert server.count == 0
