"""Accuracy of labels: the share of predictions that equal the target label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from evalkit.metrics.base import MeanMetric, options_text
from evalkit.metrics.text import all_references, quoted, references_of
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray


class Accuracy(MeanMetric):
    """Share of samples in [0, 1] whose predicted label is (one of) the target's.

    White space around a label is no part of it; anything else counts, so that post-processing, not the
    metric, decides what "Positive." means.
    """

    names = ("accuracy",)
    rows_from_texts = True

    def __init__(self, *, ignore_case: bool = False) -> None:
        self.ignore_case = ignore_case

    @property
    def signature(self) -> str:
        """For example `case:mixed`."""
        return options_text({"case": "lc" if self.ignore_case else "mixed"})

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Check that every sample has a target."""
        all_references(samples, "accuracy")
        return self

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 2): correct, count."""
        all_references(samples, "accuracy")
        return super().statistics(generations, samples)

    def score(self, prediction: str, references: tuple[str, ...]) -> Sequence[float]:
        """1.0 when the label is one of the targets."""
        return (float(self._label(prediction) in {self._label(text) for text in references}),)

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `predicted 'neutral', target 'positive'`."""
        target = " or ".join(quoted(text) for text in references_of(sample, "accuracy"))
        if generation.text is None:
            return f"no label found ({generation.unparsed}), target {target}"
        return f"predicted {quoted(generation.text)}, target {target}"

    def _label(self, text: str) -> str:
        label = text.strip()
        return label.casefold() if self.ignore_case else label
