"""A damaged cache file is set aside under a new name, never emptied; what can be read goes into a new one."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from evalkit.cache import layout, salvage
from evalkit.cache.opening import SMALLEST, Say, connect, prepare
from evalkit.cache.row import defect
from evalkit.cache.trouble import DAMAGE, code_of, trouble
from evalkit.cache.writer import write
from evalkit.errors import CacheError

OWNER = 68  # where application_id lies in the file (sqlite.org/fileformat2.html)
SIDES = ("", "-wal", "-shm")
NAMES = {".sqlite", ".sqlite3", ".db"}
CHUNK = 500


def is_ours(path: Path) -> bool:
    """Whether a file that cannot be read was a cache: marked as one, or no database but named like one.

    A data set that cache.path names by mistake stays where it is.
    """
    try:
        with path.open("rb") as file:
            head = file.read(OWNER + 4)
    except OSError:
        return False
    if head.startswith(salvage.MAGIC):
        return head[OWNER:] == layout.APPLICATION_ID.to_bytes(4, "big")
    return path.suffix in NAMES


def replace_damaged(path: Path, error: sqlite3.Error, patience: float, say: Say) -> Path | None:
    """Set a damaged file aside and make a new one of what can be read; CacheError when it was no cache.

    Returns where the damaged file lies now; None when another process was first.
    """
    if code_of(error) not in DAMAGE or not is_ours(path):
        raise trouble(path, error) from None
    with _alone(path):
        if _is_sound(path, patience):  # another process was first
            return None
        aside = set_aside(path)
        try:
            kept, lost = _rescue(aside, path, patience)
        except (OSError, sqlite3.Error) as problem:
            raise trouble(path, problem) from None
    say(
        f"{path} was damaged: it lies now at {aside}; {kept} of its answers are in the new cache, {lost} "
        f"could not be read and will be asked again (evalkit cache import {aside} tries once more)"
    )
    return aside


def set_aside(path: Path) -> Path:
    """Rename a cache file and what belongs to it; returns where it lies now."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    aside = path.with_name(f"{path.stem}.damaged-{stamp}{path.suffix}")
    # The log first: a log without its file is harmless, a new file beside an old log is not.
    for side in reversed(SIDES):
        part = path.with_name(path.name + side)
        if part.exists():
            part.rename(aside.with_name(aside.name + side))
    return aside


def _rescue(aside: Path, path: Path, patience: float) -> tuple[int, int]:
    """Copy the sound rows of a damaged file into a new cache; returns how many are, and how many not."""
    kept = lost = 0
    with closing(connect(path, "rwc", patience)) as fresh:
        prepare(fresh, path, patience, lambda _: None)
        try:
            damaged = salvage.open_foreign(aside)
        except CacheError:  # not one row can be read
            return 0, 0
        with closing(damaged):
            waiting = []
            for _, row in salvage.rows(damaged):
                if row is None or defect(row) is not None:
                    lost += 1
                    continue
                waiting.append(row)
                if len(waiting) == CHUNK:
                    write(fresh, waiting)
                    kept, waiting = kept + len(waiting), []
            write(fresh, waiting)
            kept += len(waiting)
    return kept, lost


def _is_sound(path: Path, patience: float) -> bool:
    try:
        with closing(connect(path, "rw", patience)) as connection:
            return path.stat().st_size >= SMALLEST and not salvage.check(connection)
    except sqlite3.Error:
        return False


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time; the folder is locked, because the file itself is about to be renamed."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
