"""Reads rows out of files that nobody vouches for: damaged, cut off, or made to do harm."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from evalkit.cache import layout
from evalkit.cache.opening import look, open_to_read
from evalkit.cache.row import COLUMNS, LARGEST, Row
from evalkit.cache.trouble import trouble
from evalkit.errors import CacheError

PATIENCE = 10.0
MAGIC = b"SQLite format 3\x00"
MOST_TIMES = 10  # how many times larger than it is a file may say that it was
SCANS = (  # the table, and the index of keys, each from both ends
    "SELECT id FROM main.entries NOT INDEXED ORDER BY id",
    "SELECT id FROM main.entries NOT INDEXED ORDER BY id DESC",
    "SELECT id FROM main.entries ORDER BY key",
    "SELECT id FROM main.entries ORDER BY key DESC",
)


def open_foreign(path: Path) -> sqlite3.Connection:
    """Open a file to read rows from; CacheError when it is no cache, or holds what no cache holds."""
    connection = _open(path)
    try:
        # Nothing that a file defines is run: no functions from its schema, no triggers (we only read).
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA cell_size_check=ON")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        foreign = layout.foreign_parts(connection, version)
    except sqlite3.Error as error:
        connection.close()
        raise CacheError(f"{path}: cannot be read ({error}); nothing was taken from it") from None
    if foreign:
        connection.close()
        raise CacheError(
            f"{path}: holds more than a cache's entries ({', '.join(foreign[:3])}); nothing was taken from it"
        )
    return connection


def _open(path: Path) -> sqlite3.Connection:
    """A file that was cut off is no database to SQLite: it is read from a copy, filled up with zeros."""
    whole = _whole_size(path)
    if whole is None or whole <= path.stat().st_size:
        return open_to_read(path, PATIENCE)
    with tempfile.TemporaryDirectory(prefix="evalkit-cache-") as folder:
        copy = Path(folder) / path.name
        try:
            shutil.copyfile(path, copy)
            os.truncate(copy, whole)
        except OSError as error:
            raise trouble(path, error) from None
        # In memory: pages stay readable when the folder is gone, and nothing is written back.
        with closing(open_to_read(copy, PATIENCE)) as filled:
            memory = sqlite3.connect(":memory:", isolation_level=None)
            filled.backup(memory)
    look(memory, path)
    return memory


def _whole_size(path: Path) -> int | None:
    """Return the bytes that a database says it has (sqlite.org/fileformat2.html); None when it is none."""
    try:
        with path.open("rb") as file:
            head = file.read(32)
    except OSError:
        return None
    if not head.startswith(MAGIC):
        return None
    size = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    whole = (65536 if size == 1 else size) * pages
    return whole if whole <= MOST_TIMES * path.stat().st_size else None


def rows(connection: sqlite3.Connection) -> Iterator[tuple[int, Row | None]]:
    """Yield every row by its number; None where it is there and cannot be read.

    A damaged page ends a scan, so the numbers of the rows are looked for from both ends of table and index.
    """
    for number in sorted(_numbers(connection)):
        try:
            yield number, row(connection, number)
        except (sqlite3.Error, OverflowError):
            yield number, None


def check(connection: sqlite3.Connection) -> list[str]:
    """Return what SQLite's own integrity check complains of."""
    try:
        found = [str(line) for (line,) in connection.execute("PRAGMA integrity_check(20)")]
    except sqlite3.Error as error:
        return [str(error)]
    return [] if found == ["ok"] else found


def _numbers(connection: sqlite3.Connection) -> set[int]:
    found: set[int] = set()
    for scan in SCANS:
        with suppress(sqlite3.Error):
            for (number,) in connection.execute(scan):
                found.add(number)
    return found


def row(connection: sqlite3.Connection, number: int) -> Row | None:
    """Return a row by its number; None when it is not what a row can be."""
    sizes = connection.execute(
        "SELECT typeof(key) || typeof(request) || typeof(body), length(key), length(request), length(body) "
        "FROM entries WHERE id = ?",
        [number],
    ).fetchone()
    if sizes is None or sizes[0] != "blobblobblob" or sizes[1] != 32 or max(sizes[2:]) > LARGEST:  # noqa: PLR2004 - SHA-256
        return None
    [values] = connection.execute(f"SELECT {COLUMNS} FROM entries WHERE id = ?", [number])  # noqa: S608
    return Row(*values)
