"""The bootstrap as a matrix product: resampling counts times per-sample statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    Aggregate = Callable[[FloatArray, FloatArray], FloatArray]

# A block of weights takes at most this many bytes, so memory does not grow with the number of resamples. It
# fits the processor's cache, where resampling is three times faster than with 32 MB; the draws are the same.
BLOCK_BYTES = 2**20


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
        rows = min(block, resamples - start)
        draws = rng.integers(0, units, size=(rows, units))
        draws += np.arange(rows)[:, None] * units
        counts = np.bincount(draws.ravel(), minlength=rows * units).reshape(rows, units).astype(np.float64)
        yield counts if groups is None else counts[:, groups]


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
    blocks: list[list[FloatArray]] = [[] for _ in parts]
    for weights in resampling_weights(len(parts[0][1]), resamples, seed, groups):
        for found, (aggregate, statistics) in zip(blocks, parts, strict=True):
            found.append(aggregate(statistics, weights))
    return [np.concatenate(found, axis=0) for found in blocks]


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
