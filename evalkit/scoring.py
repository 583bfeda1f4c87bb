"""Outcomes -> generations -> statistics -> aggregates. Failures are counted, never scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from evalkit.datasets.base import Dataset
from evalkit.errors import MetricError
from evalkit.postprocess import Pipeline, Unparsed
from evalkit.records import Aggregate, Generation, Outcome, Sample
from evalkit.statistics.bootstrap import bootstrap, percentile_interval, wilson_interval
from evalkit.statistics.cluster import number_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evalkit.metrics.base import FloatArray, Metric

BATCH = 1000  # generations handed to a metric at once


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made; all of it is in the report."""

    confidence: float = 0.95
    resamples: int = 1000
    seed: int = 0


class Scorable(Protocol):
    """What scoring needs of a task: the samples, how answers are read, and the metrics."""

    @property
    def dataset(self) -> Dataset:
        """The samples."""
        ...

    @property
    def postprocess(self) -> Pipeline:
        """How answers are read."""
        ...

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """The metric families by name."""
        ...


@dataclass(frozen=True)
class Scored:
    """Everything that scoring found out: generations in dataset order, statistics row by row with them.

    `metrics` are the families as bound to the data.
    """

    generations: Sequence[Generation]
    statistics: Mapping[str, FloatArray]
    metrics: Mapping[str, Metric]
    aggregates: Sequence[Aggregate]


def generate(outcome: Outcome, postprocess: Pipeline) -> Generation:
    """Return the generation of an answered outcome: its prediction, or why there is none."""
    response = outcome.response
    if response is None:
        raise ValueError(f"outcome of sample {outcome.sample_id} is a failure")
    if response.refusal:
        reason = f"the model refused: {response.refusal}"
        return Generation(outcome.sample_id, outcome.trial, response, unparsed=reason)
    try:
        prediction = postprocess(response.text)
    except Unparsed as reason:
        return Generation(outcome.sample_id, outcome.trial, response, unparsed=str(reason))
    return Generation(outcome.sample_id, outcome.trial, response, prediction)


def score(task: Scorable, outcomes: Sequence[Outcome], resampling: Resampling) -> Scored:
    """Score answered outcomes; samples all of whose trials failed are left out and counted."""
    samples = {sample.id: sample for sample in task.dataset.samples}
    generations = [
        generate(outcome, task.postprocess) for outcome in outcomes if outcome.response is not None
    ]
    counts = _counts(generations, outcomes)
    ids = dict.fromkeys(generation.sample_id for generation in generations)
    groups = number_groups([samples[one].group for one in ids])
    statistics: dict[str, FloatArray] = {}
    metrics: dict[str, Metric] = {}
    aggregates: list[Aggregate] = []
    for family, unbound in task.metrics.items():
        metric = unbound.bind(task.dataset.samples)
        rows = statistics_of(metric, generations, samples)
        statistics[family] = rows
        metrics[family] = metric
        if len(rows):
            by_sample = combine_trials(metric, rows, generations)
            aggregates += aggregate(metric, by_sample, groups, counts, resampling)
    return Scored(generations, statistics, metrics, aggregates)


def check_metrics(task: Scorable) -> None:
    """Score one made-up sample per metric, so that what is missing shows before money is spent."""
    from evalkit.records import Response

    if not task.dataset.samples:
        return
    sample = task.dataset.samples[0]
    owners: dict[str, str] = {}
    for family, unbound in task.metrics.items():
        if unbound.needs_target and not sample.references:
            raise MetricError(
                f"metric {family}: sample {sample.id} has no target; set dataset.target=<column> "
                "or choose metrics that need none"
            )
        text = sample.references[0] if sample.references else "text"
        try:
            metric = unbound.bind(task.dataset.samples)
            rows = metric.statistics([Generation(sample.id, 0, Response(text), text)], [sample])
            values = metric.aggregate(np.stack([metric.combine(rows)]), np.ones((1, 1)))
        except ImportError as error:
            raise MetricError(f"metric {family}: a package is missing ({error}); install it") from None
        if len(rows) != 1 or values.shape != (1, len(metric.names)):
            raise MetricError(
                f"metric {family}: for one sample it gave {len(rows)} rows of statistics and values of shape "
                f"{values.shape}, not 1 and (1, {len(metric.names)}); repair the metric"
            )
        for name in metric.names:
            if owners.setdefault(name, family) != family:
                raise MetricError(
                    f"metrics {owners[name]} and {family} both give {name}: a report holds one of them; "
                    "choose one, or run twice"
                )


