"""JSON values against a JSON schema: the part of draft 2020-12 that structured outputs use, and no more.

Known: `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `minProperties`,
`maxProperties`, `items`, `minItems`, `maxItems`, `uniqueItems`, the bounds of numbers, `multipleOf`,
`minLength`, `maxLength`, `pattern`, `anyOf`, `oneOf`, `allOf`, `not`, and `$ref` within the schema. `format`
is an annotation, as the draft has it. A schema with another keyword that constrains (`if`,
`patternProperties`, …) is refused by name: ignoring it would call wrong answers valid.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from evalkit.errors import MetricError, did_you_mean

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda one: isinstance(one, Mapping),
    "array": lambda one: isinstance(one, list),
    "string": lambda one: isinstance(one, str),
    "boolean": lambda one: isinstance(one, bool),
    "null": lambda one: one is None,
    "number": lambda one: isinstance(one, (int, float)) and not isinstance(one, bool),
    "integer": lambda one: (
        (isinstance(one, int) and not isinstance(one, bool)) or (isinstance(one, float) and one.is_integer())
    ),
}
_BEYOND = frozenset(
    {
        *(
            "if",
            "then",
            "else",
            "patternProperties",
            "propertyNames",
            "dependentRequired",
            "dependentSchemas",
        ),
        *("dependencies", "prefixItems", "additionalItems", "contains", "minContains", "maxContains"),
        *("unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$recursiveRef", "$anchor"),
    }
)
_ONE, _SEVERAL, _NAMED = (
    ("not", "items", "additionalProperties"),
    ("anyOf", "oneOf", "allOf"),
    ("properties", "$defs", "definitions"),
)
_DEEPEST = 60


def check_schema(schema: Any, where: str) -> None:
    """Raise MetricError for what is no schema, and for a keyword that is not known here."""
    try:
        _check(schema, schema, where)
    except RecursionError:
        raise MetricError(f"{where}: the schema is nested too deeply") from None


def schema_of(value: Any, where: str) -> Any:
    """Return a schema that may be given as a JSON text; MetricError where it is none."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise MetricError(f"{where}: the schema is no JSON ({error})") from None
    check_schema(value, where)
    return value


def problem(value: Any, schema: Any) -> str | None:
    """Return the first thing that is wrong with a value, and where; None when it is valid."""
    try:
        return _problem(value, schema, schema, "")
    except RecursionError:
        return "nested too deeply"


def _check(schema: Any, root: Any, where: str) -> None:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise MetricError(f"{where}: a schema is an object, true or false, not {schema!r}")
    for name in _BEYOND.intersection(schema):
        raise MetricError(f"{where}: the keyword {name} is not known here; write the schema without it")
    for one in _types(schema):
        if one not in _TYPES:
            raise MetricError(f'{where}: no type "{one}"{did_you_mean(str(one), _TYPES)}')
    if isinstance(schema.get("items"), list):
        raise MetricError(f"{where}: items must be one schema; lists of schemas by place are not known here")
    _pattern(schema.get("pattern", ""), where)
    if "$ref" in schema:
        _target(schema["$ref"], root, where)
    for part in _parts(schema):
        _check(part, root, where)


def _parts(schema: Mapping[str, Any]) -> list[Any]:
    """Return the schemas that a schema is made of."""
    parts = [schema[name] for name in _ONE if name in schema]
    parts += [one for name in _SEVERAL for one in schema.get(name, ())]
    return parts + [one for name in _NAMED for one in schema.get(name, {}).values()]


def _types(schema: Mapping[str, Any]) -> Sequence[Any]:
    kind = schema.get("type", ())
    return kind if isinstance(kind, (list, tuple)) else (kind,)


@cache
def _pattern(pattern: str, where: str = "") -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise MetricError(f"{where}: bad pattern {pattern!r} ({error})") from None


def _target(reference: str, root: Any, where: str = "") -> Any:
    if not reference.startswith("#"):
        raise MetricError(f"{where}: {reference} is outside the schema; put it under $defs")
    found = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            raise MetricError(f"{where}: the schema has nothing at {reference}")
        found = found[name]
    return found


def _problem(value: Any, schema: Any, root: Any, path: str) -> str | None:
    if path.count(".") + path.count("[") > _DEEPEST:
        raise RecursionError
    if isinstance(schema, bool):
        return None if schema else _at(path, "nothing is allowed here")
    types = _types(schema)
    if types and not any(_TYPES[one](value) for one in types):
        return _at(path, f"{_kind(value)}, not {' or '.join(types)}")
    for check in (_listed, _numbers, _texts, _arrays, _objects, _combined):
        found = check(value, schema, root, path)
        if found is not None:
            return found
    return None


