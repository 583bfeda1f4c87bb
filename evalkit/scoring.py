"""Outcomes -> generations -> statistics -> aggregates. Failures are counted, never scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from evalkit.datasets.base import Dataset
from evalkit.errors import MetricError
from evalkit.postprocess import Context, Pipeline, Unparsed
from evalkit.records import Aggregate, Generation, Outcome, Response, Sample, Usage
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

    def asked(self, sample: Sample, trial: int) -> Sample:
        """Return the sample in the form that it was asked in at a trial."""
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


def generate(outcome: Outcome, postprocess: Pipeline, sample: Sample | None = None) -> Generation:
    """Return the generation of an answered outcome: its prediction, or why there is none.

    `sample` is the one that was asked, in the form of the trial; without it, steps see the text alone.
    """
    if outcome.response is None:
        raise ValueError(f"outcome of sample {outcome.sample_id} is a failure")
    earlier = tuple(one.response for one in outcome.earlier if one.response is not None)
    prediction, unparsed = _read(outcome.response, postprocess, sample, outcome.trial)
    return Generation(
        outcome.sample_id,
        outcome.trial,
        outcome.response,
        prediction,
        unparsed,
        earlier,
        tuple(_read(one, postprocess, sample, outcome.trial)[0] for one in earlier),
    )


def _read(
    response: Response, postprocess: Pipeline, sample: Sample | None, trial: int
) -> tuple[Any, str | None]:
    """Return the prediction in a response, or None and why there is none."""
    if response.refusal and not postprocess.reads_refusals:
        return None, f"the model refused: {response.refusal}"
    context = None if sample is None else Context(response, sample, trial)
    try:
        return postprocess(response.text, context), None
    except Unparsed as reason:
        return None, str(reason)


def score(task: Scorable, outcomes: Sequence[Outcome], resampling: Resampling) -> Scored:
    """Score answered outcomes; samples all of whose trials failed are left out and counted."""
    samples = {sample.id: sample for sample in task.dataset.samples}
    generations = [
        generate(outcome, task.postprocess, task.asked(samples[outcome.sample_id], outcome.trial))
        for outcome in outcomes
        if outcome.response is not None
    ]
    asked = [task.asked(samples[one.sample_id], one.trial) for one in generations]
    counts = _counts(generations, outcomes)
    ids = dict.fromkeys(generation.sample_id for generation in generations)
    groups = number_groups([samples[one].group for one in ids])
    statistics: dict[str, FloatArray] = {}
    metrics: dict[str, Metric] = {}
    aggregates: list[Aggregate] = []
    for family, unbound in task.metrics.items():
        metric = unbound.bind(task.dataset.samples)
        rows = statistics_of(metric, generations, asked)
        statistics[family] = rows
        metrics[family] = metric
        if len(rows):
            by_sample = combine_trials(metric, rows, generations)
            aggregates += aggregate(metric, by_sample, groups, counts, resampling)
    return Scored(generations, statistics, metrics, aggregates)


def made_up(text: str, *, logprobs: bool = True) -> Response:
    """Return an answer that nobody gave, with all that a server may tell of one."""
    entry = {"token": text, "logprob": -0.1, "bytes": None}
    told = {"content": [{**entry, "top_logprobs": [entry]}], "refusal": None}
    return Response(
        text,
        finish_reason="stop",
        usage=Usage(prompt=1, completion=1),
        logprobs=told if logprobs else None,
        latency=0.1,
        time_to_first_token=0.1,
    )


def check_metrics(task: Scorable, *, logprobs: bool = True) -> None:
    """Score one made-up sample per metric, so that what is missing shows before money is spent.

    `logprobs` says whether answers will have log-probabilities.
    """
    if not task.dataset.samples:
        return
    sample = task.asked(task.dataset.samples[0], 0)
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
            answer = Generation(sample.id, 0, made_up(text, logprobs=logprobs), text)
            rows = metric.statistics([answer], [sample])
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


def statistics_of(metric: Metric, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
    """Return (n, k) statistics of a bound metric, row by row with the generations, a batch at a time.

    `samples` are (n,) too, each in the form that its generation answers.
    """
    # A third party's metric need not know of it.
    if getattr(metric, "at_once", False) and len(generations):
        return metric.statistics(generations, samples)
    parts = []
    for start in range(0, len(generations), BATCH):
        batch = slice(start, start + BATCH)
        parts.append(metric.statistics(generations[batch], samples[batch]))
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
    values = metric.aggregate(by_sample, np.ones((1, len(by_sample))))[0].tolist()
    ends: list[tuple[float | None, float | None, str]] = [(None, None, "none")] * len(values)
    if getattr(metric, "per_sample", True):
        ends = _intervals(metric, by_sample, values, groups, resampling)
    return [
        Aggregate(
            metric=name,
            value=value,
            low=low,
            high=high,
            confidence=resampling.confidence,
            interval=method,
            n=counts.n,
            n_failed=counts.failed,
            n_unparsed=counts.unparsed,
            signature=metric.signature,
            higher_is_better=metric.higher_is_better,
            maximum=metric.maximum,
            unit=metric.unit,
        )
        for name, value, (low, high, method) in zip(metric.names, values, ends, strict=True)
    ]


def _intervals(
    metric: Metric,
    by_sample: FloatArray,
    values: Sequence[float],
    groups: NDArray[np.intp] | None,
    resampling: Resampling,
) -> list[tuple[float | None, float | None, str]]:
    """Return low, high and method of each value's interval."""
    replicates = bootstrap(
        metric.aggregate, by_sample, resamples=resampling.resamples, seed=resampling.seed, groups=groups
    )
    interval = percentile_interval(replicates, resampling.confidence)
    found: list[tuple[float | None, float | None, str]] = []
    for value, low, high in zip(values, interval.low.tolist(), interval.high.tolist(), strict=True):
        if low == high and _is_proportion(metric, by_sample, value):
            # Groups count once: samples of a group that agree say little more than one of them.
            some = by_sample[:, 1] > 0
            units = int(some.sum()) if groups is None else len(np.unique(groups[some]))
            found.append((*wilson_interval(value * units, units, resampling.confidence), "wilson"))
        else:
            found.append((low, high, interval.method))
    return found


def _is_proportion(metric: Metric, rows: FloatArray, value: float) -> bool:
    """Whether the value is a share of samples that are right or wrong: then Wilson's interval fits.

    Statistics are (0 or 1, 1), or (0, 0) for samples that have no weight.
    """
    return (
        len(metric.names) == 1
        and metric.maximum == 1.0
        and rows.shape[1] == 2  # noqa: PLR2004
        and bool(np.isin(rows[:, 0], (0.0, 1.0)).all())
        and bool(np.isin(rows[:, 1], (0.0, 1.0)).all())
        and bool((rows[:, 0] <= rows[:, 1]).all())
        and bool(np.isclose(value * rows[:, 1].sum(), rows[:, 0].sum()))
    )
