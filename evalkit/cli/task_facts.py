"""What a task's file says of it, without composing anything: its data, its metrics, where it can be asked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit import search_path

ENDPOINTS = ("chat", "completions", "responses")
ASKED = "Endpoints:"
"""The comment line of a task that not every endpoint can ask."""


@dataclass(frozen=True)
class TaskFacts:
    """The metric families, the benchmark that ships and its number of samples, and the endpoints.

    `samples` is None where the task's data is no benchmark of evalkit's.
    """

    metrics: tuple[str, ...]
    dataset: str | None
    samples: int | None
    endpoints: tuple[str, ...]


def facts_of(task: Path, comment: Sequence[str]) -> TaskFacts:
    """Read a task's file, and its dataset's."""
    chosen: dict[str, Any] = {}
    for one in _read(task).get("defaults", ()):
        if isinstance(one, Mapping):
            chosen |= {str(group).split("/")[-1]: value for group, value in one.items()}
    metrics = chosen.get("metrics", ())
    named = next((line.removeprefix(ASKED) for line in comment if line.startswith(ASKED)), None)
    endpoints = ENDPOINTS if named is None else tuple(one.strip() for one in named.split(","))
    dataset = chosen.get("dataset")
    return TaskFacts(
        metrics=tuple([metrics] if isinstance(metrics, str) else metrics),
        dataset=dataset,
        samples=None if dataset is None else _samples(dataset),
        endpoints=endpoints,
    )


def _samples(dataset: str) -> int | None:
    from evalkit.datasets.base import Row
    from evalkit.datasets.where import Where

    file = next((one for one in _files("dataset", dataset) if one.is_file()), None)
    settings = {} if file is None else _read(file)
    settings = settings.get("dataset", settings)
    path = settings.get("path")
    if not isinstance(path, str) or not path.startswith(search_path.BENCHMARK):
        return None
    data = Path(search_path.data_path(path) or "")
    where = Where(settings["where"]) if settings.get("where") else None
    with data.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    return sum(where is None or where(Row(row, "the benchmark"), "the benchmark") for row in rows)


def _files(group: str, name: str) -> Iterable[Path]:
    """Yield where a choice may lie: the user's own folder first."""
    for folder in (search_path.user_configs(), search_path.shipped("configs")):
        if folder is not None:
            yield folder / group / f"{name}.yaml"


def _read(path: Path) -> dict[str, Any]:
    """Return a file's settings; nothing where it is no YAML: composing says what is wrong with it."""
    import yaml

    try:
        # libyaml, where PyYAML was built with it, is ten times as fast.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        found = yaml.load(path.read_text("utf-8"), Loader=loader)  # noqa: S506 - both are safe
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}
