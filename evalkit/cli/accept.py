"""`evalkit accept RUN --reason TEXT`: the only way that a run becomes a baseline."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser("evalkit accept", description="Make a run or suite the baseline.")
    found.add_argument("run", metavar="RUN", help="a run or suite")
    found.add_argument("--reason", required=True, help="why these scores are accepted; kept in the baseline")
    found.add_argument("--baseline", default="main", help="its name (default: main)")
    found.add_argument("--allow-failures", action="store_true", help="accept although requests failed")
    found.add_argument("--allow-dirty", action="store_true", help="accept although code was not committed")
    found.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    return found


def main(argv: Sequence[str]) -> int:
    """Write the baseline; refuses runs that nobody should be measured against."""
    options = parser().parse_args(argv)

    from evalkit.gating import accept

    folder = accept(
        options.run,
        options.baseline,
        options.reason,
        Path(options.results_dir),
        allow_failures=options.allow_failures,
        allow_dirty=options.allow_dirty,
    )
    print(f"baseline {options.baseline}: {folder} (commit it)")
    return 0
