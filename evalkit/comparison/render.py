"""A comparison in words and tables, the same for the terminal and for Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evalkit.comparison.base import CaseComparison, Comparison, Effect, MetricComparison, Slice, Verdict
from evalkit.comparison.histogram import quantile
from evalkit.report.base import finite, without_unit
from evalkit.report.grid import Cell, Column, Grid, Kind, number_cell, text_table
from evalkit.report.table import Table, moved, of_unit, shown, units_note

SHOWN_IDS = 10
HEADER = (
    "case",
    "metric",
    "baseline",
    "candidate",
    "difference",
    "interval",
    "p",
    "adjusted p",
    "n",
    "trials",
    "detectable",
    "verdict",
)
KINDS = {
    "case": Kind.TEXT,
    "metric": Kind.TEXT,
    "difference": Kind.SCORE,
    "interval": Kind.INTERVAL,
    "trials": Kind.TEXT,
    "verdict": Kind.TEXT,
}
ORDER = (
    Verdict.REGRESSED,
    Verdict.INVALID,
    Verdict.INCONCLUSIVE,
    Verdict.IMPROVED,
    Verdict.PASSED,
)


def sentence(comparison: Comparison) -> str:
    """Say the outcome in one sentence, the worst thing first."""
    problems = [case for case in comparison.cases if case.problem]
    if problems:
        return f"{Verdict.NOT_COMPARABLE}: {problems[0].case}: {problems[0].problem}."
    gated = [(case, one) for case in comparison.cases for one in case.metrics if one.gated]
    for verdict in ORDER:
        found = [(case, one) for case, one in gated if one.verdict is verdict]
        if found:
            case, one = found[0]
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            return f"{verdict}: {case.case} {in_words(one)}{more}; {one.reason}."
    return "Nothing was gated."


def in_words(one: MetricComparison) -> str:
    """Say how a metric moved: both values, the interval, p and n."""
    effect = one.effect
    assert effect is not None
    scale = one.maximum, one.unit
    verb = "is unchanged at" if effect.difference == 0 else ("rose" if effect.difference > 0 else "fell")
    if effect.difference == 0:
        return f"{one.metric} {verb} {shown(effect.candidate, *scale)}"
    return (
        f"{one.metric} {verb} by {of_unit(shown(abs(effect.difference), *scale), one.unit)}, "
        f"from {shown(effect.baseline, *scale)} to {shown(effect.candidate, *scale)} "
        f"(interval {moved(effect.low, *scale)} to {moved(effect.high, *scale)}, "
        f"p {_equals(effect.p_value)}, n = {effect.n})"
    )


def metric_table(comparison: Comparison) -> Table:
    """One line of text per metric."""
    return text_table(metric_grid(comparison))


def metric_grid(comparison: Comparison) -> Grid:
    """One line per metric; those that do not gate are in brackets."""
    rows = [
        (Cell(case.case), *_cells(one, one.effect))
        for case in comparison.cases
        for one in case.metrics
        if one.effect is not None and ("[" not in one.metric or one.gated)
    ]
    note = f"{scales_note(comparison)}; (…) does not gate; detectable: the loss found with 80% power"
    return Grid(tuple(Column(name, KINDS.get(name, Kind.NUMBER)) for name in HEADER), tuple(rows), note)


def scales_note(comparison: Comparison) -> str:
    """Say what differences, intervals and p stand for, wherever they are shown."""
    alpha = comparison.policy["alpha"]
    units = units_note({one.metric: one.unit for case in comparison.cases for one in case.metrics})
    return (
        f"differences in points (scores x 100; BLEU, chrF, TER as is), {1 - alpha:.0%} intervals{units}; "
        "p two-sided; adjusted p one-sided for a loss (Holm over gated metrics)"
    )


def _cells(one: MetricComparison, effect: Effect) -> tuple[Cell, ...]:
    scale = one.maximum, one.unit
    difference, low, high = map(finite, (effect.difference, effect.low, effect.high))
    if low is None or high is None:
        low = high = None
    return (
        Cell(one.metric if one.gated else f"({one.metric})"),
        Cell(shown(effect.baseline, *scale), finite(effect.baseline)),
        Cell(shown(effect.candidate, *scale), finite(effect.candidate)),
        Cell(moved(effect.difference, *scale), difference, low, high, one.maximum, unit=one.unit),
        Cell(f"[{moved(effect.low, *scale)}, {moved(effect.high, *scale)}]"),
        Cell(_p(effect.p_value), finite(effect.p_value)),
        Cell("-") if one.p_adjusted is None else Cell(_p(one.p_adjusted), one.p_adjusted),
        number_cell(effect.n),
        Cell("/".join(f"{trials:.3g}" for trials in one.trials)),
        Cell("-") if one.detectable is None else Cell(shown(one.detectable, *scale), one.detectable),
        Cell(str(one.verdict)),
    )


def slice_table(comparison: Comparison) -> Table | None:
    """Slices by metadata, the largest loss first; None when there are none."""
    rows = []
    for case in comparison.cases:
        metrics = {one.metric: one for one in case.metrics}
        rows += [(case.case, one, metrics[one.metric]) for one in case.slices]
    if not rows:
        return None
    rows.sort(key=lambda row: _gain(row[1], row[2]))
    return Table(
        ("case", "slice", "metric", "baseline", "candidate", "difference", "n", "adjusted p"),
        tuple(
            (
                case,
                f"{one.column}={one.value}",
                one.metric,
                shown(one.baseline, metric.maximum, metric.unit),
                shown(one.candidate, metric.maximum, metric.unit),
                moved(one.difference, metric.maximum, metric.unit),
                str(one.n),
                _p(one.p_adjusted),
            )
            for case, one, metric in rows
        ),
        "slices never gate; p by Benjamini-Hochberg over all slices",
    )


def _gain(one: Slice, metric: MetricComparison) -> float:
    """Return how much better a slice became: a share of the scale, or of the baseline where there is none."""
    whole = metric.maximum if metric.unit is None else abs(one.baseline) or 1.0
    return (1 if metric.higher_is_better else -1) * one.difference / whole


def remarks(comparison: Comparison) -> Iterator[str]:
    """Yield what stands beside the table: inconclusive metrics' needs, flips, costs, circumstances."""
    yield from comparison.notes
    for case in comparison.cases:
        for one in case.metrics:
            if one.gated and one.needed_n is not None and one.effect is not None:
                yield (
                    f"{case.case} {one.metric}: about {one.needed_n} samples would settle it "
                    f"(this was {one.effect.n})"
                )
        if case.fixed or case.broken:
            yield f"{case.case}: {_ids('fixed', case.fixed)}; {_ids('broken', case.broken)}"
        yield from (f"{case.case}: {text}" for text in _resources(case))
        yield from (f"{case.case}: {note}" for note in case.notes)


