"""Score tables: reports -> rows of text cells, the same for every renderer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.records import Aggregate
from evalkit.report.base import Report

NOTE = "scores x 100{intervals}; BLEU, chrF and TER on their own 0-100 scale"


@dataclass(frozen=True)
class Table:
    """A header, rows of the same length, and a note that says how to read it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def html(table: Table) -> str:
    """Return an HTML table for notebooks; every cell is escaped."""
    from html import escape

    head = "".join(f"<th>{escape(name)}</th>" for name in table.header)
    rows = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in table.rows)
    body = "".join(f"<tr>{cells}</tr>" for cells in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{escape(table.note)}</p>"


def shown(value: float | None, maximum: float) -> str:
    """Return a stored value in percent or points, one decimal: 0.873 -> 87.3, BLEU 34.21 -> 34.2."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value * 100 / maximum:.1f}"


def interval(one: Aggregate) -> str:
    """Return `[81.2, 92.0]`, or a dash where a metric has none."""
    if one.low is None or one.high is None or math.isnan(one.low + one.high):
        return "-"
    return f"[{shown(one.low, one.maximum)}, {shown(one.high, one.maximum)}]"


def shown_metrics(report: Report, *, every: bool) -> dict[str, Aggregate]:
    """Return a report's metrics; those of single classes (`f1[positive]`) only when `every` one is wanted."""
    return {name: one for name, one in report.metrics.items() if every or "[" not in name}


def score_table(reports: Sequence[Report], *, every: bool = False) -> Table:
    """One line per run and metric."""
    header = ("task", "dataset", "model", "metric", "score", "interval", "n", "failed", "unparsed", "run")
    rows: list[tuple[str, ...]] = []
    for report in reports:
        first = (report.task["name"], report.dataset["name"], report.model["asked"])
        for name, one in shown_metrics(report, every=every).items():
            rows.append(
                (
                    *(("", "", "") if rows and rows[-1][-1] == report.run_id else first),
                    name,
                    shown(one.value, one.maximum),
                    interval(one),
                    str(one.n),
                    str(one.n_failed),
                    str(one.n_unparsed),
                    report.run_id,
                )
            )
        if not report.metrics:
            rows.append(
                (*first, "(nothing scored)", "-", "-", "0", str(report.counts["failed"]), "0", report.run_id)
            )
    return Table(header, tuple(rows), note(reports))


def wide_table(reports: Sequence[Report], *, every: bool = False) -> Table:
    """One line per run, one column per metric."""
    names = list(dict.fromkeys(name for report in reports for name in shown_metrics(report, every=every)))
    header = ("task", "dataset", "model", *names, "n", "failed", "run")
    rows = []
    for report in reports:
        cells = []
        for name in names:
            one = report.metrics.get(name)
            cells.append("" if one is None else f"{shown(one.value, one.maximum)} {interval(one)}")
        rows.append(
            (
                report.task["name"],
                report.dataset["name"],
                report.model["asked"],
                *cells,
                str(report.dataset["n"]),
                str(report.counts["failed"]),
                report.run_id,
            )
        )
    return Table(header, tuple(rows), note(reports))


def note(reports: Sequence[Report]) -> str:
    """Say how the numbers of a score table are read."""
    confidences = sorted({one.confidence for report in reports for one in report.metrics.values()})
    levels = " and ".join(f"{confidence * 100:g}%" for confidence in confidences)
    how = NOTE.format(intervals=f" with {levels} intervals" if levels else "")
    lower = [name for one in reports for name, value in one.metrics.items() if not value.higher_is_better]
    return f"{how}; lower is better: {', '.join(dict.fromkeys(lower))}" if lower else how
