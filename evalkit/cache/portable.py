"""One portable file out of a cache, and back in: for a CI cache, a colleague, or a repository."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from evalkit.cache import layout, salvage
from evalkit.cache.opening import Say, connect, prepare
from evalkit.cache.row import INSERT, Row, defect
from evalkit.cache.statistics import reading
from evalkit.cache.trouble import trouble
from evalkit.errors import CacheError

PAGE = 4096
CHUNK = 500
Judge = Callable[[Row], str | None]
"""Says what is wrong with an answer; None when it is one."""


@dataclass(frozen=True, slots=True)
class Exported:
    """How many entries were written, how many of the wanted are absent, how many were left out as damaged."""

    entries: int
    absent: int
    damaged: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file's entries; `conflicting` ones have another answer here, which stays."""

    new: int
    present: int
    conflicting: int
    damaged: int


def export(path: Path, target: Path, wanted: Collection[str] | None = None) -> Exported:
    """Write the entries (those of the wanted keys) into one file; the same entries make the same bytes.

    Rows are sorted by key, and read in one transaction: runs may go on writing meanwhile. The file has no log
    beside it, and is itself a cache that cache=replay reads. CacheError when `target` is no cache file.
    """
    if target.exists() and (target.samefile(path) or not _is_cache(target)):
        raise CacheError(f"{target}: is no file that an export may replace; choose another name")
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with reading(path) as source, closing(connect(draft, "rwc", salvage.PATIENCE)) as file:
            exported = _write(source, file, wanted)
        draft.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise trouble(target, error) from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return exported


def merge(path: Path, source: Path, patience: float, say: Say, judge: Judge) -> Imported:
    """Take the sound entries of another cache file into this one; what is here already stays.

    Every row is checked by itself (key, checksum, answer), so that a damaged file gives what it has, and one
    that was made to do harm gives nothing. CacheError when the file is no cache or a newer one's.
    """
    if source.exists() and path.exists() and source.samefile(path):
        raise CacheError(f"{source}: is this cache itself; name the file to import from")
    counts = {"new": 0, "present": 0, "conflicting": 0, "damaged": 0}
    with closing(salvage.open_foreign(source)) as foreign:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(connect(path, "rwc", patience)) as cache:
                prepare(cache, path, patience, say)
                for chunk in _chunks(foreign, judge, counts):
                    _add(cache, chunk, counts)
        except (OSError, sqlite3.Error) as error:
            raise trouble(path, error) from None
    return Imported(**counts)


def _write(source: sqlite3.Connection, file: sqlite3.Connection, wanted: Collection[str] | None) -> Exported:
    source.execute("BEGIN")
    keys = {key.hex() for (key,) in source.execute("SELECT key FROM entries")}
    chosen = keys if wanted is None else keys.intersection(wanted)
    entries = damaged = 0
    file.execute(f"PRAGMA page_size={PAGE}")
    file.execute("BEGIN IMMEDIATE")
    layout.create(file)
    for row in _sorted_rows(source, chosen):
        if row is None or defect(row) is not None:
            damaged += 1
            continue
        entries += 1
        file.execute(INSERT, row)
    file.execute("COMMIT")
    return Exported(entries, 0 if wanted is None else len(set(wanted) - keys), damaged)


def _sorted_rows(source: sqlite3.Connection, keys: Collection[str]) -> Iterator[Row | None]:
    numbers = {key.hex(): number for number, key in source.execute("SELECT id, key FROM entries")}
    for key in sorted(keys):
        yield salvage.row(source, numbers[key])


def _chunks(foreign: sqlite3.Connection, judge: Judge, counts: dict[str, int]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    for _, row in salvage.rows(foreign):
        if row is None or defect(row) is not None or judge(row) is not None:
            counts["damaged"] += 1
            continue
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    yield chunk


def _add(cache: sqlite3.Connection, chunk: list[Row], counts: dict[str, int]) -> None:
    cache.execute("BEGIN IMMEDIATE")
    try:
        for row in chunk:
            here = cache.execute("SELECT sha256 FROM entries WHERE key = ?", [row.key]).fetchone()
            if here is None:
                cache.execute(INSERT, row)
                counts["new"] += 1
            else:
                counts["present" if here[0] == row.sha256 else "conflicting"] += 1
        cache.execute("COMMIT")
    except BaseException:
        if cache.in_transaction:
            cache.execute("ROLLBACK")
        raise


def _is_cache(path: Path) -> bool:
    try:
        with reading(path):
            return True
    except CacheError:
        return False
