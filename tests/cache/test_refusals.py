"""Files and places that cannot be a cache: one clear error, and nothing is touched."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from entries import put_all, request

from evalkit.cache.base import Entry
from evalkit.cache.layout import SCHEMA_VERSION
from evalkit.cache.sqlite import SqliteCache
from evalkit.errors import CacheError


def test_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    SqliteCache(path).close()
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    other.close()
    before = path.read_bytes()
    with pytest.raises(CacheError, match=r"newer evalkit .*upgrade evalkit"):
        SqliteCache(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mark", [0, 0x42424242])
def test_another_program_s_database_is_refused_and_left_alone(path: Path, mark: int) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
        other.execute(f"PRAGMA application_id={mark}")
    other.close()
    before = path.read_bytes()
    with pytest.raises(CacheError, match=r"another program's database; set cache\.path"):
        SqliteCache(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("reviews.csv", b"id,text\n1,hello\n" * 100),
        ("disk.img", b"\x00" * 5000),
        ("photos.sqlite", b"SQLite format 3\x00 or so"),
        ("photos.sqlite", b"SQLite format 3\x00" + b"\xff" * 5000),
    ],
)
def test_file_that_was_never_a_cache_is_refused_and_left_alone(
    tmp_path: Path, name: str, content: bytes
) -> None:
    """A data set named by mistake in cache.path is no damaged cache: it is not even renamed."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CacheError, match="move the file aside"):
        SqliteCache(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("below", ["", "/below/it"])
def test_path_through_a_file_is_one_clear_error(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("x" * 2000)
    with pytest.raises(CacheError, match=r"set cache\.path|move the file aside"):
        SqliteCache(f"{tmp_path}/file{below}")


def test_folder_as_a_path_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"set cache\.path .*cache=off"):
        SqliteCache(tmp_path)


READ_ONLY = """
import os, sys
from evalkit.cache.sqlite import SqliteCache
from evalkit.errors import CacheError

if os.geteuid() == 0:  # root may write anywhere
    os.setuid(65534)
for below in ("c.sqlite", "sub/c.sqlite"):
    try:
        SqliteCache(os.path.join(sys.argv[1], below))
    except CacheError as error:
        print(error)
"""


def test_folder_that_may_not_be_written_is_one_clear_error() -> None:
    # Not below tmp_path, which is closed to the other user.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, folder], capture_output=True, text=True, check=True
        )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("the cache cannot be used" in line and "set cache.path" in line for line in lines)


def test_file_that_another_program_holds_is_named_so(path: Path) -> None:
    cache = SqliteCache(path, patience=0.05)
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    with pytest.raises(CacheError, match="another program holds the file"):
        put_all(cache, (request(1), Entry(b"x", 0.0)))
    held.execute("ROLLBACK")
    held.close()
    put_all(cache, (request(1), Entry(b"x", 0.0)))
    cache.close()
