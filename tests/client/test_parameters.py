"""Parameters that a model or no server takes: refused by name, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from evalkit.client.parameters import ANYTHING, Abilities, check
from evalkit.errors import ModelError

RULES = Abilities(
    {
        "max_completion_tokens": True,
        "reasoning_effort": ["none", "low"],
        "temperature": {"reasoning_effort": "none"},
        "seed": True,
        "stop": False,
    },
    max_output=100,
)


def refusal(params: dict[str, Any], abilities: Abilities = ANYTHING, *, official: bool = True) -> str:
    with pytest.raises(ModelError) as caught:
        check("gpt-x", params, abilities, official=official)
    return str(caught.value)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"max_tokens": 5}, "model.params.max_tokens=5: gpt-x does not take it; use model.params.max_comp"),
        (
            {"stop": ["a"]},
            "model.params.stop=['a']: gpt-x does not take it; it takes max_completion_tokens, r",
        ),
        ({"verbosity": "low"}, "gpt-x does not take it"),
        ({"n": 3}, "set trials instead"),
        (
            {"reasoning_effort": "high"},
            "model.params.reasoning_effort=high: gpt-x takes none, low; model.accepts=null",
        ),
        (
            {"temperature": 0.0},
            "takes it only with reasoning_effort=none; set model.params.reasoning_effort=none",
        ),
        ({"temperature": 0.0, "reasoning_effort": "low"}, "only with reasoning_effort=none"),
        (
            {"max_completion_tokens": 101},
            "model.params.max_completion_tokens=101: gpt-x writes at most 100 tokens",
        ),
    ],
)
def test_parameter_that_the_model_does_not_take_is_named(params: dict[str, Any], says: str) -> None:
    assert says in refusal(params, RULES)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"seed": 1, "reasoning_effort": "low", "max_completion_tokens": 100},
        {"temperature": 0.0, "reasoning_effort": "none"},
    ],
)
def test_parameters_that_it_takes_pass(params: dict[str, Any]) -> None:
    check("gpt-x", params, RULES, official=True)


def test_without_a_declaration_every_parameter_passes() -> None:
    check(
        "my-model", {"reasoning_effort": "extreme", "top_k": 5, "max_tokens": 10**9}, ANYTHING, official=True
    )


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"presence_penalty": -2.5}, "presence_penalty"),
        ({"frequency_penalty": 2.5}, "frequency_penalty"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": False, "top_logprobs": 3}, "top_logprobs"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"logit_bias": {"50256": -101}}, "logit_bias"),
        ({"logit_bias": {"50256": "no"}}, "logit_bias"),
    ],
)
def test_value_outside_openais_documented_range_is_refused(params: dict[str, Any], name: str) -> None:
    assert refusal(params).startswith(f"model.params.{name}")


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": 2.0, "top_p": 0.0, "presence_penalty": -2.0, "frequency_penalty": 2.0},
        {"logprobs": True, "top_logprobs": 20, "max_tokens": 1, "stop": ["a", "b", "c", "d"]},
        {"logit_bias": {"1": 100, "2": -100}},
    ],
)
def test_ends_of_the_ranges_pass(params: dict[str, Any]) -> None:
    check("gpt-x", params, ANYTHING, official=True)


@pytest.mark.parametrize(
    "params",
    [{"temperature": 3.0}, {"max_tokens": -1}, {"stop": list("abcde")}, {"presence_penalty": 5.0}],
)
def test_other_servers_may_have_other_ranges(params: dict[str, Any]) -> None:
    check("m", params, ANYTHING, official=False)
    refusal(params)


@pytest.mark.parametrize("params", [{"temperature": -1.0}, {"top_p": 2.0}, {"top_logprobs": 2}])
def test_what_is_wrong_everywhere_is_refused_everywhere(params: dict[str, Any]) -> None:
    refusal(params, official=False)
