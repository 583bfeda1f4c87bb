"""What texts are like whatever they should say: distinct n-grams, repetition, length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import MeanMetric, options_text
from evalkit.metrics.text import check_choice, whole, words
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

LENGTHS = ("words", "characters", "tokens")


class Distinct(MeanMetric):
    """distinct-n in [0, 1]: different n-grams over n-grams of an answer (Li et al. 2016), averaged.

    Words are those of any language: lower-cased, without punctuation, a Chinese or Japanese character a word.
    Li et al. count over all answers together. How many n-grams are new in a set of answers is no sum over the
    answers, so that figure would have neither interval nor test, and it falls with the number of answers;
    here each answer has its own, and their mean is given. An answer with fewer than n words repeats nothing
    and scores 1; one without words, or unparsed, scores 0.
    """

    needs_target = False
    rows_from_texts = True

    def __init__(self, *, n: Sequence[int] = (1, 2, 3)) -> None:
        self.n = (n,) if isinstance(n, int) else tuple(n)
        _check_orders("distinct", self.n)
        self.names = tuple(f"distinct_{one}" for one in self.n)

    @property
    def signature(self) -> str:
        """For example `n:1,2,3|mean:texts|tok:unicode`."""
        return options_text({"n": ",".join(map(str, self.n)), "mean": "texts", "tok": "unicode"})

    @property
    def headline(self) -> tuple[str, ...]:
        """None: a right answer may well say a word twice. Gate by naming one."""
        return ()

    def score(self, prediction: str, references: tuple[str, ...]) -> list[float]:  # noqa: ARG002
        """Return the share of each order."""
        found = words(prediction)
        return [_distinct(found, n) for n in self.n]

    def explain(self, generation: Generation, sample: Sample) -> str | None:  # noqa: ARG002
        """For example `12 words, 9 of them different`."""
        return None if generation.text is None else _told(generation.text)


class Repetition(MeanMetric):
    """Share of repeated n-grams of an answer in [0, 1], averaged: 1 - different n-grams / n-grams.

    seq-rep-4 of Welleck et al. 2020, rep-2, 3 and 4 of Su et al. 2022; **lower is better**. Words as in
    `distinct` (there the model's tokens). An answer with fewer than n words repeats nothing and scores 0, an
    unparsed one 1.
    """

    higher_is_better: ClassVar[bool] = False
    needs_target = False
    rows_from_texts = True

    def __init__(self, *, n: Sequence[int] = (2, 3, 4)) -> None:
        self.n = (n,) if isinstance(n, int) else tuple(n)
        _check_orders("repetition", self.n)
        self.names = tuple(f"repetition_{one}" for one in self.n)

    @property
    def signature(self) -> str:
        """For example `n:2,3,4|mean:texts|tok:unicode`."""
        return options_text({"n": ",".join(map(str, self.n)), "mean": "texts", "tok": "unicode"})

    @property
    def headline(self) -> tuple[str, ...]:
        """The last: of the longest n-grams, which chance repeats least."""
        return self.names[-1:]

    def score(self, prediction: str, references: tuple[str, ...]) -> list[float]:  # noqa: ARG002
        """Return the share of n-grams that came before."""
        found = words(prediction)
        return [1.0 - _distinct(found, n) if found else 0.0 for n in self.n]

    def explain(self, generation: Generation, sample: Sample) -> str | None:  # noqa: ARG002
        """For example `12 words, 9 of them different`."""
        return None if generation.text is None else _told(generation.text)


class Length(MeanMetric):
    """Mean length of the answers as they came: `length_words`, `length_characters`, `length_tokens`.

    `types`: words as in `distinct`; characters are Unicode code points; tokens are those that the server
    counted, without the ones of its reasoning. No length is right by itself: none of them gates unless it is
    named.
    """

    higher_is_better: ClassVar[bool] = False
    maximum: ClassVar[float] = 100.0
    unit: ClassVar[str | None] = ""
    needs_target = False

    def __init__(self, *, types: Sequence[str] = ("words", "characters")) -> None:
        self.types = (types,) if isinstance(types, str) else tuple(types)
        for name in self.types:
            check_choice("length", "types", name, LENGTHS)
        if not self.types or len(set(self.types)) < len(self.types):
            raise MetricError(f"length: types must name at least one type and none twice, not {list(types)}")
        self.names = tuple(f"length_{one}" for one in self.types)

    @property
    def signature(self) -> str:
        """For example `types:words,characters|tok:unicode`."""
        return options_text({"types": ",".join(self.types), "tok": "unicode"})

    @property
    def headline(self) -> tuple[str, ...]:
        """None: shorter is not better."""
        return ()

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, types + 1): each length, count; MetricError where tokens are wanted and not known."""
        rows = np.ones((len(generations), len(self.types) + 1))
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            row[:-1] = [self._length(one, generation, sample) for one in self.types]
        return rows

    def bounds(  # type: ignore[override]
        self,
        sample: Sample,  # noqa: ARG002
    ) -> tuple[FloatArray, FloatArray] | None:
        """Return None: a failed sample's answer could have had any length."""
        return None

    def explain(self, generation: Generation, sample: Sample) -> str | None:  # noqa: ARG002
        """For example `12 words, 9 of them different`."""
        return _told(generation.response.text)

    def _length(self, kind: str, generation: Generation, sample: Sample) -> float:
        text = generation.response.text
        if kind == "words":
            return float(len(words(text)))
        if kind == "characters":
            return float(len(text))
        usage = generation.response.usage
        if usage is None and generation.trial == 0:
            raise MetricError(
                f'length: the answer to sample "{sample.id}" has no token count; leave tokens out of '
                "metrics.length.types"
            )
        # Of several answers of one request the first has the tokens of all; their mean is right.
        return 0.0 if usage is None else float(usage.completion - usage.reasoning)


def _distinct(found: Sequence[str], n: int) -> float:
    """Return different n-grams over n-grams; 1 where there are none but words, 0 without words."""
    grams = [tuple(found[place : place + n]) for place in range(len(found) - n + 1)]
    return len(set(grams)) / len(grams) if grams else float(bool(found))


def _told(text: str) -> str:
    found = words(text)
    return f"{len(found)} words, {len(set(found))} of them different"


def _check_orders(metric: str, orders: Sequence[Any]) -> None:
    if not orders or not all(map(whole, orders)):
        raise MetricError(f"{metric}: n must be at least 1, not {', '.join(map(repr, orders)) or 'nothing'}")
    if len(set(orders)) < len(orders):
        raise MetricError(f"{metric}: n names an order twice: {list(orders)}")
