"""Coarse histograms: preferred-number bins, stable under small changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.comparison.histogram import histogram, quantile


def test_edges_are_the_preferred_numbers_of_renards_r10_series() -> None:
    # ISO 3's R10 series (1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8), to two digits of the exact powers.
    values = [1, 1.25, 1.58, 1.99, 2.5, 3.15, 3.98, 5, 6.3, 7.9, 10, 100]
    edges = ["1", "1.3", "1.6", "2", "2.5", "3.2", "4", "5", "6.3", "7.9", "10", "100"]
    assert list(histogram(values)) == edges


def test_counts_are_by_upper_edge_and_nothing_has_a_bin_of_its_own() -> None:
    assert histogram([0.9, 1.0, 1.01, 0.0, 0.00021]) == {"0": 1, "0.00025": 1, "1": 2, "1.3": 1}
    assert histogram([]) == {}


def test_a_quantile_is_the_edge_of_the_bin_where_the_share_is_reached() -> None:
    counts = {"0": 1, "0.5": 5, "1": 3, "2": 1}
    assert [quantile(counts, share) for share in (0.05, 0.1, 0.5, 0.6, 0.61, 0.95, 1.0)] == [
        *(0.0, 0.0, 0.5, 0.5, 1.0, 2.0, 2.0)
    ]
    assert quantile({}, 0.5) is None


@given(st.lists(st.floats(1e-6, 1e4), min_size=1))
def test_a_value_is_at_most_a_bin_below_its_edge(values: list[float]) -> None:
    counts = histogram(values)
    assert sum(counts.values()) == len(values)
    largest = quantile(counts, 1.0)
    assert largest is not None
    # An edge is written with two digits: up to 5% beside the exact one.
    assert largest / 10**0.1 / 1.05 <= max(values) <= largest * 1.05


@pytest.mark.parametrize("shift", [0.999, 1.001])
def test_jitter_moves_few_counts(shift: float) -> None:
    values = [0.3 + place / 100 for place in range(200)]
    before, after = histogram(values), histogram(value * shift for value in values)
    moved = sum(abs(before.get(edge, 0) - after.get(edge, 0)) for edge in before | after)
    assert moved <= 2 * len(before)
