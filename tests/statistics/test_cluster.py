"""Figures come from statsmodels 0.15.0 and from hand-worked tables."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.statistics.base import check_groups
from evalkit.statistics.cluster import clustered_mean, intraclass_correlation, number_groups, robust_se

VALUES = np.array([0.1, 0.4, 0.3, -0.2, 0.0, 0.5, 0.2, 0.2, -0.1, 0.3])
GROUPS = np.array([0, 0, 0, 1, 1, 2, 2, 3, 3, 3])


def test_standard_errors_are_those_of_statsmodels() -> None:
    """sm.OLS(y, np.ones(10)).fit(cov_type="cluster", cov_kwds={"groups": g}): mean 0.17, bse 0.08305821.

    Without groups: bse 0.07.
    """
    found = clustered_mean(VALUES, GROUPS)
    assert found.mean == pytest.approx(0.17)
    assert found.se == pytest.approx(0.08305821, rel=1e-6)
    assert found.naive_se == pytest.approx(0.07, rel=1e-6)
    assert found.design_effect == pytest.approx((0.08305821 / 0.07) ** 2, rel=1e-6)
    assert (found.n, found.units) == (10, 4)


def test_groups_of_one_give_the_textbook_error() -> None:
    found = clustered_mean(VALUES, np.arange(10))
    assert found.se == pytest.approx(VALUES.std(ddof=1) / math.sqrt(10))
    assert found.design_effect == pytest.approx(1.0)
    assert math.isnan(found.icc)


def test_icc_of_a_hand_worked_table() -> None:
    """Groups (1, 3), (5, 7), (9, 11): mean squares 64 / 2 and 6 / 3, so (32 - 2) / (32 + 2)."""
    values = np.array([1.0, 3.0, 5.0, 7.0, 9.0, 11.0])
    assert intraclass_correlation(values, np.array([0, 0, 1, 1, 2, 2])) == pytest.approx(30 / 34)


def test_icc_and_design_effect_of_simulated_documents() -> None:
    """ICC 0.4 and 5 questions a document: Kish's design effect is 1 + 4 * 0.4 = 2.6."""
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(2000), 5)
    values = rng.normal(size=2000)[groups] * math.sqrt(0.4) + rng.normal(size=10_000) * math.sqrt(0.6)
    found = clustered_mean(values, groups)
    assert found.icc == pytest.approx(0.4, abs=0.04)
    assert found.design_effect == pytest.approx(2.6, abs=0.2)


def test_what_cannot_be_known_is_nan() -> None:
    assert math.isnan(robust_se(np.array([3.0]), np.array([2.0])))
    assert math.isnan(clustered_mean(np.array([1.0])).se)
    assert math.isnan(clustered_mean(np.ones(4)).design_effect)
    assert math.isnan(intraclass_correlation(np.ones(4), np.array([0, 0, 1, 1])))
    with pytest.raises(ValueError, match="no values"):
        clustered_mean(np.empty(0))


def test_labels_are_numbered_by_appearance_and_none_stands_alone() -> None:
    numbers = number_groups(["b", None, "a", "b", None, 1])
    assert numbers is not None
    assert numbers.tolist() == [0, 1, 2, 0, 3, 4]
    assert number_groups([None, None]) is None


def test_a_label_that_looks_like_a_place_does_not_join_an_unlabelled_sample() -> None:
    numbers = number_groups([1, None, 1])
    assert numbers is not None
    assert numbers.tolist() == [0, 1, 0]


def test_group_numbers_must_match_and_have_no_gaps() -> None:
    with pytest.raises(ValueError, match=r"one number per sample, \(3,\)"):
        check_groups(np.array([0, 1]), 3)
    with pytest.raises(ValueError, match="without gaps"):
        check_groups(np.array([0, 2, 2]), 3)
