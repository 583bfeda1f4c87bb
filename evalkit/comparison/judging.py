"""Effects of all cases -> verdicts: p-values corrected together, failed samples bounded, needs planned."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evalkit.comparison.base import Effect, Family, MetricComparison, Side, Verdict
from evalkit.comparison.pair import Match
from evalkit.comparison.policy import Policy, blocks, judge
from evalkit.statistics.multiple import holm
from evalkit.statistics.power import PlannedTest, detectable_effect, required_n

Counting = Callable[[str, int, int], Effect]
"""Tells a value's effect with so many failed samples at their worst (-1) or their best (+1)."""


@dataclass(frozen=True)
class Tested:
    """A case before its p-values are corrected together with those of the other cases."""

    baseline: Side
    candidate: Side
    found: Match
    effects: Mapping[str, tuple[Family, Effect]]
    bounded: Mapping[str, tuple[Effect, Effect]]
    problem: str | None = None
    notes: Sequence[str] = ()
    counted: Counting | None = None

    @property
    def trials(self) -> tuple[float, float]:
        """Answers to a sample on each side, on average over the samples that were compared."""
        before, after = (
            [
                max((len(rows) for rows in side.samples[name].rows.values()), default=0)
                for name in self.found.common
            ]
            for side in (self.baseline, self.candidate)
        )
        n = max(1, len(self.found.common))
        return sum(before) / n, sum(after) / n


def gated_names(family: Family, policy: Policy) -> tuple[str, ...]:
    """Return the names of a family that the policy gates."""
    if policy.metrics:
        return tuple(name for name in family.names if name in policy.metrics or family.name in policy.metrics)
    return family.headline


def judge_all(tested: Sequence[Tested], policy: Policy) -> list[dict[str, MetricComparison]]:
    """Correct the gated metrics of all cases together, then judge each."""
    places = [
        (place, name)
        for place, one in enumerate(tested)
        for name, (family, _) in one.effects.items()
        if name in gated_names(family, policy)
    ]
    adjusted = _adjusted([tested[place].effects[name][1] for place, name in places])
    corrected = dict(zip(places, adjusted, strict=True))
    # Failed samples are bounded by correcting the same way with every effect at its worst, then at its best.
    ends = [
        dict(
            zip(
                places,
                _adjusted(
                    [
                        tested[place].bounded[name][end]
                        if name in tested[place].bounded
                        else tested[place].effects[name][1]
                        for place, name in places
                    ]
                ),
                strict=True,
            )
        )
        for end in (0, 1)
    ]
    found: list[dict[str, MetricComparison]] = []
    for place, one in enumerate(tested):
        metrics = {}
        for name, (family, effect) in one.effects.items():
            gated = (place, name) in corrected
            pair = corrected.get((place, name), (effect.p_worse, effect.p_better))
            metrics[name] = replace(
                _metric(name, family, effect, policy, pair, gated=gated), trials=one.trials
            )
            if gated and name in one.bounded:
                both = [ends[end][place, name] for end in (0, 1)]
                metrics[name] = _bounded(metrics[name], one, both, policy)
        found.append(metrics)
    return found


def _adjusted(found: Sequence[Effect]) -> list[tuple[float, float]]:
    if not found:
        return []
    worse = holm(np.array([one.p_worse for one in found]))
    better = holm(np.array([one.p_better for one in found]))
    return list(zip(worse.tolist(), better.tolist(), strict=True))


def _metric(
    name: str, family: Family, effect: Effect, policy: Policy, adjusted: tuple[float, float], *, gated: bool
) -> MetricComparison:
    margin = policy.margin_of(name, family, effect)
    judged = judge(
        effect,
        policy,
        margin,
        maximum=family.maximum,
        unit=family.unit,
        better=family.higher_is_better,
        adjusted=adjusted,
    )
    detectable, needed = _planned(effect, policy, margin, family)
    return MetricComparison(
        metric=name,
        family=family.name,
        effect=effect,
        margin=margin,
        gated=gated,
        higher_is_better=family.higher_is_better,
        maximum=family.maximum,
        signature=family.signature,
        p_adjusted=adjusted[0] if gated else None,
        p_better_adjusted=adjusted[1] if gated else None,
        detectable=detectable,
        needed_n=needed if judged.verdict is Verdict.INCONCLUSIVE else None,
        verdict=judged.verdict,
        reason=judged.reason,
        unit=family.unit,
    )


def _planned(
    effect: Effect, policy: Policy, margin: float, family: Family
) -> tuple[float | None, int | None]:
    """Return the detectable loss at this n, and the n that would rule a loss beyond the margin out."""
    if not effect.se > 0 or effect.n < 2 or math.isnan(effect.se):  # noqa: PLR2004
        return None, None
    sd = effect.se * math.sqrt(effect.n)
    test = PlannedTest(alpha=policy.alpha, two_sided=False)
    detectable = detectable_effect(sd, effect.n, test, power=policy.power)
    gain = effect.difference if family.higher_is_better else -effect.difference
    # What stands between the difference as observed and the margin's edge is what must be told apart.
    distance = margin + gain
    if distance <= 0:
        distance = -gain
    return detectable, required_n(distance, sd, test, power=policy.power) if distance > 0 else None


def _bounded(
    metric: MetricComparison, tested: Tested, adjusted: Sequence[tuple[float, float]], policy: Policy
) -> MetricComparison:
    """Keep the verdict when it holds with failed samples at their worst and at their best; else INVALID."""
    ends = tested.bounded[metric.metric]
    verdicts = [_verdict(metric, end, policy, pair) for end, pair in zip(ends, adjusted, strict=True)]
    turned = [blocks(one, policy) != blocks(metric.verdict, policy) for one in verdicts]
    if not any(turned) or metric.effect is None or tested.counted is None:
        return metric
    favour = -1 if turned[0] else 1
    failed = len(tested.found.common) - metric.effect.n
    few = _fewest(metric, tested.counted, favour, failed, policy)
    reason = (
        f"{failed} samples have no answer on one side: counted at their worst the verdict is {verdicts[0]}, "
        f"at their best {verdicts[1]}; {few} of them would decide it: ask again for the failed samples"
    )
    return replace(metric, verdict=Verdict.INVALID, reason=reason)


def _fewest(metric: MetricComparison, counted: Counting, favour: int, failed: int, policy: Policy) -> int:
    """Return how many failed samples, counted so, are enough to turn the verdict (by bisection)."""
    low, high = 0, failed  # the verdict is as it is with none, and turned with all
    while high - low > 1:
        middle = (low + high) // 2
        effect = counted(metric.metric, favour, middle)
        verdict = _verdict(metric, effect, policy, (effect.p_worse, effect.p_better))
        if blocks(verdict, policy) == blocks(metric.verdict, policy):
            low = middle
        else:
            high = middle
    return high


def _verdict(
    metric: MetricComparison, effect: Effect, policy: Policy, adjusted: tuple[float, float]
) -> Verdict:
    return judge(
        effect,
        policy,
        metric.margin,
        maximum=metric.maximum,
        unit=metric.unit,
        better=metric.higher_is_better,
        adjusted=adjusted,
    ).verdict
