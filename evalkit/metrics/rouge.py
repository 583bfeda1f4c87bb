"""ROUGE F1 by the rouge-score package, with a tokenizer for languages that its own one drops."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, Self

from evalkit.errors import MetricError, did_you_mean
from evalkit.later import np
from evalkit.metrics.base import MeanMetric, options_text
from evalkit.metrics.text import all_references, check_choice, references_of, script_shares, words
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

TYPES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
TOKENIZERS = ("auto", "rouge_score", "unicode")

# Below this share of Latin words the targets are not "nearly all Latin": one foreign text in fifty.
_LATIN_SHARE = 0.98
_STEMS_KEPT = 1 << 16
COMPILED = "rouge_score_rs"
"""The same scores in compiled code, some fifty times faster: used where it is installed."""


class Rouge(MeanMetric):
    """Mean over samples of the ROUGE F1 in [0, 1] (Lin 2004), for each type that of the best reference.

    `types`: of rouge1 … rouge9 (n-grams), rougeL (longest common subsequence) and rougeLsum (union of the
    sentences' subsequences). Sentences are the text's lines, as in rouge-score: without line breaks (often
    so in Chinese or Japanese) rougeLsum has one sentence, and counts as rougeL does.
    `use_stemmer`: Porter-stem ASCII words of more than three letters.
    `tokenizer`:
    - "rouge_score": the package's own: lower case, everything but a-z and 0-9 separates. Texts of other
      scripts have no tokens then, and score 0 even against themselves.
    - "unicode": words of any script; a Han, kana, Thai, Lao, Khmer or Myanmar character is a word of its own;
      ASCII text gives the same tokens as "rouge_score".
    - "auto": "rouge_score" when the targets bound are at least 98% Latin, else "unicode".

    A text without tokens (empty, only emoji or punctuation) scores 0, also against itself, as in rouge-score.
    Time and memory of rougeL and rougeLsum grow with prediction length times reference length.
    """

    rows_from_texts = True

    def __init__(
        self,
        *,
        types: Sequence[str] = TYPES,
        use_stemmer: bool = False,
        tokenizer: str = "auto",
    ) -> None:
        types = (types,) if isinstance(types, str) else tuple(types)
        for name in types:
            if name not in TYPES and not re.fullmatch(r"rouge[1-9]", str(name)):
                raise MetricError(
                    f'rouge: unknown type "{name}"{did_you_mean(str(name), TYPES)}; '
                    "use rouge1 to rouge9, rougeL or rougeLsum"
                )
        if not types or len(set(types)) < len(types):
            raise MetricError(f"rouge: types must name at least one type and none twice, not {list(types)}")
        check_choice("rouge", "tokenizer", tokenizer, TOKENIZERS)
        self.names = self.types = types
        self.use_stemmer = use_stemmer
        self.tokenizer = tokenizer

    @property
    def signature(self) -> str:
        """For example `types:rouge1,rougeL|stem:no|tok:unicode|version:0.1.2`, version of rouge-score.

        Where rouge-score-rs made the number, `version:rs0.2.1`: no part of the key, the scores are equal.
        """
        return options_text(
            {
                "types": ",".join(self.names),
                "stem": self.use_stemmer,
                "tok": self.tokenizer,
                "version": f"rs{version('rouge-score-rs')}" if compiled() else version("rouge-score"),
            }
        )

    @property
    def headline(self) -> tuple[str, ...]:
        """ROUGE-L where it is computed: the types move together, and each further test costs power."""
        return ("rougeL",) if "rougeL" in self.names else self.names[:1]

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Resolve "auto" by the script of the targets."""
        texts = all_references(samples, "rouge")
        if self.tokenizer != "auto":
            return self
        bound = copy.copy(self)
        shares = script_shares(texts)
        bound.tokenizer = "rouge_score" if not shares or shares["latin"] >= _LATIN_SHARE else "unicode"
        return bound

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, types + 1): the best reference's F1 for each type, count."""
        all_references(samples, "rouge")
        if not compiled():
            return super().statistics(generations, samples)
        rows = np.zeros((len(generations), len(self.names) + 1))
        rows[:, -1] = 1.0
        answered = [place for place, one in enumerate(generations) if one.text is not None]
        # All pairs at once: they are scored on all cores.
        pairs = [
            (place, reference, generations[place].text or "")
            for place in answered
            for reference in samples[place].references
        ]
        found = self._scorer.score_batch([one[1] for one in pairs], [one[2] for one in pairs])
        for (place, _, _), scores in zip(pairs, found, strict=True):
            values = [scores[name].fmeasure for name in self.names]
            rows[place, :-1] = np.maximum(rows[place, :-1], values)
        return rows

    def score(self, prediction: str, references: tuple[str, ...]) -> Sequence[float]:
        """Return for each type the F1 against the reference where it is highest."""
        scores = self._scorer.score_multi(references, prediction)
        return [float(scores[name].fmeasure) for name in self.names]

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """All zeros; and the scores of a reference itself: 1, or 0 where it is shorter than the n-gram."""
        longest = max(len(self._tokenizer.tokenize(text)) for text in references_of(sample, "rouge"))
        sizes = [int(name[-1]) if name[-1].isdigit() else 1 for name in self.names]
        best = np.array([*(float(longest >= size) for size in sizes), 1.0])
        worst = np.zeros(len(self.names) + 1)
        worst[-1] = 1.0
        return worst, best

    @cached_property
    def _tokenizer(self) -> _Tokenizer:
        if self.tokenizer == "auto":
            raise MetricError('rouge: tokenizer "auto" is chosen by bind(samples); bind the metric first')
        stemmer = _Stemmer() if self.use_stemmer else None
        return _UnicodeTokenizer(stemmer) if self.tokenizer == "unicode" else _PackageTokenizer(stemmer)

    @cached_property
    def _scorer(self) -> Any:
        if compiled():
            from rouge_score_rs.rouge_scorer import RougeScorer as CompiledScorer

            tokenizer = self._tokenizer
            # It has rouge-score's own tokenizer in compiled code.
            ours = None if isinstance(tokenizer, _PackageTokenizer) else tokenizer
            return CompiledScorer(list(self.names), use_stemmer=self.use_stemmer, tokenizer=ours)
        from rouge_score.rouge_scorer import RougeScorer

        return RougeScorer(list(self.names), tokenizer=self._tokenizer)


