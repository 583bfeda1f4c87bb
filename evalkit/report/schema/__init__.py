"""The published JSON Schemas (draft 2020-12) of everything that evalkit writes for others to read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalkit.errors import UsageError, did_you_mean

FOLDER = Path(__file__).parent
SUFFIX = ".schema.json"


def names() -> list[str]:
    """Return the names of the schemas: report, samples (one line), comparison and others."""
    return sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}"))


def load(name: str) -> dict[str, Any]:
    """Return one schema as plain data; UsageError for a name that there is not."""
    if name not in names():
        raise UsageError(f'no schema "{name}"{did_you_mean(name, names())}; there are {", ".join(names())}')
    schema: dict[str, Any] = json.loads((FOLDER / f"{name}{SUFFIX}").read_text("utf-8"))
    return schema
