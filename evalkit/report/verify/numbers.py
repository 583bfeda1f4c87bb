"""Checks of numbers: statistics, scores and breakdowns, counts, tokens and cost, latencies."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from typing import Any

from evalkit.budget import price
from evalkit.client.base import Prices
from evalkit.errors import EvalkitError
from evalkit.metrics.base import statistics_of
from evalkit.reading import Counts
from evalkit.report.base import finite
from evalkit.report.classes import classes_in
from evalkit.report.make import status_of
from evalkit.report.slices import slices_of
from evalkit.report.verify.base import Check, Stored, place_of, unlike
from evalkit.scoring import aggregate, combine_trials, numbers_of
from evalkit.statistics.cluster import number_groups
from evalkit.totals import Tokens

MICROSECOND = 1e-6  # latencies are stored to this


def statistics(found: Stored) -> Check:
    """The metrics give the stored statistics for predictions and targets."""
    wrong: list[str] = []
    versions: list[str] = []
    lacking: list[str] = []
    for name, metric in found.metrics.items():
        stored = found.report.families[name]
        wrong += unlike(f"{name}: key", stored["key"], metric.key)
        if stored["signature"] != metric.signature:
            versions.append(f"{name} was {stored['signature']}, is {metric.signature}")
        try:
            rows = statistics_of(metric, found.generations, found.forms)
        except EvalkitError as error:  # its code may not be run, or not here
            lacking.append(f"{name}: {error}")
            continue
        for line, row in zip(found.answered, rows, strict=True):
            wrong += unlike(f"{place_of(line)}: {name}", line["statistics"].get(name), row.tolist())
    families = ", ".join(found.metrics)
    return Check(
        "statistics",
        f"{families} of {len(found.answered)} outputs",
        wrong,
        skipped=None if wrong else "; ".join(lacking) or None,
        remark="; ".join(versions) or None,
    )


def scores(found: Stored) -> Check:
    """The statistics give the stored values and intervals."""
    report = found.report
    made = {one.metric: one for name in found.metrics for one in _aggregates(found, name)}
    wrong = [f"{name}: its samples give no such score" for name in report.metrics if name not in made]
    wrong += [f"{name}: not in the report, its samples give {one.value:g}" for name, one in made.items()
              if name not in report.metrics]  # fmt: skip
    for name, one in made.items():
        if name in report.metrics:
            now, then = asdict(one), asdict(report.metrics[name])
            del now["signature"], then["signature"]  # library versions; the key is compared with statistics
            wrong += unlike(name, then, {key: finite(value) for key, value in now.items()})
    seed = found.resampling.seed
    return Check("scores", f"{len(made)} values and intervals (seed {seed})", wrong)


def _aggregates(found: Stored, name: str) -> list[Any]:
    """Return a family's values from the stored statistics."""
    import numpy as np

    if not found.answered:
        return []
    metric = found.metrics[name]
    rows = np.asarray([line["statistics"].get(name, ()) for line in found.answered], dtype=np.float64)
    ids = dict.fromkeys(line["id"] for line in found.answered)
    numbers = numbers_of(line["id"] for line in found.answered)
    unparsed = {line["id"] for line in found.answered if "unparsed" in line}
    counts = Counts(len(ids), len(found.samples) - len(ids), len(unparsed))
    groups = number_groups([found.samples[one].group for one in ids])
    return aggregate(metric, combine_trials(metric, rows, numbers), groups, counts, found.resampling)


def breakdowns(found: Stored) -> Check:
    """The lines give the stored slices and classes."""
    report = found.report
    made = slices_of(found.lines, found.metrics, list(report.slices), found.resampling)
    wrong = list(unlike("slices", report.slices, made))
    if report.classes:
        wrong += unlike("classes", report.classes, classes_in(replace(report, classes={})))
    return Check(
        "breakdowns", f"{len(report.slices)} slicings, {len(report.classes)} families of labels", wrong
    )


def counts(found: Stored) -> Check:
    """The lines add up to the stored counts, failures, status and served models."""
    report = found.report
    asked = [turn for one in found.outcomes for turn in one.turns]
    responses = [one.response for one in asked if one.response is not None]
    failures = Counter(one.failure.kind for one in asked if one.failure is not None)
    made = {
        "requests": len(asked),
        "answered": len(responses),
        "failed": len(asked) - len(responses),
        "cached": sum(one.cached for one in asked),
        "unparsed": sum("unparsed" in line for line in found.answered),
        "cut_off": sum(one.finish_reason == "length" for one in responses),
        "refused": sum(bool(one.refusal) for one in responses),
    }
    wrong = [one for name, stored in report.counts.items() for one in unlike(name, stored, made.get(name))]
    wrong += unlike("failures", report.failures, dict(failures))
    wrong += unlike("status", report.status, status_of(failures))
    for name in ("model", "system_fingerprint"):
        told = Counter(value for one in responses if (value := getattr(one, name)) is not None)
        if told:  # reports of older versions have these in no line
            part = "served" if name == "model" else name
            wrong += unlike(f"model.{part}", report.model[part], dict(told))
    return Check("counts", f"{len(asked)} requests by what became of them", wrong)


def usage(found: Stored) -> Check:
    """The tokens add up, and their prices to the cost."""
    asked = [turn for one in found.outcomes for turn in one.turns]
    cost, tokens = found.report.cost, Tokens(asked)
    wrong = list(unlike("usage", found.report.usage, asdict(tokens.total())))
    if cost is not None:
        prices, batch = Prices(**cost["prices"]), found.at_hand.batch
        # What attempts without an answer cost is in no line; after scoring again nothing was paid at all.
        paid = price(tokens.total(fresh=True), prices, batch=batch) + cost.get("unanswered_usd", 0.0)
        wrong += unlike("cost.usd", cost["usd"], price(tokens.total(), prices, batch=batch))
        wrong += unlike("cost.paid_usd", cost["paid_usd"], 0.0 if found.report.parent else paid)
    return Check("usage and cost", "tokens and US dollars added up", wrong)


def latencies(found: Stored) -> Check:
    """The latencies have the stored quantiles."""
    import numpy as np

    wrong: list[str] = []
    answers = []
    asked = [turn for line in found.lines for turn in (*line.get("turns", ()), line)]
    for measure in ("latency", "time_to_first_token"):
        known = [one[measure] for one in asked if one.get(measure) is not None]
        answers.append(len(known))
        for name, share in ((f"{measure}_p50", 0.5), (f"{measure}_p95", 0.95)):
            stored = found.report.timing.get(name)
            made = float(np.quantile(known, share)) if known else None
            if stored is not None and (made is None or abs(made - stored) > 2 * MICROSECOND):
                wrong.append(f"{name}: stored is {stored}, the samples give {made}")
    return Check("latencies", f"quantiles of {answers[0]} answers", wrong)
