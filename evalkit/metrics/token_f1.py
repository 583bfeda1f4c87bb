"""Token F1 of extractive question answering, as SQuAD counts it, and MLQA's way for Chinese."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from evalkit.errors import MetricError
from evalkit.metrics.base import MeanMetric, options_text
from evalkit.metrics.text import (
    all_references,
    answers_of,
    check_choice,
    cjk,
    mixed_tokens,
    quoted,
    references_of,
    silent,
    squad_tokens,
)
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

TOKENIZERS = ("auto", "squad", "mixed")


class TokenF1(MeanMetric):
    """Mean over samples of the F1 in [0, 1] of predicted and reference tokens; the best reference counts.

    `tokenizer`:
    - "squad": SQuAD v1.1 (Rajpurkar et al. 2016): lower case, no ASCII punctuation, no a/an/the, split at
      white space.
    - "mixed": where prediction or reference holds a Han or kana character, MLQA's Chinese evaluation (Lewis
      et al. 2020, after CMRC 2018): lower case, no Unicode punctuation, each such character a token, the
      rest split at white space; every other pair exactly as "squad".
    - "auto": "mixed" when any target bound has a Han or kana character, else "squad".

    When a side has no tokens, the score is 1.0 if neither has any, else 0.0, as in SQuAD 2.0's script; v1.1
    gave 0.0 to both (its data has no such answer). `no_answer` as in `exact_match`.
    """

    names = ("token_f1",)
    rows_from_texts = True

    def __init__(self, *, tokenizer: str = "auto", no_answer: str | None = None) -> None:
        check_choice("token_f1", "tokenizer", tokenizer, TOKENIZERS)
        self.tokenizer = tokenizer
        self.no_answer = no_answer

    @property
    def signature(self) -> str:
        """For example `tok:squad`; the tokenizer is the resolved one once bound."""
        options = {"tok": self.tokenizer}
        return options_text(options if self.no_answer is None else {**options, "noans": self.no_answer})

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Resolve "auto" by the targets."""
        texts = all_references(samples, "token_f1")
        if self.tokenizer != "auto":
            return self
        bound = copy.copy(self)
        bound.tokenizer = "mixed" if any(cjk().search(text) for text in texts) else "squad"
        return bound

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 2): F1 against the best reference, count."""
        if self.tokenizer == "auto":
            raise MetricError('token_f1: tokenizer "auto" is chosen by bind(samples); bind the metric first')
        all_references(samples, "token_f1")
        return super().statistics(generations, samples)

    def score(self, prediction: str, references: tuple[str, ...]) -> Sequence[float]:
        """Return the F1 against the best reference."""
        prediction = silent(prediction, self.no_answer)
        return (
            max(
                _f1(*self._tokens(prediction, reference))
                for reference in answers_of(references, self.no_answer)
            ),
        )

    def explain(self, generation: Generation, sample: Sample) -> str | None:
        """For example `2 of 3 predicted tokens are among the 2 of reference 'the Denver Broncos'`."""
        if generation.text is None or self.tokenizer == "auto":
            return None
        text = silent(generation.text, self.no_answer)
        references = answers_of(references_of(sample, "token_f1"), self.no_answer)
        pairs = {reference: self._tokens(text, reference) for reference in references}
        best = max(pairs, key=lambda text: _f1(*pairs[text]))
        predicted, reference = pairs[best]
        shared = (Counter(predicted) & Counter(reference)).total()
        counts = f"{shared} of {len(predicted)} predicted tokens are among the {len(reference)}"
        return f"{counts} of reference {quoted(best)}"

    def _tokens(self, prediction: str, reference: str) -> tuple[list[str], list[str]]:
        # Both sides are split by one rule, or 'Apple' and '苹果 “Apple”' would differ in their quotes.
        mixed = self.tokenizer == "mixed" and (cjk().search(prediction) or cjk().search(reference))
        split = mixed_tokens if mixed else squad_tokens
        return split(prediction), split(reference)


def _f1(predicted: list[str], reference: list[str]) -> float:
    if not predicted or not reference:
        return float(predicted == reference)
    shared = (Counter(predicted) & Counter(reference)).total()
    if not shared:
        return 0.0
    precision = shared / len(predicted)
    recall = shared / len(reference)
    return 2 * precision * recall / (precision + recall)
