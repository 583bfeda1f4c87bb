"""A comparison, judged or not -> what every format is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from evalkit.comparison.base import CaseComparison, Comparison, MetricComparison, Side, Verdict
from evalkit.comparison.gate import GateResult, line_of
from evalkit.comparison.losses import losses, quoted
from evalkit.comparison.render import in_words, metric_grid, plain, remarks, sentence, slice_table
from evalkit.report.base import read
from evalkit.report.grid import grid_of
from evalkit.report.publication import headline, label_of
from evalkit.report.renderers.base import Check, Excerpt, Place, Publication, State
from evalkit.report.table import moved, of_unit, shown

QUOTED = 5
"""Samples that a failed check quotes."""
Anchor = Callable[[Side, Side], Place | None]
"""Finds what the author changed between a baseline and a candidate."""


@dataclass(frozen=True)
class Sides:
    """Both sides of a comparison, to quote samples from and to find what changed."""

    baselines: Sequence[Side]
    candidates: Sequence[Side]
    anchor: Anchor = lambda _, __: None


def publication_of(
    comparison: Comparison,
    result: GateResult | None = None,
    further: Sequence[str] = (),
    sides: Sides | None = None,
) -> Publication:
    """Return what is published of a comparison; `further` are remarks, `sides` bring samples and places."""
    checks = [check for case in comparison.cases for check in _checks(case, comparison, sides)]
    first = sides.candidates[0] if sides is not None and sides.candidates else None
    report = read(first.folder) if first is not None and first.folder is not None else None
    slices = slice_table(comparison)
    said = sentence(comparison)
    return Publication(
        title=f"{comparison.candidate} against {comparison.baseline}",
        grids=(metric_grid(comparison),),
        verdict=result.verdict if result is not None else said.partition(":")[0],
        sentence=said if result is None else f"gate: {result.verdict} (exit {result.code}). {said}",
        warnings=tuple(result.warnings) if result is not None else (),
        checks=(*checks, *_others(comparison, checks, result)),
        details=(grid_of(slices, "Slices"),) if slices is not None else (),
        remarks=(*remarks(comparison), *further),
        samples=_once(one for check in checks if check.state is State.FAILED for one in check.samples),
        score=headline(report) if report is not None else None,
        label=label_of(report) if report is not None else "",
        created=str(comparison.cases[0].candidate["created"]) if comparison.cases else Publication.created,
        data=plain(comparison)
        if result is None
        else {"gate": result.__dict__, "comparison": plain(comparison)},
    )


def _checks(case: CaseComparison, comparison: Comparison, sides: Sides | None) -> Iterator[Check]:
    if case.problem:
        yield Check(case.case, "comparable", State.ERROR, case.problem)
    pair = None if sides is None else _pair(case, sides)
    place = None if pair is None or sides is None else sides.anchor(*pair)
    for one in case.metrics:
        if one.effect is None or ("[" in one.metric and not one.gated):
            continue
        state, warning = _state(one, comparison)
        words = in_words(one)
        message = f"{one.verdict}: {words}; {one.reason}" if one.gated else f"does not gate: {words}"
        samples: Sequence[Excerpt] = ()
        if pair is not None and state is State.FAILED:
            samples = losses(*pair, one.family, one.metric, QUOTED) or quoted(
                *pair, dict.fromkeys(case.broken[:QUOTED], "was right")
            )
        attention = state in {State.FAILED, State.ERROR} or warning
        yield Check(
            case.case,
            one.metric,
            state,
            message,
            tuple(_figures(one)),
            samples,
            place=place if attention else None,
            warning=warning,
        )


def _state(one: MetricComparison, comparison: Comparison) -> tuple[State, bool]:
    """Return how a metric's check ended, and whether it deserves a warning."""
    if not one.gated:
        return State.SKIPPED, False
    if one.verdict is Verdict.INVALID:
        return State.ERROR, False
    action = comparison.policy["on_inconclusive"] if one.verdict is Verdict.INCONCLUSIVE else "pass"
    if one.verdict is Verdict.REGRESSED or action == "fail":
        return State.FAILED, False
    return State.PASSED, action == "warn"


def _figures(one: MetricComparison) -> Iterator[str]:
    effect, scale = one.effect, (one.maximum, one.unit)
    assert effect is not None
    before, after = (shown(value, *scale) for value in (effect.baseline, effect.candidate))
    yield f"baseline: {before}; candidate: {after}"
    yield (
        f"difference: {moved(effect.difference, *scale)} "
        f"[{moved(effect.low, *scale)}, {moved(effect.high, *scale)}] ({effect.interval})"
    )
    yield f"p: {effect.p_value:.3g} ({effect.test})"
    if one.p_adjusted is not None:
        yield f"adjusted p, one-sided for a loss: {one.p_adjusted:.3g}"
    margin = f"{one.margin * 100 / one.maximum:g}" if one.unit is None else shown(one.margin, *scale)
    yield f"margin: {of_unit(margin, one.unit)}; n: {effect.n}"
    if one.detectable is not None:
        yield f"detectable with 80% power: {of_unit(shown(one.detectable, *scale), one.unit)}"


def _others(comparison: Comparison, checks: Sequence[Check], result: GateResult | None) -> Iterator[Check]:
    """Yield what the gate found beside metrics: critical samples, no baseline, no improvement."""
    if result is None or not result.code:
        return
    told = {line_of(case.case, one) for case in comparison.cases for one in case.metrics}
    told |= {f"{case.case}: {case.problem}" for case in comparison.cases}
    others = [reason for reason in result.reasons if reason not in told]
    failed = any(one.state in {State.FAILED, State.ERROR} for one in checks)
    if not others and not failed:
        others = [f"{result.verdict}: {'; '.join(result.reasons)}"]
    yield from (Check("gate", result.verdict.lower(), State.FAILED, reason) for reason in others)


def _pair(case: CaseComparison, sides: Sides) -> tuple[Side, Side] | None:
    """Return the sides that a case was made from."""
    after = [one for one in sides.candidates if one.facts["run_id"] == case.candidate["run_id"]]
    before = [one for one in sides.baselines if one.facts["run_id"] == case.baseline["run_id"]]
    alike = [one for one in before if after and one.case == after[0].case] or before
    return (alike[0], after[0]) if after and alike else None


def _once(samples: Iterator[Excerpt]) -> tuple[Excerpt, ...]:
    """Leave out what was quoted for another metric already."""
    found: dict[str, Excerpt] = {}
    for one in samples:
        found.setdefault(one.id, one)
    return tuple(found.values())
