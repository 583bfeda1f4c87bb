"""`evalkit table`: one score table over many runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.output import print_json, print_table
from evalkit.report.base import REPORT, Report, read
from evalkit.report.find import find
from evalkit.report.suite import SUITES, read_suite
from evalkit.report.table import score_table, wide_table


def main(argv: Sequence[str]) -> int:
    """Print the table of the runs and suites that are named."""
    parser = argparse.ArgumentParser("evalkit table", description="One score table over many runs.")
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="a path, run id, unique prefix, latest, latest:TASK, or a suite's file",
    )
    parser.add_argument("--wide", action="store_true", help="one line a run, one column a metric")
    parser.add_argument(
        "--all", action="store_true", dest="every", help="metrics of single classes too, like f1[positive]"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable, stored values and intervals")
    parser.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    options = parser.parse_args(argv)
    reports = [report for name in options.runs for report in _reports(name, Path(options.results_dir))]
    if options.json:
        print_json([_plain(report) for report in reports])
    else:
        print_table((wide_table if options.wide else score_table)(reports, every=options.every))
    return 0


def _reports(name: str, results_dir: Path) -> list[Report]:
    path = Path(name)
    if not path.is_file():
        path = results_dir / SUITES / f"{name}.json"
    if path.suffix == ".json" and path.name != REPORT and path.is_file():
        return [read(path.parent.parent / run) for run in read_suite(path).runs]
    return [read(find(name, results_dir))]


def _plain(report: Report) -> dict[str, object]:
    data = report.to_json()
    names = ("run_id", "created", "status", "task", "dataset", "model", "metrics", "counts", "usage", "cost")
    return {name: data[name] for name in names} | {"folder": str(report.folder)}
