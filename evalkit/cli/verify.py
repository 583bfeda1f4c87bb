"""`evalkit verify RUN`: recompute a run's numbers and hashes from its samples, and say what differs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cli.output import note, one_line, print_json, print_table

if TYPE_CHECKING:
    from evalkit.report.verify.base import Check

DIFFERENT = 5
SHOWN = 10  # differences of one check

DESCRIPTION = """Recompute a stored run from its samples: contents, prompts, request keys, predictions,
statistics, scores with their intervals, counts, tokens and cost; and the fingerprint of data at hand.
Nothing is asked and nothing is written."""


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser(
        "evalkit verify", description=DESCRIPTION, epilog="exit codes: 0 all the same, 5 something differs"
    )
    found.add_argument(
        "run",
        metavar="RUN",
        nargs="?",
        default="latest",
        help="a path, run id, prefix, latest or latest:TASK",
    )
    found.add_argument(
        "--fetch", action="store_true", help="read the data from the hub too, where it is there"
    )
    found.add_argument("--json", action="store_true", help="print the checks as JSON")
    found.add_argument(
        "--schema", metavar="NAME", help="print a published JSON Schema instead: report, samples, …"
    )
    found.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    return found


def main(argv: Sequence[str]) -> int:
    """Check one run; exit 5 when something differs."""
    options = parser().parse_args(argv)
    if options.schema is not None:
        from evalkit.report.schema import load

        print_json(load(options.schema))
        return 0

    from evalkit.config.stored import at_hand
    from evalkit.report.base import read
    from evalkit.report.find import find
    from evalkit.report.verify.all import verify

    report = read(find(options.run, Path(options.results_dir)))
    checks = verify(report, at_hand(report, fetch=options.fetch))
    different = [one for one in checks if one.status == "different"]
    if options.json:
        print_json(
            {"run_id": report.run_id, "same": not different, "checks": [_plain(one) for one in checks]}
        )
    else:
        _show(report.run_id, checks, different)
    return DIFFERENT if different else 0


def _plain(check: Check) -> dict[str, object]:
    return {
        "check": check.name,
        "status": check.status,
        "looked_at": check.looked_at,
        "differences": list(check.differences),
        "skipped": check.skipped,
        "remark": check.remark,
    }


def _show(run_id: str, checks: Sequence[Check], different: Sequence[Check]) -> None:
    from evalkit.report.table import Table

    rows = tuple((one.name, one.status, one.looked_at) for one in checks)
    skipped = [one for one in checks if one.skipped is not None]
    verdict = f"DIFFERENT: {', '.join(one.name for one in different)}" if different else "nothing differs"
    unseen = f"; not checked: {', '.join(one.name for one in skipped)}" if skipped else ""
    print_table(Table(("check", "result", "looked at"), rows, f"run {run_id}: {verdict}{unseen}"))
    for one in different:
        for difference in one.differences[:SHOWN]:
            print(one_line(f"{one.name}: {difference}"))
        if len(one.differences) > SHOWN:
            print(f"{one.name}: and {len(one.differences) - SHOWN} more (--json has them all)")
    for one in skipped:
        note(f"{one.name} not checked: {one.skipped}")
    for one in checks:
        if one.remark is not None:
            note(f"{one.name}: {one.remark}")
