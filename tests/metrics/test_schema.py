"""Our part of JSON Schema against the package jsonschema, on made-up schemas and values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from evalkit.errors import MetricError
from evalkit.metrics.schema import check_schema, problem, schema_of

VALUES = st.recursive(
    st.sampled_from([0, 1, 1.0, 2.5, -1, "", "a", "ab", True, False, None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
NUMBER = st.fixed_dictionaries(
    {"type": st.sampled_from(["number", "integer", ["integer", "null"]])},
    optional={
        name: st.sampled_from([0, 1, 2.5])
        for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    }
    | {"multipleOf": st.sampled_from([0.5, 2])},
)
TEXT = st.fixed_dictionaries(
    {"type": st.just("string")},
    optional={"minLength": st.just(1), "maxLength": st.just(1), "pattern": st.just("^a")},
)
PLAIN = st.sampled_from(
    [True, False, {}, {"type": "boolean"}, {"type": "null"}, {"enum": [1, "a", None, [1]]}, {"const": 1}]
)


def compound(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=2)
    arrays = st.fixed_dictionaries(
        {"type": st.just("array")},
        optional={
            "items": inner, "minItems": st.just(1), "maxItems": st.just(2),
            "uniqueItems": st.just(value=True),
        },
    )  # fmt: skip
    objects = st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2)},
        optional={
            "required": st.just(["a"]), "additionalProperties": inner, "minProperties": st.just(1),
            "maxProperties": st.just(2),
        },
    )  # fmt: skip
    combined: list[st.SearchStrategy[Any]] = [
        st.fixed_dictionaries({name: several}) for name in ("anyOf", "oneOf", "allOf")
    ]
    return st.one_of(arrays, objects, *combined, st.fixed_dictionaries({"not": inner}))


SCHEMAS = st.recursive(NUMBER | TEXT | PLAIN, compound, max_leaves=4)


@settings(max_examples=400, deadline=None)
@given(SCHEMAS, VALUES)
def test_what_is_valid_is_what_jsonschema_calls_so(schema: Any, value: Any) -> None:
    check_schema(schema, "here")
    assert (problem(value, schema) is None) == Draft202012Validator(schema).is_valid(value)


NODE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}},
            "required": ["value"],
        }
    },
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"value": 1, "next": {"value": 2}}, None),
        ({"value": "1"}, "value: string, not integer"),
        ({"value": 1, "next": {"next": {"value": 3}}}, 'next: "value" is missing'),
        ([], "array, not object"),
    ],
)
def test_references_within_the_schema_are_followed(value: Any, words: str | None) -> None:
    check_schema(NODE, "here")
    assert problem(value, NODE) == words
    assert (words is None) == Draft202012Validator(NODE).is_valid(value)


@pytest.mark.parametrize(
    ("schema", "value", "words"),
    [
        (
            {"properties": {"items": {"items": {"type": "number"}}}},
            {"items": [1, "2"]},
            "items[1]: string, not number",
        ),
        ({"enum": ["a", "b"]}, "c", '"c" is none of ["a", "b"]'),
        ({"additionalProperties": False}, {"x": 1}, '"x" is not in the schema'),
        ({"type": ["integer", "null"]}, 1.5, "number, not integer or null"),
        ({"maxItems": 1}, [1, 2], "2 items, more than 1"),
        ({"minimum": 3}, 2, "2 is less than 3"),
        ({"format": "email"}, "no address", None),
    ],
)
def test_the_problem_says_where_and_what(schema: Any, value: Any, words: str | None) -> None:
    assert problem(value, schema) == words


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"patternProperties": {}}, "the keyword patternProperties is not known here"),
        ({"properties": {"a": {"if": {}}}}, "the keyword if is not known here"),
        ({"type": "strng"}, 'no type "strng".*string'),
        ({"items": [{}]}, "items must be one schema"),
        ({"$ref": "#/$defs/no"}, "nothing at #/\\$defs/no"),
        ({"$ref": "https://example.org/a.json"}, "is outside the schema"),
        ({"pattern": "("}, "bad pattern"),
        ({"anyOf": [3]}, "a schema is an object, true or false, not 3"),
        ("{", "the schema is no JSON"),
    ],
)
def test_what_is_not_known_is_refused_by_name(schema: Any, words: str) -> None:
    with pytest.raises(MetricError, match=rf"here: .*{words}|here: {words}"):
        schema_of(schema, "here")


def test_endless_schemas_and_values_end() -> None:
    loop = {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
    check_schema(loop, "here")
    assert problem(1, loop) == "nested too deeply"
    deep: Any = 1
    for _ in range(3000):
        deep = [deep]
    nested = {"$defs": {"l": {"items": {"$ref": "#/$defs/l"}}}, "$ref": "#/$defs/l"}
    assert problem(deep, nested) == "nested too deeply"
