"""Edit distance: similarity of texts, character and word error rates."""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from evalkit.later import np
from evalkit.metrics.base import CorpusMetric, MeanMetric, options_text
from evalkit.metrics.text import all_references, quoted, references_of
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray


def levenshtein(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Return the fewest insertions, deletions and substitutions that turn one sequence into the other.

    Bit-parallel (Myers 1999, in the form of Hyyrö 2003): a column of the table is two integers of as many
    bits as the shorter sequence is long, so 2,000 characters against 2,000 take some milliseconds.
    """
    if len(one) > len(other):
        one, other = other, one
    if not one:
        return len(other)
    places: dict[Hashable, int] = {}
    for place, element in enumerate(one):
        places[element] = places.get(element, 0) | 1 << place
    last, every = 1 << len(one) - 1, (1 << len(one)) - 1
    distance, up, down = len(one), every, 0  # vertical steps of +1 and of -1
    for element in other:
        equal = places.get(element, 0)
        vertical = equal | down
        horizontal = (((equal & up) + up) ^ up) | equal
        rises, falls = down | ~(horizontal | up), up & horizontal
        distance += bool(rises & last) - bool(falls & last)
        rises, falls = rises << 1 | 1, falls << 1
        up, down = (falls | ~(vertical | rises)) & every, rises & vertical & every
    return distance


class EditSimilarity(MeanMetric):
    """1 - edit distance / length of the longer text, in [0, 1], averaged; the best reference counts.

    Levenshtein's distance over Unicode code points: rapidfuzz's `Levenshtein.normalized_similarity`. Two
    empty texts are alike (1). `ignore_case`; `strip` takes white space around both texts away.
    """

    names = ("edit_similarity",)
    rows_from_texts = True

    def __init__(self, *, ignore_case: bool = False, strip: bool = True) -> None:
        self.ignore_case = ignore_case
        self.strip = strip

    @property
    def signature(self) -> str:
        """For example `case:mixed|strip:yes`."""
        return options_text({"case": "lc" if self.ignore_case else "mixed", "strip": self.strip})

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Check that every sample has a reference."""
        all_references(samples, "edit_similarity")
        return self

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 2): similarity, count."""
        all_references(samples, "edit_similarity")
        return super().statistics(generations, samples)

    def score(self, prediction: str, references: tuple[str, ...]) -> tuple[float]:
        """Return the similarity to the nearest reference."""
        text = self._plain(prediction)
        return (max(_similarity(text, self._plain(reference)) for reference in references),)

    def explain(self, generation: Generation, sample: Sample) -> str | None:
        """For example `2 edits between 'kitten' and 'sitting'`."""
        if generation.text is None:
            return None
        text = self._plain(generation.text)
        best = max(sample.references, key=lambda one: _similarity(text, self._plain(one)))
        edits = levenshtein(text, self._plain(best))
        return f"{edits} edits between {quoted(generation.text)} and {quoted(best)}"

    def _plain(self, text: str) -> str:
        text = text.strip() if self.strip else text
        return text.casefold() if self.ignore_case else text


class _ErrorRate(CorpusMetric):
    """Edits over the corpus by elements of its references; of several references the one with least errors.

    0 is a perfect match and more than 1 can occur. An unparsed answer counts as an empty text.
    """

    higher_is_better: ClassVar[bool] = False
    rows_from_texts = True
    maximum: ClassVar[float] = 1.0

    def __init__(self, *, ignore_case: bool = False, ignore_punctuation: bool = False) -> None:
        self.ignore_case = ignore_case
        self.ignore_punctuation = ignore_punctuation

    def _elements(self, text: str) -> Sequence[Hashable]:
        raise NotImplementedError

    @property
    def signature(self) -> str:
        """For example `case:mixed|punct:yes`."""
        return options_text(
            {"case": "lc" if self.ignore_case else "mixed", "punct": not self.ignore_punctuation}
        )

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Check that every sample has a reference."""
        all_references(samples, self.names[0])
        return self

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 2): edits, elements of the reference."""
        pairs = [
            self._edits(generation.text or "", references_of(sample, self.names[0]))
            for generation, sample in zip(generations, samples, strict=True)
        ]
        return np.array(pairs, dtype=np.float64).reshape(-1, 2)

    def finish(self, sums: FloatArray) -> FloatArray:
        """Return (r, 1); references without an element count as one element."""
        return np.asarray((sums[:, 0] / np.maximum(sums[:, 1], 1.0))[:, np.newaxis], dtype=np.float64)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """An empty answer, and the first reference itself; a long wrong answer would have no worst."""
        references = references_of(sample, self.names[0])
        worst = self._edits("", references)
        return np.array(worst, np.float64), np.array([0.0, len(self._elements(references[0]))])

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `2 edits, 7 in the reference`."""
        edits, length = self._edits(generation.text or "", references_of(sample, self.names[0]))
        return f"{edits} edits, {length} in the reference"

    def _edits(self, prediction: str, references: Sequence[str]) -> tuple[int, int]:
        predicted = self._elements(self._plain(prediction))
        wanted = [self._elements(self._plain(reference)) for reference in references]
        found = [(levenshtein(predicted, one), len(one)) for one in wanted]
        return min(found, key=lambda one: one[0] / max(1, one[1]))

    def _plain(self, text: str) -> str:
        if self.ignore_punctuation:
            text = "".join(char for char in text if unicodedata.category(char)[0] != "P")
        return text.casefold() if self.ignore_case else text


class Wer(_ErrorRate):
    """Word error rate of the corpus, from 0 on, **lower is better**; words are what white space divides.

    The sum of word edits over the number of words in the references, as jiwer's `wer` and the `evaluate`
    metric of that name have it. `ignore_case`; `ignore_punctuation` takes Unicode punctuation away first.
    Chinese and Japanese have no such words: use `cer`.
    """

    names = ("wer",)

    def _elements(self, text: str) -> Sequence[Hashable]:
        return text.split()


class Cer(_ErrorRate):
    """Character error rate of the corpus, from 0 on, **lower is better**; options as those of `wer`.

    Characters are Unicode code points, white space between words among them, that around the text left out:
    jiwer's `cer`.
    """

    names = ("cer",)

    def _elements(self, text: str) -> Sequence[Hashable]:
        return text.strip()


def _similarity(one: str, other: str) -> float:
    longer = max(len(one), len(other))
    return 1.0 - levenshtein(one, other) / longer if longer else 1.0
