"""A comparison as the HTML page shows it: the words, the differences, and the baseline's answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalkit.comparison.base import Comparison, MetricComparison, Side, Verdict
from evalkit.comparison.diff import prompt_diff
from evalkit.comparison.render import HEADER, metric_table, remarks, scales_note, sentence, slice_table
from evalkit.comparison.rescore import Answers
from evalkit.errors import ReportError
from evalkit.report.base import Report, read
from evalkit.report.html.base import Against, Before, Difference
from evalkit.report.line import answer_text

Line = Mapping[str, Any]


def against_of(
    comparison: Comparison, baselines: Sequence[Side], candidate: Side, report: Report, answers: Answers
) -> Against:
    """Return what a page is told of the baseline that a single run was compared with."""
    if not comparison.cases:
        there = ", ".join(sorted({one.case for one in baselines})) or "nothing"
        raise ReportError(f"the baseline has no run like {candidate.case}; it has {there}")
    case = comparison.cases[0]
    baseline = next(one for one in baselines if one.facts["run_id"] == case.baseline["run_id"])
    told = replace(comparison, notes=())  # what else the baseline's suite holds is no matter of this run
    problem = case.problem is not None
    return Against(
        label=baseline.baseline or baseline.label,
        verdict=str(_verdict(comparison)),
        sentence=sentence(told).partition(": ")[2] or sentence(told),
        differences=[
            _difference(told, one)
            for one in case.metrics
            if one.effect is not None and ("[" not in one.metric or one.gated)
        ],
        note=scales_note(told),
        slices=slice_table(told),
        remarks=list(remarks(told)),
        prompt=prompt_diff(read(baseline.folder), report) if baseline.folder is not None else [],
        fixed=frozenset(case.fixed),
        broken=frozenset(case.broken),
        comparable=frozenset(
            ()
            if problem
            else (
                name
                for name, family in candidate.families.items()
                if name in baseline.families and baseline.families[name].key == family.key
            )
        ),
        before=_texts(baseline, candidate, answers),
    )


def _verdict(comparison: Comparison) -> Verdict | str:
    """Return the word that the sentence begins with."""
    word, colon, _ = sentence(comparison).partition(": ")
    return word if colon else "NOT GATED"


def _difference(comparison: Comparison, one: MetricComparison) -> Difference:
    assert one.effect is not None
    alone = replace(comparison, cases=[replace(comparison.cases[0], metrics=[one])])
    scale = 100 / one.maximum
    low, high = one.effect.low * scale, one.effect.high * scale
    bounded = math.isfinite(low + high)
    return Difference(
        metric=one.metric,
        cells=dict(zip(HEADER, metric_table(alone).rows[0], strict=True)),
        verdict=str(one.verdict),
        gated=one.gated,
        higher_is_better=one.higher_is_better,
        difference=one.effect.difference * scale,
        low=low if bounded else None,
        high=high if bounded else None,
        margin=one.margin * scale,
        unit=one.unit,
    )


def _texts(
    baseline: Side, candidate: Side, answers: Answers
) -> Callable[[Sequence[Line]], list[Before | None]]:
    """Return what finds the baseline's answers to some lines: in its folder, or through the answer cache.

    Only samples with the same content are matched.
    """
    same = {
        name
        for name, one in baseline.samples.items()
        if name in candidate.samples and candidate.samples[name].hash == one.hash
    }
    if baseline.folder is not None:
        return _FromFolder(read(baseline.folder).samples(), same)
    return lambda lines: _from_answers(baseline, same, lines, answers)


class _FromFolder:
    """Reads a run's lines once, beside the other run's: what is not needed yet waits."""

    def __init__(self, lines: Iterable[Line], same: set[str]) -> None:
        self._lines = iter(lines)
        self._same = same
        self._waiting: dict[tuple[str, int], Line] = {}

    def __call__(self, lines: Sequence[Line]) -> list[Before | None]:
        return [self._one((line["id"], line["trial"])) for line in lines]

    def _one(self, wanted: tuple[str, int]) -> Before | None:
        if wanted[0] not in self._same:
            return None
        while wanted not in self._waiting:
            line = next(self._lines, None)
            if line is None:
                return None
            self._waiting[line["id"], line["trial"]] = line
        line = self._waiting.pop(wanted)
        return Before(
            output=None if "failure" in line else answer_text(line),
            prediction=line.get("prediction"),
            unparsed=line.get("unparsed"),
            failure=line.get("failure"),
            statistics=line.get("statistics"),
        )


def _from_answers(
    baseline: Side, same: set[str], lines: Sequence[Line], answers: Answers
) -> list[Before | None]:
    """A baseline keeps no texts: they are looked for by request key; its statistics stand without them."""
    keys = [
        key
        for name in dict.fromkeys(line["id"] for line in lines if line["id"] in same)
        for key in baseline.samples[name].request_keys
    ]
    texts = answers(keys)
    found: list[Before | None] = []
    for line in lines:
        measured = baseline.samples.get(line["id"]) if line["id"] in same else None
        trial = line["trial"]
        # Which of several trials failed is not kept, so only samples without a failure can be told apart.
        if measured is None or measured.failed or trial >= len(measured.request_keys):
            found.append(None)
            continue
        alike = [one for key in dict.fromkeys(measured.request_keys) for one in texts.get(key, ())]
        answer = alike[trial] if len(alike) == len(measured.request_keys) else None
        found.append(
            Before(
                output=None if answer is None else answer.response.text,
                prediction=None if answer is None else answer.prediction,
                unparsed=None if answer is None else answer.unparsed,
                statistics={name: rows[trial].tolist() for name, rows in measured.rows.items()},
            )
        )
    return found
