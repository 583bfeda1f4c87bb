"""`evalkit table`: one score table over many runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cli.output import note, print_json, print_table, print_tables
from evalkit.errors import UsageError
from evalkit.report.base import Report, read
from evalkit.report.breakdown import slices_table
from evalkit.report.find import find
from evalkit.report.settings import Row, metric_names, rows_of, settings_grids
from evalkit.report.suite import read_suite, suite_file
from evalkit.report.overview import score_table, wide_table
from evalkit.report.grid import text_table

if TYPE_CHECKING:
    from evalkit.comparison.reference import Contrast

EPILOG = """The table of a sweep has a row for each job, and marks the best of each column. --against compares
every row with one of them: `--against 1` is the first row, `--against RUN` the row of a run."""


def main(argv: Sequence[str]) -> int:
    """Print the table of the runs and suites that are named."""
    options = parser().parse_args(argv)
    found = [row for name in options.runs for row in _rows(name, Path(options.results_dir))]
    rows = [replace(row, number=number) for number, row in enumerate(found, start=1)]
    reports = [row.report for row in rows if row.report is not None]
    if options.by is not None:
        return _by(reports, options.by, as_json=options.json)
    contrasts = _contrasts(rows, options.against, every=options.every)
    if options.json:
        print_json([_plain(row, contrasts) for row in rows])
    elif options.against or (not (options.long or options.wide) and any(row.settings for row in rows)):
        marks = {(one.run_id, one.metric): one.mark for one in contrasts}
        print_tables([text_table(one) for one in settings_grids(rows, every=options.every, marks=marks)])
    elif reports:
        print_table((wide_table if options.wide else score_table)(reports, every=options.every))
    for row in rows:
        if row.error is not None:
            note(
                f"failed: {' '.join(f'{name}={value}' for name, value in row.settings.items())}: {row.error}"
            )
    return 0


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
    parser.add_argument("--json", action="store_true", help="machine-readable, stored values and intervals")
    parser.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    return parser


def _by(reports: Sequence[Report], column: str, *, as_json: bool) -> int:
    """Print one line per run, value of the column and metric."""
    from evalkit.report.slices import slices_by

    found = [(report, slices_by(report, [column])[column]) for report in reports]
    if as_json:
        print_json([{"run_id": report.run_id, "slices": {column: one}} for report, one in found])
    else:
        print_table(slices_table(column, found))
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
