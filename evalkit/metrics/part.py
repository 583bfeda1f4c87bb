"""Another metric of one field of a structured answer: `intent_accuracy`, `reply_chrf`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from evalkit.errors import MetricError
from evalkit.metrics.base import Metric, of_texts_alone
from evalkit.metrics.expectation import member
from evalkit.metrics.inner import Part as Found
from evalkit.metrics.inner import PartsMetric, built
from evalkit.records import Generation, Response, Sample, acceptable, text_of

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

ACCURACY = {"_target_": "evalkit.metrics.accuracy.Accuracy"}


class Part(PartsMetric):
    """Another metric, of one field of answers and targets that are objects, in that metric's own scale.

    `field` is the field's name (dots reach in), and stands before the other metric's names:
    `intent_accuracy`. `metric` is the other metric as a config names it. A sample whose target lacks the
    field is left out; an answer that lacks it, or has null there, is wrong.
    """

    def __init__(self, *, field: str, metric: Metric | Mapping[str, Any] = ACCURACY) -> None:
        self.inner = built(metric, f"the metric of {field}")
        self.field = field
        self.places = 1

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The other metric's, after the field's."""
        return tuple(f"{self.field}_{name}" for name in self.inner.names)

    @property
    def rows_from_texts(self) -> bool:  # type: ignore[override]
        """As those of the other metric."""
        return of_texts_alone(self.inner)

    @property
    def signature(self) -> str:
        """For example `of:intent|case:mixed`."""
        return f"of:{self.field}|{self.inner.signature}"

    @property
    def headline(self) -> tuple[str, ...]:
        """The other metric's."""
        return tuple(f"{self.field}_{name}" for name in self.inner.headline)

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Bind the other metric to the field's targets."""
        found = [one for sample in samples if (one := self._part(sample)) is not None]
        if not found:
            raise MetricError(
                f'no sample has a target with a field "{self.field}"; set dataset.target to the column with '
                f"the object that an answer shall be, to score its {self.field}"
            )
        return self.rebound(self.inner.bind(found), 1)

    def parts(self, generation: Generation, sample: Sample) -> list[Found | None]:
        """Return the field of the answer beside that of the target."""
        part = self._part(sample)
        if part is None:
            return [None]
        value = member(generation.prediction, self.field)
        reason = generation.unparsed or f"no field {self.field}"
        answer = Generation(
            generation.sample_id,
            generation.trial,
            Response("" if value is None else text_of(value)),
            value,
            reason if value is None else None,
        )
        return [(answer, part)]

    def aggregate(self, statistics: FloatArray, weights: FloatArray) -> FloatArray:
        """Return (r, names)."""
        return self.of_part(statistics, weights, 0)

    def explain(self, generation: Generation, sample: Sample) -> str | None:
        """What the other metric says of the field."""
        (part,) = self.parts(generation, sample)
        return None if part is None else self.inner.explain(*part)

    def _part(self, sample: Sample) -> Sample | None:
        references = acceptable(member(sample.target, self.field))
        if not references:
            return None
        target = references[0] if len(references) == 1 else list(references)
        return replace(sample, target=target)
