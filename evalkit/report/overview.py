"""Score tables of any runs: one line a metric, or one line a run."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.report.base import Report
from evalkit.report.grid import Cell, Column, Grid, Kind, number_cell, score_cell, text_table, with_best
from evalkit.report.table import Table, interval, note, shown_metrics

NAMED = (Column("task"), Column("dataset"), Column("model"))
COUNTS = (Column("n", Kind.NUMBER), Column("failed", Kind.NUMBER), Column("unparsed", Kind.NUMBER))
METRIC = (Column("metric"), Column("score", Kind.SCORE), Column("interval", Kind.INTERVAL))
RUN = (Column("run"),)


def score_table(reports: Sequence[Report], *, every: bool = False) -> Table:
    """One line of text per run and metric."""
    return text_table(score_grid(reports, every=every))


def wide_table(reports: Sequence[Report], *, every: bool = False) -> Table:
    """One line of text per run, one column per metric."""
    return text_table(wide_grid(reports, every=every))


def score_grid(reports: Sequence[Report], *, every: bool = False) -> Grid:
    """One line per run and metric."""
    rows: list[tuple[Cell, ...]] = []
    for report in reports:
        named, run = _named(report), Cell(report.run_id)
        rows += [(*named, *one, run) for one in _metric_rows(report, every=every)]
    columns = (*NAMED, *METRIC, *COUNTS, *RUN)
    return Grid(columns, tuple(rows), note(reports), once=len(NAMED))


def report_grid(report: Report) -> Grid:
    """One line per metric of one run, whose names stand elsewhere."""
    return Grid((*METRIC, *COUNTS), tuple(_metric_rows(report, every=True)), note([report]))


def wide_grid(reports: Sequence[Report], *, every: bool = False) -> Grid:
    """One line per run, one column per metric."""
    names = list(dict.fromkeys(name for report in reports for name in shown_metrics(report, every=every)))
    rows = []
    for report in reports:
        found = [report.metrics.get(name) for name in names]
        rows.append(
            (
                *_named(report),
                *(Cell("") if one is None else score_cell(one) for one in found),
                number_cell(report.dataset["n"]),
                number_cell(report.counts["failed"]),
                Cell(report.run_id),
            )
        )
    columns = (*NAMED, *(score_column(name, reports) for name in names), *COUNTS[:2], *RUN)
    grid = Grid(columns, tuple(rows), note(reports))
    return with_best(grid) if comparable(reports) else grid


def comparable(reports: Sequence[Report]) -> bool:
    """Whether one score can be better than another: all of one task and dataset."""
    return len({(one.task["name"], one.dataset["name"]) for one in reports}) == 1


def score_column(name: str, reports: Sequence[Report]) -> Column:
    """Return a metric's column."""
    found = (report.metrics[name] for report in reports if name in report.metrics)
    return Column(name, Kind.SCORE, next((one.higher_is_better for one in found), None))


def _named(report: Report) -> tuple[Cell, ...]:
    return tuple(map(Cell, (report.task["name"], report.dataset["name"], report.model["asked"])))


def _metric_rows(report: Report, *, every: bool) -> list[tuple[Cell, ...]]:
    if not report.metrics:
        failed = number_cell(report.counts["failed"])
        return [(Cell("(nothing scored)"), Cell("-"), Cell("-"), number_cell(0), failed, number_cell(0))]
    return [
        (
            Cell(name),
            score_cell(one),
            Cell(interval(one)),
            *map(number_cell, (one.n, one.n_failed, one.n_unparsed)),
        )
        for name, one in shown_metrics(report, every=every).items()
    ]
