"""What SQLite complains of, as one line that says what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from evalkit.errors import CacheError

# By SQLite's primary result code.
REMEDIES = {
    sqlite3.SQLITE_BUSY: "another program holds the file; end it, or set cache.path to another file",
    sqlite3.SQLITE_CORRUPT: (
        "the file is damaged: evalkit cache verify --repair keeps what can be read, cache.path names another"
    ),
    sqlite3.SQLITE_NOTADB: "move the file aside (it is no cache) or set cache.path to another file",
    sqlite3.SQLITE_FULL: "free some disk space; answers committed before are kept",
}
REMEDY = "set cache.path to a file in a folder that this user may write, or cache=off"
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def code_of(error: BaseException) -> int:
    """Return SQLite's primary result code; extended ones keep it in their low byte."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def trouble(path: Path, error: Exception) -> CacheError:
    """Return the error to raise."""
    if isinstance(error, CacheError):
        return error
    text = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    return CacheError(f"{path}: the cache cannot be used ({text}); {REMEDIES.get(code_of(error), REMEDY)}")
