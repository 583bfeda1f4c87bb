"""JUnit XML, as Jenkins, GitLab and other CI servers read it: a suite a case, a test a metric.

The texts of the failing tests hold the numbers and the worst samples; those of the others stand in their
system-out. The schema that the tests hold it to allows no more than what both Jenkins' and Ant's schema have,
and system-out inside a test, which only Jenkins' has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from evalkit.report.renderers.base import Check, Excerpt, Publication, State
from evalkit.report.renderers.xml import attributes, text

ELEMENTS = {State.FAILED: "failure", State.ERROR: "error", State.SKIPPED: "skipped"}


def render(publication: Publication) -> str:
    """Return the document; checks of the same case stand in one suite."""
    checks = sorted(publication.checks, key=lambda one: one.case)  # stable: a case keeps its own order
    suites = [list(some) for _, some in groupby(checks, key=lambda one: one.case)]
    totals = {"name": publication.title, **_counts(checks), "time": f"{publication.seconds:.3f}"}
    del totals["skipped"]  # the root has no such attribute
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites{attributes(totals)}>"]
    for number, some in enumerate(suites):
        lines += _suite(some, number, publication, publication.seconds if len(suites) == 1 else 0.0)
    return "\n".join((*lines, "</testsuites>")) + "\n"


def _suite(checks: Sequence[Check], number: int, publication: Publication, seconds: float) -> Iterator[str]:
    told = {
        "name": checks[0].case,
        "package": "evalkit",
        "id": number,
        "timestamp": publication.created[:19],  # Ant's schema allows no zone
        "hostname": "localhost",
        **_counts(checks),
        "time": f"{seconds:.3f}",
    }
    yield f"  <testsuite{attributes(told)}>"
    yield "    <properties>"
    for name, value in (*publication.facts, *(("verdict", one) for one in [publication.verdict] if one)):
        yield f"      <property{attributes({'name': name, 'value': value})}/>"
    yield "    </properties>"
    for one in checks:
        yield from _case(one)
    yield f"    <system-out>{text(publication.sentence)}</system-out>"
    yield f"    <system-err>{text(chr(10).join(publication.warnings))}</system-err>"
    yield "  </testsuite>"


def _case(check: Check) -> Iterator[str]:
    told = {"name": check.name, "classname": f"evalkit.{check.case}", "time": "0.000"}
    yield f"    <testcase{attributes(told)}>"
    body = text("\n".join((check.message, *check.figures, *_samples(check.samples))))
    element = ELEMENTS.get(check.state)
    if element is None:
        yield f"      <system-out>{body}</system-out>"
    else:
        kind = {"message": check.message, "type": check.state.value}
        yield f"      <{element}{attributes(kind)}>{body}</{element}>"
    yield "    </testcase>"


def _samples(samples: Sequence[Excerpt]) -> Iterator[str]:
    for one in samples:
        scores = ", ".join(f"{name} {value:.1f}" for name, value in one.scores.items())
        yield ""
        yield f"sample {one.id}: {', '.join(filter(None, (scores, one.remark)))}"
        yield from (f"  {name}: {_line(value)}" for name, value in one.input.items())
        yield f"  target: {_line(one.target)}"
        if one.before is not None:
            yield f"  baseline's output: {_line(one.before)}"
        if one.output is not None:
            yield f"  output: {_line(one.output)}"


def _line(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _counts(checks: Sequence[Check]) -> dict[str, int]:
    states = [one.state for one in checks]
    return {
        "tests": len(states),
        "failures": states.count(State.FAILED),
        "errors": states.count(State.ERROR),
        "skipped": states.count(State.SKIPPED),
    }
