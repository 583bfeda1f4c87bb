"""Published runs over time: one small file each, so that two branches that publish never conflict.

results/history/<task>/<date>-<run-id>.json, committed; no texts in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.errors import ReportError
from evalkit.report.base import Report, finite
from evalkit.report.table import shown
from evalkit.report.write import json_text, write_text

SCHEMA_VERSION = 1
HISTORY = "history"
DAY = len("2026-01-31")
ALPHA = 0.05
"""The chance that a series without a change is marked as changed at all."""


@dataclass(frozen=True)
class Point:
    """One published value; `data` is what its file holds, `metric` the part of it."""

    data: Mapping[str, Any]
    metric: Mapping[str, Any]
    marks: Sequence[str] = ()

    @property
    def value(self) -> float | None:
        """In the metric's unit; None where there was nothing to score."""
        value: float | None = self.metric["value"]
        return value

    @property
    def day(self) -> str:
        """The day of the run, as ISO 8601."""
        return str(self.data["created"])[:DAY]


@dataclass(frozen=True)
class Series:
    """The values of one metric of one task, dataset and model, oldest first."""

    task: str
    dataset: str
    model: str
    metric: str
    points: Sequence[Point]

    @property
    def maximum(self) -> float:
        """The scale: 1 or 100."""
        return float(self.points[-1].metric["maximum"])

    @property
    def unit(self) -> str | None:
        """The unit of values that are no score out of the maximum."""
        unit: str | None = self.points[-1].metric.get("unit")
        return unit


@dataclass(frozen=True)
class Wanted:
    """Which series are looked at; empty: all of them."""

    tasks: Sequence[str] = ()
    metrics: Sequence[str] = ()
    models: Sequence[str] = field(default_factory=tuple)

    def takes(self, task: str, metric: str, model: str) -> bool:
        """Whether a series is one of them; `f1[label]` only when it is named."""
        by_name = metric in self.metrics if self.metrics else "[" not in metric
        return (
            by_name and (not self.tasks or task in self.tasks) and (not self.models or model in self.models)
        )


def publish(
    report: Report, results_dir: Path, *, allow_failures: bool = False, allow_dirty: bool = False
) -> Path:
    """Write a run into the history and return the file; publishing it again writes the same bytes.

    Refuses a run with failed requests, and one made from uncommitted code: nobody could make it again.
    """
    failed, git = report.counts["failed"], report.provenance.get("git")
    if failed and not allow_failures:
        raise ReportError(
            f"run {report.run_id}: {failed} of {report.counts['requests']} requests failed; run again to ask "
            "for them, or publish it with --allow-failures"
        )
    if git and git["dirty"] and not allow_dirty:
        raise ReportError(
            f"run {report.run_id} was made from uncommitted changes; commit and run again (answers come from "
            "the cache), or publish it with --allow-dirty"
        )
    path: Path = results_dir / HISTORY / report.task["name"] / f"{report.created[:DAY]}-{report.run_id}.json"
    write_text(path, json_text(entry_of(report)))
    return path


def entry_of(report: Report) -> dict[str, Any]:
    """Return what the history keeps of a run."""
    keys = {name: family["key"] for family in report.families.values() for name in family["names"]}
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": report.run_id,
        "created": report.created,
        "task": report.task["name"],
        "dataset": {name: report.dataset[name] for name in ("name", "fingerprint", "n")},
        "model": {
            name: report.model.get(name, {}) for name in ("asked", "served", "system_fingerprint", "params")
        },
        "prompt_sha256": report.prompt["sha256"] if report.prompt else None,
        "metrics": {
            name: {
                "value": finite(one.value),
                "low": finite(one.low),
                "high": finite(one.high),
                "confidence": one.confidence,
                "n": one.n,
                "n_failed": one.n_failed,
                "key": keys.get(name, one.signature),
                "signature": one.signature,
                "higher_is_better": one.higher_is_better,
                "maximum": one.maximum,
                **({} if one.unit is None else {"unit": one.unit}),
            }
            for name, one in report.metrics.items()
        },
        "requests": report.counts["requests"],
        "failed": report.counts["failed"],
        "unparsed": report.counts["unparsed"],
        "cost_usd": report.cost["usd"] if report.cost else None,
        "latency_p50": report.timing.get("latency_p50"),
        "git": report.provenance.get("git"),
        "evalkit": report.provenance["versions"].get("evalkit", ""),
    }


