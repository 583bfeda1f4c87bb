"""The report record, its place on disk, and reading it back."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import ReportError
from evalkit.records import Aggregate
from evalkit.report.migrate import migrated
from evalkit.report.place import REPORT, SAMPLES

if TYPE_CHECKING:
    from evalkit.metrics.base import Metric

# Each step from an older version is in migrate.py; the schemas in schema/ describe this one.
SCHEMA_VERSION = 2
COMPLETE = "complete"
WITH_FAILURES = "complete_with_failures"  # further ones: records.ENDED_EARLY

# What every reader of a report takes for granted; a file without it was damaged or edited.
NEEDED = {
    "task": ("name",),
    "dataset": ("name", "fingerprint", "n"),
    "model": ("asked", "served", "params"),
    "counts": ("requests", "failed", "cached", "unparsed"),
}


@dataclass(frozen=True)
class Report:
    """One run, as report.json holds it; the samples lie beside it in samples.jsonl.

    `families` hold what aggregates the samples' statistics again, without the data: class, options, key.
    `metrics` are in the scale of the reference implementation; tables multiply those of scale 1 by 100.
    `slices` hold the scores by the values of a column, `classes` each label's figures and confusions,
    `parent` the run whose outputs this one scored again.
    """

    run_id: str
    status: str
    created: str
    task: Mapping[str, Any]
    dataset: Mapping[str, Any]
    prompt: Mapping[str, Any] | None
    postprocess: list[Any]
    model: Mapping[str, Any]
    metrics: Mapping[str, Aggregate]
    families: Mapping[str, Any]
    counts: Mapping[str, int]
    failures: Mapping[str, int]
    usage: Mapping[str, int]
    cost: Mapping[str, Any] | None
    timing: Mapping[str, Any]
    provenance: Mapping[str, Any]
    config: Mapping[str, Any]
    seeds: Mapping[str, int]
    suite: str | None = None
    slices: Mapping[str, Any] = field(default_factory=dict)
    classes: Mapping[str, Any] = field(default_factory=dict)
    parent: Mapping[str, Any] | None = None
    schema_version: int = SCHEMA_VERSION
    folder: Path | None = field(default=None, compare=False)

    def _repr_html_(self) -> str:
        """Show the score table in a notebook."""
        from evalkit.report.overview import score_grid
        from evalkit.report.renderers.fragment import fragment

        return fragment(score_grid([self]))

    def to_json(self) -> dict[str, Any]:
        """Return the plain data of report.json."""
        data = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "folder"}
        data["metrics"] = {
            name: without_unit({key: finite(value) for key, value in asdict(one).items() if key != "metric"})
            for name, one in self.metrics.items()
        }
        return {"schema_version": data.pop("schema_version"), **data}

    def samples(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of samples.jsonl."""
        assert self.folder is not None
        path = self.folder / SAMPLES
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    yield _sample(line, f"{path}, line {number}")
        except FileNotFoundError:
            raise ReportError(f"{path}: missing; the report has lost its samples") from None
        except OSError as error:
            raise ReportError(f"{path}: cannot be read ({error.strerror or error})") from error


def read(folder: Path) -> Report:
    """Read a run's report; ReportError when it is absent, damaged or of a newer version."""
    path = folder / REPORT
    try:
        data = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ReportError(f"{path}: no report there; evalkit list runs shows the runs there are") from None
    except OSError as error:
        raise ReportError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path}: damaged ({error}); run the task again") from error
    data = migrated(data, SCHEMA_VERSION, str(path))
    try:
        for part, names in NEEDED.items():
            for name in names:
                data[part][name]
        data["metrics"] = {name: Aggregate(metric=name, **values) for name, values in data["metrics"].items()}
        return Report(**data, folder=folder)
    except (KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{path}: damaged ({error}); run the task again") from error


def bound_metrics(report: Report) -> dict[str, Metric]:
    """Build the metrics that a report's statistics aggregate with; ConfigError for a class not allowed."""
    from evalkit.metrics.prepared import metric_from

    return {
        name: metric_from(family["target"], family["options"], f"metrics.{name}")
        for name, family in report.families.items()
    }


def _sample(line: bytes, where: str) -> dict[str, Any]:
    try:
        sample = json.loads(line)
    except ValueError:  # bad JSON or bad UTF-8
        sample = None
    if not isinstance(sample, dict) or "id" not in sample:
        raise ReportError(f"{where}: damaged; run the task again")
    return sample


def without_unit(stored: dict[str, Any]) -> dict[str, Any]:
    """Return what is stored of a metric; a score out of a maximum has no unit, and names none."""
    return {key: value for key, value in stored.items() if key != "unit" or value is not None}


def finite(value: Any) -> Any:
    """Return None for NaN and infinity, which JSON has not: what could not be computed is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
