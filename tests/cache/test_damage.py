"""Damaged files: what can be read is kept, and nothing is thrown away."""

from __future__ import annotations

from pathlib import Path

import pytest
from entries import filled, found, numbered_entries, put_all, request, sql
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.cache.base import Entry
from evalkit.cache.sqlite import SqliteCache
from evalkit.errors import CacheError

PAGE = 4096


def spoil(path: Path, start: int, end: int) -> bytes:
    """Overwrite bytes of a file; returns what the whole is now."""
    content = bytearray(path.read_bytes())
    content[start:end] = b"\xde\xad" * ((min(end, len(content)) - start) // 2)
    path.write_bytes(content)
    return bytes(content)


def damaged_files(path: Path) -> list[Path]:
    return sorted(path.parent.glob("cache.damaged-*.sqlite"))


def test_readable_answers_of_a_damaged_file_are_kept_and_the_file_is_set_aside(path: Path) -> None:
    filled(path, *numbered_entries(3000))
    size = path.stat().st_size
    damaged = spoil(path, size // 2 // PAGE * PAGE, size // 2 // PAGE * PAGE + 3 * PAGE)
    said: list[str] = []
    cache = SqliteCache(path, say=said.append)
    kept = cache.get_many(request(number).key for number in range(3000))
    assert 2500 < len(kept) < 3000
    assert all(entry.body == b"answer %d" % number for number, entry in by_number(kept).items())
    put_all(cache, (request(9999), Entry(b"new", 0.0)))
    cache.close()
    [aside] = damaged_files(path)
    assert aside.read_bytes() == damaged
    assert str(aside) in said[0]
    assert f"{len(kept)} of its answers" in said[0]
    assert "evalkit cache import" in said[0]


def by_number(kept: object) -> dict[int, Entry]:
    assert isinstance(kept, dict)
    keys = {request(number).key: number for number in range(3000)}
    return {keys[key]: entry for key, entry in kept.items()}


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"\x00" * 5000, b"x"])
def test_file_of_garbage_is_set_aside_whole(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    said: list[str] = []
    cache = SqliteCache(path, say=said.append)
    put_all(cache, (request(1), Entry(b"x", 0.0)))
    cache.close()
    assert [file.read_bytes() for file in damaged_files(path)] == [content]
    assert len(said) == 1


def test_reading_only_sets_nothing_aside(path: Path) -> None:
    filled(path, *numbered_entries(500))
    damaged = spoil(path, PAGE, 10**9)
    with pytest.raises(CacheError, match="damaged"):
        SqliteCache(path, read_only=True).get_many([request(1).key])
    assert path.read_bytes() == damaged
    assert damaged_files(path) == []


def test_two_caches_on_one_damaged_file_set_it_aside_once(path: Path) -> None:
    filled(path, *numbered_entries(500))
    spoil(path, 5 * PAGE, 6 * PAGE)
    caches = [SqliteCache(path) for _ in range(2)]
    keys = [request(number).key for number in range(500)]
    counts = [len(cache.get_many(keys)) for cache in caches]
    for cache in caches:
        cache.close()
    assert counts[0] == counts[1] > 300
    assert len(damaged_files(path)) == 1


@given(st.integers(0, 10**6), st.integers(1, 3000))
@settings(max_examples=40, deadline=None)
def test_no_damage_gives_a_wrong_answer_or_loses_the_file(
    tmp_path_factory: pytest.TempPathFactory, place: int, length: int
) -> None:
    """Wherever bytes are spoilt: an answer comes back as it was or not at all, or one clear error."""
    path = tmp_path_factory.mktemp("spoilt") / "cache.sqlite"
    filled(path, *numbered_entries(200))
    start = 100 + place % (path.stat().st_size - 100)  # the header itself is the business of other tests
    spoil(path, start, start + length)
    try:
        cache = SqliteCache(path)
    except CacheError:
        return
    try:
        kept = cache.get_many(request(number).key for number in range(200))
    except CacheError:
        kept = {}
    finally:
        cache.close()
    for number in range(200):
        entry = kept.get(request(number).key)
        assert entry is None or entry.body == b"answer %d" % number


def test_a_schema_that_is_no_text_any_more_is_damage(path: Path) -> None:
    """SQLite quotes it in its message, which Python cannot decode."""
    filled(path, *numbered_entries(20))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"CREATE TABLE entries", b"CREATE TABLE x \xde\xad\xff\xfe\xfd"))
    said: list[str] = []
    cache = SqliteCache(path, say=said.append)
    cache.close()
    assert "was damaged" in said[0]
    assert len(damaged_files(path)) == 1


def test_damaged_value_is_a_miss_and_can_be_written_again(cache: SqliteCache, path: Path) -> None:
    put_all(cache, (request(1), Entry(b"x" * 100, 0.0)), (request(2), Entry(b"y", 0.0)))
    sql(path, "UPDATE entries SET body = ? WHERE key = ?", b"rust", bytes.fromhex(request(1).key))
    assert list(cache.get_many([request(1).key, request(2).key])) == [request(2).key]
    put_all(cache, (request(1), Entry(b"z", 0.0)))
    assert cache.get_many([request(1).key])[request(1).key].body == b"z"


def test_another_s_answer_in_the_place_of_this_one_is_a_miss(path: Path) -> None:
    """It unpacks well and is an answer, but the checksum is not its own."""
    filled(path, (request(1), Entry(b"one", 0.0)), (request(2), Entry(b"two", 0.0)))
    sql(
        path,
        "UPDATE entries SET body = (SELECT body FROM entries WHERE key = ?) WHERE key = ?",
        bytes.fromhex(request(2).key),
        bytes.fromhex(request(1).key),
    )
    assert found(path, [request(1), request(2)]) == [b"two"]
    cache = SqliteCache(path)
    assert list(cache.get_many([request(1).key, request(2).key])) == [request(2).key]
    cache.close()
