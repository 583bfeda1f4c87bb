"""Corpus BLEU as in sacrebleu: n-gram matches and lengths per segment, the score from their weighted sums."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, Self

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import CorpusMetric, options_text
from evalkit.metrics.overlap import Segments, common_ngrams, firsts_of, in_parts
from evalkit.metrics.symbols import tokens_13a, tokens_zh, words
from evalkit.metrics.text import all_references, check_choice, reference_count, references_of
from evalkit.metrics.translation import (
    AUTO,
    SMOOTHING,
    check_bleu_options,
    load_bleu,
    self_contained,
    smoothing_text,
    spelled,
    tokenizer_for,
)
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray
    from evalkit.metrics.overlap import IntArray
    from evalkit.metrics.symbols import Symbols

SEGMENT, DOCUMENT = LEVELS = ("segment", "document")
_DEFAULT_ORDER = 4
# Tokenizers whose rules are followed here.
_CUT_HERE = {"13a": tokens_13a, "zh": tokens_zh}
# Characters counted at once: arrays of their tokens are short enough to stay in a core's cache.
_PART = 1 << 17
# sacrebleu's floor for the logarithm of 0.
_LOG_ZERO = -9999999999.0


class Bleu(CorpusMetric):
    """Corpus BLEU in [0, 100] (Papineni et al. 2002) as sacrebleu computes it, effective order off.

    `tokenize`: a sacrebleu tokenizer, or "auto", which bind resolves by the script of the targets: "zh" for
    mostly Han, "ja-mecab" (if installed, else "char") for Japanese, "ko-mecab" (else "char") for Korean,
    "char" for Thai, Lao, Khmer and Myanmar, which have no spaces, and "13a" for all others.
    `smooth_method`: exp, floor, add-k or none; `smooth_value` for floor (0.1) and add-k (1).
    Several references, also in varying number, count as in sacrebleu: n-grams clipped by their maximum over
    the references, and the length of the reference nearest to the hypothesis.

    `level`: "segment" counts n-grams within each sample. "document" (d-BLEU, Liu et al. 2020) joins the
    samples of a group by a space, in dataset order, before it counts, so that n-grams across their borders
    count and a sentence may move from one segment to the next. What is clipped and smoothed over a document
    is no sum over its segments; each answered segment has an equal share of its document's counts, so that
    their sum is the document's, and a sample's own value is its document's BLEU. Groups are resampled whole,
    which keeps documents whole. A sample without a group is a document of its own.
    """

    names = ("bleu",)
    maximum: ClassVar[float] = 100.0

    def __init__(
        self,
        *,
        tokenize: str = AUTO,
        lowercase: bool = False,
        smooth_method: str = "exp",
        smooth_value: float | None = None,
        max_ngram_order: int = _DEFAULT_ORDER,
        level: str = SEGMENT,
    ) -> None:
        check_choice("bleu", "level", level, LEVELS)
        check_bleu_options("bleu", tokenize, smooth_method, smooth_value, max_ngram_order)
        self.tokenize = tokenize
        self.lowercase = lowercase
        self.smooth_method = smooth_method
        self.smooth_value = SMOOTHING[smooth_method] if smooth_value is None else float(smooth_value)
        self.max_ngram_order = max_ngram_order
        self.level = level
        self.at_once = level == DOCUMENT
        self.nrefs: int | str | None = None

    @property
    def rows_from_texts(self) -> bool:  # type: ignore[override]
        """Of segments: what a document's rows are depends on its other segments."""
        return self.level == SEGMENT and self_contained(self.tokenize)

    @property
    def signature(self) -> str:
        """sacrebleu's: `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0`.

        An n-gram order other than 4, and documents, which sacrebleu leaves out, are added.
        """
        # sacrebleu's version, though n-grams are counted here, and texts cut here for 13a and zh: counts are
        # equal or wrong, a tokenizer of a name stays as it is, and tests hold both to sacrebleu.
        options: dict[str, Any] = {} if self.nrefs is None else {"nrefs": self.nrefs}
        if self.level != SEGMENT:
            options["level"] = self.level
        options |= {"case": "lc" if self.lowercase else "mixed", "eff": "no"}
        # MeCab's signature holds its version and dictionary, as sacrebleu prints it.
        plain = self.tokenize == AUTO or self_contained(self.tokenize)
        options["tok"] = self.tokenize if plain else self._sacrebleu.tokenizer_signature
        options["smooth"] = smoothing_text(self.smooth_method, self.smooth_value)
        if self.max_ngram_order != _DEFAULT_ORDER:
            options["order"] = self.max_ngram_order
        return options_text({**options, "version": version("sacrebleu")})

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Resolve "auto", load the tokenizer and count the references."""
        texts = all_references(samples, "bleu")
        bound = copy.copy(self)
        bound.__dict__.pop("_sacrebleu", None)
        if bound.tokenize == AUTO:
            bound.tokenize = tokenizer_for(texts)
        bound.nrefs = reference_count(samples)
        if self.level == DOCUMENT:
            _check_documents(samples, bound.nrefs)
        if not self_contained(bound.tokenize):  # a missing package must be found before anything is paid for
            _ = bound._sacrebleu  # noqa: SLF001 - the copy is ours
        return bound

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 2 * order + 2): correct n-grams by order, totals by order, system and reference length.

        An unparsed generation counts as an empty hypothesis. Of documents: each row's share of its document.
        """
        texts = [generation.text or "" for generation in generations]
        references = [references_of(sample, "bleu") for sample in samples]
        if self.level == SEGMENT:
            return self._rows(texts, references)
        documents: dict[tuple[int, bool, str], list[int]] = {}
        for place, (generation, sample) in enumerate(zip(generations, samples, strict=True)):
            alone = sample.group is None
            name = sample.id if sample.group is None else sample.group
            documents.setdefault((generation.trial, alone, name), []).append(place)
        whole = self._rows(
            [_joined(texts[place] for place in places) for places in documents.values()],
            [
                tuple(_joined(some) for some in zip(*(references[place] for place in places), strict=True))
                for places in documents.values()
            ],
        )
        rows = np.zeros((len(texts), whole.shape[1]))
        for row, places in zip(whole, documents.values(), strict=True):
            rows[places] = row / len(places)
        return rows

    def finish(self, sums: FloatArray) -> FloatArray:
        """Return (r, 1) scores by the steps of sacrebleu's `compute_bleu`, with fractional counts allowed."""
        order = self.max_ngram_order
        correct, totals = sums[:, :order].astype(np.float64), sums[:, order : 2 * order].astype(np.float64)
        system, reference = sums[:, -2], sums[:, -1]
        smoothed = 0.0 if self.smooth_value is None else self.smooth_value
        matched = (correct > 0).any(axis=1)
        if self.smooth_method == "add-k":
            correct[:, 1:] += smoothed
            totals[:, 1:] += smoothed
        # An order without n-grams ends the sum: it and those above have precision 0.
        counted = np.logical_and.accumulate(totals > 0, axis=1)
        missed = counted & (correct <= 0)
        numerator = np.where(missed, 0.0, correct)
        if self.smooth_method == "exp":
            numerator = np.where(missed, 0.5 ** np.cumsum(missed, axis=1), numerator)
        elif self.smooth_method == "floor":
            numerator = np.where(missed, smoothed, numerator)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            precisions = np.where(counted, 100.0 * numerator / totals, 0.0)
            logs = np.where(precisions > 0, np.log(precisions), _LOG_ZERO)
            short = np.where(system > 0, np.exp(1 - reference / system), 0.0)
            penalty = np.where(system < reference, short, 1.0)
            scores = np.where(matched, penalty * np.exp(logs.mean(axis=1)), 0.0)
        return np.asarray(scores[:, np.newaxis], dtype=np.float64)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray] | None:
        """An empty hypothesis, and the first reference itself; None where it is a part of a document."""
        if self.level == DOCUMENT:
            return None
        references = references_of(sample, "bleu")
        worst, best = self._rows(["", references[0]], [references, references])
        return worst, best

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `3 of 4 tokens and 0 of 1 4-grams match; 4 tokens against 6`: of the segment alone."""
        counts = self.statistics([generation], [sample])[0].astype(int)
        order = self.max_ngram_order
        longest = f" and {counts[order - 1]} of {counts[2 * order - 1]} {order}-grams" if order > 1 else ""
        return (
            f"{counts[0]} of {counts[order]} tokens{longest} match; {counts[-2]} tokens against {counts[-1]}"
        )

    def _rows(self, texts: list[str], references: list[tuple[str, ...]]) -> FloatArray:
        order = self.max_ngram_order
        if not texts:
            return np.zeros((0, 2 * order + 2))
        segments = [(text, *many) for text, many in zip(texts, references, strict=True)]
        return in_parts(self._counts, segments, characters=_PART).astype(np.float64)

    def _counts(self, some: Sequence[tuple[str, ...]]) -> IntArray:
        """Return (s, 2 * order + 2) statistics of segments, each the hypothesis and its references."""
        order = self.max_ngram_order
        sizes = np.array([len(own) for own in some])
        symbols, lengths = self._tokens([text for own in some for text in own], sizes)
        common = common_ngrams(Segments(symbols, lengths, sizes), order)
        system = lengths[firsts_of(sizes)]
        totals = np.maximum(system[:, np.newaxis] - np.arange(order), 0)
        return np.column_stack([common, totals, system, _nearest_lengths(lengths, sizes)])

    def _tokens(self, texts: list[str], sizes: IntArray) -> Symbols:
        """Number sacrebleu's tokens of the texts, cut here or by its tokenizer."""
        sacrebleu = self._sacrebleu
        if cut := _CUT_HERE.get(self.tokenize):
            lines = [text.lower() for text in texts] if self.lowercase else texts
            return cut(lines, sizes, sacrebleu.tokenizer)
        return words([sacrebleu._preprocess_segment(spelled(self.tokenize, text)) for text in texts], sizes)  # noqa: SLF001

    @cached_property
    def _sacrebleu(self) -> Any:
        return load_bleu(
            "bleu", self.tokenize, lowercase=self.lowercase, max_ngram_order=self.max_ngram_order
        )


