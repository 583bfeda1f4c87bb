"""Randomisation tests: exchange the two systems sample by sample, and see how often chance does as much.

Under the hypothesis that the systems are exchangeable on each sample (or group of samples) every assignment
of the two answers to the two systems was equally likely, so the p-value is the share of assignments whose
difference is at least as large as the one observed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalkit.statistics.base import (
    adds_up,
    check_groups,
    complete_pairs,
    group_sums,
    renumber,
    values_of_sums,
)
from evalkit.statistics.bootstrap import BLOCK_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evalkit.statistics.base import Aggregate, FloatArray, IndexArray

EXACT_UNITS = 14  # up to 2^14 assignments are all looked at
# Sums of the same numbers in another order differ in the last digits; a tie must stay a tie.
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Randomisation:
    """A randomisation test of the difference candidate minus baseline, for each of v values.

    `difference`, `p_value` (two-sided), `p_less` (small when the candidate's values are lower) and
    `p_greater`: arrays of shape (v,), p in (0, 1], NaN where the difference has no value. `assignments` were
    looked at: all of them when `exact`. `n` samples and `units` (groups, or samples) took part.
    """

    difference: FloatArray
    p_value: FloatArray
    p_less: FloatArray
    p_greater: FloatArray
    assignments: int
    exact: bool
    n: int
    units: int


def sign_flip(
    differences: FloatArray, *, resamples: int, seed: int, groups: IndexArray | None = None
) -> Randomisation:
    """Test that the mean of (n,) differences is 0 by flipping signs (Fisher 1935; Dror et al. 2018); v = 1.

    With `groups` ((n,) numbers 0…g-1) the signs of a whole group flip together. A NaN is a pair without a
    difference and is left out. Units whose sum is 0 change nothing: with at most 14 others all assignments
    are enumerated, else `resamples` are drawn. Assumes symmetric differences, which exchangeable systems
    give; for a margin or skewed differences use `studentised`. ValueError with no difference at all.
    """
    if groups is not None:
        check_groups(groups, len(differences))
    keep = ~np.isnan(differences)
    values, groups = differences[keep], renumber(groups, keep)
    if not len(values):
        raise ValueError("a sign-flip test needs at least one difference")
    sums = values if groups is None else np.bincount(groups, weights=values)
    moving = sums[np.abs(sums) > _TOLERANCE * np.abs(values).max()]
    replicates = [
        (moving.sum() - 2.0 * (flips @ moving)) / len(values)
        for flips in _assignments(len(moving), resamples, seed, len(moving))
    ]
    return _judge(
        np.array([moving.sum() / len(values)]),
        np.concatenate(replicates)[:, np.newaxis],
        scale=np.abs(moving).sum(keepdims=True) / len(values),
        exact=len(moving) <= EXACT_UNITS,
        size=(len(values), len(sums)),
    )


def approximate_randomisation(
    aggregate: Aggregate,
    baseline: FloatArray,
    candidate: FloatArray,
    *,
    resamples: int,
    seed: int,
    groups: IndexArray | None = None,
) -> Randomisation:
    """Test the differences of corpus values by swapping samples (Noreen 1989; Riezler & Maxwell 2005).

    `baseline` and `candidate` are (n, k) statistics, row i of both for the same sample; `aggregate` maps
    (2n, k) statistics and (r, 2n) weights to (r, v) values. With `groups` ((n,) numbers 0…g-1) whole groups
    are swapped. Pairs with a NaN are left out. Units with equal statistics change nothing: with at most 14
    others all assignments are enumerated, else `resamples` are drawn. A resample without a value (NaN) counts
    as extreme: it never makes a difference look surer. ValueError when shapes differ or nothing is left.
    """
    baseline, candidate, groups = complete_pairs(baseline, candidate, groups)
    n = len(baseline)
    if n == 0:
        raise ValueError("a randomisation test needs at least one complete pair")
    units = np.arange(n) if groups is None else groups
    moves = np.zeros(int(units.max()) + 1, dtype=np.bool_)
    moves[units[(baseline != candidate).any(axis=1)]] = True
    ones = np.ones((1, n))
    first, second = aggregate(baseline, ones)[0], aggregate(candidate, ones)[0]
    if adds_up(aggregate, np.concatenate([baseline, candidate])):
        replicates = _swapped_sums(aggregate, baseline, candidate, units, moves, (resamples, seed))
    else:
        replicates = _swapped_samples(aggregate, baseline, candidate, units, moves, (resamples, seed))
    return _judge(
        second - first,
        replicates,
        scale=np.abs(first) + np.abs(second),
        exact=int(moves.sum()) <= EXACT_UNITS,
        size=(n, len(moves)),
    )


def _swapped_sums(
    aggregate: Aggregate,
    baseline: FloatArray,
    candidate: FloatArray,
    units: IndexArray,
    moves: NDArray[np.bool_],
    draw: tuple[int, int],
) -> FloatArray:
    """Swapping is linear in the sums: what one pseudo-system gains the other loses."""
    start, end = baseline.sum(axis=0), candidate.sum(axis=0)
    gain = group_sums(candidate - baseline, units)[moves]
    sums = start + np.concatenate([flips @ gain for flips in _assignments(len(gain), *draw, len(gain))])
    return values_of_sums(aggregate, start + end - sums) - values_of_sums(aggregate, sums)


def _swapped_samples(
    aggregate: Aggregate,
    baseline: FloatArray,
    candidate: FloatArray,
    units: IndexArray,
    moves: NDArray[np.bool_],
    draw: tuple[int, int],
) -> FloatArray:
    """One matrix of weights serves both pseudo-systems: the second takes from the other side of each pair."""
    n = len(units)
    first, second = np.concatenate([baseline, candidate]), np.concatenate([candidate, baseline])
    place, moved = np.cumsum(moves) - 1, moves[units]
    replicates = []
    for flips in _assignments(int(moves.sum()), *draw, 2 * n):
        weights = np.ones((len(flips), 2 * n))
        weights[:, :n][:, moved] -= flips[:, place[units[moved]]]
        weights[:, n:] -= weights[:, :n]
        replicates.append(aggregate(second, weights) - aggregate(first, weights))
    return np.concatenate(replicates)


def _assignments(units: int, resamples: int, seed: int, width: int) -> Iterator[NDArray[np.float64]]:
    """Yield blocks of (r, units) zeros and ones, a row an assignment that costs its reader `width` floats."""
    block = max(1, BLOCK_BYTES // (8 * max(1, width)))
    if units <= EXACT_UNITS:
        for start in range(0, 2**units, block):
            numbers = np.arange(start, min(start + block, 2**units))
            yield ((numbers[:, np.newaxis] >> np.arange(units)) & 1).astype(np.float64)
        return
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples}")
    rng, width_in_bytes = np.random.default_rng(seed), -(-units // 8)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        # A row of whole bytes: unpacking them is several times faster than drawing bit by bit.
        packed = np.frombuffer(rng.bytes(rows * width_in_bytes), dtype=np.uint8).reshape(rows, width_in_bytes)
        yield np.unpackbits(packed, axis=1, count=units).astype(np.float64)


def _judge(
    observed: FloatArray, replicates: FloatArray, *, scale: FloatArray, exact: bool, size: tuple[int, int]
) -> Randomisation:
    """Count the assignments that are at least as extreme; ties count."""
    slack = _TOLERANCE * scale
    # Written as "not smaller" so that a NaN counts as extreme.
    less = np.count_nonzero(~(replicates > observed + slack), axis=0)
    greater = np.count_nonzero(~(replicates < observed - slack), axis=0)
    either = np.count_nonzero(~(np.abs(replicates) < np.abs(observed) - slack), axis=0)
    # Add one to both: the observed labelling is itself one of the assignments, so p is never 0 and the
    # test never rejects too often (Phipson & Smyth 2010). All assignments hold it already.
    extra = 0 if exact else 1
    p_values = [(count + extra) / (len(replicates) + extra) for count in (either, less, greater)]
    unknown = np.isnan(observed)
    same = np.abs(observed) <= slack
    for p in p_values:
        p[unknown] = np.nan
    # No difference at all is no evidence in either direction; identical systems land here.
    still = same & (np.abs(replicates) <= slack).all(axis=0)
    for p in p_values:
        p[still] = 1.0
    either_p, less_p, greater_p = p_values
    return Randomisation(observed, either_p, less_p, greater_p, len(replicates), exact, *size)
