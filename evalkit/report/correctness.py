"""Whether an answer is right or wrong, from the statistics that are stored with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

VALUE_AND_COUNT = 2


def right_rows(
    names: Sequence[str],
    rows: FloatArray,
    maximum: float,
    *,
    higher_is_better: bool,
    unit: str | None = None,
) -> list[bool] | None:
    """Say of each (t, k) row whether it is right; None where the metric does not score each answer 0 or 1."""
    if unit is not None or len(names) != 1 or not len(rows) or rows.shape[1] != VALUE_AND_COUNT:
        return None
    if not np.isin(rows[:, 0], (0.0, maximum)).all() or not (rows[:, 1] == 1.0).all():
        return None
    best = maximum if higher_is_better else 0.0
    return [bool(value) for value in rows[:, 0] == best]
