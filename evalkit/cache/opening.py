"""Opens the cache file: for writing (made, migrated) or for reading only, also from a read-only medium."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evalkit.cache import layout
from evalkit.cache.migration import migrate
from evalkit.cache.row import request_of, sha256_of, sorted_by
from evalkit.cache.trouble import code_of, trouble
from evalkit.errors import CacheError

Say = Callable[[str], None]
SMALLEST = 512  # bytes of the smallest database
LOG = 16_384  # pages of 4 KB
# A file of version 1 that is only read is seen through this.
AS_NOW = """CREATE TEMP VIEW entries AS
SELECT id, key, server_of(request) AS server, model_of(request) AS model, text_of(request) AS text,
request, body, sha256_of(body) AS sha256, latency, created FROM main.entries"""


class _Connection(sqlite3.Connection):
    """Says that a schema is damaged where Python cannot decode what SQLite quotes of it."""

    def execute(self, *args: Any) -> sqlite3.Cursor:
        """Run one statement."""
        try:
            return super().execute(*args)
        except UnicodeDecodeError:
            error = sqlite3.DatabaseError("malformed database schema")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error from None


def connect(path: Path, mode: str, patience: float) -> sqlite3.Connection:
    """Connect with `mode` as SQLite's URIs spell it (`rw`, `rwc`, `ro`, `ro&immutable=1`)."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        timeout=patience,
        isolation_level=None,
        factory=_Connection,
        uri=True,
        check_same_thread=False,  # a run in a notebook has a thread of its own; nobody reads from two at once
    )


def prepare(connection: sqlite3.Connection, path: Path, patience: float, say: Say) -> None:
    """Make the file a cache of this version; CacheError when it is none that we know."""
    # Looked at before anything is changed: the file may be another program's.
    if 0 < path.stat().st_size < SMALLEST:
        raise no_database()
    version = layout.version_of(connection, path)
    use_wal(connection, patience)
    if version is None:
        # Two processes may create the file at the same moment: the second waits, then finds the table.
        connection.execute("BEGIN IMMEDIATE")
        if layout.version_of(connection, path) is None:
            layout.create(connection)
        connection.execute("COMMIT")
    elif version < layout.SCHEMA_VERSION:
        moved = migrate(connection, path)
        if moved:
            say(f"{path}: {moved} answers brought to cache schema {layout.SCHEMA_VERSION}")


def no_database() -> sqlite3.DatabaseError:
    """Return what SQLite raises for a file that is none of its own; tiny ones it takes for empty."""
    error = sqlite3.DatabaseError("file is not a database")
    error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
    return error


def use_wal(connection: sqlite3.Connection, patience: float) -> None:
    """Switch to WAL; SQLite's busy time-out does not cover two processes that switch a new file at once."""
    last = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if code_of(error) != sqlite3.SQLITE_BUSY or time.monotonic() > last:
                raise
            time.sleep(0.01)
        else:
            return


def lengthen_log(connection: sqlite3.Connection) -> None:
    """Let SQLite's log grow to 64 MB before it is brought into the file.

    Keys are random: in a large file each lands on a page of its own. The longer the log, the more of them
    have a page in common when it is brought in.
    """
    connection.execute(f"PRAGMA wal_autocheckpoint={LOG}")


def open_to_read(path: Path, patience: float) -> sqlite3.Connection:
    """Open a cache file without changing it; CacheError when it is absent, damaged, newer or no cache."""
    if not path.is_file():
        raise CacheError(
            f"{path}: no such cache file; run once with cache=rw, or fetch one: evalkit cache import FILE"
        )
    try:
        connection = connect_to_read(path, patience)
    except (OSError, sqlite3.Error) as error:
        raise trouble(path, error) from None
    try:
        look(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise trouble(path, error) from None
    except BaseException:
        connection.close()
        raise
    return connection


def look(connection: sqlite3.Connection, path: Path) -> None:
    """Make sure that it is a cache, show its entries as this version has them, and allow no writing."""
    version = layout.version_of(connection, path)
    if version is None:
        raise CacheError(f"{path}: empty, and no cache yet; run once with cache=rw")
    if version == 1:
        connection.execute("PRAGMA temp_store=MEMORY")
        for place, name in enumerate(("server_of", "model_of", "text_of")):
            connection.create_function(name, 1, _part(place))
        connection.create_function("sha256_of", 1, sha256_of)
        connection.execute(AS_NOW)
    connection.execute("PRAGMA query_only=ON")


def _part(place: int) -> Callable[[bytes], str | bytes]:
    return lambda packed: sorted_by(request_of(packed))[place]


def connect_to_read(path: Path, patience: float) -> sqlite3.Connection:
    """Connect to a file that is only read, also on a medium that cannot be written.

    SQLite wants to write beside a file in WAL mode even to read it; where it may not, nobody else does.

    Opened as for writing where that is possible, because a reader that may not write leaves its log behind.
    """
    connection = connect(path, "rw", patience)
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema")
    except sqlite3.OperationalError as error:
        connection.close()
        if code_of(error) not in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}:
            raise
    else:
        return connection
    log = path.with_name(f"{path.name}-wal")
    if not log.exists() or not log.stat().st_size:
        return connect(path, "ro&immutable=1", patience)
    # Answers of a killed run are still in the log. No process has it open (its index would be there, and
    # SQLite would have read it), so both can be copied.
    with tempfile.TemporaryDirectory(prefix="evalkit-cache-") as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        shutil.copyfile(log, copy.with_name(log.name))
        whole = connect(copy, "rw", patience)
        try:
            memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            whole.backup(memory)
        finally:
            whole.close()
    return memory
