"""What one run says by itself: values tested against what they would be without any effect.

A pairwise preference is such a value: no second run is compared, the win rate is tested against one half.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from evalkit.errors import ConfigError
from evalkit.plugins import plugin
from evalkit.report.base import Report, bound_metrics
from evalkit.report.line import sample_of
from evalkit.report.table import shown
from evalkit.scoring import combine_trials, numbers_of
from evalkit.statistics.cluster import number_groups
from evalkit.statistics.randomisation import Randomisation, sign_flip

RESAMPLES = 10_000
SMALLEST = 1e-4


@dataclass(frozen=True)
class Tested:
    """A value, what it is tested against, and the test."""

    name: str
    value: float
    null: float
    maximum: float
    test: Randomisation

    def __str__(self) -> str:
        """For example `win_rate 62.5 against 50.0: p = 0.012 (sign-flip test, 40 samples)`."""
        p = self.test.p_value[0]
        told = f"p < {SMALLEST:g}" if p < SMALLEST else f"p = {p:.2g}"
        how = f"{'exact ' if self.test.exact else ''}sign-flip test"
        of = f"{self.test.n} samples" + (
            f" in {self.test.units} groups" if self.test.units < self.test.n else ""
        )
        return (
            f"{self.name} {shown(self.value, self.maximum)} against {shown(self.null, self.maximum)}: "
            f"{told} ({how}, {of})"
        )


def tested(report: Report) -> Iterator[Tested]:
    """Test each value that a metric names in `null`, two-sided and one-sided; nothing for other runs.

    Without an effect (A and B are exchangeable) a sample is as likely to lie as far above the null value as
    below it, so the signs of the differences are flipped, those of a group together.
    """
    if report.folder is None:
        return
    families = [name for name in report.families if _has_null(report.families[name]["target"])]
    if not families:
        return
    metrics = bound_metrics(report)
    lines = [line for line in report.samples() if "failure" not in line]
    if not lines:
        return
    groups = number_groups(list({line["id"]: sample_of(line).group for line in lines}.values()))
    numbers = numbers_of(line["id"] for line in lines)
    for family in families:
        metric = metrics[family]
        rows = np.asarray([line["statistics"][family] for line in lines], dtype=np.float64)
        by_sample = combine_trials(metric, rows, numbers)
        values = metric.aggregate(by_sample, np.eye(len(by_sample)))
        whole = metric.aggregate(by_sample, np.ones((1, len(by_sample))))[0]
        for name, null in metric.null.items():
            place = metric.names.index(name)
            test = sign_flip(values[:, place] - null, resamples=RESAMPLES, seed=0, groups=groups)
            yield Tested(name, float(whole[place]), null, metric.maximum, test)


def _has_null(target: str) -> bool:
    with suppress(ConfigError):  # a class that is not allowed here
        return bool(getattr(plugin(target, "metrics"), "null", None))
    return False
