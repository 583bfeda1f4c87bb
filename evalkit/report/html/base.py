"""What the page is told beside the report: the baseline, as plain data that a comparison fills in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.report.table import Table

PAGE = "report.html"


@dataclass(frozen=True)
class Before:
    """What the baseline made of one sample and trial; `output` is None where its text is not at hand."""

    output: str | None
    prediction: Any = None
    unparsed: str | None = None
    failure: Mapping[str, Any] | None = None
    statistics: Mapping[str, Sequence[float]] | None = None


@dataclass(frozen=True)
class Difference:
    """One metric, candidate minus baseline: `cells` as the comparison's table spells them.

    `difference`, `low`, `high` and `margin` are in points (0 to 100), or in the metric's `unit` where it has
    one; `low` and `high` are None without an interval.
    """

    metric: str
    cells: Mapping[str, str]
    verdict: str
    gated: bool
    higher_is_better: bool
    difference: float
    low: float | None
    high: float | None
    margin: float
    unit: str | None = None


@dataclass(frozen=True)
class Against:
    """A run's comparison with its baseline.

    `fixed` and `broken` are ids of samples that went from wrong to right and back; `comparable` the metric
    families whose statistics mean the same on both sides. `before` maps lines of samples.jsonl to the
    baseline's answers, None where it has none; it is called once for each line, in order.
    """

    label: str
    verdict: str
    sentence: str
    differences: Sequence[Difference]
    note: str
    slices: Table | None
    remarks: Sequence[str]
    prompt: Sequence[str]
    fixed: frozenset[str]
    broken: frozenset[str]
    comparable: frozenset[str]
    before: Callable[[Sequence[Mapping[str, Any]]], Sequence[Before | None]]
