"""Each answer's own values, and whether it is right, from the statistics that are stored with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.metrics.base import LabelMetric
from evalkit.report.base import Report, bound_metrics
from evalkit.report.correctness import right_rows

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray, Metric

Statistics = Mapping[str, Sequence[float]]
POINTS = 100


class Scores:
    """Aggregates single answers with a run's own metrics.

    Shown are the values that a gate looks at. Figures by label are left out: of one answer they say nothing.
    """

    def __init__(self, report: Report) -> None:
        self._metrics = bound_metrics(report)
        self._shown = {
            name: [place for place, value in enumerate(metric.names) if value in metric.headline]
            for name, metric in self._metrics.items()
            if not isinstance(metric, LabelMetric)
        }

    @property
    def columns(self) -> list[dict[str, Any]]:
        """The values in the order of `values`: name, whether a higher one is better, and its unit if any."""
        return [
            {
                "name": self._metrics[family].names[place],
                "higher": self._metrics[family].higher_is_better,
                **({} if (unit := self._metrics[family].unit) is None else {"unit": unit}),
            }
            for family, places in self._shown.items()
            for place in places
        ]

    def values(
        self, answers: Sequence[Statistics | None], families: frozenset[str] | None = None
    ) -> list[list[float | None] | None]:
        """Return each answer's values in points; None for no answer, and in place of what is unknown.

        `families` are those whose statistics these metrics can read; None for all.
        """
        places = [place for place, one in enumerate(answers) if one is not None]
        found: list[list[float | None] | None] = [None if one is None else [] for one in answers]
        for family, columns in self._shown.items():
            metric = self._metrics[family]
            unknown = (families is not None and family not in families) or not places
            values = None if unknown else _alone(metric, [_rows(answers[place], family) for place in places])
            for row, place in enumerate(places):
                mine = found[place]
                assert mine is not None
                mine += [_points(values[row][at], metric) if values is not None else None for at in columns]
        return found

    def right(self, answer: Statistics) -> bool | None:
        """Say whether an answer is right, by the first metric that scores it 0 or 1; None when none does."""
        for family, metric in self._metrics.items():
            rows = np.asarray([answer[family]], dtype=np.float64)
            if isinstance(metric, LabelMetric):
                continue
            found = right_rows(
                metric.names,
                rows,
                metric.maximum,
                higher_is_better=metric.higher_is_better,
                unit=metric.unit,
            )
            if found is not None:
                return found[0]
        return None


def _rows(answer: Statistics | None, family: str) -> Sequence[float]:
    assert answer is not None
    return answer[family]


def _alone(metric: Metric, rows: Sequence[Sequence[float]]) -> FloatArray:
    """Aggregate every row by itself: (b, k) to (b, names)."""
    table = np.asarray(rows, dtype=np.float64)
    return metric.aggregate(table, np.eye(len(table)))


def _points(value: float, metric: Metric) -> float | None:
    value = float(value)
    if not math.isfinite(value):
        return None
    return round(value * POINTS / metric.maximum, 2) if metric.unit is None else float(f"{value:.4g}")
