"""Correlation of predicted numbers with target numbers: Spearman, Pearson, Kendall."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import Metric, options_text
from evalkit.metrics.text import check_choice, quoted, references_of
from evalkit.metrics.weighted import weighted_ranks, weighted_ties
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

DEFAULT_TYPES = ("spearman", "pearson")
TYPES = ("spearman", "pearson", "kendall")
_ENDS = 2
_BLOCK = 2048  # samples whose pairs are compared at once: 32 MB of signs


class Correlation(Metric):
    """Correlation in [-1, 1] of the numbers predicted with those of the targets, over samples.

    `types`: spearman (ranks, ties at their mean; Spearman 1904), pearson (the numbers), kendall (tau-b, which
    corrects for ties; Kendall 1945; its time grows with the square of the samples): as `scipy.stats`. NaN
    where predictions or targets are all alike.
    A prediction without a number counts as the end of `scale` that is farther from the target; `scale` is
    [lowest, highest], by default the lowest and the highest target.
    """

    def __init__(self, *, types: Sequence[str] = DEFAULT_TYPES, scale: Sequence[float] | None = None) -> None:
        self.types = (types,) if isinstance(types, str) else tuple(types)
        for name in self.types:
            check_choice("correlation", "types", name, TYPES)
        if not self.types or len(set(self.types)) < len(self.types):
            raise MetricError(
                f"correlation: types must name at least one type and none twice, not {list(self.types)}"
            )
        self.scale: tuple[float, float] | None = None
        if scale is not None:
            known = [float(one) for one in scale if math.isfinite(one)]
            if len(known) != _ENDS or len(list(scale)) != _ENDS or known[0] > known[1]:
                raise MetricError(f"correlation: scale must be [lowest, highest], not {list(scale)}")
            self.scale = known[0], known[1]
        self.names = self.types

    @property
    def signature(self) -> str:
        """For example `types:spearman,pearson|scale:1,5`."""
        scale = "targets" if self.scale is None else ",".join(f"{end:g}" for end in self.scale)
        return options_text({"types": ",".join(self.types), "scale": scale})

    @property
    def headline(self) -> tuple[str, ...]:
        """The first value."""
        return self.names[:1]

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Freeze the scale to the targets' ends, unless given; MetricError for a target that is no number."""
        targets = [_target(sample) for sample in samples]
        if self.scale is not None or not targets:
            return self
        bound = copy.copy(self)
        bound.scale = min(targets), max(targets)
        return bound

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 2): the predicted number, the target."""
        rows = np.zeros((len(generations), 2))
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            target = _target(sample)
            number = _number(generation.text)
            row[:] = self._farthest(target) if number is None else number, target
        return rows

    def aggregate(self, statistics: FloatArray, weights: FloatArray) -> FloatArray:
        """Return (r, types): of samples repeated as often as their weights say."""
        predicted, target = statistics[:, 0], statistics[:, 1]
        weights = np.asarray(weights, dtype=np.float64)
        if not len(statistics):
            return np.full((len(weights), len(self.types)), np.nan)
        return np.stack([_OF[name](predicted, target, weights) for name in self.types], axis=1)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """The far end of the scale; and the target itself."""
        target = _target(sample)
        return np.array([self._farthest(target), target]), np.array([target, target])

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `predicted 4, target 5`."""
        target, number = _target(sample), _number(generation.text)
        if number is not None:
            return f"predicted {number:g}, target {target:g}"
        what = "no prediction" if generation.text is None else f"no number: {quoted(generation.text)}"
        return f"{what}, target {target:g}"

    def _farthest(self, target: float) -> float:
        if self.scale is None:
            raise MetricError("correlation: the scale is chosen by bind(samples); bind the metric first")
        low, high = self.scale
        return low if target - low > high - target else high


def _target(sample: Sample) -> float:
    text = references_of(sample, "correlation")[0]
    number = _number(text)
    if number is None:
        raise MetricError(
            f'correlation: the target of sample "{sample.id}" is no number: {quoted(text)}; map another '
            "column with dataset.target=<column>"
        )
    return number


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _pearson(one: FloatArray, other: FloatArray, weights: FloatArray) -> FloatArray:
    """Return (r,) weighted correlations of (n,) or (r, n) numbers."""
    total = weights.sum(axis=1, keepdims=True)
    some = np.where(total > 0, total, np.nan)
    centred = [np.broadcast_to(x, weights.shape) for x in (one, other)]
    centred = [x - (weights * x).sum(axis=1, keepdims=True) / some for x in centred]
    shared, first, second = (
        (weights * x * y).sum(axis=1)
        for x, y in ((centred[0], centred[1]), (centred[0], centred[0]), (centred[1], centred[1]))
    )
    return _ratio(shared, first, second)


def _spearman(one: FloatArray, other: FloatArray, weights: FloatArray) -> FloatArray:
    return _pearson(weighted_ranks(one, weights), weighted_ranks(other, weights), weights)


def _kendall(one: FloatArray, other: FloatArray, weights: FloatArray) -> FloatArray:
    """Tau-b: concordant less discordant pairs over the geometric mean of the pairs untied on either side."""
    score = np.zeros(len(weights))
    for start in range(0, len(one), _BLOCK):
        part = slice(start, start + _BLOCK)
        signs = np.sign(one[part, np.newaxis] - one) * np.sign(other[part, np.newaxis] - other)
        score += ((weights[:, part] @ signs) * weights).sum(axis=1)
    total = weights.sum(axis=1)
    pairs = total * (total - 1.0) / 2.0
    return _ratio(score / 2.0, *(pairs - weighted_ties(x, weights) for x in (one, other)))


def _ratio(shared: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """Return shared / sqrt(first * second), NaN where a side does not vary."""
    spread = np.sqrt(np.maximum(first, 0.0)) * np.sqrt(np.maximum(second, 0.0))
    known = np.isfinite(spread) & (spread > _SMALLEST * np.maximum(1.0, np.abs(shared)))
    values = np.divide(shared, spread, out=np.full(len(spread), np.nan), where=known)
    return np.asarray(np.clip(values, -1.0, 1.0), dtype=np.float64)


_SMALLEST = 1e-12
_OF: dict[str, Callable[[FloatArray, FloatArray, FloatArray], FloatArray]] = {
    "spearman": _spearman,
    "pearson": _pearson,
    "kendall": _kendall,
}
