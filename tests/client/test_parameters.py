"""Parameters that a model or no server takes: refused by name, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from evalkit.client.base import Endpoint
from evalkit.client.chat import ChatCompletions
from evalkit.client.completions import Completions
from evalkit.client.parameters import ANYTHING, Abilities, check
from evalkit.client.responses import Responses
from evalkit.errors import ModelError

ENDPOINT = ChatCompletions.takes
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
        check("gpt-x", params, abilities, official=official, endpoint=ENDPOINT)
    return str(caught.value)


@pytest.mark.parametrize(
    ("params", "says"),
    [
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
    check("gpt-x", params, RULES, official=True, endpoint=ENDPOINT)


def test_without_a_declaration_every_parameter_passes() -> None:
    params = {"reasoning_effort": "extreme", "top_k": 5, "max_tokens": 10**9}
    check("my-model", params, ANYTHING, official=True, endpoint=ENDPOINT)


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
    check("gpt-x", params, ANYTHING, official=True, endpoint=ENDPOINT)


@pytest.mark.parametrize(
    "params",
    [{"temperature": 3.0}, {"max_tokens": -1}, {"stop": list("abcde")}, {"presence_penalty": 5.0}],
)
def test_other_servers_may_have_other_ranges(params: dict[str, Any]) -> None:
    check("m", params, ANYTHING, official=False, endpoint=ENDPOINT)
    refusal(params)


@pytest.mark.parametrize("params", [{"temperature": -1.0}, {"top_p": 2.0}, {"top_logprobs": 2}])
def test_what_is_wrong_everywhere_is_refused_everywhere(params: dict[str, Any]) -> None:
    refusal(params, official=False)


# ----------------------------------------------------------------------------------- endpoint by endpoint

FULL = {
    "max_tokens": 5,
    "temperature": 0.5,
    "top_p": 0.5,
    "n": 2,
    "stop": ["a"],
    "seed": 1,
    "presence_penalty": 1.0,
    "frequency_penalty": 1.0,
    "logit_bias": {"1": 1},
    "reasoning_effort": "low",
    "verbosity": "low",
    "service_tier": "flex",
    "suffix": "end",
    "echo": True,
    "best_of": 3,
    "max_output_tokens": 5,
}
ENDPOINTS: dict[str, Endpoint] = {
    "chat": ChatCompletions(),
    "completions": Completions(),
    "responses": Responses(),
}
REFUSED = {
    "chat": {"suffix", "echo", "best_of", "max_output_tokens"},
    "completions": {"reasoning_effort", "verbosity", "service_tier", "max_output_tokens"},
    "responses": {
        *("n", "stop", "seed", "presence_penalty", "frequency_penalty", "logit_bias"),
        *("suffix", "echo", "best_of"),
    },
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("name", FULL)
def test_endpoint_refuses_what_it_does_not_know_by_name(endpoint: str, name: str) -> None:
    params, takes = {name: FULL[name]}, ENDPOINTS[endpoint].takes
    if name not in REFUSED[endpoint]:
        check("gpt-x", params, ANYTHING, official=True, endpoint=takes)
        return
    with pytest.raises(ModelError, match=f"model.params.{name}=.*the {endpoint} endpoint does not know it; "):
        check("gpt-x", params, ANYTHING, official=False, endpoint=takes)


@pytest.mark.parametrize(
    ("endpoint", "value", "says"),
    [
        ("chat", 3, "the chat endpoint takes true, with top_logprobs=N"),
        ("responses", 3, "the responses endpoint takes true"),
        ("completions", True, "the completions endpoint takes a number, like logprobs=1"),
        ("completions", 6, "between 0 and 5"),
        ("completions", "many", "takes a number"),
    ],
)
def test_logprobs_are_asked_for_in_the_endpoints_way(endpoint: str, value: Any, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        check("m", {"logprobs": value}, ANYTHING, official=True, endpoint=ENDPOINTS[endpoint].takes)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_two_limits_at_once_are_refused_by_every_endpoint_and_server(endpoint: str) -> None:
    params = {"max_tokens": 5, "max_completion_tokens": 5}
    with pytest.raises(ModelError, match="max_completion_tokens is set too; set one of them"):
        check("m", params, ANYTHING, official=False, endpoint=ENDPOINTS[endpoint].takes)


OLD, NEW = {"max_tokens": True}, {"max_completion_tokens": True}
BOTH = {**OLD, **NEW}


@pytest.mark.parametrize(
    ("endpoint", "given", "accepts", "sent"),
    [
        ("chat", "max_tokens", None, "max_tokens"),
        ("chat", "max_tokens", BOTH, "max_tokens"),
        ("chat", "max_tokens", NEW, "max_completion_tokens"),
        ("chat", "max_completion_tokens", OLD, "max_tokens"),
        ("chat", "max_completion_tokens", {}, "max_completion_tokens"),
        ("completions", "max_tokens", BOTH, "max_tokens"),
        ("completions", "max_completion_tokens", None, "max_tokens"),
        ("responses", "max_tokens", NEW, "max_output_tokens"),
        ("responses", "max_completion_tokens", None, "max_output_tokens"),
        ("responses", "max_output_tokens", OLD, "max_output_tokens"),
    ],
)
def test_limit_is_sent_by_the_name_that_endpoint_and_model_know(
    endpoint: str, given: str, accepts: dict[str, Any] | None, sent: str
) -> None:
    assert ENDPOINTS[endpoint].spell({given: 7}, accepts) == {sent: 7}


@pytest.mark.parametrize("given", ["max_tokens", "max_output_tokens"])
def test_limit_by_another_name_is_still_held_to_the_models_longest_answer(given: str) -> None:
    with pytest.raises(ModelError, match=f"{given}=101: gpt-x writes at most 100 tokens"):
        check("gpt-x", {given: 101}, RULES, official=True, endpoint=ENDPOINTS["responses"].takes)


def test_best_of_fewer_than_the_answers_asked_for_is_refused() -> None:
    with pytest.raises(ModelError, match=r"model\.params\.best_of=2: fewer than the 3 answers"):
        check("m", {"n": 3, "best_of": 2}, ANYTHING, official=False, endpoint=ENDPOINTS["completions"].takes)


def test_limit_of_zero_belongs_to_completions_alone() -> None:
    """With echo it scores a prompt and writes nothing."""
    params = {"max_tokens": 0}
    check("m", params, ANYTHING, official=True, endpoint=ENDPOINTS["completions"].takes)
    refusal(params)
