"""What a reader should know before the scores: the run ended early, its model was not one and the same."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.records import INTERRUPTED, OVER_BUDGET, STOPPED
from evalkit.report.base import Report

ENDED = {
    INTERRUPTED: "the run was interrupted",
    STOPPED: "an error of the server ended the run",
    OVER_BUDGET: "the budget ended the run",
}


def ending(report: Report) -> Iterator[str]:
    """Say that a run ended before every sample was asked."""
    if report.status in ENDED:
        left = report.failures.get(report.status, 0)
        yield f"{ENDED[report.status]}: {left} of {report.counts['requests']} requests have no answer yet"


def drift(report: Report) -> Iterator[str]:
    """Say that more than one model, or more than one state of it, answered."""
    for name, what in (("served", "model"), ("system_fingerprint", "system fingerprint")):
        found = report.model.get(name) or {}
        if len(found) > 1:
            counts = ", ".join(f"{one} ({count} answers)" for one, count in found.items())
            yield f"more than one {what} answered: {counts}"
