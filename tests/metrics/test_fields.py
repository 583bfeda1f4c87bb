from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from evalkit.errors import MetricError
from evalkit.metrics.fields import Fields
from evalkit.postprocess import Unparsed
from evalkit.postprocess.json_value import JsonValue
from evalkit.records import Generation, Response, Sample
from evalkit.search_path import shipped

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "total": {"type": "number"}, "tags": {"type": "array"}},
    "required": ["name"],
}


def sample(target: Any, **metadata: Any) -> Sample:
    return Sample("s", {"text": "?"}, target, metadata=metadata)


def generation(prediction: Any) -> Generation:
    return Generation(
        "s", 0, Response("raw"), prediction, None if prediction is not None else "no JSON object"
    )


def values(answer: Any, target: Any, **options: Any) -> dict[str, float]:
    metric = Fields(**options)
    one = sample(target)
    rows = metric.bind([one]).statistics([generation(answer)], [one])
    return dict(zip(metric.names, metric.aggregate(rows, np.ones((1, 1)))[0].tolist(), strict=True))


def test_precision_recall_and_f1_by_hand() -> None:
    """Target of 5 leaves, answer of 4, 3 of them right: precision 3/4, recall 3/5, F1 6/9."""
    target = {"name": "Ann", "items": [{"n": "pen", "q": 2}, {"n": "cup", "q": 1}]}
    answer = {"name": "Ann", "items": [{"n": "pen", "q": 2}], "note": "x"}
    found = values(answer, target)
    assert found == pytest.approx(
        {
            "fields_f1": 6 / 9, "fields_precision": 3 / 4, "fields_recall": 3 / 5,
            "object_match": 0.0, "json_valid": 1.0,
        }
    )  # fmt: skip


def test_the_average_is_micro() -> None:
    """By hand: 1 of 1 and 1 of 3 right and wanted, 1 and 4 predicted: F1 4 / (5 + 4), not the mean of two."""
    samples = [sample({"a": 1}), sample({"a": 1, "b": 2, "c": 3})]
    metric = Fields().bind(samples)
    rows = metric.statistics([generation({"a": 1}), generation({"a": 1, "b": 3, "d": 3, "e": 4})], samples)
    assert rows.tolist() == [[1, 1, 1, 1, 1, 0, 1], [1, 4, 3, 0, 1, 0, 1]]
    found = metric.aggregate(rows, np.array([[1.0, 1.0], [3.0, 0.0], [0.0, 0.0]]))
    assert found[0].tolist() == pytest.approx([4 / 9, 2 / 5, 2 / 4, 1 / 2, 1.0])
    assert found[1].tolist() == [1.0] * 5
    assert np.isnan(found[2]).all()


def test_lists_are_multisets() -> None:
    assert values({"a": [2, 1, 1]}, {"a": [1, 2, 1]})["object_match"] == 1.0
    found = values({"a": [1, 2]}, {"a": [1, 1, 2]})
    assert (found["fields_precision"], found["fields_recall"]) == pytest.approx((1.0, 2 / 3))
    assert values([{"b": 1}, {"b": 2}], [{"b": 2}, {"b": 1}])["object_match"] == 1.0


