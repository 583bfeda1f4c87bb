"""Tables of texts, and how scores and intervals are spelled everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalkit.records import Aggregate
from evalkit.report.base import Report

SIGNIFICANT = 3
"""Digits shown of a value in a unit of its own."""
NOTE = "scores x 100{intervals}; BLEU, chrF and TER on their own 0-100 scale"


@dataclass(frozen=True)
class Table:
    """A header, rows of the same length, and a note that says how to read it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def shown(value: float | None, maximum: float, unit: str | None = None) -> str:
    """Return a stored value in percent or points, one decimal: 0.873 -> 87.3, BLEU 34.21 -> 34.2.

    A value with a unit (seconds, US dollars) is no share of a scale and is shown as it is: 0.812, 0.000312.
    """
    if value is None or math.isnan(value):
        return "-"
    return f"{value * 100 / maximum:.1f}" if unit is None else f"{value:.{_decimals(value)}f}"


def moved(difference: float, maximum: float, unit: str | None = None) -> str:
    """Return a difference of stored values with its sign, in points or in the metric's unit."""
    if math.isnan(difference):
        return "-"
    return (
        f"{difference * 100 / maximum:+.1f}" if unit is None else f"{difference:+.{_decimals(difference)}f}"
    )


def of_unit(text: str, unit: str | None) -> str:
    """Return an amount with what it is counted in: `1.5 points`, `1 point`, `0.12 s`, `3`."""
    points = "point" if text.lstrip("+-") == "1" else "points"
    return " ".join(filter(None, (text, points if unit is None else unit)))


def _decimals(value: float) -> int:
    """Return the decimals that leave a number three significant digits; none of 100 and above."""
    if not value or not math.isfinite(value):
        return 0
    return max(0, SIGNIFICANT - 1 - math.floor(math.log10(abs(value))))


def interval(one: Aggregate) -> str:
    """Return `[81.2, 92.0]`, or a dash where a metric has none."""
    if one.low is None or one.high is None or math.isnan(one.low + one.high):
        return "-"
    return f"[{shown(one.low, one.maximum, one.unit)}, {shown(one.high, one.maximum, one.unit)}]"


def shown_metrics(report: Report, *, every: bool) -> dict[str, Aggregate]:
    """Return a report's metrics; those of single classes (`f1[positive]`) only when `every` one is wanted."""
    return {name: one for name, one in report.metrics.items() if every or "[" not in name}


def note(reports: Sequence[Report]) -> str:
    """Say how the numbers of a score table are read."""
    confidences = sorted({one.confidence for report in reports for one in report.metrics.values()})
    levels = " and ".join(f"{confidence * 100:g}%" for confidence in confidences)
    how = NOTE.format(intervals=f" with {levels} intervals" if levels else "")
    pairs = [pair for one in reports for pair in shown_metrics(one, every=False).items()]
    how += units_note({name: value.unit for name, value in pairs})
    lower = [name for name, value in pairs if not value.higher_is_better]
    return f"{how}; lower is better: {', '.join(dict.fromkeys(lower))}" if lower else how


def units_note(units: Mapping[str, str | None]) -> str:
    """Say which values, by name, are in a unit of their own: `; as they are: latency_p50 (s)`, or nothing."""
    told = [f"{name} ({unit})" if unit else name for name, unit in units.items() if unit is not None]
    return f"; as they are: {', '.join(told)}" if told else ""
