"""Figures come from scipy, from enumeration in plain Python, from Newcombe (1998) or from closed forms."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalkit.statistics.bootstrap import (
    BLOCK_BYTES,
    bootstrap,
    bootstrap_together,
    observed,
    percentile_interval,
    resampling_weights,
    wilson_interval,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]


def mean(statistics: FloatArray, weights: FloatArray) -> FloatArray:
    """The mean of (value, count) rows."""
    sums = weights @ statistics
    return np.asarray(sums[:, :1] / sums[:, 1:])


def counted(values: list[float]) -> FloatArray:
    return np.column_stack([values, np.ones(len(values))])


def test_percentile_interval_agrees_with_scipy() -> None:
    """The tolerance is four standard errors of the difference of two simulated quantiles.

    A quantile at 0.025 of r replicates has a standard error of sqrt(0.025 * 0.975 / r) / phi(1.96) standard
    errors of the mean: 0.019 for r = 20000; times sqrt(2) and four, 0.11.
    """
    values = np.random.default_rng(7).exponential(size=60)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(1)
    )
    replicates = bootstrap(mean, counted(values.tolist()), resamples=20_000, seed=2)
    ours = percentile_interval(replicates, 0.95)
    tolerance = 0.11 * float(np.std(values)) / math.sqrt(60)
    assert ours.low[0] == pytest.approx(theirs.confidence_interval.low, abs=tolerance)
    assert ours.high[0] == pytest.approx(theirs.confidence_interval.high, abs=tolerance)
    assert np.std(replicates) == pytest.approx(theirs.standard_error, rel=4 / math.sqrt(20_000))
    assert ours.method == "bootstrap-percentile"


def test_interval_of_a_proportion_has_binomial_quantiles() -> None:
    """A resample of 12 right in 30 has Binomial(30, 0.4) right: quantiles 7 and 17 by scipy's tables."""
    assert (stats.binom.ppf(0.025, 30, 0.4), stats.binom.ppf(0.975, 30, 0.4)) == (7, 17)
    replicates = bootstrap(mean, counted([1.0] * 12 + [0.0] * 18), resamples=40_000, seed=0)
    interval = percentile_interval(replicates, 0.95)
    assert (interval.low[0] * 30, interval.high[0] * 30) == (pytest.approx(7), pytest.approx(17))


def test_standard_error_of_the_mean_is_the_closed_form() -> None:
    """sqrt(sum of squared deviations) / n: for 1, 2, 3, 4, 10 it is sqrt(50) / 5 = 1.41421."""
    replicates = bootstrap(mean, counted([1, 2, 3, 4, 10]), resamples=50_000, seed=3)
    assert np.std(replicates) == pytest.approx(1.41421, rel=4 / math.sqrt(2 * 50_000))


