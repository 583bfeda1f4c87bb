"""Values held to JSON schemas, beside the `jsonschema` package on generated schemas and values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from evalkit.errors import SchemaError
from evalkit.json_schema import UNKNOWN, check, is_valid, problems, same

NAMES = st.sampled_from(["a", "b", "unit", "名"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.0, 1.0, 2.5, -1.5, 1e300, 10**20]),
    st.sampled_from(["", "a", "b", "ab", "北京", "aaa", "12"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)
TYPE = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
SMALL = st.integers(0, 3)
NUMBER = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, -1.5, 1.0]))
PATTERN = st.sampled_from(["^a", "b$", "^[0-9]+$", "京", "."])


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    some = st.lists(inner, min_size=1, max_size=3)
    named = st.dictionaries(NAMES, inner, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.one_of(TYPE, st.lists(TYPE, min_size=1, max_size=3, unique=True)),
            "properties": named,
            "required": st.lists(NAMES, max_size=2, unique=True),
            "additionalProperties": inner,
            "patternProperties": st.dictionaries(PATTERN, inner, max_size=2),
            "propertyNames": inner,
            "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=2),
            "minProperties": SMALL,
            "maxProperties": SMALL,
            "items": inner,
            "prefixItems": some,
            "contains": inner,
            "minContains": SMALL,
            "maxContains": SMALL,
            "minItems": SMALL,
            "maxItems": SMALL,
            "uniqueItems": st.booleans(),
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "const": VALUES,
            "minimum": NUMBER,
            "maximum": NUMBER,
            "exclusiveMinimum": NUMBER,
            "exclusiveMaximum": NUMBER,
            "multipleOf": st.integers(1, 4),
            "minLength": SMALL,
            "maxLength": SMALL,
            "pattern": PATTERN,
            "anyOf": some,
            "oneOf": some,
            "allOf": some,
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "$ref": st.just("#/$defs/leaf"),
            "title": st.just("an annotation"),
            "format": st.just("date"),
        },
    )


SCHEMAS = st.recursive(st.booleans(), keywords, max_leaves=5)


@settings(max_examples=400, deadline=None)
@given(schema=SCHEMAS, leaf=SCHEMAS.filter(lambda one: "$ref" not in str(one)), value=VALUES)
def test_values_are_valid_where_the_jsonschema_package_finds_them_so(
    schema: Any, leaf: Any, value: Any
) -> None:
    whole = {"$defs": {"leaf": leaf}, "allOf": [schema]}
    check(whole)
    theirs = Draft202012Validator(whole)
    assert is_valid(value, whole) == theirs.is_valid(value), (whole, value)


@settings(max_examples=300, deadline=None)
@given(one=VALUES, other=VALUES)
def test_values_are_the_same_where_a_constant_is(one: Any, other: Any) -> None:
    assert same(one, other) == Draft202012Validator({"const": one}).is_valid(other)


WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 1},
        "unit": {"enum": ["C", "F"]},
        "days": {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 7},
    },
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"city": "Oslo", "unit": "C", "days": [1, 2]}, []),
        ({"unit": "K"}, ['$.unit: "K" is none of "C", "F"', '$: lacks "city"']),
        ({"city": 3}, ["$.city: 3 is no string"]),
        ({"city": ""}, ["$.city: has 0 characters, fewer than 1"]),
        (
            {"city": "Oslo", "days": [1, 0, True]},
            ["$.days[1]: 0 is less than 1", "$.days[2]: true is no integer"],
        ),
        ({"city": "Oslo", "town": 1}, ['$: "town" is not known']),
        ([], ["$: [] is no object"]),
    ],
)
def test_what_is_wrong_is_said_with_its_place(value: Any, said: list[str]) -> None:
    assert list(problems(value, WEATHER)) == said


def test_a_schema_may_refer_to_itself() -> None:
    tree = {"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": False}
    check(tree)
    assert is_valid({"next": {"next": {}}}, tree)
    assert not is_valid({"next": {"next": 1}}, tree)


def test_a_reference_reads_escaped_names() -> None:
    schema = {"$defs": {"a/b~c d": {"const": 1}}, "$ref": "#/$defs/a~1b~0c%20d"}
    check(schema)
    assert is_valid(1, schema)
    assert not is_valid(2, schema)


def test_multiples_are_taken_by_decimal_digits() -> None:
    """As the draft means it; binary fractions would deny that 0.3 is a multiple of 0.1."""
    assert is_valid(0.3, {"multipleOf": 0.1})
    assert not is_valid(0.35, {"multipleOf": 0.1})


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ([], r"#: \[\] is no schema"),
        ({"type": "dict"}, '#/type: "dict" is no type; types are null'),
        ({"type": []}, r"#/type: \[\] is no type"),
        ({"properties": {"a": {"type": "int"}}}, "#/properties/a/type"),
        ({"properties": []}, "#/properties"),
        ({"items": [{}]}, "#/items: .* is no schema"),
        ({"anyOf": []}, "#/anyOf"),
        ({"anyOf": [{}, 3]}, "#/anyOf/1"),
        ({"required": "a"}, "#/required: .* must be a list of names"),
        ({"minLength": -1}, "#/minLength"),
        ({"minimum": True}, "#/minimum"),
        ({"exclusiveMinimum": True}, "#/exclusiveMinimum"),
        ({"multipleOf": 0}, "#/multipleOf"),
        ({"enum": "a"}, "#/enum"),
        ({"uniqueItems": 1}, "#/uniqueItems"),
        ({"pattern": "("}, "#/pattern: .* is no regular expression"),
        ({"patternProperties": {"(": {}}}, "#/patternProperties"),
        ({"$ref": "#/$defs/a"}, 'leads nowhere: there is no "\\$defs"'),
        ({"$ref": "http://example.com"}, "must be # or begin with #/"),
        ({"dependentRequired": {"a": "b"}}, "#/dependentRequired"),
        *[
            ({"not": {name: {}}}, f"#/not: the keyword {name.replace('$', '.')} is not known")
            for name in UNKNOWN
        ],
    ],
)
def test_a_wrong_schema_is_refused_with_its_place(schema: Any, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        check(schema)


@pytest.mark.parametrize(
    "schema", [{"$ref": "#"}, {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#"}}}]
)
def test_a_reference_that_leads_to_itself_ends(schema: Any) -> None:
    with pytest.raises(SchemaError, match="seems to lead to itself"):
        is_valid(1, schema)


def test_a_keyword_that_would_decide_is_never_passed_over() -> None:
    with pytest.raises(
        SchemaError, match="unevaluatedProperties is not known here; use additionalProperties"
    ):
        is_valid({}, {"unevaluatedProperties": False})


def test_long_values_are_shown_in_short() -> None:
    (said,) = problems("x" * 1000, {"type": "integer"})
    assert len(said) < 100
