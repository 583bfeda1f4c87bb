"""The paired bootstrap: both systems are measured on the same resample, so what the samples share cancels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalkit.statistics.base import adds_up, complete_pairs, group_sums, values_of_sums
from evalkit.statistics.bootstrap import BLOCK_BYTES, Interval, percentile_interval, resampling_weights
from evalkit.statistics.distributions import normal_cdf, normal_quantile

if TYPE_CHECKING:
    from evalkit.statistics.base import Aggregate, Estimator, FloatArray, IndexArray


@dataclass(frozen=True, slots=True)
class PairedBootstrap:
    """Resampled differences candidate minus baseline of v values, in the values' unit.

    `difference` has shape (v,), `replicates` (r, v); `n` samples in `units` (groups, or samples) took part.
    """

    difference: FloatArray
    replicates: FloatArray
    n: int
    units: int

    @property
    def se(self) -> FloatArray:
        """The (v,) bootstrap standard errors; NaN where fewer than two replicates have a value."""
        known = ~np.isnan(self.replicates)
        spread = np.array(
            [
                column[have].std(ddof=1) if have.sum() > 1 else np.nan
                for column, have in zip(self.replicates.T, known.T, strict=True)
            ]
        )
        return spread.astype(np.float64)

    def percentile(self, confidence: float) -> Interval:
        """Return the percentile interval; the ends at 1 - 2 alpha are one-sided bounds at alpha."""
        return percentile_interval(self.replicates, confidence)

    def bca(self, confidence: float, left_out: FloatArray) -> Interval:
        """Return the BCa interval, given the `paired_jackknife` of the same pairs."""
        return bca_interval(self.replicates, self.difference, left_out, confidence)

    def p_less(self, null: float = 0.0) -> FloatArray:
        """Return the (v,) one-sided p-values against a difference of `null` or more.

        The percentile interval inverted: (c + 1) / (r + 1), c counting replicates at or above `null` and
        those without a value.
        """
        return np.asarray(
            (np.count_nonzero(~(self.replicates < null), axis=0) + 1) / (len(self.replicates) + 1)
        )

    def p_greater(self, null: float = 0.0) -> FloatArray:
        """Return the (v,) one-sided p-values against `null` or less; null = -margin tests non-inferiority."""
        return np.asarray(
            (np.count_nonzero(~(self.replicates > null), axis=0) + 1) / (len(self.replicates) + 1)
        )

    def p_two_sided(self, null: float = 0.0) -> FloatArray:
        """Return twice the smaller one-sided p-value, at most 1."""
        return np.minimum(1.0, 2.0 * np.minimum(self.p_less(null), self.p_greater(null)))

    def p_centred(self) -> FloatArray:
        """Return the (v,) two-sided p-values of the shift method (Noreen 1989; Riezler & Maxwell 2005).

        The share of |replicate - difference| >= |difference|, ties counted, (c + 1) / (r + 1).
        """
        slack = 1e-9 * (np.abs(self.difference) + np.nanmax(np.abs(self.replicates), axis=0, initial=0.0))
        distances = np.abs(self.replicates - self.difference)
        hits = np.count_nonzero(~(distances < np.abs(self.difference) - slack), axis=0)
        return np.asarray((hits + 1) / (len(self.replicates) + 1))


def paired_bootstrap(
    aggregate: Aggregate,
    baseline: FloatArray,
    candidate: FloatArray,
    *,
    resamples: int,
    seed: int,
    groups: IndexArray | None = None,
) -> PairedBootstrap:
    """Resample (n, k) statistics of two systems together (Koehn 2004; Efron & Tibshirani 1993).

    `aggregate` maps (n, k) statistics and (r, n) weights to (r, v) values. With `groups` ((n,) numbers 0…g-1)
    whole groups are drawn. Pairs with a NaN are left out. ValueError when the shapes differ or no pair is
    left.
    """
    baseline, candidate, groups = complete_pairs(baseline, candidate, groups)
    n = len(baseline)
    if n == 0:
        raise ValueError("a paired bootstrap needs at least one complete pair")
    units = n if groups is None else int(groups.max()) + 1
    both = np.concatenate([baseline, candidate], axis=1)
    if adds_up(aggregate, np.concatenate([baseline, candidate])):
        rows = group_sums(both, groups)
        sums = [weights @ rows for weights in resampling_weights(units, resamples, seed)]
        replicates = _difference(aggregate, np.concatenate(sums))
    else:
        parts = [
            aggregate(candidate, weights) - aggregate(baseline, weights)
            for weights in resampling_weights(n, resamples, seed, groups)
        ]
        replicates = np.concatenate(parts)
    ones = np.ones((1, n))
    observed = (aggregate(candidate, ones) - aggregate(baseline, ones))[0]
    return PairedBootstrap(observed, replicates, n, units)


def paired_jackknife(
    aggregate: Aggregate, baseline: FloatArray, candidate: FloatArray, groups: IndexArray | None = None
) -> FloatArray:
    """Return the (units, v) differences with each pair, or whole group, left out; arguments as above."""
    baseline, candidate, groups = complete_pairs(baseline, candidate, groups)
    if adds_up(aggregate, np.concatenate([baseline, candidate])):
        rows = group_sums(np.concatenate([baseline, candidate], axis=1), groups)
        return _difference(aggregate, rows.sum(axis=0) - rows)
    return jackknife(
        lambda weights: aggregate(candidate, weights) - aggregate(baseline, weights), len(baseline), groups
    )


def jackknife(estimator: Estimator, n: int, groups: IndexArray | None = None) -> FloatArray:
    """Return the (units, v) values of `estimator` with each sample, or whole group, left out in turn."""
    unit_of = np.arange(n) if groups is None else groups
    units = int(unit_of.max()) + 1
    block = max(1, BLOCK_BYTES // (8 * n))
    parts = []
    for start in range(0, units, block):
        numbers = np.arange(start, min(start + block, units))
        parts.append(estimator((unit_of != numbers[:, np.newaxis]).astype(np.float64)))
    return np.concatenate(parts)


def bca_interval(
    replicates: FloatArray, observed: FloatArray, left_out: FloatArray, confidence: float
) -> Interval:
    """Return the bias-corrected and accelerated interval (Efron & Tibshirani 1993, section 14.3).

    (r, v) replicates of the (v,) observed values and their (units, v) jackknife. Ties with the observed value
    count half in the bias, as in scipy; a value whose replicates are all equal gets that point, a value with
    no known replicate NaN. ValueError with fewer than two jackknife values.
    """
    if len(left_out) < 2:  # noqa: PLR2004 - no spread
        raise ValueError("the BCa interval needs the jackknife of at least two units")
    low, high = np.full(len(observed), np.nan), np.full(len(observed), np.nan)
    tail = 0.5 - confidence / 2.0
    for place, (column, value) in enumerate(zip(replicates.T, observed, strict=True)):
        known = column[~np.isnan(column)]
        if not len(known) or np.isnan(value):
            continue
        if np.ptp(known) == 0.0:
            low[place] = high[place] = known[0]
            continue
        below = (np.count_nonzero(known < value) + np.count_nonzero(known <= value)) / (2 * len(known))
        bias = normal_quantile(below)
        speed = _acceleration(left_out[:, place])
        levels = [_corrected(bias, speed, normal_quantile(level)) for level in (tail, 1.0 - tail)]
        low[place], high[place] = np.quantile(known, levels)
    return Interval(low, high, "bootstrap-bca")


def _difference(aggregate: Aggregate, sums: FloatArray) -> FloatArray:
    """The (r, v) differences of (r, 2k) sums, the baseline's before the candidate's."""
    baseline, candidate = np.split(sums, 2, axis=1)
    return values_of_sums(aggregate, candidate) - values_of_sums(aggregate, baseline)


def _acceleration(left_out: FloatArray) -> float:
    """A sixth of the skewness of the jackknife; 0 when all its values are equal."""
    known = left_out[~np.isnan(left_out)]
    if not len(known):
        return 0.0
    pull = known.mean() - known
    spread = float(np.sum(pull**2))
    return float(np.sum(pull**3)) / (6.0 * spread**1.5) if spread > 0.0 else 0.0


def _corrected(bias: float, speed: float, z: float) -> float:
    """The quantile that stands for the nominal one: equation 14.10 of Efron & Tibshirani."""
    shifted = bias + z
    if np.isinf(bias):  # every replicate on one side of the observed value
        return 0.0 if bias < 0 else 1.0
    return normal_cdf(bias + shifted / (1.0 - speed * shifted))
