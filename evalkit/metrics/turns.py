"""Another metric, turn by turn: `rougeL@1`, `rougeL@2`, and `rougeL@mean` of whole conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import Metric
from evalkit.metrics.expectation import expectations, turn_count
from evalkit.metrics.inner import Part, PartsMetric, built
from evalkit.metrics.replies import reply_at
from evalkit.records import Generation, Sample, acceptable

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

ROUGE = {"_target_": "evalkit.metrics.rouge.Rouge", "types": ["rougeL"]}


class Turns(PartsMetric):
    """A metric of texts applied to each reply of a conversation, in that metric's own scale.

    `metric` is the other metric as a config names it. `<name>@k` is its value over the k-th replies, and
    `<name>@mean` over conversations, whose turns share a conversation's weight equally (for a mean over
    samples: the mean over conversations of the mean over their turns). `turns` is how many turns are looked
    at; by default as many as the longest conversation has.

    A turn's references are those of the target: a list as long as the turns with a text, a list of texts or
    null for each, or what is right of the last reply alone; `column` names another column with them. A turn
    without a reference is left out of its value, as is one that a shorter conversation does not have. A reply
    that a conversation lacks, or that could not be parsed, is wrong.
    """

    needs_target = False  # the other metric may, of some turns

    def __init__(
        self,
        *,
        metric: Metric | Mapping[str, Any] = ROUGE,
        turns: int | None = None,
        column: str | None = None,
    ) -> None:
        if turns is not None and turns < 1:
            raise MetricError(f"turns: turns={turns} must be at least 1 (null: all that there are)")
        self.inner = built(metric, "metrics.turns.metric")
        self.turns, self.column = turns, column
        self.places = turns or 0

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Turn by turn, then the conversations' mean."""
        turns = [*range(1, self.places + 1), "mean"]
        return tuple(f"{name}@{turn}" for turn in turns for name in self.inner.names)

    @property
    def signature(self) -> str:
        """For example `turns:2|of:target|types:rougeL|stem:no|tok:rouge_score|version:0.1.2`."""
        return f"turns:{self.places or 'all'}|of:{self.column or 'target'}|{self.inner.signature}"

    @property
    def headline(self) -> tuple[str, ...]:
        """The conversations' mean: the turns are parts of it."""
        return tuple(f"{name}@mean" for name in self.inner.headline)

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Bind the other metric to every turn that has a reference, and count the turns."""
        found = [one for sample in samples for one in self._expected(sample)]
        if not found:
            raise MetricError(
                f"turns: no sample has a reference for a turn; set dataset.target=<column> to a list as long "
                f"as the turns, or metrics.turns.column=<column>, for {type(self.inner).__name__}"
            )
        last = max(place for place, _ in found) + 1
        bound = self.rebound(self.inner.bind([one for _, one in found]), last)
        bound.turns = last
        return bound

    def parts(self, generation: Generation, sample: Sample) -> list[Part | None]:
        """Return each reply beside what it is held to."""
        parts: list[Part | None] = [None] * self.places
        for place, turn in self._expected(sample):
            parts[place] = reply_at(generation, place, turn_count(sample)), turn
        return parts

    def aggregate(self, statistics: FloatArray, weights: FloatArray) -> FloatArray:
        """Return (r, names): each turn's values, then the conversations'."""
        turns = [self.of_part(statistics, weights, place) for place in range(self.places)]
        return np.concatenate([*turns, self.of_all(statistics, weights)], axis=1)

    def explain(self, generation: Generation, sample: Sample) -> str | None:
        """What the other metric says of each turn."""
        said = [
            f"turn {place}: {why}"
            for place, part in enumerate(self.parts(generation, sample), start=1)
            if part is not None and (why := self.inner.explain(*part))
        ]
        return "; ".join(said) or None

    def _expected(self, sample: Sample) -> list[tuple[int, Sample]]:
        """Return the turns that are scored, by place from 0, each as a sample of its own."""
        found = []
        for place, one in enumerate(expectations(sample, self.column, "turns")[: self.turns]):
            references = acceptable(one)
            if references or not self.inner.needs_target:
                target = references[0] if len(references) == 1 else list(references) or None
                found.append((place, replace(sample, id=f"{sample.id}, turn {place + 1}", target=target)))
        return found
