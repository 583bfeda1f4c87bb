"""`evalkit score RUN [OVERRIDES]`: a stored run's outputs with other metrics, post-processing or slices."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.output import note, print_json
from evalkit.report.base import read
from evalkit.report.find import find

EPILOG = """examples:
  evalkit score latest 'metrics=[bleu,chrf,ter]'
  evalkit score latest metrics.bleu.tokenize=char
  evalkit score latest:qa 'task.postprocess=[first_line]'
  evalkit score latest 'slices=[lang,domain]'
"""


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser(
        "evalkit score",
        description="Score a stored run's outputs again. No model is asked, and no key is needed.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("run", metavar="RUN", help="a path, run id, unique prefix, latest or latest:TASK")
    found.add_argument(
        "overrides",
        nargs="*",
        metavar="OVERRIDE",
        help="of metrics, task.postprocess, slices, confidence, resamples, seed, results_dir",
    )
    found.add_argument("--json", action="store_true", help="print the new report.json")
    found.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    return found


def main(argv: Sequence[str]) -> int:
    """Score again, print the table, and write a report that names the run as its parent."""
    options = parser().parse_intermixed_args(argv)
    report = read(find(options.run, Path(options.results_dir)))

    from evalkit.cli.run import print_finished
    from evalkit.evaluation import score_again

    finished = score_again(report, options.overrides)
    counts = finished.report.counts
    if counts["failed"]:
        note(f"{counts['failed']} of {counts['requests']} requests of run {report.run_id} failed: not scored")
    note(f"scored the outputs of run {report.run_id} again; nothing was sent")
    if options.json:
        print_json(finished.report.to_json() | {"folder": str(finished.folder)})
        return 0
    print_finished(finished.report, str(finished.folder))
    return 0
