"""What the modules of this package share: array types, pairs of rows, groups, and values from sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

# Rows of sums that are turned into values at once.
_ROWS = 256

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    IndexArray = NDArray[np.intp]
    Aggregate = Callable[[FloatArray, FloatArray], FloatArray]
    """(n, k) statistics and (r, n) weights -> (r, v) values; NaN where there is nothing to score."""
    Estimator = Callable[[FloatArray], FloatArray]
    """(r, n) weights -> (r, v) values of one fixed set of samples."""


def check_groups(groups: IndexArray, n: int) -> int:
    """Return the number of groups; ValueError unless `groups` is (n,) with every number of 0…g-1 in use."""
    if groups.shape != (n,):
        raise ValueError(f"groups has shape {groups.shape}; it must have one number per sample, ({n},)")
    counts = np.bincount(groups)
    if not counts.all():
        raise ValueError("groups must be numbered 0…g-1 without gaps; number them by cluster.number_groups")
    return len(counts)


def renumber(groups: IndexArray | None, keep: NDArray[np.bool_]) -> IndexArray | None:
    """Return the groups of the samples to `keep`, an (n,) mask, numbered again without gaps."""
    if groups is None:
        return None
    return np.unique(groups[keep], return_inverse=True)[1].astype(np.intp)


def complete_pairs(
    baseline: FloatArray, candidate: FloatArray, groups: IndexArray | None
) -> tuple[FloatArray, FloatArray, IndexArray | None]:
    """Leave out every pair of which either (k,) row has a NaN; ValueError when the shapes differ.

    A zero weight times NaN is NaN, so one such row would take the value of every resample with it.
    """
    if baseline.shape != candidate.shape or baseline.ndim != 2:  # noqa: PLR2004 - a matrix
        raise ValueError(
            f"baseline {baseline.shape} and candidate {candidate.shape} must be (n, k) alike, row i of both "
            "for the same sample"
        )
    if groups is not None:
        check_groups(groups, len(baseline))
    keep = ~np.isnan(np.concatenate([baseline, candidate], axis=1)).any(axis=1)
    if keep.all():
        return baseline, candidate, groups
    return baseline[keep], candidate[keep], renumber(groups, keep)


def group_sums(rows: FloatArray, groups: IndexArray | None) -> FloatArray:
    """Return the (g, k) sums of the (n, k) rows of each group; the rows themselves without groups."""
    if groups is None:
        return rows
    return np.stack([np.bincount(groups, weights=column) for column in rows.T], axis=1)


def adds_up(aggregate: Aggregate, statistics: FloatArray) -> bool:
    """Whether values depend on (n, k) statistics only through their weighted sums, found by trying.

    True of all metrics with a `finish`; false of weighted order statistics such as a median latency. Where
    sums are enough, resampling them instead of handing over matrices of weights is several times faster.
    """
    if not len(statistics) or not np.isfinite(statistics).all():  # zero times infinity is NaN
        return False
    weights = np.random.default_rng(0).integers(0, 4, size=(3, len(statistics))).astype(np.float64)
    direct, summed = aggregate(statistics, weights), aggregate(weights @ statistics, np.eye(3))
    return np.allclose(direct, summed, rtol=1e-9, atol=0.0, equal_nan=True)


def values_of_sums(aggregate: Aggregate, sums: FloatArray) -> FloatArray:
    """Return the (r, v) values of (r, k) sums, each row taken for one sample of weight 1 (see `adds_up`)."""
    parts = [sums[start : start + _ROWS] for start in range(0, len(sums), _ROWS)]
    return np.concatenate([aggregate(part, np.eye(len(part))) for part in parts])
