"""Figures come from the papers named in each test, from R's PropCIs as others recorded it, or from scipy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalkit.statistics.proportions import (
    mcnemar,
    tango_interval,
    tango_lower,
    tango_p_value,
    tango_upper,
)

COUNTS = st.integers(0, 60)


def test_airway_example_of_fagerland_2013() -> None:
    """Table 1 (Bentur et al. 2009): 1 and 7 discordant of 21; exact 0.0703, mid-p 0.0391."""
    found = mcnemar(1, 7)
    assert found.p_exact == pytest.approx(0.0703125, rel=1e-12)
    assert found.p_value == pytest.approx(0.0390625, rel=1e-12)


def test_consolidation_example_of_fagerland_2013() -> None:
    """Cavo et al. (2012): 6 and 16 discordant of 161; exact 0.0525, mid-p 0.0347."""
    found = mcnemar(16, 6)
    assert found.p_exact == pytest.approx(0.0525, abs=5e-5)
    assert found.p_value == pytest.approx(0.0347, abs=5e-5)
    assert found.p_less == pytest.approx(found.p_value / 2, rel=1e-12)


def test_as_many_lost_as_gained_follows_the_papers_rule() -> None:
    """Fagerland et al., supplement: for equal counts mid-p = 1 - pmf / 2; 10 and 10 give 0.9119."""
    found = mcnemar(10, 10)
    assert found.p_value == pytest.approx(1 - stats.binom.pmf(10, 20, 0.5) / 2, rel=1e-12)
    assert found.p_exact == 1.0


def test_no_discordant_pair_is_no_evidence() -> None:
    found = mcnemar(0, 0)
    assert {found.p_value, found.p_exact, found.p_less, found.p_greater, found.p_less_exact} == {1.0}
    assert tango_p_value(0, 0, 100, 0.0, "less") == 1.0


@given(COUNTS, COUNTS)
def test_exact_values_are_scipys_binomial_test(lost: int, gained: int) -> None:
    found = mcnemar(lost, gained)
    if lost + gained:
        for side, p in (
            ("two-sided", found.p_exact),
            ("greater", found.p_less_exact),
            ("less", found.p_greater_exact),
        ):
            assert p == pytest.approx(stats.binomtest(lost, lost + gained, 0.5, side).pvalue, rel=1e-9)


@given(COUNTS, COUNTS)
def test_swapping_the_systems_mirrors_everything(lost: int, gained: int) -> None:
    one, other = mcnemar(lost, gained), mcnemar(gained, lost)
    assert one.p_value == pytest.approx(other.p_value)
    assert one.p_less == pytest.approx(other.p_greater)
    here, there = tango_interval(lost, gained, 130), tango_interval(gained, lost, 130)
    assert (here.low, here.high) == pytest.approx((-there.high, -there.low))


def test_counts_must_be_counts() -> None:
    with pytest.raises(ValueError, match="lost=-1"):
        mcnemar(-1, 2)
    with pytest.raises(ValueError, match="at most n=5"):
        tango_interval(3, 3, 5)
    with pytest.raises(ValueError, match="confidence must lie"):
        tango_upper(1, 1, 5, 1.0)
    with pytest.raises(ValueError, match="null must lie"):
        tango_p_value(1, 1, 5, -1.0, "less")


@pytest.mark.parametrize(
    ("lost", "gained", "n", "confidence", "low", "high"),
    [
        # Fagerland, Lydersen & Laake (2014), table V: the airway data.
        (7, 1, 21, 0.95, -0.517, -0.026),
        # R, PropCIs::scoreci.mp(25, 28, 618, 0.9), its second count minus its first: [-0.0148, 0.0247].
        (25, 28, 618, 0.90, -0.0148, 0.0247),
    ],
)
def test_published_score_intervals(
    lost: int, gained: int, n: int, confidence: float, low: float, high: float
) -> None:
    found = tango_interval(lost, gained, n, confidence)
    digits = 5e-4 if n == 21 else 5e-5
    assert (found.low, found.high) == pytest.approx((low, high), abs=digits)


def test_score_interval_without_discordant_pairs_has_a_closed_form() -> None:
    """Tango (1998): for b = c = 0 the limits are ±z² / (n + z²)."""
    z2 = stats.norm.ppf(0.975) ** 2
    found = tango_interval(0, 0, 44)
    assert (found.low, found.high) == pytest.approx((-z2 / (44 + z2), z2 / (44 + z2)), abs=1e-9)


def test_all_discordant_one_way_reaches_the_end_of_the_scale() -> None:
    """Then the score interval is Wilson's for 14 of 14, stretched to [-1, 1]: 2 * 0.7847 - 1."""
    found = tango_interval(0, 14, 14)
    assert found.high == pytest.approx(1.0)
    wilson = stats.binomtest(14, 14).proportion_ci(method="wilson").low
    assert found.low == pytest.approx(2 * wilson - 1, abs=1e-9)


@given(COUNTS, COUNTS, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_bounds_are_where_the_one_sided_test_turns(lost: int, gained: int, confidence: float) -> None:
    n = 150
    low, high = tango_lower(lost, gained, n, confidence), tango_upper(lost, gained, n, confidence)
    assert low <= (gained - lost) / n <= high
    assert tango_p_value(lost, gained, n, low, "greater") == pytest.approx(1 - confidence, abs=1e-6)
    assert tango_p_value(lost, gained, n, high, "less") == pytest.approx(1 - confidence, abs=1e-6)


def test_score_test_of_no_difference_is_the_asymptotic_mcnemar_test() -> None:
    """z = (6 - 16) / sqrt(22) = -2.132, one-sided p = 0.0165."""
    assert tango_p_value(16, 6, 161, 0.0, "less") == pytest.approx(stats.norm.cdf(-10 / 22**0.5), rel=1e-9)
