"""Schemas that a sample brings, for metrics: read, checked, and held against answers."""

from __future__ import annotations

import json
from typing import Any

from evalkit.errors import MetricError, SchemaError
from evalkit.json_schema import check, problems


def schema_of(value: Any, where: str) -> Any:
    """Return a schema that may be given as a JSON text; MetricError where it is none or is not known."""
    try:
        schema = json.loads(value) if isinstance(value, str) else value
        check(schema)
    except (ValueError, RecursionError) as error:
        raise MetricError(f"{where}: the schema is no JSON ({error})") from None
    except SchemaError as error:
        raise MetricError(f"{where}: {error}") from None
    return schema


def problem(value: Any, schema: Any) -> str | None:
    """Return the first thing that is wrong with a value, and where; None when it is valid."""
    try:
        return next(problems(value, schema), None)
    except (SchemaError, RecursionError) as error:
        return f"nested too deeply ({error})"
