"""Change points: a series whose change is known from the literature, and the false-alarm rate as stated."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.statistics.changepoint import change_points

# Annual flow of the Nile at Aswan, 1871 to 1970, in 10^8 m³: Cobb (1978), The problem of the Nile,
# Biometrika 65, 243-251; the data set of every change-point package. The flow fell after 1898.
NILE = [
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958,
    1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020,
    1050, 969, 831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796,
    1040, 759, 781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874,
    848, 890, 744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718,
    714, 740,
]  # fmt: skip


def test_the_nile_fell_after_1898() -> None:
    """1898 is the last year of the high level (Cobb 1978), means 1097.750 and 849.972 (R: changepoint)."""
    assert (len(NILE), sum(NILE)) == (100, 91935)
    (found,) = change_points(np.array(NILE, float))
    assert 1871 + found.place == 1899
    assert found.before == pytest.approx(1097.75)
    assert found.after == pytest.approx(849.97, abs=0.005)
    assert found.p_value == pytest.approx(1 / 2001)


def test_several_changes_are_found_in_order() -> None:
    rng = np.random.default_rng(1)
    levels = np.repeat([0.8, 0.6, 0.7], 20)
    found = change_points(levels + rng.normal(0, 0.01, 60))
    assert [one.place for one in found] == [20, 40]
    assert [round(one.after, 1) for one in found] == [0.6, 0.7]


def test_false_alarms_are_as_rare_as_stated() -> None:
    """400 series without a change, alpha 0.05: 20 alarms expected; 33 or more have a chance of 0.3%."""
    rng = np.random.default_rng(2)
    series = [*rng.normal(size=(200, 15)), *rng.exponential(size=(200, 15))]
    alarms = sum(bool(change_points(one, resamples=199, seed=place)) for place, one in enumerate(series))
    assert 8 <= alarms <= 32


def test_false_alarms_are_as_rare_beside_a_true_change() -> None:
    """200 series with one change that cannot be missed, alpha 0.05: at most 10 further marks expected."""
    rng = np.random.default_rng(4)
    series = rng.normal(size=(200, 24))
    series[:, 12:] += 30.0
    found = [change_points(one, resamples=399, seed=place) for place, one in enumerate(series)]
    assert all(12 in [one.place for one in some] for some in found)
    assert sum(len(some) > 1 for some in found) <= 18  # more has a chance of 0.6%


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0, 1.0], [0.5] * 50, [0.1 + 0.2, 0.3] * 5], ids=str)
def test_too_short_or_constant_series_have_none(values: list[float]) -> None:
    assert change_points(np.array(values)) == []


def test_the_seed_decides() -> None:
    values = np.random.default_rng(3).normal(size=12)
    values[7:] += 2.0
    assert change_points(values, alpha=1.0) == change_points(values, alpha=1.0)


def test_a_gap_in_the_series_is_refused() -> None:
    with pytest.raises(ValueError, match="leave such values out"):
        change_points(np.array([1.0, np.nan, 1.0, 2.0]))
