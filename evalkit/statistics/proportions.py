"""Two systems, right or wrong on the same samples: McNemar's test and the score interval of the difference.

Samples must be independent; for several samples per document use the grouped tests of `randomisation` and
`studentised`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from evalkit.statistics.distributions import binomial_pmf, normal_cdf, normal_quantile

_STEPS = 100  # bisections of an interval of width 2: beyond a float's precision


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's test of `lost` (only the baseline right) against `gained` (only the candidate right).

    `p_value` is the two-sided mid-p and `p_exact` the exact conditional value, which is shown beside it.
    `p_less` and `p_greater` are one-sided mid-p values: small when the candidate is worse, or better;
    `p_less_exact` and `p_greater_exact` the exact ones. All lie in [0, 1], and are 1 with no discordant pair.
    """

    lost: int
    gained: int
    p_value: float
    p_exact: float
    p_less: float
    p_greater: float
    p_less_exact: float
    p_greater_exact: float


@dataclass(frozen=True, slots=True)
class ScoreInterval:
    """An interval in [-1, 1] of the difference candidate minus baseline of two paired proportions."""

    difference: float
    low: float
    high: float
    confidence: float


def mcnemar(lost: int, gained: int) -> McNemar:
    """Test two paired proportions by their discordant pairs (Fagerland, Lydersen & Laake 2013).

    Given their number, the lost pairs are binomial with probability 1/2. The exact test doubles the smaller
    tail; mid-p counts the observed table half, keeps its level in practice and has more power.
    ValueError when a count is negative.
    """
    _check(lost, gained, lost + gained)
    total = lost + gained
    if total == 0:
        return McNemar(0, 0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    pmf = binomial_pmf(total, 0.5)
    here = float(pmf[lost])
    less = min(1.0, float(pmf[lost:].sum()))  # as many losses or more
    greater = min(1.0, float(pmf[: lost + 1].sum()))
    exact = min(1.0, 2.0 * min(less, greater))
    # With as many lost as gained both tails hold the observed table (equation 6 of the paper).
    middle = 1.0 - 0.5 * here if lost == gained else 2.0 * min(less, greater) - here
    return McNemar(
        lost,
        gained,
        p_value=middle,
        p_exact=exact,
        p_less=less - 0.5 * here,
        p_greater=greater - 0.5 * here,
        p_less_exact=less,
        p_greater_exact=greater,
    )


def tango_interval(lost: int, gained: int, n: int, confidence: float = 0.95) -> ScoreInterval:
    """Return the score interval of (gained - lost) / n (Tango 1998): never empty, open at 0 discordant pairs.

    `n` counts all pairs. ValueError for counts that are negative or exceed n, or confidence outside (0, 1).
    """
    level = 0.5 + confidence / 2.0
    low, high = tango_lower(lost, gained, n, level), tango_upper(lost, gained, n, level)
    return ScoreInterval((gained - lost) / n, low, high, confidence)


def tango_lower(lost: int, gained: int, n: int, confidence: float = 0.95) -> float:
    """Return the one-sided lower bound: all differences below it are rejected at 1 - confidence."""
    return -tango_upper(gained, lost, n, confidence)


def tango_upper(lost: int, gained: int, n: int, confidence: float = 0.95) -> float:
    """Return the one-sided upper bound of the difference, in [-1, 1]."""
    _check(lost, gained, n)
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    target = -normal_quantile(confidence)
    low, high = (gained - lost) / n, 1.0
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        if _score(lost, gained, n, middle) > target:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def tango_p_value(
    lost: int, gained: int, n: int, null: float, alternative: Literal["less", "greater"]
) -> float:
    """Return the one-sided p-value in [0, 1] of the score test that the difference is `null` (Tango 1998).

    "greater" with null = -margin is the test of non-inferiority; at null = 0 this is McNemar's asymptotic
    test, and 1 when no pair is discordant. ValueError unless null lies between -1 and 1.
    """
    _check(lost, gained, n)
    if not -1.0 < null < 1.0:
        raise ValueError(f"null must lie between -1 and 1, not {null}")
    if null == 0.0 and lost + gained == 0:
        return 1.0
    z = _score(lost, gained, n, null)
    return normal_cdf(z if alternative == "less" else -z)


def _score(lost: int, gained: int, n: int, null: float) -> float:
    """Tango's statistic: (estimate - null) over its standard error at the restricted maximum likelihood."""
    a = 2.0 * n
    b = -gained - lost + (2.0 * n - gained + lost) * null
    c = -lost * null * (1.0 - null)
    share = (math.sqrt(max(0.0, b * b - 4.0 * a * c)) - b) / (2.0 * a)
    variance = n * (2.0 * share + null * (1.0 - null))
    distance = gained - lost - n * null
    if variance <= 1e-12 * n or abs(distance) < 1e-12 * n:  # rounding noise
        return 0.0 if abs(distance) < 1e-12 * n else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def _check(lost: int, gained: int, n: int) -> None:
    if lost < 0 or gained < 0 or lost + gained > n:
        raise ValueError(f"lost={lost} and gained={gained} must be 0 or more, and together at most n={n}")
