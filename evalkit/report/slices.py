"""Scores on parts of a run: by the values of a metadata or input column.

A slice is the same statistics with zero weights elsewhere, so any run can be sliced by any column later,
without its texts being scored again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.datasets.base import MISSING, column
from evalkit.errors import ConfigError, did_you_mean
from evalkit.reading import Counts
from evalkit.report.base import Report, bound_metrics, finite
from evalkit.scoring import Resampling, aggregate
from evalkit.statistics.cluster import number_groups

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray, Metric

MOST_VALUES = 20
"""Values of a column that are shown, the most frequent ones; a column of ids has thousands."""
MOST_NUMBERS = 10
"""More different numbers than this are put into ranges."""
RANGES = 4
FEWEST_SAMPLES = 5
"""With fewer a bootstrap has nothing to draw from, and a slice gets no interval."""
NONE = "(none)"

SETTING = "slices"
FLAG = "--by"


@dataclass(frozen=True)
class Member:
    """One sample as slices need it: its columns, cluster, and the statistics of each answered trial."""

    facts: Mapping[str, Any]
    group: str | None
    rows: Mapping[str, FloatArray]
    unparsed: bool


@dataclass(frozen=True)
class Division:
    """The places of a column's samples by value, in the order shown, and what is not shown."""

    parts: Mapping[str, Sequence[int]]
    values_left_out: int = 0
    samples_left_out: int = 0


