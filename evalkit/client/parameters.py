"""Sampling parameters checked before anything is sent: what a model takes, and what no server takes.

A model's config declares what it takes (`accepts`): a mapping from a parameter's name to

- `true`: any value;
- a list: one of these values;
- `{other: value}`: any value, provided that the parameter `other` is set to `value` too.

What it does not name is refused. Without a declaration everything passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.errors import ModelError, did_you_mean

LIMITS = ("max_completion_tokens", "max_tokens")
MOST_STOPS = 4
MOST_BIAS = 100
OVERRIDE = "model.accepts=null sends it all the same"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model is known to take; None where nothing is known. `max_output` in tokens."""

    accepts: Mapping[str, Any] | None = None
    max_output: int | None = None


ANYTHING = Abilities()


def check(name: str, params: Mapping[str, Any], abilities: Abilities, *, official: bool) -> None:
    """Refuse what cannot be meant; `official` says that OpenAI's own API, with its ranges, is asked.

    Raises ModelError that names the parameter.
    """
    _check_everywhere(params)
    if official:
        _check_ranges(params)
    if abilities.accepts is not None:
        for parameter, value in params.items():
            _check_accepted(name, parameter, value, params, abilities.accepts)
    if abilities.max_output is not None:
        for parameter in LIMITS:
            value = params.get(parameter)
            if value is not None and value > abilities.max_output:
                raise _refused(
                    parameter, value, f"{name} writes at most {abilities.max_output:,} tokens", "set less"
                )


# ------------------------------------------------------------------------------ one model's parameters


def _check_accepted(
    name: str, parameter: str, value: Any, params: Mapping[str, Any], accepts: Mapping[str, Any]
) -> None:
    rule = accepts.get(parameter, False)
    if rule is True:
        return
    if isinstance(rule, list):
        if value not in rule:
            raise _refused(parameter, value, f"{name} takes {', '.join(map(str, rule))}", OVERRIDE)
        return
    if isinstance(rule, Mapping):
        for other, wanted in rule.items():
            if params.get(other) != wanted:
                remedy = (
                    f"set model.params.{other}={wanted} too, or take it out (model.params.{parameter}=null)"
                )
                raise _refused(parameter, value, f"{name} takes it only with {other}={wanted}", remedy)
        return
    raise _refused(
        parameter, value, f"{name} does not take it", f"{_instead(parameter, accepts)}; {OVERRIDE}"
    )


def _instead(parameter: str, accepts: Mapping[str, Any]) -> str:
    if parameter == "n":
        return "set trials instead: one request for each answer"
    twin = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}.get(parameter)
    if twin in accepts:
        return f"use model.params.{twin}"
    taken = ", ".join(sorted(one for one, rule in accepts.items() if rule is not False))
    return f"it takes {taken}{did_you_mean(parameter, accepts)}"


# ------------------------------------------------------------------------------ all models alike


def _check_everywhere(params: Mapping[str, Any]) -> None:
    """What OpenAI, vLLM, llama.cpp and others all refuse, or ignore without a word."""
    _within(params, "temperature", 0, None)
    _within(params, "top_p", 0, 1)
    _within(params, "top_logprobs", 0, None)
    if params.get("top_logprobs") is not None and not params.get("logprobs"):
        raise _refused(
            "top_logprobs", params["top_logprobs"], "needs logprobs", "set model.params.logprobs=true"
        )


def _check_ranges(params: Mapping[str, Any]) -> None:
    """The ranges in the types of the openai package (`CompletionCreateParams`)."""
    _within(params, "temperature", 0, 2)
    _within(params, "presence_penalty", -2, 2)
    _within(params, "frequency_penalty", -2, 2)
    _within(params, "top_logprobs", 0, 20)
    for name in LIMITS:
        _within(params, name, 1, None)
    if all(params.get(name) is not None for name in LIMITS):
        raise _refused(
            "max_tokens", params["max_tokens"], "max_completion_tokens is set too", "set one of them"
        )
    stop = params.get("stop")
    if isinstance(stop, list) and len(stop) > MOST_STOPS:
        raise ModelError(f"model.params.stop: {len(stop)} texts; OpenAI takes at most {MOST_STOPS}")
    for token, bias in (params.get("logit_bias") or {}).items():
        if not _is_number(bias) or not -MOST_BIAS <= bias <= MOST_BIAS:
            raise ModelError(
                f"model.params.logit_bias: token {token} has {bias!r}; "
                f"a bias lies between -{MOST_BIAS} and {MOST_BIAS}"
            )


def _within(params: Mapping[str, Any], name: str, low: float, high: float | None) -> None:
    value = params.get(name)
    if value is None:
        return
    if not _is_number(value) or value < low or (high is not None and value > high):
        wanted = f"at least {low}" if high is None else f"between {low} and {high}"
        raise _refused(name, value, "out of range", f"it must be {wanted}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refused(name: str, value: Any, why: str, remedy: str) -> ModelError:
    return ModelError(f"model.params.{name}={value}: {why}; {remedy}")
