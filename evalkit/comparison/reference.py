"""The runs of a sweep against one of them: differences and p-values over one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evalkit.comparison.compare import Options, compare
from evalkit.comparison.policy import Policy
from evalkit.comparison.side import side_of
from evalkit.report.base import Report
from evalkit.report.grid import Mark
from evalkit.statistics.multiple import holm


@dataclass(frozen=True)
class Contrast:
    """A run's difference from the run of reference, in points; p two-sided, `p_adjusted` by Holm."""

    run_id: str
    metric: str
    points: float
    p_value: float
    p_adjusted: float

    unit: str | None = None

    @property
    def mark(self) -> Mark:
        """What stands beside the value in a table."""
        return Mark(self.points, self.p_adjusted, self.unit)


def contrasts(
    reference: Report, others: Sequence[Report], metrics: Sequence[str], *, resamples: int = 10_000
) -> tuple[list[Contrast], list[str]]:
    """Compare each run of the reference's task and dataset with it.

    Returns the contrasts, and a line for each run that cannot be compared with the reference (other samples,
    other metric options).
    """
    options = Options(policy=Policy(metrics=tuple(metrics)), resamples=resamples, slices=False)
    base = side_of(reference, reference.run_id)
    found: list[Contrast] = []
    problems: list[str] = []
    for report in others:
        (case,) = compare([base], [side_of(report, report.run_id)], options).cases
        if case.problem:
            problems.append(f"{report.run_id} is not comparable with {reference.run_id}: {case.problem}")
        for one in case.metrics:
            if one.metric in metrics and one.effect is not None:
                points = one.effect.difference * 100 / one.maximum
                found.append(Contrast(report.run_id, one.metric, points, one.effect.p_value, 1.0, one.unit))
    adjusted = holm(np.array([one.p_value for one in found]))
    return [replace(one, p_adjusted=float(p)) for one, p in zip(found, adjusted, strict=True)], problems
