"""Exported files are whole, equal for equal entries, and taken in with suspicion."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest
import zstandard
from entries import filled, found, numbered_entries, put_all, request, sql

from evalkit.cache import layout
from evalkit.cache.base import Entry
from evalkit.cache.portable import Exported, Imported, export, merge
from evalkit.cache.row import pack
from evalkit.cache.sqlite import SqliteCache
from evalkit.cache.verification import verify
from evalkit.errors import CacheError


def take(path: Path, source: Path) -> Imported:
    return merge(path, source, 5.0, lambda _: None, lambda _: None)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "exported.sqlite"


def test_exported_file_is_one_file_and_itself_a_cache(path: Path, target: Path) -> None:
    filled(path, *numbered_entries(50))
    assert export(path, target) == Exported(50, 0, 0)
    assert sql(target, "PRAGMA journal_mode") == [("delete",)]
    assert verify(target, lambda _: None).clean
    assert sorted(file.name for file in path.parent.iterdir()) == ["cache.sqlite", "exported.sqlite"]
    assert len(found(target, [request(number) for number in range(50)])) == 50


def test_same_entries_make_the_same_bytes_whatever_their_order(path: Path, tmp_path: Path) -> None:
    filled(path, *numbered_entries(50))
    export(path, tmp_path / "one.sqlite")
    again = filled(tmp_path / "again.sqlite")
    for number in (7, 3):  # rows of their own, in another order
        export(path, tmp_path / "part.sqlite", [request(number).key])
        take(again, tmp_path / "part.sqlite")
    take(again, tmp_path / "one.sqlite")
    export(again, tmp_path / "two.sqlite")
    assert (tmp_path / "one.sqlite").read_bytes() == (tmp_path / "two.sqlite").read_bytes()


def test_answers_still_in_the_log_are_exported(path: Path, cache: SqliteCache, target: Path) -> None:
    """A copy of the file alone would lose them."""
    put_all(cache, *numbered_entries(20))
    assert path.with_name("cache.sqlite-wal").stat().st_size > 0
    assert export(path, target).entries == 20


def test_only_the_wanted_are_exported_and_absent_ones_counted(path: Path, target: Path) -> None:
    filled(path, *numbered_entries(10))
    wanted = [request(number).key for number in (3, 4, 99)]
    assert export(path, target, wanted) == Exported(2, 1, 0)
    assert found(target, [request(number) for number in range(10)]) == [b"answer 3", b"answer 4"]


def test_damaged_entries_are_left_out_and_counted(path: Path, target: Path) -> None:
    filled(path, *numbered_entries(10))
    sql(path, "UPDATE entries SET body = x'00' WHERE id = 3")
    assert export(path, target) == Exported(9, 0, 1)


def test_file_that_is_no_cache_is_not_replaced(path: Path, tmp_path: Path) -> None:
    filled(path, *numbered_entries(1))
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear reader")
    for target in (letter, path):
        before = target.read_bytes()
        with pytest.raises(CacheError, match="choose another name"):
            export(path, target)
        assert target.read_bytes() == before


def test_new_present_and_conflicting_are_counted_and_what_is_here_stays(path: Path, tmp_path: Path) -> None:
    filled(path, *numbered_entries(3))
    other = filled(
        tmp_path / "other.sqlite", *numbered_entries(5, start=2), (request(0), Entry(b"else", 1.0))
    )
    assert take(path, other) == Imported(new=4, present=1, conflicting=1, damaged=0)
    assert found(path, [request(0)]) == [b"answer 0"]
    assert take(path, other) == Imported(new=0, present=5, conflicting=1, damaged=0)


def test_old_version_is_imported_and_not_changed(path: Path, tmp_path: Path) -> None:
    other = filled(tmp_path / "old.sqlite", *numbered_entries(5))
    with sqlite3.connect(other, isolation_level=None) as file:
        file.execute("ALTER TABLE entries RENAME TO moved")
        file.execute(layout.TABLES[1])
        file.execute("INSERT INTO entries SELECT id, key, request, body, latency, created FROM moved")
        file.execute("DROP TABLE moved")
        file.execute("PRAGMA user_version=1")
    file.close()
    assert take(path, other).new == 5
    assert verify(path, lambda _: None).clean
    assert sql(other, "PRAGMA user_version") == [(1,)]


def test_damaged_file_gives_what_can_be_read(path: Path, tmp_path: Path) -> None:
    other = filled(tmp_path / "other.sqlite", *numbered_entries(2000))
    content = other.read_bytes()
    other.write_bytes(content[: len(content) // 2])  # cut off
    taken = take(path, other)
    assert 200 < taken.new < 2000
    assert verify(path, lambda _: None).clean


PLANTED = [
    "CREATE TRIGGER planted AFTER INSERT ON entries BEGIN DELETE FROM entries; END",
    "CREATE VIEW planted AS SELECT * FROM entries",
    "CREATE TABLE planted (x)",
    "CREATE INDEX planted ON entries (latency)",
]


@pytest.mark.parametrize("statement", PLANTED)
def test_file_with_anything_planted_in_it_gives_nothing(path: Path, tmp_path: Path, statement: str) -> None:
    other = filled(tmp_path / "other.sqlite", *numbered_entries(3))
    sql(other, statement)
    filled(path, *numbered_entries(1, start=100))
    with pytest.raises(CacheError, match=r"holds more than .*planted.*nothing was taken"):
        take(path, other)
    assert found(path, [request(100), request(0)]) == [b"answer 100"]


def test_view_in_place_of_the_entries_gives_nothing(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    sql(other, f"PRAGMA application_id={layout.APPLICATION_ID}")
    sql(other, "PRAGMA user_version=2")
    sql(other, "CREATE VIEW entries AS SELECT 1 AS id, randomblob(32) AS key")
    with pytest.raises(CacheError, match="nothing was taken"):
        take(path, other)


def bomb(size: int) -> bytes:
    """A zstd frame of a few kilobytes that unpacks to `size` zero bytes."""
    return zstandard.ZstdCompressor(level=19).compress(bytes(size))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entries SET body = ?1 WHERE id = 1",
        "UPDATE entries SET request = ?1 WHERE id = 1",
        "UPDATE entries SET key = randomblob(32) WHERE id = 1",
        "UPDATE entries SET key = 'text' WHERE id = 1",
        "UPDATE entries SET sha256 = randomblob(32) WHERE id = 1",
        "UPDATE entries SET model = 'another' WHERE id = 1",
        "UPDATE entries SET latency = 'soon' WHERE id = 1",
        "UPDATE entries SET server = CAST(x'ff' AS TEXT) WHERE id = 1",
        "UPDATE entries SET body = zeroblob(300000000) WHERE id = 1",
    ],
)
def test_rows_made_to_do_harm_are_left_out(path: Path, tmp_path: Path, change: str) -> None:
    other = filled(tmp_path / "other.sqlite", *numbered_entries(3))
    values = [bomb(300 * 2**20)] if "?1" in change else []
    sql(other, change, *values)
    assert take(path, other) == Imported(new=2, present=0, conflicting=0, damaged=1)
    assert verify(path, lambda _: None).clean


def test_body_that_is_no_answer_is_left_out(path: Path, tmp_path: Path) -> None:
    other = filled(tmp_path / "other.sqlite", *numbered_entries(3))
    taken = merge(path, other, 5.0, lambda _: None, lambda row: "no answer" if _is(row.body, 1) else None)
    assert taken == Imported(new=2, present=0, conflicting=0, damaged=1)


def _is(packed: bytes, number: int) -> bool:
    return packed == pack(b"answer %d" % number)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 9000, b"SQLite format 3\x00" + b"\xff" * 9000])
def test_file_that_is_no_cache_is_one_clear_error(path: Path, tmp_path: Path, content: bytes) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(content)
    with pytest.raises(CacheError, match=r"other\.bin"):
        take(path, other)
    assert hashlib.sha256(other.read_bytes()).digest() == hashlib.sha256(content).digest()


def test_newer_file_and_absent_file_and_the_cache_itself_are_refused(path: Path, tmp_path: Path) -> None:
    filled(path, *numbered_entries(1))
    newer = filled(tmp_path / "newer.sqlite", *numbered_entries(1))
    sql(newer, f"PRAGMA user_version={layout.SCHEMA_VERSION + 1}")
    for source, message in (
        (newer, "newer evalkit"),
        (tmp_path / "no.sqlite", "no such cache"),
        (path, "itself"),
    ):
        with pytest.raises(CacheError, match=message):
            take(path, source)
