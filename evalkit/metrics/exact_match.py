"""Exact match: 1 when the prediction equals one of the references after the chosen normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from evalkit.metrics.base import MeanMetric, options_text
from evalkit.metrics.text import (
    all_references,
    answers_of,
    check_choice,
    quoted,
    references_of,
    silent,
    squad_normalize,
)
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

NORMALIZERS = ("none", "strip", "squad")


class ExactMatch(MeanMetric):
    """Share of predictions in [0, 1] that equal a reference.

    `normalize`: "none" compares the strings as they are, "strip" without surrounding white space, "squad"
    after SQuAD's normalisation (lower case, no ASCII punctuation, no articles).
    `no_answer`: the words that the prompt asks for where there is no answer; a prediction of these, case and
    punctuation aside, is the empty text, which is right where the target is empty. As in SQuAD 2.0's script a
    reference that its normalisation empties then counts only where there is no other.
    """

    names = ("exact_match",)
    rows_from_texts = True

    def __init__(
        self, *, normalize: str = "strip", ignore_case: bool = False, no_answer: str | None = None
    ) -> None:
        check_choice("exact_match", "normalize", normalize, NORMALIZERS)
        self.normalize = normalize
        self.ignore_case = ignore_case
        self.no_answer = no_answer

    @property
    def signature(self) -> str:
        """For example `norm:strip|case:mixed`; the words for no answer only where there are any."""
        options = {"norm": self.normalize, "case": "lc" if self.ignore_case else "mixed"}
        return options_text(options if self.no_answer is None else {**options, "noans": self.no_answer})

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Check that every sample has a reference."""
        all_references(samples, "exact_match")
        return self

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 2): match, count."""
        all_references(samples, "exact_match")
        return super().statistics(generations, samples)

    def score(self, prediction: str, references: tuple[str, ...]) -> Sequence[float]:
        """1.0 when any reference matches."""
        wanted = self._normalized(silent(prediction, self.no_answer))
        references = answers_of(references, self.no_answer)
        return (float(any(self._normalized(reference) == wanted for reference in references)),)

    def explain(self, generation: Generation, sample: Sample) -> str:
        """Show both texts."""
        references = " or ".join(quoted(text) for text in references_of(sample, "exact_match"))
        if generation.text is None:
            return f"no prediction ({generation.unparsed}), target {references}"
        return f"predicted {quoted(generation.text)}, target {references}"

    def _normalized(self, text: str) -> str:
        if self.normalize == "squad":
            text = squad_normalize(text)
        elif self.normalize == "strip":
            text = text.strip()
        return text.casefold() if self.ignore_case else text
