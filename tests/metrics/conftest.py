from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).parents[3] / "shared" / "data"

Rows = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def shared_rows() -> Rows:
    """Reader of the public data sets beside the checkout; their texts never enter the repository."""

    def read(name: str) -> list[dict[str, Any]]:
        path = SHARED / f"{name}.jsonl"
        if not path.is_file():
            pytest.skip(f"the public data sets are not beside the checkout ({path} is absent)")
        # Not splitlines, which splits at separators inside of texts.
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]

    return read
