"""The share of answers that a judge calls correct, having the reference answer before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import JudgeMetric, options_text
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

CORRECT, PARTIALLY = "correct", "partially"


class JudgeAccuracy(JudgeMetric):
    """Share of answers in [0, 1] that the judge labels `correct`; `partially` counts `partial`, from 0 to 1.

    Any other label, and an answer without one, counts nothing.
    """

    names = ("judge_accuracy",)

    def __init__(self, *, partial: float = 0.0, judge: str | None = None, prompt: str | None = None) -> None:
        if not 0 <= partial <= 1:
            raise MetricError(f"metrics.judge_accuracy.partial={partial}: a share, from 0 to 1")
        self.partial, self.judge, self.prompt = partial, judge, prompt

    @property
    def signature(self) -> str:
        """For example `partial:0|judge:gpt-4o|prompt:5c1de0a9f24b`."""
        return f"{options_text({'partial': f'{self.partial:g}'})}|{self.judged}"

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:  # noqa: ARG002
        """Return (n, 2): what an answer counts, 1."""
        credit = {CORRECT: 1.0, PARTIALLY: self.partial}
        return np.array([[credit.get(one.text or "", 0.0), 1.0] for one in generations]).reshape(-1, 2)

    def finish(self, sums: FloatArray) -> FloatArray:
        """Divide by the count."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(sums[:, :1] / sums[:, 1:], dtype=np.float64)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """Incorrect, or correct."""
        return np.array([0.0, 1.0]), np.array([1.0, 1.0])

    def explain(self, generation: Generation, sample: Sample) -> str:  # noqa: ARG002
        """For example `the judge says: partially`."""
        if generation.text is None:
            return f"no verdict found ({generation.unparsed})"
        return f"the judge says: {generation.text}"
