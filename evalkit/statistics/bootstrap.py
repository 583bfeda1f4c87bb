"""The bootstrap as a matrix product: resampling counts times per-sample statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalkit.statistics.base import adds_up, group_sums, values_of_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    Aggregate = Callable[[FloatArray, FloatArray], FloatArray]

# A block of weights takes at most this many bytes, so memory does not grow with the number of resamples. It
# fits the processor's cache, where resampling is three times faster than with 32 MB; the draws are the same.
BLOCK_BYTES = 2**20
# More units than a block has room for are drawn in parts of so many, for the same reason.
PART = 2**15
TRIED = 1000  # rows


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of each value: arrays of shape (v,), and how it was made."""

    low: FloatArray
    high: FloatArray
    method: str


def resampling_weights(
    n: int, resamples: int, seed: int, groups: NDArray[np.intp] | None = None
) -> Iterator[FloatArray]:
    """Yield blocks of (r, n) multinomial counts, `resamples` rows in all, from one seeded stream.

    With `groups` (an (n,) array of group numbers 0…g-1) whole groups are drawn together (Field & Welsh 2007).
    """
    rng = np.random.default_rng(seed)
    units = n if groups is None else int(groups.max()) + 1
    block = max(1, BLOCK_BYTES // (8 * max(n, units)))
    for start in range(0, resamples, block):
        if many(units):
            counts = np.concatenate([part for _, part in _parts(rng, units)])[None]
        else:
            rows = min(block, resamples - start)
            draws = rng.integers(0, units, size=(rows, units))
            draws += np.arange(rows)[:, None] * units
            drawn = np.bincount(draws.ravel(), minlength=rows * units).reshape(rows, units)
            counts = drawn.astype(np.float64)
        yield counts if groups is None else counts[:, groups]


def many(units: int) -> bool:
    """Whether one row of weights is larger than a block should be."""
    return 8 * units > BLOCK_BYTES


def _parts(rng: np.random.Generator, units: int) -> Iterator[tuple[int, FloatArray]]:
    """Yield one row of multinomial counts in parts with their starts: how many fall in each, then where."""
    starts = np.arange(0, units, PART)
    sizes = np.minimum(PART, units - starts)
    falls = rng.multinomial(units, sizes / units)
    for start, size, fallen in zip(starts.tolist(), sizes.tolist(), falls.tolist(), strict=True):
        yield start, np.bincount(rng.integers(0, size, fallen), minlength=size).astype(np.float64)


def _sums(tables: Sequence[FloatArray], resamples: int, seed: int) -> list[FloatArray]:
    """Return (resamples, k) sums of each (units, k) table, weighted as by `resampling_weights` of many units.

    Weights are summed up part by part, and never held together.
    """
    rng = np.random.default_rng(seed)
    found = [np.zeros((resamples, table.shape[1])) for table in tables]
    for row in range(resamples):
        for start, counts in _parts(rng, len(tables[0])):
            for sums, table in zip(found, tables, strict=True):
                sums[row] += counts @ table[start : start + PART]
    return found


def bootstrap(
    aggregate: Aggregate,
    statistics: FloatArray,
    *,
    resamples: int,
    seed: int,
    groups: NDArray[np.intp] | None = None,
) -> FloatArray:
    """Return the (resamples, v) bootstrap replicates of `aggregate` over (n, k) statistics."""
    (replicates,) = bootstrap_together(
        [(aggregate, statistics)], resamples=resamples, seed=seed, groups=groups
    )
    return replicates


def bootstrap_together(
    parts: Sequence[tuple[Aggregate, FloatArray]],
    *,
    resamples: int,
    seed: int,
    groups: NDArray[np.intp] | None = None,
) -> list[FloatArray]:
    """Return the replicates of several aggregates, each over (n, k) statistics of the same n samples.

    They are what each would have alone; the draws, which take most of the time, are made once.
    """
    if not parts:
        return []
    n = len(parts[0][1])
    if many(n if groups is None else int(groups.max()) + 1) and all(_add_up(*one) for one in parts):
        sums = _sums([group_sums(statistics, groups) for _, statistics in parts], resamples, seed)
        return [values_of_sums(aggregate, one) for (aggregate, _), one in zip(parts, sums, strict=True)]
    blocks: list[list[FloatArray]] = [[] for _ in parts]
    for weights in resampling_weights(n, resamples, seed, groups):
        for found, (aggregate, statistics) in zip(blocks, parts, strict=True):
            found.append(aggregate(statistics, weights))
    return [np.concatenate(found, axis=0) for found in blocks]


def observed(aggregate: Aggregate, statistics: FloatArray) -> FloatArray:
    """Return the (v,) values of (n, k) statistics, each sample counted once."""
    if many(len(statistics)) and _add_up(aggregate, statistics):  # so many ones would be as large as a column
        values = values_of_sums(aggregate, statistics.sum(axis=0, keepdims=True))
    else:
        values = aggregate(statistics, np.ones((1, len(statistics))))
    return np.asarray(values[0])


def _add_up(aggregate: Aggregate, statistics: FloatArray) -> bool:
    """Whether sums of statistics are enough, found by trying some that are spread over all."""
    some = statistics[:: len(statistics) // TRIED + 1]
    return bool(np.isfinite(statistics).all()) and adds_up(aggregate, some)


def percentile_interval(replicates: FloatArray, confidence: float) -> Interval:
    """Return the percentile interval of (r, v) replicates (Efron & Tibshirani 1993, ch. 13).

    A replicate without a value (NaN: a resample with nothing to score) is left out; NaN when all are.
    """
    tail = (1.0 - confidence) / 2.0
    low, high = np.full((2, replicates.shape[1]), np.nan)
    some = ~np.isnan(replicates).all(axis=0)
    if some.any():
        low[some], high[some] = np.nanquantile(replicates[:, some], [tail, 1.0 - tail], axis=0)
    return Interval(low, high, "bootstrap-percentile")


def wilson_interval(successes: float, n: int, confidence: float) -> tuple[float, float]:
    """Return the score interval of a proportion (Wilson 1927): open where every trial agrees.

    The bootstrap of 40 correct answers out of 40 is the single point 1; this is [0.912, 1].
    """
    from statistics import NormalDist

    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))
