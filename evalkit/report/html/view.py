"""What the page's template is filled with: words, cells and positions, in the order that they are read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalkit.records import Aggregate
from evalkit.report.base import Report
from evalkit.report.breakdown import OTHER, WIDEST_MATRIX, confusion_table, label_table, slice_table
from evalkit.report.html.base import Against, Difference
from evalkit.report.html.plot import Mark, difference_marks, reach_of, score_mark, shade
from evalkit.report.renderers.base import Publication
from evalkit.report.table import Table, interval, note, shown

HEADLINES = 4
"""Scores in large print; the table below has all."""
SHOWN = ("metrics", "families", "slices", "classes", "postprocess", "config")
"""Parts of report.json that stand on the page by themselves."""
TONES = {
    "REGRESSED": "bad",
    "INVALID": "bad",
    "NOT COMPARABLE": "bad",
    "INCONCLUSIVE": "warn",
    "IMPROVED": "good",
    "PASSED": "good",
}


@dataclass(frozen=True)
class Score:
    """One metric of the run, as the table spells it."""

    name: str
    value: str
    interval: str
    counts: tuple[int, int, int]
    higher_is_better: bool
    mark: Mark | None


@dataclass(frozen=True)
class Slices:
    """A column's values, one a row: the first metric drawn, the others as numbers."""

    column: str
    metrics: Sequence[str]
    rows: Sequence[SliceRow]
    note: str


@dataclass(frozen=True)
class SliceRow:
    """One value of a column; `scores` in the order of the metrics, `counts` are n, failed, unparsed."""

    value: str
    scores: Sequence[str]
    interval: str
    mark: Mark | None
    counts: Sequence[str]


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: a row for each target, each count with its shade and whether it is right."""

    header: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[str, int, bool]]]]
    note: str


def warnings_of(report: Report, publication: Publication) -> Iterator[tuple[str, str]]:
    """Yield (tone, sentence) for what a reader must know before any number, failures first."""
    for place, sentence in enumerate(publication.warnings):
        yield "bad" if report.counts["failed"] and not place else "warn", sentence


def headlines(report: Report, against: Against | None) -> list[tuple[Score, str, str]]:
    """Return the scores in large print: what a gate looks at, the first few.

    With each stands its difference from the baseline and the tone of its verdict, empty where there is none.
    """
    wanted = [name for one in report.families.values() for name in one["headline"]] or list(report.metrics)
    moved = {one.metric: one for one in (against.differences if against else ())}
    found = []
    for score in scores_of(report):
        one = moved.get(score.name)
        told = (one.cells["difference"], _tone(one)) if one is not None else ("", "")
        found += [(score, *told)] if score.name in wanted else []
    return found[:HEADLINES]


def scores_of(report: Report) -> list[Score]:
    """Return every metric of the run."""
    return [
        Score(
            name,
            shown(one.value, one.maximum, one.unit),
            interval(one),
            (one.n, one.n_failed, one.n_unparsed),
            one.higher_is_better,
            score_mark(one),
        )
        for name, one in report.metrics.items()
    ]


def reach(against: Against) -> str:
    """Return the points at the ends of the differences' drawings."""
    return f"{reach_of(against.differences):g}"


def differences_of(against: Against) -> list[tuple[Difference, Mark, str]]:
    """Return the differences with their drawings and the tone of their verdicts."""
    marks = difference_marks(against.differences)
    return [(one, mark, _tone(one)) for one, mark in zip(against.differences, marks, strict=True)]


def _tone(one: Difference) -> str:
    return TONES.get(one.verdict, "") if one.gated else ""


def slices_of(report: Report) -> Iterator[Slices]:
    """Yield the scores by each column that the run was sliced by."""
    for column, stored in report.slices.items():
        metrics = list(dict.fromkeys(name for one in stored["values"] for name in one["metrics"]))
        rows = [_slice_row(one, metrics, report.metrics) for one in stored["values"]]
        yield Slices(column, metrics, rows, slice_table(column, stored, report).note)


def _slice_row(one: Mapping[str, Any], metrics: Sequence[str], whole: Mapping[str, Aggregate]) -> SliceRow:
    counts = [str(one[name]) for name in ("n", "n_failed", "n_unparsed")]
    found = [
        replace(whole[name], **{part: one["metrics"][name][part] for part in ("value", "low", "high")})
        for name in metrics
        if name in one["metrics"]
    ]
    if not found:
        return SliceRow(one["value"], ["-"] * len(metrics), "-", None, counts)
    first = found[0]
    return SliceRow(
        one["value"],
        [shown(part.value, part.maximum, part.unit) for part in found],
        interval(first),
        score_mark(first, whole[first.metric].value),
        counts,
    )


def classes_of(report: Report) -> Iterator[tuple[str, Table, Matrix | None, Table]]:
    """Yield (family, figures by label, matrix, confusions) of each metric of labels.

    There is a matrix unless the labels are too many; then the most frequent confusions stand alone.
    """
    for family, found in report.classes.items():
        confusions = confusion_table(found)
        small = len(found["labels"]) <= WIDEST_MATRIX
        yield family, label_table(found), _matrix(confusions) if small else None, confusions


def _matrix(table: Table) -> Matrix:
    counts = [[int(cell) for cell in row[1:]] for row in table.rows]
    most = max((max(row) for row in counts), default=0)
    rows = [
        (
            row[0],
            [
                (str(count), shade(count, most), column == place and row[0] != OTHER)
                for column, count in enumerate(line)
            ],
        )
        for place, (row, line) in enumerate(zip(table.rows, counts, strict=True))
    ]
    return Matrix(table.header, rows, table.note)


def provenance_of(report: Report) -> str:
    """Return what else report.json holds of the run, whole: hashes, versions, counts, times, seeds."""
    told = report.to_json()
    if report.prompt is not None:
        told["prompt"] = {name: value for name, value in report.prompt.items() if name != "source"}
    return pretty({name: value for name, value in told.items() if name not in SHOWN})


def note_of(report: Report) -> str:
    """Say how the scores are read."""
    return note([report])


def pretty(value: Any) -> str:
    """Return indented JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2)
