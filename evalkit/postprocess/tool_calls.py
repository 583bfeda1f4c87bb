"""The functions that a model calls instead of answering, or beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.errors import ConfigError
from evalkit.postprocess.base import Context, Step, Unparsed
from evalkit.postprocess.json_field import objects_in

WRITTEN = ("none", "json")


class ToolCalls(Step):
    """Keep the calls: a list of `{"name", "arguments"}`, empty where the model answers without one.

    Arguments that are no JSON object make the answer unparsed: something was called, and nobody can say what.
    `written="json"` reads calls that stand in the text as JSON too, for models without a field for calls.
    """

    name = "tool_calls"
    needs_context = True

    def __init__(self, *, written: str = "none") -> None:
        if written not in WRITTEN:
            raise ConfigError(f"post-processing step tool_calls: written is none or json, not {written!r}")
        self._written = written == "json"

    def __call__(self, value: Any) -> Any:
        """Return the calls that stand in a text; without `written` there are none."""
        return [*_written(value)] if self._written and isinstance(value, str) else []

    def read(self, value: Any, context: Context) -> Any:
        """Return the response's calls, or those in its text."""
        calls = context.response.tool_calls
        return [_call(one) for one in calls] if calls else self(value)


def _call(call: Any) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise Unparsed("a call of something that is no function")
    name, text = function["name"], function.get("arguments")
    try:
        arguments = json.loads(text or "{}", parse_constant=_no_json) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        raise Unparsed(f"the arguments of {name} are no JSON") from None
    if not isinstance(arguments, Mapping):
        raise Unparsed(f"the arguments of {name} are no object")
    return {"name": name, "arguments": dict(arguments)}


def _written(text: str) -> Iterator[dict[str, Any]]:
    """Yield the calls in a text: objects with name and arguments (or parameters), nothing else."""
    for one in objects_in(text):
        inner = one.get("function")
        found = inner if isinstance(inner, Mapping) else one
        arguments = found.get("arguments", found.get("parameters"))
        if isinstance(found.get("name"), str) and isinstance(arguments, Mapping | str):
            yield _call({"function": {"name": found["name"], "arguments": arguments}})


def _no_json(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
