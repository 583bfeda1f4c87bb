"""The calls of an answer and those that a target wants, in the forms that both come in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.errors import MetricError
from evalkit.records import Sample
from evalkit.tools import wire_name

ANY_OF, OPTIONAL = "any_of", "optional"


@dataclass(frozen=True, slots=True)
class Call:
    """A call: a function's name as it is sent, and its arguments; wanted ones may hold alternatives."""

    name: str
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        """Show the call as a program would write it."""
        arguments = ", ".join(
            f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in self.arguments.items()
        )
        return f"{self.name}({arguments})"

    @property
    def needed(self) -> list[str]:
        """The arguments that may not be left out."""
        return [name for name, value in self.arguments.items() if not is_optional(value)]


def calls_in(prediction: Any) -> list[Call] | None:
    """Return the calls of a prediction, `{name, arguments}` or their JSON text; None where it holds none."""
    found = _parsed(prediction)
    found = [found] if isinstance(found, Mapping) else found
    if not isinstance(found, list):
        return None
    calls = []
    for one in found:
        arguments = _parsed(one.get("arguments") or {}) if isinstance(one, Mapping) else None
        if not isinstance(arguments, Mapping) or not isinstance(one.get("name"), str):
            return None
        calls.append(Call(wire_name(one["name"]), arguments))
    return calls


def wanted_calls(sample: Sample) -> list[Call]:
    """Return the calls that are right; MetricError naming the sample where its target holds none."""
    target = _parsed(sample.target)
    if isinstance(target, Mapping) and isinstance(_parsed(target.get("calls")), list):
        target = _parsed(target["calls"])
    if isinstance(target, Mapping):
        target = [target]
    calls = []
    for one in target if isinstance(target, list) else [None]:
        call = _wanted_call(_parsed(one))
        if call is None:
            found = one if isinstance(target, list) else target
            raise MetricError(
                f'tool_calls: the target of sample "{sample.id}" must be a list of {{"name", "arguments"}}, '
                f'or {{"calls": []}} where no call is right; got {found!r}'
            )
        calls.append(call)
    return calls


def _wanted_call(one: Any) -> Call | None:
    if not isinstance(one, Mapping):
        return None
    if "name" in one:
        arguments = _parsed(one.get("arguments") or {})
        right = isinstance(one["name"], str) and isinstance(arguments, Mapping)
        return Call(wire_name(one["name"]), arguments) if right else None
    [(name, possible)] = one.items() if len(one) == 1 else [("", None)]
    if not isinstance(possible, Mapping) or not all(isinstance(values, list) for values in possible.values()):
        return None
    return Call(wire_name(name), {key: _possible(values) for key, values in possible.items()})


def _possible(values: Sequence[Any]) -> dict[str, Any]:
    """Return the leaderboard's possible values as alternatives; "" says that it may be left out."""
    return {ANY_OF: [_inside(one) for one in values if one != ""], OPTIONAL: "" in values}


def _inside(value: Any) -> Any:
    """Inside objects its values are lists of possible ones too."""
    if isinstance(value, Mapping):
        return {key: _possible(one) if isinstance(one, list) else one for key, one in value.items()}
    return [*map(_inside, value)] if isinstance(value, list) else value


def is_choice(wanted: Any) -> bool:
    """Say whether a wanted value is a marker of ours, and no value itself."""
    return (
        isinstance(wanted, Mapping)
        and bool(wanted)
        and set(wanted) <= {ANY_OF, OPTIONAL}
        and isinstance(wanted.get(ANY_OF, []), list)
        and isinstance(wanted.get(OPTIONAL, False), bool)
    )


def is_optional(wanted: Any) -> bool:
    """Say whether an argument that is wanted like this may be left out."""
    return is_choice(wanted) and bool(wanted.get(OPTIONAL))


def _parsed(value: Any) -> Any:
    """Return what a JSON text holds; any other value, and text that is none, as it is."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