def read_history(results_dir: Path, wanted: Wanted | None = None) -> list[Series]:
    """Read what was published, as series with their changes marked; ReportError for a damaged file."""
    wanted = wanted or Wanted()
    found: dict[tuple[str, str, str, str], list[Point]] = {}
    entries = [_read(path) for path in sorted((results_dir / HISTORY).glob("*/*.json"))]
    for entry in sorted(entries, key=lambda one: (one["created"], one["run_id"])):
        task, model = entry["task"], entry["model"]["asked"]
        for metric, values in entry["metrics"].items():
            if wanted.takes(task, metric, model):
                key = (task, entry["dataset"]["name"], model, metric)
                found.setdefault(key, []).append(Point(entry, values))
    return [Series(*key, points=marked(points)) for key, points in sorted(found.items())]


def marked(points: Sequence[Point]) -> list[Point]:
    """Return the points with what changed at each of them: what was measured, who answered, the level."""
    levels = _levels(points)
    made = []
    for place, point in enumerate(points):
        marks = [] if place == 0 else _changes(points[place - 1], point)
        if place in levels:
            marks.append(levels[place])
        made.append(Point(point.data, point.metric, marks))
    return made


def _changes(before: Point, after: Point) -> list[str]:
    was, now = before.data, after.data
    marks = []
    for what, one, other in (
        ("served model", _names(was, "served"), _names(now, "served")),
        ("system fingerprint", _names(was, "system_fingerprint"), _names(now, "system_fingerprint")),
        ("data", was["dataset"]["fingerprint"], now["dataset"]["fingerprint"]),
        ("prompt", was["prompt_sha256"], now["prompt_sha256"]),
        ("parameters", was["model"]["params"], now["model"]["params"]),
        ("metric", before.metric["key"], after.metric["key"]),
    ):
        if one != other:
            marks.append(
                f"{what} {one} -> {other}" if what.startswith(("served", "system")) else f"{what} changed"
            )
    return marks


def _names(entry: Mapping[str, Any], field_name: str) -> str:
    return ", ".join(sorted(entry["model"][field_name])) or "none"


def _levels(points: Sequence[Point]) -> dict[int, str]:
    """Return a mark for each change of level, by place; points without a value are passed over."""
    import numpy as np

    from evalkit.statistics.changepoint import change_points

    places = [place for place, one in enumerate(points) if one.value is not None]
    values = np.array([points[place].value for place in places], dtype=np.float64)
    last = points[-1].metric
    scale = last["maximum"], last.get("unit")
    return {
        places[one.place]: (
            f"level {shown(one.before, *scale)} -> {shown(one.after, *scale)} (p = {one.p_value:.2g})"
        )
        for one in change_points(values, alpha=ALPHA)
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
        version = data["schema_version"]
        if version > SCHEMA_VERSION:
            raise ReportError(
                f"{path}: written by a newer evalkit (schema {version}, this one reads up to "
                f"{SCHEMA_VERSION}); upgrade evalkit"
            )
        for name in ("created", "run_id", "task", "prompt_sha256"):
            data[name]
        data["dataset"]["fingerprint"], data["dataset"]["name"]
        for name in ("asked", "served", "system_fingerprint", "params"):
            data["model"][name]
        for one in data["metrics"].values():
            one["value"], one["key"], one["maximum"], one["low"], one["high"]
    except OSError as error:
        raise ReportError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{path}: damaged ({error!r}); publish the run again, or remove it") from error
    found: dict[str, Any] = data
    return found