@dataclass(frozen=True, slots=True)
class Counts:
    """Samples scored, samples all of whose trials failed, and samples with an unparsed answer."""

    n: int
    failed: int
    unparsed: int


def _counts(generations: Sequence[Generation], outcomes: Sequence[Outcome]) -> Counts:
    scored = {generation.sample_id for generation in generations}
    return Counts(
        n=len(scored),
        failed=len({outcome.sample_id for outcome in outcomes} - scored),
        unparsed=len({one.sample_id for one in generations if one.unparsed is not None}),
    )


def statistics_of(
    metric: Metric, generations: Sequence[Generation], samples: Mapping[str, Sample]
) -> FloatArray:
    """Return (n, k) statistics of a bound metric, row by row with the generations, a batch at a time."""
    parts = []
    for start in range(0, len(generations), BATCH):
        batch = generations[start : start + BATCH]
        parts.append(metric.statistics(batch, [samples[one.sample_id] for one in batch]))
    return np.concatenate(parts) if parts else np.zeros((0, 0))


def combine_trials(metric: Metric, rows: FloatArray, generations: Sequence[Generation]) -> FloatArray:
    """Reduce rows of one per trial to one per sample, in order of first appearance.

    A single trial is combined too: a metric may make something else of trials than rows (pass@k counts).
    """
    places: dict[str, list[int]] = {}
    for place, generation in enumerate(generations):
        places.setdefault(generation.sample_id, []).append(place)
    return np.stack([metric.combine(rows[some]) for some in places.values()])


def aggregate(
    metric: Metric,
    by_sample: FloatArray,
    groups: NDArray[np.intp] | None,
    counts: Counts,
    resampling: Resampling,
) -> list[Aggregate]:
    """Return the metric's values of (n, k) statistics, one row a sample, with their intervals.

    `groups` are the (n,) numbers 0…g-1 of the clusters that samples belong to, None without clusters.
    """
    values = metric.aggregate(by_sample, np.ones((1, len(by_sample))))[0]
    replicates = bootstrap(
        metric.aggregate, by_sample, resamples=resampling.resamples, seed=resampling.seed, groups=groups
    )
    interval = percentile_interval(replicates, resampling.confidence)
    aggregates = []
    for place, name in enumerate(metric.names):
        low, high, method = interval.low[place], interval.high[place], interval.method
        if low == high and _is_proportion(metric, by_sample):
            # Groups count once: samples of a group that agree say little more than one of them.
            units = counts.n if groups is None else int(groups.max()) + 1
            low, high = wilson_interval(float(values[place]) * units, units, resampling.confidence)
            method = "wilson"
        aggregates.append(
            Aggregate(
                metric=name,
                value=float(values[place]),
                low=float(low),
                high=float(high),
                confidence=resampling.confidence,
                interval=method,
                n=counts.n,
                n_failed=counts.failed,
                n_unparsed=counts.unparsed,
                signature=metric.signature,
                higher_is_better=metric.higher_is_better,
                maximum=metric.maximum,
            )
        )
    return aggregates


def _is_proportion(metric: Metric, rows: FloatArray) -> bool:
    """Whether the statistics are (0 or 1, 1): then a collapsed bootstrap has a better interval beside it."""
    return (
        len(metric.names) == 1
        and metric.maximum == 1.0
        and rows.shape[1] == 2  # noqa: PLR2004
        and bool(np.isin(rows[:, 0], (0.0, 1.0)).all())
        and bool((rows[:, 1] == 1.0).all())
    )
