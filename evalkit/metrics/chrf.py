"""chrF and chrF++ by sacrebleu: n-gram counts per segment, the score from their weighted sums."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from evalkit.metrics.base import CorpusMetric, options_text
from evalkit.metrics.numbering import code_points, token_numbers, tokens_chrf
from evalkit.metrics.overlap import Segments, common_ngrams, firsts_of, in_parts
from evalkit.metrics.text import all_references, reference_count, references_of
from evalkit.metrics.translation import check_chrf_options
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray
    from evalkit.metrics.overlap import IntArray

_DEFAULT_BETA = 2
# What sacrebleu (as chrF++.py, NLTK and Moses) puts for a precision or recall of 0/0.
_EPSILON = 1e-16


class ChrF(CorpusMetric):
    """Corpus chrF in [0, 100] (Popović 2015) as sacrebleu computes it; `word_order` 2 makes it chrF++ (2017).

    `char_order` and `word_order` are the longest n-grams, `beta` the weight of recall against precision;
    `whitespace` keeps white space in the character n-grams. `eps_smoothing` averages F over all orders, as
    chrF++.py does; otherwise precision and recall are averaged over the orders that both sides have.
    Of several references a segment counts with the one of its highest score.
    """

    names = ("chrf",)
    maximum: ClassVar[float] = 100.0

    def __init__(
        self,
        *,
        char_order: int = 6,
        word_order: int = 0,
        beta: int = _DEFAULT_BETA,
        lowercase: bool = False,
        whitespace: bool = False,
        eps_smoothing: bool = False,
    ) -> None:
        check_chrf_options("chrf", char_order, word_order, beta)
        self.char_order = char_order
        self.word_order = word_order
        self.beta = beta
        self.lowercase = lowercase
        self.whitespace = whitespace
        self.eps_smoothing = eps_smoothing
        self.nrefs: int | str | None = None

    @property
    def signature(self) -> str:
        """sacrebleu's: `nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0`.

        A beta other than 2, which sacrebleu puts into the metric's name (chrF3), is added.
        """
        options: dict[str, Any] = {} if self.nrefs is None else {"nrefs": self.nrefs}
        options |= {
            "case": "lc" if self.lowercase else "mixed",
            "eff": not self.eps_smoothing,
            "nc": self.char_order,
            "nw": self.word_order,
            "space": self.whitespace,
        }
        if self.beta != _DEFAULT_BETA:
            options["beta"] = self.beta
        return options_text({**options, "version": version("sacrebleu")})

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Count the references, for the signature."""
        all_references(samples, "chrf")
        bound = copy.copy(self)
        bound.nrefs = reference_count(samples)
        return bound

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 3 * orders): n-grams of the hypothesis, the reference and both, for each order.

        An unparsed generation counts as an empty hypothesis.
        """
        return self._rows(
            [generation.text or "" for generation in generations],
            [references_of(sample, "chrf") for sample in samples],
        )

    def finish(self, sums: FloatArray) -> FloatArray:
        """Return (r, 1) scores by the steps of sacrebleu's `_compute_f_score`."""
        counts = np.asarray(sums, dtype=np.float64).reshape(len(sums), -1, 3)
        hypothesis, reference, common = counts[..., 0], counts[..., 1], counts[..., 2]
        empty = np.full_like(common, _EPSILON)
        precision = np.divide(common, hypothesis, out=empty.copy(), where=hypothesis > 0)
        recall = np.divide(common, reference, out=empty.copy(), where=reference > 0)
        if self.eps_smoothing:
            scores = _f_beta(precision, recall, self.beta, otherwise=_EPSILON).mean(axis=1)
        else:
            both = (hypothesis > 0) & (reference > 0)
            orders = np.maximum(both.sum(axis=1), 1)
            mean_precision = np.where(both, precision, 0.0).sum(axis=1) / orders
            mean_recall = np.where(both, recall, 0.0).sum(axis=1) / orders
            scores = _f_beta(mean_precision, mean_recall, self.beta, otherwise=0.0)
        return np.asarray(100.0 * scores[:, np.newaxis], dtype=np.float64)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """An empty hypothesis; and the first reference itself."""
        references = references_of(sample, "chrf")
        worst, best = self._rows(["", references[0]], [references, references])
        return worst, best

    def _rows(self, texts: list[str], references: list[tuple[str, ...]]) -> FloatArray:
        if not texts:
            return np.zeros((0, 3 * (self.char_order + self.word_order)))
        if self.lowercase:
            texts = [text.lower() for text in texts]
            references = [tuple(text.lower() for text in many) for many in references]
        # A pair for each reference: hypothesis, reference, hypothesis, reference, …
        pairs = [
            text
            for one, many in zip(texts, references, strict=True)
            for other in many
            for text in (one, other)
        ]
        counts = np.concatenate([self._characters(pairs), self._words(pairs)], axis=1)
        rows = counts.reshape(len(counts), -1)
        numbers = np.array([len(many) for many in references])
        if len(rows) > len(texts):
            rows = rows[
                [
                    first + self._best(rows[first : first + number])
                    for first, number in zip(firsts_of(numbers), numbers)
                ]
            ]
        return rows.astype(np.float64)

    def _characters(self, pairs: list[str]) -> IntArray:
        """Return (p, char_order, 3) n-grams of characters: of the hypothesis, the reference, and both."""
        if not self.whitespace:
            pairs = ["".join(text.split()) for text in pairs]
        lengths = np.fromiter(map(len, pairs), dtype=np.int64, count=len(pairs))

        def count(part: slice) -> IntArray:
            some = slice(2 * part.start, 2 * part.stop)
            sizes = np.full(part.stop - part.start, 2)
            return common_ngrams(Segments(code_points(pairs[some]), lengths[some], sizes), self.char_order)

        common = in_parts(count, lengths[::2] + lengths[1::2])
        return _triples(lengths, common)

    def _words(self, pairs: list[str]) -> IntArray:
        """Return (p, word_order, 3): as `_characters`, of words."""
        if not self.word_order:
            return np.zeros((len(pairs) // 2, 0, 3), dtype=np.int64)
        symbols, lengths = token_numbers([text.split() for text in pairs], tokens_chrf)
        segments = Segments(symbols, lengths, np.full(len(pairs) // 2, 2))
        return _triples(lengths, common_ngrams(segments, self.word_order))

    def _best(self, rows: IntArray) -> int:
        """Return the place of the first row of the highest score."""
        scores = [self._sacrebleu._compute_f_score(row) for row in rows.tolist()]  # noqa: SLF001
        return scores.index(max(scores))

    @cached_property
    def _sacrebleu(self) -> Any:
        from sacrebleu.metrics.chrf import CHRF

        return CHRF(
            char_order=self.char_order,
            word_order=self.word_order,
            beta=self.beta,
            lowercase=self.lowercase,
            whitespace=self.whitespace,
            eps_smoothing=self.eps_smoothing,
        )


def _triples(lengths: IntArray, common: IntArray) -> IntArray:
    """Return (p, orders, 3) n-grams by the (2p,) lengths of the pairs, and by those that are common."""
    totals = np.maximum(lengths[:, np.newaxis] - np.arange(common.shape[1]), 0)
    hypothesis, reference = totals[::2], totals[1::2]
    # As sacrebleu: no n-grams where the reference has none.
    return np.stack([np.where(reference > 0, hypothesis, 0), reference, common], axis=2)


def _f_beta(precision: FloatArray, recall: FloatArray, beta: float, *, otherwise: float) -> FloatArray:
    factor = beta**2
    below = factor * precision + recall
    above = (1 + factor) * precision * recall
    return np.asarray(
        np.divide(above, below, out=np.full_like(below, otherwise), where=below > 0), dtype=np.float64
    )
