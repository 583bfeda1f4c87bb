"""Where a difference comes from: samples that flipped, and slices by metadata; shown, never gating."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evalkit.comparison.base import Family, MetricComparison, Side, Slice
from evalkit.comparison.effect import Level, effects
from evalkit.comparison.pair import pairs_of
from evalkit.comparison.side import metric_of
from evalkit.report.base import read
from evalkit.report.correctness import right_rows
from evalkit.statistics.multiple import benjamini_hochberg

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray, Metric

MOST_VALUES = 20  # a column with more is an identifier, not a slice
FEWEST_SAMPLES = 5
RESAMPLES = 2000  # slices are many and only shown


def flips(baseline: Side, candidate: Side, ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the samples that went from wrong to right, and those that went from right to wrong."""
    moved = [(one, right_or_wrong(baseline, one), right_or_wrong(candidate, one)) for one in ids]
    fixed = [one for one, before, after in moved if before is False and after is True]
    return fixed, [one for one, before, after in moved if before is True and after is False]


def right_or_wrong(side: Side, sample_id: str) -> bool | None:
    """Say whether a sample is right in most of its trials; None when that is open."""
    answers = right_answers(side.families, side.samples[sample_id].rows)
    right = sum(answers)
    return None if 2 * right == len(answers) else 2 * right > len(answers)


def right_answers(families: Mapping[str, Family], rows: Mapping[str, FloatArray]) -> list[bool]:
    """Say of each trial whether it is right, by the first metric that scores each answer 0 or 1.

    `rows` are a sample's (t, k) statistics by family; empty when there is no such metric or no answer.
    """
    for name, family in families.items():
        if name not in rows:
            continue
        found = right_rows(
            family.names,
            rows[name],
            family.maximum,
            higher_is_better=family.higher_is_better,
            unit=family.unit,
        )
        if found is not None:
            return found
    return []


def slices_of(
    baseline: Side,
    candidate: Side,
    ids: Sequence[str],
    metrics: Mapping[str, MetricComparison],
    level: Level,
) -> list[Slice]:
    """Return gated metrics on each value of each metadata column, p by Benjamini-Hochberg over all."""
    columns = _columns(candidate, ids)
    gated = [one for one in metrics.values() if one.gated]
    if not columns or not gated:
        return []
    found: list[Slice] = []
    for family in dict.fromkeys(one.family for one in gated):
        metric = metric_of(candidate.families[family])
        wanted = {one.metric for one in gated if one.family == family}
        for (column, value), members in columns.items():
            found += _slice(metric, family, (baseline, candidate), members, wanted, (column, value, level))
    adjusted = benjamini_hochberg(np.array([one.p_value for one in found]))
    return [
        Slice(**{**{name: getattr(one, name) for name in Slice.__dataclass_fields__}, "p_adjusted": float(p)})
        for one, p in zip(found, adjusted, strict=True)
    ]


def _slice(
    metric: Metric,
    family: str,
    sides: tuple[Side, Side],
    members: Sequence[str],
    wanted: set[str],
    where: tuple[str, str, Level],
) -> list[Slice]:
    column, value, level = where
    pairs = pairs_of(metric, family, *sides, members)
    if pairs is None or len(pairs.baseline) < FEWEST_SAMPLES:
        return []
    fewer = Level(level.alpha, min(level.resamples, RESAMPLES), level.seed)
    return [
        Slice(
            column=column,
            value=value,
            metric=name,
            baseline=one.baseline,
            candidate=one.candidate,
            difference=one.difference,
            p_value=one.p_value,
            p_adjusted=one.p_value,
            n=one.n,
        )
        for name, one in zip(metric.names, effects(metric, pairs, fewer), strict=True)
        if name in wanted
    ]


def _columns(side: Side, ids: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """Return the members of each (column, value), for columns that divide the samples into a few parts."""
    if side.folder is None:
        return {}
    kept = set(ids)
    values: dict[str, dict[str, list[str]]] = {}
    for line in read(side.folder).samples():
        if line["trial"] == 0 and line["id"] in kept:
            for name, value in line.get("metadata", {}).items():
                if isinstance(value, str | bool):
                    values.setdefault(name, {}).setdefault(str(value), []).append(line["id"])
    return {
        (name, value): members
        for name, parts in values.items()
        if 1 < len(parts) <= MOST_VALUES
        for value, members in parts.items()
    }
