"""The cache in one SQLite file: WAL, one writer thread that commits in batches, zstd values."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from evalkit.cache import damage, layout, rescue
from evalkit.cache.base import Entry
from evalkit.cache.opening import Say, connect, open_to_read, prepare
from evalkit.cache.row import Row, body_of, request_of, row_of, sorted_by
from evalkit.cache.trouble import DAMAGE, code_of, trouble
from evalkit.cache.writer import Writer, write
from evalkit.errors import CacheError
from evalkit.records import Request

LOOKUP = 500  # keys in one SELECT; SQLite allows 32766 parameters
BUSY_SECONDS = 60.0
SAME_TEXT = 200  # entries looked at that ask the same text elsewhere or otherwise
NEWEST = 1000  # entries looked at of the same server and model
REQUESTS = "SELECT id, request FROM entries"


class SqliteCache:
    """A cache file, opened (and created) at once; CacheError says what is wrong with it.

    `patience` is how many seconds another process may hold the file. With `read_only` nothing is made,
    changed or written beside it. `say` hears when an old file was migrated or a damaged one set aside.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        patience: float = BUSY_SECONDS,
        read_only: bool = False,
        say: Say = lambda _: None,
    ) -> None:
        self.path = Path(path).expanduser()
        self._patience = patience
        self._read_only = read_only
        self._say = say
        self._closed = False
        self._connection = open_to_read(self.path, patience) if read_only else self._open()
        self._place = None if read_only else self._identity()
        self._writer = Writer(self._connect, self._trouble, self._moved)

    def get_many(self, keys: Iterable[str]) -> Mapping[str, Entry]:
        """Return the entries there are for these keys; a damaged one is none."""
        wanted = [bytes.fromhex(key) for key in dict.fromkeys(keys)]
        try:
            return self._find(wanted)
        except sqlite3.Error as error:
            if self._read_only or code_of(error) not in DAMAGE:
                raise self._trouble(error) from None
            self._replace_damaged(error)
        try:
            return self._find(wanted)
        except sqlite3.Error as error:
            raise self._trouble(error) from None

    def alike(self, request: Request) -> Sequence[Mapping[str, Any]]:
        """Return stored requests that this one may be a variant of, the newest first.

        Up to 200 that ask the same text, and the newest 1,000 of the same server and model (of any, where
        there is none).
        """
        server, model, text = sorted_by({"server": request.server, "body": dict(request.body)})
        try:
            rows = self._newest(SAME_TEXT, layout.same_text(self._connection), text)
            rows |= self._newest(NEWEST, f"{REQUESTS} WHERE server = ? AND model = ?", server, model)
            rows = rows or self._newest(NEWEST, REQUESTS)
        except sqlite3.Error as error:
            raise self._trouble(error) from None
        found = (request_of(packed) for _, packed in sorted(rows.items(), reverse=True))
        return [one for one in found if one is not None]

    async def put(self, request: Request, entry: Entry) -> None:
        """Keep an answer; returns once its transaction is committed."""
        if self._read_only:
            raise CacheError(f"{self.path}: opened for reading only")
        # Packed in the writer's thread: zstd and JSON would keep the event loop from its answers.
        await self._writer.put(partial(row_of, request, entry))

    def close(self) -> None:
        """Write what is waiting and let go of the file; safe to call twice.

        Answers that could not be written are tried once more, then put into a file of their own, which the
        CacheError names.
        """
        if self._closed:
            return
        self._closed = True
        rows = self._writer.close(CacheError(f"{self.path}: the cache is closed"))
        try:
            if rows:
                self._write_at_last(rows)
        finally:
            self._connection.close()

    def _find(self, wanted: Sequence[bytes]) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for start in range(0, len(wanted), LOOKUP):
            part = wanted[start : start + LOOKUP]
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(
                f"SELECT key, body, sha256, latency FROM entries WHERE key IN ({marks})",  # noqa: S608 - only ?
                part,
            )
            for key, packed, sha256, latency in rows:
                body = body_of(packed, sha256)
                if body is not None:
                    found[key.hex()] = Entry(body, latency)
        return found

    def _newest(self, limit: int, query: str, *values: Any) -> dict[int, bytes]:
        found = self._connection.execute(f"{query} ORDER BY id DESC LIMIT {limit}", values)
        return dict(found.fetchall())

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                return self._prepared()
            except sqlite3.DatabaseError as error:
                damage.replace_damaged(self.path, error, self._patience, self._say)
                return self._prepared()
        except (OSError, sqlite3.Error) as error:
            raise self._trouble(error) from None

    def _prepared(self) -> sqlite3.Connection:
        connection = connect(self.path, "rwc", self._patience)
        try:
            prepare(connection, self.path, self._patience, self._say)
        except BaseException:
            connection.close()
            raise
        return connection

    def _replace_damaged(self, error: sqlite3.Error) -> None:
        self._connection.close()
        damage.replace_damaged(self.path, error, self._patience, self._say)
        self._connection = self._open()
        self._place = self._identity()

    def _connect(self) -> sqlite3.Connection:
        """Connect for writing; a file that was removed meanwhile is not made anew."""
        return connect(self.path, "rw", self._patience)

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _moved(self) -> CacheError | None:
        if self._identity() == self._place:
            return None
        return CacheError(f"{self.path}: the cache file was removed or replaced while it was in use")

    def _write_at_last(self, rows: Sequence[Row]) -> None:
        moved = self._moved()
        if moved is not None:
            place = rescue.whole_elsewhere(self.path, self._connection, rows)
            raise self._said(moved, place, len(rows))
        try:
            connection = self._connect()
            try:
                write(connection, rows)
            finally:
                connection.close()
        except Exception as error:  # noqa: BLE001 - whatever it is, the answers go elsewhere
            raise self._said(error, rescue.rows_elsewhere(self.path, rows), len(rows)) from None

    def _said(self, error: Exception, place: Path | None, count: int) -> CacheError:
        said = self._trouble(error)
        if place is None:
            return CacheError(f"{said}; answers that were paid for could not be kept anywhere: {count}")
        return CacheError(
            f"{said}; answers that were paid for are kept in another file: evalkit cache import {place}"
        )

    def _trouble(self, error: Exception) -> CacheError:
        return trouble(self.path, error)
