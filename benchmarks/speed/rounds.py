"""Contestants in turn: what disturbs the machine disturbs all of them alike."""

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


def interleaved(contestants: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Let each contestant run once a round, in alternating order; return what each returned, by round."""
    found: dict[str, list[T]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name in list(contestants) if number % 2 == 0 else reversed(list(contestants)):
            os.sync()  # nobody waits for what another one wrote
            found[name].append(contestants[name]())
    return found


@dataclass(frozen=True)
class Spread:
    """A median or ratio, and the lowest and highest of the rounds."""

    middle: float
    low: float
    high: float

    def shown(self, digits: int = 2, unit: str = "") -> str:
        """Return `1.23 s (1.20 to 1.31)`."""
        space = " " if unit else ""
        return f"{self.middle:.{digits}f}{space}{unit} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    """Return the median and range."""
    return Spread(statistics.median(values), min(values), max(values))


def ratio(values: Sequence[float], floors: Sequence[float]) -> Spread:
    """Return the ratio of the medians, and the range of the ratios within each round."""
    each = [value / floor for value, floor in zip(values, floors, strict=True)]
    return Spread(statistics.median(values) / statistics.median(floors), min(each), max(each))
