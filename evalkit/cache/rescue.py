"""Answers that were paid for and could not be written to the cache go into a file of their own."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from evalkit.cache.opening import connect, prepare
from evalkit.cache.row import Row
from evalkit.cache.writer import write

PATIENCE = 5.0


def rows_elsewhere(path: Path, rows: Sequence[Row]) -> Path | None:
    """Write rows into a new cache file beside `path`, or among temporary files; None when neither works."""

    def fill(connection: sqlite3.Connection, target: Path) -> None:
        prepare(connection, target, PATIENCE, lambda _: None)
        write(connection, rows)

    return _first_that_works(path, fill)


def whole_elsewhere(path: Path, connection: sqlite3.Connection, rows: Sequence[Row]) -> Path | None:
    """Write everything that a connection to a removed file still sees, and rows, into a new cache file."""

    def fill(fresh: sqlite3.Connection, target: Path) -> None:  # noqa: ARG001
        connection.backup(fresh)
        write(fresh, rows)

    return _first_that_works(path, fill)


def _first_that_works(path: Path, fill: Callable[[sqlite3.Connection, Path], None]) -> Path | None:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    for folder in (path.parent, Path(tempfile.gettempdir())):
        target = folder / f"{path.stem}.rescued-{stamp}{path.suffix}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with closing(connect(target, "rwc", PATIENCE)) as connection:
                fill(connection, target)
        except (OSError, sqlite3.Error):
            target.unlink(missing_ok=True)
        else:
            return target
    return None
