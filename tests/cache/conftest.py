from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evalkit.cache.sqlite import SqliteCache


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite"


@pytest.fixture
def cache(path: Path) -> Iterator[SqliteCache]:
    opened = SqliteCache(path)
    yield opened
    opened.close()
