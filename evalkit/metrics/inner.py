"""A metric of parts: another metric applied to some of what a sample's answer is made of."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import Metric
from evalkit.plugins import construct, plugin
from evalkit.records import Generation, Response, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

NEEDED = ("bind", "statistics", "combine", "aggregate")

Part = tuple[Generation, Sample]


def built(metric: Metric | Mapping[str, Any], setting: str) -> Metric:
    """Return the metric that `{_target_: …, option: value}` names; MetricError where it names none."""
    if isinstance(metric, Metric):
        return metric
    if "_target_" not in metric:
        raise MetricError(f"{setting}: write {{_target_: <class>, <option>: <value>}}, not {metric!r}")
    options = {name: one for name, one in metric.items() if name != "_target_"}
    found = construct(plugin(metric["_target_"], setting, NEEDED), options, setting)
    if not isinstance(found, Metric):
        raise MetricError(f"{setting}._target_={metric['_target_']}: not a metric")
    return found


def described(metric: Metric) -> dict[str, Any]:
    """Return the plain data that `built` makes the metric of again."""
    cls = type(metric)
    return {"_target_": f"{cls.__module__}.{cls.__qualname__}", **metric.options}


class PartsMetric(Metric):
    """Another metric's statistics of each of a sample's parts, side by side: (present, statistics…) a part.

    A part that a sample does not have is zeros, and weighs nothing wherever it is aggregated.
    """

    inner: Metric
    places: int
    """How many parts there are at most."""

    @property
    def metric(self) -> dict[str, Any]:
        """The other metric as plain data."""
        return described(self.inner)

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        """As of the other metric."""
        return self.inner.higher_is_better

    @property
    def maximum(self) -> float:  # type: ignore[override]
        """As of the other metric."""
        return self.inner.maximum

    @property
    def unit(self) -> str | None:  # type: ignore[override]
        """As of the other metric."""
        return self.inner.unit

    def parts(self, generation: Generation, sample: Sample) -> list[Part | None]:
        """Return the answer and the sample of each part, None where there is none; `places` of them."""
        raise NotImplementedError

    def rebound(self, inner: Metric, places: int) -> Self:
        """Return the metric with its inner metric bound, and its number of parts known."""
        bound = copy.copy(self)
        bound.inner, bound.places = inner, places
        return bound

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, places * (1 + k)): for each part 1 where it is present, and its k statistics."""
        there: list[tuple[int, int]] = []
        pairs: list[Part] = []
        for row, (generation, sample) in enumerate(zip(generations, samples, strict=True)):
            for place, part in enumerate(self.parts(generation, sample)):
                if part is not None:
                    there.append((row, place))
                    pairs.append(part)
        # Without a part there is nothing to tell how many numbers one has.
        some = pairs or [(Generation("none", 0, Response("text"), "text"), Sample("none", {}, "text"))]
        found = self.inner.statistics([one for one, _ in some], [one for _, one in some])
        rows = np.zeros((len(generations), self.places, 1 + found.shape[1]))
        for (row, place), statistics in zip(there, found, strict=False):
            rows[row, place, 0] = 1.0
            rows[row, place, 1:] = statistics
        return rows.reshape(len(generations), -1)

    def combine(self, trials: FloatArray) -> FloatArray:
        """Combine the trials of each part as the inner metric does."""
        blocks = self._blocks(trials)
        parts = [
            np.concatenate([blocks[:, place, :1].mean(axis=0), self.inner.combine(blocks[:, place, 1:])])
            for place in range(self.places)
        ]
        return np.concatenate(parts)

    def of_part(self, statistics: FloatArray, weights: FloatArray, place: int) -> FloatArray:
        """Return the inner metric's (r, names) values of one part; NaN where no sample has it."""
        block = self._blocks(statistics)[:, place]
        with np.errstate(divide="ignore", invalid="ignore"):
            values = self.inner.aggregate(block[:, 1:], weights * block[:, 0])
        return _where(values, weights @ np.abs(block[:, 0]))

    def of_all(self, statistics: FloatArray, weights: FloatArray) -> FloatArray:
        """Return the (r, names) values over all parts, those of a sample sharing its weight equally."""
        blocks = self._blocks(statistics)
        present = blocks[:, :, 0]
        number = present.sum(axis=1, keepdims=True)
        shares = np.divide(present, number, out=np.zeros_like(present), where=number > 0)
        spread = (weights[:, :, None] * shares[None]).reshape(len(weights), -1)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = self.inner.aggregate(blocks[:, :, 1:].reshape(spread.shape[1], -1), spread)
        return _where(values, np.abs(spread).sum(axis=1))

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray] | None:
        """The inner metric's bounds of each part; None when it has none."""
        unanswered = Generation(sample.id, 0, Response(""), None, "no answer")
        ends: list[tuple[FloatArray, FloatArray] | None] = []
        for part in self.parts(unanswered, sample):
            found = None if part is None else self.inner.bounds(part[1])
            if part is not None and found is None:
                return None
            ends.append(found)
        known = next((found for found in ends if found is not None), None)
        if known is None:
            empty = self.statistics([unanswered], [sample])[0]
            return empty, empty
        nothing = np.zeros(1 + len(known[0]))
        worst, best = (
            [nothing if found is None else np.concatenate([[1.0], found[side]]) for found in ends]
            for side in (0, 1)
        )
        return np.concatenate(worst), np.concatenate(best)

    def _blocks(self, statistics: FloatArray) -> FloatArray:
        return statistics.reshape(len(statistics), self.places, -1)


def _where(values: FloatArray, weight: FloatArray) -> FloatArray:
    """NaN where nothing has a weight, whatever the inner metric makes of sums of nothing."""
    values = np.array(values, dtype=np.float64)
    values[~(weight != 0)] = np.nan
    return values
