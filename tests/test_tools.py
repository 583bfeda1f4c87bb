"""Definitions of tools in the forms that data has, told as chat completions take them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evalkit.errors import PromptError
from evalkit.json_schema import check
from evalkit.tools import definitions, schemas, wire_name

PLAIN = {
    "name": "get_weather",
    "description": "Weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CHAT = {"type": "function", "function": PLAIN}


@pytest.mark.parametrize(
    "given", [[CHAT], [PLAIN], PLAIN, json.dumps([CHAT]), [{"type": "function", **PLAIN}], json.dumps(PLAIN)]
)
def test_every_form_becomes_that_of_chat(given: Any) -> None:
    assert definitions(given) == (CHAT,)


def test_types_of_the_berkeley_leaderboard_become_those_of_json() -> None:
    """The form of gorilla-llm/Berkeley-Function-Calling-Leaderboard, `function` of a row."""
    (found,) = definitions(
        {
            "name": "math.hypot",
            "description": "Length of a vector.",
            "parameters": {
                "type": "dict",
                "properties": {
                    "x": {"type": "float", "description": "first"},
                    "points": {"type": "tuple", "items": {"type": "float"}},
                    "options": {"type": "dict", "properties": {"exact": {"type": "boolean"}}},
                    "anything": {"type": "any"},
                },
                "required": ["x"],
            },
        }
    )
    assert found["function"]["name"] == "math_hypot"
    assert found["function"]["parameters"] == {
        "type": "object",
        "properties": {
            "x": {"type": "number", "description": "first"},
            "points": {"type": "array", "items": {"type": "number"}},
            "options": {"type": "object", "properties": {"exact": {"type": "boolean"}}},
            "anything": {},
        },
        "required": ["x"],
    }


def test_parameters_of_xlam_become_a_schema() -> None:
    """The form of Salesforce/xlam-function-calling-60k, `tools` of a row: JSON text, Python's types."""
    tool = {
        "name": "search",
        "description": "Search.",
        "parameters": {
            "query": {"description": "what", "type": "str"},
            "limit": {"description": "how many", "type": "int, optional", "default": 10},
            "ids": {"description": "which", "type": "List[int]"},
            "pairs": {"type": "List[Tuple[int, str]]"},
            "by": {"type": "Union[int, float]"},
            "type": {"type": "str", "default": "game"},
        },
    }
    (found,) = definitions(json.dumps([tool]))
    schema = found["function"]["parameters"]
    assert schema["required"] == ["query", "ids", "pairs", "by"]
    assert schema["properties"]["limit"] == {"description": "how many", "type": "integer", "default": 10}
    assert schema["properties"]["ids"] == {
        "description": "which",
        "type": "array",
        "items": {"type": "integer"},
    }
    assert schema["properties"]["pairs"] == {"type": "array", "items": {"type": "array"}}
    assert schema["properties"]["by"] == {"anyOf": [{"type": "integer"}, {"type": "number"}]}
    check(schema)


def test_a_function_without_parameters_takes_none() -> None:
    (found,) = definitions([{"name": "restart"}])
    assert found == {"type": "function", "function": {"name": "restart"}}
    assert schemas([found]) == {"restart": {"type": "object", "properties": {}}}


@pytest.mark.parametrize(
    ("name", "sent"), [("a.b c", "a_b_c"), ("天气", "__"), ("x" * 70, "x" * 64), ("a-b_9", "a-b_9")]
)
def test_names_are_spelled_as_the_api_takes_them(name: str, sent: str) -> None:
    assert wire_name(name) == sent


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("no json", "no JSON"),
        (3, "no list of definitions"),
        ([3], "number 1 is 3"),
        ([{"type": "web_search"}], "number 1 is no function"),
        ([{"description": "nameless"}], "number 1 has no name"),
        ([{"name": "f", "parameters": []}], 'the parameters of "f" are no JSON schema'),
        ([{"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "money"}}}}],
         '"f": #/properties/a/type: "money" is no type'),
        ([{"name": "a.b"}, {"name": "a_b"}], 'two of them are called "a_b"'),
    ],
)  # fmt: skip
def test_what_is_no_definition_is_refused(given: Any, said: str) -> None:
    with pytest.raises(PromptError, match=said):
        definitions(given)
