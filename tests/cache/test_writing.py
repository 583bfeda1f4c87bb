"""The writer: commits together, wakes who waits, and loses nothing when it cannot write."""

from __future__ import annotations

import asyncio
import math
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Coroutine
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from entries import found, put_all, request

from evalkit.cache.base import Entry
from evalkit.cache.sqlite import SqliteCache
from evalkit.cache.writer import BATCH
from evalkit.errors import CacheError
from evalkit.records import Request


def commits(path: Path) -> int:
    """Commit records in the log: frames that hold the database's size (sqlite.org/fileformat2.html)."""
    log = path.with_name(path.name + "-wal").read_bytes()
    page = int.from_bytes(log[8:12], "big")
    salt = log[16:24]
    frames = (log[at : at + 24] for at in range(32, len(log), 24 + page))
    return sum(frame[8:16] == salt and frame[4:8] != b"\0\0\0\0" for frame in frames)


def test_a_thousand_waiting_answers_are_a_few_transactions(cache: SqliteCache, path: Path) -> None:
    """The first to come is written alone, if it must; those that wait for it go together."""
    before = commits(path)
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")  # the writer waits here until all have come

    async def put() -> None:
        waiting = [
            asyncio.create_task(cache.put(request(number), Entry(b"x", 0.0))) for number in range(1000)
        ]
        await asyncio.sleep(0)
        held.execute("ROLLBACK")
        await asyncio.gather(*waiting)

    asyncio.run(put())
    held.close()
    assert 1000 / BATCH <= commits(path) - before <= 1000 / BATCH + 1


def test_one_answer_is_committed_at_once(cache: SqliteCache, path: Path) -> None:
    """Durability does not wait for company: each put that stands alone has a transaction."""
    before = commits(path)

    async def one_after_another() -> None:
        for number in range(5):
            await cache.put(request(number), Entry(b"x", 0.0))
            with sqlite3.connect(path) as other:
                assert other.execute("SELECT count(*) FROM entries").fetchone() == (number + 1,)
            other.close()

    asyncio.run(one_after_another())
    assert commits(path) - before == 5


class SmallDisk(SqliteCache):
    """A cache on a disk with room for a few pages."""

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.execute("PRAGMA max_page_count=12")
        return connection


def test_full_disk_is_an_error_and_what_was_committed_stays(path: Path) -> None:
    small = SmallDisk(path)
    put_all(small, (request(1), Entry(b"kept", 0.0)))
    incompressible = random.Random(0).randbytes(200_000)
    with pytest.raises(CacheError, match="free some disk space"):
        put_all(small, (request(2), Entry(incompressible, 0.0)))
    put_all(small, (request(3), Entry(b"small enough", 0.0)))
    with pytest.raises(CacheError, match=r"free some disk space.* evalkit cache import (\S+)$") as caught:
        small.close()
    assert found(path, [request(number) for number in (1, 2, 3)]) == [b"kept", b"small enough"]
    rescued = Path(str(caught.value).split()[-1])
    assert found(rescued, [request(2)]) == [incompressible]


def test_answer_that_could_not_be_written_is_written_at_the_end(path: Path) -> None:
    """The file was locked when the answer came, and is free when the run ends."""
    cache = SqliteCache(path, patience=0.05)
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    with pytest.raises(CacheError):
        put_all(cache, (request(1), Entry(b"paid for", 0.0)))
    held.close()
    cache.close()
    assert found(path, [request(1)]) == [b"paid for"]


LIMITED = """
import asyncio, os, resource, signal, sys
from evalkit.cache.base import Entry
from evalkit.cache.sqlite import SqliteCache
from evalkit.errors import CacheError
from evalkit.records import Request

cache = SqliteCache(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

async def put(number):
    await cache.put(Request("s", "e", {"n": number}), Entry(os.urandom(200_000), 0.1))

async def main():
    return await asyncio.gather(*(put(number) for number in range(20)), return_exceptions=True)

print(*{type(result).__name__ for result in asyncio.run(main())})
"""


def test_file_that_may_grow_no_more_wakes_every_waiter_with_an_error(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["CacheError"]


class NoWriter(SqliteCache):
    """A cache whose writer cannot even start: the second connection fails, in a way nobody thought of."""

    def _connect(self) -> sqlite3.Connection:
        if threading.current_thread().name == "evalkit-cache":
            raise MemoryError("no memory left")
        return super()._connect()


def test_dead_writer_wakes_all_who_wait_and_all_who_come(path: Path) -> None:
    cache = NoWriter(path)

    async def put() -> list[Any]:
        asked: list[Coroutine[Any, Any, None]] = [
            cache.put(request(number), Entry(b"x", 0.0)) for number in range(50)
        ]
        results = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 10)
        with pytest.raises(CacheError):
            await asyncio.wait_for(cache.put(request(99), Entry(b"x", 0.0)), 10)
        return results

    results = asyncio.run(put())
    assert {type(result) for result in results} == {CacheError}
    assert "no memory left" in str(results[0])
    cache.close()


