"""Figures come from scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from evalkit.statistics.distributions import (
    binomial_pmf,
    incomplete_beta,
    noncentral_t_tail,
    normal_cdf,
    normal_quantile,
    t_cdf,
    t_quantile,
)

DEGREES = (0.5, 1.0, 2.0, 5.5, 30.0, 1000.0, 1e6, 1e9)


@pytest.mark.parametrize("df", DEGREES)
def test_t_agrees_with_scipy_in_both_tails(df: float) -> None:
    for x in (-40.0, -2.5, -0.3, 0.0, 0.3, 2.5, 40.0):
        assert t_cdf(x, df) == pytest.approx(stats.t.cdf(x, df), rel=1e-6, abs=1e-15)
    for p in (0.001, 0.025, 0.3, 0.5, 0.9, 0.975, 0.999):
        assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("df", [1.0, 2.0, 5.5, 30.0, 1000.0])
def test_noncentral_t_agrees_with_scipy(df: float) -> None:
    for x in (0.1, 1.6, 2.0, 12.7):
        for shift in (-1.0, 0.001, 0.5, 3.0, 6.0):
            assert noncentral_t_tail(x, df, shift) == pytest.approx(stats.nct.sf(x, df, shift), abs=1e-8)


def test_noncentral_t_of_very_many_degrees_is_normal() -> None:
    assert noncentral_t_tail(2.0, 1e12, 3.0) == pytest.approx(stats.norm.sf(2.0 - 3.0), rel=1e-12)


def test_incomplete_beta_agrees_with_scipy() -> None:
    for a, b in ((0.5, 0.5), (2.0, 7.5), (500.0, 0.5), (300.0, 400.0)):
        for x in (0.0, 1e-6, 0.2, 0.5, 0.999, 1.0):
            assert incomplete_beta(a, b, x) == pytest.approx(special.betainc(a, b, x), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("n", [0, 1, 7, 5000])
@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 1.0])
def test_binomial_agrees_with_scipy(n: int, p: float) -> None:
    expected = stats.binom.pmf(np.arange(n + 1), n, p)
    assert binomial_pmf(n, p) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_binomial_refuses_what_is_no_probability() -> None:
    with pytest.raises(ValueError, match=r"p in \[0, 1\]"):
        binomial_pmf(3, 1.2)


def test_normal_is_exact_far_out_and_open_at_the_ends() -> None:
    assert normal_cdf(-30.0) == pytest.approx(stats.norm.cdf(-30.0), rel=1e-12)
    assert (normal_quantile(0.0), normal_quantile(1.0)) == (-math.inf, math.inf)
    assert (t_quantile(0.0, 3.0), t_quantile(1.0, 3.0)) == (-math.inf, math.inf)
