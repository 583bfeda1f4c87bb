"""Abstention: whether a model says that there is no answer when there is none, and only then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalkit.later import np
from evalkit.metrics.base import Metric
from evalkit.metrics.text import quoted, references_of
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray


class Abstention(Metric):
    """Answers that abstain against questions without an answer, all in [0, 1].

    - `abstention_recall`: share of the unanswerable questions at which the model abstains (accuracy of the
      no-answer half in SQuAD 2.0's script, Rajpurkar et al. 2018);
    - `abstention_precision`: share of its abstentions at which there is no answer;
    - `abstention_rate`: share of all questions at which it abstains. Neither high nor low is good in itself.

    An abstention is the empty text, as the step `abstention` leaves it; a question is unanswerable when the
    empty text is its target (dataset.unanswerable=true). An unparsed answer does not abstain. A value is
    absent where there is nothing to divide by.
    """

    names = ("abstention_recall", "abstention_precision", "abstention_rate")
    rows_from_texts = True
    signature = "empty:abstains"

    @property
    def headline(self) -> tuple[str, ...]:
        """Recall alone: precision is absent where a model never abstains."""
        return ("abstention_recall",)

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 4): abstained rightly, unanswerable, abstained, 1."""
        rows = np.ones((len(generations), 4))
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            abstains, unanswerable = generation.text == "", is_unanswerable(sample)
            row[:3] = abstains and unanswerable, unanswerable, abstains
        return rows

    def finish(self, sums: FloatArray) -> FloatArray:
        """Divide: right by unanswerable, right by abstained, abstained by all."""
        right, unanswerable, abstained, n = sums.T
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack([right / unanswerable, right / abstained, abstained / n], axis=1)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """Wrong: answered where there is no answer, or abstained where there is one; or right."""
        if is_unanswerable(sample):
            return np.array([0.0, 1, 0, 1]), np.array([1.0, 1, 1, 1])
        return np.array([0.0, 0, 1, 1]), np.array([0.0, 0, 0, 1])

    def explain(self, generation: Generation, sample: Sample) -> str | None:
        """Say what was right or wrong about it; None where there was an answer and one was given."""
        if is_unanswerable(sample):
            if generation.text == "":
                return "rightly abstained"
            return f"there is no answer, and it gave {quoted(generation.text or 'none')}"
        return "abstained, and there is an answer" if generation.text == "" else None


def is_unanswerable(sample: Sample) -> bool:
    """Whether the empty text is the right answer."""
    return not any(text.strip() for text in references_of(sample, "abstention"))
