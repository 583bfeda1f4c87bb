"""The bootstrap-t of a mean difference: right under skewness, one- and two-sided, with or without a margin.

The percentile bootstrap and the sign-flip test take the distribution of the mean to be symmetric. With many
small gains and few large losses it is not; dividing each resample by its own standard error learns the skew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalkit.statistics.base import check_groups, renumber
from evalkit.statistics.bootstrap import resampling_weights
from evalkit.statistics.cluster import group_totals, robust_se
from evalkit.statistics.distributions import t_cdf, t_quantile

if TYPE_CHECKING:
    from evalkit.statistics.base import FloatArray, IndexArray

_NOISE = 1e-12  # a variance this small beside the squares it came from is rounding
_MANY = 0.005  # share of resamples without a spread from which they would reach into the tails in use


@dataclass(frozen=True, slots=True)
class AdjustedWald:
    """Student's t interval of a mean with two made-up units added, one at each limit of the scale."""

    mean: float
    se: float
    df: int


@dataclass(frozen=True, slots=True)
class Studentised:
    """The mean of differences with its cluster-robust standard error, and what the bootstrap says of both.

    `t` holds the sorted studentised replicates (r,); `n` samples in `units` (groups, or samples). With fewer
    than two units nothing is known: bounds are infinite and p is 1. `adjusted` is set, and used instead of
    `t`, when too few units differ to resample (see `studentised`). All p-values lie in [0, 1] and
    agree with the bounds: p_greater(null) <= alpha exactly when null < lower(1 - alpha).
    """

    mean: float
    se: float
    n: int
    units: int
    t: FloatArray
    adjusted: AdjustedWald | None

    @property
    def method(self) -> str:
        """How the numbers are made: bootstrap-t, adjusted-wald, or none."""
        if self.units < 2:  # noqa: PLR2004
            return "none"
        return "bootstrap-t" if self.adjusted is None else "adjusted-wald"

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the two-sided interval with equal tails; ValueError when the replicates are too few."""
        level = 0.5 + confidence / 2.0
        return self.lower(level), self.upper(level)

    def lower(self, confidence: float) -> float:
        """Return the one-sided lower bound of the mean difference; ValueError as for `interval`."""
        if self.adjusted is not None:
            return self.adjusted.mean - t_quantile(confidence, self.adjusted.df) * self.adjusted.se
        if not len(self.t):
            return -math.inf
        return self._at(float(self.t[-self._rank(confidence)]))

    def upper(self, confidence: float) -> float:
        """Return the one-sided upper bound of the mean difference; ValueError as for `interval`."""
        if self.adjusted is not None:
            return self.adjusted.mean + t_quantile(confidence, self.adjusted.df) * self.adjusted.se
        if not len(self.t):
            return math.inf
        return self._at(float(self.t[self._rank(confidence) - 1]))

    def p_less(self, null: float = 0.0) -> float:
        """Return the one-sided p-value against a mean of `null` or more: is the candidate worse?"""
        if not self._informative(null):
            return 1.0
        if self.adjusted is not None:
            return t_cdf(self._distance(null), self.adjusted.df)
        hits = int(np.searchsorted(self.t, self._distance(null), side="right"))
        return (hits + 1) / (len(self.t) + 1)

    def p_greater(self, null: float = 0.0) -> float:
        """Return the one-sided p-value against `null` or less; null = -margin tests non-inferiority."""
        if not self._informative(null):
            return 1.0
        if self.adjusted is not None:
            return t_cdf(-self._distance(null), self.adjusted.df)
        hits = len(self.t) - int(np.searchsorted(self.t, self._distance(null), side="left"))
        return (hits + 1) / (len(self.t) + 1)

    def p_two_sided(self, null: float = 0.0) -> float:
        """Return twice the smaller one-sided p-value, at most 1."""
        return min(1.0, 2.0 * min(self.p_less(null), self.p_greater(null)))

    def _informative(self, null: float) -> bool:
        # No difference on any sample is no evidence against "no difference", in either direction.
        return self.units > 1 and not (self.mean == null == 0.0 and self.se == 0.0)

    def _distance(self, null: float) -> float:
        mean, se = (self.mean, self.se) if self.adjusted is None else (self.adjusted.mean, self.adjusted.se)
        if se > 0.0:
            return (mean - null) / se
        return 0.0 if mean == null else math.copysign(math.inf, mean - null)

    def _at(self, t: float) -> float:
        return self.mean - (t * self.se if self.se > 0.0 else 0.0)

    def _rank(self, confidence: float) -> int:
        # The k-th of r replicates estimates the quantile k / (r + 1) (Davison & Hinkley 1997, section 2.2).
        rank = math.floor((1.0 - confidence) * (len(self.t) + 1) + 1e-9)
        if rank < 1:
            needed = math.ceil(1.0 / (1.0 - confidence))
            raise ValueError(f"a bound at {confidence:g} needs {needed} resamples or more, not {len(self.t)}")
        return rank


def studentised(
    differences: FloatArray,
    *,
    resamples: int,
    seed: int,
    groups: IndexArray | None = None,
    limit: float | None = None,
) -> Studentised:
    """Bootstrap the t statistic of the mean of (n,) differences (Efron & Tibshirani 1993, section 12.5).

    Each replicate is (mean* - mean) / se*, with the cluster-robust se of its own resample (Miller 2024). With
    `groups` ((n,) numbers 0…g-1) whole groups are drawn. A NaN is left out; ValueError with no difference.

    When only a few units differ, many resamples are constant and have no standard error: their t is infinite
    and so may the bounds be. With `limit`, the largest difference that a sample can show (1 for scores in
    [0, 1]), such data get Student's t after adding one unit at +limit and one at -limit, the adjusted Wald
    interval of Bonett & Price (2012) for paired proportions; constant data too, whose bootstrap is one point.
    """
    if groups is not None:
        check_groups(groups, len(differences))
    keep = ~np.isnan(differences)
    values, groups = differences[keep], renumber(groups, keep)
    if not len(values):
        raise ValueError("a bootstrap needs at least one difference")
    sums, sizes = group_totals(values, groups)
    mean, units = float(values.mean()), len(sums)
    if units < 2:  # noqa: PLR2004 - nothing to resample
        return Studentised(mean, math.nan, len(values), units, np.empty(0), None)
    se = _without_noise(robust_se(sums, sizes), float(np.abs(values).max()))
    t = _replicates(sums - sizes * mean, sizes, resamples, seed) if se > 0.0 else np.zeros(resamples)
    adjusted = None
    if limit is not None and (se == 0.0 or np.isinf(t).mean() > _MANY):
        adjusted = _adjust(sums, sizes, limit)
    return Studentised(mean, se, len(values), units, np.sort(t), adjusted)


def _replicates(residuals: FloatArray, sizes: FloatArray, resamples: int, seed: int) -> FloatArray:
    """Return (r,) t statistics from group residuals (sum minus size times mean) by matrix products."""
    units = len(sizes)
    columns = np.stack([residuals, sizes, residuals**2, residuals * sizes, sizes**2], axis=1)
    parts = []
    for weights in resampling_weights(units, resamples, seed):
        total, count, squares, products, size_squares = (weights @ columns).T
        shift = total / count  # mean* - mean
        spread = squares - 2.0 * shift * products + shift**2 * size_squares
        constant = spread <= _NOISE * (squares + shift**2 * size_squares)
        se = np.sqrt(np.where(constant, 0.0, spread) * units / (units - 1)) / count
        with np.errstate(divide="ignore", invalid="ignore"):
            t = shift / se
        still = np.abs(shift) <= _NOISE * np.abs(residuals).max()
        parts.append(np.where(constant & still, 0.0, t))
    return np.concatenate(parts)


def _adjust(sums: FloatArray, sizes: FloatArray, limit: float) -> AdjustedWald:
    size = float(sizes.mean())
    more = np.concatenate([sums, [limit * size, -limit * size]])
    all_sizes = np.concatenate([sizes, [size, size]])
    return AdjustedWald(float(more.sum() / all_sizes.sum()), robust_se(more, all_sizes), len(sums) + 1)


def _without_noise(se: float, scale: float) -> float:
    return 0.0 if se <= _NOISE * scale else se
