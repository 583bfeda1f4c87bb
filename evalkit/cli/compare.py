"""`evalkit compare BASE CAND`: what changed, how surely, and by how much; it informs and does not judge."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cli.output import print_table
from evalkit.report.renderers.names import OF_COMPARISON

if TYPE_CHECKING:
    from evalkit.comparison.base import Comparison

NOT_COMPARABLE = 4


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser(
        "evalkit compare", description="Paired comparison of two runs, suites or baselines."
    )
    found.add_argument("base", metavar="BASE", help="baseline name, run, suite, git:REF[:NAME] or merge-base")
    found.add_argument(
        "candidate", metavar="CAND", help="run or suite (default: latest)", nargs="?", default="latest"
    )
    found.add_argument(
        "settings", nargs="*", metavar="gate.SETTING=VALUE", help="for example gate.alpha=0.01"
    )
    found.add_argument(
        "--intersect", action="store_true", help="compare the samples that match, with a warning"
    )
    found.add_argument("--format", choices=("text", *OF_COMPARISON), default="text")
    found.add_argument("-o", "--output", metavar="FILE", help="write there instead; not with --format text")
    found.add_argument("--json", action="store_true", help="the same as --format json")
    found.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    return found


def main(argv: Sequence[str]) -> int:
    """Compare two sides; exit 0 whatever the verdict, 4 when they cannot be compared."""
    options = parser().parse_args(argv)

    from evalkit.config.compose import load
    from evalkit.gating import contrast

    settings = load(options.settings).gate
    settings.intersect = settings.intersect or options.intersect
    found, sides = contrast(options.base, options.candidate, Path(options.results_dir), settings)
    form = "json" if options.json else options.format
    if form == "text":
        show(found)
    else:
        from evalkit.cli.publish import publish
        from evalkit.comparison.publication import publication_of

        publish(publication_of(found, sides=sides), form, options.output)
    return NOT_COMPARABLE if any(case.problem for case in found.cases) or not found.cases else 0


def show(comparison: Comparison) -> None:
    """Print a comparison: one sentence, the table, what stands beside it."""
    from evalkit.comparison import render

    print(render.sentence(comparison))
    print()
    table = render.metric_table(comparison)
    if table.rows:
        print_table(table)
    slices = render.slice_table(comparison)
    if slices is not None:
        print()
        print_table(slices)
    for remark in render.remarks(comparison):
        print(f"- {remark}")
