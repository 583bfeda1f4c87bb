"""Deletes entries that nobody needs; they were paid for, so only what a limit names goes."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from evalkit.cache.opening import connect, prepare
from evalkit.cache.statistics import reading, size_on_disk
from evalkit.cache.trouble import trouble

OVERHEAD = 250  # bytes of a row beside request and body: key, checksums, indexes


@dataclass(frozen=True, slots=True)
class Limits:
    """What may go: entries older than a Unix time, and of those not in `used`; and how large the rest may be.

    None is no limit. With `largest` the oldest go until what is left takes at most that many bytes.
    """

    older_than: float | None = None
    used: Collection[str] | None = None
    largest: int | None = None


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many entries there were, how many went (or would go), and the file's bytes before and after."""

    entries: int
    removed: int
    bytes_before: int
    bytes_after: int


def plan(path: Path, limits: Limits) -> Pruned:
    """Return what `prune` would do; `bytes_after` is estimated."""
    with reading(path) as connection:
        entries, chosen, size = _chosen(connection, limits)
    before = size_on_disk(path)
    return Pruned(entries, len(chosen), before, max(0, before - size))


def prune(path: Path, limits: Limits, patience: float) -> Pruned:
    """Delete, and give the room back to the disk."""
    before = size_on_disk(path)
    try:
        with closing(connect(path, "rw", patience)) as connection:
            prepare(connection, path, patience, lambda _: None)
            connection.execute("BEGIN IMMEDIATE")  # chosen and deleted as one: no run comes in between
            entries, chosen, _ = _chosen(connection, limits)
            connection.executemany("DELETE FROM entries WHERE id = ?", [[number] for number in chosen])
            connection.execute("COMMIT")
            with suppress(sqlite3.OperationalError):  # a run has the file open: the next one gives it back
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise trouble(path, error) from None
    return Pruned(entries, len(chosen), before, size_on_disk(path))


def _chosen(connection: sqlite3.Connection, limits: Limits) -> tuple[int, list[int], int]:
    """Return how many entries there are, the numbers of those to delete, oldest first, and their bytes."""
    rows = connection.execute(
        "SELECT id, key, created, length(request) + length(body) FROM entries ORDER BY created, id"
    ).fetchall()
    used = None if limits.used is None else {bytes.fromhex(key) for key in limits.used}
    left = sum(size + OVERHEAD for *_, size in rows)
    chosen, freed = [], 0
    for number, key, created, size in rows:
        if limits.older_than is not None and created >= limits.older_than:
            continue
        if used is not None and key in used:
            continue
        if limits.largest is not None and left <= limits.largest:
            break
        chosen.append(number)
        freed += size + OVERHEAD
        left -= size + OVERHEAD
    return len(rows), chosen, freed
