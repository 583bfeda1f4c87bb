"""Sides -> Comparison: paired, tested, corrected over everything that gates, and judged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from evalkit.comparison.base import CaseComparison, Comparison, Effect, Family, MetricComparison, Side
from evalkit.comparison.effect import Level, effects
from evalkit.comparison.judging import Counting, Tested, gated_names, judge_all
from evalkit.comparison.notes import notes_on
from evalkit.comparison.pair import Match, match, pairs_of
from evalkit.comparison.policy import Policy
from evalkit.comparison.rescore import Answers, rescored, texts_of
from evalkit.comparison.side import is_per_sample, metric_of
from evalkit.comparison.slices import flips, slices_of


@dataclass(frozen=True)
class Options:
    """How sides are compared."""

    policy: Policy = field(default_factory=Policy)
    resamples: int = 10_000
    seed: int = 0
    intersect: bool = False
    """Compare the samples that match, with a warning, instead of refusing."""
    slices: bool = True
    answers: Answers | None = None
    """Finds a baseline's outputs again, to score them anew where a metric's options changed."""

    @property
    def level(self) -> Level:
        """The level of single tests."""
        return Level(self.policy.alpha, self.resamples, self.seed)


def compare(baselines: Sequence[Side], candidates: Sequence[Side], options: Options) -> Comparison:
    """Compare matching cases of two runs or suites.

    Holm's correction runs over all gated metrics of all cases; a case that one side lacks is a problem of
    its own, never silently left out.
    """
    tested = [_test(before, after, options) for before, after in _matched(baselines, candidates)]
    lonely = _unmatched(baselines, candidates)
    judged = judge_all(tested, options.policy)
    cases = [_case(one, judged[place], options) for place, one in enumerate(tested)]
    if len({one.case for one in cases}) < len(cases):  # a sweep: several runs of one task
        cases = [replace(one, case=f"{one.case} {one.candidate['run_id']}") for one in cases]
    label = baselines[0].label if baselines else "baseline"
    return Comparison(
        baseline=label,
        candidate=candidates[0].label if candidates else "candidate",
        policy={
            "kind": options.policy.kind,
            "alpha": options.policy.alpha,
            "on_inconclusive": options.policy.on_inconclusive,
            "resamples": options.resamples,
            "seed": options.seed,
        },
        cases=cases,
        notes=lonely,
    )


def _matched(baselines: Sequence[Side], candidates: Sequence[Side]) -> list[tuple[Side, Side]]:
    """Match by case; a single run is compared with a single run whatever it is called."""
    if len(baselines) == 1 and len(candidates) == 1:
        return [(baselines[0], candidates[0])]
    pairs = []
    for one in candidates:
        before = _counterpart(one, baselines)
        if before is not None:
            pairs.append((before, one))
    return pairs


def _counterpart(candidate: Side, baselines: Sequence[Side]) -> Side | None:
    """Return the baseline of the same case; of several (a sweep) the one of the same model and parameters."""
    found = [one for one in baselines if one.case == candidate.case]
    if len(found) < 2:  # noqa: PLR2004
        return found[0] if found else None
    told = ("model", "params")
    alike = [one for one in found if all(one.facts[name] == candidate.facts[name] for name in told)]
    return alike[0] if len(alike) == 1 else None


def _unmatched(baselines: Sequence[Side], candidates: Sequence[Side]) -> list[str]:
    if len(baselines) == 1 and len(candidates) == 1:
        return []
    missing = {one.case for one in baselines} - {one.case for one in candidates}
    found = [f"{case} is missing from the candidate" for case in sorted(missing)]
    lonely = sorted({one.case for one in candidates if _counterpart(one, baselines) is None})
    return found + [f"{case} has no baseline" for case in lonely]


def _test(baseline: Side, candidate: Side, options: Options) -> Tested:
    found = match(baseline, candidate)
    problem = None if options.intersect and found.common else found.problem
    notes: list[str] = []
    both = [name for name in candidate.families if name in baseline.families]
    whole = [name for name in both if not is_per_sample(candidate.families[name])]
    shared = [name for name in both if name not in whole]
    problem = problem or _untestable([candidate.families[name] for name in whole], shared, options.policy)
    if not problem:
        baseline, notes = _aligned(baseline, candidate, shared, options)
        notes += [_untested(candidate.families[name]) for name in whole]
    unlike = [name for name in shared if candidate.families[name].key != baseline.families[name].key]
    if not problem and not shared:
        problem = (
            f"no metric in common: the baseline has {', '.join(baseline.families)}, "
            f"the candidate {', '.join(candidate.families)}"
        )
    if not problem and unlike:
        problem = _unlike(baseline.families[unlike[0]], candidate.families[unlike[0]])
    if problem:
        return Tested(baseline, candidate, found, {}, {}, problem)
    results, bounded = _measured(baseline, candidate, shared, found.common, options.level)
    results, without = _with_values(results)
    notes = [*notes, *without]
    if _unchanged(baseline, candidate, found):
        # The same requests and the same scores are the same measurement: nothing is left to chance.
        results = {
            name: (family, replace(effect, low=0.0, high=0.0, bound=0.0, interval="same requests"))
            for name, (family, effect) in results.items()
        }
    if not results:
        problem = "no sample was answered on both sides"
    tested = Tested(baseline, candidate, found, results, bounded, problem, notes)
    return replace(tested, counted=_counting(tested, options))


def _measured(
    baseline: Side, candidate: Side, shared: Sequence[str], common: Sequence[str], level: Level
) -> tuple[dict[str, tuple[Family, Effect]], dict[str, tuple[Effect, Effect]]]:
    """Return the effects on the families' values, and their ends where samples without an answer decide."""
    results: dict[str, tuple[Family, Effect]] = {}
    bounded: dict[str, tuple[Effect, Effect]] = {}
    for name in shared:
        family = candidate.families[name]
        metric = metric_of(family)
        pairs = pairs_of(metric, name, baseline, candidate, common)
        if pairs is None:
            continue
        measured = effects(metric, pairs, level)
        results |= {value: (family, one) for value, one in zip(family.names, measured, strict=True)}
        if len(pairs.baseline) < len(common):
            ends = []
            for favour in (-1, 1):
                filled = pairs_of(metric, name, baseline, candidate, common, favour=favour)
                assert filled is not None
                ends.append(effects(metric, filled, level))
            bounded |= zip(family.names, zip(*ends, strict=True), strict=True)
    return results, bounded


