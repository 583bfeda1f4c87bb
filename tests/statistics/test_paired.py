"""Figures come from scipy's bootstrap, from sacreBLEU's own tests, and from closed forms."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest
from scipy import stats

from evalkit.statistics.paired import (
    bca_interval,
    jackknife,
    paired_bootstrap,
    paired_jackknife,
)
from evalkit.statistics.randomisation import approximate_randomisation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]


def mean_of(statistics: FloatArray, weights: FloatArray) -> FloatArray:
    sums = weights @ statistics
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[:, :1] / sums[:, 1:], dtype=np.float64)


def opaque(statistics: FloatArray, weights: FloatArray) -> FloatArray:
    """The mean again, hiding that sums are enough."""
    return mean_of(statistics, weights) + (1e-6 if len(statistics) == 3 else 0.0)


def scores(values: Any) -> FloatArray:
    column = np.asarray(values, dtype=np.float64)
    return np.stack([column, np.ones(len(column))], axis=1)


def sacrebleu_p(made: Any, kind: str, resamples: int) -> float:
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)
    systems = [("first", made.texts[0]), ("second", made.texts[1])]
    _, found = PairedTest(systems, {"BLEU": BLEU(tokenize="13a")}, [made.references], kind, resamples)()
    result = found["BLEU"][1]
    assert not isinstance(result, str)
    assert result.p_value is not None
    return float(result.p_value)


def test_bca_of_the_same_replicates_is_scipys() -> None:
    """scipy.stats.bootstrap gives its replicates; from them ours is its BCa interval to the last digits."""
    values = np.random.default_rng(1).lognormal(size=40)
    reference = stats.bootstrap(
        (values,), np.mean, method="BCa", n_resamples=2000, rng=np.random.default_rng(2)
    )
    left_out = jackknife(lambda weights: mean_of(scores(values), weights), 40)
    assert left_out[3, 0] == pytest.approx(np.delete(values, 3).mean())
    found = bca_interval(
        reference.bootstrap_distribution[:, np.newaxis], np.array([values.mean()]), left_out, 0.95
    )
    expected = (reference.confidence_interval.low, reference.confidence_interval.high)
    assert (found.low[0], found.high[0]) == pytest.approx(expected, rel=1e-9)


def test_paired_bca_is_scipys_paired_bootstrap() -> None:
    """Two runs of 4,000 resamples each: the ends differ by the noise of a quantile, below 5% of a width."""
    rng = np.random.default_rng(3)
    baseline = rng.beta(2, 1, 80)
    candidate = np.clip(baseline + rng.normal(0.03, 0.2, 80), 0, 1)
    reference = stats.bootstrap(
        (baseline, candidate),
        lambda first, second, axis: np.mean(second - first, axis=axis),
        paired=True,
        method="BCa",
        n_resamples=4000,
        rng=rng,
    )
    pairs = scores(baseline), scores(candidate)
    found = paired_bootstrap(mean_of, *pairs, resamples=4000, seed=5)
    interval = found.bca(0.95, paired_jackknife(mean_of, *pairs))
    width = reference.confidence_interval.high - reference.confidence_interval.low
    assert interval.low[0] == pytest.approx(reference.confidence_interval.low, abs=0.05 * width)
    assert interval.high[0] == pytest.approx(reference.confidence_interval.high, abs=0.05 * width)
    assert found.se[0] == pytest.approx(reference.standard_error, rel=0.05)


def test_bca_shifts_towards_the_long_tail() -> None:
    values = np.random.default_rng(1).lognormal(size=60)
    pairs = scores(np.zeros(60)), scores(values)
    found = paired_bootstrap(mean_of, *pairs, resamples=3000, seed=1)
    plain, corrected = found.percentile(0.95), found.bca(0.95, paired_jackknife(mean_of, *pairs))
    assert corrected.low[0] > plain.low[0]
    assert corrected.high[0] > plain.high[0]
    assert corrected.method == "bootstrap-bca"


def test_bca_of_what_cannot_vary_is_a_point_and_of_nothing_nan() -> None:
    replicates = np.stack([np.full(50, 0.25), np.full(50, np.nan)], axis=1)
    left_out = np.array([[0.25, np.nan], [0.25, np.nan]])
    found = bca_interval(replicates, np.array([0.25, np.nan]), left_out, 0.9)
    assert (found.low[0], found.high[0]) == (0.25, 0.25)
    assert math.isnan(found.low[1])
    with pytest.raises(ValueError, match="at least two units"):
        bca_interval(replicates, np.array([0.25, np.nan]), left_out[:1], 0.9)


@pytest.mark.parametrize("grouped", [False, True])
def test_sums_and_weights_give_the_same_replicates(grouped: bool) -> None:  # noqa: FBT001
    rng = np.random.default_rng(4)
    pairs = scores(rng.normal(size=60)), scores(rng.normal(size=60))
    groups = rng.permutation(np.repeat(np.arange(20), 3)) if grouped else None
    fast, slow = (
        paired_bootstrap(one, *pairs, resamples=300, seed=9, groups=groups) for one in (mean_of, opaque)
    )
    assert fast.replicates == pytest.approx(slow.replicates)
    assert fast.units == (20 if grouped else 60)
    assert paired_jackknife(mean_of, *pairs, groups) == pytest.approx(
        paired_jackknife(opaque, *pairs, groups)
    )


def test_what_both_systems_share_cancels() -> None:
    """A constant gain has no spread, however much the samples differ."""
    values = np.random.default_rng(5).normal(size=100)
    found = paired_bootstrap(mean_of, scores(values), scores(values + 0.25), resamples=200, seed=0)
    assert found.replicates == pytest.approx(np.full((200, 1), 0.25))
    assert found.p_greater()[0] == pytest.approx(1 / 201)


def test_identical_systems_give_one() -> None:
    values = scores(np.random.default_rng(6).normal(size=30))
    found = paired_bootstrap(mean_of, values, values, resamples=200, seed=0)
    assert [
        float(p[0]) for p in (found.p_less(), found.p_greater(), found.p_two_sided(), found.p_centred())
    ] == [1.0] * 4


def test_missing_pairs_are_left_out_and_missing_replicates_count_against() -> None:
    baseline, candidate = scores([0.1, np.nan, 0.5]), scores([0.2, 0.3, 0.9])
    assert paired_bootstrap(mean_of, baseline, candidate, resamples=10, seed=0).n == 2
    half = np.array([[0.4, 1.0], [0.0, 0.0]])
    better = np.array([[0.9, 1.0], [0.0, 0.0]])
    found = paired_bootstrap(mean_of, half, better, resamples=400, seed=0)
    empty = np.isnan(found.replicates[:, 0]).sum()
    assert 60 < empty < 140  # a quarter draws the second sample twice
    assert found.p_greater()[0] == pytest.approx((empty + 1) / 401)
    assert found.se[0] == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(ValueError, match="at least one complete pair"):
        paired_bootstrap(mean_of, scores([]), scores([]), resamples=10, seed=0)


def test_approximate_randomisation_is_that_of_sacrebleu(translate: Callable[..., Any]) -> None:
    """The same test with other draws: within four standard errors of two shares of 4,000 assignments.

    sacreBLEU counts |difference| > observed and we >=; apart from exact ties that is the same.
    """
    made = translate(150, (0.10, 0.125), 11)
    theirs = sacrebleu_p(made, "ar", 4000)
    ours = approximate_randomisation(made.aggregate, *made.rows, resamples=4000, seed=1).p_value[0]
    assert 0.02 < theirs < 0.6
    assert ours == pytest.approx(theirs, abs=4 * math.sqrt(2 * theirs * (1 - theirs) / 4000))


def test_paired_bootstrap_is_that_of_sacrebleu_once_its_formula_is_taken(
    translate: Callable[..., Any],
) -> None:
    """sacreBLEU centres |difference*| by its mean, not difference* by the difference, and keeps one tail.

    From our replicates its formula gives its p; the shift method, as published, gives about twice as much.
    """
    made = translate(150, (0.10, 0.125), 11)
    theirs = sacrebleu_p(made, "bs", 4000)
    found = paired_bootstrap(made.aggregate, *made.rows, resamples=4000, seed=1)
    distances = np.abs(found.replicates[:, 0])
    p = (np.count_nonzero(distances - distances.mean() > abs(found.difference[0])) + 1) / 4001
    assert p == pytest.approx(theirs, abs=4 * math.sqrt(2 * theirs * (1 - theirs) / 4000))
    assert found.p_centred()[0] > 1.5 * theirs
    swapped = approximate_randomisation(made.aggregate, *made.rows, resamples=4000, seed=1)
    assert found.p_centred()[0] == pytest.approx(swapped.p_value[0], abs=0.05)


@pytest.mark.parametrize("kind", ["ar", "bs"])
def test_sacrebleu_calls_identical_systems_different_and_we_do_not(
    translate: Callable[..., Any], kind: str
) -> None:
    """Its strict > counts no resample at all, so p = 1 / (resamples + 1), as its comment admits."""
    made = translate(40, (0.10, 0.10), 3)
    same = type(made)(made.aggregate, made.references, (made.texts[0],) * 2, (made.rows[0],) * 2)
    assert sacrebleu_p(same, kind, 500) == pytest.approx(1 / 501)
    assert approximate_randomisation(same.aggregate, *same.rows, resamples=500, seed=0).p_value[0] == 1.0
    assert paired_bootstrap(same.aggregate, *same.rows, resamples=500, seed=0).p_centred()[0] == 1.0
