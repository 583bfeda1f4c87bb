"""The smallest loss that a comparison of the planned run would find, by how samples' scores varied before."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evalkit.comparison.base import Measured, Side
from evalkit.comparison.baseline import MANIFEST, Folder, baseline_folder, read_baseline
from evalkit.comparison.effect import Level, effects
from evalkit.comparison.judging import gated_names
from evalkit.comparison.load import DEFAULT_BASELINE
from evalkit.comparison.pair import match, pairs_of
from evalkit.comparison.side import side_of
from evalkit.errors import EvalkitError
from evalkit.metrics.base import MeanMetric
from evalkit.statistics.bootstrap import bootstrap
from evalkit.statistics.cluster import clustered_mean, number_groups
from evalkit.statistics.power import PlannedTest, detectable_effect, sd_from_se

if TYPE_CHECKING:
    from evalkit.comparison.policy import Policy
    from evalkit.metrics.base import Metric
    from evalkit.report.base import Report
    from evalkit.task import Task

RESAMPLES = 1000
FEWEST = 2  # samples that have a variance
# At the worst two runs' scores are unrelated: then the variance of their difference is the sum of both.
UNRELATED = math.sqrt(2.0)


@dataclass(frozen=True)
class Detectable:
    """The loss of a metric that is found with the gate's power, in the metric's own unit.

    `paired` says that two measurements told the variance of their difference; else one bounds it from above.
    """

    metric: str
    effect: float
    maximum: float
    source: str
    paired: bool
    unit: str | None = None


def detectable(task: Task, reports: Sequence[Report], results_dir: Path, policy: Policy) -> list[Detectable]:
    """Plan a comparison of this task with its baseline or an earlier run; empty where there is neither."""
    known = _measured(task, reports, results_dir)
    test = PlannedTest(policy.alpha, two_sided=False)
    found = []
    for name, unbound in task.metrics.items() if known else ():
        metric = unbound.bind(task.dataset.samples)
        sides = [one for one in known if name in one.families and one.families[name].key == metric.key]
        if not sides or not getattr(metric, "per_sample", True):
            continue
        alone = _alone(metric, name, sides[0])
        together = _together(metric, name, sides, policy) if len(sides) > 1 else {}
        for value in gated_names(sides[0].families[name], policy):
            paired = together.get(value, 0.0) > 0
            sd = together[value] if paired else UNRELATED * alone.get(value, 0.0)
            if sd > 0:
                effect = detectable_effect(sd, len(task.dataset.samples), test, power=policy.power)
                source = " and ".join(one.label for one in sides[: 1 + paired])
                found.append(Detectable(value, effect, metric.maximum, source, paired, metric.unit))
    return found


def _measured(task: Task, reports: Sequence[Report], results_dir: Path) -> list[Side]:
    """Return the baseline, else the run most alike, and the next measurement that asked otherwise.

    Of each, the samples that the plan has too.
    """
    hashes = {one.id: one.hash for one in task.dataset.samples}
    known: list[Side] = []
    for side in _sides(task, reports, results_dir):
        samples = {name: one for name, one in side.samples.items() if hashes.get(name) == one.hash}
        if len(samples) < FEWEST or (known and not _asked_otherwise(known[0], samples)):
            continue
        known.append(Side(side.label, side.case, side.facts, side.families, samples))
        if len(known) > 1:
            break
    return known


def _sides(task: Task, reports: Sequence[Report], results_dir: Path) -> Iterator[Side]:
    """A damaged one is no reason not to plan."""
    folder = baseline_folder(results_dir, DEFAULT_BASELINE)
    if (folder / MANIFEST).is_file():
        with suppress(EvalkitError):
            cases = read_baseline(Folder(folder), DEFAULT_BASELINE)
            yield from (one for one in cases if one.facts["task"] == task.name)
    for report in reports:
        with suppress(EvalkitError):
            yield side_of(report, f"run {report.run_id}")


def _asked_otherwise(side: Side, samples: Mapping[str, Measured]) -> bool:
    return any(
        name in side.samples and side.samples[name].request_keys != one.request_keys
        for name, one in samples.items()
    )


def _together(metric: Metric, name: str, sides: Sequence[Side], policy: Policy) -> dict[str, float]:
    """Return the standard deviation of a sample's share in the difference of two sides."""
    pairs = pairs_of(metric, name, sides[0], sides[1], match(sides[0], sides[1]).common)
    if pairs is None or len(pairs.baseline) < FEWEST:
        return {}
    found = effects(metric, pairs, Level(policy.alpha, RESAMPLES))
    return {value: sd_from_se(one.se, one.n) for value, one in zip(metric.names, found, strict=True)}


def _alone(metric: Metric, name: str, side: Side) -> dict[str, float]:
    """Return the standard deviation of a sample's share in the value of one side."""
    answered = [one for one in side.samples.values() if len(one.rows.get(name, ()))]
    if len(answered) < FEWEST:
        return {}
    rows = np.stack([metric.combine(one.rows[name]) for one in answered])
    groups = number_groups([one.group for one in answered])
    if isinstance(metric, MeanMetric):
        errors = [clustered_mean(rows[:, place], groups).se for place in range(len(metric.names))]
    else:
        drawn = bootstrap(metric.aggregate, rows, resamples=RESAMPLES, seed=0, groups=groups)
        errors = np.nanstd(drawn, axis=0, ddof=1).tolist()
    return {value: sd_from_se(error, len(rows)) for value, error in zip(metric.names, errors, strict=True)}