def _nearest_lengths(lengths: IntArray, sizes: IntArray) -> IntArray:
    """Return (s,) lengths of the references nearest to their hypotheses, of two as near the shorter."""
    firsts = firsts_of(sizes)
    above = int(lengths.max()) + 1
    # Distance first, then length: the least of both in one number.
    ranks = abs(lengths - np.repeat(lengths[firsts], sizes)) * above + lengths
    ranks[firsts] = above * above
    return np.asarray(np.minimum.reduceat(ranks, firsts) % above, dtype=np.int64)


def _joined(segments: Iterable[str]) -> str:
    return " ".join(segments)


def _check_documents(samples: Sequence[Sample], nrefs: int | str) -> None:
    """Raise MetricError where documents cannot be put together: segments apart, or references that differ."""
    if nrefs == "var":
        raise MetricError(
            "bleu: level=document joins first references with first, second with second; give every sample "
            "as many references as the others, or set metrics.bleu.level=segment"
        )
    seen: set[str] = set()
    last: str | None = None
    for sample in samples:
        if sample.group is not None and sample.group != last and sample.group in seen:
            raise MetricError(
                f'bleu: level=document: the segments of document "{sample.group}" do not stand together '
                f"(sample {sample.id}); keep the file's order with dataset.shuffle=null, and name the "
                "document with dataset.group=<column>"
            )
        last = sample.group
        if last is not None:
            seen.add(last)
    if not seen:
        raise MetricError(
            "bleu: level=document needs documents: name their column with dataset.group=<column>"
        )
