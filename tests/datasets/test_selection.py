"""Filter, shuffle and limit, in this order; how many rows were read, left out and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.datasets.base import FieldMap, Row, load
from evalkit.datasets.order import shuffled
from evalkit.datasets.where import Where
from evalkit.errors import DatasetError

if TYPE_CHECKING:
    from dataset_files import Read


class Rows:
    """Rows that were never in a file."""

    name = "made"

    def __init__(self, *rows: dict[str, Any]) -> None:
        self._rows = rows
        self.given = 0

    def rows(self) -> Iterator[Row]:
        for number, row in enumerate(self._rows, start=1):
            self.given = number
            yield Row(row, f"row {number}")


def numbered(n: int) -> Rows:
    return Rows(*({"id": f"s{number}", "n": number} for number in range(n)))


def ids(source: Rows, **options: Any) -> list[str]:
    return [one.id for one in load(source, FieldMap(), **options).samples]


def test_the_order_is_that_of_sha_256_of_seed_and_id() -> None:
    """`printf '7|s0' | sha256sum` and so on, sorted."""
    expected = sorted(
        (f"s{n}" for n in range(50)), key=lambda one: hashlib.sha256(f"7|{one}".encode()).digest()
    )
    assert ids(numbered(50), shuffle=7) == expected


def test_the_order_by_hand() -> None:
    """`for i in a b c; do printf "0|$i" | sha256sum; done` gives 325e…, 7a29… and 1d06…."""
    assert ids(Rows({"id": "a"}, {"id": "b"}, {"id": "c"}), shuffle=0) == ["c", "a", "b"]


def test_another_seed_gives_another_order_and_the_same_seed_the_same() -> None:
    assert ids(numbered(50), shuffle=1) == ids(numbered(50), shuffle=1)
    assert ids(numbered(50), shuffle=1) != ids(numbered(50), shuffle=2)
    assert ids(numbered(50)) == [f"s{n}" for n in range(50)]


def test_the_order_does_not_depend_on_the_format_or_the_order_of_the_file(read: Read) -> None:
    rows = [{"id": str(number), "text": "x"} for number in range(30)]
    jsonl = "".join(json.dumps(row) + "\n" for row in rows)
    csv = "text,id\n" + "".join(f"x,{row['id']}\n" for row in reversed(rows))
    first = [one.id for one in read("d.jsonl", jsonl, shuffle=3).samples]
    assert [one.id for one in read("d.csv", csv, shuffle=3).samples] == first
    assert first != sorted(first, key=int)


@given(st.integers(0, 40), st.integers(1, 45), st.integers(0, 3))
def test_a_limit_takes_the_first_of_the_whole_shuffled_order(n: int, limit: int, seed: int) -> None:
    named = [(number, f"s{number}") for number in range(n)]
    whole = shuffled(named, seed, None, _never)
    assert shuffled(named, seed, limit, _never) == whole[:limit]


def _never(row: Any, name: str, first: Any) -> Exception:
    raise AssertionError(name)


@pytest.mark.parametrize("limit", [None, 1, 3])
def test_a_doubled_id_among_the_kept_rows_is_refused_when_shuffled(limit: int | None) -> None:
    rows = Rows({"id": "a"}, {"id": "a"})
    with pytest.raises(DatasetError, match=r'made, row 2: id "a" was used before at row 1; '):
        load(rows, FieldMap(), limit, shuffle=0)


def test_equal_rows_without_ids_stay_apart_when_shuffled() -> None:
    assert len({*ids(Rows({"a": 1}, {"a": 1}, {"a": 2}), shuffle=0)}) == 3


def test_filter_then_shuffle_then_limit() -> None:
    odd = [one for one in ids(numbered(40), shuffle=5) if int(one[1:]) % 2]
    assert ids(numbered(40), where=Where("n % 2 == 1"), shuffle=5, limit=4) == odd[:4]
    assert ids(numbered(40), where=Where("n % 2 == 1"), limit=3) == ["s1", "s3", "s5"]


def test_a_limit_stops_reading_where_nothing_is_shuffled() -> None:
    source = numbered(1000)
    dataset = load(source, FieldMap(), 3, where=Where("n >= 10"))
    assert (dataset.read, dataset.filtered, len(dataset.samples), source.given) == (13, 10, 3, 13)


def test_rows_are_counted_whole_when_shuffled() -> None:
    dataset = load(numbered(100), FieldMap(), 5, where=Where("n < 30"), shuffle=0)
    assert (dataset.read, dataset.filtered, len(dataset.samples)) == (100, 70, 5)


def test_a_filter_that_leaves_nothing_says_how_many_rows_there_were() -> None:
    with pytest.raises(DatasetError) as caught:
        load(numbered(20), FieldMap(), where=Where("n > 100"))
    assert str(caught.value) == "made: dataset.where leaves none of the 20 rows; make it less strict"


def test_ids_and_samples_of_kept_rows_are_those_without_the_filter() -> None:
    rows = [{"text": "x", "k": 1}, {"text": "y", "k": 0}, {"text": "x", "k": 1}]
    whole, kept = ids(Rows(*rows)), ids(Rows(*rows), where=Where("k == 1"))
    assert kept == [whole[0], whole[2]]


def test_ids_need_be_unique_only_among_the_kept_rows() -> None:
    """One file for two languages, each numbered from 1."""
    rows = Rows({"id": 1, "lang": "de"}, {"id": 1, "lang": "fr"})
    assert ids(rows, where=Where('lang == "fr"')) == ["1"]
