"""Many tests at once: adjusted p-values, so that each may be compared with the nominal level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from evalkit.statistics.base import FloatArray, IndexArray


def holm(p_values: FloatArray) -> FloatArray:
    """Return the (m,) adjusted p-values that control the chance of any false alarm (Holm 1979).

    Valid under any dependence. A NaN is a test that was not made: it stays NaN and is not counted.
    ValueError unless the others lie in [0, 1].
    """
    ordered, order, adjusted = _sorted(p_values)
    steps = np.arange(len(ordered), 0, -1) * ordered
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def benjamini_hochberg(p_values: FloatArray) -> FloatArray:
    """Return the (m,) adjusted p-values that control the share of false discoveries.

    Benjamini & Hochberg (1995). Valid for independent and positively dependent tests. NaN and ValueError as
    for `holm`.
    """
    ordered, order, adjusted = _sorted(p_values)
    steps = len(ordered) / np.arange(1, len(ordered) + 1) * ordered
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(steps[::-1])[::-1])
    return adjusted


def _sorted(p_values: FloatArray) -> tuple[FloatArray, IndexArray, FloatArray]:
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1 or np.any((values < 0.0) | (values > 1.0)):
        raise ValueError(f"p-values must be one row of numbers in [0, 1] or NaN, not {p_values}")
    order = np.argsort(values, kind="stable")  # NaN last
    order = order[: np.count_nonzero(~np.isnan(values))]
    return values[order], order, np.full(len(values), np.nan)
