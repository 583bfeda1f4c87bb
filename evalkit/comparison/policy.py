"""Gate policies: effects -> verdicts, and verdicts -> an exit code."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.comparison.base import Effect, Family, Verdict
from evalkit.report.table import of_unit, shown

DEFAULT_MARGIN = 0.01  # of the scale: one point
UNIT_MARGIN = 10  # times the margin's share, of the baseline's value: latencies vary by more than scores
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
    """Share of the scale, where `margins` names none: 0.01 is one point. A metric in a unit of its own has no
    scale: then ten times this share of the baseline's value, 10% by default."""
    margins: Mapping[str, float] = field(default_factory=dict)
    metrics: Sequence[str] = ()
    on_inconclusive: str = "warn"
    power: float = 0.8

    def margin_of(self, metric: str, family: Family, effect: Effect) -> float:
        """Return the margin in the metric's own unit; 0 where it would be a share of an unknown value."""
        if metric in self.margins:
            return self.margins[metric]
        if family.unit is None:
            return self.margin * family.maximum
        value = abs(effect.baseline)
        return UNIT_MARGIN * self.margin * value if math.isfinite(value) else 0.0


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and the sentence that gives its reason."""

    verdict: Verdict
    reason: str


def judge(  # noqa: PLR0913 - an effect, and all that its metric says of its scale
    effect: Effect,
    policy: Policy,
    margin: float,
    *,
    maximum: float,
    unit: str | None = None,
    better: bool,
    adjusted: tuple[float, float],
) -> Judged:
    """Judge one effect; `adjusted` are the corrected one-sided p-values (worse, better).

    `margin` is in the metric's own unit; `maximum` is the best value of a metric without a `unit`, `better`
    says whether higher is better.
    """
    amount = f"{100 * margin / maximum:g}" if unit is None else shown(margin, maximum, unit)
    edge = f"the margin of {of_unit(amount, unit)}"
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
