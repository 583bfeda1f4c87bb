"""Figures come from scipy, from enumeration in plain Python, and from Fisher (1935)."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalkit.statistics.proportions import mcnemar
from evalkit.statistics.randomisation import EXACT_UNITS, approximate_randomisation, sign_flip

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

# Darwin's maize: heights of crossed minus self-fertilised plants in eighths of an inch.
DARWIN = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], dtype=np.float64)
FEW = st.lists(st.integers(-4, 4), min_size=1, max_size=8).map(lambda row: np.array(row) / 10)


def mean_of(statistics: FloatArray, weights: FloatArray) -> FloatArray:
    sums = weights @ statistics
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[:, :1] / sums[:, 1:], dtype=np.float64)


def median_of(statistics: FloatArray, weights: FloatArray) -> FloatArray:
    order = np.argsort(statistics[:, 0])
    shares = np.cumsum(weights[:, order], axis=1)
    place = np.argmax(shares >= 0.5 * shares[:, -1:], axis=1)
    return np.asarray(statistics[order, 0][place][:, np.newaxis], dtype=np.float64)


def scores(values: Any) -> FloatArray:
    column = np.asarray(values, dtype=np.float64)
    return np.stack([column, np.ones(len(column))], axis=1)


def test_darwins_maize_as_fisher_judged_it() -> None:
    """Fisher (1935, section 21): 1,726 of 32,768 assignments reach the total of 314, p = 0.0527 two-sided.

    Fifteen units are just beyond enumeration here; the fourteen largest are enumerated exactly by scipy.
    """
    found = sign_flip(DARWIN, resamples=100_000, seed=1)
    assert not found.exact
    assert found.difference[0] == pytest.approx(314 / 15)
    assert found.p_value[0] == pytest.approx(1726 / 32768, abs=4 * (0.05267 * 0.94733 / 100_000) ** 0.5)
    exact = sign_flip(DARWIN[1:], resamples=1, seed=1)
    assert exact.exact
    assert exact.assignments == 2**14
    for side, p in (("two-sided", exact.p_value), ("less", exact.p_less), ("greater", exact.p_greater)):
        reference = stats.permutation_test(
            (DARWIN[1:],), np.mean, permutation_type="samples", n_resamples=2**14, alternative=side
        )
        assert p[0] == pytest.approx(reference.pvalue, rel=1e-9)


@given(FEW)
def test_few_differences_are_enumerated_and_ties_counted(differences: FloatArray) -> None:
    observed = round(10 * differences.sum())
    sums = [
        sum(sign * round(10 * one) for sign, one in zip(signs, differences, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    found = sign_flip(differences, resamples=1, seed=0)
    assert found.exact
    assert found.p_value[0] == pytest.approx(np.mean([abs(one) >= abs(observed) for one in sums]))
    if np.any(differences):
        assert found.p_less[0] == pytest.approx(np.mean([one <= observed for one in sums]))
        assert found.p_greater[0] == pytest.approx(np.mean([one >= observed for one in sums]))


def test_floating_point_noise_does_not_break_ties() -> None:
    """0.1 + 0.2 - 0.3 is not 0 in floats, and every assignment is at least as extreme as 0."""
    differences = np.array([0.1, 0.2, -0.3])
    found = sign_flip(differences, resamples=1, seed=0)
    assert found.p_value[0] == 1.0
    assert sign_flip(np.abs(differences), resamples=1, seed=0).p_value[0] == pytest.approx(2 / 8)


def test_binary_differences_give_the_exact_mcnemar_test() -> None:
    differences = np.array([-1.0] * 9 + [1.0] * 3 + [0.0] * 88)
    found, reference = sign_flip(differences, resamples=1, seed=0), mcnemar(9, 3)
    assert found.exact
    assert found.p_value[0] == pytest.approx(reference.p_exact)
    assert found.p_less[0] == pytest.approx(reference.p_less_exact)
    assert (found.n, found.units) == (100, 100)


def test_groups_flip_whole() -> None:
    """Sums (3, -1, 2): |4| is reached by 4 of 8 assignments, (+ + +), (+ - +) and their mirrors."""
    found = sign_flip(
        np.array([1.0, 2.0, -1.0, 1.0, 1.0]), resamples=1, seed=0, groups=np.array([0, 0, 1, 2, 2])
    )
    assert (found.units, found.assignments) == (3, 8)
    assert found.difference[0] == pytest.approx(4 / 5)
    assert found.p_value[0] == pytest.approx(4 / 8)


@pytest.mark.parametrize("n", [1, 5, 500])
def test_no_difference_at_all_gives_one(n: int) -> None:
    for found in (
        sign_flip(np.zeros(n), resamples=99, seed=0),
        approximate_randomisation(mean_of, scores(np.arange(n)), scores(np.arange(n)), resamples=99, seed=0),
    ):
        assert (found.p_value[0], found.p_less[0], found.p_greater[0]) == (1.0, 1.0, 1.0)


def test_a_fall_of_every_sample_is_as_small_as_p_can_be() -> None:
    found = sign_flip(np.full(200, -0.3), resamples=999, seed=0)
    assert (found.p_value[0], found.p_less[0], found.p_greater[0]) == (0.001, 0.001, 1.0)


def test_missing_differences_are_left_out() -> None:
    groups = np.array([0, 0, 1, 2, 3])
    differences = np.array([0.5, np.nan, np.nan, 0.25, -0.5])
    found = sign_flip(differences, resamples=1, seed=0, groups=groups)
    assert (found.n, found.units) == (3, 3)
    expected = sign_flip(np.array([0.5, 0.25, -0.5]), resamples=1, seed=0)
    assert found.p_value[0] == expected.p_value[0]
    with pytest.raises(ValueError, match="at least one difference"):
        sign_flip(np.array([np.nan]), resamples=1, seed=0)


def test_swapping_means_is_flipping_signs() -> None:
    rng = np.random.default_rng(3)
    baseline, candidate = rng.normal(size=(2, EXACT_UNITS))
    swapped = approximate_randomisation(mean_of, scores(baseline), scores(candidate), resamples=1, seed=0)
    flipped = sign_flip(candidate - baseline, resamples=1, seed=0)
    assert swapped.exact
    assert swapped.difference == pytest.approx(flipped.difference)
    assert swapped.p_value[0] == flipped.p_value[0]
    assert swapped.p_less[0] == flipped.p_less[0]


@pytest.mark.parametrize("grouped", [False, True])
def test_sums_and_weights_give_the_same_test(grouped: bool) -> None:  # noqa: FBT001
    """A metric that hides that sums are enough takes the slow path, and draws the same assignments."""
    rng = np.random.default_rng(4)
    baseline, candidate = scores(rng.normal(size=60)), scores(rng.normal(size=60))
    candidate[::4] = baseline[::4]
    groups = np.repeat(np.arange(20), 3) if grouped else None

    def opaque(statistics: FloatArray, weights: FloatArray) -> FloatArray:
        values = mean_of(statistics, weights)
        return values + (1e-6 if len(statistics) == 3 else 0.0)

    fast, slow = (
        approximate_randomisation(one, baseline, candidate, resamples=500, seed=9, groups=groups)
        for one in (mean_of, opaque)
    )
    assert fast.p_value[0] == slow.p_value[0]
    assert fast.p_less[0] == slow.p_less[0]
    assert fast.units == (20 if grouped else 60)


def test_a_median_is_swapped_sample_by_sample() -> None:
    baseline = np.array([[1.0], [2.0], [3.0], [4.0], [5.0]])
    candidate = np.array([[3.0], [1.0], [9.0], [4.5], [7.0]])
    found = approximate_randomisation(median_of, baseline, candidate, resamples=1, seed=0)
    both = np.concatenate([baseline, candidate], axis=1)
    every = [
        np.median([row[1 - flip] for row, flip in zip(both, flips, strict=True)])
        - np.median([row[flip] for row, flip in zip(both, flips, strict=True)])
        for flips in itertools.product((0, 1), repeat=5)
    ]
    assert found.difference[0] == 1.5
    assert found.p_value[0] == pytest.approx(np.mean(np.abs(every) >= 1.5))
    assert found.p_greater[0] == pytest.approx(np.mean(np.array(every) >= 1.5))


def test_corpus_bleu_by_enumeration(translate: Callable[..., Any]) -> None:
    """Ten segments: scipy permutes the pairs in all 2^10 ways with its own loop."""
    made = translate(10, (0.05, 0.25), 7)

    def difference(first: Any, second: Any) -> float:
        ones = np.ones((1, 10))
        sides = [
            np.array([made.rows[int(code // 10)][int(code % 10)] for code in row]) for row in (first, second)
        ]
        return float((made.aggregate(sides[1], ones) - made.aggregate(sides[0], ones))[0, 0])

    codes = (np.arange(10.0), np.arange(10.0, 20.0))
    reference = stats.permutation_test(
        codes, difference, permutation_type="samples", vectorized=False, n_resamples=np.inf
    )
    found = approximate_randomisation(made.aggregate, *made.rows, resamples=1, seed=0)
    observed = difference(*codes)
    assert found.exact
    assert found.difference[0] == pytest.approx(observed)
    expected = np.mean(np.abs(reference.null_distribution) >= abs(observed) - 1e-9)
    assert found.p_value[0] == pytest.approx(expected)


def test_a_resample_without_a_value_counts_as_extreme() -> None:
    """With one scored sample each, half of the assignments leave one side nothing to score."""
    baseline, candidate = np.array([[0.4, 1.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [0.9, 1.0]])
    found = approximate_randomisation(mean_of, baseline, candidate, resamples=1, seed=0)
    assert found.difference[0] == pytest.approx(0.5)
    assert found.p_greater[0] == pytest.approx(3 / 4)
    nothing = approximate_randomisation(mean_of, baseline * 0, candidate, resamples=1, seed=0)
    assert np.isnan(nothing.p_value[0])


def test_several_values_share_one_pass() -> None:
    rng = np.random.default_rng(8)

    def two(statistics: FloatArray, weights: FloatArray) -> FloatArray:
        first = mean_of(statistics[:, [0, 2]], weights)
        return np.concatenate([first, mean_of(statistics[:, [1, 2]], weights)], axis=1)

    baseline, candidate = (
        np.concatenate([rng.normal(size=(40, 2)) + shift, np.ones((40, 1))], axis=1) for shift in (0.0, 0.5)
    )
    both = approximate_randomisation(two, baseline, candidate, resamples=400, seed=2)
    alone = approximate_randomisation(
        mean_of, baseline[:, [1, 2]], candidate[:, [1, 2]], resamples=400, seed=2
    )
    assert both.p_value.shape == (2,)
    assert both.p_value[1] == alone.p_value[0]


def test_a_pair_with_a_missing_row_is_left_out() -> None:
    baseline, candidate = scores([0.1, np.nan, 0.5]), scores([0.2, 0.3, 0.9])
    found = approximate_randomisation(mean_of, baseline, candidate, resamples=1, seed=0)
    assert (found.n, found.assignments) == (2, 4)
    assert found.difference[0] == pytest.approx(0.25)


def test_shapes_must_match() -> None:
    with pytest.raises(ValueError, match="row i of both"):
        approximate_randomisation(mean_of, scores([1, 2]), scores([1, 2, 3]), resamples=1, seed=0)
    with pytest.raises(ValueError, match="at least one complete pair"):
        approximate_randomisation(mean_of, scores([]), scores([]), resamples=1, seed=0)
    with pytest.raises(ValueError, match="resamples must be at least 1"):
        sign_flip(np.arange(1.0, 30.0), resamples=0, seed=0)


def test_the_seed_decides_and_p_is_never_zero() -> None:
    rng = np.random.default_rng(1)
    differences = rng.normal(1.0, 1.0, 100)
    one, same, other = (sign_flip(differences - 0.9, resamples=500, seed=seed) for seed in (1, 1, 2))
    assert one.p_value[0] == same.p_value[0]
    assert one.p_value[0] != other.p_value[0]
    assert sign_flip(differences, resamples=500, seed=1).p_value[0] == pytest.approx(1 / 501)


@pytest.mark.parametrize("aggregate", [mean_of, median_of])
def test_memory_does_not_grow_with_the_resamples(aggregate: Callable[..., FloatArray]) -> None:
    rng = np.random.default_rng(2)
    baseline, candidate = scores(rng.normal(size=5000)), scores(rng.normal(size=5000))
    tracemalloc.start()
    approximate_randomisation(aggregate, baseline, candidate, resamples=400, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 2**20  # the swaps alone would take 400 * 10,000 * 8 bytes = 32 MB
