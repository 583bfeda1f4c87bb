"""`evalkit table`: one score table over many runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.output import print_json, print_table
from evalkit.report.base import Report, read
from evalkit.report.find import find
from evalkit.report.suite import read_suite
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
    parser.add_argument("--json", action="store_true", help="machine-readable, stored values and intervals")
    parser.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    options = parser.parse_args(argv)
    reports = [report for name in options.runs for report in _reports(name, Path(options.results_dir))]
    if options.json:
        print_json([_plain(report) for report in reports])
    else:
        print_table(wide_table(reports) if options.wide else score_table(reports))
    return 0


def _reports(name: str, results_dir: Path) -> list[Report]:
    suites = results_dir / "suites"
    path = Path(name)
    if not path.is_file():
        path = suites / f"{name}.json"
    if path.suffix == ".json" and path.name != "report.json" and path.is_file():
        return [read(path.parent.parent / run) for run in read_suite(path).runs]
    return [read(find(name, results_dir))]


def _plain(report: Report) -> dict[str, object]:
    data = report.to_json()
    return {key: data[key] for key in ("run_id", "task", "dataset", "model", "metrics", "counts", "cost")}
