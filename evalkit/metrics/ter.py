"""Translation edit rate by sacrebleu: edits and reference length per segment, the rate from their sums."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, Self

from evalkit.later import np
from evalkit.metrics.base import CorpusMetric, options_text
from evalkit.metrics.text import all_references, quoted, reference_count, reference_streams, references_of
from evalkit.metrics.translation import AUTO, asian_option
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray


class Ter(CorpusMetric):
    """Corpus TER (Snover et al. 2006) as sacrebleu computes it: lower is better, 0 is a perfect match.

    100 x edits (insertions, deletions, substitutions, shifts of word sequences) / reference words; above 100
    where the hypotheses are longer than the references. Of several references a segment's edits are the
    fewest, its length their mean.
    `normalized` separates punctuation as Tercom does, `no_punct` drops it, `case_sensitive` keeps case, and
    `asian_support` makes both work on CJK text, one character a word. "auto", which bind resolves by the
    script of the targets, is yes for Chinese and Japanese, where a sentence would else be one word, and
    sacrebleu's no elsewhere.
    """

    names = ("ter",)
    rows_from_texts = True
    higher_is_better: ClassVar[bool] = False
    maximum: ClassVar[float] = 100.0

    def __init__(
        self,
        *,
        normalized: bool | str = AUTO,
        no_punct: bool = False,
        asian_support: bool | str = AUTO,
        case_sensitive: bool = False,
    ) -> None:
        self.normalized = asian_option("ter", "normalized", value=normalized)
        self.no_punct = no_punct
        self.asian_support = asian_option("ter", "asian_support", value=asian_support)
        self.case_sensitive = case_sensitive
        self.nrefs: int | str | None = None

    @property
    def signature(self) -> str:
        """sacrebleu's: `nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0`."""
        options: dict[str, Any] = {} if self.nrefs is None else {"nrefs": self.nrefs}
        options |= {
            "case": "mixed" if self.case_sensitive else "lc",
            "tok": "tercom",
            "norm": self.normalized,
            "punct": not self.no_punct,
            "asian": self.asian_support,
        }
        return options_text({**options, "version": version("sacrebleu")})

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Resolve "auto" and count the references."""
        texts = all_references(samples, "ter")
        bound = copy.copy(self)
        bound.__dict__.pop("_sacrebleu", None)
        bound.normalized = asian_option("ter", "normalized", texts, value=self.normalized)
        bound.asian_support = asian_option("ter", "asian_support", texts, value=self.asian_support)
        bound.nrefs = reference_count(samples)
        return bound

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 2): edits to the nearest reference, mean length of the references in words.

        An unparsed generation counts as an empty hypothesis: as many edits as its reference has words.
        """
        return self._rows(
            [generation.text or "" for generation in generations],
            [references_of(sample, "ter") for sample in samples],
        )

    def finish(self, sums: FloatArray) -> FloatArray:
        """Return (r, 1); without reference words 100 for any edit and 0 for none, as sacrebleu does."""
        edits, length = np.asarray(sums[:, 0], dtype=np.float64), np.asarray(sums[:, 1], dtype=np.float64)
        rate = np.divide(edits, length, out=(edits > 0).astype(np.float64), where=length > 0)
        return np.asarray(100.0 * rate[:, np.newaxis], dtype=np.float64)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """No right word in an answer as long as the reference (TER has no worst value); and no edit."""
        references = references_of(sample, "ter")
        worst = self._rows([""], [references])[0]
        return worst, np.array([0.0, worst[1]])

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `2 edits turn 'the cat' into the reference of 4 words`."""
        edits, length = self.statistics([generation], [sample])[0]
        return f"{edits:g} edits turn {quoted(generation.text or '')} into the reference of {length:g} words"

    def _rows(self, texts: list[str], references: list[tuple[str, ...]]) -> FloatArray:
        if not texts:
            return np.zeros((0, 2))
        # The method that sacrebleu's own significance tests take their statistics from.
        rows = self._sacrebleu._extract_corpus_statistics(texts, reference_streams(references))  # noqa: SLF001
        return np.array(rows, dtype=np.float64)

    @cached_property
    def _sacrebleu(self) -> Any:
        from sacrebleu.metrics.ter import TER

        return TER(
            normalized=self.normalized is True,
            no_punct=self.no_punct,
            asian_support=self.asian_support is True,
            case_sensitive=self.case_sensitive,
        )
