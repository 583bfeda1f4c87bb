"""Samples that share a document or a conversation: numbering them, and the standard error of their mean."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalkit.statistics.base import check_groups

if TYPE_CHECKING:
    from evalkit.statistics.base import FloatArray, IndexArray


@dataclass(frozen=True, slots=True)
class ClusteredMean:
    """A mean and how sure it is.

    `se` is the cluster-robust standard error and `naive_se` the one that ignores groups, both in the values'
    unit and NaN when undefined; `design_effect` = (se / naive_se)², by which groups enlarge the variance;
    `icc` is the correlation of two samples of one group, NaN without groups of two; `units` counts groups.
    """

    mean: float
    se: float
    naive_se: float
    design_effect: float
    icc: float
    n: int
    units: int


def number_groups(labels: Sequence[Hashable | None]) -> IndexArray | None:
    """Number labels 0…g-1 by first appearance; a None is a group of its own; None when all labels are."""
    if all(label is None for label in labels):
        return None
    numbers: dict[tuple[bool, Hashable], int] = {}
    return np.array(
        [
            numbers.setdefault((label is None, place if label is None else label), len(numbers))
            for place, label in enumerate(labels)
        ],
        dtype=np.intp,
    )


def group_totals(values: FloatArray, groups: IndexArray | None) -> tuple[FloatArray, FloatArray]:
    """Return the (g,) sums and the (g,) sizes of the groups of (n,) values; without groups all are of one."""
    if groups is None:
        return values, np.ones(len(values))
    check_groups(groups, len(values))
    sums = np.bincount(groups, weights=values).astype(np.float64)
    return sums, np.bincount(groups).astype(np.float64)


def robust_se(sums: FloatArray, sizes: FloatArray) -> float:
    """Return the cluster-robust standard error of sum(sums) / sum(sizes); NaN with fewer than two groups.

    sqrt(g / (g - 1) * sum of squared group residuals) / n: the clustered error of Miller
    (2024) with the finite-sample factor (CR1) that makes groups of one the textbook standard error.
    """
    units = len(sums)
    if units < 2:  # noqa: PLR2004 - one group has no spread
        return math.nan
    residuals = sums - sizes * (sums.sum() / sizes.sum())
    return float(math.sqrt(units / (units - 1) * np.sum(residuals**2)) / sizes.sum())


def clustered_mean(values: FloatArray, groups: IndexArray | None = None) -> ClusteredMean:
    """Return the mean of (n,) values with its cluster-robust standard error; ValueError when n is 0."""
    if len(values) == 0:
        raise ValueError("the mean of no values is undefined")
    sums, sizes = group_totals(values, groups)
    se, naive = robust_se(sums, sizes), robust_se(values, np.ones(len(values)))
    effect = (se / naive) ** 2 if naive > 0 else math.nan
    icc = intraclass_correlation(values, groups) if groups is not None else math.nan
    return ClusteredMean(float(values.mean()), se, naive, effect, icc, len(values), len(sums))


def intraclass_correlation(values: FloatArray, groups: IndexArray) -> float:
    """Return the correlation within groups, at most 1, by analysis of variance (Donner 1986).

    Below 0 when samples of one group differ more than samples at large; NaN when no group has two samples,
    there is one group, or all values are equal.
    """
    sums, sizes = group_totals(values, groups)
    n, units = len(values), len(sums)
    if units < 2 or n == units:  # noqa: PLR2004 - nothing to compare
        return math.nan
    means = sums / sizes
    between = float(np.sum(sizes * (means - values.mean()) ** 2)) / (units - 1)
    within = float(np.sum((values - means[groups]) ** 2)) / (n - units)
    size = (n - float(np.sum(sizes**2)) / n) / (units - 1)  # the average size, corrected for its spread
    spread = between + (size - 1.0) * within
    return (between - within) / spread if spread > 0 else math.nan
