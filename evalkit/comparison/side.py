"""A run on disk -> a side of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.budget import price
from evalkit.client.base import Prices
from evalkit.comparison.base import Family, Measured, Side
from evalkit.comparison.histogram import histogram
from evalkit.errors import ReportError
from evalkit.records import Usage
from evalkit.report.line import sample_of

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray, Metric
    from evalkit.report.base import Report


def case_of(report: Report) -> str:
    """Name what was measured, to match the runs of two suites: the task, and the dataset where it differs."""
    task, dataset = report.task["name"], report.dataset["name"]
    return dataset if dataset.startswith(task) else f"{task}-{dataset}"


def side_of(report: Report, label: str) -> Side:
    """Read a run's samples into a side; ReportError when the report is of before statistics were kept."""
    families = {name: family_of(name, one) for name, one in report.families.items()}
    metrics = {name: metric_of(one) for name, one in families.items()}
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for line in report.samples():
        by_id.setdefault(line["id"], []).append(line)
    if not by_id:
        raise ReportError(f"{report.folder}: no samples in the report")
    return Side(
        label=label,
        case=case_of(report),
        facts=facts_of(report, [line for lines in by_id.values() for line in lines]),
        families=families,
        samples={name: _measured(lines, metrics) for name, lines in by_id.items()},
        folder=report.folder,
    )


def family_of(name: str, stored: Mapping[str, Any]) -> Family:
    """Read a family back from a report or a baseline."""
    return Family(
        name=name,
        target=stored["target"],
        options=stored["options"],
        names=tuple(stored["names"]),
        headline=tuple(stored["headline"]),
        key=stored["key"],
        signature=stored["signature"],
        higher_is_better=stored["higher_is_better"],
        maximum=stored["maximum"],
        unit=stored.get("unit"),
    )


def metric_of(family: Family) -> Metric:
    """Build the bound metric again; it aggregates without the data."""
    from evalkit.metrics.prepared import metric_from

    return metric_from(family.target, family.options, f"metrics.{family.name}")


def is_per_sample(family: Family) -> bool:
    """Whether samples make the family's values: without, there is nothing to test."""
    return bool(getattr(metric_of(family), "per_sample", True))  # a third party's metric need not know of it


def facts_of(report: Report, lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is told beside the numbers."""
    answered = [line for line in lines if "failure" not in line]
    latencies = [line["latency"] for line in answered if line.get("latency") is not None]
    middle, late = np.quantile(latencies, [0.5, 0.95]).tolist() if latencies else (None, None)
    return {
        "run_id": report.run_id,
        "created": report.created,
        "task": report.task["name"],
        "dataset": dict(report.dataset),
        "model": report.model["asked"],
        "served": dict(report.model["served"]),
        "system_fingerprint": dict(report.model["system_fingerprint"]),
        "params": dict(report.model["params"]),
        "prompt_sha256": report.prompt["sha256"] if report.prompt else None,
        "usage": dict(report.usage),
        "cost_usd": report.cost["usd"] if report.cost else None,
        "cost": histogram(_costs(report.cost, answered)),
        "latency": histogram(latencies),
        "latency_p50": middle,
        "latency_p95": late,
        "requests": report.counts["requests"],
        "git": report.provenance.get("git"),
    }


def _costs(cost: Mapping[str, Any] | None, answered: Iterable[Mapping[str, Any]]) -> Iterator[float]:
    """Yield what each answer cost in US dollars, where prices and tokens are known."""
    if cost is None:
        return
    prices = Prices(**cost["prices"])
    for line in answered:
        told = [one["usage"] for one in (*line.get("turns", ()), line) if one.get("usage") is not None]
        if told:
            yield sum(price(Usage(**usage), prices) for usage in told)


def _measured(lines: list[Mapping[str, Any]], metrics: Mapping[str, Metric]) -> Measured:
    first = lines[0]
    answered = [line for line in lines if "failure" not in line]
    rows: dict[str, FloatArray] = {}
    bounds: dict[str, tuple[FloatArray, FloatArray]] = {}
    for name, metric in metrics.items():
        if answered:
            rows[name] = np.asarray([line["statistics"][name] for line in answered], dtype=np.float64)
        else:
            found = metric.bounds(sample_of(first))
            if found is not None:
                bounds[name] = found
    return Measured(
        hash=first["hash"],
        group=first.get("group"),
        rows=rows,
        failed=len(lines) - len(answered),
        bounds=bounds,
        request_keys=tuple(line["request_key"] for line in lines),
    )
