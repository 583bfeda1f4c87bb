"""Gate policies: effects -> verdicts, and verdicts -> an exit code."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.comparison.base import Effect, Verdict

DEFAULT_MARGIN = 0.01  # of the scale: one point
ACTIONS = ("pass", "warn", "fail")
KINDS = ("no_regression", "noninferior", "improve")


@dataclass(frozen=True)
class Policy:
    """What a gate asks for.

    `no_regression`: no metric may be REGRESSED. `noninferior`: a loss of `margin` must be ruled out for every
    metric. `improve`: at least one metric IMPROVED, none REGRESSED. `margins` are by metric name in the
    metric's own unit. `metrics` are the gated names; empty: each family's headline.
    """

    kind: str = "no_regression"
    alpha: float = 0.05
    margin: float = DEFAULT_MARGIN
    """Share of the scale, where `margins` names none: 0.01 is one point."""
    margins: Mapping[str, float] = field(default_factory=dict)
    metrics: Sequence[str] = ()
    on_inconclusive: str = "warn"
    power: float = 0.8

    def margin_of(self, metric: str, maximum: float) -> float:
        """Return the margin in the metric's own unit."""
        return self.margins.get(metric, self.margin * maximum)


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and the sentence that gives its reason."""

    verdict: Verdict
    reason: str


def judge(
    effect: Effect,
    policy: Policy,
    margin: float,
    *,
    maximum: float,
    better: bool,
    adjusted: tuple[float, float],
) -> Judged:
    """Judge one effect; `adjusted` are the corrected one-sided p-values (worse, better).

    `margin` is in the metric's unit, whose best value is `maximum`; `better` says whether higher is better.
    """
    edge = f"the margin of {100 * margin / maximum:g} points"
    gain = effect.difference if better else -effect.difference
    bound = effect.bound if better else -effect.bound
    worse, improved = adjusted
    if math.isnan(gain):
        return Judged(Verdict.INCONCLUSIVE, "the metric has no value on one side")
    significant_loss = worse < policy.alpha and gain < 0
    if significant_loss and -gain > margin:
        return Judged(Verdict.REGRESSED, f"worse beyond {edge} (adjusted p = {worse:.2g})")
    if improved < policy.alpha and gain > 0:
        return Judged(Verdict.IMPROVED, f"better (adjusted p = {improved:.2g})")
    if bound > -margin:
        inside = "; a significant loss inside the margin" if significant_loss else ""
        return Judged(Verdict.PASSED, f"a loss beyond {edge} is ruled out{inside}")
    if significant_loss:
        return Judged(
            Verdict.INCONCLUSIVE,
            f"a significant loss (adjusted p = {worse:.2g}), but whether it exceeds {edge} is open",
        )
    return Judged(Verdict.INCONCLUSIVE, f"a loss beyond {edge} is not ruled out")


def blocks(verdict: Verdict, policy: Policy) -> bool:
    """Whether a gated metric with this verdict makes the gate fail."""
    return verdict is Verdict.REGRESSED or (
        verdict is Verdict.INCONCLUSIVE and policy.on_inconclusive == "fail"
    )
