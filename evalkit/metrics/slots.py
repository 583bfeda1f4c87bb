"""Slots: the facts that an answer takes from what a user said, compared name by name."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import Metric, options_text
from evalkit.metrics.expectation import member
from evalkit.records import Generation, Sample, text_of

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

Pair = tuple[str, str]


class Slots(Metric):
    """Micro-averaged F1, precision and recall in [0, 1] of slot values, and the share of samples all right.

    A slot is right when its name and value are the target's; values are compared by their text without
    regard to case, width and space around them. A list holds several values of a slot; null, an empty text
    and an absent slot are the same. F1 is 2tp / (2tp + fp + fn) over all samples, as in slot filling and
    dialogue state tracking, where `slot_accuracy` is called joint goal accuracy (Wu et al. 2019, arXiv
    1905.08743). `field` is where the slots stand in answer and target (dots reach in); null where these are
    the slots themselves.
    """

    names = ("slot_f1", "slot_precision", "slot_recall", "slot_accuracy")
    rows_from_texts = True

    def __init__(self, *, field: str | None = "slots") -> None:
        self.field = field

    @property
    def headline(self) -> tuple[str, ...]:
        """F1."""
        return self.names[:1]

    @property
    def signature(self) -> str:
        """For example `of:slots|average:micro|case:lc`."""
        return options_text({"of": self.field or "answer", "average": "micro", "case": "lc"})

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 5): true positives, false positives, false negatives, all right, count."""
        rows = np.zeros((len(generations), 5))
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            wanted, found = self._wanted(sample), self._found(generation)
            right = len(wanted & (found or set()))
            row[:] = right, len(found or ()) - right, len(wanted) - right, found == wanted, 1.0
        return rows

    def finish(self, sums: FloatArray) -> FloatArray:
        """Return (r, 4); NaN where there was no slot to find (precision: none found)."""
        hits, false_positives, false_negatives, right, count = sums.T
        with np.errstate(divide="ignore", invalid="ignore"):
            values = [
                2 * hits / (2 * hits + false_positives + false_negatives),
                hits / (hits + false_positives),
                hits / (hits + false_negatives),
                right / count,
            ]
        return np.stack(values, axis=1)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """As many wrong values as there are slots and none right; all right."""
        n = float(len(self._wanted(sample)))
        return np.array([0.0, n, n, 0.0, 1.0]), np.array([n, 0.0, 0.0, 1.0, 1.0])

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `right: order_number=lm-20417; missing: item=kettle`."""
        wanted, found = self._wanted(sample), self._found(generation)
        if found is None:
            return f"no slots ({generation.unparsed or 'the answer has none'})"
        told = {"right": wanted & found, "wrong": found - wanted, "missing": wanted - found}
        parts = (
            f"{name}: {', '.join(f'{slot}={value}' for slot, value in sorted(pairs))}"
            for name, pairs in told.items()
            if pairs
        )
        return "; ".join(parts) or "no slots, as expected"

    def _wanted(self, sample: Sample) -> set[Pair]:
        target = sample.target if self.field is None else member(sample.target, self.field)
        if target is None:
            target = {}
        if not isinstance(target, Mapping):
            raise MetricError(
                f'slots: the target of sample "{sample.id}" has no mapping of slots'
                f"{'' if self.field is None else f' in its field {self.field}'}, but {target!r}"
            )
        return _pairs(target)

    def _found(self, generation: Generation) -> set[Pair] | None:
        """Return the slots of an answer; None where it has no mapping of them."""
        answer = generation.prediction
        slots = answer if self.field is None else member(answer, self.field)
        return _pairs(slots) if isinstance(slots, Mapping) else None


def _pairs(slots: Mapping[str, Any]) -> set[Pair]:
    pairs = set()
    for name, value in slots.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            text = "" if one is None else _folded(text_of(one))
            if text:
                pairs.add((str(name), text))
    return pairs


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
