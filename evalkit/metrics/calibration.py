"""Calibration: whether answers given with 80% confidence are right 80% of the time."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import Metric, options_text
from evalkit.metrics.logprobs import token_logprobs
from evalkit.metrics.text import all_references, check_choice, quoted, references_of, squad_normalize, whole
from evalkit.records import Generation, Sample, text_of

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

SOURCES = ("probability", "per_token", "stated")
NORMALIZERS = ("strip", "squad")
_NUMBER = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*(%?)\s*")


class Calibration(Metric):
    """Brier score and expected calibration error, both in [0, 1], lower is better.

    `brier`: the mean of (confidence - right)² (Brier 1950, for the one event that the answer is right).
    `ece`: answers in `bins` bins of equal width by confidence, (0, 1/M], (1/M, 2/M], …; the mean over answers
    of |share that is right - mean confidence| of its bin (Guo et al. 2017, equation 3).

    An answer is right when it equals a target as in `exact_match` (`normalize`: strip or squad;
    `ignore_case`). `confidence` says where its probability comes from:
    - "probability": the product of its tokens' probabilities; of a long answer that is small;
    - "per_token": their geometric mean, which does not fall with the answer's length;
    - "stated": what the model says itself, in `field` of a prediction that is an object (whose `answer` field
      is the answer), else in the metadata column of that name: 0.8, 80% or "80%".
    An answer that is unparsed is wrong; one that states no confidence counts as wrong and fully confident.
    """

    names = ("brier", "ece")
    higher_is_better: ClassVar[bool] = False

    def __init__(
        self,
        *,
        confidence: str = "probability",
        field: str = "confidence",
        answer: str = "answer",
        bins: int = 15,
        normalize: str = "strip",
        ignore_case: bool = False,
    ) -> None:
        check_choice("calibration", "confidence", confidence, SOURCES)
        check_choice("calibration", "normalize", normalize, NORMALIZERS)
        if not whole(bins):
            raise MetricError(f"calibration: bins must be a whole number of at least 1, not {bins!r}")
        self.confidence, self.field, self.answer, self.bins = confidence, field, answer, bins
        self.normalize, self.ignore_case = normalize, ignore_case

    @property
    def signature(self) -> str:
        """For example `conf:probability|bins:15|norm:strip|case:mixed`."""
        where = f"stated[{self.field}]" if self.confidence == "stated" else self.confidence
        case = "lc" if self.ignore_case else "mixed"
        options: dict[str, Any] = {"conf": where, "bins": self.bins, "norm": self.normalize, "case": case}
        if self.confidence == "stated" and self.answer != "answer":
            options["answer"] = self.answer
        return options_text(options)

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Check that every sample has a target."""
        all_references(samples, "calibration")
        return self

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 2 + 3 * bins): squared error, count; each bin's count, confidences, right answers."""
        return self._rows([self._judged(*pair) for pair in zip(generations, samples, strict=True)])

    def finish(self, sums: FloatArray) -> FloatArray:
        """Return (r, 2); NaN where nothing was counted."""
        count = np.where(sums[:, 1] > 0, sums[:, 1], np.nan)
        confident, right = sums[:, 2 + self.bins : 2 + 2 * self.bins], sums[:, 2 + 2 * self.bins :]
        gaps = np.abs(right - confident).sum(axis=1)
        return np.stack([sums[:, 0] / count, gaps / count], axis=1)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """Wrong and sure, or right and sure."""
        worst, best = self._rows([(1.0, 0.0), (1.0, 1.0)])
        return worst, best

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `confidence 0.92, wrong: predicted 'Lyon', target 'Paris'`."""
        confidence, right = self._judged(generation, sample)
        target = " or ".join(quoted(text) for text in references_of(sample, "calibration"))
        predicted = "no prediction" if generation.text is None else f"predicted {quoted(generation.text)}"
        return f"confidence {confidence:.3g}, {'right' if right else 'wrong'}: {predicted}, target {target}"

    def _rows(self, judged: Sequence[tuple[float, float]]) -> FloatArray:
        rows = np.zeros((len(judged), 2 + 3 * self.bins))
        for row, (confidence, right) in zip(rows, judged, strict=True):
            # The slack puts a confidence of 0.3 into the bin that ends there, whatever 0.3 times 10 is.
            place = min(max(math.ceil(confidence * self.bins - 1e-9) - 1, 0), self.bins - 1)
            row[:2] = (confidence - right) ** 2, 1.0
            row[2 + place :: self.bins] = 1.0, confidence, right
        return rows

    def _judged(self, generation: Generation, sample: Sample) -> tuple[float, float]:
        """Return the confidence in an answer, and 1.0 where it is right."""
        references = references_of(sample, "calibration")
        confidence = self._confidence(generation, sample)
        if confidence is None:
            return 1.0, 0.0
        predicted = generation.prediction
        if self.confidence == "stated" and isinstance(predicted, Mapping):
            predicted = predicted.get(self.answer)
        if predicted is None:
            return confidence, 0.0
        wanted = {self._normalized(text) for text in references}
        return confidence, float(self._normalized(text_of(predicted)) in wanted)

    def _confidence(self, generation: Generation, sample: Sample) -> float | None:
        if self.confidence == "stated":
            predicted = generation.prediction
            if isinstance(predicted, Mapping) and self.field in predicted:
                return _share(predicted[self.field])
            return _share(sample.metadata.get(self.field))
        known = token_logprobs(generation.response, sample.id, "calibration")
        total = sum(known)
        if self.confidence == "per_token":
            total /= max(1, len(known))
        return min(1.0, math.exp(total))

    def _normalized(self, text: str) -> str:
        text = squad_normalize(text) if self.normalize == "squad" else text.strip()
        return text.casefold() if self.ignore_case else text


def _share(value: Any) -> float | None:
    """Return a stated confidence in [0, 1]; None where it is none. A number above 1 is taken for percent."""
    match = _NUMBER.fullmatch(value if isinstance(value, str) else repr(value))
    if match is None or isinstance(value, bool):
        return None
    number = float(match[1])
    share = number / 100.0 if match[2] or number > 1.0 else number
    return share if share <= 1.0 else None
