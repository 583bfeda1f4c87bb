"""Tables of a run's parts: scores by the values of a column, figures and confusions by label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalkit.records import Aggregate
from evalkit.report.base import Report
from evalkit.report.table import Table, interval, note, shown

WIDEST_MATRIX = 12
"""Labels of which a confusion matrix is still a table; of more, the most frequent confusions are listed."""
MOST_CONFUSIONS = 20
LONGEST_VALUE = 40  # characters; a text column's values are whole texts
OTHER = "(other)"
UNPARSED = "(unparsed)"
MISSED = (OTHER, UNPARSED)

Slices = Mapping[str, Any]


def slice_table(column: str, found: Slices, report: Report) -> Table:
    """One line per value and metric of one run."""
    header = (column, "metric", "score", "interval", "n", "failed", "unparsed")
    return Table(header, tuple(_slice_rows(found, report)), _note([found], [report]))


def slices_table(column: str, found: Sequence[tuple[Report, Slices]]) -> Table:
    """One line per run, value and metric."""
    header = ("task", "model", column, "metric", "score", "interval", "n", "failed", "unparsed", "run")
    rows = []
    for report, slices in found:
        named = (report.task["name"], report.model["asked"])
        rows += [(*named, *row, report.run_id) for row in _slice_rows(slices, report)]
    return Table(header, tuple(rows), _note([one for _, one in found], [one for one, _ in found]))


def label_table(found: Mapping[str, Any]) -> Table:
    """Precision, recall, F1 and support of each label."""
    rows = tuple(
        (label, *(shown(one[name], 1.0) for name in ("precision", "recall", "f1")), f"{one['support']:g}")
        for label, one in found["labels"].items()
    )
    return Table(
        ("label", "precision", "recall", "F1", "support"),
        rows,
        "x 100; a label without prediction or target has 0; support: samples whose target it is",
    )


def confusion_table(found: Mapping[str, Any]) -> Table:
    """The confusion matrix; of many labels its most frequent entries off the diagonal."""
    labels = list(found["labels"])
    targets = dict(found["labels"])
    if found["outside"] is not None:
        targets[OTHER] = found["outside"]
    missed = "(other): no label of the set; (unparsed): no prediction"
    if len(labels) <= WIDEST_MATRIX:
        rows = tuple(
            (target, *(str(one["predicted"].get(label, 0)) for label in labels), *map(str, _missed(one)))
            for target, one in targets.items()
        )
        return Table(("target \\ predicted", *labels, *MISSED), rows, f"answers; {missed}")
    counted = [
        (target, label, count)
        for target, one in targets.items()
        for label, count in (*one["predicted"].items(), *zip(MISSED, _missed(one), strict=True))
        if count and label != target
    ]
    counted.sort(key=lambda row: -row[2])
    left = len(counted) - MOST_CONFUSIONS
    rest = f"; {left} rarer ones are left out" if left > 0 else ""
    return Table(
        ("target", "predicted", "n"),
        tuple((target, label, str(count)) for target, label, count in counted[:MOST_CONFUSIONS]),
        f"the most frequent confusions of {len(labels)} labels{rest}; {missed}",
    )


def _missed(row: Mapping[str, Any]) -> tuple[int, int]:
    return row["other"], row["unparsed"]


def _slice_rows(found: Slices, report: Report) -> Iterator[tuple[str, ...]]:
    for one in found["values"]:
        counts = (str(one["n"]), str(one["n_failed"]), str(one["n_unparsed"]))
        value = _cut(one["value"])
        if not one["metrics"]:
            yield (value, "(nothing scored)", "-", "-", *counts)
        for name, stored in one["metrics"].items():
            whole = report.metrics[name]
            yield (
                value,
                name,
                shown(stored["value"], whole.maximum, whole.unit),
                _interval(whole, stored),
                *counts,
            )


def _interval(whole: Aggregate, stored: Mapping[str, Any]) -> str:
    from dataclasses import replace

    return interval(replace(whole, low=stored["low"], high=stored["high"]))


def _cut(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 1]}…"


def _note(found: Sequence[Slices], reports: Sequence[Report]) -> str:
    how = note(reports)
    left_out = [one["left_out"] for one in found if one["left_out"]["values"]]
    if not left_out:
        return how
    most = max(left_out, key=lambda one: int(one["values"]))
    return f"the most frequent values; {most['values']} others ({most['samples']} samples) left out; {how}"
