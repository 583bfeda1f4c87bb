"""Order statistics of weighted values: a weight of 3 is the value three times.

Values are (n,) arrays and weights (r, n), all at least 0: one row of results for each row of weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.later import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evalkit.metrics.base import FloatArray

_SLACK = 1e-9


def weighted_quantiles(values: FloatArray, weights: FloatArray, shares: tuple[float, ...]) -> FloatArray:
    """Return (r, len(shares)) quantiles; NaN in a row without weight.

    With whole weights those of `numpy.quantile` (linear, Hyndman & Fan's type 7) over each value repeated as
    often as its weight says.
    """
    found = np.full((len(weights), len(shares)), np.nan)
    if not len(values):
        return found
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    reached = np.cumsum(weights[:, order], axis=1)
    total = reached[:, -1]
    some = total > 0
    reached, total = reached[some], total[some]
    for place, share in enumerate(shares):
        at = share * np.maximum(total - 1.0, 0.0)
        below = np.floor(at + _SLACK)
        low, high = (
            # The value that stands at a position is the first that more than so much weight reaches.
            ordered[np.minimum((reached <= position[:, np.newaxis] + _SLACK).sum(axis=1), len(ordered) - 1)]
            for position in (below, np.minimum(below + 1.0, total - 1.0))
        )
        found[some, place] = low + (at - below).clip(min=0.0) * (high - low)
    return found


def weighted_ranks(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return (r, n) ranks from 1, the mean of the ranks of equal values, as `scipy.stats.rankdata` does."""
    inverse, by_value = _by_value(values, weights)
    before = np.cumsum(by_value, axis=1) - by_value
    ranks = before + (by_value + 1.0) / 2.0
    return np.asarray(ranks[:, inverse], dtype=np.float64)


def weighted_ties(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return (r,) numbers of pairs of equal values, weights taken as repetitions."""
    _, by_value = _by_value(values, weights)
    return np.asarray((by_value * (by_value - 1.0) / 2.0).sum(axis=1), dtype=np.float64)


def _by_value(values: FloatArray, weights: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    """Return each value's place among the u different ones, and the (r, u) weights of these, ascending."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    inverse = np.empty(len(values), dtype=np.intp)
    inverse[order] = np.searchsorted(starts, np.arange(len(values)), side="right") - 1
    return inverse, np.add.reduceat(weights[:, order], starts, axis=1)
