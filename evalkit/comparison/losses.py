"""The samples that a metric lost most on, quoted with both outputs where they are at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.comparison.base import Family, Side
from evalkit.comparison.pair import match
from evalkit.comparison.side import metric_of
from evalkit.metrics.base import LabelMetric
from evalkit.report.base import read
from evalkit.report.excerpts import BLOCK, excerpt
from evalkit.report.line import answer_text
from evalkit.report.renderers.base import Excerpt
from evalkit.report.table import shown

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray


def losses(baseline: Side, candidate: Side, family: str, value: str, most: int) -> list[Excerpt]:
    """Return the samples whose value fell most, at most so many; of metrics of labels there are none.

    Without the candidate's texts (a baseline) there are none either.
    """
    told = candidate.families[family]
    metric = metric_of(told)
    if not most or isinstance(metric, LabelMetric) or candidate.folder is None:
        return []
    names = [
        name
        for name in match(baseline, candidate).common
        if family in baseline.samples[name].rows and family in candidate.samples[name].rows
    ]
    before, after = (_values(side, told, names)[:, told.names.index(value)] for side in (baseline, candidate))
    fallen = (before - after) * (1 if told.higher_is_better else -1)
    order = [place for place in np.argsort(-fallen, kind="stable")[:most].tolist() if fallen[place] > 0]
    scale = told.maximum, told.unit
    moved = {
        names[place]: f"{value} {shown(float(before[place]), *scale)} to {shown(float(after[place]), *scale)}"
        for place in order
    }
    return quoted(baseline, candidate, moved)


def quoted(baseline: Side, candidate: Side, remarks: dict[str, str]) -> list[Excerpt]:
    """Return the first trial of each sample that has a remark, in the order of the remarks."""
    old, new = (_lines(side, remarks) for side in (baseline, candidate))
    found = []
    for name, remark in remarks.items():
        one = excerpt(new[name], {}, _text(old.get(name)))
        told = ", ".join(filter(None, (remark, one.remark)))
        found.append(
            Excerpt(one.id, one.trial, one.input, one.target, one.output, remark=told, before=one.before)
        )
    return found


def _lines(side: Side, wanted: dict[str, str]) -> dict[str, dict[str, Any]]:
    if side.folder is None or not wanted:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for line in read(side.folder).samples():
        if line["id"] in wanted:
            found.setdefault(line["id"], line)
    return found


def _values(side: Side, family: Family, names: Sequence[str]) -> FloatArray:
    """Return each sample's own values, (n, len(family.names)); its trials combined."""
    metric = metric_of(family)
    rows = [metric.combine(side.samples[name].rows[family.name]) for name in names]
    blocks = [np.stack(rows[start : start + BLOCK]) for start in range(0, len(rows), BLOCK)]
    values = [metric.aggregate(block, np.eye(len(block))) for block in blocks]
    return np.concatenate(values) if values else np.empty((0, len(family.names)))


def _text(line: Mapping[str, Any] | None) -> str | None:
    return None if line is None or "failure" in line else answer_text(line)
