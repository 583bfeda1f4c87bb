"""Planning a paired comparison of means: power, detectable effect, samples and trials needed.

The plan needs one number, the standard deviation of the per-sample differences: from a pilot run, from
`variance_components` with its trials, or for a corpus metric from the bootstrap (`sd_from_se`). Card et al.
(2020) show how often published comparisons lack the power to find what they look for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalkit.statistics.distributions import noncentral_t_tail, normal_quantile, t_quantile

if TYPE_CHECKING:
    from evalkit.statistics.base import FloatArray

MOST = 10**9  # samples or trials: a plan that needs more is no plan


@dataclass(frozen=True, slots=True)
class PlannedTest:
    """A test that is planned: its level, its sides, and the difference under its null hypothesis.

    `null` is in the metric's unit: 0 for "is there a difference", -margin for "is the loss smaller than the
    margin" (non-inferiority, one-sided). ValueError unless 0 < alpha < 1 (below 1/2 when one-sided).
    """

    alpha: float = 0.05
    two_sided: bool = True
    null: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < (1.0 if self.two_sided else 0.5):
            raise ValueError(f"alpha={self.alpha} is no level of a test; 0.05 is usual")

    @property
    def tail(self) -> float:
        """The share of alpha that lies in the tail of interest."""
        return self.alpha / 2.0 if self.two_sided else self.alpha


@dataclass(frozen=True, slots=True)
class VarianceComponents:
    """Where the variance of a difference comes from (Miller 2024), in squared units.

    `between` is the variance over samples of the true difference; `baseline` and `candidate` are the
    variances of one trial around its sample's mean.
    """

    between: float
    baseline: float
    candidate: float

    def sd(self, trials: int, candidate_trials: int | None = None) -> float:
        """Return the standard deviation of a difference when each sample is asked `trials` times per side."""
        other = trials if candidate_trials is None else candidate_trials
        return math.sqrt(self.between + self.baseline / trials + self.candidate / other)


def mean_power(
    effect: float, sd: float, n: int, test: PlannedTest | None = None, *, design_effect: float = 1.0
) -> float:
    """Return the chance in [0, 1] that the paired t test finds a true mean difference of `effect`.

    Exact for normal differences by the noncentral t (Cohen 1988), and close for the sign-flip and bootstrap-t
    tests at n above about 50. One-sided tests look in the direction of `effect` from `test.null`. `sd` > 0 is
    that of the differences, `design_effect` that of groups (`cluster.clustered_mean`), by which n is
    divided.
    """
    test = test or PlannedTest()
    size = n / design_effect
    if size < 2.0:  # noqa: PLR2004 - no standard error
        return test.tail if effect == test.null else 0.0
    shift = abs(effect - test.null) * math.sqrt(size) / _positive(sd)
    df = size - 1.0
    bound = t_quantile(1.0 - test.tail, df)
    power = noncentral_t_tail(bound, df, shift)
    return power + noncentral_t_tail(bound, df, -shift) if test.two_sided else power


def detectable_effect(
    sd: float, n: int, test: PlannedTest | None = None, *, power: float = 0.8, design_effect: float = 1.0
) -> float:
    """Return the smallest distance from `test.null` that is found with `power`; inf when n is too small.

    In the metric's unit, 0 or more, to 6 digits.
    """
    test = test or PlannedTest()
    _check_power(power, test)
    if n / design_effect < 2.0:  # noqa: PLR2004
        return math.inf
    low, high = 0.0, _positive(sd)
    while mean_power(test.null + high, sd, n, test, design_effect=design_effect) < power:
        low, high = high, 2.0 * high
    while high - low > 1e-7 * high:
        middle = 0.5 * (low + high)
        found = mean_power(test.null + middle, sd, n, test, design_effect=design_effect) >= power
        low, high = (low, middle) if found else (middle, high)
    return high


def required_n(
    effect: float,
    sd: float,
    test: PlannedTest | None = None,
    *,
    power: float = 0.8,
    design_effect: float = 1.0,
) -> int | None:
    """Return the fewest samples with which a true difference of `effect` is found with `power`.

    None when no number of samples does: the effect equals the null, or more than 10^9 are needed.
    """
    test = test or PlannedTest()
    _check_power(power, test)
    if effect == test.null:
        return None
    low, high = 1, 2
    while mean_power(effect, sd, high, test, design_effect=design_effect) < power:
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        found = mean_power(effect, sd, middle, test, design_effect=design_effect) >= power
        low, high = (low, middle) if found else (middle, high)
    return high


def required_trials(
    effect: float,
    components: VarianceComponents,
    n: int,
    test: PlannedTest | None = None,
    *,
    power: float = 0.8,
) -> int | None:
    """Return the fewest trials per sample and side that find `effect` with n samples (Miller 2024).

    None when even endless trials leave too much variance between the samples: then only more samples help.
    """
    test = test or PlannedTest()
    _check_power(power, test)
    if n < 2 or effect == test.null:  # noqa: PLR2004
        return None

    def found(trials: int) -> bool:
        sd = components.sd(trials)
        return sd == 0.0 or mean_power(effect, sd, n, test) >= power

    if not found(MOST):
        return None
    low, high = 0, 1
    while not found(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


def variance_components(baseline: FloatArray, candidate: FloatArray) -> VarianceComponents:
    """Estimate the components from (n, t) per-trial values of both sides, which may differ in t.

    Unbiased but for the floor of 0 on `between`. ValueError unless n >= 2 and each side has t >= 2 trials:
    one trial cannot tell a hard sample from an unlucky answer.
    """
    if len(baseline) != len(candidate) or len(baseline) < 2:  # noqa: PLR2004
        raise ValueError("variance components need the trials of the same two samples or more on both sides")
    if min(baseline.shape[1], candidate.shape[1]) < 2:  # noqa: PLR2004
        raise ValueError("variance components need two trials or more on each side; run with trials=2")
    first, second = (float(side.var(axis=1, ddof=1).mean()) for side in (baseline, candidate))
    total = float((candidate.mean(axis=1) - baseline.mean(axis=1)).var(ddof=1))
    noise = first / baseline.shape[1] + second / candidate.shape[1]
    return VarianceComponents(max(0.0, total - noise), first, second)


def sd_from_se(se: float, n: int) -> float:
    """Return the standard deviation of one sample's share in a corpus difference from its bootstrap error.

    The error falls with the square root of n for every smooth function of means, so the functions above then
    plan corpus metrics too (Card et al. 2020).
    """
    return se * math.sqrt(n)


def quick_n(effect: float, sd: float, test: PlannedTest | None = None, *, power: float = 0.8) -> float:
    """Return ((z_alpha + z_power) * sd / effect)²: the sample-size formula of Miller (2024).

    Unrounded, to check plans by hand; `required_n` adds what Student's t costs (about z² / 2 samples).
    """
    test = test or PlannedTest()
    z = normal_quantile(1.0 - test.tail) + normal_quantile(power)
    return (z * sd / (effect - test.null)) ** 2


def _positive(sd: float) -> float:
    if not sd > 0.0 or not np.isfinite(sd):
        raise ValueError(f"sd={sd} must be a positive number: the standard deviation of the differences")
    return sd


def _check_power(power: float, test: PlannedTest) -> None:
    if not test.alpha < power < 1.0:
        raise ValueError(f"power={power} must lie between alpha={test.alpha} and 1; 0.8 is usual")
