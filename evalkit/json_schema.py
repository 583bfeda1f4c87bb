"""JSON values held to a JSON Schema: the keywords of draft 2020-12 that schemas of answers and tools use.

`problems` says what is wrong with a value, `check` what is wrong with a schema. Annotations (`title`,
`default`, `format` and others that the draft does not know) are passed over, as the draft says. A keyword
that would decide and is not known here is an error: passing over it would call wrong values valid.

A `pattern` is a Python regular expression that is searched for, as the `jsonschema` package does. `$ref`
reaches into the same schema alone (`#`, `#/$defs/name`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from evalkit.errors import SchemaError

DEEPEST = 200
"""Steps into a value and its schema; more than that is a `$ref` that leads to itself."""
SHOWN = 60  # characters of a value in a message

TYPES: Mapping[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: is_number(value) and (isinstance(value, int) or value.is_integer()),
    "number": lambda value: is_number(value),  # noqa: PLW0108 - the function stands below
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, Mapping),
}
UNKNOWN = {
    "$dynamicRef": "use $ref",
    "$recursiveRef": "use $ref",
    "additionalItems": "use prefixItems and items",
    "dependencies": "use dependentRequired",
    "dependentSchemas": "use if and then",
    "unevaluatedItems": "use items",
    "unevaluatedProperties": "use additionalProperties",
}
"""Keywords that decide and are not known here, each with what to write instead."""

Findings = Iterator[str]


def is_valid(value: Any, schema: Any) -> bool:
    """Say whether a value fits a schema. Raises SchemaError as `problems` does."""
    return next(problems(value, schema), None) is None


def problems(value: Any, schema: Any) -> Findings:
    """Yield what is wrong with a value, one line each, with its place (`$.unit: "K" is none of "C", "F"`).

    Raises SchemaError where the schema itself is wrong; call `check` first to learn of it beforehand.
    """
    return _Checker(schema).find(value, schema, "$", 0)


def check(schema: Any) -> None:
    """Raise SchemaError that names what is wrong with a schema, and where."""
    _check(schema, schema, "#", 0)


def same(one: Any, other: Any) -> bool:
    """Say whether two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    return _frozen(one) == _frozen(other)


