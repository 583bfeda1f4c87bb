"""F1, precision and recall of labels, over a label set frozen before scoring; their confusion matrix."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import LabelMetric, options_text
from evalkit.metrics.text import all_references, check_choice, quoted, references_of
from evalkit.records import Generation, Sample, content_hash, text_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evalkit.metrics.base import FloatArray

DEFAULT_TYPES = ("macro", "micro", "per_class")
_MEASURES = ("f1", "precision", "recall")
_AVERAGES = ("macro", "micro", "weighted", "per_class")
# "macro" and so on mean F1; the other measures name themselves: "recall_macro".
TYPES = tuple(
    average if measure == "f1" else f"{measure}_{average}" for measure in _MEASURES for average in _AVERAGES
)

_LONGEST_LABELS = 60


class F1(LabelMetric):
    """F1, precision and recall in [0, 1] of predicted labels: `f1_macro`, `recall_micro`, `f1[label]`, ….

    The figures are those of scikit-learn's `precision_recall_fscore_support(labels=<the bound labels>,
    zero_division=0)`: a class's precision is tp / (tp + fp), its recall tp / (tp + fn), its F1
    2tp / (2tp + fp + fn), each 0 where that is 0/0; macro is their plain mean, weighted their mean by
    support (tp + fn); micro pools the counts.
    A prediction outside the label set (or unparsed) is a false negative of its true class and no class's
    false positive, so micro F1 then differs from accuracy.

    `labels`: the label set; by default the targets' labels, sorted, as bound. A target outside an explicit
    set adds no false negative, as in scikit-learn. `types`: which values to give, of macro, micro, weighted
    and per_class (of F1), and the same with precision_ or recall_ before them.
    Labels are compared without surrounding white space. Of several acceptable targets the predicted one is
    taken as true, else the first.
    """

    rows_from_texts = True

    def __init__(self, *, labels: Sequence[str] | None = None, types: Sequence[str] = DEFAULT_TYPES) -> None:
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
        """The first value, macro F1: micro F1 is accuracy in all but unparsed answers, classes are slices."""
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
        columns = [_values(counts, *_parts(name)) for name in _in_order(self.types)]
        values = np.concatenate(columns, axis=1)
        values[~counts.any(axis=(1, 2))] = np.nan
        return np.asarray(values, dtype=np.float64)

    def confusion(self, statistics: FloatArray) -> FloatArray:
        """Return (l + 1, l + 1) counts of answers, target by predicted label, others last."""
        n, size = len(statistics), len(self._bound_labels())
        hits, false_positives, false_negatives = statistics.reshape(n, 3, size).transpose(1, 0, 2)
        counts = np.zeros((size + 1, size + 1))
        np.add.at(counts, (_number(hits + false_negatives), _number(hits + false_positives)), 1.0)
        return counts

    def by_label(self, sums: FloatArray) -> FloatArray:
        """Return (l, 4) precision, recall, F1 and support (samples that are the label)."""
        counts = np.asarray(sums, dtype=np.float64).reshape(1, 3, -1)
        measures = [_measure(counts, name)[0] for name in ("precision", "recall", "f1")]
        return np.stack([*measures, _support(counts)[0]], axis=1)

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


def _parts(name: str) -> tuple[str, str]:
    """Split a type into measure and average: `recall_macro`; `macro` is F1's."""
    measure, _, average = name.partition("_")
    return (measure, average) if measure in _MEASURES else ("f1", name)


def _in_order(types: tuple[str, ...]) -> list[str]:
    """The averages as asked for, then the classes."""
    return sorted(types, key=lambda name: name.endswith("per_class"))


def _names(types: tuple[str, ...], labels: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the values' names in order; before bind only the averages."""
    names: list[str] = []
    for measure, average in map(_parts, _in_order(types)):
        if average == "per_class":
            names += [f"{measure}[{label}]" for label in labels or ()]
        else:
            names.append(f"{measure}_{average}")
    return tuple(names)


def _values(counts: FloatArray, measure: str, average: str) -> FloatArray:
    """Map (r, 3, l) counts of tp, fp and fn to (r, 1) averages, or (r, l) values of the classes."""
    if average == "micro":
        return _measure(counts.sum(axis=2, keepdims=True), measure)
    per_class = _measure(counts, measure)
    if average == "per_class":
        return per_class
    if average == "macro":
        return np.asarray(per_class.mean(axis=1, keepdims=True), dtype=np.float64)
    support = _support(counts)
    return _ratio((per_class * support).sum(axis=1, keepdims=True), support.sum(axis=1, keepdims=True))


def _measure(counts: FloatArray, measure: str) -> FloatArray:
    """Map (r, 3, l) counts to (r, l) F1, precision or recall; 0 for 0/0."""
    hits, false_positives, false_negatives = counts[:, 0], counts[:, 1], counts[:, 2]
    if measure == "precision":
        return _ratio(hits, hits + false_positives)
    if measure == "recall":
        return _ratio(hits, hits + false_negatives)
    return _ratio(2 * hits, 2 * hits + false_positives + false_negatives)


def _support(counts: FloatArray) -> FloatArray:
    return np.asarray(counts[:, 0] + counts[:, 2], dtype=np.float64)


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.asarray(np.divide(above, below, out=np.zeros_like(below), where=below > 0), dtype=np.float64)


def _number(rows: FloatArray) -> NDArray[np.intp]:
    """Map (n, l) indicators to the number of the label that is set, l where none is."""
    return np.asarray(np.where(rows.any(axis=1), rows.argmax(axis=1), rows.shape[1]), dtype=np.intp)


def _labels_text(labels: tuple[str, ...] | None) -> str:
    if labels is None:
        return "auto"
    text = ",".join(labels)
    # Spelled out only where it reads back unambiguously: "|" separates a signature's parts.
    plain = all(re.fullmatch(r"[^|,:]+", label) for label in labels)
    if plain and len(text) <= _LONGEST_LABELS:
        return text
    return f"{len(labels)}[{content_hash(list(labels))[:12]}]"
