"""Change points of a series' mean: where its level moved, and how often chance alone would say so.

Binary segmentation (Vostrikova 1981) over the CUSUM statistic, each split judged by a permutation test: under
the hypothesis of no change every order of the values was equally likely, whatever their distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from evalkit.statistics.base import FloatArray

FEWEST = 4  # values of a segment that is split: two on each side
# The same sums in another order differ in their last digits; a tie must stay a tie.
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """`place` is the first value of the new level, counted from 0; the means of the levels beside it."""

    place: int
    before: float
    after: float
    p_value: float


def change_points(
    values: FloatArray, *, alpha: float = 0.05, resamples: int = 2000, seed: int = 0
) -> list[ChangePoint]:
    """Return where the mean of (n,) values in time order changes, in order; empty for fewer than four.

    Where nothing ever changes, the chance that anything is marked is at most `alpha`. The parts beside a
    change are tested at their share of it, so that false marks stay as rare beside true ones that are found
    in their place. That holds for values that are exchangeable without a change, not for such that drift
    along with their neighbours. ValueError for a NaN.
    """
    if np.isnan(values).any():
        raise ValueError("a series with a NaN has no change points; leave such values out")
    rng = np.random.default_rng(seed)
    found: list[ChangePoint] = []
    segments = [(0, len(values))]
    while segments:
        start, stop = segments.pop()
        split = _split(values[start:stop], resamples, rng)
        if split is None or split[1] > alpha * (stop - start) / len(values):
            continue
        place, p_value = start + split[0], split[1]
        found.append(
            ChangePoint(place, float(values[start:place].mean()), float(values[place:stop].mean()), p_value)
        )
        segments += [(start, place), (place, stop)]
    return sorted(found, key=lambda one: one.place)


def _split(values: FloatArray, resamples: int, rng: np.random.Generator) -> tuple[int, float] | None:
    """Return the likeliest split of a segment and its p-value; None where there is nothing to split."""
    n = len(values)
    if n < FEWEST or values.max() - values.min() <= _TOLERANCE * max(1.0, float(np.abs(values).max())):
        return None
    centred = values - values.mean()
    observed = _cusum(centred[np.newaxis])[0]
    orders = rng.permuted(np.broadcast_to(centred, (resamples, n)).copy(), axis=1)
    highest = _cusum(orders).max(axis=1)
    hits = int((highest >= observed.max() * (1 - _TOLERANCE)).sum())
    # Add one to both: the order observed is one of the orders (Phipson & Smyth 2010).
    return int(observed.argmax()) + 1, (hits + 1) / (resamples + 1)


def _cusum(centred: FloatArray) -> FloatArray:
    """Return |sum of the first k| / sqrt(k (n - k) / n) of (r, n) rows, for k = 1 … n - 1."""
    n = centred.shape[1]
    first = np.arange(1, n)
    return np.asarray(np.abs(centred.cumsum(axis=1)[:, :-1]) / np.sqrt(first * (n - first) / n))
