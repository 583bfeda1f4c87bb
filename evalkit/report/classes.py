"""Classification label by label: precision, recall, F1, support, and what was predicted instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.metrics.base import LabelMetric
from evalkit.report.base import Report, bound_metrics

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray, Metric


def classes_of(
    metric: Metric, by_sample: FloatArray, rows: FloatArray, unparsed: Sequence[bool]
) -> dict[str, Any] | None:
    """Return a label metric's figures and its confusion matrix, row by row; None for other metrics.

    `by_sample` are (n, k) statistics, trials combined; `rows` (a, k) and `unparsed` (a,) are of each answer.
    A row counts answers: by predicted label, `other` for labels outside the set, `unparsed` for none.
    """
    if not isinstance(metric, LabelMetric) or metric.labels is None or not len(rows):
        return None
    missed = np.asarray(unparsed, dtype=bool)
    counts, none = metric.confusion(rows), metric.confusion(rows[missed])[:, -1]
    figures = metric.by_label(by_sample.sum(axis=0)).tolist()
    made = [_row(metric.labels, line, lost) for line, lost in zip(counts, none, strict=True)]
    return {
        "labels": {
            label: {"precision": one[0], "recall": one[1], "f1": one[2], "support": _whole(one[3]), **row}
            for label, one, row in zip(metric.labels, figures, made[:-1], strict=True)
        },
        "outside": made[-1] if counts[-1].any() else None,
    }


def classes_in(report: Report) -> dict[str, Any]:
    """Return a stored run's figures by label, from its samples where an older version did not store them."""
    if report.classes:
        return dict(report.classes)
    metrics = {name: one for name, one in bound_metrics(report).items() if isinstance(one, LabelMetric)}
    if not metrics:
        return {}
    lines = [line for line in report.samples() if "failure" not in line]
    places: dict[str, list[int]] = {}
    for place, line in enumerate(lines):
        places.setdefault(line["id"], []).append(place)
    found = {}
    for name, metric in metrics.items():
        rows = np.asarray([line["statistics"][name] for line in lines], dtype=np.float64)
        by_sample = np.stack([metric.combine(rows[some]) for some in places.values()]) if lines else rows
        found[name] = classes_of(metric, by_sample, rows, ["unparsed" in line for line in lines])
    return {name: one for name, one in found.items() if one is not None}


def _row(labels: Sequence[str], counts: FloatArray, unparsed: float) -> dict[str, Any]:
    predicted = {label: int(count) for label, count in zip(labels, counts[:-1], strict=True) if count}
    return {"predicted": predicted, "other": int(counts[-1] - unparsed), "unparsed": int(unparsed)}


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value
