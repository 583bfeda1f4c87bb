"""The mean score that a judge gave, on the judge's own scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import JudgeMetric, options_text
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray


class JudgeScore(JudgeMetric):
    """Mean of the scores that a judge gave, on `scale` ([lowest, highest]); its highest is the maximum.

    The post-processing step `score` reads them (G-Eval, Liu et al. 2023; single-answer grading of MT-bench,
    Zheng et al. 2023). An answer without a score counts as the lowest.
    """

    names = ("judge_score",)

    def __init__(
        self, *, scale: Sequence[float] = (1, 10), judge: str | None = None, prompt: str | None = None
    ) -> None:
        if len(scale) != 2 or not scale[0] < scale[1] or scale[1] <= 0:  # noqa: PLR2004
            raise MetricError(f"metrics.judge_score.scale={list(scale)}: [lowest, highest], like [1, 10]")
        self.scale = tuple(scale)
        self.judge, self.prompt = judge, prompt
        self.maximum = float(scale[1])  # type: ignore[misc]  # of the scale, so of the object

    @property
    def signature(self) -> str:
        """For example `scale:1-10|judge:gpt-4o|prompt:5c1de0a9f24b`."""
        low, high = self.scale
        return f"{options_text({'scale': f'{low:g}-{high:g}'})}|{self.judged}"

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:  # noqa: ARG002
        """Return (n, 2): score, count."""
        return np.array([[self._score(one), 1.0] for one in generations]).reshape(-1, 2)

    def finish(self, sums: FloatArray) -> FloatArray:
        """Divide the sum of the scores by their number."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(sums[:, :1] / sums[:, 1:], dtype=np.float64)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """The scale's ends."""
        return np.array([float(self.scale[0]), 1.0]), np.array([float(self.scale[1]), 1.0])

    def explain(self, generation: Generation, sample: Sample) -> str:  # noqa: ARG002
        """For example `the judge gave 7 of 10`."""
        if generation.prediction is None:
            return f"no score found ({generation.unparsed})"
        return f"the judge gave {self._score(generation):g} of {self.maximum:g}"

    def _score(self, generation: Generation) -> float:
        low, high = self.scale
        try:
            return float(min(high, max(low, float(generation.prediction))))
        except (TypeError, ValueError):
            return float(low)
