from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import ConfigError, DatasetError
from evalkit.records import Sample
from evalkit.variations import Permute, Swap


@given(n=st.integers(1, 12))
def test_turned_round_each_choice_stands_at_each_place_once(n: int) -> None:
    sample = Sample("s", {"choices": list(range(n))})
    forms = [Permute(field="choices").apply(sample, trial).added["choices"] for trial in range(n)]
    assert all(sorted(column) == list(range(n)) for column in zip(*forms, strict=True))
    assert forms[0] == list(range(n))


@given(n=st.integers(0, 8), trial=st.integers(0, 9), how=st.sampled_from(["rotate", "shuffle"]))
def test_order_says_where_each_choice_stood(n: int, trial: int, how: str) -> None:
    values = [f"choice {place}" for place in range(n)]
    found = Permute(field="choices", how=how).apply(Sample("s", {"choices": values}), trial).added
    assert found["choices"] == [values[place] for place in found["order"]]
    assert sorted(found["order"]) == list(range(n))


def test_shuffled_orders_differ_by_sample_and_trial_and_are_the_same_every_time() -> None:
    samples = [Sample(f"s{n}", {"choices": list("abcdefgh")}) for n in range(3)]
    orders = [Permute(field="choices", how="shuffle").apply(one, trial).added["order"]
              for one in samples for trial in range(1, 4)]  # fmt: skip
    assert len({tuple(one) for one in orders}) == 9
    assert orders[0] == Permute(field="choices", how="shuffle").apply(samples[0], 1).added["order"]


def test_swapped_at_every_second_trial() -> None:
    sample = Sample("s", {"a": 1, "b": 2}, added={"c": 3})
    forms = [dict(Swap(fields=["a", "b"]).apply(sample, trial).added) for trial in range(3)]
    assert forms[0] == forms[2] == {"a": 1, "b": 2, "swapped": False, "c": 3}
    assert forms[1] == {"a": 2, "b": 1, "swapped": True, "c": 3}


@pytest.mark.parametrize("value", ["text", None, 3])
def test_only_a_list_has_orders(value: Any) -> None:
    with pytest.raises(DatasetError, match=r'sample "s": task.vary.permute needs a list in choices'):
        Permute(field="choices").apply(Sample("s", {"choices": value}), 1)


def test_a_field_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(DatasetError, match=r"names choices, and the sample has options: map it"):
        Permute(field="choices").apply(Sample("s", {"options": []}), 0)


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match='"rotate" or "shuffle"'):
        Permute(field="x", how="random")
    with pytest.raises(ConfigError, match="two names"):
        Swap(fields=["a"])


def test_a_shuffled_start_differs_by_sample_and_is_then_turned_round() -> None:
    variation = Permute(field="choices", start="shuffled")
    samples = [Sample(f"s{n}", {"choices": list("abcde")}) for n in range(40)]
    firsts = [variation.apply(one, 0).added["order"][0] for one in samples]
    assert set(firsts) == set(range(5))
    orders = [variation.apply(samples[0], trial).added["order"] for trial in range(5)]
    assert [sorted(places) for places in zip(*orders, strict=True)] == [list(range(5))] * 5
    assert orders[1] == [*orders[0][1:], orders[0][0]]
    with pytest.raises(ConfigError, match='"data" or "shuffled"'):
        Permute(field="x", start="random")
