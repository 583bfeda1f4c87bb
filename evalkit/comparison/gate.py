"""A comparison and a policy -> one verdict and the process's exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.comparison.base import Comparison, MetricComparison, Verdict
from evalkit.comparison.policy import Policy

PASSED, REGRESSION, NO_BASELINE, NOT_COMPARABLE, INVALID, INCONCLUSIVE = 0, 1, 3, 4, 5, 6


@dataclass(frozen=True)
class GateResult:
    """The exit code, the verdict that caused it, and the reasons, the decisive one first."""

    code: int
    verdict: str
    reasons: Sequence[str]
    warnings: Sequence[str] = ()


def decide(comparison: Comparison, policy: Policy, blocked: Sequence[str] = ()) -> GateResult:
    """Decide by the worst thing found; `blocked` are critical samples that are broken, as sentences.

    A certain regression outweighs all else; then come cases without a baseline, cases that cannot be
    compared, verdicts that failures could turn round, and what the policy says of inconclusive ones.
    """
    gated = [(case.case, one) for case in comparison.cases for one in case.metrics if one.gated]
    regressed = [line_of(case, one) for case, one in gated if one.verdict is Verdict.REGRESSED]
    if regressed or blocked:
        return GateResult(REGRESSION, str(Verdict.REGRESSED), [*regressed, *blocked])
    without = [note for note in comparison.notes if note.endswith("has no baseline")]
    if without or not comparison.cases:
        return GateResult(NO_BASELINE, "NO BASELINE", without or ["there is nothing to compare with"])
    unlike = [f"{case.case}: {case.problem}" for case in comparison.cases if case.problem]
    if unlike:
        return GateResult(NOT_COMPARABLE, str(Verdict.NOT_COMPARABLE), unlike)
    if not gated:
        wanted = ", ".join(policy.metrics)
        return GateResult(
            NOT_COMPARABLE, str(Verdict.NOT_COMPARABLE), [f"none of the metrics {wanted} was measured"]
        )
    invalid = [line_of(case, one) for case, one in gated if one.verdict is Verdict.INVALID]
    if invalid:
        return GateResult(INVALID, str(Verdict.INVALID), invalid)
    return _without_regression(gated, policy)


def _without_regression(gated: Sequence[tuple[str, MetricComparison]], policy: Policy) -> GateResult:
    open_ones = [line_of(case, one) for case, one in gated if one.verdict is Verdict.INCONCLUSIVE]
    improved = [line_of(case, one) for case, one in gated if one.verdict is Verdict.IMPROVED]
    verdict = str(Verdict.IMPROVED if improved else Verdict.PASSED)
    if policy.kind == "improve" and not improved:
        return GateResult(
            INCONCLUSIVE, "NO IMPROVEMENT SHOWN", open_ones or ["no gated metric is significantly better"]
        )
    if not open_ones:
        return GateResult(PASSED, verdict, improved)
    if policy.on_inconclusive == "fail":
        return GateResult(INCONCLUSIVE, str(Verdict.INCONCLUSIVE), open_ones)
    if policy.on_inconclusive == "warn":
        return GateResult(PASSED, verdict if improved else "NO REGRESSION FOUND", improved, open_ones)
    return GateResult(PASSED, verdict if improved else "NO REGRESSION FOUND", improved)


def line_of(case: str, one: MetricComparison) -> str:
    """Return a metric's verdict as a reason."""
    return f"{case} {one.metric}: {one.verdict}, {one.reason}"
