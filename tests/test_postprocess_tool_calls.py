"""The step `tool_calls`: what a model calls, as a list; broken arguments are unparsed."""

from __future__ import annotations

from typing import Any

import pytest

from evalkit.config.prompting import build_postprocess
from evalkit.errors import ConfigError
from evalkit.postprocess import Context, Unparsed
from evalkit.records import Response, Sample

SAMPLE = Sample("one", {})


def call(name: str, arguments: Any) -> dict[str, Any]:
    return {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}


def read(text: str, calls: list[Any] | None = None, step: Any = "tool_calls") -> Any:
    return build_postprocess([step])(text, Context(Response(text, tool_calls=calls), SAMPLE))


def test_calls_are_names_with_arguments() -> None:
    calls = [call("a", '{"x": 1, "y": ["é"]}'), call("b", "")]
    assert read("", calls) == [
        {"name": "a", "arguments": {"x": 1, "y": ["é"]}},
        {"name": "b", "arguments": {}},
    ]


def test_text_without_a_call_is_the_empty_list() -> None:
    assert read("It is sunny.") == []
    assert read('{"name": "a", "arguments": {}}') == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('{"x": 1', "arguments of a are no JSON"),
        ("[1]", "arguments of a are no object"),
        ('{"x": NaN}', "arguments of a are no JSON"),
        ("[" * 100_000, "arguments of a are no JSON"),
    ],
)
def test_broken_arguments_are_unparsed(arguments: str, said: str) -> None:
    with pytest.raises(Unparsed, match=said):
        read("", [call("a", arguments)])


@pytest.mark.parametrize(
    "odd", [{"type": "custom", "custom": {"name": "a"}}, None, {"function": {"name": 3}}]
)
def test_a_call_of_no_function_is_unparsed(odd: Any) -> None:
    with pytest.raises(Unparsed, match="no function"):
        read("", [odd])


WRITTEN = {"tool_calls": {"written": "json"}}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('[{"name": "a", "arguments": {"x": 1}}, {"name": "b", "arguments": {}}]', ["a", "b"]),
        ('<tool_call>{"name": "a", "arguments": {"x": 1}}</tool_call>', ["a"]),
        ('```json\n{"name": "a", "parameters": {"x": {"name": "b"}}}\n```', ["a"]),
        ('{"type": "function", "function": {"name": "a", "arguments": "{}"}}', ["a"]),
        ('I would not call {"name": "a"} here.', []),
    ],
)
def test_written_calls_are_found_in_the_text(text: str, names: list[str]) -> None:
    assert [one["name"] for one in read(text, step=WRITTEN)] == names


def test_an_unknown_way_of_writing_is_refused() -> None:
    with pytest.raises(ConfigError, match="written is none or json, not 'xml'"):
        build_postprocess([{"tool_calls": {"written": "xml"}}])