def is_number(value: Any) -> bool:
    """Say whether a JSON value is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Checker:
    """One schema and what its references lead to."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def find(self, value: Any, schema: Any, place: str, depth: int) -> Findings:
        if depth > DEEPEST:
            raise SchemaError(f"{place}: deeper than {DEEPEST} levels; a $ref seems to lead to itself")
        if isinstance(schema, bool):
            if not schema:
                yield f"{place}: nothing is allowed here"
            return
        if not isinstance(schema, Mapping):
            raise SchemaError(f"{_shown(schema)} is no schema; it must be an object, true or false")
        for name, wanted in schema.items():
            if name in UNKNOWN:
                raise _unknown(name)
            if name in _PLAIN:
                finding = _PLAIN[name](value, wanted)
                if finding is not None:
                    yield f"{place}: {finding}"
            elif name in _NESTED:
                yield from _NESTED[name](self, value, schema, place, depth + 1)

    def fits(self, value: Any, schema: Any, place: str, depth: int) -> bool:
        return next(self.find(value, schema, place, depth), None) is None

    # -------------------------------------------------------------------- keywords that hold schemas

    def properties(self, value: Any, schema: Mapping[str, Any], place: str, depth: int) -> Findings:
        if isinstance(value, Mapping):
            for name, rule in schema["properties"].items():
                if name in value:
                    yield from self.find(value[name], rule, f"{place}.{name}", depth)

    def pattern_properties(self, value: Any, schema: Mapping[str, Any], place: str, depth: int) -> Findings:
        if isinstance(value, Mapping):
            for pattern, rule in schema["patternProperties"].items():
                for name in value:
                    if _compiled(pattern).search(name):
                        yield from self.find(value[name], rule, f"{place}.{name}", depth)

    def additional_properties(
        self, value: Any, schema: Mapping[str, Any], place: str, depth: int
    ) -> Findings:
        if not isinstance(value, Mapping):
            return
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        for name in value:
            if name in known or any(_compiled(one).search(name) for one in patterns):
                continue
            if schema["additionalProperties"] is False:
                yield f'{place}: "{name}" is not known'
            else:
                yield from self.find(value[name], schema["additionalProperties"], f"{place}.{name}", depth)

    def property_names(self, value: Any, schema: Mapping[str, Any], place: str, depth: int) -> Findings:
        for name in value if isinstance(value, Mapping) else ():
            yield from self.find(name, schema["propertyNames"], f"{place} (the name)", depth)

    def items(self, value: Any, schema: Mapping[str, Any], place: str, depth: int) -> Findings:
        first = len(schema.get("prefixItems", ()))
        for index, one in enumerate(value if isinstance(value, list) else ()):
            if index >= first:
                yield from self.find(one, schema["items"], f"{place}[{index}]", depth)

    def prefix_items(self, value: Any, schema: Mapping[str, Any], place: str, depth: int) -> Findings:
        if isinstance(value, list):
            for index, (one, rule) in enumerate(zip(value, schema["prefixItems"], strict=False)):
                yield from self.find(one, rule, f"{place}[{index}]", depth)

    def contains(self, value: Any, schema: Mapping[str, Any], place: str, depth: int) -> Findings:
        if not isinstance(value, list):
            return
        found = sum(self.fits(one, schema["contains"], place, depth) for one in value)
        least, most = schema.get("minContains", 1), schema.get("maxContains")
        if found < least or (most is not None and found > most):
            yield f"{place}: {found} elements fit what must be contained"

    def any_of(self, value: Any, schema: Mapping[str, Any], place: str, depth: int) -> Findings:
        if not any(self.fits(value, one, place, depth) for one in schema["anyOf"]):
            yield f"{place}: {_shown(value)} fits none of {len(schema['anyOf'])} alternatives"

    def one_of(self, value: Any, schema: Mapping[str, Any], place: str, depth: int) -> Findings:
        found = sum(self.fits(value, one, place, depth) for one in schema["oneOf"])
        if found != 1:
            yield f"{place}: {_shown(value)} fits {found} of {len(schema['oneOf'])} alternatives, not one"

    def all_of(self, value: Any, schema: Mapping[str, Any], place: str, depth: int) -> Findings:
        for one in schema["allOf"]:
            yield from self.find(value, one, place, depth)

    def negated(self, value: Any, schema: Mapping[str, Any], place: str, depth: int) -> Findings:
        if self.fits(value, schema["not"], place, depth):
            yield f"{place}: {_shown(value)} is what must not be"

    def conditional(self, value: Any, schema: Mapping[str, Any], place: str, depth: int) -> Findings:
        then = "then" if self.fits(value, schema["if"], place, depth) else "else"
        yield from self.find(value, schema.get(then, True), place, depth)

    def reference(self, value: Any, schema: Mapping[str, Any], place: str, depth: int) -> Findings:
        yield from self.find(value, _resolved(self._root, schema["$ref"]), place, depth)


# ------------------------------------------------------------------------------ keywords of their own


def _type(value: Any, wanted: Any) -> str | None:
    names = [wanted] if isinstance(wanted, str) else wanted
    for name in names:
        if name not in TYPES:
            raise SchemaError(f'"{name}" is no type; types are {", ".join(TYPES)}')
    return None if any(TYPES[one](value) for one in names) else f"{_shown(value)} is no {' or '.join(names)}"


def _enum(value: Any, wanted: Sequence[Any]) -> str | None:
    if any(same(value, one) for one in wanted):
        return None
    return f"{_shown(value)} is none of {', '.join(map(_shown, wanted))}"


def _const(value: Any, wanted: Any) -> str | None:
    return None if same(value, wanted) else f"{_shown(value)} is not {_shown(wanted)}"


