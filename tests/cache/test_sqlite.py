"""The cache file: durable before it is acknowledged, shared, and never silently wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.cache.base import Entry, Mode
from evalkit.cache.sqlite import SqliteCache
from evalkit.errors import CacheError
from evalkit.records import Request


def request(number: int, trial: int = 0) -> Request:
    return Request("http://host/v1", "chat.completions", {"model": "m", "n": number}, trial)


def put(cache: SqliteCache, *numbers: int) -> None:
    async def work() -> None:
        await asyncio.gather(
            *(cache.put(request(number), Entry(f"body {number}".encode(), number / 10)) for number in numbers)
        )

    asyncio.run(work())


def test_what_was_put_is_found_again_by_another_reader(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path / "c.sqlite")
    put(cache, *range(2000))
    other = SqliteCache(tmp_path / "c.sqlite")
    found = other.get_many([request(number).key for number in range(0, 3000, 7)])
    assert found == {
        request(number).key: Entry(f"body {number}".encode(), number / 10) for number in range(0, 2000, 7)
    }
    cache.close()
    cache.close()  # safe twice
    other.close()


def test_answers_that_wait_together_share_a_transaction(tmp_path: Path) -> None:
    commits: list[str] = []

    class Traced(SqliteCache):
        def _connect(self) -> sqlite3.Connection:
            connection = super()._connect()
            connection.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
            return connection

    cache = Traced(tmp_path / "c.sqlite")
    commits.clear()
    put(cache, *range(1000))
    cache.close()
    assert 1 <= len(commits) <= 50


def test_new_answer_replaces_the_old(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path / "c.sqlite")
    put(cache, 1)

    async def again() -> None:
        await cache.put(request(1), Entry(b"newer", 9.0))

    asyncio.run(again())
    assert cache.get_many([request(1).key]) == {request(1).key: Entry(b"newer", 9.0)}
    cache.close()


WRITER = """
import asyncio, sys
from evalkit.cache.base import Entry
from evalkit.cache.sqlite import SqliteCache
from evalkit.records import Request
first, last = int(sys.argv[2]), int(sys.argv[3])
cache = SqliteCache(sys.argv[1])
async def one(number):
    asked = Request("http://host/v1", "chat.completions", {"model": "m", "n": number}, 0)
    await cache.put(asked, Entry(b"x" * 500, 0.1))
    print(number, flush=True)
async def work():
    for start in range(first, last, 8):
        await asyncio.gather(*(one(number) for number in range(start, start + 8)))
asyncio.run(work())
cache.close()
"""


@pytest.mark.parametrize("after", [1, 40, 333])
def test_kill_loses_nothing_that_was_acknowledged(tmp_path: Path, after: int) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path / "c.sqlite", "0", "100000"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    said = [int(writer.stdout.readline()) for _ in range(after)]
    os.kill(writer.pid, signal.SIGKILL)
    said += [int(line) for line in writer.stdout.read().splitlines() if line.strip()][:-1]
    writer.wait()
    writer.stdout.close()
    cache = SqliteCache(tmp_path / "c.sqlite")
    assert len(cache.get_many([request(number).key for number in said])) == len(set(said))
    cache.close()


def test_two_processes_write_into_one_file(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path / "c.sqlite", str(first), str(first + 800)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for first in (0, 800)
    ]  # fmt: skip
    for writer in writers:
        _, error = writer.communicate(timeout=60)
        assert writer.returncode == 0, error
    cache = SqliteCache(tmp_path / "c.sqlite")
    assert len(cache.get_many([request(number).key for number in range(1600)])) == 1600
    cache.close()


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    SqliteCache(tmp_path / "c.sqlite").close()
    with sqlite3.connect(tmp_path / "c.sqlite") as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(CacheError, match="newer"):
        SqliteCache(tmp_path / "c.sqlite")


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "c.sqlite") as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = (tmp_path / "c.sqlite").read_bytes()
    with pytest.raises(CacheError, match="another program"):
        SqliteCache(tmp_path / "c.sqlite")
    assert (tmp_path / "c.sqlite").read_bytes()[100:] == before[100:]


def test_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "c.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(CacheError, match="aside"):
        SqliteCache(tmp_path / "c.sqlite")
    assert (tmp_path / "c.sqlite").read_bytes().startswith(b"not a database")


def test_place_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"cache\.path"):
        SqliteCache(tmp_path / "file" / "c.sqlite")


def test_disk_that_is_full_wakes_every_waiter_with_an_error(tmp_path: Path) -> None:
    """The file may have no more pages: what SQLite says is what it says of a full disk."""
    cache = SqliteCache(tmp_path / "c.sqlite")
    put(cache, 0)
    cache.close()
    small = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path / "c.sqlite"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert small.stdout.split() == ["CacheError"] * 20, small.stderr


FULL = """
import asyncio, os, resource, signal, sys
from evalkit.cache.base import Entry
from evalkit.cache.sqlite import SqliteCache
from evalkit.records import Request
cache = SqliteCache(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
async def one(number):
    try:
        await cache.put(Request("s", "e", {"n": number}, 0), Entry(os.urandom(200_000), 0.1))
    except Exception as error:
        print(type(error).__name__)
async def work():
    await asyncio.gather(*(one(number) for number in range(20)))
asyncio.run(work())
"""


@pytest.mark.parametrize(
    ("mode", "reads", "writes"),
    [
        (Mode.RW, True, True),
        (Mode.REFRESH, False, True),
        (Mode.REPLAY, True, False),
        (Mode.OFF, False, False),
    ],
)
def test_modes(mode: Mode, reads: bool, writes: bool) -> None:  # noqa: FBT001
    assert (mode.reads, mode.writes) == (reads, writes)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), json_values, min_size=1, max_size=5))
def test_key_ignores_the_order_of_fields_and_nothing_else(body: dict[str, object]) -> None:
    key = Request("s", "e", body, 0).key
    assert Request("s", "e", dict(reversed(body.items())), 0).key == key
    assert Request("t", "e", body, 0).key != key
    assert Request("s", "f", body, 0).key != key
    assert Request("s", "e", body, 1).key != key
    name = next(iter(body))
    assert Request("s", "e", {**body, name: [body[name]]}, 0).key != key
    assert Request("s", "e", {**body, name + "'": 0}, 0).key != key
