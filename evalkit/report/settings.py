"""The table of a sweep: a row for each job, a column for each setting that varies and for each metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.records import Aggregate
from evalkit.report.base import Report
from evalkit.report.suite import Member
from evalkit.report.table import Table, interval, note, score_table, shown, shown_metrics

BEST = "*"
Marks = Mapping[tuple[str, str], str]
"""What to write behind a value, by run id and metric: how it differs from the row of reference."""


@dataclass(frozen=True)
class Row:
    """A job of a sweep: the values of the settings that vary, and its report (None where it failed).

    `number` counts from 1, failed jobs included.
    """

    number: int
    settings: Mapping[str, str]
    report: Report | None
    error: str | None = None


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


def settings_tables(rows: Sequence[Row], *, every: bool = False, marks: Marks | None = None) -> list[Table]:
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
        return [score_table([row.report for row in rows if row.report is not None], every=every)]
    several = len(groups) > 1
    return [
        _table(some, every=every, marks=marks or {}, heading=" on ".join(key) if several else "")
        for key, some in groups.items()
    ]


@dataclass
class _Column:
    """Cells, and the numbers behind them for the mark of the best."""

    name: str
    cells: list[str] = field(default_factory=list)
    numbers: list[float | None] = field(default_factory=list)
    higher_is_better: bool = False

    def add(self, number: float | None, cell: str) -> None:
        self.numbers.append(None if number is None or math.isnan(number) else number)
        self.cells.append(cell)

    @property
    def marked(self) -> list[str]:
        """The cells with the best marked, where they differ; a mark widens no other column's cells."""
        known = [one for one in self.numbers if one is not None]
        if len(known) < 2 or min(known) == max(known):  # noqa: PLR2004 - a best needs a second
            return self.cells
        best = (max if self.higher_is_better else min)(known)
        return [
            cell.replace(" ", f"{BEST} ", 1)
            if number == best and " " in cell
            else cell + BEST * (number == best)
            for cell, number in zip(self.cells, self.numbers, strict=True)
        ]


def _table(rows: Sequence[Row], *, every: bool, marks: Marks, heading: str) -> Table:
    reports = [row.report for row in rows if row.report is not None]
    constant = [label for label in rows[0].settings if len({row.settings[label] for row in rows}) == 1]
    labels = [label for label in rows[0].settings if label not in constant] or list(rows[0].settings)
    columns = [_Column("#", [str(row.number) for row in rows])]
    columns += [_Column(label, [row.settings[label] for row in rows]) for label in labels]
    measured = [_metric(name, reports, marks) for name in metric_names(reports, every=every)]
    measured += [
        _plain("cost USD", reports, lambda one: one.cost["usd"] if one.cost else None, "{:.4f}"),
        _plain("latency s", reports, lambda one: one.timing.get("latency_p50"), "{:.2f}"),
    ]
    measured = [one for one in measured if any(number is not None for number in one.numbers)]
    last = [
        _Column("failed", [str(one.counts["failed"]) for one in reports]),
        _Column("run", [one.run_id for one in reports]),
    ]
    header = tuple(one.name for one in (*columns, *measured, *last))
    cells = [one.cells for one in columns] + [one.marked for one in measured] + [one.cells for one in last]
    told = "; ".join(part for part in (heading, note(reports), _reading(reports, marks)) if part)
    return Table(header, tuple(zip(*cells, strict=True)), told)


def metric_names(reports: Sequence[Report], *, every: bool) -> list[str]:
    """Return the metrics of a table of settings: each family's headline, or all of them."""
    names: dict[str, None] = {}
    for report in reports:
        headline = [name for family in report.families.values() for name in family["headline"]]
        names |= dict.fromkeys(
            name for name in shown_metrics(report, every=every) if every or not headline or name in headline
        )
    return list(names)


def _metric(name: str, reports: Sequence[Report], marks: Marks) -> _Column:
    column = _Column(name)
    for report in reports:
        one: Aggregate | None = report.metrics.get(name)
        if one is None:
            column.add(None, "-")
            continue
        column.higher_is_better = one.higher_is_better
        mark = marks.get((report.run_id, name), "")
        column.add(one.value, " ".join(filter(None, (shown(one.value, one.maximum), interval(one), mark))))
    return column


def _plain(
    name: str, reports: Sequence[Report], value: Callable[[Report], float | None], form: str
) -> _Column:
    column = _Column(name)
    for report in reports:
        number = value(report)
        column.add(number, "-" if number is None else form.format(number))
    return column


def _reading(reports: Sequence[Report], marks: Marks) -> str:
    told = []
    if len(reports) > 1:
        told.append(f"{BEST} best of its column")
    if any(one.timing.get("latency_p50") is not None for one in reports):
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
