"""Constraints as a sample states them: `{type: words, min: 20}`, checked by name, to be asked of a text."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from evalkit.errors import MetricError, did_you_mean
from evalkit.metrics.constraints.checks import CHECKS
from evalkit.metrics.constraints.counts import COUNTS
from evalkit.metrics.constraints.ifeval import INSTRUCTIONS
from evalkit.metrics.constraints.languages import LANGUAGES
from evalkit.metrics.schema import schema_of

BOUNDS = ("min", "max", "exact")
# How options are annotated, what they must be, and how that is called.
_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "str": (lambda one: isinstance(one, str) and bool(one.strip()), "a text"),
    "int": (lambda one: isinstance(one, int) and not isinstance(one, bool) and one >= 0, "a whole number"),
    "bool": (lambda one: isinstance(one, bool), "true or false"),
    "Sequence[str]": (
        lambda one: (
            isinstance(one, (list, tuple)) and bool(one) and all(isinstance(text, str) for text in one)
        ),
        "a list of texts",
    ),
    "Mapping[str, Any]": (lambda one: isinstance(one, Mapping), "a JSON schema"),
}


@dataclass(frozen=True, slots=True)
class Constraint:
    """One constraint: its name as the sample has it, and the question it asks of a text."""

    name: str
    check: Callable[[str], str | None]

    def broken(self, text: str) -> str | None:
        """Return what is wrong with a text, None when it follows; an empty text follows nothing."""
        return self.check(text) if text.strip() else "empty"


def constraint_of(given: Any, where: str) -> Constraint:
    """Return the constraint; MetricError that names what is unknown, missing or of the wrong kind.

    Options that are null are left out, as tables of many kinds have them.
    """
    if not isinstance(given, Mapping) or "type" not in given:
        raise MetricError(f"{where}: a constraint is written {{type: …, option: …}}, not {given!r}")
    options = {name: value for name, value in given.items() if name != "type" and value is not None}
    return _made(str(given["type"]), str(given["type"]), options, where)


def instruction_of(name: str, arguments: Mapping[str, Any] | None, where: str) -> Constraint:
    """Return IFEval's instruction as our constraint."""
    if name not in INSTRUCTIONS:
        raise MetricError(f'{where}: IFEval has no instruction "{name}"{did_you_mean(name, INSTRUCTIONS)}')
    given = {key: value for key, value in (arguments or {}).items() if value is not None}
    try:
        kind, options = INSTRUCTIONS[name](given)
    except KeyError as missing:
        raise MetricError(f"{where}: {name} lacks its argument {missing}") from None
    return _made(kind, name, options, where)


def _made(kind: str, name: str, options: dict[str, Any], where: str) -> Constraint:
    if kind not in COUNTS and kind not in CHECKS:
        types = [*COUNTS, *CHECKS]
        raise MetricError(
            f'{where}: no constraint "{kind}"{did_you_mean(kind, types)}; there are {", ".join(types)}'
        )
    bounds = {one: options.pop(one) for one in BOUNDS if kind in COUNTS and one in options}
    for bound, value in bounds.items():
        _check(value, "int", f"{where}: {kind}.{bound}")
    if kind in COUNTS:
        count = partial(COUNTS[kind], **_checked(kind, COUNTS[kind], options, where))
        return Constraint(name, partial(_bounded, count, bounds or {"min": 1}))
    return Constraint(name, partial(CHECKS[kind], **_checked(kind, CHECKS[kind], options, where)))


def _checked(kind: str, function: Callable[..., Any], options: dict[str, Any], where: str) -> dict[str, Any]:
    taken = _options(function)
    for option, value in options.items():
        if option not in taken:
            known = [*(BOUNDS if kind in COUNTS else ()), *taken]
            raise MetricError(
                f"{where}: {kind} has no option {option}{did_you_mean(option, known)}; "
                f"it takes {', '.join(known) or 'none'}"
            )
        if taken[option].startswith("Mapping"):
            options = options | {option: schema_of(value, f"{where}: {kind}.{option}")}
        else:
            _check(value, taken[option].removesuffix(" | None"), f"{where}: {kind}.{option}")
    if "language" in options and options["language"] not in LANGUAGES:
        raise MetricError(
            f'{where}: the language "{options["language"]}" is none of those that can be told: '
            f"{', '.join(sorted(LANGUAGES))}"
        )
    parameters = inspect.signature(function).parameters
    missing = [name for name in taken if parameters[name].default is inspect.Parameter.empty]
    missing = [name for name in missing if name not in options]
    if missing:
        raise MetricError(f"{where}: {kind} needs {', '.join(missing)}")
    return options


@cache
def _options(function: Callable[..., Any]) -> dict[str, str]:
    parameters = inspect.signature(function).parameters.values()
    return {one.name: str(one.annotation) for one in parameters if one.kind is one.KEYWORD_ONLY}


def _check(value: Any, kind: str, what: str) -> None:
    fits, words = _KINDS[kind]
    if not fits(value):
        raise MetricError(f"{what} must be {words}, not {json.dumps(value, ensure_ascii=False, default=str)}")


def _bounded(count: Callable[[str], int], bounds: Mapping[str, int], text: str) -> str | None:
    found = count(text)
    if found < bounds.get("min", found):
        return f"{found}, at least {bounds['min']}"
    if found > bounds.get("max", found):
        return f"{found}, at most {bounds['max']}"
    exact = bounds.get("exact", found)
    return None if found == exact else f"{found}, exactly {exact}"


def constraints_of(column: Any, where: str) -> Sequence[Constraint]:
    """Return the constraints of a sample's column: a list, or its JSON text."""
    if isinstance(column, str):
        try:
            column = json.loads(column)
        except (ValueError, RecursionError):
            column = None
    if not isinstance(column, (list, tuple)):
        raise MetricError(f"{where}: constraints must be a list of {{type: …}}")
    return [constraint_of(one, where) for one in column]