def facts_of(inputs: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that a run can be sliced by; metadata wins over an input of the same name."""
    return {**inputs, **metadata}


def check_columns(columns: Iterable[str], facts: Sequence[Mapping[str, Any]], setting: str) -> None:
    """Raise ConfigError for a column that no sample has, or that holds objects."""
    for name in columns:
        values = [column(one, name) for one in facts]
        if all(value is MISSING for value in values):
            known = list(dict.fromkeys(path for one in facts for path in _paths(one)))
            raise ConfigError(
                f'{setting}: no sample has a column "{name}"{did_you_mean(name, known)}; '
                f"the columns are {', '.join(known) or '(none)'}"
            )
        found = next((value for value in values if isinstance(value, Mapping)), None)
        if found is not None:
            fields = ", ".join(f"{name}.{key}" for key in found)
            raise ConfigError(f'{setting}: the column "{name}" holds objects; name one of {fields}')


def slices_of(
    lines: Iterable[Mapping[str, Any]],
    metrics: Mapping[str, Metric],
    columns: Sequence[str],
    resampling: Resampling,
    setting: str = SETTING,
) -> dict[str, Any]:
    """Return the scores by each column's values, from lines as in samples.jsonl; ConfigError for a column."""
    members = _members(lines, metrics)
    check_columns(columns, [one.facts for one in members], setting)
    found = {}
    for name in dict.fromkeys(columns):
        division = divide([column(one.facts, name) for one in members])
        found[name] = {
            "left_out": {"values": division.values_left_out, "samples": division.samples_left_out},
            "values": [
                {"value": value, **_part([members[place] for place in places], metrics, resampling)}
                for value, places in division.parts.items()
            ],
        }
    return found


def slices_by(report: Report, columns: Sequence[str]) -> dict[str, Any]:
    """Return a stored run's slices; columns that it was not sliced by are computed from its samples."""
    missing = [name for name in columns if name not in report.slices]
    if not missing:
        return {name: report.slices[name] for name in columns}
    settings = {
        name: report.config[name] for name in ("confidence", "resamples", "seed") if name in report.config
    }
    made = slices_of(report.samples(), bound_metrics(report), missing, Resampling(**settings), FLAG)
    return {name: report.slices.get(name) or made[name] for name in columns}


def divide(values: Sequence[Any]) -> Division:
    """Divide samples by their values of one column.

    Many different numbers go into ranges of about as many samples each; of many other values the most
    frequent are kept. A list counts for each of its elements, and null or absent as "(none)".
    """
    numbers = [value for value in values if _is_number(value)]
    if len(set(numbers)) > MOST_NUMBERS and all(
        _is_number(one) or one is None or one is MISSING for one in values
    ):
        return Division(_ranges(values, numbers))
    places: dict[str, list[int]] = {}
    for place, value in enumerate(values):
        for label in dict.fromkeys(_labels(value)):
            places.setdefault(label, []).append(place)
    if numbers and len(places) <= MOST_VALUES:
        order = {_label(number): number for number in numbers}
        return Division({label: places[label] for label in sorted(places, key=lambda one: _rank(one, order))})
    frequent = sorted(places, key=lambda label: (label == NONE, -len(places[label]), label))
    shown, rest = frequent[:MOST_VALUES], frequent[MOST_VALUES:]
    kept = {place for label in shown for place in places[label]}
    return Division({label: places[label] for label in shown}, len(rest), len(values) - len(kept))


def _members(lines: Iterable[Mapping[str, Any]], metrics: Mapping[str, Metric]) -> list[Member]:
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        by_id.setdefault(line["id"], []).append(line)
    found = []
    for trials in by_id.values():
        first, answered = trials[0], [line for line in trials if "failure" not in line]
        rows = {
            name: metric.combine(np.asarray([line["statistics"][name] for line in answered], np.float64))
            for name, metric in metrics.items()
            if answered
        }
        facts = facts_of(first["input"], first.get("metadata", {}))
        found.append(Member(facts, first.get("group"), rows, any("unparsed" in line for line in answered)))
    return found


def _part(members: Sequence[Member], metrics: Mapping[str, Metric], resampling: Resampling) -> dict[str, Any]:
    scored = [one for one in members if one.rows]
    counts = Counts(len(scored), len(members) - len(scored), sum(one.unparsed for one in scored))
    groups = number_groups([one.group for one in scored])
    values: dict[str, Any] = {}
    for name, metric in metrics.items():
        if not scored:
            continue
        rows = np.stack([one.rows[name] for one in scored])
        for one in aggregate(metric, rows, groups, counts, resampling):
            if "[" not in one.metric:  # a class is a slice itself
                few = len(scored) < FEWEST_SAMPLES and one.interval.startswith("bootstrap")
                values[one.metric] = {
                    "value": finite(one.value),
                    "low": None if few else finite(one.low),
                    "high": None if few else finite(one.high),
                    "interval": "none" if few else one.interval,
                }
    return {"n": counts.n, "n_failed": counts.failed, "n_unparsed": counts.unparsed, "metrics": values}


def _ranges(values: Sequence[Any], numbers: Sequence[float]) -> dict[str, list[int]]:
    quantiles = np.quantile(np.asarray(numbers, np.float64), np.linspace(0, 1, RANGES + 1))
    if all(isinstance(number, int) for number in numbers):
        quantiles = np.ceil(quantiles)  # the same parts, with edges that a reader expects of whole numbers
    edges = np.unique(quantiles).tolist()
    parts: dict[str, list[int]] = {}
    for place, (low, high) in enumerate(pairwise(edges)):
        last = place == len(edges) - 2  # the pairs are one fewer than the edges
        members = [
            at
            for at, value in enumerate(values)
            if _is_number(value) and low <= value and (value < high or (last and value == high))
        ]
        if members:
            parts[f"[{low:.10g}, {high:.10g}{']' if last else ')'}"] = members
    without = [place for place, value in enumerate(values) if not _is_number(value)]
    return {**parts, NONE: without} if without else parts


def _labels(value: Any) -> Iterator[str]:
    if isinstance(value, list) and value:
        for one in value:
            yield _label(one)
    else:
        yield NONE if value is MISSING or value == [] else _label(value)


def _label(value: Any) -> str:
    if value is None:
        return NONE
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _rank(label: str, order: Mapping[str, float]) -> tuple[float, str]:
    """Numbers by size, then everything else by name."""
    return order.get(label, math.inf), label


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _paths(facts: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{above}{name}.")
        else:
            yield above + name
