"""Caches that are only read: nothing is written beside them, also where nothing could be."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from entries import filled, numbered_entries, put_all, request

from evalkit.cache.base import Entry
from evalkit.cache.sqlite import SqliteCache
from evalkit.errors import CacheError

READER = """
import os, sys
import zstandard  # imported as long as this user may read the installation
from evalkit.cache.sqlite import SqliteCache
from entries import request
if os.geteuid() == 0:  # root may write anywhere
    os.setuid(65534)
cache = SqliteCache(sys.argv[1], read_only=True)
print(len(cache.get_many(request(number).key for number in range(100))))
"""
UNFINISHED = """
import asyncio, os, sys
from evalkit.cache.sqlite import SqliteCache
from entries import numbered_entries
cache = SqliteCache(sys.argv[1])
async def put():
    for one, entry in numbered_entries(100):
        await cache.put(one, entry)
asyncio.run(put())
os._exit(0)  # as if killed: the answers are still in the log
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below tmp_path, which is closed to other users."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
        path.chmod(0o755)


def read_without_writing(path: Path) -> str:
    for file in path.parent.iterdir():
        file.chmod(0o444)
    path.parent.chmod(0o555)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    done = subprocess.run(
        [sys.executable, "-c", READER, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env=ENVIRONMENT,
    )
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before
    return done.stdout


def test_cache_in_a_folder_that_may_not_be_written_is_read(folder: Path) -> None:
    path = filled(folder / "cache.sqlite", *numbered_entries(100))
    assert read_without_writing(path) == "100\n"


@pytest.mark.parametrize("lost", [[], ["cache.sqlite-shm"]])
def test_answers_that_a_killed_run_left_in_the_log_are_read(folder: Path, lost: list[str]) -> None:
    path = folder / "cache.sqlite"
    subprocess.run([sys.executable, "-c", UNFINISHED, str(path)], check=True, env=ENVIRONMENT)
    assert (folder / "cache.sqlite-wal").stat().st_size > 0
    for name in lost:  # as after a copy that left it behind
        (folder / name).unlink()
    assert read_without_writing(path) == "100\n"


def test_reading_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"no such cache file.*cache=rw"):
        SqliteCache(tmp_path / "sub" / "absent.sqlite", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_reading_leaves_nothing_beside_the_file(path: Path) -> None:
    filled(path, *numbered_entries(3))
    cache = SqliteCache(path, read_only=True)
    cache.get_many([request(1).key])
    cache.close()
    assert list(path.parent.iterdir()) == [path]


def test_answers_written_meanwhile_are_seen(path: Path, cache: SqliteCache) -> None:
    reader = SqliteCache(path, read_only=True)
    put_all(cache, (request(1), Entry(b"x", 0.0)))
    assert list(reader.get_many([request(1).key])) == [request(1).key]
    reader.close()


def test_putting_is_refused(path: Path) -> None:
    reader = SqliteCache(filled(path), read_only=True)
    with pytest.raises(CacheError, match="reading only"):
        put_all(reader, (request(1), Entry(b"x", 0.0)))
    reader.close()
