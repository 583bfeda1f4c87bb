"""All checks of a run.

What needs more than the run's own files (its data, its model's settings, its post-processing) is handed in as
`AtHand`; a check without what it needs says so and is not counted as passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from evalkit.errors import ReportError
from evalkit.report.base import Report
from evalkit.report.line import outcome_of, sample_of
from evalkit.report.verify import contents, numbers
from evalkit.report.verify.base import AtHand, Check, Stored

CHECKS: tuple[Callable[[Stored], Check], ...] = (
    contents.samples,
    contents.dataset,
    contents.prompts,
    contents.request_keys,
    contents.predictions,
    numbers.statistics,
    numbers.scores,
    numbers.breakdowns,
    numbers.counts,
    numbers.usage,
    numbers.latencies,
)


def verify(report: Report, at_hand: AtHand) -> list[Check]:
    """Return every check of a run; nothing is asked and nothing is written."""
    try:
        lines = list(report.samples())
        damaged = [
            f"line {number}: damaged ({error!r})"
            for number, line in enumerate(lines, start=1)
            if (error := _damage(line)) is not None
        ]
    except ReportError as error:
        damaged = [str(error)]
    if damaged:
        return [Check("samples", "samples.jsonl", damaged)]
    found = Stored(report, lines, at_hand)
    return [check(found) for check in CHECKS]


def _damage(line: Mapping[str, Any]) -> Exception | None:
    try:
        sample_of(line)
        outcome_of(line)
        line["hash"], line["prompt_sha256"], line["input"].items()
        if "failure" not in line:
            line["prediction"], line["statistics"].items()
    except (KeyError, TypeError, AttributeError) as error:
        return error
    return None
