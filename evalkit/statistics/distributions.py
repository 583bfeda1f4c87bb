"""The few distribution functions that tests and plans need, so that scipy (143 MB) is not a requirement."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from evalkit.statistics.base import FloatArray

_STANDARD = NormalDist()
_NODES = 96  # of the Gauss-Legendre rule; the integrand is smooth
_SPREAD = 10.0  # standard deviations that the rule covers: beyond lies less than 1e-20
_LARGE = 1e8  # degrees of freedom from which t is normal to 9 digits


def normal_cdf(x: float) -> float:
    """Return P(Z <= x), exact in both tails (erfc)."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def normal_quantile(p: float) -> float:
    """Return z with P(Z <= z) = p; -inf at 0 and inf at 1; ValueError outside [0, 1]."""
    if p in (0.0, 1.0):
        return math.inf if p else -math.inf
    return _STANDARD.inv_cdf(p)


def t_cdf(x: float, df: float) -> float:
    """Return P(T <= x) for Student's t with `df` > 0 degrees of freedom (DLMF 8.17 and 26.5.27 of A&S)."""
    if math.isinf(x) or df > _LARGE:
        return normal_cdf(x)
    tail = 0.5 * incomplete_beta(df / 2.0, 0.5, df / (df + x * x))
    return tail if x < 0 else 1.0 - tail


def t_quantile(p: float, df: float) -> float:
    """Return t with P(T <= t) = p by bisection; -inf at 0 and inf at 1."""
    if p in (0.0, 1.0):
        return math.inf if p else -math.inf
    if p == 0.5:  # noqa: PLR2004 - the median
        return 0.0
    if p < 0.5:  # noqa: PLR2004
        return -t_quantile(1.0 - p, df)
    low, high = 0.0, 2.0
    while t_cdf(high, df) < p:
        low, high = high, 2.0 * high
    while high - low > 1e-12 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if t_cdf(middle, df) < p else (low, middle)
    return 0.5 * (low + high)


def noncentral_t_tail(x: float, df: float, noncentrality: float) -> float:
    """Return P(T > x) of the noncentral t: the mean of Phi(noncentrality - x * S), S = sqrt(chi2(df) / df).

    Gauss-Legendre over the density of S; agrees with scipy.stats.nct to 1e-8 for df >= 1.
    """
    if df > _LARGE:
        return normal_cdf(noncentrality - x)
    spread = _SPREAD / math.sqrt(2.0 * df)
    low, high = max(0.0, 1.0 - spread), 1.0 + spread
    nodes, weights = _rule()
    s = 0.5 * (high - low) * nodes + 0.5 * (high + low)
    scale = math.log(2.0) + 0.5 * df * math.log(0.5 * df) - math.lgamma(0.5 * df)
    density = np.exp(scale + (df - 1.0) * np.log(s) - 0.5 * df * s * s)
    inner = np.array([normal_cdf(noncentrality - x * one) for one in s])
    return float(min(1.0, max(0.0, 0.5 * (high - low) * np.sum(weights * density * inner))))


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b) in [0, 1] for a, b > 0 and x in [0, 1].

    The continued fraction of DLMF 8.17.22 by the modified Lentz method; 14 digits for a, b below 1e6.
    """
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1.0) / (a + b + 2.0):  # where the fraction converges slowly the other tail converges fast
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    logs = a * math.log(x) + b * math.log1p(-x)
    front = math.exp(logs + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)) / a
    return front * _beta_fraction(a, b, x)


def binomial_pmf(n: int, p: float) -> FloatArray:
    """Return the (n + 1,) probabilities of 0…n successes; ValueError unless n >= 0 and 0 <= p <= 1."""
    if n < 0 or not 0.0 <= p <= 1.0:
        raise ValueError(f"a binomial needs n >= 0 and p in [0, 1], not n={n}, p={p}")
    k = np.arange(n + 1)
    if p in (0.0, 1.0):
        return np.asarray(k == (n if p else 0), dtype=np.float64)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1, dtype=np.float64)))])
    logs = factorials[n] - factorials - factorials[::-1] + k * math.log(p) + (n - k) * math.log1p(-p)
    return np.asarray(np.exp(logs), dtype=np.float64)


@lru_cache(maxsize=1)
def _rule() -> tuple[FloatArray, FloatArray]:
    return np.polynomial.legendre.leggauss(_NODES)


def _beta_fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for numerator in (even, odd):
            d = 1.0 + numerator * d
            c = 1.0 + numerator / c
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = c if abs(c) > tiny else tiny
            value *= c * d
        if abs(c * d - 1.0) < 1e-15:  # noqa: PLR2004 - the last digit of a float
            break
    return value
