from __future__ import annotations

from typing import Any

import pytest

from evalkit.errors import MetricError
from evalkit.metrics.schema import problem, schema_of


def test_a_schema_may_be_a_json_text() -> None:
    assert schema_of('{"type": "array"}', "here") == {"type": "array"}
    assert problem([], {"type": "array"}) is None
    assert "array" in str(problem({}, {"type": "array"}))


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("{", "the schema is no JSON"),
        ({"type": "strng"}, "strng"),
        ({"unevaluatedItems": False}, "unevaluatedItems"),
    ],
)
def test_what_is_no_schema_is_named(schema: Any, words: str) -> None:
    with pytest.raises(MetricError, match=f"here: .*{words}"):
        schema_of(schema, "here")


def test_endless_schemas_and_values_end() -> None:
    nested = {"$defs": {"l": {"items": {"$ref": "#/$defs/l"}}}, "$ref": "#/$defs/l"}
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    assert "nested too deeply" in str(problem(deep, schema_of(nested, "here")))
