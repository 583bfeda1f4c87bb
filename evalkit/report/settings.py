"""The table of a sweep: a row for each job, a column for each setting that varies and for each metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evalkit.report.base import Report
from evalkit.report.grid import Cell, Column, Grid, Kind, Mark, number_cell, score_cell, with_best
from evalkit.report.overview import score_column, score_grid
from evalkit.report.suite import Member
from evalkit.report.table import note, shown_metrics

Marks = Mapping[tuple[str, str], Mark]
"""How values differ from the row of reference, by run id and metric."""


@dataclass(frozen=True)
class Row:
    """A job of a sweep: the values of the settings that vary, and its report (None where it failed).

    `number` counts from 1, failed jobs included.
    """

    number: int
    settings: Mapping[str, str]
    report: Report | None
    error: str | None = None

    @property
    def told(self) -> str:
        """A failed job as messages name it: `#2 limit=0: dataset.limit=0: must be …`."""
        settings = "".join(f" {name}={value}" for name, value in self.settings.items())
        return f"#{self.number}{settings}: {self.error}"


def rows_of(members: Sequence[Member], reports: Mapping[str, Report]) -> list[Row]:
    """Return the jobs in order; `reports` are by the members' `run`."""
    varying = _varying(members)
    return [
        Row(
            number,
            {label: _value(one, name) for name, label in varying.items()},
            None if one.run is None else reports[one.run],
            one.error,
        )
        for number, one in enumerate(members, start=1)
    ]


def settings_grids(rows: Sequence[Row], *, every: bool = False, marks: Marks | None = None) -> list[Grid]:
    """Return a table for each task and dataset; where each has one row only, one table of all the metrics.

    `every` shows all metrics, not each family's headline. The best of a column is marked.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.report is not None:
            key = (row.report.task["name"], row.report.dataset["name"])
            groups.setdefault(key, []).append(row)
    if not groups:
        return []
    if max(map(len, groups.values())) == 1 and len(groups) > 1:
        return [score_grid([row.report for row in rows if row.report is not None], every=every)]
    several = len(groups) > 1
    return [
        _grid(some, every=every, marks=marks or {}, heading=" on ".join(key) if several else "")
        for key, some in groups.items()
    ]


def _grid(rows: Sequence[Row], *, every: bool, marks: Marks, heading: str) -> Grid:
    reports = [row.report for row in rows if row.report is not None]
    constant = [label for label in rows[0].settings if len({row.settings[label] for row in rows}) == 1]
    labels = [label for label in rows[0].settings if label not in constant] or list(rows[0].settings)
    measures = [metric_measure(name, reports, marks) for name in metric_names(reports, every=every)]
    measures = [one for one in (*measures, COST, LATENCY) if any(one.of(report) for report in reports)]
    columns = (
        Column("#", Kind.NUMBER),
        *map(Column, labels),
        *(one.column for one in measures),
        Column("failed", Kind.NUMBER),
        Column("run"),
    )
    cells = tuple(
        (
            number_cell(row.number),
            *(Cell(row.settings[label]) for label in labels),
            *(one.of(report) or Cell("-") for one in measures),
            number_cell(report.counts["failed"]),
            Cell(report.run_id),
        )
        for row, report in zip(rows, reports, strict=True)
    )
    told = "; ".join(part for part in (note(reports), reading(reports, marks)) if part)
    return with_best(Grid(columns, cells, told, heading))


def metric_names(reports: Sequence[Report], *, every: bool) -> list[str]:
    """Return the metrics of a table of settings: each family's headline, or all of them."""
    names: dict[str, None] = {}
    for report in reports:
        headline = [name for family in report.families.values() for name in family["headline"]]
        names |= dict.fromkeys(
            name for name in shown_metrics(report, every=every) if every or not headline or name in headline
        )
    return list(names)


@dataclass(frozen=True)
class Measure:
    """What a column shows: how it is headed, and a run's cell (None without a value)."""

    column: Column
    of: Callable[[Report], Cell | None]


def metric_measure(name: str, reports: Sequence[Report], marks: Marks) -> Measure:
    """Return a metric's measure."""

    def cell(report: Report) -> Cell | None:
        one = report.metrics.get(name)
        return None if one is None else score_cell(one, marks.get((report.run_id, name)))

    return Measure(score_column(name, reports), cell)


def _cost(report: Report) -> Cell | None:
    # A run that nobody answered is not the cheapest one.
    answered = report.counts["failed"] < report.counts["requests"]
    return number_cell(report.cost["usd"], "{:.4f}") if report.cost and answered else None


def _latency(report: Report) -> Cell | None:
    median = report.timing.get("latency_p50")
    return None if median is None else number_cell(median, "{:.2f}")


COST = Measure(Column("cost USD", Kind.NUMBER, higher_is_better=False), _cost)
LATENCY = Measure(Column("latency s", Kind.NUMBER, higher_is_better=False), _latency)


def reading(reports: Sequence[Report], marks: Marks) -> str:
    """Say how costs, latencies and marks are read."""
    told = []
    if any(_latency(one) for one in reports):
        told.append("latency: median")
    if marks:
        told.append("differences in points from the row of reference, p two-sided, Holm over the table")
    return "; ".join(told)


def _varying(members: Sequence[Member]) -> dict[str, str]:
    """Return the settings that differ between jobs, with the shortest names that keep them apart."""
    values: dict[str, set[str]] = {}
    for one in members:
        for word in one.overrides:
            values.setdefault(word.partition("=")[0], set()).add(_value(one, word.partition("=")[0]))
    for name in list(values):
        missing = any(all(word.partition("=")[0] != name for word in one.overrides) for one in members)
        if len(values[name]) + missing < 2:  # noqa: PLR2004
            del values[name]
    return {name: _short(name, values) for name in values}


def _value(member: Member, name: str) -> str:
    """Return a job's value of a setting; the last one counts, as in Hydra."""
    found = [word.partition("=")[2] for word in member.overrides if word.partition("=")[0] == name]
    return found[-1] if found else "-"


def _short(name: str, names: Mapping[str, object]) -> str:
    parts = name.split(".")
    for count in range(1, len(parts)):
        short = ".".join(parts[-count:])
        if sum(other == short or other.endswith(f".{short}") for other in names) == 1:
            return short
    return name
