"""Brings a file of an older version to this one: in one transaction, or not at all."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from evalkit.cache import layout
from evalkit.cache.row import INSERT, Row, from_version_1
from evalkit.errors import CacheError

ROOM = 3  # times the file's size: the old table, the new one, and the log that makes it one transaction
LEAST_ROOM = 10 * 2**20


def migrate(connection: sqlite3.Connection, path: Path) -> int:
    """Bring the file to this version and return how many entries moved; a kill leaves the old as it was.

    CacheError when the disk has no room for it.
    """
    _check_room(path)
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = layout.version_of(connection, path)
        if version == layout.SCHEMA_VERSION:  # another process was first
            connection.execute("ROLLBACK")
            return 0
        if version == 1:
            connection.execute("ALTER TABLE entries RENAME TO entries_1")
            layout.create(connection)
            connection.executemany(INSERT, _rows(connection))
            connection.execute("DROP TABLE entries_1")
        else:
            connection.execute("DROP INDEX IF EXISTS entries_text")
            connection.execute(layout.BY_PART)
            layout.mark(connection)
        moved: int = connection.execute("SELECT count(*) FROM entries").fetchone()[0]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return moved


def _rows(connection: sqlite3.Connection) -> Iterator[Row]:
    old = connection.execute("SELECT key, request, body, latency, created FROM entries_1 ORDER BY id")
    for key, request, body, latency, created in old:
        yield from_version_1(Row(key, "", "", b"", request, body, b"", latency, created))


def _check_room(path: Path) -> None:
    needed = max(LEAST_ROOM, ROOM * path.stat().st_size)
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise CacheError(
            f"{path}: bringing this cache to the new version needs {needed / 2**20:.0f} MB free on the disk, "
            f"there are {free / 2**20:.0f}; free some, or set cache.path to another file"
        )