def _resources(case: CaseComparison) -> Iterator[str]:
    cost = (case.baseline.get("cost_usd"), case.candidate.get("cost_usd"))
    found = [
        ("cost", "{:.4f} USD", cost),
        ("median latency", "{:.2f} s", _latencies(case, 0.5)),
        ("95th percentile of latency", "{:.2f} s", _latencies(case, 0.95)),
    ]
    for name, form, (old, new) in found:
        if old is not None and new is not None and (old or new):
            change = f" ({new / old - 1:+.0%})" if old else ""
            yield f"{name} {form.format(old)} to {form.format(new)}{change}"


def _latencies(case: CaseComparison, share: float) -> tuple[float | None, float | None]:
    """Return both sides' quantile: exact for two runs, by the bins on both sides where one is a baseline."""
    exact = f"latency_p{share * 100:.0f}"
    old, new = case.baseline.get(exact), case.candidate.get(exact)
    if old is None or new is None:
        old, new = (quantile(one.get("latency") or {}, share) for one in (case.baseline, case.candidate))
    return old, new


def plain(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as plain data; numbers that JSON has no spelling for become null."""
    found = _finite({"schema_version": 1, **asdict(comparison)})
    assert isinstance(found, dict)
    for case in found["cases"]:
        case["metrics"] = [without_unit(one) for one in case["metrics"]]
    return found


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(one) for one in value]
    return value


def _ids(what: str, found: Sequence[str]) -> str:
    if not found:
        return f"none {what}"
    more = f" and {len(found) - SHOWN_IDS} more" if len(found) > SHOWN_IDS else ""
    return f"{len(found)} {what} ({', '.join(found[:SHOWN_IDS])}{more})"


def _equals(p: float) -> str:
    return _p(p) if p < 0.001 else f"= {_p(p)}"  # noqa: PLR2004


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004
