from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import KEY, KEY_ENV

from evalkit.cache.sqlite import SqliteCache


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENV, KEY)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[SqliteCache]:
    opened = SqliteCache(tmp_path / "cache.sqlite")
    yield opened
    opened.close()
