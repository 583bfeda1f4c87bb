"""Answers kept in one SQLite file come back as they were."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from entries import put_all, request
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.cache.base import Entry, Mode
from evalkit.cache.layout import APPLICATION_ID, SCHEMA_VERSION
from evalkit.cache.sqlite import SqliteCache


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


def test_empty_file_becomes_a_cache(path: Path) -> None:
    path.touch()
    cache = SqliteCache(path)
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
