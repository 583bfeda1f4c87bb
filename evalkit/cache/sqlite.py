"""The cache in one SQLite file: WAL, one writer thread that commits in batches, zstd values."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cache.base import Entry
from evalkit.errors import CacheError
from evalkit.records import Request, canonical_json

if TYPE_CHECKING:
    import zstandard

# application_id marks the file as ours; user_version is the schema's.
APPLICATION_ID = 0x65766B63  # "evkc"
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE entries (
    id      INTEGER PRIMARY KEY,
    key     BLOB NOT NULL UNIQUE,   -- Request.key, 32 bytes
    request BLOB NOT NULL,          -- canonical JSON of the request, zstd
    body    BLOB NOT NULL,          -- raw response body, zstd
    latency REAL NOT NULL,          -- seconds from sending to the whole body
    created REAL NOT NULL           -- Unix time
)
"""
LOOKUP = 500  # keys in one SELECT; SQLite allows 32766 parameters
BUSY_SECONDS = 60.0
BATCH = 500
# What went wrong, by SQLite's primary result code, and what to do about it.
REMEDIES = {
    sqlite3.SQLITE_BUSY: "another program holds the file; end it, or set cache.path to another file",
    sqlite3.SQLITE_CORRUPT: "move the file aside (it is damaged) or set cache.path to another file",
    sqlite3.SQLITE_NOTADB: "move the file aside (it is no cache) or set cache.path to another file",
    sqlite3.SQLITE_FULL: "free some disk space; answers committed before are kept",
}
REMEDY = "set cache.path to a file in a folder that this user may write, or cache=off"


@dataclass(frozen=True, slots=True)
class _Put:
    row: tuple[bytes, bytes, bytes, float, float]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]


class SqliteCache:
    """A cache file, opened (and created) at once; CacheError says what is wrong with it.

    `patience` is how many seconds another process may hold the file.
    """

    def __init__(self, path: str | Path, *, patience: float = BUSY_SECONDS) -> None:
        self.path = Path(path).expanduser()
        self._patience = patience
        self._queue: queue.SimpleQueue[_Put | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        # Held to put into the queue and to end it: nothing is put where no writer will ever look.
        self._lock = threading.Lock()
        self._ended: CacheError | None = None
        self._connection = self._open()

    def get_many(self, keys: Iterable[str]) -> Mapping[str, Entry]:
        """Return the entries there are for these keys; a damaged one is none."""
        wanted = [bytes.fromhex(key) for key in dict.fromkeys(keys)]
        found: dict[str, Entry] = {}
        try:
            for start in range(0, len(wanted), LOOKUP):
                part = wanted[start : start + LOOKUP]
                marks = ",".join("?" * len(part))
                rows = self._connection.execute(
                    f"SELECT key, body, latency FROM entries WHERE key IN ({marks})",  # noqa: S608 - only ?
                    part,
                )
                for key, packed, latency in rows:
                    body = _unpacked(packed)
                    if body is not None:
                        found[key.hex()] = Entry(body, latency)
        except sqlite3.Error as error:
            raise self._trouble(error) from None
        return found

    async def put(self, request: Request, entry: Entry) -> None:
        """Keep an answer; returns once its transaction is committed."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        put = _Put(_row(request, entry), loop, done)
        with self._lock:
            if self._ended is not None:
                raise self._ended
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="evalkit-cache", daemon=True)
                self._writer.start()
            self._queue.put(put)
        await done

    def close(self) -> None:
        """Write what is waiting and let go of the file; safe to call twice."""
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is not None:
                self._queue.put(None)
            self._ended = self._ended or CacheError(f"{self.path}: the cache is closed")
        if writer is not None:
            writer.join()
        self._connection.close()

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._connect()
        except (OSError, sqlite3.Error) as error:
            raise self._trouble(error) from None
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=self._patience, isolation_level=None)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        try:
            # Looked at before anything is changed: the file may be another program's.
            fresh = self._is_fresh(connection)
            _use_wal(connection, self._patience)
            if fresh:
                self._create(connection)
        except sqlite3.Error as error:
            raise self._trouble(error) from None

    def _is_fresh(self, connection: sqlite3.Connection) -> bool:
        """Whether the file is still empty; CacheError when it is no cache that this version knows."""
        # Tables first: when another process creates them meanwhile, their owner is never missed.
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if tables and owner != APPLICATION_ID:
            raise CacheError(f"{self.path}: another program's database; set cache.path to a file of its own")
        if version > SCHEMA_VERSION:
            raise CacheError(
                f"{self.path}: written by a newer evalkit (cache schema {version}, this one knows "
                f"{SCHEMA_VERSION}); upgrade evalkit or set cache.path to another file"
            )
        return not tables

    def _create(self, connection: sqlite3.Connection) -> None:
        """Two processes may create the file at the same moment: the second waits, then finds the table."""
        connection.execute("BEGIN IMMEDIATE")
        if self._is_fresh(connection):
            connection.execute(SCHEMA)
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.execute("COMMIT")

    def _write(self) -> None:
        """Commit whatever is waiting, together; the answers' slots are held until then."""
        try:
            with closing(self._connect()) as connection:
                # FULL makes a commit survive a power cut; in batches it costs nothing measurable.
                connection.execute("PRAGMA synchronous=FULL")
                open_for_more = True
                while open_for_more:
                    batch, open_for_more = self._waiting()
                    _settle(batch, self._commit(connection, batch))
        except Exception as error:  # noqa: BLE001 - whatever ended it, its waiters hear of it
            self._abandon(self._trouble(error))

    def _abandon(self, error: CacheError) -> None:
        """There is no writer any more: nobody may wait for one."""
        with self._lock:
            self._ended = error
        while not self._queue.empty():
            put = self._queue.get()
            if put is not None:
                _settle([put], error)

    def _waiting(self) -> tuple[list[_Put], bool]:
        batch: list[_Put] = []
        put = self._queue.get()
        while put is not None:
            batch.append(put)
            if len(batch) == BATCH or self._queue.empty():
                return batch, True
            put = self._queue.get()
        return batch, False

    def _commit(self, connection: sqlite3.Connection, batch: list[_Put]) -> CacheError | None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO entries (key, request, body, latency, created) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET request=excluded.request, body=excluded.body, "
                "latency=excluded.latency, created=excluded.created",
                [put.row for put in batch],
            )
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - handed to the waiters, who raise it
            with suppress(sqlite3.Error):
                connection.rollback()
            return self._trouble(error)
        return None

    def _trouble(self, error: Exception) -> CacheError:
        text = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        # Extended result codes keep the primary one in their low byte.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return CacheError(f"{self.path}: the cache cannot be used ({text}); {REMEDIES.get(code, REMEDY)}")