def _required(value: Any, wanted: Sequence[str]) -> str | None:
    missing = [name for name in wanted if isinstance(value, Mapping) and name not in value]
    return f"lacks {', '.join(map(_shown, missing))}" if missing else None


def _dependent(value: Any, wanted: Mapping[str, Sequence[str]]) -> str | None:
    for name, others in wanted.items():
        if isinstance(value, Mapping) and name in value:
            missing = [one for one in others if one not in value]
            if missing:
                return f'has "{name}" and lacks {", ".join(map(_shown, missing))}'
    return None


def _pattern(value: Any, wanted: str) -> str | None:
    if not isinstance(value, str) or _compiled(wanted).search(value):
        return None
    return f"{_shown(value)} does not match {wanted}"


def _multiple(value: Any, wanted: float) -> str | None:
    # By the decimal digits, as JSON has them: 0.3 is a multiple of 0.1, which binary fractions deny.
    if not is_number(value) or Fraction(str(value)) % Fraction(str(wanted)) == 0:
        return None
    return f"{_shown(value)} is no multiple of {wanted}"


def _unique(value: Any, wanted: bool) -> str | None:  # noqa: FBT001 - a keyword's value
    if not wanted or not isinstance(value, list) or len({*map(_frozen, value)}) == len(value):
        return None
    return "has an element twice"


def _compared(fails: Callable[[Any, Any], bool], words: str) -> Callable[[Any, Any], str | None]:
    def compare(value: Any, wanted: Any) -> str | None:
        return f"{_shown(value)} is {words} {wanted}" if is_number(value) and fails(value, wanted) else None

    return compare


def _counted(kind: str, what: str, *, most: bool) -> Callable[[Any, Any], str | None]:
    def count(value: Any, wanted: Any) -> str | None:
        if not TYPES[kind](value):
            return None
        n = len(value)
        if n > wanted if most else n < wanted:
            return f"has {n} {what}, {'more' if most else 'fewer'} than {wanted}"
        return None

    return count


_PLAIN: Mapping[str, Callable[[Any, Any], str | None]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "required": _required,
    "dependentRequired": _dependent,
    "pattern": _pattern,
    "multipleOf": _multiple,
    "uniqueItems": _unique,
    "minimum": _compared(lambda value, wanted: value < wanted, "less than"),
    "maximum": _compared(lambda value, wanted: value > wanted, "more than"),
    "exclusiveMinimum": _compared(lambda value, wanted: value <= wanted, "not more than"),
    "exclusiveMaximum": _compared(lambda value, wanted: value >= wanted, "not less than"),
    "minLength": _counted("string", "characters", most=False),
    "maxLength": _counted("string", "characters", most=True),
    "minItems": _counted("array", "elements", most=False),
    "maxItems": _counted("array", "elements", most=True),
    "minProperties": _counted("object", "fields", most=False),
    "maxProperties": _counted("object", "fields", most=True),
}
_NESTED: Mapping[str, Callable[[_Checker, Any, Mapping[str, Any], str, int], Findings]] = {
    "properties": _Checker.properties,
    "patternProperties": _Checker.pattern_properties,
    "additionalProperties": _Checker.additional_properties,
    "propertyNames": _Checker.property_names,
    "items": _Checker.items,
    "prefixItems": _Checker.prefix_items,
    "contains": _Checker.contains,
    "anyOf": _Checker.any_of,
    "oneOf": _Checker.one_of,
    "allOf": _Checker.all_of,
    "not": _Checker.negated,
    "if": _Checker.conditional,
    "$ref": _Checker.reference,
}


# ------------------------------------------------------------------------------ schemas themselves

