"""Small drawings inside table cells: a value with its interval on a line. Positions only; the template draws.

Every number is rounded, so that the same report gives the same bytes on any machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from evalkit.records import Aggregate
from evalkit.report.html.base import Difference
from evalkit.report.table import moved, of_unit

WIDTH = 240
INSET = 6
"""Room at each end, so that a dot at 0 or 100 is whole."""
LEVELS = 10
"""Shades of a confusion matrix."""


@dataclass(frozen=True)
class Mark:
    """A dot at `value` and a bar from `low` to `high`, in units of the drawing, with the words it stands for.

    `line` is where a vertical line stands (the whole run's score, or no difference); `band` a shaded range.
    """

    words: str
    value: str
    low: str | None = None
    high: str | None = None
    line: str | None = None
    band: tuple[str, str] | None = None


def score_mark(one: Aggregate, whole: float | None = None) -> Mark | None:
    """Return the drawing of a score between 0 and its scale's maximum; None without either to draw by.

    `whole` is the value of the whole run, where `one` is that of a slice.
    """
    value, low, high = (_share(number, one.maximum) for number in (one.value, one.low, one.high))
    if value is None or one.unit is not None:
        return None
    words = f"{value * 100:.1f}"
    if low is None or high is None:
        return Mark(words, _at(value), line=_line(whole, one.maximum))
    words += f", interval {low * 100:.1f} to {high * 100:.1f}"
    return Mark(words, _at(value), _at(low), _at(high), _line(whole, one.maximum))


def reach_of(differences: Sequence[Difference]) -> float:
    """Return the points at the ends of the differences' scale: a round number, the same for all of them."""
    return _reach([one for one in differences if one.unit is None])


def _reach(differences: Sequence[Difference]) -> float:
    most = max((abs(end) for one in differences for end in _ends(one)), default=0.0)
    if not most or not math.isfinite(most):
        return 1.0
    step = 10.0 ** math.floor(math.log10(most))
    return next(factor * step for factor in (1, 2, 5, 10) if factor * step >= most)


def difference_marks(differences: Sequence[Difference]) -> list[Mark]:
    """Return the drawings of differences on one scale, zero in the middle, the margin shaded.

    A difference in a unit of its own has a scale of its own.
    """
    points = reach_of(differences)
    reaches = [points if one.unit is None else _reach([one]) for one in differences]
    return [
        _difference_mark(one, partial(_from_the_middle, reach))
        for one, reach in zip(differences, reaches, strict=True)
    ]


def _from_the_middle(reach: float, difference: float) -> str:
    return _at(0.5 + difference / reach / 2)


def _difference_mark(one: Difference, place: Callable[[float], str]) -> Mark:
    difference, *ends = (
        moved(value, 100.0, one.unit) for value in (one.difference, one.low, one.high) if value is not None
    )
    words = f"difference {of_unit(difference, one.unit)}"
    low = high = None
    if one.low is not None and one.high is not None:
        words += f", interval {ends[0]} to {ends[1]}"
        low, high = place(one.low), place(one.high)
    side = -one.margin if one.higher_is_better else one.margin
    band = (place(min(side, 0.0)), place(max(side, 0.0))) if one.gated else None
    return Mark(words, place(one.difference), low, high, place(0.0), band)


def shade(count: int, most: int) -> int:
    """Return the level 0 to 9 that a confusion matrix's count is shaded with; 0 only for none."""
    return 0 if not count or not most else 1 + int((LEVELS - 2) * count / most)


def _ends(one: Difference) -> Iterable[float]:
    yield one.difference
    if one.gated:
        yield one.margin
    if one.low is not None and one.high is not None:
        yield from (one.low, one.high)


def _line(whole: float | None, maximum: float) -> str | None:
    share = _share(whole, maximum)
    return None if share is None else _at(share)


def _share(value: float | None, maximum: float) -> float | None:
    return None if value is None or not math.isfinite(value) else value / maximum


def _at(share: float) -> str:
    """Place a share of the scale; beyond its ends (TER can exceed 100) the drawing stops at them."""
    inside = min(max(share, 0.0), 1.0)
    return f"{INSET + inside * (WIDTH - 2 * INSET):.1f}"
