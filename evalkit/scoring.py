"""Outcomes -> generations -> statistics -> aggregates. Failures are counted, never scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from evalkit.later import np
from evalkit.metrics.base import Metric, sees_all, statistics_of
from evalkit.reading import Counts, Hear, Reading, Scorable, unheard
from evalkit.records import Aggregate, Generation, Outcome, Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evalkit.cache.scores import ScoreStore
    from evalkit.metrics.base import FloatArray
    from evalkit.statistics.bootstrap import Interval

    IndexArray = NDArray[np.intp | np.intc]


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made; all of it is in the report."""

    confidence: float = 0.95
    resamples: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Scored:
    """Everything that scoring found out; `statistics` are row by row with the answers, in dataset order.

    `metrics` are the families as bound to the data. By answer, `unparsed` (n,) says which have no prediction,
    and `numbers` (n,) are those of the samples that they are to, counted from 0; None where each is to
    another.
    """

    statistics: Mapping[str, FloatArray]
    metrics: Mapping[str, Metric]
    aggregates: Sequence[Aggregate]
    numbers: IndexArray | None
    unparsed: NDArray[np.bool_]


def score(
    task: Scorable,
    outcomes: Iterable[Outcome],
    resampling: Resampling,
    store: ScoreStore | None = None,
    *,
    bound: bool = False,
    hear: Hear = unheard,
) -> Scored:
    """Score answered outcomes, in dataset order; samples all of whose trials failed are left out and counted.

    Answers are read and scored a batch at a time; a metric that must see all of them gets them in the end.
    With `store`, rows that were made of the same texts before are looked up there. Metrics are `bound` to the
    data here unless they are already. `hear` is told of every outcome as it is read.
    """
    from evalkit.statistics.cluster import number_groups

    rows_of = statistics_of if store is None else store.rows
    metrics = {
        family: one if bound else one.bind(task.dataset.samples) for family, one in task.metrics.items()
    }
    reading = Reading(hear)
    tables = {family: _Table() for family in metrics}
    at_once = {family: metric for family, metric in metrics.items() if sees_all(metric)}
    together: tuple[list[Generation], list[Sample]] = [], []
    for generations, asked in reading.batches(task, outcomes):
        for family, metric in metrics.items():
            if family not in at_once:
                tables[family].add(rows_of(metric, generations, asked))
        if at_once:
            together[0].extend(generations)
            together[1].extend(asked)
    for family, metric in at_once.items():
        if together[0]:
            tables[family].add(rows_of(metric, *together))
    statistics = {family: table.whole for family, table in tables.items()}
    numbers = None if reading.numbers is None else np.frombuffer(reading.numbers, dtype=np.intc)
    groups = number_groups(reading.groups)
    families = [
        (metric, combine_trials(metric, statistics[family], numbers)) for family, metric in metrics.items()
    ]
    aggregates = aggregate_all(families, groups, reading.counts, resampling) if reading.counts.n else []
    unparsed = np.frombuffer(reading.unparsed, dtype=bool)
    return Scored(statistics, metrics, aggregates, numbers, unparsed)


class _Table:
    """Rows of statistics that come in parts; to put parts together in the end would take the memory twice."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._width = 0

    def add(self, rows: FloatArray) -> None:
        self._bytes += np.ascontiguousarray(rows, dtype=np.float64).tobytes()
        self._width = rows.shape[1]

    @property
    def whole(self) -> FloatArray:
        if not self._width:
            return np.zeros((0, 0))
        return np.frombuffer(self._bytes, dtype=np.float64).reshape(-1, self._width)


def combine_trials(metric: Metric, rows: FloatArray, numbers: IndexArray | None) -> FloatArray:
    """Reduce (n, k) rows of one per answer to one per sample; `numbers` (n,) are those of the samples.

    Samples are numbered from 0 by first appearance; None where each row is another's. A single trial is
    combined too: a metric may make something else of trials than rows (pass@k counts).
    """
    mean = getattr(type(metric), "combine", None) is Metric.combine
    if numbers is None:
        if mean:
            return rows  # that of one
        numbers = np.arange(len(rows))
    if (np.diff(numbers) < 0).any():
        order = np.argsort(numbers, kind="stable")
        rows, numbers = rows[order], numbers[order]
    ends = np.flatnonzero(np.diff(numbers, append=-1)) + 1
    if mean and len(ends) == len(rows):
        return rows
    first = metric.combine(rows[: ends[0]])
    found = np.empty((len(ends), len(first)))
    found[0] = first
    for place, (start, end) in enumerate(pairwise(ends.tolist()), start=1):
        found[place] = metric.combine(rows[start:end])
    return found


def numbers_of(names: Iterable[str]) -> IndexArray:
    """Return (n,) numbers of the samples that answers are to, by their ids: 0 for the first that appears."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.intp)


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
    return aggregate_all([(metric, by_sample)], groups, counts, resampling)


def aggregate_all(
    families: Sequence[tuple[Metric, FloatArray]],
    groups: NDArray[np.intp] | None,
    counts: Counts,
    resampling: Resampling,
) -> list[Aggregate]:
    """Return the values of several metrics in order, each as by `aggregate`; the samples are drawn once."""
    from evalkit.statistics.bootstrap import bootstrap_together, percentile_interval

    drawn = [place for place, (metric, _) in enumerate(families) if getattr(metric, "per_sample", True)]
    replicates = bootstrap_together(
        [(families[place][0].aggregate, families[place][1]) for place in drawn],
        resamples=resampling.resamples,
        seed=resampling.seed,
        groups=groups,
    )
    intervals = {
        place: percentile_interval(one, resampling.confidence)
        for place, one in zip(drawn, replicates, strict=True)
    }
    return [
        one
        for place, (metric, by_sample) in enumerate(families)
        for one in _aggregates(metric, by_sample, intervals.get(place), groups, counts, resampling.confidence)
    ]


def _aggregates(
    metric: Metric,
    by_sample: FloatArray,
    interval: Interval | None,
    groups: NDArray[np.intp] | None,
    counts: Counts,
    confidence: float,
) -> list[Aggregate]:
    from evalkit.statistics.bootstrap import observed

    values = observed(metric.aggregate, by_sample).tolist()
    ends: list[tuple[float | None, float | None, str]] = [(None, None, "none")] * len(values)
    if interval is not None:
        ends = _ends(metric, by_sample, values, interval, groups, confidence)
    return [
        Aggregate(
            metric=name,
            value=value,
            low=low,
            high=high,
            confidence=confidence,
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


def _ends(
    metric: Metric,
    by_sample: FloatArray,
    values: Sequence[float],
    interval: Interval,
    groups: NDArray[np.intp] | None,
    confidence: float,
) -> list[tuple[float | None, float | None, str]]:
    """Return low, high and method of each value's interval."""
    from evalkit.statistics.bootstrap import wilson_interval

    found: list[tuple[float | None, float | None, str]] = []
    for value, low, high in zip(values, interval.low.tolist(), interval.high.tolist(), strict=True):
        if low == high and _is_proportion(metric, by_sample, value):
            # Groups count once: samples of a group that agree say little more than one of them.
            some = by_sample[:, 1] > 0
            units = int(some.sum()) if groups is None else len(np.unique(groups[some]))
            found.append((*wilson_interval(value * units, units, confidence), "wilson"))
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
