"""Tools that a model may call, and its calls: read from the forms that data has, told in one.

A definition is told as chat completions take it, `{"type": "function", "function": {"name", "description",
"parameters"}}`, where `parameters` is a JSON schema. Read are, as objects or as JSON text:

- that form; the flat one of Responses; a bare function `{"name", "description", "parameters"}`;
- parameters with the types of Python ("dict", "float", "tuple", "any"), as the Berkeley Function-Calling
  Leaderboard has them (Patil et al. 2025);
- parameters as `{name: {"type": "str, optional", "description", "default"}}`, as xLAM has them (Liu et al.
  2024).

A call is told as `{"name", "arguments"}`. Names lose what OpenAI's API does not take: `math.hypot` becomes
`math_hypot`, in definitions and calls alike, as the leaderboard does it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.errors import PromptError, SchemaError
from evalkit.json_schema import check

LONGEST = 64
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")
_TYPES = {
    **dict.fromkeys(("dict", "hashmap"), "object"),
    **dict.fromkeys(("float", "double"), "number"),
    **dict.fromkeys(("int", "long"), "integer"),
    **dict.fromkeys(("str", "char"), "string"),
    **dict.fromkeys(("list", "tuple", "set", "arraylist"), "array"),
    "bool": "boolean",
}
"""Types of Python, Java and JavaScript by their names in JSON schemas; "any" has none."""
_HOLDS = re.compile(r"(list|set|sequence|tuple|union|optional|dict)\[(.*)\]", re.IGNORECASE | re.DOTALL)


def definitions(value: Any) -> tuple[dict[str, Any], ...]:
    """Return tools in chat's form; PromptError that names what is wrong, with its place among them."""
    tools = value
    if isinstance(value, str):
        try:
            tools = json.loads(value)
        except ValueError as error:
            raise PromptError(f"tools: the text is no JSON ({error})") from None
    if isinstance(tools, Mapping):
        tools = [tools]
    if not isinstance(tools, Sequence) or isinstance(tools, str):
        raise PromptError(f"tools: {value!r} is no list of definitions")
    found = tuple(_definition(one, number) for number, one in enumerate(tools, start=1))
    names = [one["function"]["name"] for one in found]
    for name in names:
        if names.count(name) > 1:
            raise PromptError(f'tools: two of them are called "{name}"; give each a name of its own')
    return found


def wire_name(name: str) -> str:
    """Return a function's name as OpenAI's API takes it: letters, digits, _ and -, at most 64."""
    return _FOREIGN.sub("_", name)[:LONGEST]


def schemas(tools: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the JSON schema of each tool's arguments by its name; tools in chat's form."""
    return {
        one["function"]["name"]: one["function"].get("parameters") or {"type": "object", "properties": {}}
        for one in tools
    }


def _definition(tool: Any, number: int) -> dict[str, Any]:
    if not isinstance(tool, Mapping):
        raise PromptError(f"tools: number {number} is {tool!r}, not an object with a name and parameters")
    kind = tool.get("type", "function")
    function = tool.get("function", {key: one for key, one in tool.items() if key != "type"})
    if kind != "function" or not isinstance(function, Mapping):
        raise PromptError(
            f"tools: number {number} is no function (type {kind!r}); only functions can be tried"
        )
    name = function.get("name")
    if not isinstance(name, str) or not name:
        raise PromptError(f"tools: number {number} has no name")
    described = {key: one for key, one in function.items() if one is not None}
    described["name"] = wire_name(name)
    parameters = function.get("parameters")
    if parameters is not None:
        if not isinstance(parameters, Mapping):
            raise PromptError(f'tools: the parameters of "{name}" are no JSON schema: {parameters!r}')
        described["parameters"] = _parameters(parameters)
        try:
            check(described["parameters"])
        except SchemaError as error:
            raise PromptError(f'tools: the parameters of "{name}": {error}') from None
    return {"type": "function", "function": described}


def _parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of an object with these parameters."""
    if isinstance(parameters.get("type"), str) or "properties" in parameters or "$ref" in parameters:
        return {"type": "object", "properties": {}, **_keywords(parameters)}
    named: dict[str, Any] = {}
    required = []
    for name, one in parameters.items():
        if not isinstance(one, Mapping):
            return _keywords(parameters)
        kind = one.get("type")
        words = [word.strip() for word in kind.rsplit(",", 1)] if isinstance(kind, str) else []
        optional = words[-1:] == ["optional"] or "default" in one
        plain = {**one, "type": words[0]} if words[-1:] == ["optional"] else one
        named[name] = _schema(plain)
        if not optional:
            required.append(name)
    return {"type": "object", "properties": named, "required": required}


def _schema(schema: Any) -> Any:
    """Return a schema with JSON's types, whichever language's it has."""
    return _keywords(schema) if isinstance(schema, Mapping) else schema


def _keywords(schema: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "type" and isinstance(value, str):
            found |= _typed(value)
        elif name in {"properties", "$defs", "definitions", "patternProperties"} and isinstance(
            value, Mapping
        ):
            found[name] = {key: _schema(one) for key, one in value.items()}
        elif name in {"items", "additionalProperties", "not"}:
            found[name] = _schema(value)
        elif name in {"anyOf", "oneOf", "allOf", "prefixItems"} and isinstance(value, list):
            found[name] = [_schema(one) for one in value]
        else:
            found[name] = value
    # What a list holds is said beside it, or in the type's own brackets.
    if isinstance(schema.get("items"), Mapping):
        found["items"] = _schema(schema["items"])
    return found


def _typed(name: str) -> dict[str, Any]:
    """Return what a type says as keywords: `List[int]` is an array of integers."""
    inside = _HOLDS.fullmatch(name.strip())
    if inside is None:
        plain = name.strip()
        kind = _TYPES.get(plain.lower(), plain)
        return {} if kind.lower() in {"any", "object | any"} else {"type": kind}
    outer, held = inside[1].lower(), inside[2].strip()
    if outer == "optional":
        return _typed(held)
    if outer in {"list", "set", "sequence"} and len(_split(held)) == 1:
        return {"type": "array", "items": _typed(held)}
    if outer == "union":
        return {"anyOf": [_typed(one) for one in _split(held)]}
    return {"type": "object" if outer == "dict" else "array"}


def _split(text: str) -> list[str]:
    """Split at the commas that stand in no brackets."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]
