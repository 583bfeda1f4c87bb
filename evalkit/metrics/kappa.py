"""Cohen's kappa: agreement of predicted and target labels beyond what chance would give."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import CorpusMetric, options_text
from evalkit.metrics.text import all_references, check_choice, quoted, references_of
from evalkit.records import Generation, Sample, content_hash, text_of

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

WEIGHTS = ("none", "linear", "quadratic")
_LONGEST_LABELS = 60


class CohenKappa(CorpusMetric):
    """Cohen's kappa of predictions and targets, in [-1, 1]; 0 is what chance gives (Cohen 1960).

    `weights`: "none" counts any disagreement alike; "linear" and "quadratic" weigh it by the distance of the
    labels, or its square (Cohen 1968): as scikit-learn's `cohen_kappa_score`. `labels` in order; by default
    the targets' labels, numbers by size and others by name; weighted kappa of labels that are no numbers
    needs them in their order. White space around a label is no part of it.
    Of several acceptable targets the predicted one is taken as true, else the first. A prediction outside the
    labels, or none, is a label of its own without weights, and with weights the label farthest from the
    target. NaN where all predictions and targets are one label: chance then agrees always.
    """

    names = ("kappa",)
    rows_from_texts = True
    maximum: ClassVar[float] = 1.0

    def __init__(self, *, weights: str = "none", labels: Sequence[str] | None = None) -> None:
        check_choice("kappa", "weights", weights, WEIGHTS)
        self.weights = weights
        self.labels: tuple[str, ...] | None = None
        if labels is not None:
            if isinstance(labels, str) or not labels:
                raise MetricError(f"kappa: labels must be a list of at least one label, not {labels!r}")
            self.labels = tuple(text_of(label).strip() for label in labels)
            if len(set(self.labels)) < len(self.labels):
                raise MetricError(f"kappa: labels holds a label twice: {list(labels)}")

    @property
    def signature(self) -> str:
        """For example `weights:quadratic|labels:1,2,3`; many labels as number and hash."""
        return options_text({"weights": self.weights, "labels": _labels_text(self.labels)})

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Freeze the labels, unless given."""
        texts = all_references(samples, "kappa")
        if self.labels is not None:
            return self
        bound = copy.copy(self)
        found = {text.strip() for text in texts}
        numbers = {text: number for text in found if (number := _number(text)) is not None}
        if len(numbers) == len(found):
            bound.labels = tuple(sorted(found, key=lambda text: (numbers[text], text)))
        elif self.weights == "none":
            bound.labels = tuple(sorted(found))
        else:
            raise MetricError(
                f"kappa: weights={self.weights} needs the labels in their order; set "
                f"metrics.kappa.labels=[{','.join(sorted(found)[:4])}{',…' if len(found) > 4 else ''}]"  # noqa: PLR2004
            )
        return bound

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 1 + 2 * (l + 1)): the disagreement; indicators of the target and of the prediction.

        The last label is "none of them".
        """
        pairs = [
            self._pair(generation.text, references_of(sample, "kappa"))
            for generation, sample in zip(generations, samples, strict=True)
        ]
        return self._rows(pairs)

    def finish(self, sums: FloatArray) -> FloatArray:
        """Return (r, 1): 1 - observed / expected disagreement."""
        size = len(self._bound_labels()) + 1
        targets, predictions = sums[:, 1 : 1 + size], sums[:, 1 + size :]
        count = targets.sum(axis=1)
        expected = np.einsum("ri,ij,rj->r", targets, self._distances(), predictions)
        chance = np.where(expected > 0, expected, np.nan) / np.where(count > 0, count, np.nan)
        return np.asarray((1.0 - sums[:, 0] / chance)[:, np.newaxis], dtype=np.float64)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """As far from the target as can be, and the target."""
        references = references_of(sample, "kappa")
        worst, best = self._rows([self._pair(None, references), self._pair(references[0], references)])
        return worst, best

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `predicted '4', target '5'`."""
        target = " or ".join(quoted(text) for text in references_of(sample, "kappa"))
        if generation.text is None:
            return f"no label found ({generation.unparsed}), target {target}"
        return f"predicted {quoted(generation.text)}, target {target}"

    def _rows(self, pairs: Sequence[tuple[int, int]]) -> FloatArray:
        size = len(self._bound_labels()) + 1
        distances = self._distances()
        rows = np.zeros((len(pairs), 1 + 2 * size))
        for row, (target, predicted) in zip(rows, pairs, strict=True):
            row[0] = distances[target, predicted]
            row[1 + target] = row[1 + size + predicted] = 1.0
        return rows

    def _pair(self, predicted: str | None, references: Sequence[str]) -> tuple[int, int]:
        """Return the places of the true and the predicted label."""
        labels = self._bound_labels()
        places = {label: place for place, label in enumerate(labels)}
        targets = [text.strip() for text in references]
        text = None if predicted is None else predicted.strip()
        true = text if text is not None and text in targets else targets[0]
        target = places.get(true, len(labels))
        place = places.get(text, len(labels)) if text is not None else len(labels)
        if place == len(labels) and target < len(labels) and self.weights != "none":
            place = 0 if target >= len(labels) / 2 else len(labels) - 1
        return target, place

    def _distances(self) -> FloatArray:
        size = len(self._bound_labels()) + 1
        if self.weights == "none":
            return 1.0 - np.eye(size)
        places = np.arange(size, dtype=np.float64)
        apart = np.abs(places[:, np.newaxis] - places)
        return apart if self.weights == "linear" else apart**2

    def _bound_labels(self) -> tuple[str, ...]:
        if self.labels is None:
            raise MetricError("kappa: the labels are chosen by bind(samples); bind the metric first")
        return self.labels


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _labels_text(labels: tuple[str, ...] | None) -> str:
    if labels is None:
        return "targets"
    text = ",".join(labels)
    # Spelled out only where it reads back unambiguously: "|" separates a signature's parts.
    if len(text) <= _LONGEST_LABELS and not any(sign in label for label in labels for sign in "|,:"):
        return text
    return f"{len(labels)}[{content_hash(list(labels))[:12]}]"
