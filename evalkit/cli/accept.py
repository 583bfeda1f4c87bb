"""`evalkit accept RUN --reason TEXT`: the only way that a run becomes a baseline."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str]) -> int:
    """Write the baseline; refuses runs that nobody should be measured against."""
    parser = argparse.ArgumentParser("evalkit accept", description="Make a run or suite the baseline.")
    parser.add_argument("run", metavar="RUN", help="a run or suite")
    parser.add_argument("--reason", required=True, help="why these scores are accepted; kept in the baseline")
    parser.add_argument("--baseline", default="main", help="its name (default: main)")
    parser.add_argument("--allow-failures", action="store_true", help="accept although requests failed")
    parser.add_argument("--allow-dirty", action="store_true", help="accept although code was not committed")
    parser.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    options = parser.parse_args(argv)

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
