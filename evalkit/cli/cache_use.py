"""Which answers runs and baselines refer to, and what they say the cache has saved."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.comparison.baseline import STATISTICS
from evalkit.errors import ReportError
from evalkit.report.base import Report, read
from evalkit.report.find import run_folders


@dataclass
class Use:
    """What a results folder refers to: request keys by task; runs and baselines counted.

    `unread` says of runs that could not be read: nobody knows what they refer to.
    `saved` is what answers from the cache would have cost in US dollars, over the `priced` runs.
    """

    keys: dict[str, set[str]] = field(default_factory=dict)
    runs: int = 0
    baselines: int = 0
    unread: list[str] = field(default_factory=list)
    priced: int = 0
    saved: float = 0.0

    @property
    def all_keys(self) -> set[str]:
        """Every key that is referred to."""
        return set().union(*self.keys.values())


def use_of(results_dir: Path) -> Use:
    """Read all runs and baselines; ReportError when a baseline is damaged."""
    use = Use()
    for folder in run_folders(results_dir):
        try:
            report = read(folder)
            keys = request_keys(report)
        except ReportError as error:
            use.unread.append(str(error))
            continue
        use.runs += 1
        use.keys.setdefault(str(report.task["name"]), set()).update(keys)
        if report.cost is not None:
            use.priced += 1
            use.saved += max(0.0, report.cost["usd"] - report.cost["paid_usd"])
    for path in sorted((results_dir / "baselines").glob(f"*/*/{STATISTICS}")):
        use.baselines += 1
        use.keys.setdefault(path.parent.name, set()).update(_baseline_keys(path))
    return use


def request_keys(report: Report) -> set[str]:
    """Return the keys of a run's requests."""
    return {str(line["request_key"]) for line in report.samples() if line.get("request_key")}


def run_with(key: str, results_dir: Path) -> Report | None:
    """Return the newest run that asked a request whose key begins so."""
    for folder in reversed(run_folders(results_dir)):
        try:
            report = read(folder)
        except ReportError:
            continue
        if any(one.startswith(key) for one in request_keys(report)):
            return report
    return None


def entries_by_task(use: Use, keys: set[str]) -> dict[str, int]:
    """Return how many of the cache's entries each task's runs and baselines refer to."""
    counts = Counter({task: len(mine & keys) for task, mine in use.keys.items()})
    return dict(sorted(counts.items()))


def _baseline_keys(path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            yield from json.loads(line)["request_keys"]
        except (ValueError, KeyError, TypeError):
            raise ReportError(f"{path}, line {number}: damaged; accept a run again") from None