@pytest.mark.parametrize("part", [None, 1, 3])
@pytest.mark.parametrize("groups", [None, [0, 1, 1, 2], [0, 0, 1, 1], [0, 0, 0, 0]])
def test_replicates_have_the_distribution_of_all_equally_likely_draws(
    groups: list[int] | None, part: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every draw of as many units as there are, with replacement, listed and aggregated in plain Python.

    Also where they are so many that they are drawn in parts.
    """
    if part is not None:
        monkeypatch.setattr("evalkit.statistics.bootstrap.BLOCK_BYTES", 8)
        monkeypatch.setattr("evalkit.statistics.bootstrap.PART", part)
    values, sizes = [1.0, 5.0, 2.0, 4.0], [1.0, 2.0, 1.0, 1.0]
    units = [[0], [1], [2], [3]]
    if groups is not None:
        units = [[i for i in range(4) if groups[i] == unit] for unit in range(max(groups) + 1)]
    exact: Counter[float] = Counter()
    for draw in itertools.product(range(len(units)), repeat=len(units)):
        drawn = [i for unit in draw for i in units[unit]]
        exact[round(sum(values[i] for i in drawn) / sum(sizes[i] for i in drawn), 9)] += 1
    total, resamples = sum(exact.values()), 20_000
    replicates = bootstrap(
        mean,
        np.column_stack([values, sizes]),
        resamples=resamples,
        seed=11,
        groups=None if groups is None else np.array(groups),
    )
    found = Counter(round(value, 9) for value in replicates[:, 0].tolist())
    assert set(found) <= set(exact)
    for value, ways in exact.items():
        share = ways / total
        error = 4.5 * math.sqrt(share * (1 - share) / resamples)
        assert found[value] / resamples == pytest.approx(share, abs=error), value


@given(
    n=st.integers(1, 40),
    resamples=st.integers(1, 30),
    seed=st.integers(0, 2**32),
    sizes=st.none() | st.lists(st.integers(1, 5), min_size=1, max_size=8),
)
def test_weights_are_whole_counts_that_add_up(
    n: int, resamples: int, seed: int, sizes: list[int] | None
) -> None:
    groups = None if sizes is None else np.repeat(np.arange(len(sizes)), sizes)
    n = n if groups is None else len(groups)
    weights = np.concatenate(list(resampling_weights(n, resamples, seed, groups)))
    assert weights.shape == (resamples, n)
    assert (weights >= 0).all()
    assert (weights == np.round(weights)).all()
    if groups is None:
        assert (weights.sum(axis=1) == n).all()
    else:
        one_each = np.unique(groups, return_index=True)[1]
        assert (weights[:, one_each].sum(axis=1) == len(one_each)).all()
        assert (weights == weights[:, one_each][:, groups]).all()


def test_blocks_give_the_same_counts_as_one_draw_of_everything() -> None:
    """2000 resamples of 5000 samples are 80 MB of draws: many blocks, against one call of numpy's own."""
    n, resamples = 5000, 2000
    blocks = list(resampling_weights(n, resamples, 5))
    assert len(blocks) > 1
    assert all(block.nbytes <= BLOCK_BYTES for block in blocks)
    draws = np.random.default_rng(5).integers(0, n, size=(resamples, n))
    row = 0
    for block in blocks:
        for weights in block:
            assert np.array_equal(weights, np.bincount(draws[row], minlength=n))
            row += 1
    assert row == resamples


def test_memory_does_not_grow_with_the_number_of_resamples() -> None:
    """20000 resamples of 2000 samples would be 320 MB of weights at once."""
    tracemalloc.start()
    try:
        bootstrap(mean, counted([0.0, 1.0] * 1000), resamples=20_000, seed=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * BLOCK_BYTES + 2**20


def test_a_sample_larger_than_a_block_still_resamples() -> None:
    n = BLOCK_BYTES // 8 + 1
    (weights,) = resampling_weights(n, 1, 0)
    assert weights.sum() == n


@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(500), 2)])
def test_sums_of_many_samples_are_those_of_their_weights(
    groups: NDArray[np.intp] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value of sums and one that needs every weight see the same draws, together and alone."""
    monkeypatch.setattr("evalkit.statistics.bootstrap.BLOCK_BYTES", 1000)
    monkeypatch.setattr("evalkit.statistics.bootstrap.PART", 64)
    rows = counted(np.random.default_rng(2).normal(size=1000).tolist())

    def drawn(statistics: FloatArray, weights: FloatArray) -> FloatArray:
        return np.asarray(weights @ (statistics[:, :1] ** 3) / weights.sum(axis=1, keepdims=True) ** 0.5)

    weights = np.concatenate(list(resampling_weights(1000, 30, 6, groups)))
    alone = bootstrap(mean, rows, resamples=30, seed=6, groups=groups)
    assert alone == pytest.approx(mean(rows, weights), rel=1e-12)
    for made, wanted in zip(
        bootstrap_together([(mean, rows), (drawn, rows)], resamples=30, seed=6, groups=groups),
        (mean(rows, weights), drawn(rows, weights)),
        strict=True,
    ):
        assert made == pytest.approx(wanted, rel=1e-12)
    for value in (mean, drawn):
        assert observed(value, rows) == pytest.approx(value(rows, np.ones((1, 1000)))[0], rel=1e-12)


def test_the_seed_alone_decides() -> None:
    statistics = counted(list(range(50)))
    one, again, other = (bootstrap(mean, statistics, resamples=200, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    np.random.seed(0)  # noqa: NPY002 - the global state must not matter
    assert np.array_equal(bootstrap(mean, statistics, resamples=200, seed=1), one)


def test_several_values_are_resampled_together() -> None:
    """The second value is the first times ten in every replicate, not only in the mean."""

    def two(statistics: FloatArray, weights: FloatArray) -> FloatArray:
        return np.hstack([mean(statistics, weights), 10 * mean(statistics, weights)])

    replicates = bootstrap(two, counted([1, 2, 5, 9]), resamples=100, seed=0)
    assert replicates.shape == (100, 2)
    assert np.allclose(replicates[:, 1], 10 * replicates[:, 0])


def test_percentiles_worked_by_hand() -> None:
    """Of 0…100 and its double, 95 % lies between 2.5 and 97.5; 80 % between 10 and 90."""
    replicates = np.column_stack([np.arange(101.0), 2 * np.arange(101.0)])
    interval = percentile_interval(replicates, 0.95)
    assert np.allclose([interval.low, interval.high], [[2.5, 5.0], [97.5, 195.0]])
    assert percentile_interval(replicates, 0.8).low[0] == pytest.approx(10.0)


def test_replicates_without_a_value_are_left_out() -> None:
    """Warnings are errors here: a column without any value must not raise one."""
    replicates = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    interval = percentile_interval(replicates, 0.5)
    assert (interval.low[0], interval.high[0]) == (1.5, 2.5)
    assert np.isnan([interval.low[1], interval.high[1]]).all()
    interval = percentile_interval(np.full((3, 2), np.nan), 0.5)
    assert np.isnan([interval.low, interval.high]).all()


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_as_published(successes: int, n: int, low: float, high: float) -> None:
    """Newcombe (1998), Statistics in Medicine 17, table I, method 3."""
    assert wilson_interval(successes, n, 0.95) == pytest.approx((low, high), abs=5e-5)


def test_wilson_interval_worked_by_hand() -> None:
    """z² = 3.841459: no success of n ends at z²/(n + z²), n of n begin at n/(n + z²)."""
    assert wilson_interval(0, 10, 0.95) == pytest.approx((0.0, 3.841459 / 13.841459), abs=1e-7)
    assert wilson_interval(40, 40, 0.95) == pytest.approx((40 / 43.841459, 1.0), abs=1e-7)


@given(n=st.integers(1, 500), share=st.floats(0, 1), confidence=st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]))
def test_wilson_interval_agrees_with_scipy(n: int, share: float, confidence: float) -> None:
    successes = round(share * n)
    theirs = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    low, high = wilson_interval(successes, n, confidence)
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0 <= low <= successes / n + 1e-12
    assert successes / n - 1e-12 <= high <= 1


def test_several_together_have_what_each_has_alone() -> None:
    rng = np.random.default_rng(0)
    tables = [rng.random((30, columns)) for columns in (2, 5)]
    groups = np.arange(30) // 3

    def sums(statistics: FloatArray, weights: FloatArray) -> FloatArray:
        return weights @ statistics

    together = bootstrap_together([(sums, one) for one in tables], resamples=300, seed=4, groups=groups)
    for one, found in zip(tables, together, strict=True):
        assert np.array_equal(found, bootstrap(sums, one, resamples=300, seed=4, groups=groups))
