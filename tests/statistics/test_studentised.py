"""Figures come from closed forms, from a plain loop, and from the algebra that ties p-values to bounds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.statistics.bootstrap import resampling_weights
from evalkit.statistics.cluster import robust_se
from evalkit.statistics.studentised import studentised

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]


def test_replicates_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    values, groups = rng.exponential(size=24), rng.permutation(np.repeat(np.arange(8), 3))
    found = studentised(values, resamples=200, seed=4, groups=groups)
    sums = np.bincount(groups, weights=values).astype(np.float64)
    expected = []
    for counts in np.concatenate(list(resampling_weights(8, 200, 4))).astype(int):
        drawn = np.repeat(np.arange(8), counts)
        mean = sums[drawn].sum() / 24
        expected.append((mean - values.mean()) / robust_se(sums[drawn], np.full(8, 3.0)))
    assert found.t == pytest.approx(np.sort(expected))
    assert found.se == pytest.approx(robust_se(sums, np.full(8, 3.0)))


def test_unequal_groups_weigh_by_size() -> None:
    values, groups = np.array([1.0, 1.0, 1.0, 4.0, 0.0, 3.0]), np.array([0, 0, 0, 1, 2, 2])
    found = studentised(values, resamples=50, seed=0, groups=groups)
    assert found.mean == pytest.approx(10 / 6)
    for counts, t in zip(
        np.concatenate(list(resampling_weights(3, 50, 0))),
        _unsorted(values, groups),
        strict=True,
    ):
        if np.count_nonzero(counts) > 1:
            sums, sizes = np.array([3.0, 4.0, 3.0]), np.array([3.0, 1.0, 2.0])
            drawn = np.repeat(np.arange(3), counts.astype(int))
            mean = sums[drawn].sum() / sizes[drawn].sum()
            assert t == pytest.approx((mean - 10 / 6) / robust_se(sums[drawn], sizes[drawn]))


def _unsorted(values: FloatArray, groups: NDArray[np.intp]) -> FloatArray:
    from evalkit.statistics.studentised import _replicates

    sums, sizes = np.bincount(groups, weights=values), np.bincount(groups).astype(np.float64)
    return _replicates(sums - sizes * values.mean(), sizes, 50, 0)


def test_for_normal_differences_it_is_students_t() -> None:
    """At n = 60 the quantiles of 20,000 replicates agree with t(59) to about 3%."""
    values = stats.norm.ppf((np.arange(60) + 0.5) / 60)
    found = studentised(values, resamples=20_000, seed=2)
    half = stats.t.ppf(0.975, 59) * values.std(ddof=1) / math.sqrt(60)
    assert found.interval(0.95) == pytest.approx((-half, half), rel=0.05)
    assert found.p_two_sided(half) == pytest.approx(0.05, abs=0.008)


def test_a_long_lower_tail_pulls_the_interval_down() -> None:
    """80% +0.05 and 20% -0.20: the mean is 0, and the lower half of the interval is the longer one."""
    values = np.array([0.05] * 160 + [-0.2] * 40)
    found = studentised(values, resamples=4999, seed=3)
    low, high = found.interval(0.95)
    assert found.mean == pytest.approx(0.0, abs=1e-12)
    assert -low > 1.05 * high
    assert found.p_less() > 0.2


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(-5, 5), min_size=2, max_size=40).map(lambda row: np.array(row) / 5),
    st.sampled_from([0.9, 0.95, 0.99]),
    st.sampled_from([None, 1.0]),
)
def test_p_values_agree_with_the_bounds(
    differences: FloatArray, confidence: float, limit: float | None
) -> None:
    found = studentised(differences, resamples=999, seed=0, limit=limit)
    low, high = found.lower(confidence), found.upper(confidence)
    assert low <= high
    alpha = 1 - confidence
    if math.isfinite(low) and found.mean != 0.0:
        assert found.p_greater(low - 1e-6) <= alpha + 1e-9
        assert found.p_greater(low + 1e-6) > alpha - 1e-9
    if math.isfinite(high) and found.mean != 0.0:
        assert found.p_less(high + 1e-6) <= alpha + 1e-9
        assert found.p_less(high - 1e-6) > alpha - 1e-9


@pytest.mark.parametrize("limit", [None, 1.0])
def test_no_difference_at_all_gives_one(limit: float | None) -> None:
    found = studentised(np.zeros(200), resamples=999, seed=0, limit=limit)
    assert (found.p_less(), found.p_greater(), found.p_two_sided()) == (1.0, 1.0, 1.0)
    assert found.p_greater(-0.05) == pytest.approx(0.001 if limit is None else 0.0, abs=1e-3)


def test_a_constant_fall_is_found_in_spite_of_rounding() -> None:
    differences = np.full(200, 0.3) - np.full(200, 0.6) + np.random.default_rng(0).normal(0, 1e-17, 200)
    found = studentised(differences, resamples=999, seed=0)
    assert found.interval(0.95) == pytest.approx((-0.3, -0.3))
    assert found.p_less() == found.p_less(-0.01) == 0.001
    assert found.p_greater() == 1.0


def test_one_sample_says_nothing() -> None:
    found = studentised(np.array([0.7]), resamples=99, seed=0)
    assert found.interval(0.95) == (-math.inf, math.inf)
    assert (found.p_less(), found.p_two_sided(), found.method) == (1.0, 1.0, "none")
    grouped = studentised(np.array([0.7, 0.6]), resamples=99, seed=0, groups=np.array([0, 0]))
    assert grouped.method == "none"


def test_few_differing_samples_are_not_resampled() -> None:
    """One loss of 200: 37% of resamples hold none and have no spread, so the bound would be infinite.

    With limit 1: two made-up pairs, mean -1/202, se = sqrt((3 - 1/202) / 201 / 202), 201 degrees of freedom.
    """
    differences = np.zeros(200)
    differences[7] = -1.0
    assert studentised(differences, resamples=999, seed=0).lower(0.95) == -math.inf
    found = studentised(differences, resamples=999, seed=0, limit=1.0)
    assert found.method == "adjusted-wald"
    se = math.sqrt((3 - 1 / 202) / 201 / 202)
    assert found.lower(0.95) == pytest.approx(-1 / 202 - stats.t.ppf(0.95, 201) * se)
    assert found.p_less() == pytest.approx(stats.t.cdf(-1 / 202 / se, 201))
    many = studentised(np.r_[-np.ones(20), np.ones(15), np.zeros(165)], resamples=999, seed=0, limit=1.0)
    assert many.method == "bootstrap-t"


def test_a_small_loss_inside_the_margin_is_seen_as_such() -> None:
    """Mean -0.0035 with a standard error of 0.002 and margin 0.05."""
    rng = np.random.default_rng(8)
    differences = rng.normal(size=400)
    differences = (differences - differences.mean()) / differences.std(ddof=1) * 0.04 - 0.0035
    found = studentised(differences, resamples=1999, seed=0)
    assert found.se == pytest.approx(0.002)
    assert found.lower(0.95) > -0.01
    assert found.p_greater(-0.05) == pytest.approx(1 / 2000)


def test_missing_differences_are_left_out() -> None:
    values = np.array([0.3, np.nan, 0.1, -0.2, np.nan])
    found = studentised(values, resamples=99, seed=0, groups=np.array([0, 1, 0, 2, 2]))
    assert (found.n, found.units) == (3, 2)
    assert found.mean == pytest.approx(0.2 / 3)
    with pytest.raises(ValueError, match="at least one difference"):
        studentised(np.array([np.nan]), resamples=99, seed=0)


def test_too_few_resamples_for_the_confidence_are_refused() -> None:
    found = studentised(np.arange(10.0), resamples=18, seed=0)
    with pytest.raises(ValueError, match="needs 20 resamples"):
        found.lower(0.95)
