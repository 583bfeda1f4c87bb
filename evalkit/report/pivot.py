"""Two axes of many runs against each other: models by temperatures, tasks by models, models by metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evalkit.errors import UsageError, did_you_mean
from evalkit.report.base import Report
from evalkit.report.grid import Cell, Column, Grid, Kind, with_best
from evalkit.report.settings import COST, LATENCY, Marks, Measure, Row, metric_measure, metric_names, reading
from evalkit.report.table import note

METRIC = "metric"
BESIDE = {"cost_usd": COST, "latency_p50": LATENCY}
"""Measures that are no metrics, by the names that --metric takes."""
MISSING = "-"
FACTS: Mapping[str, Callable[[Report], str]] = {
    "task": lambda one: str(one.task["name"]),
    "dataset": lambda one: str(one.dataset["name"]),
    "model": lambda one: str(one.model["asked"]),
    "prompt": lambda one: str(one.prompt["name"]) if one.prompt else MISSING,
    "run": lambda one: one.run_id,
}
TWO = 2


def axes_of(wanted: str) -> tuple[str, str]:
    """Return the names of `ROWS,COLUMNS`; UsageError for anything else."""
    names = [name.strip() for name in wanted.split(",")]
    if len(names) != TWO or not all(names) or names[0] == names[1]:
        raise UsageError(f"--pivot {wanted}: write two different axes, like --pivot model,temperature")
    return names[0], names[1]


def pivots(
    rows: Sequence[Row],
    axes: tuple[str, str],
    metric: str | None,
    *,
    every: bool = False,
    marks: Marks | None = None,
) -> list[Grid]:
    """Return a table for each metric (or the one that is named), or one where `metric` itself is an axis.

    An axis is a setting of the sweep, a parameter, any setting by its whole name, or task, dataset, model,
    prompt, run. UsageError for an unknown one, and where two runs would share a cell.
    """
    rows = [row for row in rows if row.report is not None]
    reports = [row.report for row in rows if row.report is not None]
    measures = _measures(reports, metric, marks or {}, every=every)
    if METRIC in axes:
        return [_by_metric(rows, axes, measures, marks or {})]
    places = _places(rows, axes)
    return [_grid(places, axes, name, one, _note(reports, marks or {})) for name, one in measures.items()]


def _measures(
    reports: Sequence[Report], metric: str | None, marks: Marks, *, every: bool
) -> dict[str, Measure]:
    known = list(dict.fromkeys(name for one in reports for name in one.metrics))
    if metric is None:
        names = metric_names(reports, every=every)
    elif metric in known or metric in BESIDE:
        names = [metric]
    else:
        choices = [*known, *BESIDE]
        raise UsageError(
            f"--metric {metric}: these runs have no such value{did_you_mean(metric, choices)}; there are "
            f"{', '.join(choices)}"
        )
    return {name: BESIDE.get(name) or metric_measure(name, reports, marks) for name in names}


def _places(rows: Sequence[Row], axes: Sequence[str]) -> dict[tuple[str, ...], Report]:
    """Return the run of each cell, in the order of the runs."""
    found: dict[tuple[str, ...], Report] = {}
    for row in rows:
        assert row.report is not None
        place = tuple(_value(row, axis, rows) for axis in axes)
        if place in found:
            where = ", ".join(f"{axis}={value}" for axis, value in zip(axes, place, strict=True))
            raise UsageError(
                f"--pivot {','.join(axes)}: several runs have {where} ({found[place].run_id} and "
                f"{row.report.run_id}); they differ in {_differing(found[place], row.report) or 'nothing'}: "
                "name fewer runs, or another axis"
            )
        found[place] = row.report
    return found


def _grid(
    places: Mapping[tuple[str, ...], Report], axes: tuple[str, str], name: str, measure: Measure, told: str
) -> Grid:
    rows, columns = (_ordered([place[axis] for place in places]) for axis in (0, 1))
    kind, higher = measure.column.kind, measure.column.higher_is_better
    cells = tuple(
        (Cell(row), *(_cell(places.get((row, column)), measure) for column in columns)) for row in rows
    )
    header = (Column(axes[0]), *(Column(f"{axes[1]} {column}", kind, higher) for column in columns))
    return with_best(Grid(header, cells, told, name, measure=name))


def _by_metric(
    rows: Sequence[Row], axes: tuple[str, str], measures: Mapping[str, Measure], marks: Marks
) -> Grid:
    """A table with the metrics on one axis; the best of each metric is marked."""
    (other,) = (axis for axis in axes if axis != METRIC)
    places = _places(rows, [other])
    values = _ordered([place[0] for place in places])
    told = _note(list(places.values()), marks)
    if axes[1] == METRIC:
        columns = [one.column for one in measures.values()]
        cells = [
            (Cell(value), *(_cell(places[value,], one) for one in measures.values())) for value in values
        ]
        return with_best(Grid((Column(other), *columns), tuple(cells), told))
    header = (Column(METRIC), *(Column(f"{other} {value}", Kind.SCORE) for value in values))
    lines: list[tuple[Cell, ...]] = []
    for name, one in measures.items():
        line = (Cell(name), *(_cell(places[value,], one) for value in values))
        alone = Grid(
            (header[0], *(Column("", Kind.SCORE, one.column.higher_is_better),) * len(values)), (line,), ""
        )
        lines += with_best(alone, across=True).rows
    return Grid(header, tuple(lines), told)


def _cell(report: Report | None, measure: Measure) -> Cell:
    return (None if report is None else measure.of(report)) or Cell(MISSING)


def _note(reports: Sequence[Report], marks: Marks) -> str:
    return "; ".join(part for part in (note(reports), reading(reports, marks)) if part)


def _value(row: Row, axis: str, rows: Sequence[Row]) -> str:
    """Return a run's value on an axis: of the sweep, of its facts, of its parameters or settings."""
    assert row.report is not None
    if axis in row.settings:
        return row.settings[axis]
    if axis in FACTS:
        return FACTS[axis](row.report)
    if axis in row.report.model["params"]:
        return _text(row.report.model["params"][axis])
    value = _setting(row.report.config, axis)
    if value is not MISSING or any(_has(one, axis) for one in rows):
        return _text(value)
    known = list(dict.fromkeys((*row.settings, *FACTS, METRIC, *row.report.model["params"])))
    raise UsageError(
        f"--pivot: the runs have no axis {axis}{did_you_mean(axis, known)}; there are {', '.join(known)}, "
        "and settings by their whole names"
    )


def _has(row: Row, axis: str) -> bool:
    report = row.report
    return axis in row.settings or (
        report is not None
        and (axis in report.model["params"] or _setting(report.config, axis) is not MISSING)
    )


def _setting(config: Any, axis: str) -> Any:
    for part in axis.split("."):
        if not isinstance(config, Mapping) or part not in config:
            return MISSING
        config = config[part]
    return config


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _ordered(values: Sequence[str]) -> list[str]:
    """Return the different values: numbers by size, else in the order of the runs."""
    different = list(dict.fromkeys(values))
    try:
        return sorted(different, key=float)
    except ValueError:
        return different


def _differing(one: Report, other: Report) -> str:
    """Name the settings that two runs do not share."""
    left, right = dict(_leaves(one.config)), dict(_leaves(other.config))
    return ", ".join(
        name for name in (*left, *(right.keys() - left.keys())) if left.get(name) != right.get(name)
    )


def _leaves(config: Any, above: str = "") -> list[tuple[str, Any]]:
    if not isinstance(config, Mapping):
        return [(above, config)]
    return [leaf for name, value in config.items() for leaf in _leaves(value, f"{above}.{name}".lstrip("."))]
