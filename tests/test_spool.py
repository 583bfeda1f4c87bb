"""Records in memory and in a file read alike; names keep their places; equal keys are found."""

from __future__ import annotations

import errno
import gc
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import EvalkitError
from evalkit.outcomes import Keys, Outcomes, Seen
from evalkit.records import Failure, Generation, Outcome, Response, Sample, Usage, content_hash
from evalkit.spool import Places, Spool

RECORDS = [
    Sample("s0", {"text": "x" * 500, "turns": ["a", "b"]}, ["A", None], {"n": 1}, "g", {"choices": [1.5]}),
    Response("text", "stop", "m", "fp", Usage(1, 2, 3, 4), {"content": []}, [{}], None, 0.5, 0.1),
    Outcome("s0", 1, "k", failure=Failure("s0", 1, "timeout", "slow", 3), earlier=(Outcome("s0", 1, "j"),)),
    Generation("s0", 0, Response("text"), {"a": [1]}, None, (Response("before"),), ("before",)),
]


@pytest.mark.parametrize("held", [0, 1 << 30])
def test_a_record_comes_back_equal(held: int) -> None:
    spool: Spool[Any] = Spool(RECORDS * 50, held=held)
    assert list(spool) == RECORDS * 50
    assert [spool[place] for place in range(len(spool))] == RECORDS * 50


@pytest.mark.parametrize("held", [0, 2000, 1 << 30])
@settings(deadline=None, derandomize=True)
@given(sizes=st.lists(st.integers(0, 40), max_size=200), place=st.slices(220))
def test_it_reads_as_a_list_does(held: int, sizes: list[int], place: slice) -> None:
    records = [f"{number}" * size for number, size in enumerate(sizes)]
    spool = Spool(records, held=held)
    assert len(spool) == len(records)
    assert list(spool) == records
    assert list(spool[place]) == records[place]
    assert [spool[one] for one in range(-len(records), len(records))] == records * 2
    with pytest.raises(IndexError):
        spool[len(records)]


def test_records_larger_than_a_piece_and_reading_between_writing() -> None:
    spool: Spool[str] = Spool(held=0)
    for number in range(6):
        spool.append(str(number) * 700_000)
        assert spool[number][0] == spool[-1][-1] == str(number)
    assert [len(one) for one in spool] == [700_000] * 6


def test_few_are_a_tuple_and_many_stay_where_they_are() -> None:
    assert Spool([1, 2]).whole == (1, 2)
    many = Spool(range(1000), held=0)
    assert many.whole is many


def test_the_file_has_no_name_and_is_closed_with_the_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spool = Spool(range(1000), held=0)
    assert not list(tmp_path.iterdir())
    number = spool._file._file.fileno() if spool._file else -1
    del spool
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_a_full_disk_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(EvalkitError, match=r"No space left on device.*TMPDIR"):
        Spool(range(1000), held=0)


def test_a_disk_that_fills_up_is_said_once(tmp_path: Path) -> None:
    """A limit on the size of files stands for it; nothing is said again when the file is closed."""
    script = (
        "import resource\nfrom evalkit.errors import EvalkitError\nfrom evalkit.spool import Spool\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**20 - 100, 2**20 - 100))\n"
        "try:\n    Spool((f'{n:01000}' for n in range(5000)), held=0)\n"
        "except EvalkitError as error:\n    print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert ran.stdout.startswith(f"{tmp_path}: samples cannot be kept there (File too large); free space")
    assert not ran.stderr


@settings(deadline=None, derandomize=True)
@given(st.lists(st.text(max_size=3)))
def test_a_name_keeps_the_place_of_its_first_coming(names: list[str]) -> None:
    places = Places()
    order: dict[str, int] = {}
    for name in names:
        assert places.add(name) == order.get(name)
        order.setdefault(name, len(order))
    assert len(places) == len(order)
    assert {name: places.find(name) for name in order} == order
    assert [places[place] for place in range(len(places))] == list(order)
    assert places.find("not there") is None


def test_ten_thousand_names_and_names_whose_hashes_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places()
    assert {places.add(f"name {number}") for number in range(10_000)} == {None}
    assert [places.find(f"name {number}") for number in range(10_000)] == list(range(10_000))
    monkeypatch.setattr("evalkit.spool.hash", lambda _: 7, raising=False)
    alike = Places()
    assert [alike.add(name) for name in ("a", "b", "a", "c", "b")] == [None, None, 0, None, 1]


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 30)))
def test_the_first_of_equal_keys(numbers: list[int]) -> None:
    keys, seen = Keys(), Seen()
    new = []
    for number in numbers:
        keys.add(content_hash(number))
        new.append(seen.add(content_hash(number)))
    assert keys.firsts().tolist() == [numbers.index(one) for one in numbers]
    for few in (0, len(numbers)):  # with numpy, and without
        with patch("evalkit.outcomes.FEW", few):
            assert keys.differ == (len(set(numbers)) == len(numbers))
    assert new == [one not in numbers[:place] for place, one in enumerate(numbers)]


def test_ten_thousand_keys_are_seen_once_each() -> None:
    seen = Seen()
    keys = [content_hash(number) for number in range(10_000)]
    assert {seen.add(key) for key in ("0" * 64, *keys)} == {True}
    assert {seen.add(key) for key in ("0" * 64, *keys)} == {False}


def test_outcomes_stand_by_place_whenever_they_come() -> None:
    outcomes = Outcomes()
    first, second, third = (Outcome(f"s{number}", 0, "k", response=Response("x")) for number in range(3))
    outcomes.put(2, third)
    outcomes.put(0, first)
    with pytest.raises(LookupError):
        outcomes[1]
    outcomes.put(1, second)
    assert list(outcomes) == outcomes[:] == [first, second, third]
    later = Outcome("s0", 0, "l", response=Response("y"))
    outcomes.put(0, later)
    assert outcomes[0].turns == (first, later)


@settings(deadline=None, derandomize=True)
@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=3))
def test_outcomes_in_any_order_and_further_turns(order: list[int], again: list[int]) -> None:
    """In dataset order at first, or not at all."""
    for places in (order, sorted(order)):
        outcomes = Outcomes()
        turns: list[list[Outcome]] = [[] for _ in order]
        for place in (*places, *again):
            turns[place].append(Outcome(f"s{place}", 0, f"{len(turns[place])}", response=Response("x")))
            outcomes.put(place, turns[place][-1])
        assert len(outcomes) == len(order)
        assert [list(one.turns) for one in outcomes] == turns
        assert [list(outcomes[place].turns) for place in range(6)] == turns
        assert [list(one.turns) for one in outcomes[2:5]] == turns[2:5]
