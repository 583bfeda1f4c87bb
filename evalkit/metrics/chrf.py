"""chrF and chrF++ as in sacrebleu: n-gram counts per segment, the score from their weighted sums."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, Self

from evalkit.later import np
from evalkit.metrics.base import CorpusMetric, options_text
from evalkit.metrics.overlap import Segments, common_ngrams, firsts_of, in_parts
from evalkit.metrics.symbols import characters, words_chrf
from evalkit.metrics.text import all_references, reference_count, references_of
from evalkit.metrics.translation import check_chrf_options
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray
    from evalkit.metrics.overlap import IntArray
    from evalkit.metrics.symbols import Symbols

_DEFAULT_BETA = 2
# Characters counted at once. Of twice as many, arrays are so long that memory goes back to the system after
# each and is fetched again, which takes as long as the counting.
_PART = 1 << 15
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
    rows_from_texts = True
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
        # sacrebleu's version, though n-grams are counted here: counts are equal or wrong, and tests hold it.
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
        pairs = [(text, one) for text, many in zip(texts, references, strict=True) for one in many]
        rows = in_parts(self._counts, pairs, characters=_PART)
        numbers = np.array([len(many) for many in references])
        if len(rows) > len(texts):
            rows = rows[self._best(rows, numbers)]
        return rows.astype(np.float64)

    def _counts(self, pairs: Sequence[tuple[str, ...]]) -> IntArray:
        """Return (p, 3 * orders) statistics of pairs of a hypothesis and a reference."""
        texts = [text.lower() if self.lowercase else text for pair in pairs for text in pair]
        sizes = np.full(len(pairs), 2)
        found = []
        if self.char_order:
            found.append(_triples(characters(texts, whitespace=self.whitespace), sizes, self.char_order))
        if self.word_order:
            found.append(_triples(words_chrf(texts, sizes), sizes, self.word_order))
        return np.concatenate(found, axis=1)

    def _best(self, rows: IntArray, numbers: IntArray) -> list[int]:
        """Return the place of each sample's first row of its highest score, by how many rows each has."""
        scores = [self._sacrebleu._compute_f_score(row) for row in rows.tolist()]  # noqa: SLF001
        places = zip(firsts_of(numbers).tolist(), numbers.tolist(), strict=True)
        return [max(range(first, first + number), key=scores.__getitem__) for first, number in places]

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


def _triples(symbols: Symbols, sizes: IntArray, order: int) -> IntArray:
    """Return (p, 3 * order): n-grams of the hypothesis, the reference and both, for n = 1 … order."""
    numbers, lengths = symbols
    common = common_ngrams(Segments(numbers, lengths, sizes), order)
    totals = np.maximum(lengths[:, np.newaxis] - np.arange(order), 0)
    hypothesis, reference = totals[::2], totals[1::2]
    # As in sacrebleu: none of the hypothesis where the reference has none.
    counted = np.where(reference > 0, hypothesis, 0)
    return np.stack([counted, reference, common], axis=2).reshape(len(common), -1)


def _f_beta(precision: FloatArray, recall: FloatArray, beta: float, *, otherwise: float) -> FloatArray:
    factor = beta**2
    below = factor * precision + recall
    above = (1 + factor) * precision * recall
    return np.asarray(
        np.divide(above, below, out=np.full_like(below, otherwise), where=below > 0), dtype=np.float64
    )
