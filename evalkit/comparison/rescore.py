"""Scores stored outputs again with another run's metric, so that the two can be compared.

A run's predictions and targets are in its folder. A baseline keeps no texts: its outputs are found again
through the answer cache, by request key, and read by the candidate's post-processing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit.comparison.base import Family, Measured, Side
from evalkit.comparison.side import metric_of
from evalkit.records import Generation, Sample
from evalkit.report.base import read
from evalkit.report.line import generation_of, sample_of

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

Answers = Callable[[Sequence[str]], Mapping[str, Sequence[Generation]]]
"""Maps request keys to the generations of each, as far as the outputs are at hand."""
Answered = tuple[Generation, Sample]
"""An answer, and the sample in the form that was asked."""


def rescored(side: Side, family: Family, texts: Mapping[str, Sample], answers: Answers | None) -> Side | None:
    """Return the side with `family` computed as given; None when an output is not at hand.

    `texts` are the samples with their targets, by id (the other side's: contents were checked to be equal).
    """
    metric = metric_of(family)
    if metric.judged != metric_of(side.families[family.name]).judged:
        return None  # another judge's verdicts
    found = _from_folder(side) if side.folder is not None else _from_answers(side, texts, answers)
    if found is None:
        return None
    samples: dict[str, Measured] = {}
    for name, measured in side.samples.items():
        mine = found.get(name, [])
        if name not in texts or len(mine) < max((len(one) for one in measured.rows.values()), default=0):
            return None
        rows: FloatArray = metric.statistics([one for one, _ in mine], [sample for _, sample in mine])
        samples[name] = replace(measured, rows={**measured.rows, family.name: rows})
    return replace(side, families={**side.families, family.name: family}, samples=samples)


def texts_of(side: Side) -> dict[str, Sample]:
    """Return a run's samples with their targets, by id; empty for a baseline."""
    if side.folder is None:
        return {}
    return {line["id"]: sample_of(line) for line in read(side.folder).samples()}


def _from_folder(side: Side) -> dict[str, list[Answered]]:
    assert side.folder is not None
    found: dict[str, list[Answered]] = {}
    for line in read(side.folder).samples():
        if "failure" not in line:
            found.setdefault(line["id"], []).append((generation_of(line), sample_of(line)))
    return found


def _from_answers(
    side: Side, texts: Mapping[str, Sample], answers: Answers | None
) -> dict[str, list[Answered]] | None:
    # What was added to a sample is the other side's, and need not have been added to this one's.
    if answers is None or any(one.added for one in texts.values()):
        return None
    keys = [key for one in side.samples.values() for key in one.request_keys]
    found = answers(keys)
    if any(key not in found for one in side.samples.values() if not one.failed for key in one.request_keys):
        return None
    return {
        # A request that brought several answers stands once for each of them.
        name: [
            (answer, texts[name]) for key in dict.fromkeys(one.request_keys) for answer in found.get(key, ())
        ]
        for name, one in side.samples.items()
        if name in texts
    }
