"""Sampling parameters checked before anything is sent: what a model takes, and what no server takes.

A model's config declares what it takes (`accepts`): a mapping from a parameter's name to

- `true`: any value;
- a list: one of these values;
- `{other: value}`: any value, provided that the parameter `other` is set to `value` too.

What it does not name is refused. Without a declaration everything passes. The limit of an answer's length has
a name for each endpoint and model (`LIMITS`): whichever is set, the one that is understood is sent.

Beside parameters it may name what a question can hold, `tools` and `images`.

An endpoint refuses what it does not know at all (`Taken`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.errors import ModelError, did_you_mean
from evalkit.records import Question
from evalkit.tokens import LIMITS

HELD = {"tools": "tools to call", "images": "images"}
"""What a question may hold beside texts."""
WITH_TOOLS = ("tool_choice", "parallel_tool_calls")
TWINS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
MOST_STOPS = 4
MOST_BIAS = 100
OVERRIDE = "model.accepts=null sends it all the same"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model is known to take; None where nothing is known. `max_output` in tokens."""

    accepts: Mapping[str, Any] | None = None
    max_output: int | None = None


ANYTHING = Abilities()


@dataclass(frozen=True, slots=True)
class Taken:
    """Which parameters an endpoint knows: all but the `refused`, each with what to do instead.

    `logprobs` is the type of that parameter, `most_logprobs` how many OpenAI gives at a position, `least` the
    smallest limit of an answer's length.
    """

    endpoint: str
    refused: Mapping[str, str]
    logprobs: type[bool | int]
    most_logprobs: int = 20
    least: int = 1

    def check(self, params: Mapping[str, Any]) -> None:
        """Raise ModelError that names a parameter which the endpoint does not know, or of a wrong type."""
        for name, value in params.items():
            if name in self.refused:
                raise _refused(
                    name, value, f"the {self.endpoint} endpoint does not know it", self.refused[name]
                )
        shown = params.get("logprobs")
        if shown is None or type(shown) is self.logprobs:
            return
        wanted = "true, with top_logprobs=N" if self.logprobs is bool else "a number, like logprobs=1"
        raise _refused("logprobs", shown, f"the {self.endpoint} endpoint takes {wanted}", "write it so")


def check_held(name: str, abilities: Abilities, question: Question, params: Mapping[str, Any]) -> None:
    """Refuse a question that holds what the model does not take, and parameters of tools without any.

    Raises ModelError that says what is needed.
    """
    for kind, shows in (("tools", _has_tools), ("images", _shows_images)):
        allowed = abilities.accepts is None or abilities.accepts.get(kind, False) is True
        if not allowed and shows(question):
            raise ModelError(
                f"the questions hold {HELD[kind]}, and {name} takes none: choose a model that does, like "
                f"model=gpt-4o; model.accepts=null sends them all the same"
            )
    for parameter in WITH_TOOLS:
        if params.get(parameter) is not None and not question.tools:
            raise _refused(parameter, params[parameter], "the questions hold no tools", "take it out")


def tool_choice(value: Any) -> Any:
    """Return `model.params.tool_choice` as chat completions take it; a bare name is a function's."""
    if isinstance(value, str):
        named = {"type": "function", "function": {"name": value}}
        return value if value in {"auto", "none", "required"} else named
    if isinstance(value, Mapping) and value.get("type") == "function" and "function" not in value:
        return {"type": "function", "function": {"name": value.get("name")}}
    return value


def _has_tools(question: Question) -> bool:
    return bool(question.tools)


def _shows_images(question: Question) -> bool:
    return any(
        isinstance(one, Mapping) and one.get("type") == "image_url"
        for message in question.messages
        if isinstance(message.get("content"), list)
        for one in message["content"]
    )


def twin_of(name: str, accepts: Mapping[str, Any] | None) -> str:
    """Return the name by which a model takes a limit of an answer's length; any other name as it is."""
    twin = TWINS.get(name)
    if accepts is None or twin is None or accepts.get(name, False) is not False:
        return name
    return twin if accepts.get(twin, False) is not False else name


def check(
    name: str, params: Mapping[str, Any], abilities: Abilities, *, official: bool, endpoint: Taken
) -> None:
    """Refuse what cannot be meant; `official` says that OpenAI's own API, with its ranges, is asked.

    Raises ModelError that names the parameter.
    """
    endpoint.check(params)
    _check_everywhere(params)
    if official:
        _check_ranges(params, endpoint)
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
    if rule is True or (parameter in LIMITS and any(accepts.get(one, False) for one in LIMITS)):
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
    taken = ", ".join(sorted(one for one, rule in accepts.items() if rule is not False and one not in HELD))
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
    limits = [name for name in LIMITS if params.get(name) is not None]
    if len(limits) > 1:
        raise _refused(limits[1], params[limits[1]], f"{limits[0]} is set too", "set one of them")
    best_of, n = params.get("best_of"), params.get("n") or 1
    if best_of is not None and best_of < n:
        raise _refused("best_of", best_of, f"fewer than the {n} answers asked for", "set at least as many")


def _check_ranges(params: Mapping[str, Any], endpoint: Taken) -> None:
    """The ranges in the types of the openai package (`CompletionCreateParams`)."""
    _within(params, "temperature", 0, 2)
    _within(params, "presence_penalty", -2, 2)
    _within(params, "frequency_penalty", -2, 2)
    _within(params, "top_logprobs", 0, endpoint.most_logprobs)
    if endpoint.logprobs is int:
        _within(params, "logprobs", 0, endpoint.most_logprobs)
    for name in LIMITS:
        _within(params, name, endpoint.least, None)
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
