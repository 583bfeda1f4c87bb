"""The one thread that writes: it packs and commits whatever is waiting, then wakes who waits for it."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from evalkit.cache.opening import lengthen_log
from evalkit.cache.row import REPLACE, Row
from evalkit.errors import CacheError

BATCH = 500


@dataclass(frozen=True, slots=True)
class _Put:
    pack: Callable[[], Row]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]


class Writer:
    """Writes rows through connections that `connect` opens; `trouble` turns what goes wrong into an error.

    `moved` says whether the file is no longer where it was: commits would reach a file that nobody finds.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        trouble: Callable[[Exception], CacheError],
        moved: Callable[[], CacheError | None],
    ) -> None:
        self._connect = connect
        self._trouble = trouble
        self._moved = moved
        self._queue: queue.SimpleQueue[_Put | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        # Held to put into the queue and to end it: nothing is put where no thread will ever look.
        self._lock = threading.Lock()
        self._ended: CacheError | None = None
        self._unwritten: list[Row] = []

    async def put(self, pack: Callable[[], Row]) -> None:
        """Write the row that `pack` makes in the writer's thread; returns once its transaction is committed.

        Raises what `pack` raises.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if self._ended is not None:
                self._unwritten.append(pack())
                raise self._ended
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="evalkit-cache", daemon=True)
                self._thread.start()
            self._queue.put(_Put(pack, loop, done))
        await done

    def close(self, ended: CacheError) -> Sequence[Row]:
        """Write what is waiting; return the rows that could not be written. Later puts raise `ended`."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._queue.put(None)
            self._ended = self._ended or ended
        if thread is not None:
            thread.join()
        unwritten, self._unwritten = self._unwritten, []
        return unwritten

    def _write(self) -> None:
        try:
            with closing(self._connect()) as connection:
                # FULL makes a commit survive a power cut; in batches it costs nothing measurable.
                connection.execute("PRAGMA synchronous=FULL")
                lengthen_log(connection)
                open_for_more = True
                while open_for_more:
                    batch, open_for_more = self._waiting()
                    batch, rows = self._packed(batch)
                    self._settle(batch, rows, self._commit(connection, rows))
        except Exception as error:  # noqa: BLE001 - whatever ended it, its waiters hear of it
            self._abandon(self._trouble(error))

    def _abandon(self, error: CacheError) -> None:
        """There is no thread any more: nobody may wait for one."""
        with self._lock:
            self._ended = error
        while not self._queue.empty():
            put = self._queue.get()
            if put is not None:
                self._settle(*self._packed([put]), error)

    def _waiting(self) -> tuple[list[_Put], bool]:
        batch: list[_Put] = []
        put = self._queue.get()
        while put is not None:
            batch.append(put)
            if len(batch) == BATCH or self._queue.empty():
                return batch, True
            put = self._queue.get()
        return batch, False

    def _packed(self, batch: list[_Put]) -> tuple[list[_Put], list[Row]]:
        """Return what can be written, and its rows; whoever waits for anything else hears why not."""
        good, rows = [], []
        for put in batch:
            try:
                row = put.pack()
            except Exception as error:  # noqa: BLE001 - raised where the answer came in
                _tell(put.loop, [put.done], error)
            else:
                good.append(put)
                rows.append(row)
        return good, rows

    def _commit(self, connection: sqlite3.Connection, rows: list[Row]) -> Exception | None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(REPLACE, rows)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - handed to the waiters, who raise it
            with suppress(sqlite3.Error):
                connection.rollback()
            return error
        return self._moved()

    def _settle(self, batch: list[_Put], rows: list[Row], error: Exception | None) -> None:
        """Wake everybody whose answer is on disk (or could not be put there), once per event loop."""
        if error is not None and not isinstance(error, sqlite3.IntegrityError):  # such a row fits nowhere
            self._unwritten += rows
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for put in batch:
            by_loop.setdefault(put.loop, []).append(put.done)
        said = None if error is None else self._trouble(error)
        for loop, futures in by_loop.items():
            _tell(loop, futures, said)


def write(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Write rows in one transaction, outside of any run."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(REPLACE, rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _tell(
    loop: asyncio.AbstractEventLoop, futures: list[asyncio.Future[None]], error: Exception | None
) -> None:
    """Wake who waits in a loop."""
    with suppress(RuntimeError):  # the loop was closed: nobody waits any more
        loop.call_soon_threadsafe(_resolve, futures, error)


def _resolve(futures: list[asyncio.Future[None]], error: Exception | None) -> None:
    for future in futures:
        if future.done():  # its waiter was cancelled
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
