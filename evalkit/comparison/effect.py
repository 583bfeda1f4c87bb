"""One metric on paired samples -> its difference, interval and p-values, by the test that fits its kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalkit.comparison.base import Effect
from evalkit.metrics.base import MeanMetric
from evalkit.statistics.cluster import clustered_mean
from evalkit.statistics.paired import paired_bootstrap
from evalkit.statistics.proportions import mcnemar, tango_interval, tango_lower, tango_upper
from evalkit.statistics.randomisation import approximate_randomisation, sign_flip
from evalkit.statistics.studentised import studentised

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evalkit.metrics.base import FloatArray, Metric


@dataclass(frozen=True, slots=True)
class Level:
    """How surely: `alpha` one-sided for verdicts, two-sided intervals at 1 - alpha, resamples and seed."""

    alpha: float = 0.05
    resamples: int = 10_000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Pairs:
    """(n, k) statistics of both sides, row i of both for the same sample; `groups` (n,) numbers or None."""

    baseline: FloatArray
    candidate: FloatArray
    groups: NDArray[np.intp] | None
    single_trial: bool


def effects(metric: Metric, pairs: Pairs, level: Level) -> list[Effect]:
    """Return the effect of each of the metric's names, in order."""
    n = len(pairs.baseline)
    ones = np.ones((1, n))
    values = [metric.aggregate(side, ones)[0] for side in (pairs.baseline, pairs.candidate)]
    if isinstance(metric, MeanMetric):
        return [
            _of_mean(metric, pairs, level, place, (float(values[0][place]), float(values[1][place])))
            for place in range(len(metric.names))
        ]
    return _of_corpus(metric, pairs, level, values)


def _of_mean(
    metric: MeanMetric, pairs: Pairs, level: Level, place: int, values: tuple[float, float]
) -> Effect:
    before, after = pairs.baseline[:, place], pairs.candidate[:, place]
    scores = np.concatenate([before, after])
    binary = (
        pairs.single_trial
        and pairs.groups is None
        and metric.unit is None
        and bool(np.isin(scores, (0.0, metric.maximum)).all())
    )
    if binary:
        return _of_binary(before > 0, after > 0, level, metric, values)
    differences = after - before
    flips = sign_flip(differences, resamples=level.resamples, seed=level.seed, groups=pairs.groups)
    limit = metric.maximum if metric.unit is None else None
    spread = studentised(
        differences, resamples=level.resamples, seed=level.seed, groups=pairs.groups, limit=limit
    )
    low, high = spread.interval(1 - level.alpha)
    less, greater = float(flips.p_less[0]), float(flips.p_greater[0])
    better = metric.higher_is_better
    return Effect(
        *values,
        difference=float(flips.difference[0]),
        low=low,
        high=high,
        p_value=float(flips.p_value[0]),
        p_exact=None,
        # The flip test takes the differences to be exchangeable; under skewness only the bootstrap-t keeps
        # its level, so a loss must show in both.
        p_worse=max(less, spread.p_less()) if better else max(greater, spread.p_greater()),
        p_better=max(greater, spread.p_greater()) if better else max(less, spread.p_less()),
        bound=spread.lower(1 - level.alpha) if better else spread.upper(1 - level.alpha),
        se=spread.se,
        n=spread.n,
        units=spread.units,
        test="sign-flip exact" if flips.exact else f"sign-flip {flips.assignments}",
        interval=spread.method,
    )


def _of_binary(
    before: NDArray[np.bool_],
    after: NDArray[np.bool_],
    level: Level,
    metric: Metric,
    values: tuple[float, float],
) -> Effect:
    n = len(before)
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    test = mcnemar(lost, gained)
    interval = tango_interval(lost, gained, n, 1 - level.alpha)
    better, scale = metric.higher_is_better, metric.maximum
    bound = tango_lower if better else tango_upper
    return Effect(
        *values,
        difference=scale * interval.difference,
        low=scale * interval.low,
        high=scale * interval.high,
        p_value=test.p_value,
        p_exact=test.p_exact,
        p_worse=test.p_less if better else test.p_greater,
        p_better=test.p_greater if better else test.p_less,
        bound=scale * bound(lost, gained, n, 1 - level.alpha),
        se=scale * clustered_mean(after.astype(float) - before).se if n > 1 else float("nan"),
        n=n,
        units=n,
        test="McNemar mid-p",
        interval="Tango score",
    )


def _of_corpus(metric: Metric, pairs: Pairs, level: Level, values: Sequence[FloatArray]) -> list[Effect]:
    drawn = {"resamples": level.resamples, "seed": level.seed}
    swapped = approximate_randomisation(
        metric.aggregate, pairs.baseline, pairs.candidate, groups=pairs.groups, **drawn
    )
    booted = paired_bootstrap(metric.aggregate, pairs.baseline, pairs.candidate, groups=pairs.groups, **drawn)
    two_sided = booted.percentile(1 - level.alpha)
    one_sided = booted.percentile(1 - 2 * level.alpha)
    se = booted.se
    less, greater = swapped.p_less, swapped.p_greater
    better = metric.higher_is_better
    return [
        Effect(
            baseline=float(values[0][place]),
            candidate=float(values[1][place]),
            difference=float(booted.difference[place]),
            low=float(two_sided.low[place]),
            high=float(two_sided.high[place]),
            p_value=float(swapped.p_value[place]),
            p_exact=None,
            p_worse=float(less[place] if better else greater[place]),
            p_better=float(greater[place] if better else less[place]),
            bound=float(one_sided.low[place] if better else one_sided.high[place]),
            se=float(se[place]),
            n=booted.n,
            units=booted.units,
            test="randomisation exact" if swapped.exact else f"randomisation {swapped.assignments}",
            interval="paired bootstrap",
        )
        for place in range(len(metric.names))
    ]