_ONE = {"additionalProperties", "propertyNames", "items", "contains", "not", "if", "then", "else"}
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "definitions")
_COUNTS = (
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
    *("minContains", "maxContains"),
)
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def _check(schema: Any, root: Any, place: str, depth: int) -> None:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise SchemaError(f"{place}: {_shown(schema)} is no schema; it must be an object, true or false")
    if depth > DEEPEST:
        raise SchemaError(f"{place}: deeper than {DEEPEST} levels")
    for name, wanted in schema.items():
        if name in UNKNOWN:
            raise _unknown(name, f"{place}: ")
        fault = _fault(name, wanted, root)
        if fault:
            raise SchemaError(f"{place}/{name}: {_shown(wanted)} {fault}")
        for key, one in _schemas_in(name, wanted):
            _check(one, root, f"{place}/{name}{key}", depth + 1)


def _schemas_in(name: str, wanted: Any) -> Iterator[tuple[str, Any]]:
    if name in _ONE:
        yield "", wanted
    elif name in _LISTED:
        yield from ((f"/{index}", one) for index, one in enumerate(wanted))
    elif name in _NAMED:
        yield from ((f"/{key}", one) for key, one in wanted.items())


def _fault(name: str, wanted: Any, root: Any) -> str:
    """Return what is wrong with a keyword's value; nothing where it is right or holds schemas of its own."""
    right, words = _VALUES.get(name, (None, ""))
    if right is not None and not right(wanted):
        return words
    try:
        if name == "$ref":
            _resolved(root, wanted)
        for pattern in {"pattern": [wanted], "patternProperties": wanted}.get(name, ()):
            _compiled(pattern)
    except SchemaError as error:
        return str(error)
    return ""


def _are_types(value: Any) -> bool:
    names = [value] if isinstance(value, str) else value
    return _are_names(names) and bool(names) and all(one in TYPES for one in names)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


_SchemaValue = tuple[Callable[[Any], bool], str]
_VALUES: Mapping[str, _SchemaValue] = {
    "type": (_are_types, f"is no type; types are {', '.join(TYPES)}"),
    "enum": (TYPES["array"], "must be a list of values"),
    "required": (_are_names, "must be a list of names"),
    "dependentRequired": (
        lambda value: isinstance(value, Mapping) and all(map(_are_names, value.values())),
        "must be an object of lists of names",
    ),
    "uniqueItems": (TYPES["boolean"], "must be true or false"),
    "multipleOf": (lambda value: is_number(value) and value > 0, "must be a number above 0"),
    **dict.fromkeys(
        _LISTED, (lambda value: isinstance(value, list) and bool(value), "must be a list of schemas")
    ),
    **dict.fromkeys(
        _NAMED,
        (
            lambda value: isinstance(value, Mapping) and all(isinstance(one, str) for one in value),
            "must be an object of schemas",
        ),
    ),
    **dict.fromkeys(
        _COUNTS, (lambda value: TYPES["integer"](value) and value >= 0, "must be a whole number, 0 or more")
    ),
    **dict.fromkeys(_NUMBERS, (is_number, "must be a number")),
}


def _unknown(name: str, place: str = "") -> SchemaError:
    return SchemaError(f"{place}the keyword {name} is not known here; {UNKNOWN[name]}")


def _resolved(root: Any, reference: Any) -> Any:
    """Return what a reference into the same schema names (RFC 6901 behind the #)."""
    if not isinstance(reference, str) or not re.fullmatch(r"#(/.*)?", reference, re.DOTALL):
        raise SchemaError("must be # or begin with #/")
    found = root
    for part in unquote(reference[1:]).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isascii() and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            raise SchemaError(f'leads nowhere: there is no "{name}"')
    return found


@lru_cache(maxsize=256)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _compiled(pattern: Any) -> re.Pattern[str]:
    try:
        return _compile(pattern)
    except (re.error, OverflowError, RecursionError, TypeError) as error:
        raise SchemaError(f"is no regular expression ({error})") from None


def _frozen(value: Any) -> Hashable:
    """Return what is equal exactly for equal JSON values, and can be put into a set."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, Mapping):
        return ("object", frozenset((name, _frozen(one)) for name, one in value.items()))
    if isinstance(value, list | tuple):
        return ("array", tuple(map(_frozen, value)))
    frozen: Hashable = value
    return frozen


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
