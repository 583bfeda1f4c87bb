"""Planning McNemar's test: what matters is how many samples only one of the two systems gets right."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from evalkit.statistics.distributions import binomial_pmf, normal_cdf, normal_quantile

if TYPE_CHECKING:
    from evalkit.statistics.base import FloatArray

_SPREAD = 8.0  # standard deviations of the number of discordant pairs that are enumerated


def mcnemar_power(
    lost: float, gained: float, n: int, *, alpha: float = 0.05, two_sided: bool = True
) -> float:
    """Return the exact chance that the mid-p test rejects, by enumerating the discordant pairs.

    `lost` and `gained` are the shares in [0, 1] of samples that only the baseline, or only the candidate,
    gets right; one-sided tests look in the direction of the larger. The number of discordant pairs is
    binomial, and given it so are the lost ones (as in SAS PROC POWER, DIST=EXACT_COND). ValueError when the
    shares are negative or exceed 1 together.
    """
    discordance = _check(lost, gained)
    if discordance == 0.0 or n < 1:
        return 0.0
    outer = binomial_pmf(n, discordance)
    centre, reach = n * discordance, _SPREAD * math.sqrt(n * discordance * (1.0 - discordance)) + 1.0
    first, last = max(1, math.floor(centre - reach)), min(n, math.ceil(centre + reach))
    share = max(lost, gained) / discordance
    power = 0.0
    for pairs in range(first, last + 1):
        inner = binomial_pmf(pairs, share)
        least = _critical(pairs, alpha / 2.0 if two_sided else alpha)
        rejected = float(inner[least:].sum())
        if two_sided:
            rejected += float(inner[: pairs - least + 1].sum())
        power += float(outer[pairs]) * rejected
    return min(1.0, power)


def connor_power(lost: float, gained: float, n: int, *, alpha: float = 0.05, two_sided: bool = True) -> float:
    """Return the power of the asymptotic test by the formula of Connor (1987, Biometrics 43:207)."""
    discordance = _check(lost, gained)
    difference = abs(gained - lost)
    spread = discordance - difference**2
    z = normal_quantile(1.0 - (alpha / 2.0 if two_sided else alpha)) * math.sqrt(discordance)
    shift = difference * math.sqrt(n)
    if spread <= 0.0:  # every sample is discordant, one way
        return 1.0 if shift > z else 0.0
    power = normal_cdf((shift - z) / math.sqrt(spread))
    return power + normal_cdf((-shift - z) / math.sqrt(spread)) if two_sided else power


def mcnemar_required_n(
    lost: float, gained: float, *, alpha: float = 0.05, power: float = 0.8, two_sided: bool = True
) -> int | None:
    """Return the samples needed to find the difference with `power` (Connor 1987, equation 4).

    None when the shares are equal. ValueError as for `mcnemar_power`.
    """
    discordance = _check(lost, gained)
    difference = abs(gained - lost)
    if difference == 0.0:
        return None
    z_alpha = normal_quantile(1.0 - (alpha / 2.0 if two_sided else alpha))
    z_power = normal_quantile(power)
    root = z_alpha * math.sqrt(discordance) + z_power * math.sqrt(discordance - difference**2)
    return math.ceil((root / difference) ** 2 - 1e-9)


def mcnemar_detectable(
    discordance: float, n: int, *, alpha: float = 0.05, power: float = 0.8, two_sided: bool = True
) -> float:
    """Return the smallest difference of the proportions found with `power`; inf when none up to 1 is.

    `discordance` is the share of samples on which the systems differ. A difference larger than `discordance`
    needs more of it: then every discordant sample goes one way.
    """
    if not 0.0 <= discordance <= 1.0:
        raise ValueError(f"discordance={discordance} is a share of the samples, in [0, 1]")

    def found(difference: float) -> bool:
        whole = max(discordance, difference)
        lost, gained = (whole - difference) / 2.0, (whole + difference) / 2.0
        return connor_power(lost, gained, n, alpha=alpha, two_sided=two_sided) >= power

    if n < 1 or not found(1.0):
        return math.inf
    low, high = 0.0, 1.0
    while high - low > 1e-7:  # noqa: PLR2004 - finer than any n can resolve
        middle = 0.5 * (low + high)
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


@lru_cache(maxsize=16384)
def _critical(pairs: int, tail: float) -> int:
    """The least count of Binomial(pairs, 1/2) whose upper mid-p is at most `tail`; pairs + 1 if none."""
    pmf: FloatArray = binomial_pmf(pairs, 0.5)
    upper = np.cumsum(pmf[::-1])[::-1]
    return pairs + 1 - int(np.count_nonzero(upper - 0.5 * pmf <= tail * (1.0 + 1e-12)))


def _check(lost: float, gained: float) -> float:
    if lost < 0.0 or gained < 0.0 or lost + gained > 1.0 + 1e-12:
        raise ValueError(f"lost={lost} and gained={gained} must be shares that sum to at most 1")
    return min(1.0, lost + gained)
