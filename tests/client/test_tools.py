"""Tools, their parameters and images: what a model must take, and how each endpoint spells them."""

from __future__ import annotations

from typing import Any

import pytest

from evalkit.client.base import Model
from evalkit.config.compose import load
from evalkit.config.model import build_model
from evalkit.errors import ModelError
from evalkit.records import Question, Sample

SAMPLE = Sample("one", {})
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}
ASKED = {"role": "user", "content": "Oslo?"}
SEEN = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}


def model(*overrides: str) -> Model:
    return build_model(load(["model=openai", "model.name=m", *overrides]))


def body(question: Question, *overrides: str) -> Any:
    return model(*overrides).request(SAMPLE, question, 0).body


@pytest.mark.parametrize(
    ("choice", "name", "responses"),
    [
        ("required", "required", "required"),
        (
            "get_weather",
            {"type": "function", "function": {"name": "get_weather"}},
            {"type": "function", "name": "get_weather"},
        ),
        (
            "{type: function, name: f}",
            {"type": "function", "function": {"name": "f"}},
            {"type": "function", "name": "f"},
        ),
        (
            "{type: function, function: {name: f}}",
            {"type": "function", "function": {"name": "f"}},
            {"type": "function", "name": "f"},
        ),
    ],
)
def test_tool_choice_is_spelled_as_the_endpoint_takes_it(choice: str, name: Any, responses: Any) -> None:
    question = Question((ASKED,), tools=(TOOL,))
    words = (f"model.params.tool_choice={choice}", "model.params.parallel_tool_calls=false")
    for endpoint, wanted in (("chat", name), ("responses", responses)):
        found = body(question, f"model.endpoint={endpoint}", *words)
        assert found["tool_choice"] == wanted
        assert found["parallel_tool_calls"] is False


def test_responses_take_tools_flat_and_not_strict_by_themselves() -> None:
    """There `strict` is true where it is left out, and the same question must be asked as in chat."""
    strict = {"type": "function", "function": {**TOOL["function"], "strict": True}}  # type: ignore[dict-item]
    bare = {"type": "function", "function": {"name": "stop"}}
    found = body(Question((ASKED,), tools=(TOOL, strict, bare)), "model.endpoint=responses")["tools"]
    assert found == [
        {"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": False},
        {"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": True},
        {
            "type": "function",
            "name": "stop",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        },
    ]


@pytest.mark.parametrize(
    ("question", "kind"),
    [(Question((ASKED,), tools=(TOOL,)), "tools to call"), (Question((SEEN,)), "images")],
)
def test_a_declared_model_must_name_what_a_question_holds(question: Question, kind: str) -> None:
    with pytest.raises(ModelError, match=f"the questions hold {kind}, and m takes none: choose a model"):
        body(question, "model.accepts={temperature: true}")
    assert body(question, "model.accepts=null")
    assert body(question, "model.accepts={temperature: true, tools: true, images: true}")


@pytest.mark.parametrize("parameter", ["tool_choice=auto", "parallel_tool_calls=true"])
def test_parameters_of_tools_need_tools(parameter: str) -> None:
    with pytest.raises(ModelError, match="the questions hold no tools; take it out"):
        body(Question((ASKED,)), f"model.params.{parameter}")


@pytest.mark.parametrize("parameter", ["tool_choice=auto", "parallel_tool_calls=true"])
def test_completions_refuse_them_by_name(parameter: str) -> None:
    with pytest.raises(
        ModelError, match=r"the completions endpoint does not know it; add model\.endpoint=chat"
    ):
        model("model.endpoint=completions", f"model.params.{parameter}")
