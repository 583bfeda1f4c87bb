"""A finished run -> the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from evalkit.budget import Budget, add, price
from evalkit.metrics.base import LabelMetric
from evalkit.metrics.prepared import options_of
from evalkit.records import ENDED_EARLY, Usage
from evalkit.report.base import COMPLETE, WITH_FAILURES, Report
from evalkit.report.classes import classes_of
from evalkit.report.slices import slices_of
from evalkit.scoring import Resampling, combine_trials

if TYPE_CHECKING:
    from evalkit.client.base import Model, Prices
    from evalkit.metrics.base import Metric
    from evalkit.report.lines import Lines
    from evalkit.runner import Collected
    from evalkit.scoring import Scored
    from evalkit.task import Task


@dataclass(frozen=True)
class Run:
    """Everything that a finished run is made of.

    `rows` counts the statistics that were kept from before and those computed now; empty where none are kept.
    """

    run_id: str
    created: str
    seconds: float
    task: Task
    model: Model
    collected: Collected
    scored: Scored
    lines: Lines
    config: Mapping[str, Any]
    seeds: Mapping[str, int]
    provenance: Mapping[str, Any]
    suite: str | None = None
    slices: Sequence[str] = ()
    resampling: Resampling = field(default_factory=Resampling)
    budget: Budget | None = None
    rows: Mapping[str, int] = field(default_factory=dict)


def report_of(run: Run) -> Report:
    """Return the report."""
    totals = run.collected.totals
    usage, fresh = totals.tokens.total(), totals.tokens.total(fresh=True)
    return Report(
        run_id=run.run_id,
        status=status_of(totals.failures),
        created=run.created,
        task={"name": run.task.name},
        dataset={
            "name": run.task.dataset.name,
            "fingerprint": run.task.dataset.fingerprint,
            "n": len(run.task.dataset.samples),
            "read": run.task.dataset.read,
            "filtered": run.task.dataset.filtered,
            **({"origin": dict(run.task.dataset.origin)} if run.task.dataset.origin else {}),
            **({"preprocess": dict(run.task.dataset.preprocess)} if run.task.dataset.preprocess else {}),
            **({} if run.task.retrieval is None else {"retrieval": dict(run.task.retrieval)}),
        },
        prompt=_prompt(run.task) if run.model.needs_prompt else None,
        postprocess=run.task.postprocess.describe,
        model={
            "asked": run.model.name,
            "identity": run.model.identity,
            "served": dict(sorted(totals.served.items())),
            "system_fingerprint": dict(sorted(totals.fingerprints.items())),
            "params": dict(run.model.settings),
        },
        metrics={one.metric: one for one in run.scored.aggregates},
        families={name: family_of(metric) for name, metric in run.scored.metrics.items()},
        counts={**totals.counts, "unparsed": int(run.scored.unparsed.sum())},
        failures=dict(sorted(totals.failures.items())),
        usage=asdict(usage),
        cost=cost_of(usage, fresh, run.model.prices, run.budget),
        timing={"seconds": round(run.seconds, 3), **totals.latencies, **_sending(run), **_rows(run)},
        provenance=run.provenance,
        config=run.config,
        seeds=run.seeds,
        suite=run.suite,
        slices=_slices(run) if run.slices else {},
        classes=classes_by_family(run.scored),
    )


def _slices(run: Run) -> dict[str, Any]:
    lines = map(json.loads, run.lines.scored(run.scored.statistics))
    return slices_of(lines, run.scored.metrics, run.slices, run.resampling)


def status_of(failures: Mapping[str, int]) -> str:
    """Return a run's status by its failures, counted by kind."""
    early = next((one for one in ENDED_EARLY if one in failures), None)
    return early or (WITH_FAILURES if failures else COMPLETE)


def classes_by_family(scored: Scored) -> dict[str, Any]:
    """Return the figures by label of each family that scores labels."""
    found = {}
    for name, metric in scored.metrics.items():
        rows = scored.statistics[name]
        if isinstance(metric, LabelMetric) and len(rows):
            by_sample = combine_trials(metric, rows, scored.numbers)
            found[name] = classes_of(metric, by_sample, rows, scored.unparsed.tolist())
    return {name: one for name, one in found.items() if one is not None}


def _sending(run: Run) -> dict[str, Any]:
    """Return what was sent and waited for, and how many requests were allowed in flight at what time."""
    return {"sending": dict(run.collected.timing)} if run.collected.timing else {}


def _rows(run: Run) -> dict[str, Any]:
    return {"scores": dict(run.rows)} if run.rows else {}


def _prompt(task: Task) -> dict[str, Any]:
    """The templates, and how their examples were chosen where there are any."""
    prompt = {"name": task.prompt.name, "sha256": task.prompt.sha256, "source": task.prompt.source}
    return prompt if task.fewshot is None else {**prompt, "fewshot": dict(task.fewshot)}


def family_of(metric: Metric) -> dict[str, Any]:
    """Return what is needed to aggregate a bound metric's statistics again."""
    cls = type(metric)
    return {
        "target": f"{cls.__module__}.{cls.__qualname__}",
        "options": options_of(metric),
        "names": list(metric.names),
        "headline": list(metric.headline),
        "key": metric.key,
        "signature": metric.signature,
        "higher_is_better": metric.higher_is_better,
        "maximum": metric.maximum,
        **({} if metric.unit is None else {"unit": metric.unit}),
    }


def cost_of(
    usage: Usage, fresh: Usage, prices: Prices | None, budget: Budget | None = None
) -> dict[str, Any] | None:
    """Return what the answers cost when they were asked (`usd`), and what this run paid (`paid_usd`).

    `usage` are the tokens of all answers, `fresh` those that this run asked for. `unanswered_usd` is the part
    of the latter that went to attempts without an answer; `unknown_usd` may have been charged on top, at
    most, for `unknown_attempts` of which no usage was told.
    """
    if prices is None:
        return None
    spent = budget or Budget(prices)
    unanswered = _rest(spent.used, fresh)
    return {
        "usd": price(usage, prices, batch=spent.batch),
        "paid_usd": price(add(fresh, unanswered), prices, batch=spent.batch),
        "unanswered_usd": price(unanswered, prices, batch=spent.batch),
        **spent.facts(),
        "prices": asdict(prices),
    }


def _rest(used: Usage, answered: Usage) -> Usage:
    """Return the tokens used beyond those of the answers; nothing where the executor told of none."""
    whole, part = asdict(used), asdict(answered)
    return Usage(**{name: max(0, whole[name] - part[name]) for name in whole})
