"""Figures come from statsmodels 0.15.0 on the published example of Benjamini & Hochberg (1995)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalkit.statistics.multiple import benjamini_hochberg, holm

# Section 4 of the paper: 15 comparisons of rt-PA and APSAC (Neuhaus et al. 1992).
PUBLISHED = np.array(
    [
        *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
        *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0),
    ]
)
P_VALUES = st.lists(st.floats(0, 1), max_size=30).map(np.array)


def test_holm_of_the_published_example() -> None:
    """multipletests(p, method="holm"); at 5% the three smallest are rejected, as for Bonferroni there."""
    expected = [0.0015, 0.0056, 0.0247, 0.114, 0.2211, 0.278, 0.278, 0.278, 0.3213] + [1.0] * 6
    assert holm(PUBLISHED) == pytest.approx(expected, rel=1e-9)


def test_benjamini_hochberg_of_the_published_example() -> None:
    """multipletests(p, method="fdr_bh"); the paper rejects four at 5%."""
    expected = [0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.0638571429, 0.0638571429, 0.0645, 0.0765]
    expected += [0.486, 0.5811818182, 0.714875, 0.7532307692, 0.8132142857, 1.0]
    found = benjamini_hochberg(PUBLISHED)
    assert found == pytest.approx(expected, rel=1e-9)
    assert np.count_nonzero(found <= 0.05) == 4


@given(P_VALUES)
def test_order_does_not_matter(p_values: np.ndarray) -> None:
    order = np.random.default_rng(len(p_values)).permutation(len(p_values))
    for adjust in (holm, benjamini_hochberg):
        assert adjust(p_values[order]).tolist() == adjust(p_values)[order].tolist()


@given(P_VALUES)
def test_adjusting_never_helps_and_bh_is_scipys(p_values: np.ndarray) -> None:
    assert np.all(holm(p_values) >= benjamini_hochberg(p_values) - 1e-12)
    assert np.all(benjamini_hochberg(p_values) >= p_values - 1e-12)
    if len(p_values):
        assert benjamini_hochberg(p_values) == pytest.approx(stats.false_discovery_control(p_values))


def test_a_test_that_was_not_made_is_not_counted() -> None:
    assert holm(np.array([0.02, np.nan, 0.03])) == pytest.approx([0.04, np.nan, 0.04], nan_ok=True)
    assert benjamini_hochberg(np.array([np.nan])) == pytest.approx([np.nan], nan_ok=True)


def test_what_is_no_p_value_is_refused() -> None:
    for adjust in (holm, benjamini_hochberg):
        with pytest.raises(ValueError, match=r"in \[0, 1\]"):
            adjust(np.array([0.5, 1.5]))