def test_a_mix_up_within_a_list_is_no_match() -> None:
    """Every field of the two items is there, at the wrong item: F1 counts fields, the match items."""
    target = [{"n": "pen", "q": 2}, {"n": "cup", "q": 1}]
    found = values([{"n": "pen", "q": 1}, {"n": "cup", "q": 2}], target)
    assert (found["fields_f1"], found["object_match"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("answer", "target", "options", "equal"),
    [
        (42.0, 42, {}, True),
        ("42", 42, {}, True),
        ("1,200.50", 1200.5, {}, True),
        ("42", 42, {"read_numbers": False}, False),
        ("007", 7, {}, False),
        ("020 7946", "0207946", {}, False),
        (True, 1, {}, False),
        ("true", True, {}, False),
        (" Old  Hall\n", "Old Hall", {}, True),
        (" Old  Hall\n", "Old Hall", {"ignore_space": False}, False),
        ("old hall", "Old Hall", {}, False),
        ("old hall", "Old Hall", {"ignore_case": True}, True),
        ("Ａ１", "A1", {}, True),
        (None, "", {}, True),
        (None, [], {}, True),
        (None, "", {"ignore_null": False}, False),
        (None, None, {"ignore_null": False}, True),
        (0, None, {}, False),
        (False, None, {}, False),
    ],
)
def test_leaves_are_equal_by_the_options(
    answer: Any, target: Any, options: dict[str, Any], *, equal: bool
) -> None:
    found = values({"k": "x", "v": answer}, {"k": "x", "v": target}, **options)
    assert (found["object_match"] == 1.0) == equal


def test_absent_fields_equal_null() -> None:
    assert values({"a": 1}, {"a": 1, "b": None, "c": {"d": None}})["object_match"] == 1.0
    assert values({"a": 1}, {"a": 1, "b": None}, ignore_null=False)["object_match"] == 0.0
    assert values({}, {"b": None})["fields_f1"] == 1.0


def test_no_json_is_wrong_for_every_name() -> None:
    found = values(None, {"a": 1}, schema=SCHEMA)
    assert set(found.values()) == {0.0}
    assert values("no object", {"a": 1})["json_valid"] == 0.0
    assert values('{"a": NaN}', {"a": 1})["json_valid"] == 0.0
    assert values('{"a": 1}', '{"a": 1}')["object_match"] == 1.0
    assert values(json.loads('{"a": 1e999}'), {"a": 1})["fields_f1"] == 0.0


def test_schema_validity_is_by_sample_or_fixed() -> None:
    assert values({"name": "x"}, {"name": "y"}, schema=SCHEMA)["schema_valid"] == 1.0
    assert values({"total": 1}, {"name": "y"}, schema=SCHEMA)["schema_valid"] == 0.0
    assert "schema_valid" not in values({"name": "x"}, {"name": "y"})
    own = sample({"name": "x"}, rules=json.dumps(SCHEMA))
    metric = Fields(schema="rules").bind([own])
    assert metric.statistics([generation({"name": 3})], [own])[0, 4:6].tolist() == [1.0, 0.0]


def test_trials_and_bounds() -> None:
    one = sample({"a": 1, "b": 2})
    metric = Fields(schema=SCHEMA).bind([one])
    rows = metric.statistics([generation({"a": 1, "b": 2}), generation(None)], [one, one])
    mean = metric.aggregate(metric.combine(rows)[np.newaxis], np.ones((1, 1)))[0]
    assert mean[:4].tolist() == pytest.approx([2 / 3, 1.0, 0.5, 0.5])
    worst, best = metric.bounds(one)
    ends = metric.aggregate(np.stack([worst, best]), np.eye(2))
    assert ends.tolist() == [[0.0] * 6, [1.0] * 6]


def test_explain_names_the_fields() -> None:
    one = sample({"name": "Ann", "total": 12})
    explained = Fields(schema=SCHEMA).explain(generation({"name": "Ann", "total": "21", "x": True}), one)
    assert explained == (
        "1 of 2 fields right, 2 others; lacks total: 12; has total: 21, x: true; "
        'schema: $.total: "21" is no number'
    )
    assert Fields().explain(generation(None), one) == "no JSON (no JSON object)"


def test_the_signature_tells_every_option() -> None:
    signatures = {
        Fields(**options).signature
        for options in (
            {}, {"ignore_case": True}, {"ignore_space": False}, {"read_numbers": False},
            {"ignore_null": False}, {"schema": "schema"}, {"schema": SCHEMA}, {"schema": {"type": "object"}},
        )
    }  # fmt: skip
    assert len(signatures) == 8
    metric = pickle.loads(pickle.dumps(Fields(schema=SCHEMA)))
    again = Fields(**json.loads(json.dumps(metric.options)))
    assert (again.signature, again.names) == (metric.signature, metric.names)


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        ("no object", {}, 'the target of sample "s" is no JSON object or list'),
        (None, {}, 'sample "s" has no target'),
        ({"a": 1}, {"schema": "schema"}, 'has no column "schema" with a JSON schema'),
        ({"a": 1}, {"schema": {"type": "objekt"}}, '"objekt" is no type'),
    ],
)
def test_mistakes_are_named(target: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(MetricError, match=words):
        Fields(**options).bind([sample(target)])


LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=4)
OBJECTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=2), OBJECTS, min_size=1, max_size=3), OBJECTS)
def test_a_value_matches_itself_and_any_answer_has_a_score(target: Any, answer: Any) -> None:
    itself = values(json.loads(json.dumps(target)), target)
    assert {itself[name] for name in itself} == {1.0}
    found = values(answer, target)
    assert all(0.0 <= value <= 1.0 for value in found.values())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (' {"a": 1}\n', {"a": 1}),
        ("[1, 2]", [1, 2]),
        ('Here:\n```json\n{"a": [1]}\n```\nDone.', {"a": [1]}),
        ('It is {"a": {"b": 2}} I think, not {"a": 3}.', {"a": {"b": 2}}),
        ('```\n[{"a": 1}]\n```', [{"a": 1}]),
    ],
)
def test_the_step_finds_the_object(text: str, value: Any) -> None:
    assert JsonValue()(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "3", '"a"', '{"a": 1', "{'a': 1}", '{"a": NaN}'),
        '{"name": "x", "items": [{"n": 1}, {"n": 2}',  # cut off: its items are not the answer
        'So: {"a": {"b": 1}, "c": oops}',
        *("{" * 100_000, '{"' * 100_000),
    ],
    ids=range(10),
)
def test_the_step_finds_none(text: str) -> None:
    with pytest.raises(Unparsed, match="no whole JSON object"):
        JsonValue()(text)


def test_a_strict_step_wants_json_alone() -> None:
    assert JsonValue(strict=True)('{"a": 1}\n') == {"a": 1}
    with pytest.raises(Unparsed, match="the answer is no JSON object"):
        JsonValue(strict=True)('```json\n{"a": 1}\n```')


def test_every_target_of_the_benchmark_follows_its_schema() -> None:
    lines = (shipped("benchmarks") / "extraction" / "data.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    samples = [Sample(row["id"], {"schema": row["schema"]}, row["target"]) for row in rows]
    metric = Fields(schema="schema").bind(samples)
    right = [Generation(row["id"], 0, Response(""), row["target"]) for row in rows]
    found = metric.aggregate(metric.statistics(right, samples), np.ones((1, len(rows))))
    assert found.tolist() == [[1.0] * 6]
    for row in rows:
        Draft202012Validator(row["schema"]).validate(row["target"])
        assert strict(row["schema"]), row["id"]
    assert len(rows) == 40


def strict(schema: dict[str, Any]) -> bool:
    """Whether strict structured outputs take a schema: all properties required, no others."""
    if "properties" in schema:
        return (
            schema["additionalProperties"] is False
            and schema["required"] == list(schema["properties"])
            and all(map(strict, schema["properties"].values()))
        )
    return strict(schema["items"]) if "items" in schema else True
