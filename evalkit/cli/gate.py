"""`evalkit gate [CAND]`: compare with the accepted baseline and set the exit code."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.compare import show
from evalkit.cli.output import note
from evalkit.report.renderers.names import OF_GATE


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser(
        "evalkit gate",
        description="Compare with the accepted baseline by a policy (configs/gate) and set the exit code.",
        epilog="exit codes: 0 passed, 1 regression, 3 no baseline, 4 not comparable, 5 failed requests could "
        "turn the verdict round, 6 inconclusive and the policy says fail",
    )
    found.add_argument("words", nargs="*", metavar="CAND | gate=POLICY | gate.SETTING=VALUE")
    found.add_argument(
        "--baseline", help="a baseline's name, run, git:REF[:NAME] or merge-base (default: main)"
    )
    found.add_argument("--format", choices=("text", *OF_GATE), default="text")
    found.add_argument("-o", "--output", metavar="FILE", help="write there instead; not with --format text")
    found.add_argument("--json", action="store_true", help="the same as --format json")
    found.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    return found


def main(argv: Sequence[str]) -> int:
    """Judge a run or suite; the exit code says how it ended."""
    options = parser().parse_args(argv)
    names = [word for word in options.words if "=" not in word]
    settings = [word for word in options.words if "=" in word]
    if len(names) > 1:
        parser().error(f"one candidate at a time, got {' '.join(names)}")

    from evalkit.config.compose import load
    from evalkit.gating import gate

    results = Path(options.results_dir)
    done = gate(names[0] if names else "latest", options.baseline, results, load(settings).gate, say=note)
    form = "json" if options.json else options.format
    if form != "text":
        from evalkit.cli.publish import publish
        from evalkit.comparison.publication import publication_of

        published = publication_of(done.comparison, done.result, done.remarks, done.sides)
        publish(published, form, options.output)
        return done.result.code
    show(done.comparison)
    print()
    for remark in done.remarks:
        print(f"- {remark}")
    for warning in done.result.warnings:
        print(f"warning: {warning}")
    for reason in done.result.reasons:
        print(reason)
    print(f"gate: {done.result.verdict} (exit {done.result.code})")
    return done.result.code
