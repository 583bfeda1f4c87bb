from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.cache.base import Entry, Mode
from evalkit.cache.sqlite import APPLICATION_ID, BATCH, SCHEMA_VERSION, SqliteCache
from evalkit.errors import CacheError
from evalkit.records import Request


def request(number: int | str) -> Request:
    return Request("http://host/v1", "chat.completions", {"model": "m", "n": number})


def put_all(cache: SqliteCache, *pairs: tuple[Request, Entry]) -> None:
    async def put() -> None:
        await asyncio.gather(*(cache.put(one, entry) for one, entry in pairs))

    asyncio.run(put())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite"


@pytest.fixture
def cache(path: Path) -> Iterator[SqliteCache]:
    opened = SqliteCache(path)
    yield opened
    opened.close()


def test_entry_comes_back_byte_for_byte(cache: SqliteCache) -> None:
    entry = Entry(b'{"a": "\xe5\xa5\xbd"}\x00\xff' * 1000, 0.1 + 0.2)
    put_all(cache, (request(1), entry))
    assert cache.get_many([request(1).key, request(2).key]) == {request(1).key: entry}


@given(st.binary(max_size=300), st.floats(0, 1e6))
@settings(max_examples=25, deadline=None)
def test_any_body_comes_back(tmp_path_factory: pytest.TempPathFactory, body: bytes, latency: float) -> None:
    path = tmp_path_factory.getbasetemp() / "any.sqlite"
    cache = SqliteCache(path)
    put_all(cache, (request("any"), Entry(body, latency)))
    cache.close()
    again = SqliteCache(path)
    assert again.get_many([request("any").key]) == {request("any").key: Entry(body, latency)}
    again.close()


def test_later_answer_replaces_the_earlier(cache: SqliteCache) -> None:
    for body in (b"first", b"second"):
        put_all(cache, (request(1), Entry(body, 1.0)))
    assert cache.get_many([request(1).key])[request(1).key].body == b"second"


def test_thousands_are_found_in_batches_and_named_twice_come_once(cache: SqliteCache) -> None:
    put_all(cache, *((request(number), Entry(b"%d" % number, 0.0)) for number in range(2500)))
    keys = [request(number).key for number in range(3000)]
    found = cache.get_many(keys + keys)
    assert len(found) == 2500
    assert found[request(2499).key].body == b"2499"


def test_nothing_asked_is_nothing_found(cache: SqliteCache) -> None:
    assert cache.get_many([]) == {}


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


def test_file_is_in_wal_mode_and_marked_as_ours(cache: SqliteCache, path: Path) -> None:
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert other.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert other.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    other.close()


@pytest.mark.parametrize(
    ("mode", "reads", "writes"),
    [
        (Mode.RW, True, True),
        (Mode.REFRESH, False, True),
        (Mode.REPLAY, True, False),
        (Mode.OFF, False, False),
    ],
)
def test_mode_says_what_is_done(mode: Mode, reads: bool, writes: bool) -> None:  # noqa: FBT001 - expected
    assert (mode.reads, mode.writes) == (reads, writes)


def test_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.sqlite"
    SqliteCache(path).close()
    assert path.is_file()


def test_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    SqliteCache(path).close()
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    other.close()
    before = path.read_bytes()
    with pytest.raises(CacheError, match=r"newer evalkit .*upgrade evalkit"):
        SqliteCache(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mark", [0, 0x42424242])
def test_another_program_s_database_is_refused_and_left_alone(path: Path, mark: int) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
        other.execute(f"PRAGMA application_id={mark}")
    other.close()
    before = path.read_bytes()
    with pytest.raises(CacheError, match=r"another program's database; set cache\.path"):
        SqliteCache(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "content", [b"id,text\n1,hello\n" * 100, b"\x00" * 5000, b"SQLite format 3\x00 or so"]
)
def test_file_that_is_no_database_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CacheError, match="move the file aside"):
        SqliteCache(path)
    assert path.read_bytes() == content


def test_empty_file_becomes_a_cache(path: Path) -> None:
    path.touch()
    cache = SqliteCache(path)
    put_all(cache, (request(1), Entry(b"x", 0.0)))
    cache.close()