def _use_wal(connection: sqlite3.Connection, patience: float) -> None:
    """Switch to WAL; SQLite's busy time-out does not cover two processes that switch a new file at once."""
    last = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > last:
                raise
            time.sleep(0.01)
        else:
            return


def _settle(batch: list[_Put], error: CacheError | None) -> None:
    """Wake everybody whose answer is on disk (or could not be put there), once per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for put in batch:
        by_loop.setdefault(put.loop, []).append(put.done)
    for loop, futures in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, futures, error)


def _resolve(futures: list[asyncio.Future[None]], error: CacheError | None) -> None:
    for future in futures:
        if future.done():  # its waiter was cancelled
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def _row(request: Request, entry: Entry) -> tuple[bytes, bytes, bytes, float, float]:
    compress = _compressor().compress
    asked = canonical_json(
        {"server": request.server, "endpoint": request.endpoint, "body": request.body, "trial": request.trial}
    )
    return (
        bytes.fromhex(request.key),
        compress(asked.encode("ascii")),
        compress(entry.body),
        entry.latency,
        time.time(),
    )


_local = threading.local()  # zstandard's objects must not be used by two threads at once


def _compressor() -> zstandard.ZstdCompressor:
    import zstandard

    if not hasattr(_local, "compressor"):
        _local.compressor = zstandard.ZstdCompressor(level=3)
    return _local.compressor  # type: ignore[no-any-return]


def _unpacked(packed: Any) -> bytes | None:
    import zstandard

    try:
        return _decompressor().decompress(packed)
    except (zstandard.ZstdError, TypeError):
        return None


def _decompressor() -> zstandard.ZstdDecompressor:
    import zstandard

    if not hasattr(_local, "decompressor"):
        _local.decompressor = zstandard.ZstdDecompressor()
    return _local.decompressor  # type: ignore[no-any-return]
