"""Every entry is checked; bad ones are set aside, and nothing else is touched."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from entries import filled, found, numbered_entries, request, sql

from evalkit.cache.pruning import Limits, plan, prune
from evalkit.cache.statistics import statistics
from evalkit.cache.verification import repair, verify

CHANGES = {
    "body = x'00'": "the answer is not what was stored",
    "sha256 = zeroblob(32)": "the answer is not what was stored",
    "request = x'00'": "the request cannot be unpacked",
    "key = zeroblob(32)": "the key is not that of the request",
    "latency = 'soon'": "latency or time are no numbers",
    "server = 'another'": "server, model or text are not those of the request",
    "key = 'text'": "the row cannot be read",
}


@pytest.mark.parametrize("change", CHANGES)
def test_bad_entry_is_named_with_its_reason_and_set_aside(path: Path, change: str) -> None:
    filled(path, *numbered_entries(10))
    sql(path, f"UPDATE entries SET {change} WHERE id = 4")
    [(before,)] = sql(path, "SELECT hex(key) || hex(request) || hex(body) FROM entries WHERE id = 4")
    checked = verify(path, lambda _: None)
    assert [(bad.number, bad.reason) for bad in checked.bad] == [(4, CHANGES[change])]
    assert (checked.entries, checked.clean) == (10, False)
    aside = repair(path, checked, 5.0, lambda _: None)
    assert aside is not None
    assert sql(aside, "SELECT hex(key) || hex(request) || hex(body) FROM entries") == [(before,)]
    assert verify(path, lambda _: None).clean
    assert len(found(path, [request(number) for number in range(10)])) == 9


def test_body_that_is_no_answer_is_bad(path: Path) -> None:
    filled(path, *numbered_entries(2))
    checked = verify(path, lambda _: "no answer")
    assert [bad.reason for bad in checked.bad] == ["no answer"] * 2


def test_clean_file_is_left_alone(path: Path) -> None:
    before = filled(path, *numbered_entries(5)).read_bytes()
    checked = verify(path, lambda _: None)
    assert (checked.entries, checked.bad, checked.structure) == (5, (), ())
    assert repair(path, checked, 5.0, lambda _: None) is None
    assert path.read_bytes() == before


def test_file_damaged_in_itself_is_set_aside_whole(path: Path) -> None:
    filled(path, *numbered_entries(1000))
    content = bytearray(path.read_bytes())
    content[40960:49152] = b"\xde\xad" * 4096
    path.write_bytes(content)
    checked = verify(path, lambda _: None)
    assert checked.structure
    aside = repair(path, checked, 5.0, lambda _: None)
    assert aside is not None
    assert aside.read_bytes() == bytes(content)
    assert verify(path, lambda _: None).clean


def aged(path: Path, n: int, day: float = 86400.0) -> Path:
    """A cache whose entry number i is i days old."""
    filled(path, *numbered_entries(n))
    sql(path, "UPDATE entries SET created = ? - (id - 1) * ?", time.time(), day)
    return path


def left(path: Path, n: int) -> list[bytes]:
    return found(path, [request(number) for number in range(n)])


def test_only_what_is_older_goes(path: Path) -> None:
    aged(path, 10)
    limits = Limits(older_than=time.time() - 6.5 * 86400)
    assert plan(path, limits).removed == 3
    assert len(left(path, 10)) == 10
    done = prune(path, limits, 5.0)
    assert (done.entries, done.removed) == (10, 3)
    assert left(path, 10) == [b"answer %d" % number for number in range(7)]


def test_used_answers_stay_whatever_their_age(path: Path) -> None:
    aged(path, 10)
    used = {request(9).key, request(0).key}
    prune(path, Limits(older_than=time.time() - 6.5 * 86400, used=used), 5.0)
    assert len(left(path, 10)) == 8
    prune(path, Limits(used=used), 5.0)
    assert left(path, 10) == [b"answer 0", b"answer 9"]


def test_oldest_go_until_the_rest_fits_and_the_disk_gets_the_room(path: Path) -> None:
    aged(path, 2000)
    done = prune(path, Limits(largest=200_000), 5.0)
    kept = left(path, 2000)
    assert 0 < len(kept) < 2000
    assert kept == [b"answer %d" % number for number in range(len(kept))]
    assert done.bytes_after < done.bytes_before / 2
    assert path.stat().st_size < 250_000


def test_no_limit_reached_deletes_nothing(path: Path) -> None:
    aged(path, 10)
    assert prune(path, Limits(largest=10**9), 5.0).removed == 0
    assert len(left(path, 10)) == 10


def test_statistics_count_entries_bytes_and_tokens(path: Path) -> None:
    filled(path, *numbered_entries(10))
    counted = statistics(path, lambda asked, body: (len(str(asked["body"]["n"])), len(body)))
    [share] = counted.shares
    assert (counted.entries, share.server, share.model) == (10, "http://host/v1", "m")
    assert share.tokens == (10, 80)
    # Canonical JSON of each request (88 bytes), and b"answer N" (8).
    assert share.raw == 10 * (len(CANONICAL) + 8)
    assert counted.file_bytes == path.stat().st_size


CANONICAL = '{"body":{"model":"m","n":0},"endpoint":"chat.completions","server":"http://host/v1","trial":0}'