def test_damaged_pages_are_one_clear_error(path: Path) -> None:
    cache = SqliteCache(path)
    put_all(cache, *((request(number), Entry(bytes(range(256)) * 20, 0.0)) for number in range(300)))
    cache.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xde\xad" * ((len(content) - 4096) // 2)
    path.write_bytes(content)
    damaged = SqliteCache(path)
    with pytest.raises(CacheError, match="damaged"):
        damaged.get_many([request(number).key for number in range(300)])
    with pytest.raises(CacheError, match="damaged"):
        put_all(damaged, (request(1), Entry(b"x", 0.0)))
    damaged.close()


def test_damaged_value_is_a_miss_and_can_be_written_again(cache: SqliteCache, path: Path) -> None:
    put_all(cache, (request(1), Entry(b"x" * 100, 0.0)), (request(2), Entry(b"y", 0.0)))
    with sqlite3.connect(path) as other:
        other.execute("UPDATE entries SET body = ? WHERE key = ?", (b"rust", bytes.fromhex(request(1).key)))
    other.close()
    assert list(cache.get_many([request(1).key, request(2).key])) == [request(2).key]
    put_all(cache, (request(1), Entry(b"z", 0.0)))
    assert cache.get_many([request(1).key])[request(1).key].body == b"z"


@pytest.mark.parametrize("below", ["", "/below/it"])
def test_path_through_a_file_is_one_clear_error(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("x" * 2000)
    with pytest.raises(CacheError, match=r"set cache\.path|move the file aside"):
        SqliteCache(f"{tmp_path}/file{below}")


def test_folder_as_a_path_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"set cache\.path .*cache=off"):
        SqliteCache(tmp_path)


READ_ONLY = """
import os, sys
from evalkit.cache.sqlite import SqliteCache
from evalkit.errors import CacheError

if os.geteuid() == 0:  # root may write anywhere
    os.setuid(65534)
for below in ("c.sqlite", "sub/c.sqlite"):
    try:
        SqliteCache(os.path.join(sys.argv[1], below))
    except CacheError as error:
        print(error)
"""


def test_folder_that_may_not_be_written_is_one_clear_error() -> None:
    # Not below tmp_path, which is closed to the other user.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, folder], capture_output=True, text=True, check=True
        )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("the cache cannot be used" in line and "set cache.path" in line for line in lines)


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
    small.close()
    again = SqliteCache(path)
    found = again.get_many([request(number).key for number in (1, 2, 3)])
    assert [entry.body for entry in found.values()] == [b"kept", b"small enough"]
    again.close()


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
    cache.close()


def test_bad_row_is_an_error_and_the_writer_goes_on(cache: SqliteCache) -> None:
    """SQLite stores NaN as NULL, which the column refuses."""
    with pytest.raises(CacheError):
        put_all(cache, (request(1), Entry(b"x", float("nan"))))
    put_all(cache, (request(1), Entry(b"x", 0.0)))


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


def test_file_that_another_program_holds_is_named_so(path: Path) -> None:
    cache = SqliteCache(path, patience=0.05)
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    with pytest.raises(CacheError, match="another program holds the file"):
        put_all(cache, (request(1), Entry(b"x", 0.0)))
    held.execute("ROLLBACK")
    held.close()
    put_all(cache, (request(1), Entry(b"x", 0.0)))
    cache.close()


def test_no_thread_is_left_and_none_is_started_for_reading(path: Path) -> None:
    before = threading.active_count()
    cache = SqliteCache(path)
    cache.get_many([request(1).key])
    assert threading.active_count() == before
    put_all(cache, (request(1), Entry(b"x", 0.0)))
    cache.close()
    assert threading.active_count() == before


def test_request_is_kept_readable_beside_its_answer(cache: SqliteCache, path: Path) -> None:
    import zstandard

    put_all(cache, (request("好"), Entry(b"x", 0.0)))
    with sqlite3.connect(path) as other:
        [(packed,)] = other.execute("SELECT request FROM entries").fetchall()
    other.close()
    assert zstandard.ZstdDecompressor().decompress(packed) == (
        b'{"body":{"model":"m","n":"\\u597d"},"endpoint":"chat.completions","server":"http://host/v1","trial":0}'
    )