def compiled() -> bool:
    """Say whether scores come from compiled code."""
    return find_spec(COMPILED) is not None


class _Tokenizer(Protocol):
    def tokenize(self, text: str) -> list[str]: ...


class _Stemmer:
    """Porter's stemmer as rouge-score uses it (NLTK's), each word once: it is most of the time."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self._stemmer = PorterStemmer()
        self._stems: dict[str, str] = {}

    def stem(self, word: str) -> str:
        stem = self._stems.get(word)
        if stem is None:
            if len(self._stems) >= _STEMS_KEPT:
                self._stems.clear()
            stem = self._stems[word] = str(self._stemmer.stem(word))
        return stem


class _PackageTokenizer:
    """rouge-score's default tokenizer around our stemmer."""

    def __init__(self, stemmer: _Stemmer | None) -> None:
        self._stemmer = stemmer

    def tokenize(self, text: str) -> list[str]:
        from rouge_score.tokenize import tokenize

        return list(tokenize(text, self._stemmer))


class _UnicodeTokenizer:
    """Words of any script; ASCII ones as rouge-score has them."""

    def __init__(self, stemmer: _Stemmer | None) -> None:
        self._stemmer = stemmer

    def tokenize(self, text: str) -> list[str]:
        found = words(text)
        stemmer = self._stemmer
        if stemmer is None:
            return found
        # Words of up to three letters stay as they are in rouge-score.
        return [stemmer.stem(word) if len(word) > 3 and word.isascii() else word for word in found]  # noqa: PLR2004
