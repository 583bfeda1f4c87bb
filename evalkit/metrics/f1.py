"""F1 of classification: macro, micro and per class, over a label set frozen before scoring."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from evalkit.errors import MetricError
from evalkit.metrics.base import Metric, options_text
from evalkit.metrics.text import all_references, check_choice, quoted, references_of
from evalkit.records import Generation, Sample, content_hash, text_of

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

TYPES = ("macro", "micro", "per_class")

_LONGEST_LABELS = 60


class F1(Metric):
    """F1 in [0, 1] of predicted labels: `f1_macro`, `f1_micro` and `f1[label]` for each class.

    The figures are those of scikit-learn's `f1_score(labels=<the bound labels>, zero_division=0)`: a class's
    F1 is 2tp / (2tp + fp + fn), 0 where that is 0/0; macro is their plain mean; micro pools the counts.
    A prediction outside the label set (or unparsed) is a false negative of its true class and no class's
    false positive, so micro F1 then differs from accuracy.

    `labels`: the label set; by default the targets' labels, sorted, as bound. A target outside an explicit
    set adds no false negative, as in scikit-learn. `types`: which of macro, micro and per_class to give.
    Labels are compared without surrounding white space. Of several acceptable targets the predicted one is
    taken as true, else the first.
    """

    def __init__(self, *, labels: Sequence[str] | None = None, types: Sequence[str] = TYPES) -> None:
        types = (types,) if isinstance(types, str) else tuple(types)
        for name in types:
            check_choice("f1", "types", name, TYPES)
        if not types or len(set(types)) < len(types):
            raise MetricError(f"f1: types must name at least one type and none twice, not {list(types)}")
        self.types = types
        self.labels: tuple[str, ...] | None = None
        if labels is not None:
            if isinstance(labels, str) or not labels:
                raise MetricError(f"f1: labels must be a list of at least one label, not {labels!r}")
            self.labels = tuple(text_of(label).strip() for label in labels)
            if len(set(self.labels)) < len(self.labels):
                raise MetricError(f"f1: labels holds a label twice: {list(labels)}")
        self.names = _names(types, self.labels)

    @property
    def signature(self) -> str:
        """For example `types:macro|labels:negative,neutral,positive`; many labels as number and hash."""
        return options_text({"types": ",".join(self.types), "labels": _labels_text(self.labels)})

    @property
    def headline(self) -> tuple[str, ...]:
        """Macro F1: micro F1 is accuracy in all but unparsed answers, and classes are slices."""
        return self.names[:1]

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Freeze the label set to the targets' labels, unless given."""
        texts = all_references(samples, "f1")
        if self.labels is not None:
            return self
        bound = copy.copy(self)
        bound.labels = tuple(sorted({text.strip() for text in texts}))
        bound.names = _names(self.types, bound.labels)
        return bound

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 3 * labels): true positives of each label, false positives, false negatives."""
        labels = self._bound_labels()
        column = {label: position for position, label in enumerate(labels)}
        counts = np.zeros((len(generations), 3, len(labels)))
        for row, generation, sample in zip(counts, generations, samples, strict=True):
            targets = [text.strip() for text in references_of(sample, "f1")]
            predicted = None if generation.text is None else generation.text.strip()
            if predicted in targets:
                if predicted in column:
                    row[0, column[predicted]] = 1.0
                continue
            if predicted in column:
                row[1, column[predicted]] = 1.0
            if targets[0] in column:
                row[2, column[targets[0]]] = 1.0
        return counts.reshape(len(generations), 3 * len(labels))

    def finish(self, sums: FloatArray) -> FloatArray:
        """Return (r, names); NaN for all where no label was counted."""
        counts = np.asarray(sums, dtype=np.float64).reshape(len(sums), 3, sums.shape[1] // 3)
        if not counts.size:
            return np.full((len(sums), len(self.names)), np.nan)
        per_class = _f1(counts)
        columns = {
            "macro": per_class.mean(axis=1, keepdims=True),
            "micro": _f1(counts.sum(axis=2, keepdims=True)),
            "per_class": per_class,
        }
        order = [name for name in self.types if name != "per_class"]
        order += ["per_class"] if "per_class" in self.types else []
        values = np.concatenate([columns[name] for name in order], axis=1)
        values[~counts.any(axis=(1, 2))] = np.nan
        return np.asarray(values, dtype=np.float64)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """A wrong label, spread over the other classes as it is unknown which; and the first target."""
        labels = self._bound_labels()
        target = references_of(sample, "f1")[0].strip()
        worst, best = np.zeros((3, len(labels))), np.zeros((3, len(labels)))
        true = np.array([label == target for label in labels])
        worst[1, ~true] = 1.0 / max((~true).sum(), 1)
        worst[2, true] = 1.0
        best[0, true] = 1.0
        return worst.reshape(-1), best.reshape(-1)

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `predicted 'neutral', target 'positive'`, saying when the label is none of the set."""
        target = " or ".join(quoted(text) for text in references_of(sample, "f1"))
        if generation.text is None:
            return f"no label found ({generation.unparsed}), target {target}"
        foreign = self.labels is not None and generation.text.strip() not in self.labels
        return f"predicted {quoted(generation.text)}{' (not a label)' if foreign else ''}, target {target}"

    def _bound_labels(self) -> tuple[str, ...]:
        if self.labels is None:
            raise MetricError(
                "f1: the label set is frozen by bind(samples); bind the metric first, or set labels"
            )
        return self.labels


def _names(types: tuple[str, ...], labels: tuple[str, ...] | None) -> tuple[str, ...]:
    """The averages asked for, then the classes; before bind only the averages."""
    averages = tuple(f"f1_{name}" for name in types if name != "per_class")
    return averages + tuple(f"f1[{label}]" for label in labels or () if "per_class" in types)


def _f1(counts: FloatArray) -> FloatArray:
    """Map (r, 3, l) counts of tp, fp and fn to (r, l) F1; 0 for 0/0."""
    hits, false_positives, false_negatives = counts[:, 0], counts[:, 1], counts[:, 2]
    total = 2 * hits + false_positives + false_negatives
    return np.asarray(np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0), dtype=np.float64)


def _labels_text(labels: tuple[str, ...] | None) -> str:
    if labels is None:
        return "auto"
    text = ",".join(labels)
    # Spelled out only where it reads back unambiguously: "|" separates a signature's parts.
    plain = all(re.fullmatch(r"[^|,:]+", label) for label in labels)
    if plain and len(text) <= _LONGEST_LABELS:
        return text
    return f"{len(labels)}[{content_hash(list(labels))[:12]}]"
