"""Sentence-level BLEU, chrF and TER by sacrebleu, averaged: per-sample scores, and the tests of means.

The mean of sentence scores is another number than the corpus score of the same name, which weighs long
samples more; the names say which one it is.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, Self

from evalkit.metrics.base import MeanMetric, options_text
from evalkit.metrics.text import all_references, quoted, reference_count
from evalkit.metrics.translation import (
    AUTO,
    SMOOTHING,
    asian_option,
    check_bleu_options,
    check_chrf_options,
    load_bleu,
    self_contained,
    smoothing_text,
    spelled,
    tokenizer_for,
)
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

_ORDER = 4


class _SentenceMetric(MeanMetric):
    """The mean over samples of one of sacrebleu's sentence scores, in [0, 100] (TER: from 0 on)."""

    maximum: ClassVar[float] = 100.0
    rows_from_texts = True
    nrefs: int | str | None = None

    @property
    def _settings(self) -> dict[str, Any]:
        """The options as sacrebleu's signature spells them."""
        raise NotImplementedError

    @property
    def _sacrebleu(self) -> Any:
        """The sacrebleu metric."""
        raise NotImplementedError

    @property
    def signature(self) -> str:
        """sacrebleu's, with what makes it a mean: `mean:sentences|nrefs:1|case:mixed|…|version:2.6.0`."""
        references = {} if self.nrefs is None else {"nrefs": self.nrefs}
        return options_text(
            {"mean": "sentences", **references, **self._settings, "version": version("sacrebleu")}
        )

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Count the references, and resolve what depends on their script."""
        texts = all_references(samples, self.names[0])
        bound = copy.copy(self)
        bound.__dict__.pop("_sacrebleu", None)
        bound.nrefs = reference_count(samples)
        bound._resolve(texts)  # noqa: SLF001 - the copy is ours
        return bound

    def _resolve(self, texts: Iterable[str]) -> None:
        """Freeze the options that are "auto"."""

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 2): the sentence's score, count."""
        all_references(samples, self.names[0])
        return super().statistics(generations, samples)

    def score(self, prediction: str, references: tuple[str, ...]) -> tuple[float]:
        """Return sacrebleu's sentence score."""
        return (float(self._sacrebleu.sentence_score(prediction, list(references)).score),)

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `'the cat' against 'the cat sat'`."""
        return f"{quoted(generation.text or '')} against {' or '.join(map(quoted, sample.references))}"


class SentenceBleu(_SentenceMetric):
    """Mean sentence BLEU in [0, 100] as sacrebleu's `sentence_bleu` computes it: effective order on.

    Options as those of the corpus metric `bleu`. An order of n-grams that a short sentence does not have is
    left out of its score, so that a perfect answer of two words scores 100.
    """

    names = ("sentence_bleu",)

    def __init__(
        self,
        *,
        tokenize: str = AUTO,
        lowercase: bool = False,
        smooth_method: str = "exp",
        smooth_value: float | None = None,
        max_ngram_order: int = _ORDER,
    ) -> None:
        check_bleu_options(self.names[0], tokenize, smooth_method, smooth_value, max_ngram_order)
        self.tokenize = tokenize
        self.lowercase = lowercase
        self.smooth_method = smooth_method
        self.smooth_value = SMOOTHING[smooth_method] if smooth_value is None else float(smooth_value)
        self.max_ngram_order = max_ngram_order

    @property
    def rows_from_texts(self) -> bool:  # type: ignore[override]
        """With a tokenizer that needs no dictionary or model."""
        return self_contained(self.tokenize)

    def score(self, prediction: str, references: tuple[str, ...]) -> tuple[float]:
        """Return sacrebleu's sentence score."""
        prediction, *others = (spelled(self.tokenize, text) for text in (prediction, *references))
        return super().score(prediction, tuple(others))

    @property
    def _settings(self) -> dict[str, Any]:
        plain = self.tokenize == AUTO or self_contained(self.tokenize)
        tokenizer = self.tokenize if plain else self._sacrebleu.tokenizer_signature
        smooth = smoothing_text(self.smooth_method, self.smooth_value)
        settings = {"case": "lc" if self.lowercase else "mixed", "eff": "yes", "tok": tokenizer}
        order = {} if self.max_ngram_order == _ORDER else {"order": self.max_ngram_order}
        return {**settings, "smooth": smooth, **order}

    def _resolve(self, texts: Iterable[str]) -> None:
        if self.tokenize == AUTO:
            self.tokenize = tokenizer_for(texts)
        if not self_contained(self.tokenize):
            _ = self._sacrebleu  # a missing package must be found before anything is paid for

    @cached_property
    def _sacrebleu(self) -> Any:
        return load_bleu(
            self.names[0],
            self.tokenize,
            lowercase=self.lowercase,
            smooth_method=self.smooth_method,
            smooth_value=self.smooth_value,
            max_ngram_order=self.max_ngram_order,
            effective_order=True,
        )


class SentenceChrF(_SentenceMetric):
    """Mean sentence chrF in [0, 100] as sacrebleu's `sentence_chrf` does; options as those of `chrf`."""

    names = ("sentence_chrf",)

    def __init__(
        self,
        *,
        char_order: int = 6,
        word_order: int = 0,
        beta: int = 2,
        lowercase: bool = False,
        whitespace: bool = False,
        eps_smoothing: bool = False,
    ) -> None:
        check_chrf_options(self.names[0], char_order, word_order, beta)
        self.char_order = char_order
        self.word_order = word_order
        self.beta = beta
        self.lowercase = lowercase
        self.whitespace = whitespace
        self.eps_smoothing = eps_smoothing

    @property
    def _settings(self) -> dict[str, Any]:
        return {
            "case": "lc" if self.lowercase else "mixed",
            "eff": not self.eps_smoothing,
            "nc": self.char_order,
            "nw": self.word_order,
            "space": self.whitespace,
            "beta": self.beta,
        }

    @cached_property
    def _sacrebleu(self) -> Any:
        from sacrebleu.metrics.chrf import CHRF

        return CHRF(**self.options)


class SentenceTer(_SentenceMetric):
    """Mean sentence TER as sacrebleu's `sentence_ter` computes it: lower is better, 0 a perfect match.

    Options as those of the corpus metric `ter`. An unparsed answer scores 100, as an empty one does.
    """

    names = ("sentence_ter",)
    higher_is_better: ClassVar[bool] = False

    def __init__(
        self,
        *,
        normalized: bool | str = AUTO,
        no_punct: bool = False,
        asian_support: bool | str = AUTO,
        case_sensitive: bool = False,
    ) -> None:
        self.normalized = asian_option(self.names[0], "normalized", value=normalized)
        self.no_punct = no_punct
        self.asian_support = asian_option(self.names[0], "asian_support", value=asian_support)
        self.case_sensitive = case_sensitive

    @property
    def _settings(self) -> dict[str, Any]:
        return {
            "case": "mixed" if self.case_sensitive else "lc",
            "tok": "tercom",
            "norm": self.normalized,
            "punct": not self.no_punct,
            "asian": self.asian_support,
        }

    def _resolve(self, texts: Iterable[str]) -> None:
        self.normalized = asian_option(self.names[0], "normalized", texts, value=self.normalized)
        self.asian_support = asian_option(self.names[0], "asian_support", texts, value=self.asian_support)

    @cached_property
    def _sacrebleu(self) -> Any:
        from sacrebleu.metrics.ter import TER

        return TER(**{name: value is True for name, value in self.options.items()})
