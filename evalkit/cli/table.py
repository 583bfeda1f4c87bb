"""`evalkit table`: one score table over many runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cli.output import note, print_tables
from evalkit.cli.publish import publish
from evalkit.errors import UsageError
from evalkit.report.base import Report, read
from evalkit.report.breakdown import slices_table
from evalkit.report.find import find
from evalkit.report.grid import Grid, grid_of, records_of, sort_rows, text_table, with_columns
from evalkit.report.overview import score_grid, wide_grid
from evalkit.report.pivot import axes_of, pivots
from evalkit.report.renderers.base import Publication
from evalkit.report.renderers.names import OF_TABLE
from evalkit.report.settings import Row, metric_names, rows_of, settings_grids
from evalkit.report.suite import read_suite, suite_file

if TYPE_CHECKING:
    from evalkit.comparison.reference import Contrast

EPILOG = """The table of a sweep has a row for each job, and marks the best of each column. --against compares
every row with one of them: `--against 1` is the first row, `--against RUN` the row of a run.
--pivot model,temperature --metric accuracy sets two axes against each other: settings of the sweep,
parameters, task, dataset, model, prompt, run, or metric. Without --metric there is a table for each."""


def main(argv: Sequence[str]) -> int:
    """Print the table of the runs and suites that are named."""
    options = parser().parse_args(argv)
    if options.metric is not None and options.pivot is None:
        raise UsageError(f"--metric {options.metric} names the value of a --pivot ROWS,COLUMNS; add one")
    results = Path(options.results_dir)
    found = [row for name in options.runs for row in _rows(name, results)]
    rows = [replace(row, number=number) for number, row in enumerate(found, start=1)]
    if options.by is not None:
        return _by(rows, options)
    contrasts = _contrasts(rows, options.against, every=options.every)
    _publish(_grids(rows, contrasts, options), [_plain(row, contrasts) for row in rows], options)
    for row in rows:
        if row.error is not None:
            note(f"failed: {row.told}")
    return 0


def _grids(rows: Sequence[Row], contrasts: Sequence[Contrast], options: argparse.Namespace) -> list[Grid]:
    """Return the tables as they were asked for."""
    marks = {(one.run_id, one.metric): one.mark for one in contrasts}
    reports = [row.report for row in rows if row.report is not None]
    if options.pivot is not None:
        return pivots(rows, axes_of(options.pivot), options.metric, every=options.every, marks=marks)
    if options.wide:
        return [wide_grid(reports, every=options.every)] if reports else []
    if options.against or (not options.long and any(row.settings for row in rows)):
        return settings_grids(rows, every=options.every, marks=marks)
    return [score_grid(reports, every=options.every)] if reports else []


def _publish(grids: Sequence[Grid], plain: object, options: argparse.Namespace) -> None:
    """Print the tables in the format that was asked for; `plain` is what JSON prints of them."""
    if options.sort is not None:
        grids = [sort_rows(one, options.sort) for one in grids]
    if options.columns is not None:
        wanted = [name.strip() for name in options.columns.split(",")]
        grids = [with_columns(one, wanted) for one in grids]
    form = "json" if options.json else options.format
    if form == "text":
        print_tables([text_table(one) for one in grids])
        return
    stored = options.pivot is None and options.columns is None
    data = plain if stored else [records_of(one) for one in grids]
    title = " ".join(options.runs) if options.title is None else options.title
    publish(Publication(title=title, grids=grids, data=data), form, options.output)


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    parser = argparse.ArgumentParser(
        "evalkit table", description="One score table over many runs.", epilog=EPILOG
    )
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="a path, run id, unique prefix, latest, latest:TASK, or a suite's id or file",
    )
    parser.add_argument(
        "--against", metavar="ROW", help="compare every row with this one (a number or a run)"
    )
    parser.add_argument("--long", action="store_true", help="one line a metric, also for a sweep")
    parser.add_argument("--wide", action="store_true", help="one line a run, one column a metric")
    parser.add_argument(
        "--all", action="store_true", dest="every", help="every metric, not each family's headline"
    )
    parser.add_argument("--by", metavar="COLUMN", help="scores by the values of a metadata or input column")
    parser.add_argument(
        "--pivot", metavar="ROWS,COLUMNS", help="two axes against each other, for example model,temperature"
    )
    parser.add_argument("--metric", help="the value that a pivot shows (default: a table for each metric)")
    parser.add_argument(
        "--sort", metavar="COLUMN", help="best first, text ascending; --sort=-COLUMN reverses"
    )
    parser.add_argument(
        "--columns", metavar="NAME,…", help="only these, in this order: --columns task,metric,score,interval"
    )
    parser.add_argument("--title", metavar="TEXT", help="heading of the table (default: the runs as named)")
    parser.add_argument("--format", choices=("text", *OF_TABLE), default="text")
    parser.add_argument("-o", "--output", metavar="FILE", help="write there instead; not with --format text")
    parser.add_argument("--json", action="store_true", help="the same as --format json: stored values")
    parser.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    return parser


def _by(rows: Sequence[Row], options: argparse.Namespace) -> int:
    """Print one line per run, value of the column and metric."""
    from evalkit.report.slices import slices_by

    column = options.by
    reports = [row.report for row in rows if row.report is not None]
    found = [(report, slices_by(report, [column])[column]) for report in reports]
    plain = [{"run_id": report.run_id, "slices": {column: one}} for report, one in found]
    _publish([grid_of(slices_table(column, found))], plain, options)
    return 0


def _rows(name: str, results_dir: Path) -> list[Row]:
    path = suite_file(name, results_dir)
    if path is not None:
        suite = read_suite(path)
        return rows_of(suite.members, {run: read(path.parent.parent / run) for run in suite.runs})
    return [Row(0, {}, read(find(name, results_dir)))]


def _contrasts(rows: Sequence[Row], against: str | None, *, every: bool) -> list[Contrast]:
    """Compare the rows with the one of reference; what cannot be compared is said."""
    if against is None:
        return []
    from evalkit.comparison.reference import contrasts

    reference = _row(rows, against)
    place = (reference.task["name"], reference.dataset["name"])
    others = [
        row.report
        for row in rows
        if row.report is not None
        and row.report.run_id != reference.run_id
        and (row.report.task["name"], row.report.dataset["name"]) == place
    ]
    found, problems = contrasts(reference, others, metric_names([reference, *others], every=every))
    for problem in problems:
        note(problem)
    return found


def _row(rows: Sequence[Row], name: str) -> Report:
    reports = [row.report for row in rows]
    if name.isdecimal() and 1 <= int(name) <= len(reports):
        report = reports[int(name) - 1]
        if report is None:
            raise UsageError(f"--against {name}: that job failed and has no report; name another row")
        return report
    found = [one for one in reports if one is not None and one.run_id.startswith(name)]
    if len(found) != 1:
        raise UsageError(
            f"--against {name}: {'several runs begin so' if found else 'no such row'}; write a row's number "
            f"(1 to {len(rows)}) or a run's id"
        )
    return found[0]


def _plain(row: Row, contrasts: Sequence[Contrast]) -> dict[str, object]:
    if row.report is None:
        return {"settings": dict(row.settings), "error": row.error}
    data = row.report.to_json()
    names = ("run_id", "created", "status", "task", "dataset", "model", "metrics", "counts", "usage", "cost")
    plain = {name: data[name] for name in (*names, "timing")} | {"folder": str(row.report.folder)}
    if row.settings:
        plain["settings"] = dict(row.settings)
    mine = [one for one in contrasts if one.run_id == row.report.run_id]
    if mine:
        plain["against"] = {
            one.metric: {"points": one.points, "p": one.p_value, "p_adjusted": one.p_adjusted} for one in mine
        }
    return plain
