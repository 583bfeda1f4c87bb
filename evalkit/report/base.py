"""The report record, its place on disk, and reading it back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from evalkit.errors import ReportError
from evalkit.records import Aggregate

SCHEMA_VERSION = 1
REPORT = "report.json"
SAMPLES = "samples.jsonl"
MARKDOWN = "report.md"

COMPLETE = "complete"
WITH_FAILURES = "complete_with_failures"


@dataclass(frozen=True)
class Report:
    """One run, as report.json holds it; the samples lie beside it in samples.jsonl.

    `metrics` are in the scale of the reference implementation; tables multiply those of scale 1 by 100.
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
    counts: Mapping[str, int]
    failures: Mapping[str, int]
    usage: Mapping[str, int]
    cost: Mapping[str, Any] | None
    timing: Mapping[str, Any]
    provenance: Mapping[str, Any]
    config: Mapping[str, Any]
    seeds: Mapping[str, int]
    suite: str | None = None
    schema_version: int = SCHEMA_VERSION
    folder: Path | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return the plain data of report.json."""
        data = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "folder"}
        data["metrics"] = {
            name: {key: value for key, value in asdict(one).items() if key != "metric"}
            for name, one in self.metrics.items()
        }
        return {"schema_version": data.pop("schema_version"), **data}

    def samples(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of samples.jsonl."""
        assert self.folder is not None
        path = self.folder / SAMPLES
        try:
            with path.open(encoding="utf-8") as file:
                for number, line in enumerate(file, start=1):
                    try:
                        yield json.loads(line)
                    except json.JSONDecodeError:
                        raise ReportError(f"{path}, line {number}: damaged; run the task again") from None
        except FileNotFoundError:
            raise ReportError(f"{path}: missing; the report has lost its samples") from None


def read(folder: Path) -> Report:
    """Read a run's report; ReportError when it is absent, damaged or of a newer version."""
    path = folder / REPORT
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ReportError(f"{path}: no report there; evalkit list runs shows the runs there are") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: damaged ({error}); run the task again") from None
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int):
        raise ReportError(f"{path}: not an evalkit report (no schema_version)")
    if version > SCHEMA_VERSION:
        raise ReportError(
            f"{path}: written by a newer evalkit (schema {version}, this one reads up to {SCHEMA_VERSION}); "
            "upgrade evalkit"
        )
    try:
        data["metrics"] = {name: Aggregate(metric=name, **values) for name, values in data["metrics"].items()}
        return Report(**data, folder=folder)
    except (KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{path}: damaged ({error}); run the task again") from None
