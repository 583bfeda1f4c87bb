"""Reports of older versions, brought up to this one step by step; newer ones are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evalkit.errors import ReportError

Step = Callable[[dict[str, Any]], dict[str, Any]]


def _from_1(data: dict[str, Any]) -> dict[str, Any]:
    """Version 2 brought slices, figures by label, and the run whose outputs were scored again."""
    return {**data, "slices": {}, "classes": {}, "parent": None}


STEPS: dict[int, Step] = {1: _from_1}
"""What makes the next version of a report, by the version that it starts from."""


def migrated(data: Any, current: int, where: str) -> dict[str, Any]:
    """Return a report's plain data as version `current` has it.

    ReportError for what is no report, and for a version that only a newer evalkit reads. The samples beside a
    report have had the same fields in every version so far.
    """
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ReportError(f"{where}: not an evalkit report (no schema_version)")
    if version > current:
        raise ReportError(
            f"{where}: written by a newer evalkit (schema {version}, this one reads up to {current}); "
            "upgrade evalkit"
        )
    assert isinstance(data, dict)
    for start in range(version, current):
        data = STEPS[start](data)
    return {**data, "schema_version": current}
