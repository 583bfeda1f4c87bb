"""Files of older versions are brought up to date whole, or stay as they were."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from entries import found, numbered_entries, put_all, request, sql

from evalkit.cache import layout, migration
from evalkit.cache.base import Entry
from evalkit.cache.row import Row, row_of
from evalkit.cache.sqlite import SqliteCache
from evalkit.cache.verification import verify
from evalkit.errors import CacheError

COLUMNS_OF = {1: ("key", "request", "body", "latency", "created"), 2: Row._fields}


def old_file(path: Path, n: int, version: int = 1) -> Path:
    """A file as an older version wrote it."""
    columns = COLUMNS_OF[version]
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("PRAGMA journal_mode=WAL")
        for statement in (layout.TABLES[version], *layout.INDEXES[version]):
            file.execute(statement)
        file.execute(f"PRAGMA application_id={layout.APPLICATION_ID}")
        file.execute(f"PRAGMA user_version={version}")
        rows = [row_of(one, entry) for one, entry in numbered_entries(n)]
        file.execute("BEGIN")
        file.executemany(
            f"INSERT INTO entries ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            [[getattr(row, name) for name in columns] for row in rows],
        )
        file.execute("COMMIT")
    return path


def clean(path: Path) -> bool:
    return verify(path, lambda _: None).clean


@pytest.mark.parametrize("version", [1, 2])
def test_old_file_is_brought_up_to_date_with_all_its_answers(path: Path, version: int) -> None:
    old_file(path, 300, version)
    created = sql(path, "SELECT key, created FROM entries ORDER BY key")
    said: list[str] = []
    cache = SqliteCache(path, say=said.append)
    kept = cache.get_many(request(number).key for number in range(300))
    assert kept[request(7).key] == Entry(b"answer 7", 0.5)
    put_all(cache, (request(300), Entry(b"new", 0.0)))
    cache.close()
    assert len(kept) == 300
    assert sql(path, "PRAGMA user_version") == [(layout.SCHEMA_VERSION,)]
    assert sql(path, "SELECT DISTINCT server, model FROM entries") == [("http://host/v1", "m")]
    assert sql(path, "SELECT key, created FROM entries WHERE id <= 300 ORDER BY key") == created
    assert said == [f"{path}: 300 answers brought to cache schema {layout.SCHEMA_VERSION}"]
    assert clean(path)


@pytest.mark.parametrize("version", [1, 2])
def test_migrated_file_is_laid_out_as_a_new_one(path: Path, tmp_path: Path, version: int) -> None:
    SqliteCache(old_file(path, 3, version)).close()
    SqliteCache(tmp_path / "new.sqlite").close()
    schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    assert sql(path, schema) == sql(tmp_path / "new.sqlite", schema)


@pytest.mark.parametrize("version", [1, 2])
def test_old_file_is_read_where_nothing_may_be_written(path: Path, version: int) -> None:
    before = old_file(path, 20, version).read_bytes()
    cache = SqliteCache(path, read_only=True)
    assert len(cache.get_many(request(number).key for number in range(30))) == 20
    assert cache.alike(request(100))[0]["server"] == "http://host/v1"
    cache.close()
    assert path.read_bytes() == before


KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from evalkit.cache import migration
from evalkit.cache.sqlite import SqliteCache

rows = migration._rows
def killed(connection):
    for number, row in enumerate(rows(connection)):
        if number == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        yield row
    os.kill(os.getpid(), signal.SIGKILL)
migration._rows = killed
SqliteCache(sys.argv[1])
"""


@pytest.mark.parametrize("after", [0, 1, 4000, 10**9])
def test_killed_migration_leaves_the_old_file_and_the_next_one_succeeds(path: Path, after: int) -> None:
    """5,000 rows are more than SQLite keeps in memory: pages of the new table were on disk at the kill."""
    old_file(path, 5000)
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(after)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert sql(path, "PRAGMA user_version") == [(1,)]
    assert sql(path, "SELECT count(*) FROM entries") == [(5000,)]
    assert len(found(path, [request(number) for number in range(5000)])) == 5000
    assert clean(path)


KILLED_AT = """
import os, signal, sys
from evalkit.cache import layout
from evalkit.cache.sqlite import SqliteCache

make = layout.mark
def killed(connection):
    if sys.argv[2] == "after":
        make(connection)
    os.kill(os.getpid(), signal.SIGKILL)
layout.mark = killed
SqliteCache(sys.argv[1])
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_change_of_the_index_leaves_the_old_one(path: Path, moment: str) -> None:
    """Version 2's index is dropped and version 3's made when the file is marked as of version 3."""
    old_file(path, 5000, version=2)
    before = sql(path, "SELECT name, sql FROM sqlite_master ORDER BY name")
    done = subprocess.run([sys.executable, "-c", KILLED_AT, str(path), moment], check=False)
    assert done.returncode == -signal.SIGKILL
    assert sql(path, "PRAGMA user_version") == [(2,)]
    assert sql(path, "SELECT name, sql FROM sqlite_master ORDER BY name") == before
    assert len(found(path, [request(number) for number in range(5000)])) == 5000
    assert sql(path, "PRAGMA user_version") == [(layout.SCHEMA_VERSION,)]
    assert clean(path)


def test_migration_without_room_is_refused_before_it_begins(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = old_file(path, 20).read_bytes()
    usage = os.statvfs(path.parent)
    monkeypatch.setattr(migration, "LEAST_ROOM", usage.f_bavail * usage.f_frsize * 2 + 2**40)
    with pytest.raises(CacheError, match=r"needs \d+ MB free on the disk, there are \d+"):
        SqliteCache(path)
    assert path.read_bytes() == before


OPENER = """
import sys
from evalkit.cache.sqlite import SqliteCache
from entries import request
cache = SqliteCache(sys.argv[1])
print(len(cache.get_many(request(number).key for number in range(2000))))
"""


def test_two_processes_that_open_an_old_file_at_once_both_find_everything(path: Path) -> None:
    old_file(path, 2000)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(path)], stdout=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(2)
    ]
    assert [opener.communicate(timeout=60)[0] for opener in openers] == ["2000\n", "2000\n"]
    assert clean(path)