def _listed(value: Any, schema: Mapping[str, Any], root: Any, path: str) -> str | None:  # noqa: ARG001
    if "enum" in schema and not any(_equal(value, one) for one in schema["enum"]):
        return _at(path, f"{_short(value)} is none of {_short(schema['enum'])}")
    if "const" in schema and not _equal(value, schema["const"]):
        return _at(path, f"{_short(value)} is not {_short(schema['const'])}")
    return None


def _numbers(value: Any, schema: Mapping[str, Any], root: Any, path: str) -> str | None:  # noqa: ARG001
    if not _TYPES["number"](value):
        return None
    bounds: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
        ("minimum", lambda bound: value >= bound, "less than"),
        ("maximum", lambda bound: value <= bound, "more than"),
        ("exclusiveMinimum", lambda bound: value > bound, "not more than"),
        ("exclusiveMaximum", lambda bound: value < bound, "not less than"),
        ("multipleOf", lambda step: _multiple(value, step), "no multiple of"),
    )
    for name, holds, words in bounds:
        if name in schema and not holds(schema[name]):
            return _at(path, f"{_short(value)} is {words} {schema[name]}")
    return None


def _multiple(value: float, step: float) -> bool:
    try:
        return Decimal(str(value)) % Decimal(str(step)) == 0
    except InvalidOperation:
        return False


def _texts(value: Any, schema: Mapping[str, Any], root: Any, path: str) -> str | None:  # noqa: ARG001
    if not isinstance(value, str):
        return None
    if len(value) < schema.get("minLength", 0):
        return _at(path, f"{len(value)} characters, fewer than {schema['minLength']}")
    if len(value) > schema.get("maxLength", len(value)):
        return _at(path, f"{len(value)} characters, more than {schema['maxLength']}")
    if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        return _at(path, f"{_short(value)} does not match {schema['pattern']}")
    return None


def _arrays(value: Any, schema: Mapping[str, Any], root: Any, path: str) -> str | None:
    if not isinstance(value, list):
        return None
    if len(value) < schema.get("minItems", 0):
        return _at(path, f"{len(value)} items, fewer than {schema['minItems']}")
    if len(value) > schema.get("maxItems", len(value)):
        return _at(path, f"{len(value)} items, more than {schema['maxItems']}")
    if schema.get("uniqueItems") is True:
        for place, one in enumerate(value):
            if any(_equal(one, other) for other in value[:place]):
                return _at(path, f"{_short(one)} comes twice")
    if "items" in schema:
        for place, one in enumerate(value):
            found = _problem(one, schema["items"], root, f"{path}[{place}]")
            if found is not None:
                return found
    return None


def _objects(value: Any, schema: Mapping[str, Any], root: Any, path: str) -> str | None:
    if not isinstance(value, Mapping):
        return None
    for name in schema.get("required", ()):
        if name not in value:
            return _at(path, f'"{name}" is missing')
    if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)):
        return _at(path, f"{len(value)} properties")
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    for name, one in value.items():
        if name not in known and others is False:
            return _at(path, f'"{name}" is not in the schema')
        found = _problem(one, known.get(name, others), root, f"{path}.{name}")
        if found is not None:
            return found
    return None


def _combined(value: Any, schema: Mapping[str, Any], root: Any, path: str) -> str | None:
    if "$ref" in schema:
        found = _problem(value, _target(schema["$ref"], root), root, f"{path}.")
        if found is not None:
            return found.replace("..", ".")
    for one in schema.get("allOf", ()):
        found = _problem(value, one, root, path)
        if found is not None:
            return found
    for name in ("anyOf", "oneOf"):
        if name in schema:
            fitting = sum(_problem(value, one, root, path) is None for one in schema[name])
            if not fitting or (name == "oneOf" and fitting > 1):
                return _at(path, f"{_short(value)} fits {fitting} of the schemas under {name}")
    if "not" in schema and _problem(value, schema["not"], root, path) is None:
        return _at(path, f"{_short(value)} fits what it must not")
    return None


def _equal(one: Any, other: Any) -> bool:
    """Compare as JSON does: 1 is 1.0, and true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)
    return bool(one == other)


def _kind(value: Any) -> str:
    return next((name for name in _TYPES if name != "number" and _TYPES[name](value)), "number")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"  # noqa: PLR2004 - one line of an explanation


def _at(path: str, words: str) -> str:
    place = path.strip(".")
    return f"{place}: {words}" if place else words