def test_file_taken_away_is_an_error_and_no_hang(path: Path) -> None:
    cache = SqliteCache(path)
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    with pytest.raises(CacheError):
        put_all(cache, (request(1), Entry(b"x", 0.0)))
    with pytest.raises(CacheError, match=r"removed or replaced .*evalkit cache import (\S+)$") as caught:
        cache.close()
    assert found(Path(str(caught.value).split()[-1]), [request(1)]) == [b"x"]


def test_nothing_is_lost_when_the_folder_goes_while_answers_come(path: Path) -> None:
    """SQLite goes on writing into the file that has lost its name; nobody would ever find it again."""
    cache = SqliteCache(path)
    put_all(cache, (request(1), Entry(b"before", 0.0)))
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    with pytest.raises(CacheError, match="removed or replaced"):
        put_all(cache, (request(2), Entry(b"after", 0.0)))
    with pytest.raises(CacheError, match="evalkit cache import") as caught:
        cache.close()
    rescued = Path(str(caught.value).split()[-1])
    assert found(rescued, [request(1), request(2)]) == [b"before", b"after"]
    assert not path.exists()


def test_bad_row_is_an_error_and_the_writer_goes_on(cache: SqliteCache) -> None:
    """SQLite stores NaN as NULL, which the column refuses."""
    with pytest.raises(CacheError):
        put_all(cache, (request(1), Entry(b"x", float("nan"))))
    put_all(cache, (request(1), Entry(b"x", 0.0)))


def test_what_cannot_be_packed_is_told_to_its_caller_alone(cache: SqliteCache) -> None:
    """JSON has no NaN: such a request has no key. Those that are written with it do not suffer."""
    requests = [request(1), Request("http://host/v1", "chat.completions", {"n": math.nan}), request(2)]

    async def put() -> list[Any]:
        waiting = (cache.put(one, Entry(b"x", 0.0)) for one in requests)
        return await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 10)

    first, error, last = asyncio.run(put())
    assert isinstance(error, ValueError)
    assert (first, last) == (None, None)
    assert found(cache.path, [request(1), request(2)]) == [b"x", b"x"]


class Watched(Request):
    """Remembers which thread asked for its key."""

    @property
    def key(self) -> str:
        self.threads.append(threading.current_thread().name)
        return super().key

    @cached_property
    def threads(self) -> list[str]:
        return []


def test_packing_is_not_done_in_the_event_loop(cache: SqliteCache) -> None:
    asked = Watched("http://host/v1", "chat.completions", {"n": 1})
    put_all(cache, (asked, Entry(b"x", 0.0)))
    assert asked.threads == ["evalkit-cache"]


def test_close_writes_what_waits(path: Path) -> None:
    cache = SqliteCache(path)

    async def put_and_close() -> None:
        waiting = [
            asyncio.create_task(cache.put(request(number), Entry(b"x", 0.0))) for number in range(1200)
        ]
        await asyncio.sleep(0)
        cache.close()
        await asyncio.wait_for(asyncio.gather(*waiting), 10)

    asyncio.run(put_and_close())
    again = SqliteCache(path)
    assert len(again.get_many(request(number).key for number in range(1200))) == 1200
    again.close()


def test_answers_whose_run_was_cancelled_are_written(path: Path) -> None:
    """The loop is closed before the writer gets round to them: it must not stumble over that."""
    cache = SqliteCache(path)
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")  # the writer waits here until the loop is gone

    async def put_and_leave() -> None:
        waiting = [
            asyncio.create_task(cache.put(request(number), Entry(b"x", 0.0))) for number in range(2 * BATCH)
        ]
        await asyncio.sleep(0)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(put_and_leave())
    held.execute("ROLLBACK")
    held.close()
    cache.close()
    again = SqliteCache(path)
    assert len(again.get_many(request(number).key for number in range(2 * BATCH))) == 2 * BATCH
    again.close()


def test_put_after_close_is_an_error(path: Path) -> None:
    cache = SqliteCache(path)
    cache.close()
    with pytest.raises(CacheError, match="closed"):
        put_all(cache, (request(1), Entry(b"x", 0.0)))
    cache.close()
    with pytest.raises(CacheError):
        cache.get_many([request(1).key])
