"""Figures come from statsmodels 0.15.0, Miller (2024), Connor's formula as published, and enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.statistics.discordance import (
    connor_power,
    mcnemar_detectable,
    mcnemar_power,
    mcnemar_required_n,
)
from evalkit.statistics.power import (
    PlannedTest,
    VarianceComponents,
    detectable_effect,
    mean_power,
    quick_n,
    required_n,
    required_trials,
    sd_from_se,
    variance_components,
)
from evalkit.statistics.proportions import mcnemar

ONE_SIDED = PlannedTest(two_sided=False)


@pytest.mark.parametrize(
    ("effect", "n", "test", "expected"),
    [
        # The power method of TTestPower with nobs = n, alpha = 0.05 and the alternative of the test.
        (0.09, 969, PlannedTest(), 0.7992226343843105),
        (0.5, 10, PlannedTest(), 0.2931756065140767),
        (0.2, 500, ONE_SIDED, 0.9976078516142366),
        (0.5, 3, ONE_SIDED, 0.15125000742832528),
    ],
)
def test_power_is_that_of_statsmodels(effect: float, n: int, test: PlannedTest, expected: float) -> None:
    assert mean_power(effect, 1.0, n, test) == pytest.approx(expected, rel=1e-7)


def test_required_n_and_detectable_effect_are_those_of_statsmodels() -> None:
    """TTestPower().solve_power: n = 198.15 and 215.46 (larger, 90%); effect 0.28291171 at n = 100."""
    assert required_n(0.2, 1.0) == 199
    assert required_n(-0.2, 1.0, ONE_SIDED, power=0.9) == 216
    assert detectable_effect(1.0, 100) == pytest.approx(0.2829117119690806, rel=1e-5)
    # To the digit: scipy's noncentral t has power 0.8 at ours.
    bound, shift = stats.t.ppf(0.975, 99), 10 * detectable_effect(1.0, 100)
    power = stats.nct.sf(bound, 99, shift) + stats.nct.cdf(-bound, 99, shift)
    assert power == pytest.approx(0.8, abs=1e-6)
    assert detectable_effect(7.0, 100) == pytest.approx(7 * 0.2829117119690806, rel=1e-5)


def test_sample_size_example_of_miller() -> None:
    """Miller (2024): variance 1/9, a difference of 3 points, 80% power at 5%: n = 969."""
    assert round(quick_n(0.03, 1 / 3)) == 969
    assert required_n(0.03, 1 / 3) == 971  # Student's t costs z² / 2 = 1.9 samples more (Guenther 1981)


def test_more_trials_help_until_the_samples_themselves_differ_too_much() -> None:
    components = VarianceComponents(between=1 / 9, baseline=1 / 6, candidate=1 / 6)
    assert components.sd(1) ** 2 == pytest.approx(4 / 9)
    assert components.sd(10, 5) ** 2 == pytest.approx(1 / 9 + 1 / 60 + 1 / 30)
    needed = required_trials(0.08, components, 198)
    assert needed is not None
    assert mean_power(0.08, components.sd(needed), 198) >= 0.8
    assert mean_power(0.08, components.sd(needed - 1), 198) < 0.8
    assert required_trials(0.05, components, 198) is None
    assert required_trials(0.05, VarianceComponents(0.0, 0.0, 0.0), 198) == 1


def test_variance_components_are_recovered() -> None:
    rng = np.random.default_rng(6)
    n = 20_000
    base = rng.normal(size=(n, 1))
    baseline = base + rng.normal(scale=0.5, size=(n, 4))
    candidate = base + rng.normal(scale=0.3, size=(n, 1)) + rng.normal(scale=0.7, size=(n, 3))
    found = variance_components(baseline, candidate)
    assert found.baseline == pytest.approx(0.25, rel=0.03)
    assert found.candidate == pytest.approx(0.49, rel=0.03)
    assert found.between == pytest.approx(0.09, abs=0.01)


def test_one_trial_cannot_be_split_into_components() -> None:
    with pytest.raises(ValueError, match="two trials or more"):
        variance_components(np.ones((5, 1)), np.ones((5, 2)))
    with pytest.raises(ValueError, match="same two samples"):
        variance_components(np.ones((1, 2)), np.ones((1, 2)))


@settings(deadline=None, max_examples=30)
@given(st.floats(0.01, 3.0), st.integers(2, 3000), st.booleans())
def test_the_detectable_effect_has_the_power_asked_for(sd: float, n: int, two_sided: bool) -> None:  # noqa: FBT001
    test = PlannedTest(two_sided=two_sided)
    effect = detectable_effect(sd, n, test)
    assert mean_power(effect, sd, n, test) == pytest.approx(0.8, abs=1e-4)
    needed = required_n(effect * (1 + 1e-6), sd, test)
    assert needed == n or (n == 2 and needed is not None and needed <= 2)


def test_a_margin_moves_the_null_and_groups_shrink_the_sample() -> None:
    inferior = PlannedTest(two_sided=False, null=-0.05)
    assert mean_power(0.0, 1.0, 400, inferior) == pytest.approx(mean_power(0.05, 1.0, 400, ONE_SIDED))
    assert mean_power(0.2, 1.0, 500, design_effect=2.5) == pytest.approx(mean_power(0.2, 1.0, 200))
    assert required_n(0.0, 1.0) is None
    assert detectable_effect(1.0, 1) == math.inf
    assert mean_power(0.5, 1.0, 1) == 0.0


def test_a_corpus_metric_is_planned_from_its_bootstrap_error() -> None:
    assert sd_from_se(0.5, 400) == pytest.approx(10.0)


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(ValueError, match="no level"):
        PlannedTest(alpha=0.5, two_sided=False)
    with pytest.raises(ValueError, match="positive"):
        mean_power(0.1, 0.0, 10)
    with pytest.raises(ValueError, match="between alpha"):
        required_n(0.1, 1.0, power=0.03)


def test_connors_sample_size_as_published_calculators_give_it() -> None:
    """p01 = 0.45, p10 = 0.05: 23 pairs at 80% two-sided and at 90% one-sided (powerandsamplesize.com)."""
    assert mcnemar_required_n(0.05, 0.45) == 23
    assert mcnemar_required_n(0.45, 0.05, power=0.9, two_sided=False) == 23
    assert connor_power(0.05, 0.45, 23) >= 0.8 > connor_power(0.05, 0.45, 22)
    assert mcnemar_required_n(0.1, 0.1) is None


@pytest.mark.parametrize("two_sided", [True, False])
def test_exact_power_is_the_sum_over_all_tables(two_sided: bool) -> None:  # noqa: FBT001
    """Every table of 40 samples with 20% lost and 8% gained, weighted by its multinomial probability."""
    n, lost, gained = 40, 0.20, 0.08
    expected = 0.0
    for b in range(n + 1):
        for c in range(n + 1 - b):
            test = mcnemar(b, c)
            if (test.p_value if two_sided else test.p_less) <= 0.05 and b + c:
                expected += stats.multinomial.pmf([b, c, n - b - c], n, [lost, gained, 1 - lost - gained])
    assert mcnemar_power(lost, gained, n, two_sided=two_sided) == pytest.approx(expected, rel=1e-9)


def test_exact_power_approaches_connors() -> None:
    assert mcnemar_power(0.10, 0.12, 8000) == pytest.approx(connor_power(0.10, 0.12, 8000), abs=0.003)
    assert mcnemar_power(0.0, 0.0, 100) == 0.0
    assert mcnemar_power(0.0, 1.0, 10) == 1.0


def test_detectable_difference_of_proportions() -> None:
    found = mcnemar_detectable(0.2, 500)
    assert connor_power((0.2 - found) / 2, (0.2 + found) / 2, 500) == pytest.approx(0.8, abs=1e-4)
    assert mcnemar_detectable(0.01, 100) > 0.01  # needs more discordance than there is
    assert mcnemar_detectable(0.2, 2) == math.inf
    with pytest.raises(ValueError, match="a share"):
        mcnemar_detectable(1.5, 100)
    with pytest.raises(ValueError, match="sum to at most 1"):
        mcnemar_power(0.7, 0.7, 10)
