"""Tables of texts, and how scores and intervals are spelled everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.records import Aggregate
from evalkit.report.base import Report

NOTE = "scores x 100{intervals}; BLEU, chrF and TER on their own 0-100 scale"


@dataclass(frozen=True)
class Table:
    """A header, rows of the same length, and a note that says how to read it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def shown(value: float | None, maximum: float) -> str:
    """Return a stored value in percent or points, one decimal: 0.873 -> 87.3, BLEU 34.21 -> 34.2."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value * 100 / maximum:.1f}"


def interval(one: Aggregate) -> str:
    """Return `[81.2, 92.0]`, or a dash where a metric has none."""
    if one.low is None or one.high is None or math.isnan(one.low + one.high):
        return "-"
    return f"[{shown(one.low, one.maximum)}, {shown(one.high, one.maximum)}]"


def shown_metrics(report: Report, *, every: bool) -> dict[str, Aggregate]:
    """Return a report's metrics; those of single classes (`f1[positive]`) only when `every` one is wanted."""
    return {name: one for name, one in report.metrics.items() if every or "[" not in name}


def note(reports: Sequence[Report]) -> str:
    """Say how the numbers of a score table are read."""
    confidences = sorted({one.confidence for report in reports for one in report.metrics.values()})
    levels = " and ".join(f"{confidence * 100:g}%" for confidence in confidences)
    how = NOTE.format(intervals=f" with {levels} intervals" if levels else "")
    pairs = [pair for one in reports for pair in shown_metrics(one, every=False).items()]
    lower = [name for name, value in pairs if not value.higher_is_better]
    return f"{how}; lower is better: {', '.join(dict.fromkeys(lower))}" if lower else how
