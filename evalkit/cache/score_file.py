"""The file of kept scores: (metric, digest of texts) -> a row of statistics. All of it can be made again."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from evalkit.cache.opening import SMALLEST, connect, connect_to_read, lengthen_log, no_database, use_wal
from evalkit.cache.salvage import MAGIC
from evalkit.errors import CacheError

NAME = "scores.sqlite"
APPLICATION_ID = 0x65766B73  # "evks"
SCHEMA_VERSION = 1
OWNER = 68  # where application_id lies in the file (sqlite.org/fileformat2.html)
TABLES = (
    """CREATE TABLE metrics (
    number   INTEGER PRIMARY KEY,  -- the beginning of the identity's SHA-256
    identity TEXT NOT NULL,        -- canonical JSON: class, signature, options, versions, code
    created  REAL NOT NULL         -- Unix time
)""",
    """CREATE TABLE scores (
    metric INTEGER NOT NULL,
    digest BLOB NOT NULL,          -- of prediction and target, 16 bytes
    row    BLOB NOT NULL,          -- float64 numbers, and the CRC-32 of metric, digest and these
    PRIMARY KEY (metric, digest)
) WITHOUT ROWID""",
)
LOOKUP = 1000  # digests in one SELECT
LARGEST = 256 * 2**20  # bytes; beyond, the file is emptied: about a million samples of three metrics
CHECK = 4  # bytes
WHOLE = 0x2144DF1C  # the CRC-32 of anything with its own CRC-32 (lowest byte first) at the end


class ScoreFile:
    """Opened (and made) at once; OSError, sqlite3.Error or CacheError where it cannot be used.

    `patience` is how many seconds another process may hold the file. With `read_only` nothing is made or
    changed. A file larger than `largest` bytes is emptied when it is opened.
    """

    def __init__(self, path: Path, *, patience: float, read_only: bool, largest: int) -> None:
        self.read_only = read_only
        if read_only:
            self._connection = connect_to_read(path, patience)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = connect(path, "rwc", patience)
        try:
            self._look(path) if read_only else self._prepare(path, patience, largest)
        except BaseException:
            self._connection.close()
            raise

    def knows(self, number: int, identity: str) -> bool:
        """Return whether there may be rows of a metric; CacheError where its number is another's."""
        found = self._connection.execute(
            "SELECT identity FROM metrics WHERE number = ?", (number,)
        ).fetchone()
        if found is not None and found[0] != identity:
            raise CacheError("two metrics have the same number")
        return found is not None

    def find(self, number: int, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the rows there are, as bytes by digest; a damaged one is none."""
        found: dict[bytes, bytes] = {}
        start_of = _start(number)
        for start in range(0, len(digests), LOOKUP):
            part = digests[start : start + LOOKUP]
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(
                f"SELECT digest, row FROM scores WHERE metric = ? AND digest IN ({marks})",  # noqa: S608 - only ?
                (number, *part),
            )
            found |= {
                digest: row[:-CHECK] for digest, row in rows if crc32(row, crc32(digest, start_of)) == WHOLE
            }
        return found

    def add(self, number: int, identity: str, rows: Mapping[bytes, bytes]) -> None:
        """Keep rows, in one transaction."""
        start_of = _start(number)
        checked = (
            (number, digest, row + crc32(row, crc32(digest, start_of)).to_bytes(CHECK, "little"))
            for digest, row in rows.items()
        )
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.execute(
                "INSERT OR IGNORE INTO metrics VALUES (?, ?, ?)", (number, identity, time.time())
            )
            self._connection.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", checked)
            self._connection.execute("COMMIT")
        except BaseException:
            self._undo()
            raise

    def count(self) -> int:
        """Return how many rows there are."""
        return int(self._connection.execute("SELECT count(*) FROM scores").fetchone()[0])

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _prepare(self, path: Path, patience: float, largest: int) -> None:
        if 0 < path.stat().st_size < SMALLEST:
            raise no_database()
        fresh = not self._is_laid_out()
        use_wal(self._connection, patience)
        self._connection.execute("PRAGMA synchronous=NORMAL")  # what a power cut takes is scored again
        lengthen_log(self._connection)
        if fresh:
            self._create()
        elif self._bytes() > largest:
            self._empty()

    def _look(self, path: Path) -> None:
        if not self._is_laid_out():
            raise CacheError(f"{path}: empty")
        self._connection.execute("PRAGMA query_only=ON")

    def _create(self) -> None:
        # Two processes may create the file at the same moment: the second waits, then finds the tables.
        self._connection.execute("BEGIN IMMEDIATE")
        if not self._is_laid_out():
            for table in TABLES:
                self._connection.execute(table)
            self._connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        self._connection.execute("COMMIT")

    def _is_laid_out(self) -> bool:
        """Return False for an empty file; CacheError where it is laid out otherwise."""
        tables = {sql for (sql,) in self._connection.execute("SELECT sql FROM sqlite_schema") if sql}
        owner = self._connection.execute("PRAGMA application_id").fetchone()[0]
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if tables and (owner, version, tables) != (APPLICATION_ID, SCHEMA_VERSION, set(TABLES)):
            raise CacheError("no file of scores of this version of evalkit")
        return bool(tables)

    def _bytes(self) -> int:
        pages = self._connection.execute("PRAGMA page_count").fetchone()[0]
        return int(pages * self._connection.execute("PRAGMA page_size").fetchone()[0])

    def _empty(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for name in ("scores", "metrics"):
                self._connection.execute(f"DELETE FROM {name}")  # noqa: S608 - our own names
            self._connection.execute("COMMIT")
        except BaseException:
            self._undo()
            raise
        with suppress(sqlite3.OperationalError):  # others read it: the next run shrinks it
            self._connection.execute("VACUUM")

    def _undo(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


@dataclass(frozen=True, slots=True)
class Kept:
    """How many rows a file holds, and its size on disk."""

    rows: int
    file_bytes: int


def kept(path: Path) -> Kept | None:
    """Return what a file holds; None where there is none that can be read."""
    if not path.is_file():
        return None
    try:
        with closing(ScoreFile(path, patience=1.0, read_only=True, largest=LARGEST)) as file:
            return Kept(file.count(), path.stat().st_size)
    except (OSError, sqlite3.Error, CacheError):
        return None


def remove(path: Path) -> bool:
    """Remove a file that is damaged; say whether it is gone. One that is not marked as ours stays."""
    try:
        with path.open("rb") as file:
            head = file.read(OWNER + 4)
        if head[: len(MAGIC)] != MAGIC or head[OWNER:] != APPLICATION_ID.to_bytes(4, "big"):
            return False
        # The log first: a log without its file is harmless, a new file beside an old log is not.
        for side in ("-shm", "-wal", ""):
            path.with_name(path.name + side).unlink(missing_ok=True)
    except OSError:
        return False
    return True


def beside(cache: Path) -> Path:
    """Return where the scores of an answer cache's runs lie: caches of one folder share them."""
    return cache.with_name(NAME)


def _start(number: int) -> int:
    return crc32(number.to_bytes(8, "big", signed=True))
