"""Checks every entry against what was stored, and sets bad ones aside."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from evalkit.cache import damage, layout, salvage
from evalkit.cache.opening import Say, connect, prepare
from evalkit.cache.portable import Judge
from evalkit.cache.row import COLUMNS, MARKS, defect
from evalkit.cache.statistics import reading
from evalkit.cache.trouble import trouble


@dataclass(frozen=True, slots=True)
class Bad:
    """An entry that is not what was stored; `number` is its row's, `key` None where it cannot be read."""

    number: int
    key: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found; `structure` are the complaints of SQLite's integrity check."""

    entries: int
    bad: tuple[Bad, ...]
    structure: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether every entry, and the file, are as they were written."""
        return not self.bad and not self.structure


def verify(path: Path, judge: Judge) -> Verified:
    """Check the file's structure and each entry: key, request, checksum, and that the body is an answer."""
    with reading(path) as connection:
        structure = salvage.check(connection)
        entries, bad = 0, []
        for number, row in salvage.rows(connection):
            entries += 1
            reason = "the row cannot be read" if row is None else defect(row) or judge(row)
            if reason is not None:
                bad.append(Bad(number, None if row is None else row.key.hex(), reason))
    return Verified(entries, tuple(bad), tuple(structure))


def repair(path: Path, found: Verified, patience: float, say: Say) -> Path | None:
    """Set aside what is bad; returns the file it lies in, None where nothing had to be done.

    Bad entries move into a file of their own. A file that is damaged in itself is set aside whole, and a new
    one made of what can be read.
    """
    if found.structure:
        error = sqlite3.DatabaseError(found.structure[0])
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        return damage.replace_damaged(path, error, patience, say)
    if not found.bad:
        return None
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    aside = path.with_name(f"{path.stem}.bad-{stamp}{path.suffix}")
    try:
        with closing(connect(path, "rw", patience)) as cache:
            prepare(cache, path, patience, say)
            _move(cache, aside, [one.number for one in found.bad])
    except (OSError, sqlite3.Error) as error:
        raise trouble(path, error) from None
    return aside


def _move(cache: sqlite3.Connection, aside: Path, numbers: Sequence[int]) -> None:
    """Written and committed there before it is deleted here."""
    cache.text_factory = bytes  # whatever is in the columns, it is carried over
    cache.execute("BEGIN IMMEDIATE")
    with closing(connect(aside, "rwc", salvage.PATIENCE)) as file:
        file.execute("BEGIN IMMEDIATE")
        layout.create(file)
        for number in numbers:
            rows = cache.execute(f"SELECT {COLUMNS} FROM entries WHERE id = ?", [number])  # noqa: S608
            file.executemany(f"INSERT OR REPLACE INTO entries ({COLUMNS}) VALUES ({MARKS})", rows)  # noqa: S608
        file.execute("COMMIT")
    cache.executemany("DELETE FROM entries WHERE id = ?", [[number] for number in numbers])
    cache.execute("COMMIT")