def _untestable(whole: Sequence[Family], shared: Sequence[str], policy: Policy) -> str | None:
    """Say that a family without values of single samples is to gate, or that there is no other; else None."""
    wanted = [one for one in whole if gated_names(one, policy)]
    if wanted or (whole and not shared):
        one = (wanted or whole)[0]
        return (
            f"{', '.join(one.names)}: a value of the whole run, without values of single samples: it can be "
            "neither tested nor gate; gate by other metrics (gate.metrics), or score every answer alone "
            f"(metrics.{one.name}.mode=each)"
        )
    return None


def _untested(family: Family) -> str:
    return (
        f"{', '.join(family.names)}: a value of the whole run, without values of single samples: it has no "
        "interval, is not tested and cannot gate"
    )


def _unlike(before: Family, after: Family) -> str:
    """Say why two families that were made differently cannot be compared."""
    if metric_of(before).judged != metric_of(after).judged:
        return (
            f"{after.name} is the verdict of different judges or prompts ({before.key} and {after.key}); "
            "have one judge read both runs"
        )
    return (
        f"metric {after.name} was made differently ({before.key} and {after.key}) and the baseline's outputs "
        "are not at hand; score both alike"
    )


def _with_values(
    results: Mapping[str, tuple[Family, Effect]],
) -> tuple[dict[str, tuple[Family, Effect]], list[str]]:
    """Return the effects of metrics that have a value on both sides, and which have none."""
    absent = [
        name
        for name, (_, effect) in results.items()
        if math.isnan(effect.baseline) or math.isnan(effect.candidate)
    ]
    told = [f"not compared, without a value on one side or both: {', '.join(absent)}"] if absent else []
    return {name: one for name, one in results.items() if name not in absent}, told


def _counting(tested: Tested, options: Options) -> Counting:
    """Return a function that tells a value's effect with only some of the failed samples counted."""
    before, after = tested.baseline, tested.candidate
    answered = [
        name for name in tested.found.common if before.samples[name].answered and after.samples[name].answered
    ]
    failed = [name for name in tested.found.common if name not in set(answered)]

    def counted(value: str, favour: int, number: int) -> Effect:
        family, _ = tested.effects[value]
        metric = metric_of(family)
        pairs = pairs_of(metric, family.name, before, after, answered + failed[:number], favour=favour)
        assert pairs is not None
        return effects(metric, pairs, options.level)[family.names.index(value)]

    return counted


def _aligned(
    baseline: Side, candidate: Side, shared: Sequence[str], options: Options
) -> tuple[Side, list[str]]:
    """Score the baseline's outputs again with each of the candidate's metrics that was made differently."""
    unlike = [name for name in shared if candidate.families[name].key != baseline.families[name].key]
    texts = texts_of(candidate) if unlike else {}
    notes = []
    for name in unlike:
        old = baseline.families[name].key
        again = rescored(baseline, candidate.families[name], texts, options.answers)
        if again is not None:
            baseline = again
            notes.append(f"{name} of the baseline was {old}; it was scored again as the candidate's")
    return baseline, notes


def _unchanged(baseline: Side, candidate: Side, found: Match) -> bool:
    """Whether every sample was asked the same on both sides, and scored the same."""
    for name in found.common:
        before, after = baseline.samples[name], candidate.samples[name]
        if before.request_keys != after.request_keys or before.failed or after.failed:
            return False
        shared = before.rows.keys() & after.rows.keys()
        if not all(np.array_equal(before.rows[family], after.rows[family]) for family in shared):
            return False
    return True


def _case(one: Tested, metrics: Mapping[str, MetricComparison], options: Options) -> CaseComparison:
    before, after = one.baseline, one.candidate
    ids = list(one.found.common)
    failed = tuple(sum(not side.samples[name].answered for name in ids) for side in (before, after))
    notes = [*one.notes, *notes_on(before, after)]
    if one.problem is None and one.found.problem:
        notes.insert(0, f"compared on the {len(ids)} samples that match: {one.found.problem}")
    # A stored baseline is sorted by id, a run as its dataset: samples are named in the candidate's order.
    shared = set(ids)
    asked = [sample for sample in after.samples if sample in shared]
    fixed, broken = flips(before, after, asked) if not one.problem else ([], [])
    shown = (
        slices_of(before, after, ids, metrics, options.level) if options.slices and not one.problem else []
    )
    return CaseComparison(
        case=after.case,
        baseline=before.facts,
        candidate=after.facts,
        metrics=list(metrics.values()),
        n_paired=len(ids),
        failed=(failed[0], failed[1]),
        fixed=fixed,
        broken=broken,
        slices=shown,
        notes=notes,
        problem=one.problem,
    )
